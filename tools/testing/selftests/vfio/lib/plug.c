// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is plugged into a port of the test bed by QEMU's monitor, and the ways in which it goes.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

#define PAUSE_US	20000

#define PORT_ON		PCI_EXP_SLTCTL_PWR_IND_ON
#define PORT_OFF	(PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF)

/* A command for QEMU; EEXIST if it has such a device, or still has. */
static int say(const char *command)
{
	char answer[512], *text;

	if (monitor_say(command, answer, sizeof(answer)))
		return -1;
	text = strstr(answer, "Error:");
	if (!text)
		return 0;
	errno = strstr(text, "Duplicate device ID") ? EEXIST : EIO;
	if (errno == EIO)
		printf("# %s: %s\n", command, text);
	return -1;
}

/* Calls again what fails with one errno while something else has not ended yet. */
#define PATIENTLY(error, call) (__extension__ ({			\
	int _ret;							\
									\
	for (int _waited = 0; _waited < PATIENCE_MS * 1000; _waited += PAUSE_US) { \
		_ret = call;						\
		if (!_ret || errno != (error))				\
			break;						\
		usleep(PAUSE_US);					\
	}								\
	_ret;								\
}))

/* The ports have a driver that hears when a device was pulled out; the firmware's slots do not. */
bool ports_listen(void)
{
	glob_t found;

	if (glob("/sys/bus/pci_express/drivers/pciehp/*:pcie*", 0, NULL, &found))
		return false;
	globfree(&found);
	return true;
}

/* Waits for the lamp and the power that the port's driver sets last. */
static bool port_comes_to(const struct pci_func *port, __u32 state)
{
	__u32 cap = pci_config_cap(port, PCI_CAP_ID_EXP), control;

	for (int waited = 0; cap && waited < PATIENCE_MS * 1000; waited += PAUSE_US) {
		if (pci_config_read(port, cap + PCI_EXP_SLTCTL, 2, &control))
			return false;
		if ((control & (PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PIC)) == state)
			return true;
		usleep(PAUSE_US);
	}
	return false;
}

/*
 * No driver can have a device before the kernel is through with finding it. The firmware's word of
 * a device that comes just after another was ejected is lost now and then: then we say it.
 */
static int plug_take(const struct plug *plug, struct pci_func *func)
{
	struct pci_func port;

	if (!pci_wait(plug->kind, plug->nth, func) &&
	    (file_write("/sys/bus/pci/rescan", "1") || !pci_wait(plug->kind, plug->nth, func))) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (ports_listen() && (pci_port(func, &port) || !port_comes_to(&port, PORT_ON))) {
		errno = EIO;
		return -1;
	}
	return PATIENTLY(ENODEV, pci_bind(func, "vfio-pci"));
}

/* Plugs a device in and gives it to vfio-pci; ENOENT where there is no monitor. */
int plug_in(const struct plug *plug, struct pci_func *func)
{
	char command[192];

	snprintf(command, sizeof(command), "device_add %s,id=plugged,bus=plug1", plug->device);
	if (PATIENTLY(EEXIST, say(command)))
		return -1;
	return plug_take(plug, func);
}

/* What comes after a device that went this way: the next one, or the same if it is still there. */
int plug_in_after(int (*way)(const struct pci_func *func), const struct plug *plug,
		  struct pci_func *func)
{
	if (way != plug_forget)
		return plug_in(plug, func);
	return file_write("/sys/bus/pci/rescan", "1") || plug_take(plug, func) ? -1 : 0;
}

/* ---- ways to go ---- */

/* The slot's button: the machine asks the kernel to let the device go. */
int plug_eject(const struct pci_func *func)
{
	(void)func;
	return say("device_del plugged");
}

/* Writes to the switch of the slot, which is found by the address of what is in it, or was. */
static int slot_switch(const struct pci_func *func, const char *text)
{
	char path[PATH_MAX], address[16];
	glob_t slots;
	int ret = -1;

	if (glob("/sys/bus/pci/slots/*", 0, NULL, &slots))
		return -1;
	errno = ENOENT;
	for (size_t i = 0; i < slots.gl_pathc; i++) {
		snprintf(path, sizeof(path), "%s/address", slots.gl_pathv[i]);
		if (file_read(path, address, sizeof(address)) ||
		    strncmp(address, func->bdf, strlen(address)))
			continue;
		snprintf(path, sizeof(path), "%s/power", slots.gl_pathv[i]);
		ret = file_write(path, text);
		break;
	}
	globfree(&slots);
	return ret;
}

/* The administrator switches the slot off. */
int plug_switch_off(const struct pci_func *func)
{
	return slot_switch(func, "0");
}

/*
 * Gone without a word: the power of the port is cut, and is back on before the port's driver may
 * hear of it, who else would believe that he did it.
 */
int plug_pull(const struct pci_func *func)
{
	struct pci_func port;
	__u32 cap, on, off;

	if (pci_port(func, &port))
		return -1;
	cap = pci_config_cap(&port, PCI_CAP_ID_EXP);
	if (!cap || pci_config_read(&port, cap + PCI_EXP_SLTCTL, 2, &on))
		return -1;
	off = on & ~(PCI_EXP_SLTCTL_PIC | PCI_EXP_SLTCTL_HPIE);
	off |= PCI_EXP_SLTCTL_PWR_IND_OFF | PCI_EXP_SLTCTL_PCC;
	if (pci_config_write(&port, cap + PCI_EXP_SLTCTL, 2, off))
		return -1;
	return pci_config_write(&port, cap + PCI_EXP_SLTCTL, 2, on);
}

/* The hardware stays, the kernel is told to forget it. */
int plug_forget(const struct pci_func *func)
{
	return pci_write(func, "remove", "1");
}

/*
 * The slot is empty, and its driver has heard so: else it takes the button that is pressed for what
 * is plugged in next for the wish to have it out again. Switching an empty slot on fails after all
 * that the driver had left to do.
 */
static bool port_is_empty(const struct pci_func *port, const struct pci_func *func)
{
	return port_comes_to(port, PORT_OFF) && slot_switch(func, "1") && errno == ENODEV;
}

/* Has a device go, in a process without fds of ours, since it may take long. */
int leave_begin(struct leaving *l, int (*way)(const struct pci_func *func),
		const struct pci_func *func)
{
	*l = (struct leaving){ .way = way, .func = *func };
	if (pci_port(func, &l->port))
		return -1;
	l->pid = fork();
	if (!l->pid) {
		close_range(3, ~0U, 0);
		_exit(way(func) ? errno : 0);
	}
	return l->pid < 0 ? -1 : 0;
}

/* Waits until it is gone. 0, or the number of what went wrong. */
int leave_end(const struct leaving *l)
{
	int status = child_end(l->pid, PATIENCE_MS);

	if (status)
		return status;
	if (!pci_wait_gone(&l->func))
		return 1000;
	if (l->way != plug_forget && ports_listen() && !port_is_empty(&l->port, &l->func))
		return 1001;
	return 0;
}

/* Both. */
int plug_out(int (*way)(const struct pci_func *func), const struct pci_func *func)
{
	struct leaving l;

	return leave_begin(&l, way, func) ? errno : leave_end(&l);
}

/* What is plugged in goes, if there is something. */
int plug_clear(const struct plug *plug)
{
	struct pci_func func;

	return pci_find(plug->kind, plug->nth, &func) ? 0 : plug_out(plug_switch_off, &func);
}

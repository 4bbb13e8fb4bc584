// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that go while a program uses them: ejected in good order, pulled out, removed in sysfs;
 * and what comes in their place. QEMU's monitor plugs them in behind a port of the test bed.
 */
#include <glob.h>
#include <kselftest_harness.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
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
static bool ports_listen(void)
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
static int take(struct pci_func *func)
{
	struct pci_func port;

	if (!pci_wait(EDU, 2, func) &&
	    (file_write("/sys/bus/pci/rescan", "1") || !pci_wait(EDU, 2, func))) {
		errno = ETIMEDOUT;
		return -1;
	}
	if (ports_listen() && (pci_port(func, &port) || !port_comes_to(&port, PORT_ON))) {
		errno = EIO;
		return -1;
	}
	return PATIENTLY(ENODEV, pci_bind(func, "vfio-pci"));
}

/* Plugs an edu in, the third one of the machine, and gives it to vfio-pci. */
static int plug_in(struct pci_func *func)
{
	if (PATIENTLY(EEXIST, say("device_add edu,id=plugged,bus=plug1")))
		return -1;
	return take(func);
}

/* ---- ways to go ---- */

/* The slot's button: the machine asks the kernel to let the device go. */
static int eject(const struct pci_func *func)
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
static int switch_off(const struct pci_func *func)
{
	return slot_switch(func, "0");
}

/*
 * Gone without a word: the power of the port is cut, and is back on before the port's driver may
 * hear of it, who else would believe that he did it.
 */
static int pull(const struct pci_func *func)
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
static int forget(const struct pci_func *func)
{
	return pci_write(func, "remove", "1");
}

/* Starts what makes the device go, in a process without fds of ours, since it may take long. */
static pid_t go_start(int (*go)(const struct pci_func *func), const struct pci_func *func)
{
	pid_t pid = fork();

	if (!pid) {
		close_range(3, ~0U, 0);
		_exit(go(func) ? errno : 0);
	}
	return pid;
}

/*
 * The slot is empty, and its driver has heard so: else it takes the button that is pressed for what
 * is plugged in next for the wish to have it out again. Switching an empty slot on fails after all
 * that the driver had left to do.
 */
static bool port_is_empty(const struct pci_func *port, const struct pci_func *func)
{
	return port_comes_to(port, PORT_OFF) && ERRNO_OF(slot_switch(func, "1")) == ENODEV;
}

/* The same, and waits until it is gone. 0, or the number of what went wrong. */
static int goes(int (*go)(const struct pci_func *func), const struct pci_func *func)
{
	struct pci_func port;
	int status;

	if (pci_port(func, &port))
		return errno;
	status = child_end(go_start(go, func), PATIENCE_MS);
	if (status)
		return status;
	if (!pci_wait_gone(func))
		return 1000;
	if (go != forget && ports_listen() && !port_is_empty(&port, func))
		return 1001;
	return 0;
}

/* ---- a user who is busy ---- */

FIXTURE(busy)
{
	struct pci_func func;
	int ready[2];
};

FIXTURE_VARIANT(busy)
{
	int (*go)(const struct pci_func *func);
	int after_ms;	/* that the user has to let go, but not of what was pulled out */
};

FIXTURE_VARIANT_ADD(busy, ejected_at_once) { .go = eject };
FIXTURE_VARIANT_ADD(busy, switched_off_at_once) { .go = switch_off };
FIXTURE_VARIANT_ADD(busy, switched_off) { .go = switch_off, .after_ms = 500 };
FIXTURE_VARIANT_ADD(busy, removed_at_once) { .go = forget };
FIXTURE_VARIANT_ADD(busy, removed) { .go = forget, .after_ms = 500 };
FIXTURE_VARIANT_ADD(busy, pulled) { .go = pull, .after_ms = -1 };

FIXTURE_SETUP(busy)
{
	int error;

	if (variant->go == pull && !ports_listen())
		SKIP(return, "the ports have no driver that hears it");
	error = ERRNO_OF(plug_in(&self->func));
	if (error == ENOENT)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, error);
	ASSERT_EQ(0, pipe(self->ready));
}

FIXTURE_TEARDOWN(busy)
{
	struct pci_func func;

	EXPECT_OK(pci_find(EDU, 2, &func));
	EXPECT_EQ(0, goes(switch_off, &func));
}

/* Nothing of the group is left either: its calls say so, and there is no node. */
static bool group_is_gone(const struct client *c)
{
	__u32 flags;

	return ERRNO_OF(group_status(c->group, &flags)) == ENODEV &&
	       ERRNO_OF(group_get_device(c->group, c->func.bdf)) == ENODEV &&
	       ERRNO_OF(group_open(c->func.group)) == ENOENT;
}

static bool group_goes(const struct client *c)
{
	for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
		if (group_is_gone(c))
			return true;
		usleep(20000);
	}
	return false;
}

/* The user's process: opens all, is busy until the device is gone, and looks what it sees then. */
static void user(const int *ready, const struct pci_func *func, int (*habit)(struct client *c))
{
	struct client c;
	__u32 *bar;
	int ret;

	if (client_open_func(&c, func, NULL, VFIO_TYPE1v2_IOMMU) || edu_start(&c))
		_exit(30);
	bar = region_map(&c, 0, 0, PAGE);
	if (bar == MAP_FAILED || bar_look(bar) == ONES)
		_exit(31);
	if (write(ready[1], "", 1) != 1)
		_exit(32);
	ret = habit(&c);
	if (ret)
		_exit(ret);
	if (!is_dead(c.device))
		_exit(33);
	/* Calls fail first. */
	if (!becomes_ones(bar))
		_exit(34);
	if (!group_goes(&c))
		_exit(35);
	client_close(&c);
	_exit(bar_look(bar + 1) == ONES ? 0 : 36);
}

static int habit_asks(struct client *c)
{
	struct vfio_region_info info;
	__u32 index = 0;

	while (!region_info(c->device, index++ % VFIO_PCI_NUM_REGIONS, &info) || errno == EINVAL)
		;
	return errno == ENODEV ? 0 : 40;
}

static int habit_writes_config(struct client *c)
{
	while (!config_command(c, 0, PCI_COMMAND_MEMORY) &&
	       !config_command(c, PCI_COMMAND_MEMORY, 0))
		;
	return errno == ENODEV ? 0 : 41;
}

static const struct {
	const char *name;
	int (*habit)(struct client *c);
} habits[] = {
	{ "sleeps", habit_waits },
	{ "polls a BAR", habit_polls_bar },
	{ "asks", habit_asks },
	{ "takes interrupts", habit_takes_interrupts },
	{ "does DMA", habit_does_dma },
	{ "writes config space", habit_writes_config },
};

/* The removal ends, the user sees it, and the next device works. */
TEST_F(busy, goes)
{
	char byte;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(habits); i++) {
		/* Each takes seconds: some do, but of what is pulled out. */
		if (!getenv("HOTPLUG_ALL") && variant->go != pull &&
		    (i % 3 != !!variant->after_ms || (variant->go == eject && i)))
			continue;
		pid = fork();
		if (!pid)
			user(self->ready, &self->func, habits[i].habit);
		close(self->ready[1]);
		ASSERT_EQ(1, read(self->ready[0], &byte, 1))
			TH_LOG("%s: ended with %d", habits[i].name, child_end(pid, PATIENCE_MS));
		if (variant->go != pull)
			ASSERT_OK(revoke_after(&self->func, variant->after_ms));
		EXPECT_EQ(0, goes(variant->go, &self->func))
			TH_LOG("%s", habits[i].name);
		EXPECT_EQ(0, child_end(pid, PATIENCE_MS))
			TH_LOG("%s", habits[i].name);
		close(self->ready[0]);
		ASSERT_EQ(0, pipe(self->ready));
		if (variant->go == forget) {
			ASSERT_OK(file_write("/sys/bus/pci/rescan", "1"));
			ASSERT_OK(take(&self->func));
		} else {
			ASSERT_OK(plug_in(&self->func));
		}
	}
}

/* ---- what comes in its place ---- */

FIXTURE(again)
{
	struct client c;
	char *memory;
};

FIXTURE_SETUP(again)
{
	struct pci_func func;
	int error = ERRNO_OF(plug_in(&func));

	if (error == ENOENT)
		SKIP(return, "no monitor");
	ASSERT_EQ(0, error);
	self->memory = memory_new(PAGE);
	ASSERT_OK(client_open_func(&self->c, &func, NULL, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
}

FIXTURE_TEARDOWN(again)
{
	struct pci_func func;

	client_close(&self->c);
	if (!pci_find(EDU, 2, &func))
		EXPECT_EQ(0, goes(switch_off, &func));
	EXPECT_EQ(0, locked_kib());
}

static bool works(const struct client *c, char *memory)
{
	__s32 event = event_new();
	bool right;

	memset(memory, 0, 64);
	snprintf(memory, 16, "%s", "hello");
	right = !edu_start(c) && !dma_map_rw(c->container, memory, IOVA, PAGE) &&
		!edu_from_memory(c, IOVA, 0, 16) && !edu_to_memory(c, IOVA + 32, 0, 16) &&
		!strcmp(memory + 32, "hello") &&
		!irq_events(c->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event) && !edu_raise(c) &&
		event_wait(event, PATIENCE_MS) == 1;
	close(event);
	return right;
}

/* A new device, while the dead fds of the old one are still open: neither knows the other. */
static void check_new(struct __test_metadata *_metadata, FIXTURE_DATA(again) * self,
		      int (*go)(const struct pci_func *func))
{
	__u32 *bar = region_map(&self->c, 0, 0, PAGE);
	struct pci_func func;
	struct client other;

	ASSERT_NE(MAP_FAILED, (void *)bar);
	if (go != pull)
		ASSERT_OK(revoke_after(&self->c.func, 0));
	ASSERT_EQ(0, goes(go, &self->c.func));
	ASSERT_OK(plug_in(&func));
	ASSERT_OK(client_open_func(&other, &func, NULL, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(works(&other, self->memory));
	EXPECT_TRUE(is_dead(self->c.device));
	EXPECT_EQ(ONES, bar_look(bar));
	client_close(&self->c);
	EXPECT_OK(edu_lower(&other));
	munmap(bar, PAGE);
	client_close(&other);
	ASSERT_OK(client_open_func(&other, &func, NULL, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(works(&other, self->memory));
	client_close(&other);
}

TEST_F(again, after_switching_off)
{
	check_new(_metadata, self, switch_off);
}

TEST_F(again, after_pulling)
{
	if (!ports_listen())
		SKIP(return, "the ports have no driver that hears it");
	check_new(_metadata, self, pull);
}

/* Whoever waits for a user whose device is pulled out waits no more, nor does the port. */
TEST_F(again, pulled_while_wanted_back)
{
	pid_t pid;

	if (!ports_listen())
		SKIP(return, "the ports have no driver that hears it");
	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	EXPECT_EQ(124, child_end(pid, QUIET_MS));
	EXPECT_EQ(0, goes(pull, &self->c.func));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	EXPECT_TRUE(is_dead(self->c.device));
}

/* Other groups of the container go on: their memory stays mapped. */
TEST_F(again, others_go_on)
{
	struct client other;

	if (!join_or_skip(_metadata, &other, &self->c, EDU, 0))
		return;
	ASSERT_OK(edu_start(&other));
	snprintf(self->memory, 16, "before");
	ASSERT_OK(edu_from_memory(&other, IOVA, 0, 16));
	if (!ports_listen())
		ASSERT_OK(revoke_after(&self->c.func, 0));
	ASSERT_EQ(0, goes(ports_listen() ? pull : switch_off, &self->c.func));
	EXPECT_OK(edu_to_memory(&other, IOVA + 64, 0, 16));
	EXPECT_STREQ("before", self->memory + 64);
	EXPECT_TRUE(is_dead(self->c.device));
	client_close(&other);
}

/* Closed a moment before, or never opened: it goes as well, and nobody is asked. */
TEST_F(again, unused)
{
	client_close(&self->c);
	EXPECT_EQ(0, goes(ports_listen() ? pull : switch_off, &self->c.func));
	EXPECT_ERRNO(ENOENT, group_open(self->c.func.group));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("Device is taken back|No device request channel|in use: .* is removed");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

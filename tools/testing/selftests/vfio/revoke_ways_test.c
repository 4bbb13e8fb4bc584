// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways in which a device is wanted back other than an unbind of its own: its VF is switched
 * off, its PF's driver goes, its driver's module goes. Its users are stuck: one sleeps, one is
 * stopped.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "lib/check.h"

#define ENABLE_SRIOV	"/sys/module/vfio_pci/parameters/enable_sriov"
#define REVOKE_AFTER	"/sys/module/vfio/parameters/revoke_after_ms"
#define TYPE		VFIO_TYPE1v2_IOMMU

/* A process that opens a function, sleeps until it is taken, and ends with 0 if that is so. */
static pid_t user_start(const struct pci_func *func, const char *options, bool stopped)
{
	struct pollfd poll_fd;
	struct client c;
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		if (client_open_func(&c, func, options, TYPE) || write(ready[1], "", 1) != 1)
			_exit(20);
		poll_fd = (struct pollfd){ .fd = c.device };
		_exit(poll(&poll_fd, 1, -1) == 1 && is_dead(c.device) ? 0 : 21);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	if (pid > 0 && stopped)
		kill(pid, SIGSTOP);
	return pid;
}

/* The user sees that it is over, and ends by himself. */
static int user_end(pid_t pid)
{
	kill(pid, SIGCONT);
	return child_end(pid, PATIENCE_MS);
}

FIXTURE(vfs)
{
	struct pci_func pf;
	struct pci_func vf[NR_VFS];
};

FIXTURE_VARIANT(vfs)
{
	const char *driver;	/* of the PF */
	const char *options;	/* to open a VF */
};

FIXTURE_VARIANT_ADD(vfs, of_nvme) { .driver = "nvme", .options = "" };
FIXTURE_VARIANT_ADD(vfs, of_vfio_pci) { .driver = "vfio-pci", .options = TOKEN };

FIXTURE_SETUP(vfs)
{
	if (!pf_find(&self->pf))
		SKIP(return, "no SR-IOV device");
	if (!strcmp(variant->driver, "nvme") && system("modprobe -q nvme"))
		SKIP(return, "no nvme driver");
	ASSERT_OK(file_write(REVOKE_AFTER, "0"));
	ASSERT_OK(file_write(ENABLE_SRIOV, "Y"));
	/* QEMU 7.2 loses the VFs by a reset of the PF. */
	ASSERT_OK(pci_set(&self->pf, "reset_method", "\n"));
	ASSERT_OK(pci_bind(&self->pf, variant->driver));
	ASSERT_OK(pci_set(&self->pf, "sriov_drivers_autoprobe", "0"));
	ASSERT_OK(pf_set_vfs(&self->pf, NR_VFS));
	for (int i = 0; i < NR_VFS; i++) {
		ASSERT_OK(pf_vf(&self->pf, i, &self->vf[i]));
		ASSERT_OK(pci_bind(&self->vf[i], "vfio-pci"));
	}
}

FIXTURE_TEARDOWN(vfs)
{
	EXPECT_OK(pci_bind(&self->pf, variant->driver));
	EXPECT_OK(pf_set_vfs(&self->pf, 0));
	pci_set(&self->pf, "sriov_drivers_autoprobe", "1");
	pci_set(&self->pf, "reset_method", "default");
	file_write(ENABLE_SRIOV, "N");
	file_write(REVOKE_AFTER, "30000");
	EXPECT_OK(pci_bind(&self->pf, "vfio-pci"));
}

/* A process of its own takes the VFs away, since a failing one would never end. */
static int vfs_off(const struct pci_func *pf, bool unbind)
{
	pid_t pid = fork();

	if (!pid)
		_exit((unbind ? pci_unbind(pf) : pf_set_vfs(pf, 0)) ? 1 : 0);
	return child_end(pid, PATIENCE_MS);
}

/* The VFs of the PF's driver's next life can be used like those of the first. */
static bool vf_is_usable(const struct pci_func *pf, const char *options)
{
	struct pci_func vf;
	struct client c;
	bool usable;

	if (pf_set_vfs(pf, 1) || pf_vf(pf, 0, &vf) || pci_bind(&vf, "vfio-pci") ||
	    client_open_func(&c, &vf, options, TYPE))
		return false;
	usable = config_read(&c, PCI_COMMAND, 2) != 0xffff;
	client_close(&c);
	return usable;
}

/* sriov_numvfs of 0 ends, whoever has the VFs, and they are gone. */
TEST_F(vfs, are_switched_off)
{
	struct client pf_client = CLIENT_NONE;
	pid_t users[NR_VFS];

	if (*variant->options)
		ASSERT_OK(client_open_func(&pf_client, &self->pf, variant->options, TYPE));
	for (int i = 0; i < NR_VFS; i++) {
		users[i] = user_start(&self->vf[i], variant->options, i);
		ASSERT_LT(0, users[i]);
	}
	EXPECT_EQ(0, vfs_off(&self->pf, false));
	EXPECT_EQ(0, pf_vfs(&self->pf));

	/* New ones, while a dead fd is open. */
	EXPECT_TRUE(vf_is_usable(&self->pf, variant->options));
	for (int i = 0; i < NR_VFS; i++)
		EXPECT_EQ(0, user_end(users[i]));
	if (*variant->options)
		client_close(&pf_client);
}

/*
 * Many VFs are not asked one after the other: all users have the same time, and are asked again and
 * again. Nobody new comes, who would have had none.
 */
TEST_F(vfs, are_asked_together)
{
	struct client users[NR_VFS], pf_client;
	__s32 event[NR_VFS];
	char name[1024];
	pid_t pid;

	if (strcmp(variant->driver, "vfio-pci"))
		SKIP(return, "the driver of the PF takes the VFs away itself");
	ASSERT_OK(client_open_func(&pf_client, &self->pf, variant->options, TYPE));
	for (int i = 0; i < NR_VFS; i++) {
		ASSERT_OK(client_open_func(&users[i], &self->vf[i], variant->options, TYPE));
		event[i] = event_new();
		ASSERT_OK(irq_events(users[i].device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event[i]));
	}
	ASSERT_OK(file_write(REVOKE_AFTER, "-1"));
	pid = fork();
	if (!pid) {
		close_range(3, ~0U, 0);
		_exit(pf_set_vfs(&self->pf, 0) ? 1 : 0);
	}
	for (int i = 0; i < 2 * NR_VFS; i++)
		EXPECT_LT(0, event_wait(event[i % NR_VFS], PATIENCE_MS));
	for (int i = 0; i < NR_VFS; i++) {
		snprintf(name, sizeof(name), "%s %s", users[i].func.bdf, variant->options);
		EXPECT_FALSE(is_dead(users[i].device));
		EXPECT_ERRNO(ENODEV, group_get_device(users[i].group, name));
	}
	EXPECT_OK(file_write(REVOKE_AFTER, "0"));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	for (int i = 0; i < NR_VFS; i++) {
		EXPECT_TRUE(is_dead(users[i].device));
		client_close(&users[i]);
		close(event[i]);
	}
	client_close(&pf_client);
}

/* The PF's driver goes: with vfio-pci its VFs go, too; nvme leaves them to their users. */
TEST_F(vfs, driver_of_pf_goes)
{
	bool theirs = strcmp(variant->driver, "vfio-pci");
	struct client pf_client = CLIENT_NONE;
	pid_t users[NR_VFS];

	/* Whoever has the PF is stuck as well. */
	if (!theirs)
		ASSERT_OK(client_open_func(&pf_client, &self->pf, variant->options, TYPE));
	for (int i = 0; i < NR_VFS; i++) {
		users[i] = user_start(&self->vf[i], variant->options, i);
		ASSERT_LT(0, users[i]);
	}
	EXPECT_EQ(0, vfs_off(&self->pf, true));
	if (theirs) {
		EXPECT_EQ(NR_VFS, pf_vfs(&self->pf));
		EXPECT_OK(pci_bind(&self->pf, "nvme"));
		EXPECT_EQ(0, vfs_off(&self->pf, false));
	} else {
		EXPECT_TRUE(is_dead(pf_client.device));
		client_close(&pf_client);
	}
	EXPECT_EQ(0, pf_vfs(&self->pf));
	for (int i = 0; i < NR_VFS; i++)
		EXPECT_EQ(0, user_end(users[i]));
}

/*
 * A module whose device is open is not taken out, as the kernel has it for all modules in use. It
 * is when the device was taken back: dead fds hold the core only, and still answer.
 */
TEST(module_of_driver_goes)
{
	struct client c;

	if (!open_or_skip(_metadata, &c, EDU, 0, TYPE))
		return;
	EXPECT_ERRNO(EAGAIN, syscall(SYS_delete_module, "vfio_pci", O_NONBLOCK));
	EXPECT_FALSE(is_dead(c.device));
	ASSERT_OK(take_back(&c.func));
	EXPECT_OK(syscall(SYS_delete_module, "vfio_pci", O_NONBLOCK));
	EXPECT_TRUE(is_dead(c.device));
	EXPECT_ERRNO(EAGAIN, syscall(SYS_delete_module, "vfio", O_NONBLOCK));
	ASSERT_EQ(0, system("modprobe vfio-pci"));
	EXPECT_TRUE(is_dead(c.device));
	client_close(&c);
	EXPECT_OK(pci_bind(&c.func, "vfio-pci"));
	EXPECT_OK(client_open(&c, EDU, 0, TYPE));
	client_close(&c);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME };

	log_announce("Device is taken back|No device request channel|VF bound to driver");
	log_announce("reset methods disabled|VFs already enabled|SR-IOV enabled after");
	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

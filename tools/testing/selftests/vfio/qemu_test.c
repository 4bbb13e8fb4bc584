// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU with a disk that its firmware uses, and that the host takes back: QEMU goes on, or ends by
 * itself, and the host has its disk.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/check.h"

#define QEMU		"qemu-system-x86_64"
#define BOOT_MS		120000
#define REVOKE_AFTER_MS	500

#define FIRMWARE_SAYS	"/tmp/qemu_test.firmware"

FIXTURE(qemu)
{
	struct pci_func disk;
	pid_t pid;
	int monitor;
};

/*
 * While its firmware is at work a machine changes its map of memory now and then. QEMU maps the
 * changes, in a container that has lost its only group, and gives up on purpose when that is
 * refused. So a machine is stopped before, or its firmware has come to its end.
 */
FIXTURE_VARIANT(qemu)
{
	bool runs;
};

FIXTURE_VARIANT_ADD(qemu, runs) { .runs = true };
FIXTURE_VARIANT_ADD(qemu, stopped) { .runs = false };

FIXTURE_SETUP(qemu)
{
	char device[64];
	int sockets[2];

	self->pid = 0;
	if (system("command -v " QEMU " >/dev/null"))
		SKIP(return, "no " QEMU);
	if (system("modprobe -q nvme") || pci_find(NVME, 0, &self->disk))
		SKIP(return, "no disk, or no driver for it");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	snprintf(device, sizeof(device), "vfio-pci,host=%s,bootindex=0,bus=root1", self->disk.bdf);
	self->pid = fork();
	if (!self->pid) {
		dup2(sockets[1], 0);
		dup2(sockets[1], 1);
		close_range(3, ~0U, 0);
		execlp(QEMU, QEMU, "-M", "q35", "-accel", "tcg", "-cpu", "qemu64", "-m", "128",
		       "-nodefaults", "-no-user-config", "-display", "none", "-qmp", "stdio",
		       "-chardev", "file,id=firmware,path=" FIRMWARE_SAYS,
		       "-device", "isa-debugcon,iobase=0x402,chardev=firmware",
		       "-device", "pcie-root-port,id=root1", "-device", device, NULL);
		_exit(127);
	}
	close(sockets[1]);
	self->monitor = sockets[0];
}

FIXTURE_TEARDOWN(qemu)
{
	if (!self->pid)
		return;
	kill(self->pid, SIGKILL);
	waitpid(self->pid, NULL, 0);
	close(self->monitor);
	EXPECT_OK(pci_bind(&self->disk, "vfio-pci"));
}

/* QEMU says this on its monitor in the end. */
static bool monitor_says(int monitor, const char *text)
{
	struct pollfd poll_fd = { .fd = monitor, .events = POLLIN };
	char said[16384] = "";
	size_t length = 0;
	ssize_t got;

	while (!strstr(said, text)) {
		if (poll(&poll_fd, 1, BOOT_MS) != 1)
			return false;
		got = read(monitor, said + length, sizeof(said) - 1 - length);
		if (got <= 0)
			return false;
		length += got;
		said[length] = 0;
	}
	return true;
}

static bool monitor_answers(int monitor, const char *command, const char *text)
{
	return send(monitor, command, strlen(command), MSG_NOSIGNAL) > 0 &&
	       monitor_says(monitor, text);
}

/* The firmware has found the disk: it lets it do DMA. */
static bool firmware_uses(const struct pci_func *disk, pid_t qemu)
{
	__u32 command = 0;

	for (int waited = 0; waited < BOOT_MS; waited += 100) {
		if (!pci_config_read(disk, PCI_COMMAND, 2, &command) &&
		    command & PCI_COMMAND_MASTER)
			return true;
		if (waitpid(qemu, NULL, WNOHANG | WNOWAIT) == qemu)
			return false;
		usleep(100000);
	}
	return false;
}

/* It read the disk, found nothing to boot, and waits. */
static bool firmware_is_done(void)
{
	char said[65536];
	ssize_t length;
	int fd;

	for (int waited = 0; waited < BOOT_MS; waited += 100) {
		fd = open(FIRMWARE_SAYS, O_RDONLY | O_CLOEXEC);
		length = read(fd, said, sizeof(said) - 1);
		close(fd);
		said[length > 0 ? length : 0] = 0;
		if (strstr(said, "No bootable device"))
			return true;
		usleep(100000);
	}
	return false;
}

TEST_F(qemu, loses_its_disk)
{
	int status = 0;

	ASSERT_TRUE(monitor_says(self->monitor, "QMP"));
	ASSERT_TRUE(monitor_answers(self->monitor, "{\"execute\":\"qmp_capabilities\"}\n",
				    "return"));
	ASSERT_TRUE(firmware_uses(&self->disk, self->pid));
	ASSERT_TRUE(variant->runs ? firmware_is_done() :
		    monitor_answers(self->monitor, "{\"execute\":\"stop\"}\n", "return"));
	ASSERT_TRUE(unbind_ends(&self->disk, REVOKE_AFTER_MS));
	ASSERT_OK(pci_bind(&self->disk, "nvme"));
	EXPECT_TRUE(disk_works());

	if (waitpid(self->pid, &status, WNOHANG) == self->pid) {
		TH_LOG("QEMU ended with status %#x", status);
		EXPECT_TRUE(WIFEXITED(status));
		self->pid = 0;
		return;
	}
	EXPECT_TRUE(monitor_answers(self->monitor, "{\"execute\":\"query-status\"}\n",
				    variant->runs ? "\"status\": \"running\"" :
						    "\"status\": \"paused\""));
	TH_LOG("QEMU goes on, the unbind took %lld ms", unbind_longest_ms());
	send(self->monitor, "{\"execute\":\"quit\"}\n", 19, MSG_NOSIGNAL);
	EXPECT_EQ(0, child_end(self->pid, PATIENCE_MS));
	self->pid = 0;

	/* Its dead fds are closed, and the host has noticed nothing. */
	EXPECT_TRUE(disk_works());
	EXPECT_OK(pci_bind(&self->disk, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { NVME };

	log_announce("Device is taken back|No device request channel");
	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

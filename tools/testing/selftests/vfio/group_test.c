// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others see of a group: who has it, what stands in its way, what happens to its devices; and
 * what is left of it when its last device is gone.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)

/* All of an attribute of a group, which may have several lines. */
static const char *group_attribute(int group, const char *name)
{
	static char text[4096];
	char path[64];
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/vfio/%d/%s", group, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		got = read(fd, text, sizeof(text) - 1);
	text[fd < 0 || got < 0 ? 0 : got] = 0;
	close(fd);
	return text;
}

#define EXPECT_ATTRIBUTE(value, c, name)	\
	EXPECT_STREQ(value, group_attribute((c)->func.group, name))

FIXTURE(group)
{
	struct client c;
};

FIXTURE_SETUP(group)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
}

FIXTURE_TEARDOWN(group)
{
	client_close(&self->c);
}

static int attach(const struct client *c)
{
	if (group_set_container(c->group, c->container))
		return -1;
	return ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU);
}

/* sysfs: free, open, attached, and back. */
TEST_F(group, state)
{
	EXPECT_ATTRIBUTE("open\n", &self->c, "state");
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ATTRIBUTE("attached\n", &self->c, "state");
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ATTRIBUTE("open\n", &self->c, "state");
	fd_close(&self->c.group);
	EXPECT_ATTRIBUTE("free\n", &self->c, "state");
}

/* sysfs: pid and command of who opened it, as they were then; nothing once it is closed. */
TEST_F(group, holder)
{
	char wanted[64];

	fd_close(&self->c.group);
	EXPECT_ATTRIBUTE("\n", &self->c, "holder");
	ASSERT_EQ(0, prctl(PR_SET_NAME, "the opener"));
	self->c.group = group_open(self->c.func.group);
	ASSERT_LE(0, self->c.group);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "later"));
	snprintf(wanted, sizeof(wanted), "%d the opener\n", getpid());
	EXPECT_ATTRIBUTE(wanted, &self->c, "holder");
}

static void *open_group(void *c)
{
	return (void *)(intptr_t)group_open(((struct client *)c)->func.group);
}

/* It is the process that holds it, whichever of its threads opened it. */
TEST_F(group, holder_is_a_process)
{
	pthread_t thread;
	char wanted[64];
	void *fd;

	fd_close(&self->c.group);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "process"));
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_group, &self->c));
	ASSERT_EQ(0, pthread_join(thread, &fd));
	self->c.group = (intptr_t)fd;
	ASSERT_LE(0, self->c.group);
	snprintf(wanted, sizeof(wanted), "%d process\n", getpid());
	EXPECT_ATTRIBUTE(wanted, &self->c, "holder");
}

/* A command is a user's text: it can not make lines of its own. */
TEST_F(group, holder_is_escaped)
{
	int log = log_open();
	char *end;

	fd_close(&self->c.group);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nb\033[1m"));
	self->c.group = group_open(self->c.func.group);
	ASSERT_LE(0, self->c.group);
	end = strchr(group_attribute(self->c.func.group, "holder"), '\n');
	ASSERT_NE(NULL, end);
	EXPECT_STREQ("\n", end);
	EXPECT_EQ(NULL, strchr(group_attribute(self->c.func.group, "holder"), '\033'));
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	EXPECT_TRUE(log_has(log, "opened by"));
	EXPECT_FALSE(log_has(log, "\033"));
	close(log);
}

/* sysfs: each device and how many of its fds are open. */
TEST_F(group, devices)
{
	char wanted[64];
	int again;

	snprintf(wanted, sizeof(wanted), "%s 0\n", self->c.func.bdf);
	EXPECT_ATTRIBUTE(wanted, &self->c, "devices");
	ASSERT_OK(attach(&self->c));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	again = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	ASSERT_LE(0, again);
	snprintf(wanted, sizeof(wanted), "%s 2\n", self->c.func.bdf);
	EXPECT_ATTRIBUTE(wanted, &self->c, "devices");
	fd_close(&again);
	snprintf(wanted, sizeof(wanted), "%s 1\n", self->c.func.bdf);
	EXPECT_ATTRIBUTE(wanted, &self->c, "devices");
}

/* Who is refused a group that is open learns in the log who has it. */
TEST_F(group, busy_names_holder)
{
	int log = log_open();
	char wanted[64];

	ASSERT_LE(0, log);
	fd_close(&self->c.group);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "the holder"));
	self->c.group = group_open(self->c.func.group);
	ASSERT_LE(0, self->c.group);
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	snprintf(wanted, sizeof(wanted), "vfio %d: group is busy, it was opened by %d the holder",
		 self->c.func.group, getpid());
	EXPECT_TRUE(log_has(log, wanted));
	close(log);
}

/* fdinfo of a device fd tells which device it is. */
TEST_F(group, fdinfo)
{
	char path[64], line[256], wanted[64];
	bool found = false;
	FILE *info;

	ASSERT_OK(attach(&self->c));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->c.device);
	snprintf(wanted, sizeof(wanted), "/%s\n", self->c.func.bdf);
	info = fopen(path, "r");
	ASSERT_NE(NULL, info);
	while (fgets(line, sizeof(line), info)) {
		if (strncmp(line, "vfio-device-syspath: /sys/devices/", 34))
			continue;
		EXPECT_STREQ(wanted, strrchr(line, '/'));
		line[strcspn(line, "\n")] = 0;
		EXPECT_EQ(0, access(line + strlen("vfio-device-syspath: "), F_OK));
		found = true;
	}
	EXPECT_TRUE(found);
	fclose(info);
}

/* A group whose last device has gone is dead: its fd says so, and does no harm to a new one. */
TEST_F(group, dead)
{
	struct client again;
	struct stat node;
	__u32 flags = 0;
	char path[64];

	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->c.func.bdf));
	snprintf(path, sizeof(path), "/sys/class/vfio/%d", self->c.func.group);
	EXPECT_ERRNO(ENOENT, stat(path, &node));

	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	ASSERT_OK(client_open(&again, EDU, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	fd_close(&self->c.group);
	EXPECT_EQ(0x1234, config_read(&again, 0, 2));
	client_close(&again);
}

/* It also leaves its container, which is as new then. */
TEST_F(group, dies_in_container)
{
	char *memory = memory_new(PAGE);
	__u32 flags = 0;

	ASSERT_OK(attach(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, PAGE));
	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_EQ(0, locked_kib());
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, PAGE));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	fd_close(&self->c.group);
	self->c.group = group_open(self->c.func.group);
	EXPECT_OK(attach(&self->c));
}

/* Two functions behind a bridge, in one group: the first for the user, the second for others. */
FIXTURE(pair)
{
	struct client c;
	struct pci_func other;
};

FIXTURE_SETUP(pair)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, E1000, 0), E1000, 0))
		return;
	ASSERT_OK(pci_find(E1000, 1, &self->other));
	ASSERT_EQ(self->c.func.group, self->other.group);
}

FIXTURE_TEARDOWN(pair)
{
	client_close(&self->c);
	EXPECT_OK(pci_bind(&self->other, "vfio-pci"));
}

/* Both are in sysfs, each with its count. */
TEST_F(pair, devices)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s 0\n", self->other.bdf);
	EXPECT_NE(NULL, strstr(group_attribute(self->c.func.group, "devices"), wanted));
	ASSERT_OK(attach(&self->c));
	self->c.device = group_get_device(self->c.group, self->other.bdf);
	ASSERT_LE(0, self->c.device);
	snprintf(wanted, sizeof(wanted), "%s 1\n", self->other.bdf);
	EXPECT_NE(NULL, strstr(group_attribute(self->c.func.group, "devices"), wanted));
	snprintf(wanted, sizeof(wanted), "%s 0\n", self->c.func.bdf);
	EXPECT_NE(NULL, strstr(group_attribute(self->c.func.group, "devices"), wanted));
}

/* A device without a driver, and one whose driver does no DMA of its own, block nobody. */
TEST_F(pair, not_blocked)
{
	__u32 flags = 0;

	ASSERT_OK(pci_unbind(&self->other));
	EXPECT_ATTRIBUTE("", &self->c, "blockers");
	EXPECT_OK(attach(&self->c));
	EXPECT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));

	system("modprobe -q pci-stub");
	if (pci_bind(&self->other, "pci-stub"))
		SKIP(return, "the kernel has no driver pci-stub");
	EXPECT_ATTRIBUTE("", &self->c, "blockers");
	EXPECT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, flags);
	EXPECT_OK(attach(&self->c));
	/* It is no device that this fd would give out. */
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->other.bdf));
}

/*
 * A driver of the host blocks: sysfs and the log name the device and the driver. The log does so
 * when the status is asked for, since QEMU goes no further than that.
 */
TEST_F(pair, blocked)
{
	char wanted[64], message[128];
	__u32 flags = ~0;
	int log, error;

	system("modprobe -q e1000");
	if (pci_bind(&self->other, "e1000"))
		SKIP(return, "the kernel has no driver e1000");
	snprintf(wanted, sizeof(wanted), "%s e1000\n", self->other.bdf);
	EXPECT_ATTRIBUTE(wanted, &self->c, "blockers");
	snprintf(message, sizeof(message),
		 "vfio %d: group is not viable, in use by the host: %s e1000",
		 self->c.func.group, self->other.bdf);
	log = log_open();
	EXPECT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(0, flags);
	EXPECT_TRUE(log_has(log, message));
	/* Once is enough, however often it is asked for. */
	for (int i = 0; i < 50; i++)
		ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_FALSE(log_has(log, "group is not viable"));
	close(log);

	log = log_open();
	/* The answer is the IOMMU core's: EPERM or EBUSY, as the kernel has it. */
	error = ERRNO_OF(group_set_container(self->c.group, self->c.container));
	EXPECT_TRUE(error == EPERM || error == EBUSY)
		TH_LOG("%s", errno_name(error));
	EXPECT_TRUE(log_has(log, message));
	EXPECT_ATTRIBUTE("open\n", &self->c, "state");
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));

	ASSERT_OK(pci_unbind(&self->other));
	EXPECT_ATTRIBUTE("", &self->c, "blockers");
	EXPECT_OK(attach(&self->c));
	close(log);
}

/* Waits for the group's uevent of what happens to a device of it. */
static int wait_for_event(int socket, int group, const char *event, const struct pci_func *func)
{
	char first[64], name[32], device[32];

	snprintf(first, sizeof(first), "change@/devices/virtual/vfio/%d", group);
	snprintf(name, sizeof(name), "VFIO_EVENT=%s", event);
	snprintf(device, sizeof(device), "VFIO_DEVICE=%s", func->bdf);
	return uevent_wait(socket, (const char * const []){ first, name, device, NULL });
}

/* What happens to a device of the group is told by the group's uevents, in its order. */
TEST_F(pair, events)
{
	int socket = uevent_open(), group = self->c.func.group;

	ASSERT_LE(0, socket);
	ASSERT_OK(pci_unbind(&self->other));
	EXPECT_OK(wait_for_event(socket, group, "UNBIND", &self->other));
	EXPECT_OK(wait_for_event(socket, group, "UNBOUND", &self->other));
	ASSERT_OK(pci_bind(&self->other, "vfio-pci"));
	EXPECT_OK(wait_for_event(socket, group, "BIND", &self->other));
	EXPECT_OK(wait_for_event(socket, group, "BOUND", &self->other));
	close(socket);
}

static int remove_device(const struct pci_func *func)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", func->bdf);
	return file_write(path, "1");
}

/* A device that goes and one that comes while the group is in use: told, and no harm done. */
TEST_F(pair, plugged_while_in_use)
{
	int socket = uevent_open(), group = self->c.func.group, log = log_open();
	char message[128];

	ASSERT_LE(0, socket);
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(remove_device(&self->other));
	EXPECT_OK(wait_for_event(socket, group, "DEL", &self->other));
	snprintf(message, sizeof(message), "in use: %s is removed", self->other.bdf);
	EXPECT_TRUE(log_has(log, message));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->other.bdf));

	ASSERT_OK(file_write("/sys/bus/pci/rescan", "1"));
	EXPECT_OK(wait_for_event(socket, group, "ADD", &self->other));
	snprintf(message, sizeof(message), "in use: %s was added", self->other.bdf);
	EXPECT_TRUE(log_has(log, message));
	EXPECT_ATTRIBUTE("attached\n", &self->c, "state");

	/* The user may have it as well, once it is bound to vfio-pci. */
	ASSERT_OK(pci_bind(&self->other, "vfio-pci"));
	EXPECT_OK(wait_for_event(socket, group, "BOUND", &self->other));
	self->c.device = group_get_device(self->c.group, self->other.bdf);
	EXPECT_LE(0, self->c.device);
	close(socket);
	close(log);
}

/*
 * A driver of the host gets no device of a group in use. The driver core says nothing of it, so the
 * log does before. The group goes on, and VFIO can have the device back.
 */
TEST_F(pair, bound_while_in_use)
{
	int socket = uevent_open(), group = self->c.func.group, log = log_open();
	char message[128];

	ASSERT_LE(0, socket);
	if (system("modprobe -q e1000"))
		SKIP(return, "the kernel has no driver e1000");
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(pci_unbind(&self->other));
	EXPECT_OK(wait_for_event(socket, group, "UNBOUND", &self->other));
	snprintf(message, sizeof(message), "in use: %s has no driver", self->other.bdf);
	EXPECT_TRUE(log_has(log, message));

	EXPECT_NE(0, pci_bind(&self->other, "e1000"));
	EXPECT_ATTRIBUTE("attached\n", &self->c, "state");
	ASSERT_OK(pci_bind(&self->other, "vfio-pci"));
	self->c.device = group_get_device(self->c.group, self->other.bdf);
	EXPECT_LE(0, self->c.device);
	close(socket);
	close(log);
}

/*
 * Whoever hears of a group can use it at once, also if one before it, with the same devices, takes
 * its time to leave its container. A debug build can make it take that.
 */
TEST_F(pair, successor)
{
	int group = self->c.func.group;
	struct client next;
	pid_t child;

	if (file_write(LINGER_MS, "0"))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(pci_unbind(&self->other));
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(file_write(LINGER_MS, "3000"));
	child = unbind_start(&self->c.func);
	for (int tries = 0; ERRNO_OF(group_open(group)) != ENOENT && tries < PATIENCE_MS; tries++)
		usleep(1000);
	EXPECT_OK(pci_bind(&self->other, "vfio-pci"));
	EXPECT_OK(file_write(LINGER_MS, "0"));
	next = self->c;
	next.device = -1;
	next.container = container_open();
	next.group = group_open(group);
	ASSERT_LE(0, next.group);
	EXPECT_OK(attach(&next));
	EXPECT_EQ(0, child_end(child, PATIENCE_MS));
	client_close(&next);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* A driver that refuses a device of a group in use: told. vfio-pci takes no bridge. */
TEST_F(pair, refused_while_in_use)
{
	int socket = uevent_open(), group = self->c.func.group, log = log_open();
	struct pci_func port, bridge;
	char message[128], before[64];

	ASSERT_LE(0, socket);
	ASSERT_OK(pci_port(&self->c.func, &port));
	ASSERT_OK(pci_at(port.bdf, &bridge));
	ASSERT_EQ(group, bridge.group);
	ASSERT_OK(pci_driver(&bridge, before, sizeof(before)));
	ASSERT_OK(attach(&self->c));
	EXPECT_ERRNO(ENODEV, pci_bind(&bridge, "vfio-pci"));
	EXPECT_OK(wait_for_event(socket, group, "NOTBOUND", &bridge));
	snprintf(message, sizeof(message), "in use: %s could not be bound", bridge.bdf);
	EXPECT_TRUE(log_has(log, message));
	EXPECT_ATTRIBUTE("attached\n", &self->c, "state");
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, bridge.bdf));

	EXPECT_OK(pci_set(&bridge, "driver_override", "\n"));
	client_close(&self->c);
	if (before[0])
		EXPECT_OK(file_write("/sys/bus/pci/drivers_probe", bridge.bdf));
	close(socket);
	close(log);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

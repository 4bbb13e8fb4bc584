// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a device comes to vfio-pci and leaves it, and what others see of that: sysfs, nodes, uevents.
 */
#include <fcntl.h>
#include <glob.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/check.h"

#define DRIVER	"/sys/bus/pci/drivers/vfio-pci"
#define EDU_IDS	"1234 11e8"

/* A device that is bound to nothing and has no override; it goes back to vfio-pci in the end. */
FIXTURE(bind)
{
	struct pci_func func;
	char override[64];
	char node[32];
};

FIXTURE_SETUP(bind)
{
	if (pci_find(EDU, 0, &self->func))
		SKIP(return, "no device %s", test_device_name(EDU));
	snprintf(self->override, sizeof(self->override),
		 "/sys/bus/pci/devices/%s/driver_override", self->func.bdf);
	snprintf(self->node, sizeof(self->node), "/dev/vfio/%d", self->func.group);
	ASSERT_OK(pci_unbind(&self->func));
	ASSERT_OK(file_write(self->override, "\n"));
}

FIXTURE_TEARDOWN(bind)
{
	file_write(DRIVER "/remove_id", EDU_IDS);
	EXPECT_OK(pci_bind(&self->func, "vfio-pci"));
}

static bool is_bound(const struct pci_func *func)
{
	char driver[64];

	return !pci_driver(func, driver, sizeof(driver)) && !strcmp(driver, "vfio-pci");
}

/* Nobody gets a device by chance: without an override or an id the driver does not know it. */
TEST_F(bind, not_by_chance)
{
	EXPECT_ERRNO(ENODEV, file_write(DRIVER "/bind", self->func.bdf));
	EXPECT_OK(file_write("/sys/bus/pci/drivers_probe", self->func.bdf));
	EXPECT_FALSE(is_bound(&self->func));
	EXPECT_ERRNO(ENOENT, access(self->node, F_OK));
}

/* With an override it is bound by the driver's file as well as by a probe. */
TEST_F(bind, driver_override)
{
	ASSERT_OK(file_write(self->override, "vfio-pci"));
	EXPECT_OK(file_write(DRIVER "/bind", self->func.bdf));
	EXPECT_TRUE(is_bound(&self->func));
	EXPECT_OK(file_write(DRIVER "/unbind", self->func.bdf));
	EXPECT_FALSE(is_bound(&self->func));
	EXPECT_OK(file_write("/sys/bus/pci/drivers_probe", self->func.bdf));
	EXPECT_TRUE(is_bound(&self->func));
	EXPECT_EQ(0, access(self->node, F_OK));
}

/* A new id binds what has it and no driver; taken away, it binds no more. */
TEST_F(bind, new_id)
{
	ASSERT_OK(file_write(DRIVER "/new_id", EDU_IDS));
	EXPECT_TRUE(is_bound(&self->func));
	EXPECT_EQ(0, access(self->node, F_OK));
	EXPECT_ERRNO(EEXIST, file_write(DRIVER "/new_id", EDU_IDS));
	ASSERT_OK(pci_unbind(&self->func));
	ASSERT_OK(file_write(DRIVER "/remove_id", EDU_IDS));
	EXPECT_ERRNO(ENODEV, file_write(DRIVER "/bind", self->func.bdf));
}

/* Programs find the device's own name below its PCI device. */
TEST_F(bind, device_class)
{
	char pattern[128], link[256];
	glob_t found;

	ASSERT_OK(pci_bind(&self->func, "vfio-pci"));
	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/vfio-dev/vfio[0-9]*",
		 self->func.bdf);
	ASSERT_EQ(0, glob(pattern, 0, NULL, &found));
	ASSERT_EQ(1, found.gl_pathc);
	snprintf(link, sizeof(link), "/sys/class/vfio-dev/%s",
		 strrchr(found.gl_pathv[0], '/') + 1);
	EXPECT_EQ(0, access(link, F_OK));
	globfree(&found);
	ASSERT_OK(pci_unbind(&self->func));
	EXPECT_EQ(GLOB_NOMATCH, glob(pattern, 0, NULL, &found));
	EXPECT_ERRNO(ENOENT, access(link, F_OK));
}

/* Waits for a uevent of the group's node. */
static int wait_for_uevent(int socket, const char *action, int group)
{
	char wanted[64];

	snprintf(wanted, sizeof(wanted), "%s@/devices/virtual/vfio/%d", action, group);
	return uevent_wait(socket, (const char * const []){ wanted, NULL });
}

/*
 * Whoever acts on the group's uevent finds a group that works at once: the node comes last. (The
 * kernel's own modules make it before the device is on the group's list.)
 */
TEST_F(bind, usable_at_uevent)
{
	int socket = uevent_open();
	struct client c;
	int status;
	pid_t child;

	ASSERT_LE(0, socket);
	for (int round = 0; round < 5; round++) {
		child = fork();
		if (!child)
			_exit(pci_bind(&self->func, "vfio-pci") ? 1 : 0);
		ASSERT_OK(wait_for_uevent(socket, "add", self->func.group));
		ASSERT_OK(client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU));
		client_close(&c);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_OK(pci_unbind(&self->func));
		ASSERT_OK(wait_for_uevent(socket, "remove", self->func.group));
		ASSERT_ERRNO(ENOENT, access(self->node, F_OK));
	}
	close(socket);
}

/* Nor does anybody who is quicker: as soon as there is a node, the device is behind it. */
TEST_F(bind, usable_when_seen)
{
	int group, status;
	pid_t child;

	for (int round = 0; round < 20; round++) {
		child = fork();
		if (!child)
			_exit(pci_bind(&self->func, "vfio-pci") ? 1 : 0);
		do {
			group = group_open(self->func.group);
		} while (group < 0 && errno == ENOENT);
		ASSERT_LE(0, group)
			TH_LOG("round %d: %s", round, errno_name(errno));
		/* It is there, and only lacks a container. */
		ASSERT_ERRNO(EINVAL, group_get_device(group, self->func.bdf));
		close(group);
		ASSERT_EQ(child, waitpid(child, &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_OK(pci_unbind(&self->func));
	}
}

/*
 * A node that somebody kept must not open another group later: a minor that was given back is not
 * the next one to be handed out. (The kernel's own modules take the lowest.)
 */
TEST_F(bind, stale_node)
{
	const char *stale = "/dev/vfio-test-stale-node";
	struct stat before, after;

	ASSERT_OK(pci_bind(&self->func, "vfio-pci"));
	ASSERT_EQ(0, stat(self->node, &before));
	ASSERT_EQ(0, mknod(stale, S_IFCHR | 0600, before.st_rdev));
	ASSERT_OK(pci_unbind(&self->func));
	EXPECT_EQ(-1, open(stale, O_RDWR));
	ASSERT_OK(pci_bind(&self->func, "vfio-pci"));
	ASSERT_EQ(0, stat(self->node, &after));
	EXPECT_EQ(major(before.st_rdev), major(after.st_rdev));
	EXPECT_NE(minor(before.st_rdev), minor(after.st_rdev));
	EXPECT_EQ(-1, open(stale, O_RDWR));
	unlink(stale);
}

/* A group exists with its first device and until its last. */
TEST(shared_group)
{
	struct pci_func one, other;
	char node[32];

	if (pci_find(E1000, 0, &one) || pci_find(E1000, 1, &other))
		SKIP(return, "no two devices %s", test_device_name(E1000));
	ASSERT_EQ(one.group, other.group);
	snprintf(node, sizeof(node), "/dev/vfio/%d", one.group);
	EXPECT_EQ(0, access(node, F_OK));
	ASSERT_OK(pci_unbind(&one));
	EXPECT_EQ(0, access(node, F_OK));
	ASSERT_OK(pci_unbind(&other));
	EXPECT_ERRNO(ENOENT, access(node, F_OK));
	ASSERT_OK(pci_bind(&other, "vfio-pci"));
	EXPECT_EQ(0, access(node, F_OK));
	ASSERT_OK(pci_bind(&one, "vfio-pci"));
}

/* Both devices of a group can be open at a time, through one group fd. */
TEST(shared_group_both_open)
{
	struct client one, other;
	struct pci_func func;

	if (!open_or_skip(_metadata, &one, E1000, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(pci_find(E1000, 1, &func));
	other = one;
	other.device = group_get_device(one.group, func.bdf);
	ASSERT_LE(0, other.device);
	ASSERT_OK(config_write(&one, 0x3c, 1, 0x11));
	ASSERT_OK(config_write(&other, 0x3c, 1, 0x22));
	EXPECT_EQ(0x11, config_read(&one, 0x3c, 1));
	EXPECT_EQ(0x22, config_read(&other, 0x3c, 1));
	fd_close(&one.device);
	EXPECT_ERRNO(EBUSY, ioctl(one.group, VFIO_GROUP_UNSET_CONTAINER));
	fd_close(&other.device);
	EXPECT_OK(ioctl(one.group, VFIO_GROUP_UNSET_CONTAINER));
	client_close(&one);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

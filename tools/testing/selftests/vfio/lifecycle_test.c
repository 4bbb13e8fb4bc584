// SPDX-License-Identifier: GPL-2.0-only
/*
 * Container, group and device: what each needs of the others to be opened, and that they may be
 * closed in every order, while the rest is at work.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define EDU_ID	0x11e81234

/* A container and a group that do not know each other. */
FIXTURE(apart)
{
	struct client c;
};

FIXTURE_SETUP(apart)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
}

FIXTURE_TEARDOWN(apart)
{
	client_close(&self->c);
}

/* The container's node: misc device 10:196, for everybody. */
TEST(container_node)
{
	struct stat status;

	ASSERT_EQ(0, stat("/dev/vfio/vfio", &status));
	EXPECT_TRUE(S_ISCHR(status.st_mode));
	EXPECT_EQ(0666, status.st_mode & 07777);
	EXPECT_EQ(10, major(status.st_rdev));
	EXPECT_EQ(196, minor(status.st_rdev));
}

/* The group's node: named by the IOMMU group's number, for root alone. */
TEST_F(apart, group_node)
{
	struct stat status;
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/%d", self->c.func.group);
	ASSERT_EQ(0, stat(path, &status));
	EXPECT_TRUE(S_ISCHR(status.st_mode));
	EXPECT_EQ(0600, status.st_mode & 07777);
	EXPECT_EQ(0, status.st_uid);
	snprintf(path, sizeof(path), "/sys/class/vfio/%d", self->c.func.group);
	EXPECT_EQ(0, stat(path, &status));
}

/* A group has one opener: EBUSY. */
TEST_F(apart, group_opens_once)
{
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	fd_close(&self->c.group);
	self->c.group = group_open(self->c.func.group);
	EXPECT_LE(0, self->c.group);
}

/* A group alone is viable, with a container it says so too. */
TEST_F(apart, group_flags)
{
	__u32 flags = 0;

	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, flags);
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET, flags);
}

/* SET_IOMMU needs a group: EINVAL. */
TEST_F(apart, backend_needs_group)
{
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

/* A device needs a container with a backend: EINVAL. */
TEST_F(apart, device_needs_backend)
{
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, self->c.func.bdf));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, self->c.func.bdf));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	EXPECT_LE(0, self->c.device);
}

/* A backend type that nobody has: ENODEV, and the right one still works after. */
TEST_F(apart, unknown_backend)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, 0));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, 12345));
	EXPECT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

/* Nesting was given up in 7.x: ENODEV (older kernels accept it). */
TEST_F(apart, no_nesting)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1_NESTING_IOMMU));
}

/* Each bond is made once: EINVAL for the second time. */
TEST_F(apart, set_twice)
{
	int other = container_open();

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, group_set_container(self->c.group, other));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
}

/* UNSET_CONTAINER: EINVAL without one; its argument is not looked at; the container is as new. */
TEST_F(apart, unset)
{
	__u32 flags = 0;

	EXPECT_ERRNO(EINVAL, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER, (void *)16));
	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, flags);
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
}

/* A group whose last device leaves vfio-pci: its open fd answers ENODEV, the node is gone. */
TEST_F(apart, unbind_under_group)
{
	char path[64];
	__u32 flags;

	snprintf(path, sizeof(path), "/dev/vfio/%d", self->c.func.group);
	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(ENOENT, access(path, F_OK));
	fd_close(&self->c.group);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	EXPECT_EQ(0, access(path, F_OK));
	self->c.group = group_open(self->c.func.group);
	EXPECT_LE(0, self->c.group);
}

FIXTURE(whole)
{
	struct client c;
	char *memory;
};

FIXTURE_SETUP(whole)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = memory_new(2 * PAGE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(whole)
{
	client_close(&self->c);
}

/* Names that are no device of this group: ENODEV; options that nobody knows: EINVAL. */
TEST_F(whole, device_names)
{
	char name[128];
	struct pci_func other;

	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, ""));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, "edu"));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, "ffff:ff:1f.7"));
	if (!pci_find(E1000E, 0, &other))
		EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, other.bdf));
	snprintf(name, sizeof(name), "%s0", self->c.func.bdf);
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, name));
	snprintf(name, sizeof(name), "%s unknown=1", self->c.func.bdf);
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, name));
	snprintf(name, sizeof(name), "%s vf_token=nonsense", self->c.func.bdf);
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, name));
}

/* A token for a device that has neither VFs nor is one: EINVAL. */
TEST_F(whole, token_not_applicable)
{
	char name[128];

	snprintf(name, sizeof(name), "%s vf_token=00112233-4455-6677-8899-aabbccddeeff",
		 self->c.func.bdf);
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, name));
}

/* A device fd is closed by exec, and readable and writable. */
TEST_F(whole, device_fd_flags)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->c.device, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(self->c.device, F_GETFL) & O_ACCMODE);
}

/* A device may be opened several times; all fds reach the same one, the last close ends it. */
TEST_F(whole, several_device_fds)
{
	struct client again = self->c;

	again.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, again.device);
	ASSERT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, 0x5a));
	EXPECT_EQ(0x5a, config_read(&again, PCI_INTERRUPT_LINE, 1));
	fd_close(&self->c.device);
	EXPECT_EQ(0x5a, config_read(&again, PCI_INTERRUPT_LINE, 1));
	EXPECT_ERRNO(EBUSY, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	fd_close(&again.device);
	EXPECT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
}

/* While a device is open its group cannot leave the container: EBUSY, and all goes on working. */
TEST_F(whole, unset_while_open)
{
	EXPECT_ERRNO(EBUSY, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_EQ(EDU_ID, config_read(&self->c, 0, 4));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
}

/* The device still moves data through a mapping that was made before. */
static bool device_works(const struct client *c, char *memory, char seed)
{
	memset(memory, seed, 64);
	memset(memory + PAGE, 0, 64);
	return config_read(c, 0, 4) == EDU_ID && !edu_from_memory(c, IOVA, 0, 64) &&
	       !edu_to_memory(c, IOVA + PAGE, 0, 64) && !memcmp(memory, memory + PAGE, 64);
}

/* A container takes and gives mappings. */
static bool container_works(int container, char *memory)
{
	return !dma_map_rw(container, memory, 2 * IOVA, PAGE) &&
	       dma_unmap(container, 0, 2 * IOVA, PAGE) == (long long)PAGE;
}

static bool group_works(int group)
{
	__u32 flags = 0;

	return !group_status(group, &flags) && flags & VFIO_GROUP_FLAGS_CONTAINER_SET;
}

FIXTURE(order)
{
	struct client c;
	char *memory;
};

/* Which of container (c), group (g) and device (d) is closed first, second and last. */
FIXTURE_VARIANT(order)
{
	char closed[4];
};

FIXTURE_VARIANT_ADD(order, container_group_device) { .closed = "cgd" };
FIXTURE_VARIANT_ADD(order, container_device_group) { .closed = "cdg" };
FIXTURE_VARIANT_ADD(order, group_container_device) { .closed = "gcd" };
FIXTURE_VARIANT_ADD(order, group_device_container) { .closed = "gdc" };
FIXTURE_VARIANT_ADD(order, device_container_group) { .closed = "dcg" };
FIXTURE_VARIANT_ADD(order, device_group_container) { .closed = "dgc" };

FIXTURE_SETUP(order)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = memory_new(2 * PAGE);
	ASSERT_NE(NULL, self->memory);
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 2 * PAGE));
}

FIXTURE_TEARDOWN(order)
{
	client_close(&self->c);
}

/* Each fd works as long as it is open, whatever else was closed; at the end all is free again. */
TEST_F(order, close)
{
	struct client *c = &self->c, again;
	bool has_member;

	for (const char *closed = variant->closed; *closed; closed++) {
		fd_close(*closed == 'c' ? &c->container : *closed == 'g' ? &c->group : &c->device);
		if (c->device >= 0)
			EXPECT_TRUE(device_works(c, self->memory, *closed));
		if (c->group >= 0)
			EXPECT_TRUE(group_works(c->group));
		if (c->container < 0)
			continue;
		has_member = c->group >= 0 || c->device >= 0;
		if (has_member)
			EXPECT_TRUE(container_works(c->container, self->memory));
		if (!has_member)
			EXPECT_ERRNO(EINVAL, dma_unmap(c->container, 0, IOVA, PAGE));
	}
	EXPECT_EQ(0, locked_kib());
	ASSERT_OK(client_open(&again, EDU, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(EDU_ID, config_read(&again, 0, 4));
	client_close(&again);
}

/* A device may be opened again from a group that outlived its first fd. */
TEST_F(order, reopen_device)
{
	fd_close(&self->c.container);
	fd_close(&self->c.device);
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	ASSERT_OK(edu_start(&self->c));
	EXPECT_TRUE(device_works(&self->c, self->memory, 1));
}

/* A dup of each fd is as good as the fd. */
TEST_F(whole, dup)
{
	struct client copy = self->c;

	copy.container = dup(self->c.container);
	copy.group = dup(self->c.group);
	copy.device = dup(self->c.device);
	client_close(&self->c);
	ASSERT_OK(edu_start(&copy));
	ASSERT_OK(dma_map_rw(copy.container, self->memory, IOVA, 2 * PAGE));
	EXPECT_TRUE(device_works(&copy, self->memory, 2));
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	client_close(&copy);
}

/* A device fd may be on its way through a socket while all others are closed. */
TEST_F(whole, passed_fd)
{
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 2 * PAGE));
	ASSERT_OK(fd_send(sockets[0], self->c.device, 0));
	client_close(&self->c);
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	self->c.device = fd_receive(sockets[1]);
	ASSERT_LE(0, self->c.device);
	EXPECT_TRUE(device_works(&self->c, self->memory, 3));
}

/* A passed fd that nobody ever takes is closed with its socket. */
TEST_F(whole, passed_fd_is_dropped)
{
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_OK(fd_send(sockets[0], self->c.device, 0));
	client_close(&self->c);
	close(sockets[0]);
	close(sockets[1]);
	self->c.group = group_open(self->c.func.group);
	EXPECT_LE(0, self->c.group);
}

/* A child has the fds too: they stay open until the child ends, and mappings stay the parent's. */
TEST_F(whole, fork)
{
	int pipe_fds[2];
	pid_t child;
	char byte;
	int status;

	ASSERT_EQ(0, pipe(pipe_fds));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 2 * PAGE));
	EXPECT_EQ((long)(2 * PAGE / KIB), locked_kib());
	child = fork();
	if (!child) {
		close(pipe_fds[1]);
		if (read(pipe_fds[0], &byte, 1) != 0 || locked_kib() != 0)
			_exit(1);
		_exit(config_read(&self->c, 0, 4) != EDU_ID ||
		      dma_unmap(self->c.container, 0, IOVA, 2 * PAGE) != (long long)(2 * PAGE));
	}
	client_close(&self->c);
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	close(pipe_fds[1]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, locked_kib());
	self->c.group = group_open(self->c.func.group);
	EXPECT_LE(0, self->c.group);
}

/* Maps and unmaps until told to stop; NULL unless an answer was none of those that may come. */
struct mapper {
	int container;
	char *memory;
	bool stop;
	int error;
};

static void *map_until_stopped(void *data)
{
	struct mapper *mapper = data;

	while (!__atomic_load_n(&mapper->stop, __ATOMIC_RELAXED)) {
		if (dma_map_rw(mapper->container, mapper->memory, IOVA, PAGE) &&
		    errno != EINVAL && errno != EEXIST)
			mapper->error = errno;
		if (dma_unmap(mapper->container, 0, IOVA, PAGE) < 0 && errno != EINVAL)
			mapper->error = errno;
	}
	return NULL;
}

/* Mapping while the last group comes and goes: success or EINVAL, never a use of what was freed. */
TEST_F(apart, map_while_group_leaves)
{
	struct mapper mapper = { .container = self->c.container, .memory = memory_new(PAGE) };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, map_until_stopped, &mapper));
	for (int round = 0; round < 30; round++) {
		ASSERT_OK(group_set_container(self->c.group, self->c.container));
		ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
		ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	}
	__atomic_store_n(&mapper.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, mapper.error)
		TH_LOG("%s", errno_name(mapper.error));
	EXPECT_EQ(0, locked_kib());
}

/* A group in which another driver has a device is not viable: SET_CONTAINER is refused. */
TEST(not_viable)
{
	struct client c;
	struct pci_func other;
	__u32 flags = 0;
	int error;

	if (pci_find(E1000, 1, &other))
		SKIP(return, "no second device %s", test_device_name(E1000));
	system("modprobe -q e1000");
	if (pci_bind(&other, "e1000")) {
		pci_bind(&other, "vfio-pci");
		SKIP(return, "the kernel has no driver e1000");
	}
	ASSERT_OK(client_open_group(&c, E1000, 0));
	ASSERT_EQ(c.func.group, other.group);
	EXPECT_OK(group_status(c.group, &flags));
	EXPECT_EQ(0, flags);
	/* The answer is the IOMMU core's: EPERM or EBUSY, as the kernel has it. */
	error = ERRNO_OF(group_set_container(c.group, c.container));
	EXPECT_TRUE(error == EPERM || error == EBUSY)
		TH_LOG("%s", errno_name(error));
	EXPECT_OK(pci_bind(&other, "vfio-pci"));
	EXPECT_OK(group_status(c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, flags);
	EXPECT_OK(group_set_container(c.group, c.container));

	/* And while the group is in use no other driver gets the device. */
	EXPECT_NE(0, pci_bind(&other, "e1000"));
	client_close(&c);
	EXPECT_OK(pci_bind(&other, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

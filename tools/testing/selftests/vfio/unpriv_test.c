// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user without rights can do: everything with fds that were handed over to him, nothing that
 * would give him a device by himself.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define SIZE	(8 * PAGE)

/* The test's process gives its rights up in the middle and is nobody until it ends. */
FIXTURE(nobody)
{
	struct client c;
	char *memory;
};

FIXTURE_SETUP(nobody)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
	self->memory = memory_new(2 * SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(nobody)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
}

/* The whole way to a mapping, on fds that are there. */
static int connect_fds(struct client *c)
{
	if (group_set_container(c->group, c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -1;
	c->device = group_get_device(c->group, c->func.bdf);
	return c->device < 0 ? -1 : client_read_regions(c);
}

/* The container is for everybody, a group is not: EACCES. */
TEST_F(nobody, nodes)
{
	int container;

	fd_close(&self->c.group);
	ASSERT_OK(become_nobody(SIZE, SIZE));
	container = container_open();
	EXPECT_LE(0, container);
	EXPECT_EQ(VFIO_API_VERSION, ioctl(container, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EACCES, group_open(self->c.func.group));
}

/* Nor can he bind or unbind a device. */
TEST_F(nobody, binding)
{
	ASSERT_OK(become_nobody(SIZE, SIZE));
	EXPECT_ERRNO(EACCES, pci_unbind(&self->c.func));
	EXPECT_ERRNO(EACCES, file_write("/sys/bus/pci/drivers/vfio-pci/new_id", "1234 5678"));
	EXPECT_ERRNO(EACCES, file_write("/sys/bus/pci/drivers/vfio-pci/unbind", self->c.func.bdf));
}

/* The group's fd is the right: who holds it gets the device, rights or not. */
TEST_F(nobody, group_fd_is_the_right)
{
	ASSERT_OK(become_nobody(SIZE, SIZE));
	ASSERT_OK(connect_fds(&self->c));
	EXPECT_EQ(0x1234, config_read(&self->c, 0, 2));
	EXPECT_OK(config_write(&self->c, 0x3c, 1, 0x11));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));
}

/* RLIMIT_MEMLOCK holds for the sum of all mappings: ENOMEM, and the refused one charges nothing. */
TEST_F(nobody, memlock)
{
	ASSERT_OK(become_nobody(SIZE, SIZE));
	ASSERT_OK(connect_fds(&self->c));
	EXPECT_ERRNO(ENOMEM, dma_map_rw(self->c.container, self->memory, IOVA, SIZE + PAGE));
	EXPECT_EQ(0, locked_kib());
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE / 2));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, 2 * IOVA, SIZE / 2));
	EXPECT_ERRNO(ENOMEM, dma_map_rw(self->c.container, self->memory, 3 * IOVA, PAGE));
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
	EXPECT_EQ((long long)(SIZE / 2), dma_unmap(self->c.container, 0, IOVA, SIZE / 2));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, 3 * IOVA, PAGE));
}

/* What he locked himself counts as well. */
TEST_F(nobody, memlock_with_mlock)
{
	ASSERT_OK(become_nobody(SIZE, SIZE));
	ASSERT_OK(connect_fds(&self->c));
	ASSERT_EQ(0, mlock(self->memory + SIZE, SIZE / 2));
	EXPECT_ERRNO(ENOMEM, dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE / 2));
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
	EXPECT_EQ(0, munlock(self->memory + SIZE, SIZE / 2));
}

/* A limit of nothing lets nothing be mapped. */
TEST_F(nobody, memlock_zero)
{
	const struct rlimit none = { 0 };

	ASSERT_OK(become_nobody(SIZE, SIZE));
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &none));
	ASSERT_OK(connect_fds(&self->c));
	EXPECT_ERRNO(ENOMEM, dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	EXPECT_EQ(0, locked_kib());
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

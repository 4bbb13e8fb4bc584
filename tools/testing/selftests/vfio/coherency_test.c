// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is all DMA coherent, whatever a device asks for? A container says so by VFIO_DMA_CC_IOMMU.
 *
 * To be run on machines whose IOMMU can enforce it (snoop control) and whose cannot.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>

#include "lib/check.h"

FIXTURE(coherency)
{
	struct client c;
	int enforced;
};

FIXTURE_SETUP(coherency)
{
	self->enforced = iommu_enforces_coherency();
	if (self->enforced < 0)
		SKIP(return, "no Intel IOMMU");
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
}

FIXTURE_TEARDOWN(coherency)
{
	client_close(&self->c);
}

static int dma_cc(int container)
{
	return ioctl(container, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU);
}

/* 0 before SET_IOMMU; then what the IOMMU can do; 0 again after the last group has left. */
TEST_F(coherency, container)
{
	int container = self->c.container;

	EXPECT_EQ(0, dma_cc(container));
	ASSERT_OK(group_set_container(self->c.group, container));
	EXPECT_EQ(0, dma_cc(container));
	ASSERT_OK(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(self->enforced, dma_cc(container));
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_EQ(0, dma_cc(container));
}

/* A second group of the same IOMMU changes nothing. */
TEST_F(coherency, two_groups)
{
	struct client other;

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	if (!join_or_skip(_metadata, &other, &self->c, EDU, 1))
		return;
	EXPECT_EQ(self->enforced, dma_cc(self->c.container));
	client_close(&other);
	EXPECT_EQ(self->enforced, dma_cc(self->c.container));
}

/* One group whose domain is not coherent is enough while it is there. Debug builds can have one. */
TEST_F(coherency, unlike_domains)
{
	int container = self->c.container;
	struct client other;

	if (!fault_possible())
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(group_set_container(self->c.group, container));
	ASSERT_OK(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(client_join_apart(&other, container, EDU, 1));
	EXPECT_EQ(0, dma_cc(container));
	client_close(&other);
	EXPECT_EQ(self->enforced, dma_cc(container));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

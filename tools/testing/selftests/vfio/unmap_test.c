// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP_DMA by the rules of both versions of the backend, and VFIO_IOMMU_GET_INFO.
 */
#include <kselftest_harness.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define SIZE	(4 * PAGE)

FIXTURE(unmap)
{
	struct client c;
	char *memory;
};

FIXTURE_VARIANT(unmap)
{
	int type;
};

FIXTURE_VARIANT_ADD(unmap, v1)
{
	.type = VFIO_TYPE1_IOMMU,
};

FIXTURE_VARIANT_ADD(unmap, v2)
{
	.type = VFIO_TYPE1v2_IOMMU,
};

/* Three mappings of SIZE: two that touch, then a hole of SIZE, then the third. */
FIXTURE_SETUP(unmap)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, variant->type))
		return;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA + SIZE, SIZE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA + 3 * SIZE, SIZE));
}

FIXTURE_TEARDOWN(unmap)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
}

#define EXPECT_LOCKED(bytes)	EXPECT_EQ((long)((bytes) / KIB), locked_kib())

/* The size that comes back is what was unmapped. */
TEST_F(unmap, one)
{
	EXPECT_EQ((long long)SIZE, dma_unmap(self->c.container, 0, IOVA, SIZE));
	EXPECT_LOCKED(2 * SIZE);
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
}

/* A range over several mappings takes them all, holes included. */
TEST_F(unmap, several)
{
	EXPECT_EQ((long long)(3 * SIZE), dma_unmap(self->c.container, 0, IOVA, 4 * SIZE));
	EXPECT_LOCKED(0);
}

/* A range that is larger than what is in it unmaps what is in it. */
TEST_F(unmap, larger)
{
	EXPECT_EQ((long long)(3 * SIZE),
		  dma_unmap(self->c.container, 0, IOVA - MIB, 2 * MIB));
	EXPECT_LOCKED(0);
}

/* A hole, or all of it a second time: success, size 0. */
TEST_F(unmap, hole)
{
	EXPECT_EQ(0, dma_unmap(self->c.container, 0, IOVA + 2 * SIZE, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->c.container, 0, IOVA, SIZE));
	EXPECT_EQ(0, dma_unmap(self->c.container, 0, IOVA, SIZE));
	EXPECT_LOCKED(2 * SIZE);
}

/* Size and IOVA must be multiples of the smallest page, and the size not zero: EINVAL. */
TEST_F(unmap, not_aligned)
{
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, 0));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, SIZE - 1));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, 1));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA + 1, SIZE));
	EXPECT_LOCKED(3 * SIZE);
}

/* A range that runs over the end of 64 bits: EOVERFLOW, and nothing is unmapped. */
TEST_F(unmap, wraps)
{
	EXPECT_ERRNO(EOVERFLOW, dma_unmap(self->c.container, 0, IOVA, 0 - PAGE));
	EXPECT_LOCKED(3 * SIZE);
}

/* Unknown flags: EINVAL, and nothing is unmapped. */
TEST_F(unmap, unknown_flags)
{
	for (int bit = 3; bit < 32; bit++)
		EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 1U << bit, IOVA, SIZE));
	EXPECT_LOCKED(3 * SIZE);
}

/*
 * A range that begins inside of a mapping: version 2 refuses to cut it (EINVAL), version 1 does
 * nothing and says so (success, size 0).
 */
TEST_F(unmap, begins_inside)
{
	if (variant->type == VFIO_TYPE1v2_IOMMU)
		EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA + PAGE, SIZE - PAGE));
	else
		EXPECT_EQ(0, dma_unmap(self->c.container, 0, IOVA + PAGE, SIZE - PAGE));
	EXPECT_LOCKED(3 * SIZE);
}

/* A range that ends inside of a mapping: version 2 refuses, version 1 takes the whole mapping. */
TEST_F(unmap, ends_inside)
{
	if (variant->type == VFIO_TYPE1v2_IOMMU) {
		EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, PAGE));
		EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, SIZE + PAGE));
		EXPECT_LOCKED(3 * SIZE);
	} else {
		EXPECT_EQ((long long)SIZE, dma_unmap(self->c.container, 0, IOVA, PAGE));
		EXPECT_LOCKED(2 * SIZE);
	}
}

/* ALL takes every mapping and wants IOVA and size to be zero: else EINVAL. */
TEST_F(unmap, all)
{
	int container = self->c.container;

	ASSERT_EQ(1, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_ERRNO(EINVAL, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, IOVA, 0));
	EXPECT_ERRNO(EINVAL, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, SIZE));
	EXPECT_LOCKED(3 * SIZE);
	EXPECT_EQ((long long)(3 * SIZE), dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	EXPECT_LOCKED(0);
	EXPECT_EQ(0, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
}

FIXTURE(info)
{
	struct client c;
	struct iommu_info info;
};

FIXTURE_SETUP(info)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(iommu_info(self->c.container, &self->info));
}

FIXTURE_TEARDOWN(info)
{
	client_close(&self->c);
}

/* The smallest page is the CPU's, and there are capabilities. */
TEST_F(info, head)
{
	const struct vfio_iommu_type1_info *head = &self->info.head;

	EXPECT_EQ(VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS, head->flags);
	EXPECT_EQ(PAGE, head->iova_pgsizes & -head->iova_pgsizes);
	EXPECT_LE(sizeof(*head), head->cap_offset);
	EXPECT_EQ(0, head->pad);
}

/* The chain ends, stays inside, and has MIGRATION, DMA_AVAIL and IOVA_RANGE once, in version 1. */
TEST_F(info, chain)
{
	const struct vfio_info_cap_header *cap;
	int seen[4] = { 0 }, links = 0;

	for (__u32 at = self->info.head.cap_offset; at; at = cap->next) {
		ASSERT_LE(at + sizeof(*cap), self->info.size);
		ASSERT_GT(8, ++links);
		cap = (void *)(self->info.data + at);
		EXPECT_EQ(1, cap->version);
		ASSERT_GT(4, cap->id);
		seen[cap->id]++;
	}
	EXPECT_EQ(1, seen[VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE]);
	EXPECT_EQ(1, seen[VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION]);
	EXPECT_EQ(1, seen[VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL]);
}

/* Valid IOVA ranges rise, do not touch, and leave the window of message interrupts out. */
TEST_F(info, iova_ranges)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap =
		chain_find(self->info.data, self->info.size, self->info.head.cap_offset,
			   VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	__u64 end = 0;

	ASSERT_NE(NULL, cap);
	ASSERT_LE(2, cap->nr_iovas);
	EXPECT_EQ(0, cap->reserved);
	for (__u32 i = 0; i < cap->nr_iovas; i++) {
		const struct vfio_iova_range *range = &cap->iova_ranges[i];

		EXPECT_LT(range->start, range->end);
		if (i)
			EXPECT_LT(end + 1, range->start);
		EXPECT_TRUE(range->end < 0xfee00000 || range->start > 0xfeefffff);
		end = range->end;
	}
	EXPECT_EQ(0, cap->iova_ranges[0].start);
	EXPECT_EQ(0xfedfffff, cap->iova_ranges[0].end);
}

/* What the ranges promise can be mapped, up to their last page. */
TEST_F(info, ranges_can_be_mapped)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap =
		chain_find(self->info.data, self->info.size, self->info.head.cap_offset,
			   VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	char *memory = memory_new(PAGE);

	ASSERT_NE(NULL, cap);
	for (__u32 i = 0; i < cap->nr_iovas; i++) {
		const struct vfio_iova_range *range = &cap->iova_ranges[i];

		EXPECT_OK(dma_map_rw(self->c.container, memory, range->start, PAGE));
		EXPECT_OK(dma_map_rw(self->c.container, memory, range->end + 1 - PAGE, PAGE));
	}
}

/* Dirty bitmaps are offered at the smallest page size, up to 256 MiB of them. */
TEST_F(info, migration)
{
	const struct vfio_iommu_type1_info_cap_migration *cap =
		chain_find(self->info.data, self->info.size, self->info.head.cap_offset,
			   VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION);

	ASSERT_NE(NULL, cap);
	EXPECT_EQ(0, cap->flags);
	EXPECT_EQ(PAGE, cap->pgsize_bitmap);
	EXPECT_EQ(256 * MIB, cap->max_dirty_bitmap_size);
}

/* No room for the chain: success, no chain, and argsz says how much room it wants. */
TEST_F(info, chain_does_not_fit)
{
	static const __u32 sizes[] = { 16, 20, 24, 32, 48 };
	union {
		struct vfio_iommu_type1_info head;
		__u8 bytes[4096];
	} reply;
	__u32 wanted;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		memset(&reply, 0xaa, sizeof(reply));
		reply.head.argsz = sizes[i];
		ASSERT_OK(ioctl(self->c.container, VFIO_IOMMU_GET_INFO, &reply));
		wanted = reply.head.argsz;
		EXPECT_LT(sizes[i], wanted);
		EXPECT_TRUE(reply.head.flags & VFIO_IOMMU_INFO_PGSIZES);
		if (sizes[i] >= 20)
			EXPECT_EQ(0, reply.head.cap_offset);
		for (size_t at = sizes[i]; at < sizeof(reply); at++) {
			ASSERT_EQ(0xaa, reply.bytes[at])
				TH_LOG("argsz %u, byte %zu was written", sizes[i], at);
		}
	}

	/* With the room that was asked for, the chain is there. */
	reply.head.argsz = wanted;
	ASSERT_OK(ioctl(self->c.container, VFIO_IOMMU_GET_INFO, &reply));
	EXPECT_NE(0, reply.head.cap_offset);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

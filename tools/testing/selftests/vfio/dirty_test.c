// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty page tracking: VFIO_IOMMU_DIRTY_PAGES and the unmap that reports. No IOMMU says which pages
 * devices wrote, so every mapped page is dirty whenever it is asked for; and bit for bit nothing
 * else is.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define PAGES		200
#define START		VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define STOP		VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP
#define GET		VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP
#define UNMAP_GET	VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP
#define BITMAP_MAX	(256 * MIB)

/* Returns the bytes unmapped. */
static long long unmap_get(int container, __u32 flags, __u64 iova, __u64 size, __u64 pgsize,
			   void *data, __u64 bytes)
{
	union {
		struct vfio_iommu_type1_dma_unmap head;
		__u8 room[sizeof(struct vfio_iommu_type1_dma_unmap) + sizeof(struct vfio_bitmap)];
	} request = { .head = { .argsz = sizeof(request), .flags = flags | UNMAP_GET,
				.iova = iova, .size = size } };
	struct vfio_bitmap bitmap = { .pgsize = pgsize, .size = bytes, .data = data };

	memcpy(request.head.data, &bitmap, sizeof(bitmap));
	return ioctl(container, VFIO_IOMMU_UNMAP_DMA, &request) ? -1 : (long long)request.head.size;
}

FIXTURE(v1)
{
	struct client c;
};

FIXTURE_SETUP(v1)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1_IOMMU))
		return;
}

FIXTURE_TEARDOWN(v1)
{
	client_close(&self->c);
}

/* Version 1 has no tracking: EACCES, whatever is asked; so its unmap cannot report: EINVAL. */
TEST_F(v1, has_none)
{
	char *memory = memory_new(PAGE);
	__u64 bits = 0;

	EXPECT_ERRNO(EACCES, dirty_switch(self->c.container, START));
	EXPECT_ERRNO(EACCES, dirty_switch(self->c.container, STOP));
	EXPECT_ERRNO(EACCES, dirty_get(self->c.container, IOVA, PAGE, PAGE, &bits, 8));
	EXPECT_ERRNO(EACCES, ioctl(self->c.container, VFIO_IOMMU_DIRTY_PAGES, NULL));
	EXPECT_ERRNO(EACCES, dirty_switch(self->c.container, ~0U));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, unmap_get(self->c.container, 0, IOVA, PAGE, PAGE, &bits, 8));
	EXPECT_EQ(0, bits);
	EXPECT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));
}

FIXTURE(dirty)
{
	struct client c;
	int fd;
	char *memory;
	__u8 bits[PAGES];	/* more than a test needs: what is behind must stay as it was */
	__u8 want[PAGES];
};

FIXTURE_SETUP(dirty)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(PAGES * PAGE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(dirty)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
}

static int map_pages(int fd, char *memory, int first, int count)
{
	return dma_map_rw(fd, memory + first * PAGE, IOVA + first * PAGE, count * PAGE);
}

/* Exactly one of START, STOP and GET, else EINVAL. */
TEST_F(dirty, flags)
{
	EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, 0));
	EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, START | STOP));
	EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, START | GET));
	EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, START | STOP | GET));
	for (int bit = 3; bit < 32; bit++) {
		EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, 1U << bit));
		EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, START | 1U << bit));
	}
}

/* A GET needs all of its struct: argsz that ends before it is EINVAL. */
TEST_F(dirty, get_without_its_struct)
{
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EINVAL, dirty_switch(self->fd, GET));
}

/* Reports are for the time between START and STOP; either may be said twice. */
TEST_F(dirty, only_while_tracking)
{
	ASSERT_OK(map_pages(self->fd, self->memory, 0, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, 8 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, unmap_get(self->fd, 0, IOVA, 8 * PAGE, PAGE, self->bits, 8));
	EXPECT_OK(dirty_switch(self->fd, START));
	EXPECT_OK(dirty_switch(self->fd, START));
	EXPECT_OK(dirty_get(self->fd, IOVA, 8 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0xff, self->bits[0]);
	EXPECT_OK(dirty_switch(self->fd, STOP));
	EXPECT_OK(dirty_switch(self->fd, STOP));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, 8 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, unmap_get(self->fd, 0, IOVA, 8 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ((long long)(8 * PAGE), dma_unmap(self->fd, 0, IOVA, 8 * PAGE));
}

/* Every page that is mapped is dirty, also on the second read and if mapped after START. */
TEST_F(dirty, all_that_is_mapped)
{
	ASSERT_OK(map_pages(self->fd, self->memory, 0, 8));
	ASSERT_OK(dirty_switch(self->fd, START));
	ASSERT_OK(map_pages(self->fd, self->memory, 8, 8));
	for (int i = 0; i < 2; i++) {
		memset(self->bits, 0, sizeof(self->bits));
		EXPECT_OK(dirty_get(self->fd, IOVA, 16 * PAGE, PAGE, self->bits, 8));
		EXPECT_EQ(0xffff, *(__u64 *)self->bits);
	}
}

/*
 * A word of 64 pages that has mapped ones is written whole, but for what is below the first of
 * them; all else is as the user had it.
 */
static void want_word(__u8 *want, const bool *mapped, int pages)
{
	int first = 0;

	while (first < pages && !mapped[first])
		first++;
	if (first == pages)
		return;
	for (int page = first; page < 64; page++) {
		want[page / 8] &= ~(1 << page % 8);
		if (page < pages && mapped[page])
			want[page / 8] |= 1 << page % 8;
	}
}

/*
 * Bit for bit: mappings with odd borders, seen through windows with odd borders that cut none. The
 * bytes behind the bitmap keep what the user had there.
 */
TEST_F(dirty, exact_bits)
{
	static const struct { int first; int count; } maps[] = {
		{ 1, 1 }, { 3, 5 }, { 8, 1 }, { 11, 13 }, { 31, 2 }, { 40, 64 }, { 105, 7 },
		{ 112, 16 }, { 131, 69 },
	};
	/* Windows of pages, from and to. */
	static const struct { int from; int to; } windows[] = {
		{ 0, PAGES }, { 1, 2 }, { 2, 3 }, { 3, 8 }, { 2, 40 }, { 9, 130 }, { 25, 36 },
		{ 37, 105 }, { 104, 129 }, { 105, PAGES }, { 130, PAGES }, { 0, 1 }, { 39, 104 },
	};
	bool mapped[PAGES] = { false };

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
		ASSERT_OK(map_pages(self->fd, self->memory, maps[i].first, maps[i].count));
		memset(mapped + maps[i].first, true, maps[i].count);
	}
	ASSERT_OK(dirty_switch(self->fd, START));
	for (size_t i = 0; i < 3 * ARRAY_SIZE(windows); i++) {
		int from = windows[i / 3].from, to = windows[i / 3].to;
		static const __u8 before[] = { 0x00, 0xff, 0xa5 };

		memset(self->bits, before[i % 3], sizeof(self->bits));
		memset(self->want, before[i % 3], sizeof(self->want));
		for (int page = from; page < to; page += 64)
			want_word(self->want + (page - from) / 8, mapped + page,
				  to - page < 64 ? to - page : 64);
		ASSERT_OK(dirty_get(self->fd, IOVA + from * PAGE, (to - from) * PAGE, PAGE,
				    self->bits, (to - from + 63) / 64 * 8));
		ASSERT_EQ(0, memcmp(self->want, self->bits, sizeof(self->bits)))
			TH_LOG("pages %d to %d, bits set before: %#x", from, to, before[i % 3]);
	}
}

/* The page size is the smallest, the bitmap holds a bit for each page, in 64s: else EINVAL. */
TEST_F(dirty, bitmap_rules)
{
	static const __u64 page_sizes[] = { 0, 1, 512, 2 * PAGE, 3 * PAGE, 2 * MIB, 1ULL << 63 };
	const __u64 size = 65 * PAGE;

	ASSERT_OK(map_pages(self->fd, self->memory, 0, 65));
	ASSERT_OK(dirty_switch(self->fd, START));
	for (size_t i = 0; i < ARRAY_SIZE(page_sizes); i++) {
		EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, size, page_sizes[i], self->bits,
					       16));
		EXPECT_ERRNO(EINVAL, unmap_get(self->fd, 0, IOVA, size, page_sizes[i], self->bits,
					       16));
	}
	for (__u64 bytes = 0; bytes < 16; bytes += 5) {
		EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, size, PAGE, self->bits, bytes));
		EXPECT_ERRNO(EINVAL, unmap_get(self->fd, 0, IOVA, size, PAGE, self->bits, bytes));
	}
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, size, PAGE, self->bits, BITMAP_MAX + 1));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, size, PAGE, self->bits, ~0ULL));
	EXPECT_EQ(0, self->bits[0]);
	EXPECT_OK(dirty_get(self->fd, IOVA, size, PAGE, self->bits, 16));
	/* All of it must be the user's; his stack may be too near to his last address. */
	EXPECT_OK(dirty_get(self->fd, IOVA, size, PAGE, memory_new(PAGE), BITMAP_MAX));
	EXPECT_EQ((long long)size, unmap_get(self->fd, 0, IOVA, size, PAGE, self->bits, 24));
}

/* A range of pages, not empty, that does not run over the end of 64 bits. */
TEST_F(dirty, range_rules)
{
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, 0, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, PAGE + 1, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, 2048, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA + 2048, PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EOVERFLOW, dirty_get(self->fd, 0 - PAGE, 2 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EOVERFLOW, dirty_get(self->fd, 0 - PAGE, PAGE + 1, PAGE, self->bits, 8));
	EXPECT_OK(dirty_get(self->fd, 0 - PAGE, PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0, self->bits[0]);
}

/* A range that has a part only of some mapping: EINVAL, and nothing is reported. */
TEST_F(dirty, cuts)
{
	ASSERT_OK(map_pages(self->fd, self->memory, 4, 4));
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA + 5 * PAGE, 3 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA + 4 * PAGE, 3 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA, 7 * PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, IOVA + 5 * PAGE, PAGE, PAGE, self->bits, 8));
	EXPECT_ERRNO(EINVAL, unmap_get(self->fd, 0, IOVA, 7 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0, self->bits[0]);
	EXPECT_OK(dirty_get(self->fd, IOVA, 16 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0xf0, self->bits[0]);
}

/* A bitmap that cannot be written: EFAULT, and the unmap did not take place. */
TEST_F(dirty, bitmap_is_not_there)
{
	ASSERT_OK(map_pages(self->fd, self->memory, 0, 16));
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EFAULT, dirty_get(self->fd, IOVA, 16 * PAGE, PAGE, NULL, 8));
	EXPECT_ERRNO(EFAULT, unmap_get(self->fd, 0, IOVA, 16 * PAGE, PAGE, NULL, 8));
	EXPECT_EQ((long)(16 * PAGE / KIB), locked_kib());
	EXPECT_EQ((long long)(16 * PAGE),
		  unmap_get(self->fd, 0, IOVA, 16 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0xffff, *(__u64 *)self->bits);
}

/* The unmap reports what it takes, holes left out; not with ALL or VADDR (EINVAL). */
TEST_F(dirty, unmap_reports)
{
	ASSERT_OK(map_pages(self->fd, self->memory, 2, 3));
	ASSERT_OK(map_pages(self->fd, self->memory, 6, 11));
	ASSERT_OK(map_pages(self->fd, self->memory, 40, 1));
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EINVAL, unmap_get(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0, PAGE, self->bits,
				       8));
	EXPECT_ERRNO(EINVAL, unmap_get(self->fd, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, 20 * PAGE, PAGE,
				       self->bits, 8));
	EXPECT_EQ((long long)(14 * PAGE),
		  unmap_get(self->fd, 0, IOVA + PAGE, 30 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0xffee, *(__u64 *)self->bits);
	EXPECT_EQ((long)(PAGE / KIB), locked_kib());

	/* Nothing there: nothing is reported. */
	memset(self->bits, 0, sizeof(self->bits));
	EXPECT_EQ(0, unmap_get(self->fd, 0, IOVA + PAGE, 30 * PAGE, PAGE, self->bits, 8));
	EXPECT_EQ(0, *(__u64 *)self->bits);
}

/*
 * The largest bitmap, for 8 TiB of IOVAs with a mapping at each end: only those bits are written,
 * so the pages of the bitmap between them stay unused. One page more is EINVAL.
 */
TEST_F(dirty, huge_sparse_range)
{
	const __u64 size = BITMAP_MAX * 8 * PAGE;
	__u8 *bits = mmap(NULL, BITMAP_MAX, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	static unsigned char resident[BITMAP_MAX / PAGE];
	size_t used = 0;

	ASSERT_NE(MAP_FAILED, bits);
	madvise(bits, BITMAP_MAX, MADV_NOHUGEPAGE);
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 3 * PAGE, PAGE));
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 256 * GIB, 2 * PAGE));
	ASSERT_OK(dirty_switch(self->fd, START));
	EXPECT_ERRNO(EINVAL, dirty_get(self->fd, 0, size + PAGE, PAGE, bits, BITMAP_MAX));
	ASSERT_OK(dirty_get(self->fd, 0, size, PAGE, bits, BITMAP_MAX));
	ASSERT_EQ(0, mincore(bits, BITMAP_MAX, resident));
	for (size_t i = 0; i < sizeof(resident); i++)
		used += resident[i] & 1;
	EXPECT_EQ(2, used);
	EXPECT_EQ(0x08, bits[0]);
	EXPECT_EQ(0x03, bits[256 * GIB / PAGE / 8]);
	munmap(bits, BITMAP_MAX);
}

/* ---- bitmaps that do not come ---- */

/* A report into memory whose first touch waits, of eight pages, in a thread of its own. */
FIXTURE(stalled)
{
	struct client c;
	int fd;
	char *memory;
	struct stall stall;
	pthread_t thread;
	long pins;
};

FIXTURE_VARIANT(stalled)
{
	void *(*report)(void *data);
	bool unmaps;
};

static void *report_get(void *data)
{
	FIXTURE_DATA(stalled) * self = data;

	return (void *)(intptr_t)ERRNO_OF(dirty_get(self->fd, IOVA, 8 * PAGE, PAGE, self->stall.at,
						    8));
}

static void *report_unmap(void *data)
{
	FIXTURE_DATA(stalled) * self = data;

	return (void *)(intptr_t)ERRNO_OF(unmap_get(self->fd, 0, IOVA, 8 * PAGE, PAGE,
						    self->stall.at, 8));
}

FIXTURE_VARIANT_ADD(stalled, get) { .report = report_get };
FIXTURE_VARIANT_ADD(stalled, unmap) { .report = report_unmap, .unmaps = true };

FIXTURE_SETUP(stalled)
{
	self->pins = pins_held();
	self->stall.fd = -1;
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(8 * PAGE);
	ASSERT_NE(NULL, self->memory);
	/* Two mappings, so that there are places in the bitmap for each. */
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, 4 * PAGE));
	ASSERT_OK(dma_map_rw(self->fd, self->memory + 4 * PAGE, IOVA + 4 * PAGE, 4 * PAGE));
	ASSERT_OK(dirty_switch(self->fd, START));
	ASSERT_OK(stall_open(&self->stall, PAGE));
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, variant->report, self));
	ASSERT_TRUE(stall_wait(&self->stall, PATIENCE_MS));
}

FIXTURE_TEARDOWN(stalled)
{
	client_close(&self->c);
	stall_close(&self->stall);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

static int report_ends(FIXTURE_DATA(stalled) * self)
{
	void *error;

	pthread_join(self->thread, &error);
	return (int)(intptr_t)error;
}

/* Others of the container go on meanwhile, and it ends well when the memory comes. */
TEST_F(stalled, others_go_on)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->fd, 0, 2 * IOVA, PAGE));
	EXPECT_EQ(1, ioctl(self->fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	ASSERT_EQ(0, stall_release(&self->stall));
	EXPECT_EQ(0, report_ends(self));
	EXPECT_EQ(0xff, self->stall.at[0] & 0xff);
	EXPECT_EQ(variant->unmaps ? 0 : 8LL * PAGE, dma_unmap(self->fd, 0, IOVA, 8 * PAGE));
}

/* Where it does not come: EFAULT, and all is mapped as before. */
TEST_F(stalled, and_fails)
{
	stall_close(&self->stall);
	EXPECT_EQ(EFAULT, report_ends(self));
	EXPECT_EQ(32, locked_kib());
	EXPECT_EQ(8LL * PAGE, dma_unmap(self->fd, 0, IOVA, 8 * PAGE));
}

/* The group that leaves waits for nobody, and what it leaves behind goes whichever way it ends. */
TEST_F(stalled, group_leaves)
{
	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	ASSERT_EQ(0, stall_release(&self->stall));
	report_ends(self);
}

TEST_F(stalled, group_leaves_and_it_fails)
{
	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	stall_close(&self->stall);
	EXPECT_EQ(EFAULT, report_ends(self));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

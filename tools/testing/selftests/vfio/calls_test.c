// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a map and an unmap cost, without a clock: how often they make the calls that are expensive.
 * Each IOTLB synchronisation is a round trip to the IOMMU, each question for a physical address a
 * walk of a page table, and each pin locks and counts.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA		(64 * MIB)
#define HUGE		(2 * MIB)
#define ADJACENT	64
#define APART		600	/* runs: of two chunks that are pinned, and of several batches */
#define APART_IOVA	(IOVA + PAGE)	/* the kernel flushes where pages get another size */
#define BATCH		128	/* as many entries of a scatterlist as a page holds */

/* The driver's own: the kernel's call is inline. Other IOMMUs have another one. */
#define SYNC		"intel_iommu_tlb_sync"
#define INTEL_IOMMU	"/sys/class/iommu/dmar0"

static const char * const functions[] = {
	"iommu_iova_to_phys", "iommu_map", "iommu_map_sg", "iommu_unmap", "iommu_unmap_fast",
	SYNC, "pin_user_pages", "pin_user_pages_fast",
	"unpin_user_page_range_dirty_lock",
};

#define NR_FUNCTIONS (sizeof(functions) / sizeof(*functions))

FIXTURE(calls)
{
	struct client c;
	struct client bar;
	struct memory m;
};

FIXTURE_SETUP(calls)
{
	self->bar.container = -1;
	self->bar.group = -1;
	self->bar.device = -1;
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (calls_open(functions, NR_FUNCTIONS))
		SKIP(return, "no kprobe events here: %s", strerror(errno));
	/* A count of none would be true of any function that has no probe. */
	for (size_t i = 0; i < NR_FUNCTIONS; i++) {
		ASSERT_TRUE(calls_known(functions[i]) ||
			    (!strcmp(functions[i], SYNC) && access(INTEL_IOMMU, F_OK)))
			TH_LOG("no probe of %s", functions[i]);
	}
}

FIXTURE_TEARDOWN(calls)
{
	calls_close();
	client_close(&self->bar);
	memory_free(&self->m);
	client_close(&self->c);
}

#define EXPECT_CALLS(count, function) do {				\
	const char *_function = (function);				\
	int _calls = calls_made(_function), _want = (count);		\
									\
	EXPECT_EQ(_want, _calls)					\
		TH_LOG("%s: %d calls, must be %d", _function, _calls, _want); \
} while (0)

/* Nobody asks the IOMMU where memory is that we put there ourselves. */
#define EXPECT_NO_QUESTION() EXPECT_CALLS(0, "iommu_iova_to_phys")

#define EXPECT_ONE_UNMAP() do {						\
	EXPECT_CALLS(1, "iommu_unmap_fast");				\
	EXPECT_CALLS(0, "iommu_unmap");					\
	if (calls_known(SYNC))						\
		EXPECT_CALLS(1, SYNC);					\
	else								\
		TH_LOG("how often it synchronises is not known: no probe of %s", SYNC); \
	EXPECT_NO_QUESTION();						\
} while (0)

static int memory_touched(struct memory *m, enum memory_kind kind, size_t size,
			  const struct client *owner)
{
	if (memory_open(m, kind, size, owner))
		return -1;
	memset(m->at, 1, size);
	return 0;
}

/* Small pages: one call pins them all and one maps them. */
TEST_F(calls, small_pages)
{
	const size_t size = 16 * PAGE;

	ASSERT_OK(memory_touched(&self->m, ANONYMOUS, size, NULL));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	EXPECT_CALLS(1, "pin_user_pages_fast");
	EXPECT_CALLS(1, "iommu_map_sg");
	EXPECT_CALLS(0, "iommu_map");
	EXPECT_NO_QUESTION();

	trace_reset();
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_ONE_UNMAP();
}

/* disable_hugepages: the IOMMU is told of each page by itself. */
TEST_F(calls, page_by_page)
{
	const size_t size = 16 * PAGE;

	ASSERT_OK(memory_touched(&self->m, TRANSPARENT, size, NULL));
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "Y"));
	trace_reset();
	EXPECT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "N"));
	EXPECT_CALLS(16, "iommu_map");
	EXPECT_CALLS(0, "iommu_map_sg");
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
}

/* Pages of hugetlbfs: one pin for each. */
TEST_F(calls, hugetlb)
{
	const int count = 4;
	const size_t size = count * HUGE;

	ASSERT_OK(memory_touched(&self->m, HUGETLB, size, NULL));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	EXPECT_CALLS(count, "pin_user_pages");
	EXPECT_CALLS(0, "pin_user_pages_fast");
	EXPECT_CALLS(1, "iommu_map_sg");
	EXPECT_NO_QUESTION();

	trace_reset();
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_CALLS(count, "unpin_user_page_range_dirty_lock");
	EXPECT_ONE_UNMAP();
}

/* Memory that is pinned in several calls is mapped in one all the same. */
TEST_F(calls, several_chunks)
{
	const size_t size = 4 * HUGE;

	ASSERT_OK(memory_touched(&self->m, TRANSPARENT, size, NULL));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	EXPECT_LT(1, calls_made("pin_user_pages_fast"));
	EXPECT_CALLS(1, "iommu_map_sg");
	EXPECT_NO_QUESTION();

	trace_reset();
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_GE(4, calls_made("unpin_user_page_range_dirty_lock"));
	EXPECT_ONE_UNMAP();
}

/* Pages apart are mapped by the batch, and unmapped as one. */
TEST_F(calls, apart)
{
	const size_t size = APART * PAGE;
	__u8 *at = memory_apart(APART);

	ASSERT_TRUE(at);
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, at, APART_IOVA, size));
	EXPECT_CALLS((APART + BATCH - 1) / BATCH, "iommu_map_sg");
	EXPECT_CALLS(0, "iommu_map");
	EXPECT_NO_QUESTION();

	trace_reset();
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, APART_IOVA, size));
	EXPECT_CALLS(APART, "unpin_user_page_range_dirty_lock");
	EXPECT_ONE_UNMAP();
	munmap(at, size);
}

/* A map that fails in the end takes back with one unmap what it had mapped. */
TEST_F(calls, undo)
{
	const size_t size = APART * PAGE;
	__u8 *at = memory_apart(APART);

	ASSERT_TRUE(at);
	ASSERT_OK(munmap(at + size - PAGE, PAGE));
	trace_reset();
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, at, APART_IOVA, size));
	EXPECT_LT(0, calls_made("iommu_map_sg"));
	EXPECT_ONE_UNMAP();
	munmap(at, size);
}

/* What may be dirty is known without the IOMMU: all that was mapped for writing. */
TEST_F(calls, dirty_bitmap)
{
	const size_t size = 4 * HUGE;
	__u64 bitmap[4 * HUGE / PAGE / 64] = {};

	ASSERT_OK(memory_touched(&self->m, TRANSPARENT, size, NULL));
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	ASSERT_OK(dirty_switch(self->c.container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	trace_reset();
	EXPECT_OK(dirty_get(self->c.container, IOVA, size, PAGE, bitmap, sizeof(bitmap)));
	EXPECT_EQ(~0ULL, bitmap[0]);
	for (size_t i = 0; i < NR_FUNCTIONS; i++)
		EXPECT_CALLS(0, functions[i]);
	EXPECT_OK(dirty_switch(self->c.container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
}

/* Many mappings without a hole between them are unmapped as one. */
TEST_F(calls, adjacent_mappings)
{
	ASSERT_OK(memory_touched(&self->m, ANONYMOUS, ADJACENT * PAGE, NULL));
	for (int i = 0; i < ADJACENT; i++)
		ASSERT_OK(dma_map_rw(self->c.container, self->m.at + i * PAGE, IOVA + i * PAGE,
				     PAGE));
	trace_reset();
	EXPECT_EQ((long long)(ADJACENT * PAGE),
		  dma_unmap(self->c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	EXPECT_ONE_UNMAP();
	EXPECT_CALLS(ADJACENT, "unpin_user_page_range_dirty_lock");
}

/* A BAR is mapped in one step, however large. */
TEST_F(calls, bar)
{
	const size_t size = 64 * MIB;

	if (!join_or_skip(_metadata, &self->bar, &self->c, IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&self->bar, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(memory_open(&self->m, BAR, size, &self->bar));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	EXPECT_CALLS(1, "iommu_map");
	EXPECT_CALLS(0, "iommu_map_sg");
	EXPECT_NO_QUESTION();

	trace_reset();
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_CALLS(0, "unpin_user_page_range_dirty_lock");
	EXPECT_ONE_UNMAP();
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, IVSHMEM };

	return vfio_test_main(argc, argv, needs, 2);
}

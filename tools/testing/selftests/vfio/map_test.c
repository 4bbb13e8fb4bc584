// SPDX-License-Identifier: GPL-2.0-only
/*
 * MAP_DMA and what it charges: each error with the errno that programs act on, and nothing changed
 * by a call that failed.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define SIZE	(16 * PAGE)
#define RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define ENTRY_LIMIT "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

FIXTURE(map)
{
	struct client c;
	char *memory;
	long available;
};

FIXTURE_SETUP(map)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	self->available = dma_available(self->c.container);
	ASSERT_LT(0, self->available);
}

FIXTURE_TEARDOWN(map)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
}

/* A refused map leaves no mapping, no charge and the IOVA range free. */
#define EXPECT_NO_TRACE() do {						\
	EXPECT_EQ(self->available, dma_available(self->c.container));	\
	EXPECT_EQ(0, locked_kib());					\
	EXPECT_EQ(0, dma_unmap(self->c.container, 0, IOVA, SIZE));	\
} while (0)

/* Neither READ nor WRITE: EINVAL. */
TEST_F(map, no_permission)
{
	EXPECT_ERRNO(EINVAL, dma_map(self->c.container, 0, self->memory, IOVA, PAGE));
	EXPECT_NO_TRACE();
}

/* Unknown flags: EINVAL, each single one of them. */
TEST_F(map, unknown_flags)
{
	for (int bit = 3; bit < 32; bit++)
		EXPECT_ERRNO(EINVAL, dma_map(self->c.container, RW | 1U << bit, self->memory,
					     IOVA, PAGE));
	EXPECT_NO_TRACE();
}

/* Nothing to map: EINVAL. */
TEST_F(map, size_zero)
{
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, 0));
	EXPECT_NO_TRACE();
}

/* Address, IOVA and size must be multiples of the smallest page: EINVAL. */
TEST_F(map, not_aligned)
{
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory + 1, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory + 2048, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA + 1, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA + 2048, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, PAGE - 1));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, PAGE + 2048));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, 1));
	EXPECT_NO_TRACE();
}

/* A range that runs over the end of 64 bits: EOVERFLOW (up to 6.12 the kernel said EINVAL). */
TEST_F(map, wraps)
{
	const __u64 last_page = ~0ULL - PAGE + 1;

	EXPECT_ERRNO(EOVERFLOW, dma_map_rw(self->c.container, self->memory, last_page, 2 * PAGE));
	EXPECT_ERRNO(EOVERFLOW, dma_map_rw(self->c.container, (void *)last_page, IOVA, 2 * PAGE));
	EXPECT_ERRNO(EOVERFLOW, dma_map_rw(self->c.container, self->memory, PAGE, last_page));
	/* Whatever else is wrong with it. */
	EXPECT_ERRNO(EOVERFLOW, dma_map_rw(self->c.container, self->memory, last_page, PAGE + 1));
	EXPECT_ERRNO(EOVERFLOW, dma_map(self->c.container, 0, self->memory, last_page, 2 * PAGE));
	EXPECT_NO_TRACE();
}

/* The last page of 64 bits wraps nothing; it lies outside of what the IOMMU can do: EINVAL. */
TEST_F(map, beyond_aperture)
{
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, ~0ULL - PAGE + 1, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, 1ULL << 63, PAGE));
	EXPECT_NO_TRACE();
}

/* The window of message interrupts cannot be mapped: EINVAL, also if only touched. */
TEST_F(map, reserved_range)
{
	const __u64 first = 0xfee00000, end = 0xfef00000;

	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, first, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, end - PAGE, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, first - PAGE, 2 * PAGE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, end - PAGE, 2 * PAGE));
	EXPECT_NO_TRACE();
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, first - PAGE, PAGE));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, end, PAGE));
}

/* A range that touches a mapping: EEXIST, in whatever way; neighbours are fine. */
TEST_F(map, overlap)
{
	const __u64 at = IOVA + 4 * PAGE, size = 4 * PAGE;
	int fd = self->c.container;

	ASSERT_OK(dma_map_rw(fd, self->memory, at, size));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at, size));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at, PAGE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at + size - PAGE, PAGE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at + PAGE, 2 * PAGE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at - PAGE, 2 * PAGE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at + size - PAGE, 2 * PAGE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(fd, self->memory, at - PAGE, size + 2 * PAGE));
	EXPECT_EQ(self->available - 1, dma_available(fd));
	EXPECT_OK(dma_map_rw(fd, self->memory, at - PAGE, PAGE));
	EXPECT_OK(dma_map_rw(fd, self->memory, at + size, PAGE));
}

/* The same memory may be mapped at many IOVAs. */
TEST_F(map, same_memory_twice)
{
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, 2 * IOVA, SIZE));
}

/* Memory that is not there: EFAULT, and a part that was pinned already is given back. */
TEST_F(map, bad_address)
{
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, NULL, IOVA, PAGE));
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, (void *)(1ULL << 46), IOVA, PAGE));
	EXPECT_NO_TRACE();

	ASSERT_EQ(0, munmap(self->memory + 9 * PAGE, PAGE));
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_NO_TRACE();
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 9 * PAGE));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory + 10 * PAGE, IOVA + 9 * PAGE,
			     6 * PAGE));
}

/* WRITE wants memory that the process may write: EFAULT. */
TEST_F(map, not_writable)
{
	ASSERT_EQ(0, mprotect(self->memory + 3 * PAGE, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_NO_TRACE();
	EXPECT_OK(dma_map(self->c.container, VFIO_DMA_MAP_FLAG_READ, self->memory, IOVA, SIZE));
}

/* DMA_AVAIL goes down with each mapping and comes back with each unmap. */
TEST_F(map, dma_avail)
{
	for (int i = 0; i < 4; i++) {
		ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA + i * SIZE, SIZE));
		EXPECT_EQ(self->available - i - 1, dma_available(self->c.container));
	}
	EXPECT_EQ((long long)SIZE, dma_unmap(self->c.container, 0, IOVA, SIZE));
	EXPECT_EQ(self->available - 3, dma_available(self->c.container));
	EXPECT_EQ((long long)(3 * SIZE), dma_unmap(self->c.container, 0, IOVA, 4 * SIZE));
	EXPECT_EQ(self->available, dma_available(self->c.container));
}

/* Mapped memory is charged to the process as locked, page by page, and given back by the unmap. */
TEST_F(map, locked_memory)
{
	ASSERT_EQ(0, locked_kib());
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
	ASSERT_OK(dma_map(self->c.container, VFIO_DMA_MAP_FLAG_READ, self->memory, 2 * IOVA,
			  PAGE));
	EXPECT_EQ((long)((SIZE + PAGE) / KIB), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(self->c.container, 0, IOVA, SIZE));
	EXPECT_EQ((long)(PAGE / KIB), locked_kib());
	EXPECT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, 2 * IOVA, PAGE));
	EXPECT_EQ(0, locked_kib());
}

/* Huge pages are charged by their size. */
TEST_F(map, locked_huge_pages)
{
	char *huge = memory_huge(4 * MIB);

	if (!huge)
		SKIP(return, "no huge pages");
	ASSERT_OK(dma_map_rw(self->c.container, huge, IOVA, 4 * MIB));
	EXPECT_EQ((long)(4 * MIB / KIB), locked_kib());
	EXPECT_EQ((long long)(4 * MIB), dma_unmap(self->c.container, 0, IOVA, 4 * MIB));
	EXPECT_EQ(0, locked_kib());
	munmap(huge, 4 * MIB);
}

/* Closing the last fd ends all mappings and takes the charge back. */
TEST_F(map, close_uncharges)
{
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, 2 * IOVA, SIZE));
	EXPECT_EQ((long)(2 * SIZE / KIB), locked_kib());
	client_close(&self->c);
	EXPECT_EQ(0, locked_kib());
}

/* A device's BAR can be mapped for DMA; it is no memory and is not charged. */
TEST_F(map, bar_is_not_charged)
{
	const __u64 size = 2 * MIB;
	struct client peer;
	char *view;

	if (!join_or_skip(_metadata, &peer, &self->c, IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&peer, PCI_COMMAND_MEMORY, 0));
	view = region_map(&peer, 2, 0, size);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_OK(dma_map_rw(self->c.container, view, IOVA, size));
	EXPECT_EQ(0, locked_kib());
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_EQ(0, locked_kib());
	munmap(view, size);
	client_close(&peer);
}

/*
 * The part of a test that runs as nobody, with RLIMIT_MEMLOCK at @limit bytes. Its exit status
 * tells the first thing that was wrong.
 */
static int limited_user(int container, char *memory, rlim_t limit)
{
	if (become_nobody(limit, limit))
		return 1;
	if (!dma_map_rw(container, memory, IOVA, limit + PAGE) || errno != ENOMEM)
		return 2;
	if (locked_kib() != 0)
		return 3;
	if (dma_map_rw(container, memory, IOVA, limit))
		return 4;
	if (locked_kib() != (long)(limit / KIB))
		return 5;
	if (!dma_map_rw(container, memory, 2 * IOVA, PAGE) || errno != ENOMEM)
		return 6;
	if (dma_unmap(container, 0, IOVA, limit) != (long long)limit || locked_kib() != 0)
		return 7;
	if (dma_map_rw(container, memory, 2 * IOVA, PAGE))
		return 8;
	return dma_unmap(container, 0, 2 * IOVA, PAGE) == (long long)PAGE ? 0 : 9;
}

/* Without CAP_IPC_LOCK no more than RLIMIT_MEMLOCK can be mapped, to the page: ENOMEM. */
TEST_F(map, memlock_limit)
{
	pid_t child;
	int status;

	child = fork();
	if (!child)
		_exit(limited_user(self->c.container, self->memory, 8 * PAGE));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d of limited_user()", WEXITSTATUS(status));
	EXPECT_NO_TRACE();
}

/* CAP_IPC_LOCK lifts the limit; the charge is the same. */
TEST_F(map, cap_ipc_lock)
{
	const struct rlimit rlimit = { .rlim_cur = PAGE, .rlim_max = PAGE };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &rlimit));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
}

FIXTURE(limit)
{
	char before[16];
	struct client c;
	char *memory;
};

FIXTURE_SETUP(limit)
{
	if (file_read(ENTRY_LIMIT, self->before, sizeof(self->before)))
		SKIP(return, "no parameter " ENTRY_LIMIT);
	ASSERT_OK(file_write(ENTRY_LIMIT, "4"));
	self->memory = memory_new(SIZE);
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
}

FIXTURE_TEARDOWN(limit)
{
	client_close(&self->c);
	EXPECT_OK(file_write(ENTRY_LIMIT, self->before));
}

/* A container takes dma_entry_limit mappings; one more is ENOSPC. */
TEST_F(limit, entries)
{
	EXPECT_EQ(4, dma_available(self->c.container));
	for (int i = 0; i < 4; i++)
		ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA + i * PAGE, PAGE));
	EXPECT_EQ(0, dma_available(self->c.container));
	EXPECT_ERRNO(ENOSPC, dma_map_rw(self->c.container, self->memory, 2 * IOVA, PAGE));
	EXPECT_EQ((long)(4 * PAGE / KIB), locked_kib());
	EXPECT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, 2 * IOVA, PAGE));
	EXPECT_ERRNO(ENOSPC, dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	EXPECT_OK(file_write(ENTRY_LIMIT, self->before));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
}

/* A failed map uses up no entry. */
TEST_F(limit, failures_are_free)
{
	for (int i = 0; i < 8; i++)
		EXPECT_ERRNO(EFAULT, dma_map_rw(self->c.container, NULL, IOVA, PAGE));
	EXPECT_EQ(4, dma_available(self->c.container));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, IVSHMEM };

	log_announce("RLIMIT_MEMLOCK|dma_entry_limit");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

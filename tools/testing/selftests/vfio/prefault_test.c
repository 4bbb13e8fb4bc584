// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that bring memory in while it is mapped (pin_threads): they take work from the caller,
 * and all else is as without them.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define LARGE		(96 * MIB)	/* enough for helpers without a word */
#define MIDDLE		(48 * MIB)	/* takes longer than other processors need to come */
#define SIZE		(16 * MIB)	/* enough if there is one */
#define PIN_THREADS	"/sys/module/vfio_iommu_type1/parameters/pin_threads"
#define CGROUP		"/sys/fs/cgroup"

FIXTURE(prefault)
{
	struct client c;
	int fd;
	char before[32];
	char *memory;
};

/* How many threads; and whether the caller has the work for himself. */
FIXTURE_VARIANT(prefault)
{
	const char *threads;
	bool alone;
	__u64 size;
};

FIXTURE_VARIANT_ADD(prefault, alone) { .threads = "1", .alone = true, .size = MIDDLE };
FIXTURE_VARIANT_ADD(prefault, four) { .threads = "4", .size = MIDDLE };
FIXTURE_VARIANT_ADD(prefault, many) { .threads = "1000", .size = MIDDLE };
FIXTURE_VARIANT_ADD(prefault, automatic) { .threads = "0", .size = LARGE };

/* Memory that nobody has touched, in pages of 4 KiB. */
static char *untouched(size_t size)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

FIXTURE_SETUP(prefault)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(file_read(PIN_THREADS, self->before, sizeof(self->before)));
	ASSERT_OK(file_write(PIN_THREADS, variant->threads));
	self->fd = self->c.container;
	ASSERT_OK(edu_start(&self->c));
	self->memory = untouched(variant->size);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(prefault)
{
	client_close(&self->c);
	EXPECT_EQ(0, locked_kib());
	EXPECT_OK(file_write(PIN_THREADS, self->before));
}

static long my_faults(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_minflt + usage.ru_majflt;
}

/* Page faults that the caller of a map has himself; -1 if it fails. */
static long faults_of_map(int fd, char *memory, __u64 size)
{
	long before = my_faults();

	return dma_map_rw(fd, memory, IOVA, size) ? -1 : my_faults() - before;
}

/* The caller has fewer faults than pages, and devices see the memory that the program sees. */
TEST_F(prefault, shares_the_work)
{
	const long pages = variant->size / PAGE;
	long faults = faults_of_map(self->fd, self->memory, variant->size);

	TH_LOG("%ld of %ld faults are the caller's", faults, pages);
	ASSERT_LE(0, faults);
	EXPECT_EQ(variant->alone, faults >= pages);
	EXPECT_EQ((long)(variant->size / KIB), locked_kib());
	for (__u64 at = 0; at < variant->size; at += variant->size / 8 + PAGE) {
		memset(self->memory + at, at / PAGE, 256);
		ASSERT_OK(edu_from_memory(&self->c, IOVA + at, 0, 256));
		ASSERT_OK(edu_to_memory(&self->c, IOVA + at + PAGE, 0, 256));
		ASSERT_EQ(0, memcmp(self->memory + at, self->memory + at + PAGE, 256))
			TH_LOG("at %#llx", at);
	}
	EXPECT_EQ((long long)variant->size, dma_unmap(self->fd, 0, IOVA, variant->size));
	EXPECT_EQ(0, locked_kib());
}

/* ---- with helpers, all is as it was ---- */

FIXTURE(helped)
{
	struct client c;
	int fd;
	char before[32];
	char *memory;
};

FIXTURE_SETUP(helped)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(file_read(PIN_THREADS, self->before, sizeof(self->before)));
	ASSERT_OK(file_write(PIN_THREADS, "4"));
	self->fd = self->c.container;
	self->memory = untouched(SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(helped)
{
	client_close(&self->c);
	EXPECT_EQ(0, locked_kib());
	EXPECT_OK(file_write(PIN_THREADS, self->before));
}

/* A kernel thread does not know from which node the task wants its memory, so none helps. */
TEST_F(helped, keeps_to_the_memory_policy)
{
	unsigned long node = 1;
	long faults;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)))
		SKIP(return, "no memory policies: %s", strerror(errno));
	faults = faults_of_map(self->fd, self->memory, SIZE);
	EXPECT_LE((long)(SIZE / PAGE), faults);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
}

/* Becomes a user with a limit, and maps; the errno. */
static int maps_with_limit(int fd, char *memory, __u64 limit)
{
	if (become_nobody(limit, limit))
		return 1;
	return dma_map_rw(fd, memory, IOVA, SIZE) ? errno : 0;
}

/* One page more than the limit is too much; the limit is not, although charges come in advance. */
TEST_F(helped, limit_is_exact)
{
	int before = pins_held();
	pid_t child;

	child = fork();
	if (!child)
		_exit(maps_with_limit(self->fd, self->memory, SIZE - PAGE));
	EXPECT_EQ(ENOMEM, child_end(child, PATIENCE_MS * 6));
	EXPECT_TRUE(pins_become(before));
	child = fork();
	if (!child)
		_exit(maps_with_limit(self->fd, self->memory, SIZE));
	EXPECT_EQ(0, child_end(child, PATIENCE_MS * 6));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_TRUE(pins_become(before));
}

/* What was charged in advance for memory of a device, which is not locked, is given back. */
TEST_F(helped, lent_memory_is_not_charged)
{
	char *bar;

	bar = mmap(self->memory + SIZE - 16 * PAGE, 16 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_FIXED, self->c.device, self->c.region[0].offset);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_EQ((long)((SIZE - 16 * PAGE) / KIB), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_EQ(0, locked_kib());
}

/* An address in the middle that is nobody's: EFAULT, and nothing is left. */
TEST_F(helped, failure_is_undone)
{
	int before = pins_held();

	ASSERT_EQ(0, munmap(self->memory + SIZE / 2, PAGE));
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_EQ(0, locked_kib());
	EXPECT_TRUE(pins_become(before));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE / 2));
}

/* Helpers that are sent away before they have begun are free to help again. */
TEST_F(helped, are_not_used_up)
{
	char *fresh = untouched(MIDDLE);
	long faults;

	ASSERT_NE(NULL, fresh);
	ASSERT_EQ(0, munmap(self->memory + PAGE, PAGE));
	for (int round = 0; round < 40; round++)
		ASSERT_ERRNO(EFAULT, dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	faults = faults_of_map(self->fd, fresh, MIDDLE);
	EXPECT_LE(0, faults);
	EXPECT_GT((long)(MIDDLE / PAGE), faults);
}

static long cgroup_bytes(const char *cgroup)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "%s/memory.current", cgroup);
	return file_read(path, text, sizeof(text)) ? -1 : atol(text);
}

static int maps_in_cgroup(int fd, char *memory)
{
	if (file_write(CGROUP "/vfio-pin/cgroup.procs", "0"))
		return 1;
	if (faults_of_map(fd, memory, SIZE) < 0)
		return 2;
	return cgroup_bytes(CGROUP "/vfio-pin") < (long)SIZE ? 3 : 0;
}

/* Memory that a helper brought in is charged to the cgroup of the user. */
TEST_F(helped, memory_cgroup)
{
	pid_t child;

	if (file_write(CGROUP "/cgroup.subtree_control", "+memory") ||
	    (mkdir(CGROUP "/vfio-pin", 0755) && errno != EEXIST))
		SKIP(return, "no memory cgroups: %s", strerror(errno));
	child = fork();
	if (!child)
		_exit(maps_in_cgroup(self->fd, self->memory));
	EXPECT_EQ(0, child_end(child, PATIENCE_MS * 6));
	rmdir(CGROUP "/vfio-pin");
}

/*
 * Memory whose fault waits for another program is left to the caller: who is killed while he waits
 * for it leaves.
 */
TEST_F(helped, waits_for_nobody)
{
	int before = pins_held();
	pid_t child;

	child = fork();
	if (!child) {
		struct stall stall;

		if (stall_open(&stall, SIZE))
			_exit(2);
		if (stall_fill(&stall, MIB))
			_exit(3);
		dma_map_rw(self->fd, stall.at, IOVA, SIZE);
		pause();
	}
	/* It has the first MiB, and stays at the next page; or the map has failed (6.1). */
	usleep(500000);
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, child_end(child, PATIENCE_MS));
	EXPECT_TRUE(pins_become(before));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, MIB));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

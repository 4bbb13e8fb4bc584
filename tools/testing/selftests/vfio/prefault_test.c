// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that bring memory in while it is mapped (pin_threads): they take work from the caller,
 * and all else is as without them.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define LARGE		(96 * MIB)	/* enough for helpers without a word */
#define SIZE		(16 * MIB)	/* enough if there is one */
#define PIN_THREADS	"/sys/module/vfio_iommu_type1/parameters/pin_threads"
#define CGROUP		"/sys/fs/cgroup"

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

/* ---- a map that stands still half-way, where a page of a file comes late ---- */

/**
 * struct half - a map that stands still half-way
 * @fd: the container
 * @memory: what it maps
 * @size: bytes of it
 * @alone: nobody is to help
 * @tid: the thread that maps, once it has begun
 * @before: page faults that it had until then
 * @faults: those that it had since then, in the end
 * @error: what came of it
 */
struct half {
	int fd;
	char *memory;
	__u64 size;
	bool alone;
	pid_t tid;
	long before;
	long faults;
	int error;
};

static void *half_thread(void *data)
{
	struct half *half = data;

	/* What it runs later is in memory then. */
	dma_map_rw(half->fd, half->memory, IOVA, 0);
	half->before = task_faults(getpid(), gettid());
	__atomic_store_n(&half->tid, gettid(), __ATOMIC_RELEASE);
	half->error = ERRNO_OF(dma_map_rw(half->fd, half->memory, IOVA, half->size));
	half->faults = task_faults(getpid(), gettid()) - half->before;
	return NULL;
}

/* Pages that are there and that the caller, who stands still, did not bring in. */
static long half_helped(const struct half *half)
{
	static unsigned char there[MIB / PAGE];
	long helped = half->before - task_faults(getpid(), half->tid);

	for (__u64 at = 0; at < half->size; at += MIB) {
		/* A part with a hole counts as empty. */
		if (mincore(half->memory + at, MIB, there))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(there); i++)
			helped += there[i] & 1;
	}
	return helped;
}

/* Where it will stand still; for who opened the file only. */
static int half_place(const struct half *half, const struct slow_file *slow)
{
	return slow_file_map(slow, half->memory + half->size / 2) ? 0 : -1;
}

/*
 * Maps, and lets the caller go on when others have brought in pages: how many, 0 if nobody does in
 * time, -1 if the map does not come so far. Nothing here changes the address space while the caller
 * stands still: older kernels do not allow that.
 */
static long half_map(struct half *half, const struct slow_file *slow)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	pthread_t thread;
	long helped = -1;

	if (pthread_create(&thread, NULL, half_thread, half))
		return -1;
	if (slow_file_wait(slow, PATIENCE_MS)) {
		do {
			helped = half_helped(half);
		} while (helped <= 0 && !half->alone && slow_file_waits(slow) &&
			 !nanosleep(&pause, NULL));
		helped = helped < 0 ? 0 : helped;
	}
	slow_file_release(slow);
	pthread_join(thread, NULL);
	return helped;
}

/* ---- who does the work ---- */

FIXTURE(prefault)
{
	struct slow_file slow;
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

FIXTURE_VARIANT_ADD(prefault, alone) { .threads = "1", .alone = true, .size = SIZE };
FIXTURE_VARIANT_ADD(prefault, small) { .threads = "0", .alone = true, .size = SIZE };
FIXTURE_VARIANT_ADD(prefault, four) { .threads = "4", .size = SIZE };
FIXTURE_VARIANT_ADD(prefault, many) { .threads = "1000", .size = SIZE };
FIXTURE_VARIANT_ADD(prefault, automatic) { .threads = "0", .size = LARGE };

FIXTURE_SETUP(prefault)
{
	if (slow_file_open(&self->slow, PAGE)) {
		ASSERT_EQ(ENODEV, errno);
		SKIP(return, "no FUSE");
	}
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
	/* Who has it mapped keeps the file system. */
	munmap(self->memory, variant->size);
	slow_file_close(&self->slow);
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_OK(file_write(PIN_THREADS, self->before));
}

/*
 * While the caller stands still, others bring in what comes next, unless he is to be alone; and
 * devices see the memory that the program sees.
 */
TEST_F(prefault, shares_the_work)
{
	const long pages = variant->size / PAGE;
	struct half half = {
		.fd = self->fd,
		.memory = self->memory,
		.size = variant->size,
		.alone = variant->alone,
	};
	long helped;

	ASSERT_OK(half_place(&half, &self->slow));
	helped = half_map(&half, &self->slow);
	TH_LOG("%ld of %ld pages were there when the caller went on, %ld faults were his", helped,
	       pages, half.faults);
	ASSERT_EQ(0, half.error);
	EXPECT_TRUE(variant->alone ? half.faults >= pages : helped > 0);
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
	struct slow_file slow[2];
	struct client c;
	int fd;
	char before[32];
	char *memory;
	struct half half;
};

FIXTURE_SETUP(helped)
{
	for (size_t i = 0; i < ARRAY_SIZE(self->slow); i++) {
		if (slow_file_open(&self->slow[i], PAGE)) {
			ASSERT_EQ(ENODEV, errno);
			SKIP(return, "no FUSE");
		}
	}
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(file_read(PIN_THREADS, self->before, sizeof(self->before)));
	ASSERT_OK(file_write(PIN_THREADS, "4"));
	self->fd = self->c.container;
	self->memory = untouched(SIZE);
	ASSERT_NE(NULL, self->memory);
	self->half = (struct half){ .fd = self->fd, .memory = self->memory, .size = SIZE };
}

FIXTURE_TEARDOWN(helped)
{
	munmap(self->half.memory, SIZE);
	for (size_t i = 0; i < ARRAY_SIZE(self->slow); i++)
		slow_file_close(&self->slow[i]);
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_OK(file_write(PIN_THREADS, self->before));
}

/* A kernel thread does not know from which node the task wants its memory, so none helps. */
TEST_F(helped, keeps_to_the_memory_policy)
{
	unsigned long node = 1;

	if (syscall(SYS_set_mempolicy, MPOL_BIND, &node, 8 * sizeof(node)))
		SKIP(return, "no memory policies: %s", strerror(errno));
	self->half.alone = true;
	ASSERT_OK(half_place(&self->half, &self->slow[0]));
	half_map(&self->half, &self->slow[0]);
	syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0);
	EXPECT_EQ(0, self->half.error);
	EXPECT_LE((long)(SIZE / PAGE), self->half.faults);
}

/* What a child says that has not had help. */
#define UNHELPED 255

/* Becomes a user with a limit, and maps with help; the errno. */
static int maps_with_limit(struct half *half, const struct slow_file *slow, __u64 limit)
{
	if (half_place(half, slow) || become_nobody(limit, limit))
		return UNHELPED - 1;
	return half_map(half, slow) > 0 ? half->error : UNHELPED;
}

/* One page more than the limit is too much; the limit is not, although charges come in advance. */
TEST_F(helped, limit_is_exact)
{
	int before = pins_held();
	pid_t child;

	child = fork();
	if (!child)
		_exit(maps_with_limit(&self->half, &self->slow[0], SIZE - PAGE));
	EXPECT_EQ(ENOMEM, child_end(child, PATIENCE_MS * 6));
	EXPECT_TRUE(pins_become(before));
	child = fork();
	if (!child)
		_exit(maps_with_limit(&self->half, &self->slow[1], SIZE));
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
	ASSERT_OK(half_place(&self->half, &self->slow[0]));
	EXPECT_LT(0, half_map(&self->half, &self->slow[0]));
	ASSERT_EQ(0, self->half.error);
	EXPECT_EQ((long)((SIZE - 16 * PAGE) / KIB), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_EQ(0, locked_kib());
}

/* An address behind the middle that is nobody's: EFAULT, and nothing is left. */
TEST_F(helped, failure_is_undone)
{
	int before = pins_held();

	ASSERT_EQ(0, munmap(self->memory + 3 * SIZE / 4, PAGE));
	ASSERT_OK(half_place(&self->half, &self->slow[0]));
	EXPECT_LT(0, half_map(&self->half, &self->slow[0]));
	EXPECT_EQ(EFAULT, self->half.error);
	EXPECT_EQ(0, locked_kib());
	EXPECT_TRUE(pins_become(before));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE / 2));
}

/* Helpers that are sent away before they have begun are free to help again. */
TEST_F(helped, are_not_used_up)
{
	char *fresh = untouched(SIZE);

	ASSERT_NE(NULL, fresh);
	ASSERT_EQ(0, munmap(self->memory + PAGE, PAGE));
	for (int round = 0; round < 40; round++)
		ASSERT_ERRNO(EFAULT, dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	self->half.memory = fresh;
	ASSERT_OK(half_place(&self->half, &self->slow[0]));
	EXPECT_LT(0, half_map(&self->half, &self->slow[0]));
	EXPECT_EQ(0, self->half.error);
}

static long cgroup_bytes(const char *cgroup)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "%s/memory.current", cgroup);
	return file_read(path, text, sizeof(text)) ? -1 : atol(text);
}

static int maps_in_cgroup(struct half *half, const struct slow_file *slow)
{
	if (file_write(CGROUP "/vfio-pin/cgroup.procs", "0"))
		return 1;
	if (half_place(half, slow) || half_map(half, slow) <= 0 || half->error)
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
		_exit(maps_in_cgroup(&self->half, &self->slow[0]));
	EXPECT_EQ(0, child_end(child, PATIENCE_MS * 6));
	rmdir(CGROUP "/vfio-pin");
}

/* Maps memory of which all but the first MiB waits for whoever has the fd that it sends. */
static int maps_stalled(int fd, int socket)
{
	struct stall stall;

	if (stall_open(&stall, SIZE) || stall_fill(&stall, MIB) || fd_send(socket, stall.fd, 0))
		return UNHELPED;
	return dma_map_rw(fd, stall.at, IOVA, SIZE) ? errno : 0;
}

/*
 * Memory whose fault waits for another program is left to the caller: who is killed while he waits
 * for it leaves.
 */
TEST_F(helped, waits_for_nobody)
{
	struct stall stall = { .fd = -1 };
	int before = pins_held(), sockets[2];
	pid_t child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child)
		_exit(maps_stalled(self->fd, sockets[1]));
	close(sockets[1]);
	stall.fd = fd_receive(sockets[0]);
	ASSERT_LE(0, stall.fd);
	while (!stall_wait(&stall, 50)) {
		if (task_state(child, child) != 'Z')
			continue;
		EXPECT_EQ(EFAULT, child_end(child, PATIENCE_MS));
		EXPECT_FALSE(kernel_is_since(6, 3));
		SKIP(return, "this kernel does not let the pages of a long-term pin wait");
	}
	ASSERT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, child_end(child, PATIENCE_MS));
	EXPECT_TRUE(pins_become(before));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, MIB));
	close(stall.fd);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps and unmaps at the same time, and their end by a signal. One of them is stopped in the middle
 * of its work by memory or a file whose first touch waits (lib/stall.c, lib/slow_file.c), so that
 * what the others do is shown without a guess about time.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define SIZE	(16 * PAGE)

/* ---- one call in a thread of its own ---- */

struct call {
	pthread_t thread;
	int container;
	void *vaddr;
	__u64 iova;
	__u64 size;
	long long result;
	int error;
	pid_t tid;
	bool ended;
};

static void *map_thread(void *data)
{
	struct call *call = data;

	__atomic_store_n(&call->tid, gettid(), __ATOMIC_RELEASE);
	call->result = dma_map_rw(call->container, call->vaddr, call->iova, call->size);
	call->error = errno;
	__atomic_store_n(&call->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

static void *unmap_thread(void *data)
{
	struct call *call = data;

	__atomic_store_n(&call->tid, gettid(), __ATOMIC_RELEASE);
	call->result = dma_unmap(call->container, 0, call->iova, call->size);
	call->error = errno;
	__atomic_store_n(&call->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

FIXTURE(parallel)
{
	struct client c;
	int fd;
	char *memory;
	struct stall stall;
	struct call map;	/* of the memory that stalls */
	long available;
	long pins;
};

/* A map of SIZE at IOVA that stands still. */
FIXTURE_SETUP(parallel)
{
	self->pins = pins_held();
	self->stall.fd = -1;
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	self->available = dma_available(self->fd);
	if (stall_open(&self->stall, SIZE))
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	self->map = (struct call){ .container = self->fd, .vaddr = self->stall.at, .iova = IOVA,
				   .size = SIZE };
	ASSERT_EQ(0, pthread_create(&self->map.thread, NULL, map_thread, &self->map));
	while (!__atomic_load_n(&self->map.ended, __ATOMIC_ACQUIRE))
		if (stall_wait(&self->stall, 50))
			return;
	pthread_join(self->map.thread, NULL);
	self->map.thread = 0;
	ASSERT_EQ(EFAULT, self->map.error);
	SKIP(return, "this kernel does not let the pages of a long-term pin wait");
}

/* Lets the map on, which succeeds. */
static long long map_ends(struct stall *stall, struct call *map)
{
	if (!map->thread)
		return -1;
	stall_release(stall);
	pthread_join(map->thread, NULL);
	map->thread = 0;
	return map->result;
}

FIXTURE_TEARDOWN(parallel)
{
	map_ends(&self->stall, &self->map);
	client_close(&self->c);
	stall_close(&self->stall);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/* Maps and unmaps of other IOVAs go on while one map stands still. */
TEST_F(parallel, disjoint_maps)
{
	struct call other = { .container = self->fd, .vaddr = self->memory, .iova = 2 * IOVA,
			      .size = SIZE };

	/* Of another thread, of this one, and right beside the one that stands. */
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, map_thread, &other));
	ASSERT_EQ(0, pthread_join(other.thread, NULL));
	EXPECT_EQ(0, other.result);
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA - SIZE, SIZE));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA + SIZE, SIZE));
	EXPECT_EQ((long)(3 * SIZE / KIB), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA - SIZE, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, 2 * IOVA, SIZE));
	EXPECT_EQ(0, map_ends(&self->stall, &self->map));
	EXPECT_EQ((long)(2 * SIZE / KIB), locked_kib());
	EXPECT_EQ((long long)(2 * SIZE), dma_unmap(self->fd, 0, IOVA, 2 * SIZE));
}

/* Information does not wait, and counts the mapping that is on its way; so does tracking. */
TEST_F(parallel, information)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};

	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	EXPECT_EQ(1, ioctl(self->fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_OK(ioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, &dirty));
}

/* The IOVAs of the mapping are taken from the start: EEXIST at once, for whatever overlaps. */
TEST_F(parallel, overlap)
{
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->fd, self->memory, IOVA + SIZE - PAGE, SIZE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->fd, self->memory, IOVA - PAGE, 2 * PAGE));
}

/* An unmap of the range waits for the map, and then takes it. Others go on meanwhile. */
TEST_F(parallel, unmap_waits)
{
	struct call unmap = { .container = self->fd, .iova = IOVA - SIZE, .size = 4 * SIZE };

	ASSERT_EQ(0, pthread_create(&unmap.thread, NULL, unmap_thread, &unmap));
	while (!__atomic_load_n(&unmap.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	EXPECT_TRUE(sleeps_in(getpid(), unmap.tid, SYS_ioctl));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, 2 * IOVA, SIZE));
	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	EXPECT_EQ(0, map_ends(&self->stall, &self->map));
	ASSERT_EQ(0, pthread_join(unmap.thread, NULL));
	EXPECT_EQ((long long)SIZE, unmap.result);
	EXPECT_EQ(self->available, dma_available(self->fd));
}

/* It does not wait for maps that began later, or it might never end. They stay. */
TEST_F(parallel, unmap_waits_for_no_newcomer)
{
	struct call unmap = { .container = self->fd, .iova = IOVA, .size = 2 * IOVA };
	struct call newcomer = { .container = self->fd, .iova = 2 * IOVA, .size = SIZE };
	struct stall stall;

	ASSERT_EQ(0, pthread_create(&unmap.thread, NULL, unmap_thread, &unmap));
	while (!__atomic_load_n(&unmap.tid, __ATOMIC_ACQUIRE))
		sched_yield();
	EXPECT_TRUE(sleeps_in(getpid(), unmap.tid, SYS_ioctl));
	ASSERT_OK(stall_open(&stall, SIZE));
	newcomer.vaddr = stall.at;
	ASSERT_EQ(0, pthread_create(&newcomer.thread, NULL, map_thread, &newcomer));
	ASSERT_TRUE(stall_wait(&stall, PATIENCE_MS));
	EXPECT_EQ(0, map_ends(&self->stall, &self->map));
	for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
		if (__atomic_load_n(&unmap.ended, __ATOMIC_ACQUIRE))
			break;
		usleep(10000);
	}
	EXPECT_TRUE(__atomic_load_n(&unmap.ended, __ATOMIC_ACQUIRE));
	EXPECT_EQ(0, map_ends(&stall, &newcomer));
	ASSERT_EQ(0, pthread_join(unmap.thread, NULL));
	EXPECT_EQ((long long)SIZE, unmap.result);
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, 2 * IOVA, SIZE));
	stall_close(&stall);
}

/*
 * Nor does the group, which takes the container's mappings with it when it leaves: the map finds
 * that there is nothing left to map for, and what came since has the IOVAs.
 */
TEST_F(parallel, group_leaves)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));
	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));

	ASSERT_OK(group_set_container(self->c.group, self->fd));
	ASSERT_OK(ioctl(self->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(self->available, dma_available(self->fd));
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_EQ(-1, map_ends(&self->stall, &self->map));
	EXPECT_EQ(EINVAL, self->map.error);
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
}

/* Whoever has the container now reads of an address that was another's no more than that. */
TEST_F(parallel, group_and_memory_go)
{
	char reason[256];

	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	stall_close(&self->stall);
	EXPECT_EQ(-1, map_ends(&self->stall, &self->map));
	EXPECT_EQ(EFAULT, self->map.error);
	EXPECT_OK(fdinfo_get(self->fd, "vfio-last-error", reason, sizeof(reason)));
	EXPECT_STREQ("VFIO_IOMMU_MAP_DMA 14 the last group left the container meanwhile", reason);
}

/* A process that waits in an unmap can be killed; the map is none the worse for it. */
TEST_F(parallel, waiting_unmap_is_killed)
{
	pid_t child;
	int status;

	child = fork();
	if (!child) {
		dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0);
		_exit(1);
	}
	EXPECT_TRUE(sleeps_in(child, child, SYS_ioctl));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	EXPECT_EQ(0, map_ends(&self->stall, &self->map));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
}

/*
 * A group that joins meanwhile, and cannot share the domain, gets what is mapped already; the rest
 * comes to both.
 */
TEST(group_joins_meanwhile)
{
	const size_t size = 8 * MIB;
	struct call map = { .iova = IOVA, .size = size };
	struct client first, second;
	struct stall stall;
	char *memory;

	if (!fault_possible())
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	if (!open_or_skip(_metadata, &first, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&first));
	ASSERT_OK(stall_open(&stall, size));
	memory = stall.at;
	/* Of which some is mapped before the last page is reached, if it is in many pieces. */
	ASSERT_EQ(0, stall_fill(&stall, size - PAGE));
	for (size_t i = 0; i < size - PAGE; i += PAGE)
		memory[i] = 1;
	map.container = first.container;
	map.vaddr = memory;
	ASSERT_EQ(0, pthread_create(&map.thread, NULL, map_thread, &map));
	ASSERT_TRUE(stall_wait(&stall, PATIENCE_MS));

	ASSERT_OK(client_join_apart(&second, first.container, EDU, 1));
	second.device = group_get_device(second.group, second.func.bdf);
	ASSERT_LE(0, second.device);
	ASSERT_OK(client_read_regions(&second));
	ASSERT_OK(edu_start(&second));
	EXPECT_EQ(0, map_ends(&stall, &map));
	for (size_t i = 0; i < size; i += size - PAGE) {
		snprintf(memory + i, 64, "at %zu", i);
		ASSERT_OK(edu_from_memory(&second, IOVA + i, 0, 64));
		ASSERT_OK(edu_to_memory(&second, IOVA + i + 128, 0, 64));
		EXPECT_STREQ(memory + i, memory + i + 128);
		ASSERT_OK(edu_from_memory(&first, IOVA + i, 0, 64));
		ASSERT_OK(edu_to_memory(&first, IOVA + i + 256, 0, 64));
		EXPECT_STREQ(memory + i, memory + i + 256);
	}
	EXPECT_EQ((long)(size / KIB), locked_kib());
	EXPECT_EQ((long long)size, dma_unmap(first.container, 0, IOVA, size));
	client_close(&second);
	client_close(&first);
	stall_close(&stall);
}

/* ---- another process that stands still ---- */

/*
 * A page fault of its own holds a process up in the middle of a map, on older kernels with its
 * mmap_lock taken. The memory is private: what is pinned is a copy.
 */
FIXTURE(apart)
{
	struct slow_file file;
	struct client c;
	int fd;
	int go;		/* the child unmaps when it reads from the other end */
	char *memory;
	long available;
	long pins;
	pid_t child;
};

/* A call that waits until it is told to begin. */
struct later_call {
	struct call call;
	int go;
};

static void *unmap_when_told(void *data)
{
	struct later_call *later = data;
	char byte;

	return read(later->go, &byte, 1) == 1 ? unmap_thread(&later->call) : NULL;
}

/*
 * Has a page mapped, and then stands still in the map of the file. Another thread unmaps when it is
 * told to.
 */
static int child_stands_still(const struct slow_file *file, int container, int go)
{
	struct later_call later = {
		.call = { .container = container, .iova = 3 * IOVA, .size = 2 * PAGE },
		.go = go,
	};
	char *at = slow_file_map(file, NULL);
	char *page = memory_new(PAGE);
	pthread_t thread;

	if (!at || !page || pthread_create(&thread, NULL, unmap_when_told, &later))
		return 2;
	if (dma_map_rw(container, page, 3 * IOVA, PAGE))
		return 3;
	return dma_map_rw(container, at, IOVA, SIZE) ? errno : 0;
}

FIXTURE_SETUP(apart)
{
	int go[2];

	self->pins = pins_held();
	if (slow_file_open(&self->file, SIZE)) {
		ASSERT_EQ(ENODEV, errno);
		SKIP(return, "no FUSE");
	}
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	self->available = dma_available(self->fd);
	ASSERT_EQ(0, pipe(go));
	self->child = fork();
	if (!self->child) {
		close(go[1]);
		_exit(child_stands_still(&self->file, self->fd, go[0]));
	}
	close(go[0]);
	self->go = go[1];
	ASSERT_TRUE(slow_file_wait(&self->file, PATIENCE_MS));
}

FIXTURE_TEARDOWN(apart)
{
	slow_file_close(&self->file);
	if (self->child > 0)
		waitpid(self->child, NULL, 0);
	close(self->go);
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/*
 * Nobody waits for it, on any kernel: not information, nor maps and unmaps of other ranges, of
 * which it may have mapped one itself, nor the memory management of another process.
 */
TEST_F(apart, nobody_waits)
{
	char *more;

	EXPECT_EQ(self->available - 2, dma_available(self->fd));
	EXPECT_EQ(1, ioctl(self->fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_EQ(self->c.func.group, fdinfo_number(self->fd, "vfio-container-groups"));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, SIZE));
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->fd, self->memory, IOVA + SIZE - PAGE, SIZE));
	EXPECT_EQ((long)(SIZE / KIB), locked_kib());
	more = memory_new(SIZE);
	EXPECT_NE(NULL, more);
	EXPECT_EQ(0, munmap(more, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, 2 * IOVA, SIZE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->fd, 0, 3 * IOVA, PAGE));
	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	EXPECT_TRUE(slow_file_waits(&self->file));
}

/*
 * The child unmaps what two processes have mapped, its own first. Where that has to wait for the
 * child's own memory management (6.1), the other one has all that is his all the same.
 */
TEST_F(apart, others_have_theirs)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 3 * IOVA + PAGE, PAGE));
	EXPECT_EQ((long)(PAGE / KIB), locked_kib());
	ASSERT_EQ(1, write(self->go, "", 1));
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(slow_file_waits(&self->file));
}

/* It ends as if nothing had been. */
TEST_F(apart, and_ends_well)
{
	ASSERT_EQ(0, slow_file_release(&self->file));
	EXPECT_EQ(0, child_end(self->child, PATIENCE_MS));
	self->child = 0;
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->fd, 0, 3 * IOVA, PAGE));
	EXPECT_EQ(self->available, dma_available(self->fd));
}

/* ---- a process that is killed while it maps ---- */

FIXTURE(killed)
{
	struct client c;
	int fd;
	__u8 *memory;
	long available;
	long pins;
};

FIXTURE_SETUP(killed)
{
	self->pins = pins_held();
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	ASSERT_OK(edu_start(&self->c));
	self->memory = (void *)memory_new(2 * PAGE);
	ASSERT_NE(NULL, self->memory);
	memset(self->memory, 0x5a, PAGE);
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, 2 * PAGE));
	self->available = dma_available(self->fd);
}

FIXTURE_TEARDOWN(killed)
{
	client_close(&self->c);
	EXPECT_TRUE(pins_become(self->pins));
}

/* Others of the container see nothing of it: their DMA works, the range is free, no pin is left. */
#define EXPECT_ALL_IS_WELL() do {					\
	EXPECT_TRUE(pins_become(self->pins + 2));			\
	EXPECT_EQ(self->available, dma_available(self->fd));		\
	EXPECT_EQ((long)(2 * PAGE / KIB), locked_kib());		\
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 256));		\
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 256));	\
	EXPECT_EQ(0, memcmp(self->memory, self->memory + PAGE, 256));	\
	EXPECT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));	\
} while (0)

/* Milliseconds that a process took to leave after SIGKILL. */
static long kill_and_wait(pid_t child)
{
	struct timespec from, to;
	int status;

	clock_gettime(CLOCK_MONOTONIC, &from);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
}

/*
 * In the middle of the pin of 8 GiB, by far more than the machine has: killed when some of it is
 * pinned, long before it ends.
 */
TEST_F(killed, large_map)
{
	const __u64 size = 8 * GIB;
	long took;
	pid_t child;

	child = fork();
	if (!child) {
		/* The same 4 MiB, again and again; so it is pinned without much memory. */
		char *at = mmap(NULL, size, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		int file = memfd_create("killed", 0);

		if (at == MAP_FAILED || ftruncate(file, 4 * MIB))
			_exit(2);
		for (__u64 done = 0; done < size; done += 4 * MIB)
			if (mmap(at + done, 4 * MIB, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
				_exit(3);
		_exit(dma_map_rw(self->fd, at, 4 * GIB, size) ? errno : 0);
	}
	for (int tries = 0; tries < PATIENCE_MS && pins_held() < self->pins + 8192; tries++)
		usleep(1000);
	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	took = kill_and_wait(child);
	TH_LOG("left after %ld ms", took);
	EXPECT_GT(PATIENCE_MS, took);
	EXPECT_ALL_IS_WELL();
}

/* While a page fault of its own holds it up for ever. */
TEST_F(killed, stalled_map)
{
	pid_t child;
	long took;

	child = fork();
	if (!child) {
		struct stall stall;

		if (stall_open(&stall, SIZE))
			_exit(2);
		_exit(dma_map_rw(self->fd, stall.at, 3 * IOVA, SIZE) ? errno : 0);
	}
	if (!sleeps_in(child, child, SYS_ioctl)) {
		kill_and_wait(child);
		SKIP(return, "this kernel does not let the pages of a long-term pin wait");
	}
	EXPECT_EQ(self->available - 1, dma_available(self->fd));
	took = kill_and_wait(child);
	TH_LOG("left after %ld ms", took);
	EXPECT_GT(PATIENCE_MS, took);
	EXPECT_ALL_IS_WELL();
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

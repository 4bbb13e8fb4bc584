// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is charged for memory that is mapped for devices, and what is said when that is too much:
 * several containers, fork, exit, limits that change, and the memory cgroup.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define SIZE		(8 * MIB)	/* with pin_threads, enough for helpers */
#define KIBS(bytes)	((long)((bytes) / KIB))
#define ENTRY_LIMIT	"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"
#define LOCKS_TAKEN	"/sys/module/vfio_iommu_type1/parameters/locks_taken"
#define CGROUP		"/sys/fs/cgroup"

FIXTURE(account)
{
	struct client c;
	int fd;
	char *memory;
	long pins;
};

FIXTURE_SETUP(account)
{
	self->pins = pins_held();
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(account)
{
	if (!access(LOCKS_TAKEN, W_OK))
		file_write(LOCKS_TAKEN, "N");
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/* Runs a function in a child; its exit status tells the first thing that was wrong. */
#define EXPECT_CHILD(call) do {						\
	pid_t _child = fork();						\
	int _status;							\
									\
	if (!_child)							\
		_exit(call);						\
	ASSERT_EQ(_child, waitpid(_child, &_status, 0));		\
	EXPECT_EQ(0, _status)						\
		TH_LOG("step %d of %s", WEXITSTATUS(_status), #call);	\
} while (0)

/* Each container charges for itself, also for the same memory, and gives back its own. */
TEST_F(account, several_containers)
{
	struct client other;

	if (!open_or_skip(_metadata, &other, EDU, 1, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	ASSERT_OK(dma_map_rw(other.container, self->memory, IOVA, SIZE));
	EXPECT_EQ(KIBS(2 * SIZE), locked_kib());
	client_close(&other);
	EXPECT_EQ(KIBS(SIZE), locked_kib());
}

/* Two groups in one container: charged once. */
TEST_F(account, several_groups)
{
	struct client other;

	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	if (!join_or_skip(_metadata, &other, &self->c, EDU, 1))
		return;
	ASSERT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));
	EXPECT_EQ(KIBS(SIZE + PAGE), locked_kib());
	client_close(&other);
	EXPECT_EQ(KIBS(SIZE + PAGE), locked_kib());
}

static int child_maps(int fd, char *memory)
{
	if (locked_kib() != 0)
		return 1;
	if (dma_map_rw(fd, memory, 2 * IOVA, 2 * PAGE) || locked_kib() != KIBS(2 * PAGE))
		return 2;
	/* What the parent mapped is given back to the parent. */
	return dma_unmap(fd, 0, IOVA, SIZE) == (long long)SIZE &&
	       locked_kib() == KIBS(2 * PAGE) ? 0 : 3;
}

/* A child begins with nothing; who maps is charged, whoever unmaps; an exit leaves no charge. */
TEST_F(account, fork_and_exit)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_CHILD(child_maps(self->fd, self->memory));
	EXPECT_TRUE(locked_becomes(0));
	/* The mapping of the child is still there. */
	EXPECT_EQ((long long)(2 * PAGE), dma_unmap(self->fd, 0, 2 * IOVA, SIZE));
	EXPECT_EQ(0, locked_kib());
}

#define TURNS 4

/* Maps whenever it is asked to, and in the end has nothing locked. */
static int maps_in_turns(int fd, char *memory, int go, int done)
{
	char byte;

	for (int i = 0; i < TURNS; i++) {
		if (read(go, &byte, 1) != 1 || dma_map_rw(fd, memory, (2 * i + 2) * IOVA, PAGE) ||
		    locked_kib() != KIBS((i + 1) * PAGE) || write(done, "", 1) != 1)
			return 1 + i;
	}
	return read(go, &byte, 1) == 1 && locked_becomes(0) ? 0 : 1 + TURNS;
}

/* Two processes map in turns: one unmap of all gives each what is his. */
TEST_F(account, in_turns)
{
	int go[2], done[2], status;
	pid_t child;
	char byte;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(done));
	child = fork();
	if (!child) {
		close(go[1]);
		_exit(maps_in_turns(self->fd, self->memory, go[0], done[1]));
	}
	close(done[1]);
	for (int i = 0; i < TURNS; i++) {
		ASSERT_OK(dma_map_rw(self->fd, self->memory, (2 * i + 1) * IOVA, 2 * PAGE));
		ASSERT_EQ(1, write(go[1], "", 1));
		ASSERT_EQ(1, read(done[0], &byte, 1));
		EXPECT_EQ(KIBS((i + 1) * 2 * PAGE), locked_kib());
	}
	EXPECT_EQ((long long)(3 * TURNS * PAGE), dma_unmap(self->fd, 0, IOVA, 2 * TURNS * IOVA));
	EXPECT_EQ(0, locked_kib());
	ASSERT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d of the child", WEXITSTATUS(status));
}

static int shares_the_limit(int fd, char *memory)
{
	if (become_nobody(4 * PAGE, SIZE) || mlock(memory, 3 * PAGE))
		return 1;
	if (!dma_map_rw(fd, memory, IOVA, 2 * PAGE) || errno != ENOMEM)
		return 2;
	if (locked_kib() != KIBS(3 * PAGE) || dma_map_rw(fd, memory, IOVA, PAGE))
		return 3;
	if (!mlock(memory + 8 * PAGE, PAGE) || munlock(memory, PAGE) ||
	    mlock(memory + 8 * PAGE, PAGE))
		return 4;
	if (dma_unmap(fd, 0, IOVA, PAGE) != (long long)PAGE || locked_kib() != KIBS(3 * PAGE))
		return 5;
	return 0;
}

/* mlock() and mappings share RLIMIT_MEMLOCK. */
TEST_F(account, mlock_counts)
{
	EXPECT_CHILD(shares_the_limit(self->fd, self->memory));
}

static int raises_the_limit(int fd, char *memory)
{
	const struct rlimit more = { .rlim_cur = 4 * PAGE, .rlim_max = SIZE };

	if (become_nobody(2 * PAGE, SIZE) || dma_map_rw(fd, memory, IOVA, 2 * PAGE))
		return 1;
	if (!dma_map_rw(fd, memory, 2 * IOVA, 2 * PAGE) || errno != ENOMEM)
		return 2;
	if (setrlimit(RLIMIT_MEMLOCK, &more) || dma_map_rw(fd, memory, 2 * IOVA, 2 * PAGE))
		return 3;
	return dma_unmap(fd, 0, IOVA, 2 * IOVA) == (long long)(4 * PAGE) ? 0 : 4;
}

/* A limit that is raised holds from then on. */
TEST_F(account, limit_is_raised)
{
	EXPECT_CHILD(raises_the_limit(self->fd, self->memory));
}

/* Too much: the message says who, where, how much, what the limit is and what there was. */
TEST_F(account, limit_message)
{
	char who[64], where[64], message[1024];
	const char * const texts[] = { who, where, "RLIMIT_MEMLOCK", "8388608 bytes",
				       "IOVA 0x1000000", "(8192)", "4096 locked" };
	int kmsg = log_open();
	pid_t child;
	int status;

	ASSERT_LE(0, kmsg);
	child = fork();
	if (!child) {
		if (become_nobody(2 * PAGE, SIZE) || mlock(self->memory, PAGE))
			_exit(1);
		_exit(dma_map_rw(self->fd, self->memory, IOVA, SIZE) ? 0 : 2);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	snprintf(who, sizeof(who), "account_test[%d]", child);
	container_name(self->fd, where, sizeof(where));
	EXPECT_TRUE(log_find(kmsg, texts, ARRAY_SIZE(texts), message, sizeof(message)));
	close(kmsg);
}

/*
 * The owner's count cannot be had, because his lock is taken (a debug build pretends that to all
 * but himself): the unmap does not wait, and he has the exact room all the same.
 */
TEST_F(account, late_drop)
{
	int ready[2], go[2], status;
	char byte = 'x';
	pid_t child;

	if (access(LOCKS_TAKEN, W_OK))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	child = fork();
	if (!child) {
		if (become_nobody(SIZE, SIZE) || dma_map_rw(self->fd, self->memory, IOVA, SIZE))
			_exit(1);
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(2);
		if (dma_map_rw(self->fd, self->memory, 2 * IOVA, SIZE))
			_exit(3);
		if (locked_kib() != KIBS(SIZE))
			_exit(4);
		_exit(dma_unmap(self->fd, 0, 2 * IOVA, SIZE) == (long long)SIZE &&
		      locked_becomes(0) ? 0 : 5);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	ASSERT_OK(file_write(LOCKS_TAKEN, "Y"));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_EQ(KIBS(SIZE), locked_kib_of(child));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d of the child", WEXITSTATUS(status));
}

/* Too many mappings: the message says who, and how many there are. */
TEST_F(account, entry_limit_message)
{
	char before[16], who[64], where[64], message[1024];
	const char * const texts[] = { who, where, "IOVA 0x2000000-0x2000fff", "2 mappings",
				       "dma_entry_limit allows no more than 1" };
	int kmsg = log_open();

	ASSERT_LE(0, kmsg);
	ASSERT_OK(file_read(ENTRY_LIMIT, before, sizeof(before)));
	for (int i = 0; i < 2; i++)
		ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA + i * PAGE, PAGE));
	/* Lowered below what there is: nothing is left, and nothing is taken away. */
	ASSERT_OK(file_write(ENTRY_LIMIT, "1"));
	EXPECT_EQ(0, dma_available(self->fd));
	EXPECT_ERRNO(ENOSPC, dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));
	snprintf(who, sizeof(who), "account_test[%d]", getpid());
	container_name(self->fd, where, sizeof(where));
	EXPECT_TRUE(log_find(kmsg, texts, ARRAY_SIZE(texts), message, sizeof(message)));
	EXPECT_EQ(KIBS(2 * PAGE), locked_kib());
	/* Above the usual limit it may be raised, too, with mappings there. */
	ASSERT_OK(file_write(ENTRY_LIMIT, "70000"));
	EXPECT_EQ(70000 - 2, dma_available(self->fd));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, 2 * IOVA, PAGE));
	ASSERT_OK(file_write(ENTRY_LIMIT, before));
	close(kmsg);
}

/* A number of the cgroup's statistics. */
static long cgroup_kernel_bytes(const char *cgroup)
{
	char path[128], line[128];
	long bytes = -1, value;
	FILE *file;

	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "kernel %ld", &value) == 1 ||
		    (bytes < 0 && sscanf(line, "slab %ld", &value) == 1))
			bytes = value;
	if (file)
		fclose(file);
	return bytes;
}

#define CGROUP_MAPS 4000

/* What a member of the cgroup sees of its kernel memory while it maps one page many times. */
static int maps_in_cgroup(int fd, char *memory)
{
	long before, with;
	int tries;

	if (file_write(CGROUP "/vfio-test/cgroup.procs", "0"))
		return 1;
	if (dma_map_rw(fd, memory, 2 * IOVA, PAGE))
		return 2;
	before = cgroup_kernel_bytes(CGROUP "/vfio-test");
	for (int i = 0; i < CGROUP_MAPS; i++)
		if (dma_map_rw(fd, memory, 4 * IOVA + i * PAGE, PAGE))
			return 3;
	/* A mapping takes 184 bytes at the very least. The figures are a little late. */
	for (tries = 0; tries < 1000; tries++, usleep(10000)) {
		with = cgroup_kernel_bytes(CGROUP "/vfio-test");
		if (with >= before + CGROUP_MAPS * 184)
			break;
	}
	if (tries == 1000)
		return 4;
	if (dma_unmap(fd, 0, 4 * IOVA, CGROUP_MAPS * PAGE) != (long long)(CGROUP_MAPS * PAGE))
		return 5;
	for (tries = 0; tries < 1000; tries++, usleep(10000))
		if (cgroup_kernel_bytes(CGROUP "/vfio-test") < with - CGROUP_MAPS * 100)
			return 0;
	return 6;
}

#define LOG_PAGES 8192

/*
 * By how much the kernel's memory for the cgroup grows with a map of as many pages; by less than
 * nothing if something else is given back meanwhile.
 */
static int grows_with(int fd, const void *memory, __u64 iova, long *bytes)
{
	long before;

	/* The figures are a little late. */
	sleep(3);
	before = cgroup_kernel_bytes(CGROUP "/vfio-test");
	if (dma_map_rw(fd, memory, iova, LOG_PAGES * PAGE))
		return -1;
	sleep(3);
	*bytes = cgroup_kernel_bytes(CGROUP "/vfio-test") - before;
	return 0;
}

/*
 * A mapping in which no page has its neighbour behind it, and one of as many in a few pieces: both
 * take as much in the IOMMU, so what the first takes more is its log, eight bytes for each page.
 */
static int maps_apart_in_cgroup(int fd)
{
	void *at = memory_apart(LOG_PAGES);
	char *whole = memory_huge(LOG_PAGES * PAGE);
	long few, many;

	if (!at || !whole || file_write(DISABLE_HUGEPAGES, "Y") ||
	    file_write(CGROUP "/vfio-test/cgroup.procs", "0"))
		return 1;
	memset(whole, 1, LOG_PAGES * PAGE);
	if (grows_with(fd, whole, 8 * IOVA, &few) || grows_with(fd, at, 16 * IOVA, &many))
		return 3;
	fprintf(stderr, "# a few pieces: %ld bytes, all apart: %ld\n", few, many);
	if (many - few < LOG_PAGES * 6)
		return 4;
	/* 8 bytes for each run, and an eighth; but whole slabs are charged, and larger to debug. */
	return many - few > LOG_PAGES * 12 && access("/sys/kernel/debug/kmemleak", F_OK) ? 5 : 0;
}

/* What mappings take in the kernel is charged to the memory cgroup of their maker. */
TEST_F(account, memory_cgroup)
{
	if (file_write(CGROUP "/cgroup.subtree_control", "+memory") ||
	    (mkdir(CGROUP "/vfio-test", 0755) && errno != EEXIST))
		SKIP(return, "no memory cgroups: %s", strerror(errno));
	EXPECT_CHILD(maps_in_cgroup(self->fd, self->memory));
	EXPECT_CHILD(maps_apart_in_cgroup(self->fd));
	EXPECT_OK(file_write(DISABLE_HUGEPAGES, "N"));
	rmdir(CGROUP "/vfio-test");
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("RLIMIT_MEMLOCK|dma_entry_limit allows no more");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once, for SOAK_SECONDS: threads that map, unmap, ask for dirty pages and take
 * addresses back, a group that joins and leaves, processes that are forked and killed, and a
 * container whose groups go while it is used.
 *
 * Each worker has IOVAs of its own and knows what is mapped there, so it knows the answer of each
 * call, whatever the others do. What is random comes from a seed that is printed (SEED).
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

#include "lib/check.h"

#define WORKERS		3
#define SLOTS		64			/* pages of a worker's IOVAs */
#define WINDOW(n)	((16 + 4 * (n)) * MIB)
#define RESULT		(8 * MIB)
#define BYTES		64
#define SOAK_LIMIT	1800
#define START		VFIO_IOMMU_DIRTY_PAGES_FLAG_START
#define GET		VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP

/* What all threads share. */
static struct {
	struct client c;
	struct client idle;	/* a container that nobody else has to do with */
	__u8 *result;
	unsigned int seed;
	bool stop;
	pthread_mutex_t lock;
	char wrong[256];	/* the first thing that went wrong; guarded by lock */
	unsigned long calls, joins, children, engine;
} soak;

static bool stopped(void)
{
	return __atomic_load_n(&soak.stop, __ATOMIC_RELAXED);
}

/* Notes what went wrong, and ends the soak. */
static void wrong(const char *format, ...)
{
	va_list list;

	pthread_mutex_lock(&soak.lock);
	if (!soak.wrong[0]) {
		va_start(list, format);
		vsnprintf(soak.wrong, sizeof(soak.wrong), format, list);
		va_end(list);
	}
	pthread_mutex_unlock(&soak.lock);
	__atomic_store_n(&soak.stop, true, __ATOMIC_RELAXED);
}

static void tally(unsigned long *what)
{
	__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

/* ---- workers, and what they know ---- */

struct worker {
	int number;
	unsigned int random;
	__u64 window;
	__u8 *memory;		/* SLOTS pages, page n shown at slot n; a hole behind them */
	int length[SLOTS];	/* of the mapping that begins here, 0: none does */
	int owner[SLOTS];	/* where the mapping of this slot begins, -1: there is none */
};

static unsigned int pick(struct worker *w, unsigned int below)
{
	return (unsigned int)rand_r(&w->random) % below;
}

static void range_pick(struct worker *w, int *first, int *count)
{
	*first = pick(w, SLOTS);
	*count = 1 + pick(w, pick(w, 4) ? 8 : SLOTS);
	if (*first + *count > SLOTS)
		*count = SLOTS - *first;
}

static int mapped_in(const struct worker *w, int first, int count)
{
	int pages = 0;

	for (int slot = first; slot < first + count; slot++)
		pages += w->owner[slot] >= 0;
	return pages;
}

/* Does the border before a slot lie inside of a mapping? */
static bool border_cuts(const struct worker *w, int slot)
{
	return slot > 0 && slot < SLOTS && w->owner[slot] >= 0 &&
	       w->owner[slot] == w->owner[slot - 1];
}

static bool range_cuts(const struct worker *w, int first, int count)
{
	return border_cuts(w, first) || border_cuts(w, first + count);
}

static void expect(const struct worker *w, const char *what, int first, int count, long long want,
		   long long got)
{
	tally(&soak.calls);
	if (want != got)
		wrong("worker %d: %s of slots %d+%d: %lld, must be %lld", w->number, what, first,
		      count, got, want);
}

/* The result of a call that answers -1 and errno, as one number. */
static long long outcome(long long result)
{
	return result == -1 ? -errno : result;
}

static void work_map(struct worker *w)
{
	int first, pages;
	bool hole = !pick(w, 16);
	long long want = 0, got;

	range_pick(w, &first, &pages);
	if (mapped_in(w, first, pages))
		want = -EEXIST;
	else if (hole)
		want = -EFAULT;
	got = outcome(dma_map_rw(soak.c.container, w->memory + (hole ? SLOTS - first : 0) * PAGE +
				 first * PAGE, w->window + first * PAGE, pages * PAGE));
	expect(w, "map", first, pages, want, got);
	if (got)
		return;
	w->length[first] = pages;
	for (int slot = first; slot < first + pages; slot++)
		w->owner[slot] = first;
}

static void work_unmap(struct worker *w)
{
	int first, pages;
	long long want, got;

	range_pick(w, &first, &pages);
	want = range_cuts(w, first, pages) ? -EINVAL : mapped_in(w, first, pages) * (long long)PAGE;
	got = outcome(dma_unmap(soak.c.container, 0, w->window + first * PAGE, pages * PAGE));
	expect(w, "unmap", first, pages, want, got);
	if (got < 0)
		return;
	for (int slot = first; slot < first + pages; slot++) {
		w->length[slot] = 0;
		w->owner[slot] = -1;
	}
}

static void work_dirty(struct worker *w)
{
	union {
		struct vfio_iommu_type1_dirty_bitmap head;
		__u8 room[sizeof(struct vfio_iommu_type1_dirty_bitmap) +
			  sizeof(struct vfio_iommu_type1_dirty_bitmap_get)];
	} request = { .head = { .argsz = sizeof(request), .flags = GET } };
	struct vfio_iommu_type1_dirty_bitmap_get get = { .bitmap = { PAGE, 8, NULL } };
	__u64 bits = 0, want = 0;
	int first, pages;
	bool cuts;

	range_pick(w, &first, &pages);
	get.iova = w->window + first * PAGE;
	get.size = pages * PAGE;
	get.bitmap.data = &bits;
	memcpy(request.head.data, &get, sizeof(get));
	cuts = range_cuts(w, first, pages);
	for (int i = 0; i < pages && !cuts; i++)
		want |= (__u64)(w->owner[first + i] >= 0) << i;
	expect(w, "dirty pages", first, pages, cuts ? -EINVAL : 0,
	       outcome(ioctl(soak.c.container, VFIO_IOMMU_DIRTY_PAGES, &request)));
	if (bits != want)
		wrong("worker %d: dirty pages of slots %d+%d: %#llx, must be %#llx", w->number,
		      first, pages, bits, want);
}

/* Takes an address back and gives it again. */
static void work_vaddr(struct worker *w)
{
	int slot = pick(w, SLOTS), pages = w->length[slot];
	__u64 iova = w->window + slot * PAGE;

	if (!pages)
		return;
	expect(w, "dropping the address", slot, pages, pages * (long long)PAGE,
	       outcome(dma_unmap(soak.c.container, VFIO_DMA_UNMAP_FLAG_VADDR, iova,
				 pages * PAGE)));
	expect(w, "a new address", slot, pages, 0,
	       outcome(dma_map(soak.c.container, VFIO_DMA_MAP_FLAG_VADDR,
			       w->memory + slot * PAGE, iova, pages * PAGE)));
}

static void work_information(struct worker *w)
{
	expect(w, "information", 0, 0, 0, dma_available(soak.c.container) > 0 ? 0 : -1);
}

/* The engine, which only the first worker has, sees what the process has in a page. */
static void work_engine(struct worker *w)
{
	int slot = pick(w, SLOTS);
	__u8 *at = w->memory + slot * PAGE;

	if (w->number || w->owner[slot] < 0 || pick(w, 16))
		return;
	for (int i = 0; i < BYTES; i++)
		at[i] = pick(w, 256);
	if (edu_from_memory(&soak.c, w->window + slot * PAGE, 0, BYTES) ||
	    edu_to_memory(&soak.c, RESULT, 0, BYTES) || memcmp(at, soak.result, BYTES))
		wrong("the engine does not see slot %d", slot);
	tally(&soak.engine);
}

static void (*const work[])(struct worker *w) = {
	work_map, work_map, work_map, work_map, work_unmap, work_unmap, work_unmap, work_dirty,
	work_vaddr, work_information, work_engine,
};

static void *worker_thread(void *data)
{
	struct worker *w = data;

	while (!stopped())
		work[pick(w, ARRAY_SIZE(work))](w);
	return NULL;
}

static bool worker_init(struct worker *w, int number)
{
	char *memory = memory_new((2 * SLOTS + 1) * PAGE);

	memset(w, 0, sizeof(*w));
	memset(w->owner, 0xff, sizeof(w->owner));
	w->number = number;
	w->random = soak.seed * 100 + number;
	w->window = WINDOW(number);
	w->memory = (__u8 *)memory;
	/* In one step: in a hole between two, another thread would find room for its memory. */
	return memory &&
	       mmap(memory + SLOTS * PAGE, (SLOTS + 1) * PAGE, PROT_NONE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

/* ---- what goes on around them ---- */

/* A second group joins and leaves. It is refused while somebody has taken an address back. */
static void *join_thread(void *data)
{
	struct client c;

	while (!stopped()) {
		if (client_open_group(&c, EDU, 1)) {
			/* A fresh child may still have it. */
			if (errno != EBUSY)
				wrong("no second group: %s", errno_name(errno));
		} else if (!group_set_container(c.group, soak.c.container)) {
			tally(&soak.joins);
			ioctl(c.group, VFIO_GROUP_UNSET_CONTAINER);
		} else if (errno != EBUSY) {
			wrong("a group cannot join: %s", errno_name(errno));
		}
		client_close(&c);
	}
	return data;
}

/* Maps and unmaps, until it is killed or for a while; its last mapping outlives it. */
static int child_maps(const struct worker *w, __u64 iova, bool is_killed)
{
	const __u64 size = SLOTS * PAGE;

	/* Other fds would keep groups open that their threads have closed. */
	if (soak.c.container != 3 && dup2(soak.c.container, 3) != 3)
		return 3;
	soak.c.container = 3;
	close_range(4, ~0U, 0);
	for (int i = 0; i < 20 || is_killed; i++)
		if (dma_map_rw(soak.c.container, w->memory, iova, size) ||
		    dma_unmap(soak.c.container, 0, iova, size) != (long long)size)
			return 1;
	return dma_map_rw(soak.c.container, w->memory, iova, size) ? 2 : 0;
}

/* Processes that map and unmap in the container, and end by themselves or by a signal. */
static void *fork_thread(void *data)
{
	struct worker w;
	int status;

	if (!worker_init(&w, WORKERS))
		return NULL;
	while (!stopped()) {
		__u64 iova = w.window + pick(&w, SLOTS) * PAGE;
		bool kills = pick(&w, 2);
		pid_t child = fork();

		if (!child)
			_exit(child_maps(&w, iova, kills));
		if (kills) {
			usleep(pick(&w, 20000));
			kill(child, SIGKILL);
		}
		if (waitpid(child, &status, 0) != child ||
		    (WIFEXITED(status) ? WEXITSTATUS(status) : !kills))
			wrong("a child ended with status %#x", status);
		if (dma_unmap(soak.c.container, 0, w.window, 2 * SLOTS * PAGE) < 0)
			wrong("what a child left cannot be unmapped: %s", errno_name(errno));
		tally(&soak.children);
	}
	return data;
}

/* The container of the next two: its only group comes and goes, */
static void *switch_thread(void *data)
{
	struct client *c = &soak.idle;

	while (!stopped()) {
		if (group_set_container(c->group, c->container))
			wrong("a free group cannot join: %s", errno_name(errno));
		if (ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
			wrong("no backend: %s", errno_name(errno));
		sched_yield();
		if (ioctl(c->group, VFIO_GROUP_UNSET_CONTAINER))
			wrong("a group cannot leave: %s", errno_name(errno));
	}
	return data;
}

/* and it is used all the time. There is a backend or none (EINVAL); any mapping ends with it. */
static void *use_thread(void *data)
{
	char *memory = memory_new(SLOTS * PAGE);
	int fd = soak.idle.container;

	while (!stopped()) {
		if (dma_map_rw(fd, memory, RESULT, SLOTS * PAGE) && errno != EINVAL &&
		    errno != EEXIST)
			wrong("map in the idle container: %s", errno_name(errno));
		if (dma_available(fd) < 0 && errno != EINVAL)
			wrong("information of the idle container: %s", errno_name(errno));
		if (dma_unmap(fd, 0, RESULT, SLOTS * PAGE) < 0 && errno != EINVAL)
			wrong("unmap in the idle container: %s", errno_name(errno));
	}
	munmap(memory, SLOTS * PAGE);
	return data;
}

/* ---- the soak ---- */

static int tracking_start(int container)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = { .argsz = sizeof(dirty), .flags = START };

	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

FIXTURE(race)
{
};

FIXTURE_SETUP(race)
{
}

FIXTURE_TEARDOWN(race)
{
}

TEST_F_TIMEOUT(race, everything_at_once, SOAK_LIMIT)
{
	static void *(*const around[])(void *) = {
		join_thread, fork_thread, switch_thread, use_thread,
	};
	bool slow = !access("/sys/kernel/debug/kmemleak", F_OK);
	unsigned int seconds = slow && !getenv("SOAK_SECONDS") ? 60 : soak_seconds();
	pthread_t threads[WORKERS + ARRAY_SIZE(around)];
	struct worker workers[WORKERS];
	long pages = 1, pins = pins_held();

	soak.seed = soak_seed(1);
	TH_LOG("seed %u, %u s", soak.seed, seconds);
	pthread_mutex_init(&soak.lock, NULL);
	if (!open_or_skip(_metadata, &soak.c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(client_open_group(&soak.idle, E1000E, 0));
	ASSERT_OK(edu_start(&soak.c));
	ASSERT_OK(tracking_start(soak.c.container));
	soak.result = memory_new(PAGE);
	ASSERT_OK(dma_map_rw(soak.c.container, soak.result, RESULT, PAGE));

	for (int i = 0; i < WORKERS; i++) {
		ASSERT_TRUE(worker_init(&workers[i], i));
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, worker_thread, &workers[i]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(around); i++)
		ASSERT_EQ(0, pthread_create(&threads[WORKERS + i], NULL, around[i], NULL));
	for (unsigned int i = 0; i < 10 * seconds && !stopped(); i++)
		usleep(100000);
	__atomic_store_n(&soak.stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);

	EXPECT_STREQ("", soak.wrong);
	TH_LOG("%lu calls, %lu joins, %lu children, %lu pages seen by the engine", soak.calls,
	       soak.joins, soak.children, soak.engine);
	EXPECT_LT(0, soak.joins);
	EXPECT_LT(0, soak.children);
	for (int i = 0; i < WORKERS; i++)
		pages += mapped_in(&workers[i], 0, SLOTS);
	EXPECT_EQ(pages * (long)(PAGE / KIB), locked_kib());
	EXPECT_TRUE(pins_become(pins + pages));
	EXPECT_EQ((long long)(pages * PAGE),
		  dma_unmap(soak.c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	EXPECT_EQ(0, locked_kib());
	client_close(&soak.idle);
	client_close(&soak.c);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E };

	log_announce("RLIMIT_MEMLOCK|dma_entry_limit allows no more");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

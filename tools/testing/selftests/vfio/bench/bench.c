// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO costs: the kernel's own modules, ours, and the floor, in one process.
 *
 *   bench SWAP ROUNDS ROW...
 *
 * SWAP is the script that puts one side's modules in the place of the other's. The memory of a row
 * is made once and stays where it is while the sides take turns, so all of them are asked for the
 * very same pages. A sample is a line "ROW WHAT SIDE ROUND VALUE", nanoseconds for each unit of
 * what the row is about; "report" makes a table of them. Each row is measured with nothing else
 * mapped.
 *
 * Values of ours that are no times: "log", bytes that the pin log asked for, for each page of
 * 4 KiB; "run-log", for each run; and "runs".
 *
 * A third side is ours without the gate that lets a device be taken back; only rows about single
 * accesses of a device have it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define FLOOR		"/sys/kernel/debug/vfio_floor"
#define TRACING		"/sys/kernel/tracing"
#define PROBES		TRACING "/events/kprobes"
#define IOVA		(4 * GIB)
#define MANY		60000
#define WINDOW		1000
#define PAIRS		1000
#define CALLS		2000

/**
 * struct bench_state - what a row may use
 * @c: the edu device
 * @bar: the device with the large BAR, in the same container
 * @memory: of the row
 * @size: of that memory
 * @round: this round
 * @side: whose turn it is
 */
struct bench_state {
	struct client c;
	struct client bar;
	char *memory;
	size_t size;
	int round;
	const char *side;
};

/**
 * struct row - a row of the table
 * @name: its name
 * @size: bytes of memory
 * @make: makes the memory, NULL if the row needs none
 * @run: measures
 * @floor: the floor is measured with the same memory
 * @gate: measured without the gate as well
 */
struct row {
	const char *name;
	size_t size;
	char *(*make)(size_t size);
	void (*run)(const struct row *row, struct bench_state *s);
	bool floor;
	bool gate;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void sample(const struct row *row, const struct bench_state *s, const char *what,
		   double value)
{
	printf("%s %s %s %d %.3f\n", row->name, what, s->side, s->round, value);
}

static void check(bool good, const char *what)
{
	if (!good)
		err(1, "%s", what);
}

/* ---- memory ---- */

static char *anonymous(size_t size, int advice)
{
	char *at = mmap(NULL, size + 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);

	check(at != MAP_FAILED, "memory");
	at += -(uintptr_t)at & (2 * MIB - 1);
	madvise(at, size, advice);
	return at;
}

static char *make_thp(size_t size)
{
	char *at = anonymous(size, MADV_HUGEPAGE);

	memset(at, 1, size);
	return at;
}

static char *make_small(size_t size)
{
	char *at = anonymous(size, MADV_NOHUGEPAGE);

	for (size_t i = 0; i < size; i += PAGE)
		at[i] = 1;
	return at;
}

/* Every other page first, so that no two neighbours in the address space are so in memory. */
static char *make_scattered(size_t size)
{
	char *at = anonymous(size, MADV_NOHUGEPAGE);

	for (size_t i = 0; i < size; i += 2 * PAGE)
		at[i] = 1;
	for (size_t i = PAGE; i < size; i += 2 * PAGE)
		at[i] = 1;
	return at;
}

static char *shared(size_t size, unsigned int flags)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | flags);
	char *at;

	check(fd >= 0 && !ftruncate(fd, size), "memfd");
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(at != MAP_FAILED, "mmap of a memfd");
	close(fd);
	for (size_t i = 0; i < size; i += PAGE)
		at[i] = 1;
	return at;
}

static void reserve_huge(size_t size)
{
	char text[32];

	file_read("/proc/sys/vm/nr_hugepages", text, sizeof(text));
	snprintf(text, sizeof(text), "%llu", atol(text) + size / (2 * MIB));
	file_write("/proc/sys/vm/nr_hugepages", text);
}

static char *make_memfd_huge(size_t size)
{
	reserve_huge(size);
	return shared(size, MFD_HUGETLB);
}

static char *make_memfd(size_t size)
{
	return shared(size, 0);
}

static char *make_hugetlb(size_t size)
{
	char *at;

	reserve_huge(size);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	check(at != MAP_FAILED, "mmap of huge pages");
	return at;
}

/* ---- the pin log, seen from outside ---- */

/*
 * Two members of struct pinlog when it is freed, the numbers of runs and of pages; and the only
 * memory that a map asks kvmalloc() for, which has one name or the other. Only ours has the first.
 */
static const struct {
	const char *name;
	const char *probe;
} log_probes[] = {
	{
		"bench_log",
		"p:bench_log vfio_iommu_type1:pinlog_free runs=+16(%di):u64 pages=+24(%di):u64\n"
	},
	{ "bench_chunk", "p:bench_chunk kvmalloc_node bytes=%di:u64\n" },
	{ "bench_chunk", "p:bench_chunk __kvmalloc_node_noprof bytes=%di:u64\n" },
};

#define NR_LOG_PROBES (sizeof(log_probes) / sizeof(*log_probes))

static void log_unwatch(void)
{
	char text[64];

	for (size_t i = 0; i < NR_LOG_PROBES; i++) {
		snprintf(text, sizeof(text), PROBES "/%s/enable", log_probes[i].name);
		file_write(text, "0");
		snprintf(text, sizeof(text), "-:%s\n", log_probes[i].name);
		file_write(TRACING "/kprobe_events", text);
	}
}

static bool log_watch(void)
{
	char path[64], filter[32];

	log_unwatch();
	snprintf(filter, sizeof(filter), "common_pid==%d", getpid());
	for (size_t i = 0; i < NR_LOG_PROBES; i++) {
		if (file_write(TRACING "/kprobe_events", log_probes[i].probe))
			continue;
		snprintf(path, sizeof(path), PROBES "/%s/filter", log_probes[i].name);
		if (file_write(path, filter))
			return false;
		snprintf(path, sizeof(path), PROBES "/%s/enable", log_probes[i].name);
		if (file_write(path, "1"))
			return false;
	}
	return !file_write(TRACING "/trace", "");
}

static void log_print(const struct row *row, const struct bench_state *s)
{
	FILE *trace;
	unsigned long runs = 0, pages = 0, chunk, bytes = 0;
	char line[512];

	/* Reading takes memory of this kind, too. */
	file_write(TRACING "/tracing_on", "0");
	trace = fopen(TRACING "/trace", "r");
	while (trace && fgets(line, sizeof(line), trace)) {
		const char *log = strstr(line, ": (pinlog_free"), *runs_at = strstr(line, "runs=");
		const char *bytes_at = strstr(line, "bytes=");

		if (bytes_at && sscanf(bytes_at, "bytes=%lu", &chunk) == 1)
			bytes += chunk;
		if (log && runs_at && sscanf(runs_at, "runs=%lu pages=%lu", &runs, &pages) != 2)
			pages = 0;
	}
	if (trace)
		fclose(trace);
	file_write(TRACING "/tracing_on", "1");
	if (pages && runs) {
		sample(row, s, "runs", runs);
		sample(row, s, "log", (double)bytes / pages);
		sample(row, s, "run-log", (double)bytes / runs);
	}
}

/* ---- rows ---- */

static void map(struct bench_state *s, const void *at, __u64 iova, size_t size)
{
	check(!dma_map_rw(s->c.container, at, iova, size), "MAP_DMA");
}

static void unmap(struct bench_state *s, __u64 iova, size_t size)
{
	check(dma_unmap(s->c.container, 0, iova, size) == (long long)size, "UNMAP_DMA");
}

static void run_floor(const struct row *row, struct bench_state *s)
{
	double pages = s->size / PAGE, map_ns, unmap_ns;
	char text[96];

	s->side = "floor";
	snprintf(text, sizeof(text), "%lu %lu", (unsigned long)s->memory, s->size / (size_t)PAGE);
	check(!file_write(FLOOR, text) && !file_write(FLOOR, text), FLOOR);
	check(!file_read(FLOOR, text, sizeof(text)), FLOOR);
	check(sscanf(text, "%lf %lf", &map_ns, &unmap_ns) == 2, FLOOR);
	sample(row, s, "map", map_ns / pages);
	sample(row, s, "unmap", unmap_ns / pages);
}

/* One mapping of all the memory; once before, for the caches and the page tables. */
static void run_whole(const struct row *row, struct bench_state *s)
{
	double pages = s->size / PAGE, start, middle, end;
	bool watched = s->round == 1 && !strcmp(s->side, "ours") && log_watch();

	map(s, s->memory, IOVA, s->size);
	unmap(s, IOVA, s->size);
	if (watched)
		log_print(row, s);
	log_unwatch();

	start = now();
	map(s, s->memory, IOVA, s->size);
	middle = now();
	unmap(s, IOVA, s->size);
	end = now();
	sample(row, s, "map", (middle - start) / pages);
	sample(row, s, "unmap", (end - middle) / pages);
}

static void run_fresh(const struct row *row, struct bench_state *s)
{
	char *at = anonymous(row->size, MADV_HUGEPAGE);
	double start = now();

	map(s, at, IOVA, row->size);
	sample(row, s, "map", (now() - start) / (row->size / PAGE));
	unmap(s, IOVA, row->size);
	munmap(at, row->size);
}

static void run_pair(const struct row *row, struct bench_state *s)
{
	double start = now(), maps = 0, begin;

	for (int i = 0; i < PAIRS; i++) {
		begin = now();
		map(s, s->memory, IOVA, PAGE);
		maps += now() - begin;
		unmap(s, IOVA, PAGE);
	}
	sample(row, s, "pair", (now() - start) / PAIRS);
	sample(row, s, "map", maps / PAIRS);
}

static void run_many(const struct row *row, struct bench_state *s)
{
	double start = now(), window = start, first = 0, last = 0;
	char what[32];

	for (int i = 0; i < MANY; i++) {
		map(s, s->memory + i * PAGE, IOVA + i * PAGE, PAGE);
		if ((i + 1) % WINDOW)
			continue;
		last = (now() - window) / WINDOW;
		if (!first)
			first = last;
		if ((i + 1) % (5 * WINDOW) == 0 || i + 1 == WINDOW) {
			snprintf(what, sizeof(what), "insert@%d", i + 1);
			sample(row, s, what, last);
		}
		window = now();
	}
	sample(row, s, "insert", (now() - start) / MANY);
	sample(row, s, "growth", last / first);
	start = now();
	check(dma_unmap(s->c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0) > 0, "unmap of all");
	sample(row, s, "unmap-all", (now() - start) / MANY);
}

static void run_sizes(const struct row *row, struct bench_state *s)
{
	double start, middle;
	char what[32];

	for (size_t size = PAGE; size <= s->size; size *= 4) {
		map(s, s->memory, IOVA, size);
		unmap(s, IOVA, size);
		start = now();
		map(s, s->memory, IOVA, size);
		middle = now();
		unmap(s, IOVA, size);
		snprintf(what, sizeof(what), "map@%zu", size);
		sample(row, s, what, middle - start);
		snprintf(what, sizeof(what), "unmap@%zu", size);
		sample(row, s, what, now() - middle);
	}
}

static void run_bar(const struct row *row, struct bench_state *s)
{
	size_t size = s->bar.region[2].size;
	double start, middle, end;
	char *at;

	at = region_map(&s->bar, 2, 0, size);
	check(at, "mmap of the BAR");
	start = now();
	map(s, at, IOVA, size);
	middle = now();
	unmap(s, IOVA, size);
	end = now();
	sample(row, s, "map", (middle - start) / (size / PAGE));
	sample(row, s, "unmap", (end - middle) / (size / PAGE));
	munmap(at, size);
}

static void run_touch(const struct row *row, struct bench_state *s)
{
	size_t size = s->bar.region[2].size;
	char *at = region_map(&s->bar, 2, 0, size);
	double start = now();

	check(at, "mmap of the BAR");
	for (size_t i = 0; i < size; i += 2 * MIB)
		__atomic_load_n(at + i, __ATOMIC_RELAXED);
	sample(row, s, "touch", (now() - start) / (size / (2 * MIB)));
	munmap(at, size);
}

static void run_access(const struct row *row, struct bench_state *s)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int event = event_new();
	double start;

	start = now();
	for (int i = 0; i < CALLS; i++)
		config_read(&s->c, PCI_VENDOR_ID, 4);
	sample(row, s, "config", (now() - start) / CALLS);

	start = now();
	for (int i = 0; i < CALLS; i++)
		ioctl(s->c.device, VFIO_DEVICE_GET_INFO, &info);
	sample(row, s, "ioctl", (now() - start) / CALLS);

	check(!edu_start(&s->c), "edu");
	start = now();
	for (int i = 0; i < CALLS; i++)
		bar_read32(&s->c, 0, EDU_IDENTITY);
	sample(row, s, "bar", (now() - start) / CALLS);

	check(irq_events(s->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event) >= 0, "MSI");
	start = now();
	for (int i = 0; i < CALLS; i++) {
		check(!edu_raise(&s->c) && event_wait(event, PATIENCE_MS) > 0 && !edu_lower(&s->c),
		      "interrupt");
	}
	sample(row, s, "irq", (now() - start) / CALLS);
	irq_disable(s->c.device, VFIO_PCI_MSI_IRQ_INDEX);
	close(event);
}

/* 64 GiB of IOVAs, all mapped, to the same memory again and again. */
static void run_dirty(const struct row *row, struct bench_state *s)
{
	const size_t bytes = 64 * GIB / PAGE / 8;
	char *bitmap = calloc(1, bytes);
	double start;

	memset(bitmap, 0, bytes);
	for (size_t at = 0; at < 64 * GIB; at += s->size)
		map(s, s->memory, 64 * GIB + at, s->size);
	check(!dirty_switch(s->c.container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START), "dirty START");
	for (int i = 0; i < 2; i++) {
		start = now();
		check(!dirty_get(s->c.container, 64 * GIB, 64 * GIB, PAGE, bitmap, bytes),
		      "dirty GET");
	}
	sample(row, s, "get", now() - start);
	dirty_switch(s->c.container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
	check(dma_unmap(s->c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0) > 0, "unmap of all");
	free(bitmap);
}

/**
 * struct half - one of two threads
 * @s: the state
 * @nth: 0 or 1
 * @size: bytes of one half
 * @unmap: this time it unmaps
 */
struct half {
	struct bench_state *s;
	int nth;
	size_t size;
	bool unmap;
};

static void *half_run(void *data)
{
	struct half *half = data;
	__u64 iova = IOVA + half->nth * half->size;

	if (half->unmap)
		unmap(half->s, iova, half->size);
	else
		map(half->s, half->s->memory + half->nth * half->size, iova, half->size);
	return NULL;
}

static double both(struct bench_state *s, bool unmap)
{
	struct half half[2];
	pthread_t thread[2];
	double start = now();

	for (int i = 0; i < 2; i++) {
		half[i] = (struct half){ s, i, s->size / 2, unmap };
		check(!pthread_create(&thread[i], NULL, half_run, &half[i]), "thread");
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	return now() - start;
}

static void run_threads(const struct row *row, struct bench_state *s)
{
	both(s, false);
	both(s, true);
	sample(row, s, "map", both(s, false) / (s->size / PAGE));
	sample(row, s, "unmap", both(s, true) / (s->size / PAGE));
}

static void *pin_much(void *data)
{
	struct half *half = data;

	map(half->s, half->s->memory, 8 * GIB, half->size);
	__atomic_store_n(&half->nth, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* The longest that a small map waits while another thread pins 2 GiB that were never touched. */
static void run_wait(const struct row *row, struct bench_state *s)
{
	char *big = anonymous(row->size, MADV_HUGEPAGE);
	char *page = make_small(PAGE);
	struct half half = { .s = s, .size = row->size };
	double start = now(), begin, longest = 0;
	pthread_t thread;

	s->memory = big;
	check(!pthread_create(&thread, NULL, pin_much, &half), "thread");
	usleep(20000);
	while (!__atomic_load_n(&half.nth, __ATOMIC_ACQUIRE)) {
		begin = now();
		map(s, page, IOVA, PAGE);
		longest = longest > now() - begin ? longest : now() - begin;
		unmap(s, IOVA, PAGE);
		usleep(5000);
	}
	pthread_join(thread, NULL);
	sample(row, s, "longest", longest);
	sample(row, s, "all", now() - start);
	unmap(s, 8 * GIB, row->size);
	munmap(big, row->size);
	munmap(page, PAGE);
}

static const struct row rows[] = {
	{ "thp", 512 * MIB, make_thp, run_whole, true, false },
	{ "small", 256 * MIB, make_small, run_whole, true, false },
	{ "scattered", 128 * MIB, make_scattered, run_whole, true, false },
	{ "hugetlb", 512 * MIB, make_hugetlb, run_whole, true, false },
	{ "memfd-huge", 256 * MIB, make_memfd_huge, run_whole, true, false },
	{ "memfd", 256 * MIB, make_memfd, run_whole, true, false },
	{ "page", 4 * KIB, make_small, run_pair, true, false },
	{ "many", MANY * PAGE, make_small, run_many, false, false },
	{ "sizes", 256 * MIB, make_thp, run_sizes, false, false },
	{ "bar", 0, NULL, run_bar, false, false },
	{ "dirty", 256 * MIB, make_hugetlb, run_dirty, false, false },
	{ "access", 0, NULL, run_access, false, true },
	{ "touch", 0, NULL, run_touch, false, false },
	{ "fresh", 512 * MIB, NULL, run_fresh, false, false },
	{ "threads", 512 * MIB, make_small, run_threads, false, false },
	{ "wait", 2 * GIB, NULL, run_wait, false, false },
};

#define NR_ROWS (sizeof(rows) / sizeof(*rows))

static const struct row *row_find(const char *name)
{
	for (size_t i = 0; i < NR_ROWS; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	errx(1, "no row %s", name);
}

static void bind(enum test_device kind)
{
	struct pci_func func;

	check(!pci_find(kind, 0, &func) && !pci_bind(&func, "vfio-pci"), "bind");
}

enum side { IN_TREE, OURS, GATELESS, NR_SIDES };

static const char * const side_names[NR_SIDES] = { "in-tree", "ours", "gateless" };

static bool row_has_side(const struct row *row, enum side side)
{
	return side != GATELESS || row->gate;
}

static bool any_has_side(char **names, int count, enum side side)
{
	for (int i = 0; i < count; i++)
		if (row_has_side(row_find(names[i]), side))
			return true;
	return false;
}

static void side_begin(const char *swap, const char *side, struct bench_state *s)
{
	char command[512];

	snprintf(command, sizeof(command), "%s %s", swap, side);
	check(!system(command), command);
	s->side = side;
	bind(EDU);
	bind(IVSHMEM);
	check(!client_open(&s->c, EDU, 0, VFIO_TYPE1v2_IOMMU), "edu");
	check(!client_join(&s->bar, &s->c, IVSHMEM, 0), "ivshmem");
	check(!config_command(&s->bar, PCI_COMMAND_MEMORY, 0), "ivshmem's command register");
}

static void side_end(struct bench_state *s)
{
	client_close(&s->bar);
	client_close(&s->c);
}

int main(int argc, char **argv)
{
	struct bench_state s = {};
	char *memory[64] = {};

	if (argc < 4 || argc > 64)
		errx(2, "usage: bench SWAP ROUNDS ROW...");
	setvbuf(stdout, NULL, _IOLBF, 0);

	for (int i = 3; i < argc; i++) {
		const struct row *row = row_find(argv[i]);

		memory[i] = row->make ? row->make(row->size) : NULL;
	}
	for (s.round = 1; s.round <= atoi(argv[2]); s.round++) {
		for (enum side side = 0; side < NR_SIDES; side++) {
			if (!any_has_side(argv + 3, argc - 3, side))
				continue;
			side_begin(argv[1], side_names[side], &s);
			for (int i = 3; i < argc; i++) {
				const struct row *row = row_find(argv[i]);

				if (!row_has_side(row, side))
					continue;
				s.memory = memory[i];
				s.size = row->size;
				row->run(row, &s);
			}
			side_end(&s);
		}
		for (int i = 3; i < argc; i++) {
			const struct row *row = row_find(argv[i]);

			s.memory = memory[i];
			s.size = row->size;
			if (row->floor)
				run_floor(row, &s);
		}
	}
	return 0;
}

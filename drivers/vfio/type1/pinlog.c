// SPDX-License-Identifier: GPL-2.0-only
/*
 * The record of the runs that one mapping holds.
 *
 * A run takes eight bytes, and runs that continue each other become one, so huge pages cost next to
 * nothing and the worst case (no page beside another) is 8 bytes for each page: 0.2 % of the
 * memory.
 * The first run lies in the log itself, so that a small mapping needs no more memory for it. The
 * others lie in a chain of chunks, each as large as an eighth of what is there if that is neither
 * too little nor too much: so little is taken for what may not come, and what was written never
 * moves, nor does the log. Memory is charged to the user's memory cgroup.
 *
 * A log is written from front to end and read with cursors, also while it grows. Only the last run
 * can still become longer, so a reader that acts on what it reads leaves that one until the log is
 * complete. The owner of a log sees to it that it has one writer.
 */
#include <linux/bitfield.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../fault.h"
#include "type1.h"

/* Page frames of 52-bit physical addresses, lengths up to RUN_PAGES_MAX. */
#define RUN_PFN		GENMASK_ULL(39, 0)
#define RUN_PAGES	GENMASK_ULL(61, 40)
#define RUN_KIND	GENMASK_ULL(63, 62)

/* What continues a run is of its kind and lies as many frames further on as it has pages. */
#define RUN_PLACE	(RUN_KIND | RUN_PFN)

struct pinlog_chunk {
	struct pinlog_chunk *next;
	unsigned int nr;
	unsigned int room;
	u64 runs[];
};

/* Bytes of a chunk: of the first, of others at least, at most. kmalloc() has all these sizes. */
#define CHUNK_FIRST	64
#define CHUNK_LEAST	128
#define CHUNK_MOST	65536

static u64 run_pack(const struct pin_run *run)
{
	return FIELD_PREP(RUN_PFN, run->pfn) | FIELD_PREP(RUN_PAGES, run->pages) |
	       FIELD_PREP(RUN_KIND, run->kind);
}

static struct pin_run run_unpack(u64 packed)
{
	return (struct pin_run){
		.pfn = FIELD_GET(RUN_PFN, packed),
		.pages = FIELD_GET(RUN_PAGES, packed),
		.kind = FIELD_GET(RUN_KIND, packed),
	};
}

/**
 * pinlog_init - begin a log
 * @log: the log; holds no memory yet
 * @limit: most pages that will be added
 *
 * Context: any.
 */
void pinlog_init(struct pinlog *log, unsigned long limit)
{
	*log = (struct pinlog){ .limit = limit };
}

/**
 * pinlog_free - forget all runs
 * @log: empty afterwards
 *
 * Context: may sleep.
 */
void pinlog_free(struct pinlog *log)
{
	struct pinlog_chunk *chunk, *next;

	for (chunk = log->first; chunk; chunk = next) {
		next = chunk->next;
		kvfree(chunk);
	}
	pinlog_init(log, log->limit);
}

/* How many runs the next chunk is for. */
static unsigned long pinlog_grow_by(const struct pinlog *log)
{
	unsigned long bytes = CHUNK_FIRST;

	/* As many bytes as runs is an eighth. */
	if (log->last)
		bytes = clamp(rounddown_pow_of_two(log->nr), CHUNK_LEAST, CHUNK_MOST);
	return min((bytes - sizeof(struct pinlog_chunk)) / sizeof(u64), log->limit - log->pages);
}

/* A new chunk at the end. */
static int pinlog_grow(struct pinlog *log)
{
	unsigned long room = pinlog_grow_by(log);
	struct pinlog_chunk *chunk;

	if (vfio_should_fail())
		return -ENOMEM;
	chunk = kvmalloc(struct_size(chunk, runs, room), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	chunk->next = NULL;
	chunk->nr = 0;
	chunk->room = room;

	if (log->last)
		log->last->next = chunk;
	else
		log->first = chunk;
	log->last = chunk;
	return 0;
}

/*
 * Make the last run longer if @next, which is packed, continues it. What is lent stays by itself:
 * its neighbour may be another device's.
 */
static bool pinlog_extend(struct pinlog *log, u64 next)
{
	u64 *last = log->last ? &log->last->runs[log->last->nr - 1] : &log->front;
	u64 pages = FIELD_GET(RUN_PAGES, *last);

	if (!log->nr || FIELD_GET(RUN_KIND, next) == PIN_LENT ||
	    (*last & RUN_PLACE) + pages != (next & RUN_PLACE) ||
	    pages + FIELD_GET(RUN_PAGES, next) > run_room(FIELD_GET(RUN_PFN, *last)))
		return false;
	*last += next & RUN_PAGES;
	return true;
}

/* Where the run after the last one belongs, or NULL without memory. */
static u64 *pinlog_room(struct pinlog *log)
{
	if (!log->nr)
		return &log->front;
	if ((!log->last || log->last->nr == log->last->room) && pinlog_grow(log))
		return NULL;
	return &log->last->runs[log->last->nr++];
}

/**
 * pinlog_add - write a run at the end
 * @log: the log
 * @run: some pages, in all not more than pinlog_init() was told
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM and the log is unchanged.
 */
int pinlog_add(struct pinlog *log, const struct pin_run *run)
{
	u64 packed = run_pack(run), *room;

	if (!pinlog_extend(log, packed)) {
		room = pinlog_room(log);
		if (!room)
			return -ENOMEM;
		*room = packed;
		log->nr++;
	}
	log->pages += run->pages;
	return 0;
}

/**
 * pinlog_next - read a run
 * @log: the log
 * @at: where to read; moves behind the run
 * @run: the run
 *
 * Context: any.
 * Return: false at the end of the log.
 */
bool pinlog_next(const struct pinlog *log, struct pinlog_cursor *at, struct pin_run *run)
{
	struct pinlog_chunk *next;

	if (!at->chunk && !at->index) {
		if (!log->nr)
			return false;
		*run = run_unpack(log->front);
		at->index = 1;
		return true;
	}
	if (!at->chunk)
		next = log->first;
	else if (at->index == at->chunk->room)
		next = at->chunk->next;
	else
		next = NULL;

	if (next)
		*at = (struct pinlog_cursor){ .chunk = next };
	if (!at->chunk || at->index == at->chunk->nr)
		return false;
	*run = run_unpack(at->chunk->runs[at->index++]);
	return true;
}

/**
 * pinlog_withdraw - note that a run is not the user's any more
 * @log: the log
 * @at: behind the run, which is lent
 *
 * Context: any; nobody reads the run meanwhile.
 */
void pinlog_withdraw(struct pinlog *log, const struct pinlog_cursor *at)
{
	u64 *packed = at->chunk ? &at->chunk->runs[at->index - 1] : &log->front;

	*packed = (*packed & ~RUN_KIND) | FIELD_PREP(RUN_KIND, PIN_WITHDRAWN);
}

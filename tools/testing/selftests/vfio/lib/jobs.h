/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Races: threads that do one thing each, over and over, while the others do theirs.
 */
#ifndef JOBS_H
#define JOBS_H

#include <kselftest.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "vfio.h"

#define JOB_OUTCOMES 256

struct worker;

/**
 * struct job - something to do over and over
 * @name: for the report
 * @once: does it once; returns 0 or the errno it ended with
 * @may: the errnos that are no failure, 0 for the end of the list
 */
struct job {
	const char *name;
	int (*once)(struct worker *worker);
	int may[12];
};

/**
 * struct worker - a thread that has a job
 * @thread: itself
 * @job: what it does
 * @arena: what the workers of a race share, as the test knows it
 * @stop: they shall end
 * @seed: of its random numbers
 * @times: how often the job ended with each errno
 */
struct worker {
	pthread_t thread;
	const struct job *job;
	void *arena;
	const bool *stop;
	unsigned int seed;
	unsigned long times[JOB_OUTCOMES];
};

unsigned int dice(struct worker *worker, unsigned int sides);
void worker_pauses(struct worker *worker, unsigned int microseconds);
bool worker_is_stopped(const struct worker *worker);
bool jobs_run(void *arena, int seconds, const struct job * const *jobs, size_t count);
void fd_publish(int *fd, int number);

/* 0 or errno, from what a call returned */
static inline int to_errno(long long result)
{
	return result < 0 ? errno : 0;
}

/* A worker for each of the jobs, all at once, for that many seconds. True if nothing went wrong. */
#define RUN_JOBS(arena, seconds, ...) ({				\
	static const struct job * const _jobs[] = { __VA_ARGS__ };	\
									\
	jobs_run(arena, seconds, _jobs, ARRAY_SIZE(_jobs));		\
})

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races: workers, the time that they have, and the report of what their jobs ended with. The
 * random numbers begin with the seed of soak.c [1].
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "jobs.h"

#define MAX_WORKERS	12
#define OVERTIME	200	/* seconds, for jobs that have not succeeded yet */

unsigned int dice(struct worker *worker, unsigned int sides)
{
	return rand_r(&worker->seed) % sides;
}

/* Some do little and would leave no processor to those whose steps take their time. */
void worker_pauses(struct worker *worker, unsigned int microseconds)
{
	usleep(dice(worker, microseconds));
}

bool worker_is_stopped(const struct worker *worker)
{
	return __atomic_load_n(worker->stop, __ATOMIC_RELAXED);
}

static void *work(void *data)
{
	struct worker *worker = data;

	while (!worker_is_stopped(worker)) {
		int error = worker->job->once(worker);

		__atomic_fetch_add(&worker->times[error & (JOB_OUTCOMES - 1)], 1,
				   __ATOMIC_RELAXED);
	}
	return NULL;
}

static bool may_end_with(const struct job *job, int error)
{
	for (const int *may = job->may; *may; may++)
		if (*may == error)
			return true;
	return !error;
}

/* How often each errno came; false if one came that may not. */
static bool report(const struct worker *worker)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%-16s", worker->job->name);
	bool good = true;

	for (int error = 0; error < JOB_OUTCOMES; error++) {
		if (!worker->times[error])
			continue;
		length += snprintf(line + length, sizeof(line) - length, " %s%s %lu",
				   may_end_with(worker->job, error) ? "" : "NOT EXPECTED: ",
				   errno_name(error), worker->times[error]);
		good = good && may_end_with(worker->job, error);
	}
	ksft_print_msg("%s\n", line);
	return good;
}

/* The first job that none of its workers has done with success; NULL if there is none. */
static const struct job *job_in_vain(const struct worker *workers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned long successes = 0;

		for (size_t k = 0; k < count; k++)
			if (workers[k].job == workers[i].job)
				successes += __atomic_load_n(&workers[k].times[0],
							     __ATOMIC_RELAXED);
		if (!successes)
			return workers[i].job;
	}
	return NULL;
}

/*
 * A race with a job that never gets to its end shows little, so it goes on until each has succeeded
 * once, and fails if one cannot.
 */
bool jobs_run(void *arena, int seconds, const struct job * const *jobs, size_t count)
{
	struct worker workers[MAX_WORKERS] = {};
	struct timespec length = { .tv_sec = seconds };
	bool good = true, stop = false;

	ksft_print_msg("seed %u, %d s\n", soak_seed(1), seconds);
	for (size_t i = 0; i < count; i++) {
		workers[i].job = jobs[i];
		workers[i].arena = arena;
		workers[i].stop = &stop;
		workers[i].seed = soak_seed(1) + i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			abort();
	}
	nanosleep(&length, NULL);
	for (int more = 10 * OVERTIME; more && job_in_vain(workers, count); more--)
		usleep(100000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		good = report(&workers[i]) && good;
	}
	if (job_in_vain(workers, count)) {
		ksft_print_msg("%s never succeeded\n", job_in_vain(workers, count)->name);
		return false;
	}
	return good;
}

/* An fd moves to a number of its own, where nobody else's fd can be taken for it. */
void fd_publish(int *fd, int number)
{
	if (*fd >= 0)
		dup3(*fd, number, O_CLOEXEC);
	fd_close(fd);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a task does just now and what it has done, as /proc says it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "vfio.h"

/* The letter of a task's state: D sleeps in the kernel, Z has ended. */
char task_state(pid_t pid, pid_t tid)
{
	char path[64], text[256], state;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (file_read(path, text, sizeof(text)) || !strrchr(text, ')') ||
	    sscanf(strrchr(text, ')') + 1, " %c", &state) != 1)
		return 'Z';
	return state;
}

/* Waits until a task sleeps in a system call, SYS_*; false if it ends instead. */
bool sleeps_in(pid_t pid, pid_t tid, long call)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char path[64], text[256];
	long number;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	for (int tries = 0; tries < PATIENCE_MS / 10; tries++, nanosleep(&pause, NULL)) {
		switch (task_state(pid, tid)) {
		case 'Z':
			return false;
		case 'D':
			if (!file_read(path, text, sizeof(text)) &&
			    sscanf(text, "%ld", &number) == 1 && number == call)
				return true;
		}
	}
	return false;
}

/* Page faults that a task has had, -1 if it has ended. */
long task_faults(pid_t pid, pid_t tid)
{
	char path[64], text[512];
	long minor, major;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	if (file_read(path, text, sizeof(text)) || !strrchr(text, ')') ||
	    sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %ld %*u %ld", &minor,
		   &major) != 2)
		return -1;
	return minor + major;
}

/* How many page faults it takes to look at each page of a mapping. */
long faults_of_looks(const void *mapping, size_t size)
{
	struct rusage before, after;

	getrusage(RUSAGE_SELF, &before);
	for (size_t at = 0; at < size; at += PAGE)
		bar_look(mapping + at);
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt - before.ru_minflt;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a task does just now, as /proc says it.
 */
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
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

/* Waits until a task sleeps in an ioctl; false if it ends instead. */
bool sleeps_in_ioctl(pid_t pid, pid_t tid)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	char path[64], text[256];
	int number;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	for (int tries = 0; tries < PATIENCE_MS / 10; tries++, nanosleep(&pause, NULL)) {
		switch (task_state(pid, tid)) {
		case 'Z':
			return false;
		case 'D':
			if (!file_read(path, text, sizeof(text)) &&
			    sscanf(text, "%d", &number) == 1 && number == SYS_ioctl)
				return true;
		}
	}
	return false;
}

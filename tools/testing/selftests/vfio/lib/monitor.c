// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's monitor, which vm/run gives the guest as the third virtio port.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define PROMPT "\r\n(qemu) "

static int monitor_open(void)
{
	glob_t found;
	int fd = -1;

	if (glob("/dev/vport*p3", 0, NULL, &found)) {
		errno = ENOENT;
		return -1;
	}
	fd = open(found.gl_pathv[0], O_RDWR | O_NONBLOCK | O_CLOEXEC);
	globfree(&found);
	return fd;
}

/* Reads up to what ends the answer and is not part of it. */
static int monitor_listen(int fd, const char *ends, char *answer, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	size_t have = 0;
	ssize_t got;
	char *end;

	for (;;) {
		if (poll(&ready, 1, PATIENCE_MS) <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		got = read(fd, answer + have, size - 1 - have);
		if (got <= 0)
			continue;
		have += got;
		answer[have] = 0;
		end = strstr(answer, ends);
		if (end) {
			*end = 0;
			return 0;
		}
		/* Too long to be kept: its end is what counts. */
		if (have == size - 1) {
			memmove(answer, answer + have / 2, have - have / 2);
			have -= have / 2;
		}
	}
}

static int monitor_ask(int fd, const char *command, const char *ends, char *answer, size_t size)
{
	char line[256];

	snprintf(line, sizeof(line), "%s\n", command);
	return write(fd, line, strlen(line)) < 0 ? -1 : monitor_listen(fd, ends, answer, size);
}

/* Its greeting, and answers that nobody waited for, come first: nothing does after this number. */
static int monitor_catch_up(int fd)
{
	char command[32], ends[32], answer[512];
	struct timespec now;
	unsigned int number;

	clock_gettime(CLOCK_MONOTONIC, &now);
	number = now.tv_nsec | 1;
	snprintf(command, sizeof(command), "print/x %u", number);
	snprintf(ends, sizeof(ends), "\r\n0x%x" PROMPT, number);
	return monitor_ask(fd, command, ends, answer, sizeof(answer));
}

/* Carries out a command; @answer begins with its echo. ENOENT where there is no monitor. */
int monitor_say(const char *command, char *answer, size_t size)
{
	int fd = monitor_open();
	int ret, error;

	if (fd < 0)
		return -1;
	ret = monitor_catch_up(fd) ? -1 : monitor_ask(fd, command, PROMPT, answer, size);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

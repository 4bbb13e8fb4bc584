// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's log: what a test provokes there it announces, and may look for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

/*
 * Announces warnings of the modules whose text matches an extended regular expression, from here to
 * the end of the program: run.sh takes any other for a failure.
 */
int log_announce(const char *pattern)
{
	char line[256];

	snprintf(line, sizeof(line), "<6>selftest provokes: %s\n", pattern);
	return file_write("/dev/kmsg", line);
}

/* The log from here on. */
int log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Whether a line that has come, and was not read before, has @text in it; if so, reads up to it. */
bool log_has(int log, const char *text)
{
	char line[2048];
	ssize_t got;

	for (;;) {
		got = read(log, line, sizeof(line) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* lines were lost: go on with the oldest there is */
		if (got <= 0)
			return false;
		line[got] = 0;
		if (strstr(line, text))
			return true;
	}
}

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

/*
 * Reads on to a line that has come, was not read before and has all of @count texts in it, and
 * copies it, if @line is not NULL. False if there is none up to now.
 */
bool log_find(int log, const char * const *texts, size_t count, char *line, size_t size)
{
	char record[4096];
	ssize_t got;
	size_t i;

	for (;;) {
		got = read(log, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* lines were lost: go on with the oldest there is */
		if (got <= 0)
			return false;
		record[got] = 0;
		for (i = 0; i < count && strstr(record, texts[i]); i++)
			;
		if (i < count)
			continue;
		if (line)
			snprintf(line, size, "%s", record);
		return true;
	}
}

/* The same for one text. */
bool log_has(int log, const char *text)
{
	return log_find(log, &text, 1, NULL, 0);
}

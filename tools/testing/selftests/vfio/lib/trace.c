// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events, those of the system "vfio" and probes, in a trace of our own: what others trace is not
 * disturbed. A program has one at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio.h"

/* Makes the trace, with all events off. */
int trace_open(void)
{
	if (access(TRACING "/instances", F_OK) &&
	    mount("tracefs", TRACING, "tracefs", 0, NULL))
		return -1;
	rmdir(TRACE_INSTANCE);
	return mkdir(TRACE_INSTANCE, 0700);
}

void trace_close(void)
{
	file_write(TRACE_INSTANCE "/events/enable", "0");
	rmdir(TRACE_INSTANCE);
}

/* Listens to events of the modules, or does not any more. */
int trace_listen(bool on)
{
	return file_write(TRACE_INSTANCE "/events/vfio/enable", on ? "1" : "0");
}

/* Forgets what was recorded. */
void trace_reset(void)
{
	int fd = open(TRACE_INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	fd_close(&fd);
}

/*
 * The fields of the events of a name that have @part in their text, counted from 0. Returns how
 * many there are, and the text of the @nth in @text, if there is one.
 */
int trace_get(const char *event, const char *part, int nth, char *text, size_t size)
{
	FILE *trace = fopen(TRACE_INSTANCE "/trace", "re");
	char line[512], mark[80];
	int count = 0;

	if (!trace)
		return -1;
	snprintf(mark, sizeof(mark), ": %s: ", event);
	while (fgets(line, sizeof(line), trace)) {
		char *found = line[0] == '#' ? NULL : strstr(line, mark);

		line[strcspn(line, "\n")] = 0;
		if (!found || !strstr(found, part))
			continue;
		if (count++ == nth)
			snprintf(text, size, "%s", found + strlen(mark));
	}
	fclose(trace);
	return count;
}

/* How many events of any name were recorded, -1 if nobody knows. */
int trace_count(void)
{
	FILE *trace = fopen(TRACE_INSTANCE "/trace", "re");
	char line[512];
	int count = 0;

	if (!trace)
		return -1;
	while (fgets(line, sizeof(line), trace))
		count += line[0] != '#';
	fclose(trace);
	return count;
}

/* The number behind "NAME=" in the text of an event, -1 without it. */
long long trace_number(const char *text, const char *name)
{
	char mark[80];
	const char *found;

	snprintf(mark, sizeof(mark), " %s=", name);
	found = strstr(text, mark);
	return found ? strtoll(found + strlen(mark), NULL, 0) : -1;
}

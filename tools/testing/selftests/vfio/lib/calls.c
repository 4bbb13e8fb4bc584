// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often this process makes the kernel call a function, by a probe in a trace of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vfio.h"

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/vfio_calls"
#define EVENTS		INSTANCE "/events/vfio_calls"

static const char * const *probed;
static size_t nr_probed;

/* Begins to count, in this process; what the kernel does not have is never called. */
int calls_open(const char * const *functions, size_t count)
{
	char text[128];

	calls_close();
	probed = functions;
	nr_probed = count;
	for (size_t i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "p:vfio_calls/%s %s\n", functions[i], functions[i]);
		if (file_write(TRACING "/kprobe_events", text) && errno != ENOENT)
			return -1;
	}
	if (mkdir(INSTANCE, 0700))
		return -1;
	snprintf(text, sizeof(text), "%d", getpid());
	if (file_write(INSTANCE "/set_event_pid", text))
		return -1;
	return file_write(EVENTS "/enable", "1");
}

/* Does the kernel have the function? */
bool calls_known(const char *function)
{
	char path[256];

	snprintf(path, sizeof(path), EVENTS "/%s/enable", function);
	return !access(path, F_OK);
}

/* Forgets what was counted. */
void calls_reset(void)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	fd_close(&fd);
}

/* Calls since calls_reset(), or -1. */
int calls_made(const char *function)
{
	FILE *trace = fopen(INSTANCE "/trace", "r");
	char line[512], mark[80];
	int calls = 0;

	if (!trace)
		return -1;
	snprintf(mark, sizeof(mark), ": %s: ", function);
	while (fgets(line, sizeof(line), trace))
		calls += line[0] != '#' && strstr(line, mark);
	fclose(trace);
	return calls;
}

/* Ends what calls_open() began. */
void calls_close(void)
{
	char text[128];

	file_write(EVENTS "/enable", "0");
	rmdir(INSTANCE);
	for (size_t i = 0; i < nr_probed; i++) {
		snprintf(text, sizeof(text), "-:vfio_calls/%s\n", probed[i]);
		file_write(TRACING "/kprobe_events", text);
	}
	nr_probed = 0;
}

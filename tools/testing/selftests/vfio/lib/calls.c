// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often this process makes the kernel call a function, by a probe in the trace of trace.c.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "vfio.h"

#define EVENTS	TRACE_INSTANCE "/events/vfio_calls"

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
	if (trace_open())
		return -1;
	snprintf(text, sizeof(text), "%d", getpid());
	if (file_write(TRACE_INSTANCE "/set_event_pid", text))
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

/* Calls since trace_reset(), or -1. */
int calls_made(const char *function)
{
	return trace_get(function, "", -1, NULL, 0);
}

/* Ends what calls_open() began. */
void calls_close(void)
{
	char text[128];

	trace_close();
	for (size_t i = 0; i < nr_probed; i++) {
		snprintf(text, sizeof(text), "-:vfio_calls/%s\n", probed[i]);
		file_write(TRACING "/kprobe_events", text);
	}
	nr_probed = 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages for people, on standard error, and the exit codes that go with them.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfioctl.h"

static void say(const char *format, va_list arguments)
{
	struct text printable = {};
	char *line;

	if (vasprintf(&line, format, arguments) < 0)
		abort();
	text_add_printable(&printable, line);
	fprintf(stderr, "vfioctl: %s\n", text_or_empty(&printable));
	text_free(&printable);
	free(line);
}

/* A line for people that is not the answer: a hint, a warning. */
void message(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

/* A message, and the exit code that its caller returns with it. */
int failure(enum status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return status;
}

/* The exit code for an errno, positive or negative. */
enum status status_of(int error)
{
	switch (error < 0 ? -error : error) {
	case 0:
		return STATUS_OK;
	case EPERM:
	case EACCES:
	case EROFS:
		return STATUS_DENIED;
	case EBUSY:
		return STATUS_BUSY;
	default:
		return STATUS_FAILED;
	}
}

/* The same for a call that ended with @error, a negative errno: why, and whether root could. */
int failure_of(int error, const char *format, ...)
{
	bool denied = status_of(error) == STATUS_DENIED && geteuid();
	va_list arguments;
	char *what;

	va_start(arguments, format);
	if (vasprintf(&what, format, arguments) < 0)
		abort();
	va_end(arguments);
	message("%s: %s%s", what, strerror(-error), denied ? " (root can)" : "");
	free(what);
	return status_of(error);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text that grows as it is written. Without memory the program ends: there is nothing to save.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "vfioctl.h"

void text_add(struct text *text, const char *format, ...)
{
	va_list arguments;
	int more;

	va_start(arguments, format);
	more = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (more < 0)
		abort();

	text->bytes = realloc(text->bytes, text->length + more + 1);
	if (!text->bytes)
		abort();
	va_start(arguments, format);
	vsnprintf(text->bytes + text->length, more + 1, format, arguments);
	va_end(arguments);
	text->length += more;
}

const char *text_or_empty(const struct text *text)
{
	return text->bytes ? text->bytes : "";
}

void text_free(struct text *text)
{
	free(text->bytes);
	text->bytes = NULL;
	text->length = 0;
}

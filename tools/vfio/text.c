// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text that grows as it is written, UTF-8, and numbers. Without memory the program ends: there is
 * nothing to save.
 */
#include <limits.h>
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

/* A whole number from @least on; false where the text is none, or one that is out of range. */
bool text_number(const char *text, int least, int *value)
{
	char *end;
	long parsed = strtol(text, &end, 10);

	if (end == text || *end || parsed < least || parsed > INT_MAX)
		return false;
	*value = parsed;
	return true;
}

/*
 * The character at @bytes, into @code; how many bytes it has. 0 where it is none: a byte out of
 * place, a longer form than need be, half of a pair of UTF-16, or beyond Unicode.
 */
size_t text_character(const char *bytes, unsigned int *code)
{
	static const struct {
		unsigned char mask, lead;
		unsigned int least;
	} kinds[] = { { 0x80, 0, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };
	unsigned char lead = bytes[0];
	size_t kind, i;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++)
		if ((lead & kinds[kind].mask) == kinds[kind].lead)
			break;
	if (kind == ARRAY_SIZE(kinds))
		return 0;
	*code = lead & ~kinds[kind].mask;
	for (i = 1; i <= kind; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (bytes[i] & 0x3f);
	}
	if (*code < kinds[kind].least || *code > 0x10ffff || *code >> 11 == 0x1b)
		return 0;
	return kind + 1;
}

/* Adds text that somebody else chose. What acts on a terminal, or is no UTF-8, becomes \xNN. */
void text_add_printable(struct text *text, const char *value)
{
	unsigned int code;
	size_t size;

	while (*value) {
		size = text_character(value, &code);
		if (size && code >= ' ' && (code < 0x7f || code > 0x9f)) {
			text_add(text, "%.*s", (int)size, value);
			value += size;
		} else {
			text_add(text, "\\x%02x", *value++ & 0xff);
		}
	}
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream of JSON on standard output, indented by two blanks for each level.
 */
#include <stdio.h>

#include "vfioctl.h"

static int depth;
static bool has_member;		/* the bracket that is open has one already */

/* What is no UTF-8, such as a name that a process gave itself, becomes the character for that. */
static void put_string(const char *value)
{
	unsigned int code;
	size_t size;

	putchar('"');
	for (; *value; value += size ? size : 1) {
		size = text_character(value, &code);
		if (!size)
			fputs("\\ufffd", stdout);
		else if (code == '"' || code == '\\')
			printf("\\%c", code);
		else if (code < ' ' || (code >= 0x7f && code <= 0x9f))
			printf("\\u%04x", code);
		else
			fwrite(value, size, 1, stdout);
	}
	putchar('"');
}

static void begin(const char *key)
{
	if (depth)
		printf("%s\n%*s", has_member ? "," : "", 2 * depth, "");
	if (key) {
		put_string(key);
		fputs(": ", stdout);
	}
	has_member = true;
}

void json_open(const char *key, char bracket)
{
	begin(key);
	putchar(bracket);
	depth++;
	has_member = false;
}

void json_close(char bracket)
{
	depth--;
	if (has_member)
		printf("\n%*s", 2 * depth, "");
	putchar(bracket);
	has_member = true;
}

/* NULL is null. */
void json_text(const char *key, const char *value)
{
	if (!value) {
		json_null(key);
		return;
	}
	begin(key);
	put_string(value);
}

void json_number(const char *key, long long value)
{
	begin(key);
	printf("%lld", value);
}

void json_bool(const char *key, bool value)
{
	begin(key);
	fputs(value ? "true" : "false", stdout);
}

void json_null(const char *key)
{
	begin(key);
	fputs("null", stdout);
}

/* After the last bracket: the line's end; another document may follow. */
void json_end(void)
{
	putchar('\n');
	fflush(stdout);
	has_member = false;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stream of JSON on standard output, indented by two blanks for each level.
 */
#include <stdio.h>

#include "vfioctl.h"

static int depth;
static bool has_member;		/* the bracket that is open has one already */

static void begin(const char *key)
{
	if (depth)
		printf("%s\n%*s", has_member ? "," : "", 2 * depth, "");
	if (key)
		printf("\"%s\": ", key);
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

/* Bytes that are no ASCII pass as they are: names of the kernel and of pci.ids are UTF-8. */
static void put_character(unsigned char character)
{
	if (character == '"' || character == '\\')
		printf("\\%c", character);
	else if (character < ' ' || character == 0x7f)
		printf("\\u%04x", character);
	else
		putchar(character);
}

/* NULL is null. */
void json_text(const char *key, const char *value)
{
	if (!value) {
		json_null(key);
		return;
	}
	begin(key);
	putchar('"');
	while (*value)
		put_character(*value++);
	putchar('"');
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

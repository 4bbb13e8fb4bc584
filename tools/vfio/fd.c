// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a process has open of VFIO: containers, groups and devices, with the lines of fdinfo that
 * are about VFIO. Only root sees those of others.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

static bool is_of_vfio(const char *file)
{
	return !strncmp(file, "/dev/vfio/", 10) || !strcmp(file, "anon_inode:[vfio-device]");
}

/* Call @found for each fd that is of VFIO; how many there are. */
static size_t each(long pid, void (*found)(const char *fd, const char *file, const char *info))
{
	struct names fds = tree_names("/proc/%ld/fd", pid);
	size_t count = 0, i;

	for (i = 0; i < fds.count; i++) {
		char file[256], *info;

		if (!tree_target(file, sizeof(file), "/proc/%ld/fd/%s", pid, fds.name[i]) ||
		    !is_of_vfio(file))
			continue;
		count++;
		if (!found)
			continue;
		info = tree_read("/proc/%ld/fdinfo/%s", pid, fds.name[i]);
		found(fds.name[i], file, info ? info : "");
		free(info);
	}
	names_free(&fds);
	return count;
}

/* Has a process anything of VFIO open? The kernel shows the folder to its user and to root. */
enum fds fds_of(long pid)
{
	if (tree_has("/proc/%ld", pid) && !tree_has("/proc/%ld/fd/.", pid))
		return FDS_HIDDEN;
	return each(pid, NULL) ? FDS_OF_VFIO : FDS_OTHERS;
}

/* The next line "vfio…: VALUE" from @line on, split in place; NULL after the last. */
static const char *next_line(const char *line, char *key, size_t key_size,
			     char *value, size_t value_size)
{
	while (*line) {
		size_t length = strcspn(line, "\n");
		const char *end = line + length;
		size_t colon = strcspn(line, ":\n");

		if (!strncmp(line, "vfio", 4) && colon < length) {
			const char *from = line + colon + 1;

			from += strspn(from, " \t");
			snprintf(key, key_size, "%.*s", (int)colon, line);
			snprintf(value, value_size, "%.*s", (int)(end - from), from);
			return *end ? end + 1 : end;
		}
		line = *end ? end + 1 : end;
	}
	return NULL;
}

/* A key of which there is a line for each of several is an array, also of one. */
static const char * const lists[] = { "vfio-group-device" };

static bool is_list(const char *key)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lists); i++)
		if (!strcmp(lists[i], key))
			return true;
	return false;
}

static void json_list(const char *list, const char *info)
{
	char key[NAME_SIZE], value[512];
	bool any = false;

	while ((info = next_line(info, key, sizeof(key), value, sizeof(value)))) {
		if (strcmp(key, list))
			continue;
		if (!any)
			json_open(list, '[');
		any = true;
		json_text(NULL, value);
	}
	if (any)
		json_close(']');
}

static void json_info(const char *info)
{
	const char *line = info;
	char key[NAME_SIZE], value[512];
	size_t i;

	json_open("info", '{');
	while ((line = next_line(line, key, sizeof(key), value, sizeof(value))))
		if (!is_list(key))
			json_text(key, value);
	for (i = 0; i < ARRAY_SIZE(lists); i++)
		json_list(lists[i], info);
	json_close('}');
}

static void json_fd(const char *fd, const char *file, const char *info)
{
	json_open(NULL, '{');
	json_number("fd", atol(fd));
	json_text("file", file);
	json_info(info);
	json_close('}');
}

void json_fds(const char *key, long pid)
{
	json_open(key, '[');
	each(pid, json_fd);
	json_close(']');
}

static void print_fd(const char *fd, const char *file, const char *info)
{
	char key[NAME_SIZE], value[512];
	struct text printable = {};

	text_add_printable(&printable, file);
	printf("    fd %s: %s\n", fd, printable.bytes);
	text_free(&printable);
	while ((info = next_line(info, key, sizeof(key), value, sizeof(value))))
		printf("      %s: %s\n", key, value);
}

void print_fds(long pid)
{
	each(pid, print_fd);
}

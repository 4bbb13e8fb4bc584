// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the host use a device that is about to be taken from it? A disk is used when it, or a part
 * of it, is mounted, swapped to, or below another disk; a network interface when it has a route.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

static bool is_below(const char *class, const char *name, const char *folder)
{
	char *path = tree_resolve("/sys/class/%s/%s", class, name);
	size_t length = strlen(folder);
	bool below = path && !strncmp(path, folder, length) && path[length] == '/';

	free(path);
	return below;
}

static bool file_says(const char *path, const char *word)
{
	char *content = tree_read("%s", path);
	bool says = content && strstr(content, word);

	free(content);
	return says;
}

static bool disk_in_use(const char *name)
{
	struct names above = tree_names("/sys/class/block/%s/holders", name);
	char number[NAME_SIZE], word[NAME_SIZE + 8];
	bool used = above.count > 0;

	names_free(&above);
	tree_line(number, sizeof(number), "/sys/class/block/%s/dev", name);
	snprintf(word, sizeof(word), " %s ", number);
	if (number[0] && file_says("/proc/self/mountinfo", word))
		used = true;
	snprintf(word, sizeof(word), "/dev/%.50s ", name);
	return used || file_says("/proc/swaps", word);
}

static bool interface_in_use(const char *name)
{
	char word[NAME_SIZE + 8];

	snprintf(word, sizeof(word), "\n%.50s\t", name);
	return file_says("/proc/net/route", word);
}

static void look(const char *class, bool (*in_use)(const char *name), const char *folder,
		 struct text *what)
{
	struct names names = tree_names("/sys/class/%s", class);
	size_t i;

	for (i = 0; i < names.count; i++)
		if (is_below(class, names.name[i], folder) && in_use(names.name[i]))
			text_add(what, "%s%s", what->length ? ", " : "", names.name[i]);
	names_free(&names);
}

/* Adds the names of what is in use to @what; false when nothing is. */
bool use_by_host(const struct device *device, struct text *what)
{
	char *folder = tree_resolve("/sys/bus/pci/devices/%s", device->name);

	if (folder) {
		look("block", disk_in_use, folder, what);
		look("net", interface_in_use, folder, what);
	}
	free(folder);
	return what->length > 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What /proc/self/fdinfo tells of an fd: lines "KEY: VALUE".
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfio.h"

/* The value of the first line of @key; -1 and ENOENT without one. */
int fdinfo_get(int fd, const char *key, char *text, size_t size)
{
	size_t length = strlen(key);
	char path[64], line[512];
	FILE *info;
	int ret = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	info = fopen(path, "re");
	if (!info)
		return -1;
	while (ret && fgets(line, sizeof(line), info)) {
		if (strncmp(line, key, length) || line[length] != ':')
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(text, size, "%s", line + length + 1 + strspn(line + length + 1, " \t"));
		ret = 0;
	}
	fclose(info);
	if (ret)
		errno = ENOENT;
	return ret;
}

/* The same as a number; -1 without the line. */
long long fdinfo_number(int fd, const char *key)
{
	char text[64];

	return fdinfo_get(fd, key, text, sizeof(text)) ? -1 : strtoll(text, NULL, 10);
}

/* As messages of the log call it. */
void container_name(int container, char *text, size_t size)
{
	snprintf(text, size, "container %lld:", fdinfo_number(container, "vfio-container-number"));
}

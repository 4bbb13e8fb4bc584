// SPDX-License-Identifier: GPL-2.0-only
/*
 * How often the kernel calls one of its functions, by a kprobe of the tracing file system.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "vfio.h"

#define TRACING "/sys/kernel/tracing/"
#define EVENTS "vfio_tests"

static int probe_define(const char *line)
{
	int fd = open(TRACING "kprobe_events", O_WRONLY | O_APPEND | O_CLOEXEC);
	int ret = -1;

	if (fd < 0)
		return -1;
	if (write(fd, line, strlen(line)) == (ssize_t)strlen(line))
		ret = 0;
	close(fd);
	return ret;
}

static int probe_enable(const char *function, bool on)
{
	char path[256];

	snprintf(path, sizeof(path), TRACING "events/" EVENTS "/%s/enable", function);
	return file_write(path, on ? "1" : "0");
}

/* Count the calls of a function from here on; -1 if the kernel cannot. */
int probe_open(const char *function)
{
	char line[256];

	if (access(TRACING "README", F_OK) && mount("tracefs", TRACING, "tracefs", 0, NULL))
		return -1;
	snprintf(line, sizeof(line), "p:" EVENTS "/%s %s\n", function, function);
	if (probe_define(line))
		return -1;
	if (!probe_enable(function, true))
		return 0;
	probe_close(function);
	return -1;
}

void probe_close(const char *function)
{
	char line[256];

	probe_enable(function, false);
	snprintf(line, sizeof(line), "-:" EVENTS "/%s\n", function);
	probe_define(line);
}

/* Calls since probe_open(); -1 without it. */
long probe_hits(const char *function)
{
	FILE *profile = fopen(TRACING "kprobe_profile", "re");
	char name[128];
	long hits, found = -1;

	if (!profile)
		return -1;
	while (fscanf(profile, "%127s %ld %*d", name, &hits) == 2) {
		if (!strcmp(name, function))
			found = hits;
	}
	fclose(profile);
	return found;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel says.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

/* An fd that reads messages from now on; to be closed. */
int kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/*
 * Reads on to a message that has all of @count texts in it, and copies it. False if there is none
 * up to now.
 */
bool kmsg_find(int fd, const char * const *texts, size_t count, char *message, size_t size)
{
	char record[4096];
	ssize_t got;
	size_t i;

	while ((got = read(fd, record, sizeof(record) - 1)) > 0) {
		record[got] = 0;
		for (i = 0; i < count && strstr(record, texts[i]); i++)
			;
		if (i < count)
			continue;
		snprintf(message, size, "%s", record);
		return true;
	}
	return false;
}

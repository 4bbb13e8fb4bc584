// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk of the test bed in the hands of the host's driver.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

static void pause_ms(long milliseconds)
{
	const struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

/* The disk by its driver: sector 1 says so. */
bool disk_works(void)
{
	char text[16] = "";
	int fd;

	for (int waited = 0; waited < PATIENCE_MS; waited += 100) {
		fd = open("/dev/nvme0n1", O_RDONLY);
		if (fd < 0)
			fd = open("/dev/nvme1n1", O_RDONLY);
		if (fd >= 0 && pread(fd, text, 8, 512) == 8) {
			close(fd);
			return !strcmp(text, "sector 1");
		}
		if (fd >= 0)
			close(fd);
		pause_ms(100);
	}
	return false;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver that a device had before it was given to VFIO, in /run/vfioctl/BDF: until the next
 * boot, when whichever driver knows the device takes it anyway.
 */
#include <stdio.h>

#include "vfioctl.h"

static void file_of(const struct device *device, char *path, size_t size)
{
	snprintf(path, size, "/run/vfioctl/%s", device->name);
}

/* A device without a driver leaves no memory: then whoever knows it gets it. */
void former_remember(const struct steps *steps, const struct device *device)
{
	char path[128], line[NAME_SIZE + 1];

	if (!device->driver[0])
		return;
	file_of(device, path, sizeof(path));
	snprintf(line, sizeof(line), "%s\n", device->driver);
	if (step_create(steps, line, path) < 0)
		message("%s: cannot remember that its driver was %s", device->name, device->driver);
}

/* The driver need not be loaded any more. False, and an empty name, where nobody remembers one. */
bool former_recall(const struct device *device, char *driver, size_t size)
{
	char path[128];

	file_of(device, path, sizeof(path));
	return tree_line(driver, size, "%s", path) && driver[0];
}

void former_forget(const struct steps *steps, const struct device *device)
{
	char path[128];

	file_of(device, path, sizeof(path));
	if (tree_has("%s", path))
		step_remove(steps, path);
}

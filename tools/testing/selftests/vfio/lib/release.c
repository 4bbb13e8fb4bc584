// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a kernel is by its name, for tests of what a client can only tell by that.
 */
#include <stdio.h>
#include <sys/utsname.h>

#include "vfio.h"

/* Is the running kernel of this release or a later one? */
bool kernel_is_since(int major, int minor)
{
	int running_major, running_minor;
	struct utsname name;

	uname(&name);
	if (sscanf(name.release, "%d.%d", &running_major, &running_minor) != 2)
		return false;
	return running_major > major || (running_major == major && running_minor >= minor);
}

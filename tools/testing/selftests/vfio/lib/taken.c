// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a user sees of a device that was taken from him, or pulled out.
 */
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

/* Events of a dead fd; 0 while it is not. */
static int dead_events(int device)
{
	struct pollfd poll_fd = { .fd = device };

	return poll(&poll_fd, 1, 0) == 1 ? poll_fd.revents : 0;
}

static int error_of(long result)
{
	return result == -1 ? errno : 0;
}

/* Every call on a dead fd has the same answer. */
bool is_dead(int device)
{
	char data[8] = { };

	return error_of(ioctl(device, VFIO_DEVICE_RESET)) == ENODEV &&
	       error_of(ioctl(device, VFIO_DEVICE_GET_INFO, NULL)) == ENODEV &&
	       error_of(ioctl(device, VFIO_DEVICE_FEATURE, NULL)) == ENODEV &&
	       error_of(ioctl(device, 12345)) == ENODEV &&
	       error_of(pread(device, data, 4, 0)) == ENODEV &&
	       error_of(pwrite(device, data, 4, 0)) == ENODEV &&
	       error_of((intptr_t)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device, 0)) == ENODEV &&
	       dead_events(device) == (POLLERR | POLLHUP);
}

/* What a program reads from a mapping at this moment. */
__u32 bar_look(const __u32 *place)
{
	return __atomic_load_n(place, __ATOMIC_RELAXED);
}

/* Reads ones within the time that the kernel takes to wipe what was written. */
bool becomes_ones(const __u32 *place)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (int waited = 0; bar_look(place) != ONES; waited += 5) {
		if (waited > PATIENCE_MS)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

/* Nothing of the group is left either: its calls say so, and there is no node. */
static bool group_is_gone(const struct client *c)
{
	__u32 flags;

	return error_of(group_status(c->group, &flags)) == ENODEV &&
	       error_of(group_get_device(c->group, c->func.bdf)) == ENODEV &&
	       error_of(group_open(c->func.group)) == ENOENT;
}

/* The group of a device that went goes after it. */
bool group_goes(const struct client *c)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
		if (group_is_gone(c))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

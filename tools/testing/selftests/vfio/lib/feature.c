// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "vfio.h"

/* @flags: feature and operation; with @size bytes of data behind the head. */
int feature(int device, __u32 flags, const void *data, size_t size)
{
	union {
		struct vfio_device_feature head;
		char bytes[256];
	} argument = { .head.argsz = sizeof(argument.head) + size, .head.flags = flags };

	if (size)
		memcpy(argument.head.data, data, size);
	return ioctl(device, VFIO_DEVICE_FEATURE, &argument);
}

/* One of the low-power features; @event: an eventfd, if it takes one. */
int low_power(int device, __u32 flags, __s32 event)
{
	struct vfio_device_low_power_entry_with_wakeup data = { .wakeup_eventfd = event };

	return feature(device, flags, &data, sizeof(data));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts of a device fd and the eventfds that they arrive on.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio.h"

int irq_info(int device, __u32 index, struct vfio_irq_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(device, VFIO_DEVICE_GET_IRQ_INFO, info);
}

/* VFIO_DEVICE_SET_IRQS with @size bytes of data; returns what the ioctl does, so maybe a count. */
int irq_set(int device, __u32 flags, __u32 index, __u32 start, __u32 count, const void *data,
	    size_t size)
{
	struct vfio_irq_set *set = calloc(1, sizeof(*set) + size);
	int ret, error;

	if (!set)
		return -1;
	set->argsz = sizeof(*set) + size;
	set->flags = flags;
	set->index = index;
	set->start = start;
	set->count = count;
	if (size)
		memcpy(set->data, data, size);
	ret = ioctl(device, VFIO_DEVICE_SET_IRQS, set);
	error = errno;
	free(set);
	errno = error;
	return ret;
}

/* Has interrupts signal eventfds. */
int irq_events(int device, __u32 index, __u32 start, __u32 count, const __s32 *fds)
{
	return irq_set(device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER, index,
		       start, count, fds, count * sizeof(*fds));
}

/* An action on a range of interrupts without data. */
int irq_none(int device, __u32 action, __u32 index, __u32 start, __u32 count)
{
	return irq_set(device, VFIO_IRQ_SET_DATA_NONE | action, index, start, count, NULL, 0);
}

int irq_disable(int device, __u32 index)
{
	return irq_none(device, VFIO_IRQ_SET_ACTION_TRIGGER, index, 0, 0);
}

/* How often a text is in a line of /proc/interrupts that names the device. */
int interrupts_named(const char *name, const char *bdf)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024];
	int found = 0;

	while (file && fgets(line, sizeof(line), file))
		found += strstr(line, name) && strstr(line, bdf);
	if (file)
		fclose(file);
	return found;
}

int event_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

int event_signal(int fd)
{
	const __u64 one = 1;

	return write(fd, &one, sizeof(one)) == sizeof(one) ? 0 : -1;
}

/* How often the eventfd was signalled; waits until it was once, 0 if that does not come. */
long event_wait(int fd, int milliseconds)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	__u64 count;

	if (poll(&poll_fd, 1, milliseconds) <= 0)
		return 0;
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return 0;
	return count;
}

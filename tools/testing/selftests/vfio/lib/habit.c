// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a program does with a device until that is taken from it, perhaps before it begins. Each
 * returns 0, or the number of what went wrong.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vfio.h"

#define IOVA	(16 * MIB)

/* With the device alone. */
int habit_waits(struct client *c)
{
	struct pollfd poll_fd = { .fd = c->device };

	return poll(&poll_fd, 1, -1) == 1 ? 0 : 10;
}

/* With all that a client has: memory mapped for the device, a BAR, and an interrupt. */
int habit_sleeps(struct client *c)
{
	__u32 *bar = region_map(c, 0, 0, PAGE);
	char *memory = memory_new(4 * PAGE);
	__s32 event = event_new();

	if (bar == MAP_FAILED || config_command(c, PCI_COMMAND_MEMORY, 0))
		return is_dead(c->device) ? 0 : 17;
	if (dma_map_rw(c->container, memory, IOVA, 4 * PAGE))
		return is_dead(c->device) ? 0 : 18;
	if (irq_events(c->device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &event))
		return is_dead(c->device) ? 0 : 19;
	if (bar_look(bar) == ONES && !is_dead(c->device))
		return 20;
	if (habit_waits(c))
		return 10;
	/* It is told first, and then the memory goes. */
	return becomes_ones(bar) ? 0 : 21;
}

int habit_does_dma(struct client *c)
{
	char *memory = memory_new(4 * PAGE);

	if (edu_start(c) || dma_map_rw(c->container, memory, IOVA, 4 * PAGE))
		return is_dead(c->device) ? 0 : 11;
	while (!edu_to_memory(c, IOVA, 0, EDU_MAX))
		;
	return errno == ENODEV ? 0 : 12;
}

int habit_polls_bar(struct client *c)
{
	__u32 *bar = region_map(c, 0, 0, PAGE);

	if (bar == MAP_FAILED)
		return is_dead(c->device) ? 0 : 13;
	while (bar_look(bar) != ONES)
		;
	return 0;
}

int habit_takes_interrupts(struct client *c)
{
	__s32 fd = event_new();

	if (edu_start(c) || irq_events(c->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &fd))
		return is_dead(c->device) ? 0 : 14;
	while (!edu_raise(c))
		edu_lower(c);
	return errno == ENODEV ? 0 : 15;
}

/* A line that unmasks itself: the kernel ends that in the end, and the user begins it anew. */
int habit_takes_storm(struct client *c)
{
	struct pollfd poll_fd = { .fd = c->device };
	__s32 loop = event_new();

	if (edu_start(c) || irq_events(c->device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &loop) ||
	    irq_set(c->device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
		    VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &loop, sizeof(loop)) || edu_raise(c))
		return is_dead(c->device) ? 0 : 22;
	while (!poll(&poll_fd, 1, 1))
		event_signal(loop);
	/* From then on it is an eventfd like any other. */
	event_wait(loop, 0);
	return event_wait(loop, QUIET_MS) ? 23 : 0;
}

int habit_resets(struct client *c)
{
	while (!ioctl(c->device, VFIO_DEVICE_RESET) || errno == EAGAIN)
		;
	return errno == ENODEV ? 0 : 16;
}

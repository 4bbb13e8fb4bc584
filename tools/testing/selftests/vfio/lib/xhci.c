// SPDX-License-Identifier: GPL-2.0-only
/*
 * As much of a driver for xHCI as makes QEMU's controller interrupt. Each of its 16 interrupters
 * has a ring of events in memory and a message of its own (the number modulo the messages it may
 * send).
 * A consumer that says it is at another place of the ring than the controller has events left, so
 * the controller interrupts: no events are needed, only rings for them.
 */
#include <errno.h>
#include <linux/pci_regs.h>

#include "vfio.h"

#define XHCI_CAPLENGTH	0x00		/* a byte: where the operational registers are */
#define XHCI_RTSOFF	0x18		/* where the runtime registers are */
#define XHCI_USBCMD	0x00
#define XHCI_RUN	0x00000001U
#define XHCI_RESET	0x00000002U
#define XHCI_INTERRUPT	0x00000004U

/* An interrupter's registers */
#define XHCI_IMAN	0x00
#define XHCI_PENDING	1U		/* a one clears it */
#define XHCI_ENABLE	2U
#define XHCI_ERSTSZ	0x08
#define XHCI_ERSTBA	0x10
#define XHCI_ERDP	0x18
#define XHCI_BUSY	8U		/* a one clears it */

/* All rings are the same memory. */
#define XHCI_RING	0x10000U
#define XHCI_EVENT	16U
#define XHCI_EVENTS	16U

/* What the controller reads to find the ring, in one segment. */
struct segment {
	__u64 address;
	__u32 events;
	__u32 reserved;
};

static __u32 interrupter(const struct client *c, unsigned int number)
{
	return bar_read32(c, 0, XHCI_RTSOFF) + 0x20 + 0x20 * number;
}

static int ring_give(const struct client *c, unsigned int number)
{
	__u32 at = interrupter(c, number);

	return bar_write32(c, 0, at + XHCI_ERSTSZ, 1) ||
	       bar_write32(c, 0, at + XHCI_ERDP, XHCI_RING) ||
	       bar_write32(c, 0, at + XHCI_ERDP + 4, 0) ||
	       bar_write32(c, 0, at + XHCI_ERSTBA, XHCI_RING + PAGE / 2) ||
	       bar_write32(c, 0, at + XHCI_ERSTBA + 4, 0) ? -1 : 0;
}

/* Starts the controller, with a page of memory mapped for it that belongs to the container. */
int xhci_start(const struct client *c)
{
	char *memory = memory_new(PAGE);
	struct segment *segment = (struct segment *)(memory + PAGE / 2);
	__u32 usbcmd;

	if (!memory || config_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0))
		return -1;
	segment->address = XHCI_RING;
	segment->events = XHCI_EVENTS;
	usbcmd = (bar_read32(c, 0, XHCI_CAPLENGTH) & 0xff) + XHCI_USBCMD;
	if (dma_map_rw(c->container, memory, XHCI_RING, PAGE) ||
	    bar_write32(c, 0, usbcmd, XHCI_RESET))
		return -1;
	for (unsigned int i = 0; i < XHCI_MESSAGES; i++)
		if (ring_give(c, i))
			return -1;
	return bar_write32(c, 0, usbcmd, XHCI_RUN | XHCI_INTERRUPT);
}

/* Has an interrupter send its message. */
int xhci_raise(const struct client *c, unsigned int message)
{
	__u32 at = interrupter(c, message);

	if (bar_write32(c, 0, at + XHCI_IMAN, XHCI_PENDING | XHCI_ENABLE))
		return -1;
	return bar_write32(c, 0, at + XHCI_ERDP, (XHCI_RING + XHCI_EVENT) | XHCI_BUSY);
}

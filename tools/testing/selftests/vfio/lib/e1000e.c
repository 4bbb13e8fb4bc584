// SPDX-License-Identifier: GPL-2.0-only
/*
 * As much of a driver for the 82574 as makes it interrupt: one cause (receive queue 0), set by
 * software through ICS, and routed to any of five MSI-X vectors by IVAR.
 *
 * After an interrupt the card's timer for throttling runs. QEMU stops by an assertion when it ends
 * and the kind of interrupt is another one by then, so e1000e_stop() comes before each change. And
 * QEMU never forgets that the timer once held a vector back: from then on it sends each interrupt
 * of that vector a second time, until it is started anew. So e1000e_raise() lets the timer end
 * first.
 */
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio.h"

#define E1000E_ICR	0x00c0		/* causes; written with ones to clear */
#define E1000E_ICS	0x00c8		/* sets causes */
#define E1000E_IMS	0x00d0		/* lets causes through */
#define E1000E_IMC	0x00d8		/* holds causes back */
#define E1000E_IVAR	0x00e4		/* four bits for each cause: valid and vector */
#define E1000E_RXQ0	0x00100000U
#define E1000E_VALID	8U

#define E1000E_THROTTLE_US	2000	/* 128, and QEMU may be late */

/* Turns decoding and bus mastering on, and all causes but ours off. */
int e1000e_start(const struct client *c)
{
	if (config_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0) ||
	    bar_write32(c, 0, E1000E_IMC, ~0U) || bar_write32(c, 0, E1000E_ICR, ~0U))
		return -1;
	return bar_write32(c, 0, E1000E_IMS, E1000E_RXQ0);
}

/* Which MSI-X vector is to be sent. */
int e1000e_route(const struct client *c, unsigned int vector)
{
	return bar_write32(c, 0, E1000E_IVAR, E1000E_VALID | vector);
}

int e1000e_raise(const struct client *c)
{
	usleep(E1000E_THROTTLE_US);
	return bar_write32(c, 0, E1000E_ICS, E1000E_RXQ0);
}

int e1000e_lower(const struct client *c)
{
	return bar_write32(c, 0, E1000E_ICR, ~0U);
}

/* Resets the function, which stops the card's timers; e1000e_start() starts it again. */
int e1000e_stop(const struct client *c)
{
	return ioctl(c->device, VFIO_DEVICE_RESET);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Eventfd and interrupt are arguments since 6.17; before, members of the producer. */
#ifndef _COMPAT_LINUX_IRQBYPASS_H
#define _COMPAT_LINUX_IRQBYPASS_H

#include_next <linux/irqbypass.h>

#ifdef COMPAT_HAS_IRQBYPASS_TOKEN
struct eventfd_ctx;

static inline int compat_irq_bypass_register_producer(struct irq_bypass_producer *producer,
						      struct eventfd_ctx *eventfd, int irq)
{
	producer->token = eventfd;
	producer->irq = irq;
	return irq_bypass_register_producer(producer);
}

#define irq_bypass_register_producer compat_irq_bypass_register_producer
#endif

#endif

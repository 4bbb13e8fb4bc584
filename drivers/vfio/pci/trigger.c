// SPDX-License-Identifier: GPL-2.0-only
/*
 * A trigger: the user's eventfd behind one interrupt.
 *
 * It is signalled from interrupt handlers, from other eventfds and from threads that hold no lock
 * of ours, and the user may exchange it at any time. This file owns how that is safe: readers look
 * at it in an RCU section, and whoever takes it away waits for them before giving the eventfd back.
 *
 * No lock is held while an eventfd is signalled, because what hangs on an eventfd may be one of our
 * own hooks, which takes locks of its own.
 */
#include <linux/eventfd.h>
#include <linux/rcupdate.h>

#include "pci.h"
#include "trace.h"

/**
 * vfio_pci_trigger_set - exchange the eventfd of a trigger
 * @vpci: the device that owns @trigger
 * @trigger: the trigger
 * @eventfd: a reference that moves into the trigger; NULL to leave it empty
 *
 * Context: process context, irq_lock held. Sleeps until nobody signals the former eventfd.
 */
void vfio_pci_trigger_set(struct vfio_pci_device *vpci, struct eventfd_ctx __rcu **trigger,
			  struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old;

	lockdep_assert_held(&vpci->irq_lock);

	old = rcu_replace_pointer(*trigger, eventfd, lockdep_is_held(&vpci->irq_lock));
	if (!old)
		return;
	synchronize_rcu();
	eventfd_ctx_put(old);
}

/* The interrupt index of a trigger. */
static u32 trigger_index(const struct vfio_pci_device *vpci,
			 struct eventfd_ctx __rcu * const *trigger)
{
	if (trigger == &vpci->err_trigger)
		return VFIO_PCI_ERR_IRQ_INDEX;
	if (trigger == &vpci->req_trigger)
		return VFIO_PCI_REQ_IRQ_INDEX;
	return VFIO_PCI_INTX_IRQ_INDEX;
}

/**
 * vfio_pci_trigger_fire - signal a trigger's eventfd
 * @vpci: the device that owns @trigger
 * @trigger: the trigger
 *
 * Context: any, but no lock may be held that a hook on an eventfd takes.
 * Return: whether there is an eventfd.
 */
bool vfio_pci_trigger_fire(struct vfio_pci_device *vpci, struct eventfd_ctx __rcu **trigger)
{
	struct eventfd_ctx *eventfd;

	rcu_read_lock();
	eventfd = rcu_dereference(*trigger);
	if (eventfd) {
		if (trace_irq_fire_enabled())
			trace_irq_fire(vpci, trigger_index(vpci, trigger), 0);
		eventfd_signal(eventfd);
	}
	rcu_read_unlock();
	return eventfd;
}

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

/**
 * vfio_pci_trigger_fire - signal a trigger's eventfd
 * @trigger: the trigger
 *
 * Context: any, but no lock may be held that a hook on an eventfd takes.
 * Return: whether there is an eventfd.
 */
bool vfio_pci_trigger_fire(struct eventfd_ctx __rcu **trigger)
{
	struct eventfd_ctx *eventfd;

	rcu_read_lock();
	eventfd = rcu_dereference(*trigger);
	if (eventfd)
		eventfd_signal(eventfd);
	rcu_read_unlock();
	return eventfd;
}

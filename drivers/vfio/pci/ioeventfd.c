// SPDX-License-Identifier: GPL-2.0-only
/*
 * Writes to BARs that a user's eventfd makes.
 *
 * An ioeventfd writes a fixed value to a fixed place when its eventfd is signalled: in the context
 * of whoever signals if memory_lock is free. Else the write is late, and a work of the device makes
 * all late writes once it has the lock: one device keeps one worker waiting.
 *
 * The list of them is guarded by ioeventfds_lock; an entry does not change once its hook is in
 * place, but for its place among the late ones, so callbacks need only memory_lock and late_lock.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "pci.h"

#define MAX_IOEVENTFDS	1000

/**
 * struct ioeventfd - a write that an eventfd makes
 * @node: in vfio_pci_device.ioeventfds
 * @late: in vfio_pci_device.late_ioeventfds while its write is due; late_lock
 * @hook: on the user's eventfd
 * @bar: which BAR
 * @width: bytes
 * @offset: in the BAR
 * @data: what is written
 */
struct ioeventfd {
	struct list_head node;
	struct list_head late;
	struct vfio_virqfd *hook;
	unsigned int bar;
	unsigned int width;
	u64 offset;
	u64 data;
};

static void ioeventfd_write(struct vfio_pci_device *vpci, const struct ioeventfd *entry)
{
	vfio_pci_bar_poke(vpci, entry->bar, entry->offset, entry->width, entry->data);
}

static void ioeventfd_defer(struct vfio_pci_device *vpci, struct ioeventfd *entry)
{
	unsigned long flags;

	spin_lock_irqsave(&vpci->late_lock, flags);
	if (list_empty(&entry->late))
		list_add_tail(&entry->late, &vpci->late_ioeventfds);
	spin_unlock_irqrestore(&vpci->late_lock, flags);
	queue_work(system_unbound_wq, &vpci->late_work);
}

/* Not from an interrupt handler: the device could be made to keep the processor there. */
static bool ioeventfd_now(void *owner, void *data)
{
	struct vfio_pci_device *vpci = owner;

	if (in_hardirq() || !down_read_trylock(&vpci->memory_lock)) {
		ioeventfd_defer(vpci, data);
		return false;
	}
	ioeventfd_write(vpci, data);
	up_read(&vpci->memory_lock);
	return false;
}

static struct ioeventfd *late_pop(struct vfio_pci_device *vpci, struct list_head *due)
{
	struct ioeventfd *entry;

	spin_lock_irq(&vpci->late_lock);
	entry = list_first_entry_or_null(due, struct ioeventfd, late);
	if (entry)
		list_del_init(&entry->late);
	spin_unlock_irq(&vpci->late_lock);
	return entry;
}

/* What becomes late meanwhile is for the next turn: whoever waits for the lock is first. */
static void late_write(struct work_struct *work)
{
	struct vfio_pci_device *vpci = container_of(work, struct vfio_pci_device, late_work);
	struct ioeventfd *entry;
	LIST_HEAD(due);

	spin_lock_irq(&vpci->late_lock);
	list_splice_init(&vpci->late_ioeventfds, &due);
	spin_unlock_irq(&vpci->late_lock);

	down_read(&vpci->memory_lock);
	while ((entry = late_pop(vpci, &due)))
		ioeventfd_write(vpci, entry);
	up_read(&vpci->memory_lock);
}

/**
 * vfio_pci_ioeventfds_init - a device without ioeventfds
 * @vpci: a new device
 *
 * Context: any.
 */
void vfio_pci_ioeventfds_init(struct vfio_pci_device *vpci)
{
	mutex_init(&vpci->ioeventfds_lock);
	INIT_LIST_HEAD(&vpci->ioeventfds);
	spin_lock_init(&vpci->late_lock);
	INIT_LIST_HEAD(&vpci->late_ioeventfds);
	INIT_WORK(&vpci->late_work, late_write);
}

static int ioeventfd_decode(struct vfio_pci_device *vpci, const struct vfio_device_ioeventfd *arg,
			    struct ioeventfd *entry)
{
	u64 index = arg->offset >> VFIO_PCI_OFFSET_SHIFT;

	entry->width = arg->flags & VFIO_DEVICE_IOEVENTFD_SIZE_MASK;
	entry->offset = arg->offset & VFIO_PCI_OFFSET_MASK;
	entry->data = arg->data;
	if (index >= VFIO_PCI_NR_BARS || arg->fd < -1 || !is_power_of_2(entry->width))
		return -EINVAL;
	entry->bar = index;
	return vfio_pci_bar_allows(vpci, entry->bar, entry->offset, entry->width);
}

static struct ioeventfd *ioeventfd_find(struct vfio_pci_device *vpci,
					const struct ioeventfd *like)
{
	struct ioeventfd *entry;

	lockdep_assert_held(&vpci->ioeventfds_lock);

	list_for_each_entry(entry, &vpci->ioeventfds, node) {
		if (entry->bar == like->bar && entry->offset == like->offset &&
		    entry->width == like->width && entry->data == like->data)
			return entry;
	}
	return NULL;
}

static void ioeventfd_remove(struct vfio_pci_device *vpci, struct ioeventfd *entry)
{
	lockdep_assert_held(&vpci->ioeventfds_lock);

	list_del(&entry->node);
	vpci->nr_ioeventfds--;
	/* Until no callback uses the entry, and what was signalled is written. */
	vfio_virqfd_unhook(&entry->hook);
	flush_work(&vpci->late_work);
	kfree(entry);
}

static int ioeventfd_add(struct vfio_pci_device *vpci, const struct ioeventfd *like, int fd)
{
	const struct vfio_virqfd model = {
		.owner = vpci,
		.handler = ioeventfd_now,
	};
	struct ioeventfd *entry;
	int ret;

	if (vpci->nr_ioeventfds >= MAX_IOEVENTFDS)
		return -ENOSPC;
	entry = kmemdup(like, sizeof(*like), GFP_KERNEL_ACCOUNT);
	if (!entry)
		return -ENOMEM;
	INIT_LIST_HEAD(&entry->late);
	ret = vfio_virqfd_hook(&entry->hook, fd, &model, entry);
	if (ret) {
		kfree(entry);
		return ret;
	}
	list_add(&entry->node, &vpci->ioeventfds);
	vpci->nr_ioeventfds++;
	return 0;
}

/**
 * vfio_pci_ioeventfd - VFIO_DEVICE_IOEVENTFD
 * @owner: the device
 * @call: struct vfio_device_ioeventfd
 *
 * Context: process context; takes ioeventfds_lock.
 * Return: 0; -EINVAL for a place or width that cannot be written; -EEXIST, -ENODEV, -ENOSPC for one
 * that there is, is not, is too many; -EBADF; -ENOMEM.
 */
long vfio_pci_ioeventfd(void *owner, struct vfio_call *call)
{
	struct vfio_pci_device *vpci = to_vfio_pci(owner);
	const struct vfio_device_ioeventfd *arg = call->data;
	struct ioeventfd like = {}, *entry;
	int ret;

	ret = ioeventfd_decode(vpci, arg, &like);
	if (ret)
		return ret;

	mutex_lock(&vpci->ioeventfds_lock);
	entry = ioeventfd_find(vpci, &like);
	if (arg->fd >= 0)
		ret = entry ? -EEXIST : ioeventfd_add(vpci, &like, arg->fd);
	else if (entry)
		ioeventfd_remove(vpci, entry);
	else
		ret = -ENODEV;
	mutex_unlock(&vpci->ioeventfds_lock);
	return ret;
}

/**
 * vfio_pci_ioeventfds_close - remove all ioeventfds
 * @vpci: the device, being closed
 *
 * Context: process context; sleeps until no callback runs.
 */
void vfio_pci_ioeventfds_close(struct vfio_pci_device *vpci)
{
	struct ioeventfd *entry, *next;

	mutex_lock(&vpci->ioeventfds_lock);
	list_for_each_entry_safe(entry, next, &vpci->ioeventfds, node)
		ioeventfd_remove(vpci, entry);
	mutex_unlock(&vpci->ioeventfds_lock);
}

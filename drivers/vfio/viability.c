// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why is a group not viable?
 *
 * The driver core knows that a driver of the host uses the group, but not how to say which. This
 * file walks the members of the iommu_group and names those that are bound to a driver which does
 * DMA of its own.
 *
 * A driver is only safe to look at under its device's lock. That lock is taken by trying: whoever
 * unbinds a device holds it, possibly for as long as the reader of our answer takes to let go.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "vfio.h"

/* Held by those who try for locks of devices, which would else find them taken by each other. */
static DEFINE_MUTEX(trying);

/* At the end of a list that has no room for all. */
#define ELLIPSIS " ..."

/* A member of the group, held. */
struct member_device {
	struct list_head node;
	struct device *dev;
};

static int collect_member(struct device *dev, void *data)
{
	struct member_device *member;

	member = kzalloc(sizeof(*member), GFP_KERNEL);
	if (!member)
		return -ENOMEM;
	member->dev = get_device(dev);
	list_add_tail(&member->node, data);
	return 0;
}

/* Does the driver leave DMA to whoever owns the group? */
static bool driver_is_harmless(const struct device *dev)
{
	return dev_is_pci(dev) && to_pci_driver(dev->driver)->driver_managed_dma;
}

/* "BDF driver" if the member blocks the group, else nothing. The length it has, room or not. */
static size_t member_print(struct device *dev, char *text, size_t size)
{
	size_t length = 0;

	if (!device_trylock(dev))
		return snprintf(text, size, "%s (changing)", dev_name(dev));
	if (dev->driver && !driver_is_harmless(dev))
		length = snprintf(text, size, "%s %s", dev_name(dev), dev->driver->name);
	device_unlock(dev);
	return length;
}

/*
 * Add a member to a list of @length; false if there is no room for it, and for ELLIPSIS behind it.
 * One byte is kept for the separator, put in front once it is known that there is something.
 */
static bool member_append(struct device *dev, char *text, size_t *length, size_t room,
			  char separator)
{
	size_t at = *length + !!*length;
	size_t more = at < room ? member_print(dev, text + at, room - at) : room;

	if (!more)
		return true;
	if (at + more >= room)
		return false;
	if (*length)
		text[*length] = separator;
	*length = at + more;
	return true;
}

/**
 * vfio_blockers_print - name the members of a group that a driver of the host uses
 * @iommu_group: the group; the caller holds a reference
 * @text: gets "BDF driver" of each, separated by @separator; empty where there is none
 * @size: bytes of @text, a few dozen at least; where not all fits, or memory is short, it ends in
 *	" ..."
 * @separator: one character
 *
 * Context: process context; may sleep.
 * Return: length of the text.
 */
size_t vfio_blockers_print(struct iommu_group *iommu_group, char *text, size_t size,
			   char separator)
{
	struct member_device *member, *next;
	LIST_HEAD(members);
	size_t length = 0;
	bool all, fits = true;

	all = !iommu_group_for_each_dev(iommu_group, &members, collect_member);
	mutex_lock(&trying);
	list_for_each_entry_safe(member, next, &members, node) {
		fits = fits && member_append(member->dev, text, &length, size - strlen(ELLIPSIS),
					     separator);
		put_device(member->dev);
		kfree(member);
	}
	mutex_unlock(&trying);
	/* Behind the end may be what had no room. */
	return length + scnprintf(text + length, size - length, "%s",
				  all && fits ? "" : ELLIPSIS);
}

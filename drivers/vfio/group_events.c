// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of a group come and go beside us.
 *
 * The members of an iommu_group belong to the bus, not to VFIO: one may be plugged in, removed, or
 * bound to a driver of the host while a user has the group. The driver core keeps drivers of the
 * host away from a group whose DMA is claimed, without a word to anybody; this file listens on the
 * bus and tells what happens, and when a device comes to where such a driver will be refused.
 * Each event of a device in a group of ours becomes a "change" uevent of the group with VFIO_EVENT
 * set to the event's name below and VFIO_DEVICE to the device's. What happens in a group that is in
 * use, and is not of our doing, goes to the log as well.
 *
 * Nothing that another driver does is an error here.
 */
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/iommu.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "vfio.h"

/**
 * struct group_event - what the bus says and what it means to a group
 * @action: BUS_NOTIFY_*
 * @name: as it is told
 * @in_use: message where the group is in use; NULL: the event says nothing about safety
 */
struct group_event {
	unsigned long action;
	const char *name;
	const char *in_use;
};

static const struct group_event group_events[] = {
	{ BUS_NOTIFY_ADD_DEVICE, "ADD", "was added, no driver of the host can have it" },
	{ BUS_NOTIFY_DEL_DEVICE, "DEL", "is removed from the group" },
	{ BUS_NOTIFY_BIND_DRIVER, "BIND" },
	{ BUS_NOTIFY_BOUND_DRIVER, "BOUND" },
	{ BUS_NOTIFY_UNBIND_DRIVER, "UNBIND" },
	{ BUS_NOTIFY_UNBOUND_DRIVER, "UNBOUND", "has no driver, none of the host can have it" },
	{ BUS_NOTIFY_DRIVER_NOT_BOUND, "NOTBOUND", "could not be bound to a driver" },
};

static void group_tell(struct vfio_group *group, const struct group_event *event,
		       struct device *dev)
{
	char *envp[3];

	envp[0] = kasprintf(GFP_KERNEL, "VFIO_EVENT=%s", event->name);
	envp[1] = kasprintf(GFP_KERNEL, "VFIO_DEVICE=%s", dev_name(dev));
	envp[2] = NULL;
	if (envp[0] && envp[1])
		vfio_group_uevent(group, envp);
	kfree(envp[0]);
	kfree(envp[1]);

	if (event->in_use && vfio_group_in_use(group))
		dev_notice_ratelimited(&group->dev, "in use: %s %s\n", dev_name(dev),
				       event->in_use);
}

static int group_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct device *dev = data;
	struct iommu_group *iommu_group;
	struct vfio_group *group;
	unsigned int i;

	iommu_group = iommu_group_get(dev);
	if (!iommu_group)
		return NOTIFY_DONE;
	group = vfio_group_get(iommu_group);
	iommu_group_put(iommu_group);
	if (!group)
		return NOTIFY_DONE;

	for (i = 0; i < ARRAY_SIZE(group_events); i++) {
		if (group_events[i].action == action)
			group_tell(group, &group_events[i], dev);
	}
	put_device(&group->dev);
	return NOTIFY_OK;
}

static struct notifier_block group_notifier = { .notifier_call = group_notify };

int __init vfio_group_events_init(void)
{
	return bus_register_notifier(&pci_bus_type, &group_notifier);
}

void vfio_group_events_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &group_notifier);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the fdinfo of a group fd tells:
 *
 *   vfio-group:		its number; none once its last device is gone
 *   vfio-group-container:	1 if it is in one
 *   vfio-group-viable:		1 if its devices are the user's, or can become so
 *   vfio-group-blockers:	otherwise, if known: each device in the way, and its driver
 *   vfio-group-device:		a line for each device: its name, and how many fds of it are open
 *
 * The group's lock, under which much may be unpinned, is not taken.
 */
#include <linux/iommu.h>
#include <linux/seq_file.h>

#include "vfio.h"

static void show_viability(struct vfio_group *group, struct iommu_group *iommu_group,
			   struct seq_file *seq)
{
	bool attached = READ_ONCE(group->member.container);
	char blockers[VFIO_BLOCKERS_BYTES];
	bool viable;

	/* The owner may be the user, who has come or gone meanwhile. */
	viable = attached || !iommu_group_dma_owner_claimed(iommu_group) ||
		 READ_ONCE(group->member.container);

	seq_printf(seq, "vfio-group-container: %d\n", attached);
	seq_printf(seq, "vfio-group-viable: %d\n", viable);
	if (!viable && vfio_blockers_print(iommu_group, blockers, sizeof(blockers), ','))
		seq_printf(seq, "vfio-group-blockers: %s\n", blockers);
}

static void show_devices(struct vfio_group *group, struct seq_file *seq)
{
	struct vfio_device *device;

	mutex_lock(&group->devices_lock);
	list_for_each_entry(device, &group->devices, group_node)
		seq_printf(seq, "vfio-group-device: %s %u\n", dev_name(device->dev),
			   READ_ONCE(device->open_count));
	mutex_unlock(&group->devices_lock);
}

/**
 * vfio_group_fdinfo - what an open group fd tells
 * @group: the group, which may be dead
 * @seq: gets the lines
 *
 * Context: process context; may sleep; takes group->view_lock and group->devices_lock.
 */
void vfio_group_fdinfo(struct vfio_group *group, struct seq_file *seq)
{
	struct iommu_group *iommu_group = NULL;

	spin_lock(&group->view_lock);
	if (group->iommu_group)
		iommu_group = iommu_group_ref_get(group->iommu_group);
	spin_unlock(&group->view_lock);
	if (!iommu_group) {
		seq_puts(seq, "vfio-group: none\n");
		return;
	}

	seq_printf(seq, "vfio-group: %d\n", iommu_group_id(iommu_group));
	show_viability(group, iommu_group, seq);
	iommu_group_put(iommu_group);
	show_devices(group, seq);
}

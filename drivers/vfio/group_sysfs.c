// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one can see of a group: the attributes of /sys/class/vfio/N.
 *
 *   state	"free", "open", or "attached" once it is in a container
 *   holder	PID and command of who opened it; empty while it is free
 *   devices	a line for each device: its name, and how many fds of it are open
 *   blockers	a line for each device that makes the group not viable: its name and its driver
 *
 * Reading waits for nobody's call: not for a device's lock, so that a process whose device is being
 * taken away may read on, and not for the group's, under which much may be unpinned.
 */
#include <linux/device.h>
#include <linux/iommu.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "vfio.h"

static struct vfio_group *to_group(struct device *dev)
{
	return container_of(dev, struct vfio_group, dev);
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vfio_group *group = to_group(dev);
	const char *state = "free";

	if (READ_ONCE(group->member.container))
		state = "attached";
	else if (READ_ONCE(group->opened_file))
		state = "open";
	return sysfs_emit(buf, "%s\n", state);
}
static DEVICE_ATTR_RO(state);

static ssize_t holder_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vfio_group *group = to_group(dev);
	struct vfio_holder_text text;

	spin_lock(&group->view_lock);
	vfio_holder_print(&group->holder, &text);
	spin_unlock(&group->view_lock);
	return sysfs_emit(buf, "%s\n", text.text);
}
static DEVICE_ATTR_RO(holder);

static ssize_t devices_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vfio_group *group = to_group(dev);
	struct vfio_device *device;
	int length = 0;

	mutex_lock(&group->devices_lock);
	list_for_each_entry(device, &group->devices, group_node)
		length += sysfs_emit_at(buf, length, "%s %u\n", dev_name(device->dev),
					READ_ONCE(device->open_count));
	mutex_unlock(&group->devices_lock);
	return length;
}
static DEVICE_ATTR_RO(devices);

static ssize_t blockers_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct vfio_group *group = to_group(dev);
	struct iommu_group *iommu_group = NULL;
	size_t length;

	spin_lock(&group->view_lock);
	if (group->iommu_group)
		iommu_group = iommu_group_ref_get(group->iommu_group);
	spin_unlock(&group->view_lock);
	if (!iommu_group)
		return -ENODEV;

	length = vfio_blockers_print(iommu_group, buf, PAGE_SIZE - 1, '\n');
	iommu_group_put(iommu_group);
	if (length)
		buf[length++] = '\n';
	return length;
}
static DEVICE_ATTR_RO(blockers);

static struct attribute *group_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_holder.attr,
	&dev_attr_devices.attr,
	&dev_attr_blockers.attr,
	NULL
};

static const struct attribute_group group_attr_group = { .attrs = group_attrs };

const struct attribute_group *vfio_group_attr_groups[] = { &group_attr_group, NULL };

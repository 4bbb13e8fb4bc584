// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one can see and set of a device: the attributes of /sys/…/vfio-dev/vfioX.
 *
 *   holders		a line for each fd that has the device: PID and command of its opener
 *   revoke_after_ms	how long unbinding waits for them: milliseconds, -1 for ever. Until it is
 *			written, it follows the module parameter of this name. May be written while
 *			an unbind waits
 *
 * Nobody here waits for the device's lock, which an unbind holds.
 */
#include <linux/device.h>
#include <linux/kernel.h>
#include <linux/sysfs.h>

#include "vfio.h"

static struct vfio_device *to_vfio(struct device *dev)
{
	return container_of(dev, struct vfio_device, device);
}

static ssize_t holders_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	size_t length = vfio_device_holders_print(to_vfio(dev), buf, PAGE_SIZE - 1, "\n");

	return length + sysfs_emit_at(buf, length, length ? "\n" : "");
}
static DEVICE_ATTR_RO(holders);

static ssize_t revoke_after_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", max(vfio_revoke_after(to_vfio(dev)), -1));
}

static ssize_t revoke_after_ms_store(struct device *dev, struct device_attribute *attr,
				     const char *buf, size_t count)
{
	int milliseconds, ret;

	ret = kstrtoint(buf, 0, &milliseconds);
	if (ret)
		return ret;
	if (milliseconds < -1)
		return -EINVAL;
	vfio_revoke_after_set(to_vfio(dev), milliseconds);
	return count;
}
static DEVICE_ATTR_RW(revoke_after_ms);

static struct attribute *device_attrs[] = {
	&dev_attr_holders.attr,
	&dev_attr_revoke_after_ms.attr,
	NULL
};

static const struct attribute_group device_attr_group = { .attrs = device_attrs };

static const struct attribute_group *device_attr_groups[] = { &device_attr_group, NULL };

/* The driver's own attributes are the groups of the device itself. */
const struct device_type vfio_device_type = { .groups = device_attr_groups };

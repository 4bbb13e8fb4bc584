// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device appears, a device goes.
 *
 * This file owns no state. It composes device and group in the one order that lets users in when
 * all is ready, and lets the driver go when no user has the device any more.
 */
#include <linux/export.h>
#include <linux/iommu.h>

#include "fault.h"
#include "vfio.h"

/*
 * A device whose DMA the IOMMU cannot keep coherent has no place in a user's hands, nor one that no
 * IOMMU watches, unless the administrator insists on that.
 */
static struct iommu_group *device_iommu_group(struct vfio_device *device)
{
	struct iommu_group *iommu_group;

	iommu_group = iommu_group_get(device->dev);
	if (!iommu_group) {
		if (!vfio_noiommu_allowed()) {
			dev_info(device->dev, "refused, no IOMMU watches its DMA\n");
			return ERR_PTR(-EINVAL);
		}
		device->noiommu = true;
		return vfio_noiommu_group_create(device->dev);
	}
	if (!device_iommu_capable(device->dev, IOMMU_CAP_CACHE_COHERENCY) || vfio_should_fail()) {
		iommu_group_put(iommu_group);
		dev_info(device->dev, "refused, the IOMMU cannot keep its DMA coherent\n");
		return ERR_PTR(-EINVAL);
	}
	return iommu_group;
}

/* /sys/…/vfio-dev/vfioX, then the group and by it /dev/vfio/N. */
static int device_publish(struct vfio_device *device, struct iommu_group *iommu_group)
{
	int ret;

	ret = dev_set_name(&device->device, "vfio%d", device->index);
	if (ret)
		return ret;
	device->device.type = &vfio_device_type;
	/* Whoever hears of it may open it at once. */
	dev_set_uevent_suppress(&device->device, true);
	ret = device_add(&device->device);
	if (ret)
		return ret;

	vfio_device_use_first(device);
	ret = vfio_group_join(device, iommu_group);
	if (ret) {
		vfio_device_put(device);
		device_del(&device->device);
		return ret;
	}
	dev_set_uevent_suppress(&device->device, false);
	kobject_uevent(&device->device.kobj, KOBJ_ADD);
	return 0;
}

/**
 * vfio_register_group_dev - let users have a device
 * @device: made by vfio_alloc_device(), ready to be opened; stays the caller's
 *
 * The last step of a driver's probe.
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL without an IOMMU or if that cannot keep DMA coherent; -ENOMEM; or why the
 * nodes could not be made.
 */
int vfio_register_group_dev(struct vfio_device *device)
{
	struct iommu_group *iommu_group;
	int ret;

	/* A device that is like no other is reset by itself. */
	if (!device->set) {
		ret = vfio_assign_device_set(device, device);
		if (ret)
			return ret;
	}

	iommu_group = device_iommu_group(device);
	if (IS_ERR(iommu_group))
		return PTR_ERR(iommu_group);

	ret = device_publish(device, iommu_group);
	if (ret && device->noiommu)
		vfio_noiommu_group_destroy(device->dev);
	iommu_group_put(iommu_group);
	if (!ret)
		vfio_debugfs_device_add(device);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vfio_register_group_dev, VFIO_NS);

/**
 * vfio_unregister_group_dev - take a device back from its users
 * @device: registered; stays the caller's
 *
 * Nobody can open the device from here on; whoever has it open is asked to close it, and loses it
 * if he does not (revoke.c). His dead fds may outlive the device's driver.
 *
 * Context: process context; sleeps, as long as users are waited for.
 */
void vfio_unregister_group_dev(struct vfio_device *device)
{
	vfio_group_hide(device);
	vfio_device_put(device);
	vfio_device_recover(device);
	vfio_debugfs_device_remove(device);
	vfio_group_leave(device);
	if (device->noiommu)
		vfio_noiommu_group_destroy(device->dev);
	device_del(&device->device);
}
EXPORT_SYMBOL_NS_GPL(vfio_unregister_group_dev, VFIO_NS);

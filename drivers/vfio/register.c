// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device appears, a device goes.
 *
 * This file owns no state. It composes device and group in the one order that lets users in when
 * all is ready, and lets the driver go when the last user has left.
 */
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/sched/signal.h>

#include "vfio.h"

#define REQUEST_INTERVAL (10 * HZ)

/*
 * A device whose DMA the IOMMU cannot keep coherent has no place in a user's hands, nor one that no
 * IOMMU watches, unless the administrator insists on that.
 */
static struct iommu_group *device_iommu_group(struct vfio_device *device)
{
	struct iommu_group *iommu_group;

	iommu_group = iommu_group_get(device->dev);
	if (!iommu_group) {
		if (!vfio_noiommu_allowed())
			return ERR_PTR(-EINVAL);
		device->noiommu = true;
		return vfio_noiommu_group_create(device->dev);
	}
	if (!device_iommu_capable(device->dev, IOMMU_CAP_CACHE_COHERENCY)) {
		iommu_group_put(iommu_group);
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
	ret = device_add(&device->device);
	if (ret)
		return ret;

	refcount_set(&device->users, 1);
	ret = vfio_group_join(device, iommu_group);
	if (ret)
		device_del(&device->device);
	return ret;
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
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vfio_register_group_dev, VFIO_NS);

/* Tell once who waits for whom. */
static void tell_waiting(struct vfio_device *device)
{
	struct vfio_holder_text text;
	struct vfio_holder waiting;
	char holders[128];

	vfio_holder_set(&waiting);
	vfio_device_holders_print(device, holders, sizeof(holders));
	dev_warn(device->dev, "Device is currently in use, task %s waits for its holder: %s\n",
		 vfio_holder_print(&waiting, &text), holders);
}

/*
 * Ask the user again and again. A signal to the waiting task is no way out: the driver core has no
 * use for a remove that fails. It only tells that somebody waits, so tell whom for.
 */
static void wait_for_users(struct vfio_device *device)
{
	unsigned int asked = 0;
	bool interrupted = false;
	long left = 0;

	while (!left && !try_wait_for_completion(&device->no_users)) {
		if (device->ops->request)
			device->ops->request(device, asked++);

		if (interrupted) {
			left = wait_for_completion_timeout(&device->no_users, REQUEST_INTERVAL);
			continue;
		}
		left = wait_for_completion_interruptible_timeout(&device->no_users,
								 REQUEST_INTERVAL);
		if (left < 0) {
			interrupted = true;
			left = 0;
			tell_waiting(device);
		}
	}
}

/**
 * vfio_unregister_group_dev - take a device back from its users
 * @device: registered; stays the caller's
 *
 * Nobody can open the device from here on; whoever has it open is asked to close it.
 *
 * Context: process context; sleeps until the last user has let go.
 */
void vfio_unregister_group_dev(struct vfio_device *device)
{
	vfio_group_hide(device);
	vfio_device_put(device);
	wait_for_users(device);
	vfio_group_leave(device);
	if (device->noiommu)
		vfio_noiommu_group_destroy(device->dev);
	device_del(&device->device);
}
EXPORT_SYMBOL_NS_GPL(vfio_unregister_group_dev, VFIO_NS);

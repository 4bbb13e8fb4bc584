// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others ask about a file that may be a group's or a device's.
 *
 * kvm.ko finds these symbols by name in whatever module has them, so names and signatures are those
 * that the kvm.ko of any supported kernel looks for. Its device KVM_DEV_TYPE_VFIO holds a reference
 * to the file and to this module meanwhile.
 */
#include <linux/export.h>

#include "gate.h"
#include "vfio.h"

/**
 * vfio_file_is_group - is this file an open /dev/vfio/N?
 * @file: any open file
 *
 * Context: any.
 * Return: whether it is.
 */
bool vfio_file_is_group(struct file *file)
{
	return vfio_group_from_file(file);
}
EXPORT_SYMBOL_NS_GPL(vfio_file_is_group, VFIO_NS);

/**
 * vfio_file_is_valid - is this file an open /dev/vfio/N or a device fd?
 * @file: any open file
 *
 * kvm.ko asks this since 6.6, and vfio_file_is_group() before.
 *
 * Context: any.
 * Return: whether it is.
 */
bool vfio_file_is_valid(struct file *file)
{
	return vfio_group_from_file(file) || vfio_device_from_file(file);
}
EXPORT_SYMBOL_NS_GPL(vfio_file_is_valid, VFIO_NS);

/**
 * vfio_file_has_dev - does a file speak for a device?
 * @file: any open file
 * @device: a registered device
 *
 * Context: any.
 * Return: whether @device is in the group of @file, or @file an fd of it.
 */
bool vfio_file_has_dev(struct file *file, struct vfio_device *device)
{
	struct vfio_group *group = vfio_group_from_file(file);

	return group ? group == device->group : vfio_device_from_file(file) == device;
}
EXPORT_SYMBOL_NS_GPL(vfio_file_has_dev, VFIO_NS);

/*
 * A device is attached as its group is; one that was taken back makes no DMA. In the gate nobody
 * waits for locks of the group, which its user could make last.
 */
static bool device_enforces_coherency(struct vfio_device *device)
{
	struct vfio_group *group;
	bool coherent;

	if (!vfio_gate_enter(&device->gate))
		return true;
	group = device->group;
	get_device(&group->dev);
	vfio_gate_leave(&device->gate);

	coherent = vfio_group_enforces_coherency(group);
	put_device(&group->dev);
	return coherent || vfio_gate_is_closed(&device->gate);
}

/**
 * vfio_file_enforced_coherent - is all DMA of a group cache coherent, whatever its devices ask for?
 * @file: any open file
 *
 * Context: process context; may sleep; takes group->lock and container->lock.
 * Return: false if a device of the group, or of the group of a device, may bypass the caches; true
 * otherwise, for a dead fd and for other files.
 */
bool vfio_file_enforced_coherent(struct file *file)
{
	struct vfio_device *device = vfio_device_from_file(file);
	struct vfio_group *group = vfio_group_from_file(file);

	if (device)
		return device_enforces_coherency(device);
	return !group || vfio_group_enforces_coherency(group);
}
EXPORT_SYMBOL_NS_GPL(vfio_file_enforced_coherent, VFIO_NS);

/**
 * vfio_file_set_kvm - show a virtual machine to a group or a device
 * @file: any open file
 * @kvm: the machine, or NULL when it lets go of the file
 *
 * kvm.ko will have no file without this symbol. No device of ours needs the machine.
 *
 * Context: any.
 */
void vfio_file_set_kvm(struct file *file, struct kvm *kvm)
{
}
EXPORT_SYMBOL_NS_GPL(vfio_file_set_kvm, VFIO_NS);

/**
 * vfio_file_iommu_group - the iommu_group behind the file of a group
 * @file: any open file
 *
 * Context: process context; takes the group's lock.
 * Return: the iommu_group, which lives as long as the group has devices; NULL for other files and
 * for a group whose last device is gone.
 */
struct iommu_group *vfio_file_iommu_group(struct file *file)
{
	struct vfio_group *group = vfio_group_from_file(file);
	struct iommu_group *iommu_group;

	if (!group)
		return NULL;
	mutex_lock(&group->lock);
	iommu_group = group->iommu_group;
	mutex_unlock(&group->lock);
	return iommu_group;
}
EXPORT_SYMBOL_NS_GPL(vfio_file_iommu_group, VFIO_NS);

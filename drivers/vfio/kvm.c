// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others ask about a file that may be a group's.
 *
 * kvm.ko finds these symbols by name in whatever module has them, so names and signatures are those
 * that the kvm.ko of any supported kernel looks for. Its device KVM_DEV_TYPE_VFIO holds a reference
 * to the file and to this module meanwhile.
 */
#include <linux/export.h>

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
 * vfio_file_is_valid - may this file be given to the other calls of this file?
 * @file: any open file
 *
 * Context: any.
 * Return: whether it may.
 */
bool vfio_file_is_valid(struct file *file)
{
	return vfio_group_from_file(file);
}
EXPORT_SYMBOL_NS_GPL(vfio_file_is_valid, VFIO_NS);

/**
 * vfio_file_has_dev - does the file of a group speak for a device?
 * @file: any open file
 * @device: a registered device
 *
 * Context: any.
 * Return: whether @device is in the group of @file.
 */
bool vfio_file_has_dev(struct file *file, struct vfio_device *device)
{
	struct vfio_group *group = vfio_group_from_file(file);

	return group && group == device->group;
}
EXPORT_SYMBOL_NS_GPL(vfio_file_has_dev, VFIO_NS);

/**
 * vfio_file_enforced_coherent - is all DMA of a group cache coherent, whatever its devices ask for?
 * @file: any open file
 *
 * Context: process context; may sleep.
 * Return: false if a device of the group may bypass the caches; true otherwise and for other files.
 */
bool vfio_file_enforced_coherent(struct file *file)
{
	struct vfio_group *group = vfio_group_from_file(file);

	return !group || vfio_group_enforces_coherency(group);
}
EXPORT_SYMBOL_NS_GPL(vfio_file_enforced_coherent, VFIO_NS);

/**
 * vfio_file_set_kvm - show a virtual machine to a group
 * @file: any open file
 * @kvm: the machine, or NULL when it lets go of the group
 *
 * kvm.ko will not have a group without this symbol. No device of ours needs the machine.
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

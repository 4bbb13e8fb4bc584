// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups without an IOMMU.
 *
 * Where there is no IOMMU nothing keeps a device from any memory, so whoever owns one owns the
 * machine. Some accept that: inside a virtual machine, or on a rig of their own. This file owns
 * what is special about it: the parameter that allows it, the iommu_group made up for each such
 * device, and a backend that maps nothing. The kernel is tainted when a device is registered this
 * way, and each use needs CAP_SYS_RAWIO.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/iommu.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/seq_file.h>

#include "vfio.h"

static bool enable_unsafe_noiommu_mode;
module_param(enable_unsafe_noiommu_mode, bool, 0644);
MODULE_PARM_DESC(enable_unsafe_noiommu_mode,
		 "Offer devices without an IOMMU: their users can reach all memory (default: N)");

/**
 * vfio_noiommu_allowed - has the administrator allowed devices without an IOMMU?
 *
 * Return: the parameter as it is now.
 */
bool vfio_noiommu_allowed(void)
{
	return READ_ONCE(enable_unsafe_noiommu_mode);
}

/**
 * vfio_noiommu_group_create - make up an iommu_group for a device that has none
 * @dev: the device
 *
 * Context: process context; may sleep.
 * Return: the iommu_group, referenced for the caller, or an ERR_PTR.
 */
struct iommu_group *vfio_noiommu_group_create(struct device *dev)
{
	struct iommu_group *iommu_group;
	int ret;

	iommu_group = iommu_group_alloc();
	if (IS_ERR(iommu_group))
		return iommu_group;

	ret = iommu_group_set_name(iommu_group, "vfio-noiommu");
	if (!ret)
		ret = iommu_group_add_device(iommu_group, dev);
	if (ret) {
		iommu_group_put(iommu_group);
		return ERR_PTR(ret);
	}
	add_taint(TAINT_USER, LOCKDEP_STILL_OK);
	dev_warn(dev, "given to users without an IOMMU: nothing protects memory from it\n");
	return iommu_group;
}

/**
 * vfio_noiommu_group_destroy - undo vfio_noiommu_group_create()
 * @dev: the device; the caller's reference to its iommu_group stays his
 *
 * Context: process context; may sleep.
 */
void vfio_noiommu_group_destroy(struct device *dev)
{
	iommu_group_remove_device(dev);
}

/* ---- the backend ---- */

static void *noiommu_open(unsigned long type, u64 container, struct vfio_reason *reason)
{
	if (type != VFIO_NOIOMMU_IOMMU)
		return ERR_PTR(-EINVAL);
	if (capable(CAP_SYS_RAWIO))
		return NULL;
	vfio_reason_note(reason, "a container without an IOMMU needs CAP_SYS_RAWIO");
	return ERR_PTR(-EPERM);
}

static void noiommu_release(void *instance)
{
}

static long noiommu_extension(void *instance, unsigned long number)
{
	return vfio_noiommu_allowed() && number == VFIO_NOIOMMU_IOMMU;
}

static int noiommu_attach(void *instance, struct iommu_group *iommu_group)
{
	return 0;
}

static void noiommu_detach(void *instance, struct iommu_group *iommu_group)
{
}

static void noiommu_fdinfo(void *instance, struct seq_file *seq)
{
	seq_puts(seq, "vfio-container-backend: noiommu\n");
}

static long noiommu_ioctl(void *instance, unsigned int cmd, unsigned long arg)
{
	return -ENOTTY;
}

static const struct vfio_backend_ops noiommu_ops = {
	.owner = THIS_MODULE,
	.noiommu = true,
	.open = noiommu_open,
	.release = noiommu_release,
	.extension = noiommu_extension,
	.attach = noiommu_attach,
	.detach = noiommu_detach,
	.fdinfo = noiommu_fdinfo,
	.ioctl = noiommu_ioctl,
};

static struct vfio_backend noiommu_backend = { .ops = &noiommu_ops };

void __init vfio_noiommu_init(void)
{
	vfio_register_backend(&noiommu_backend);
}

void vfio_noiommu_exit(void)
{
	vfio_unregister_backend(&noiommu_backend);
}

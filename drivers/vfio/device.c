// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that users may own.
 *
 * This file owns struct vfio_device: its memory (by the reference count of the class device
 * vfio-dev/vfioX, which dead fds hold as well), its users (registration, lookups and the fds that
 * have the device, which unregistration waits for), its first open and last close, and the sets of
 * devices that are reset together. It also owns the inode behind all fds of a device: with one
 * address space, every mapping of its BARs in every process can be taken away at once.
 */
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "gate.h"
#include "trace.h"
#include "vfio.h"

#define VFIO_FS_MAGIC 0x76666469

/* Guards the table of sets and the number of devices in each. */
static DEFINE_MUTEX(sets_lock);
static DEFINE_XARRAY(sets);
static DEFINE_IDA(indexes);
static struct class *device_class;
static struct vfsmount *inode_mount;
static int inode_mount_count;

/* ---- inodes ---- */

static int vfio_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, VFIO_FS_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type vfio_fs = {
	.name = "vfio",
	.owner = THIS_MODULE,
	.init_fs_context = vfio_fs_init_context,
	.kill_sb = kill_anon_super,
};

static struct inode *device_inode_create(void)
{
	struct inode *inode;
	int ret;

	ret = simple_pin_fs(&vfio_fs, &inode_mount, &inode_mount_count);
	if (ret)
		return ERR_PTR(ret);

	inode = alloc_anon_inode(inode_mount->mnt_sb);
	if (IS_ERR(inode))
		simple_release_fs(&inode_mount, &inode_mount_count);
	return inode;
}

static void device_inode_free(struct inode *inode)
{
	iput(inode);
	simple_release_fs(&inode_mount, &inode_mount_count);
}

/* ---- sets ---- */

/* The set with this id, made if there is none, with one more device to come. */
static struct vfio_device_set *set_get(void *id)
{
	struct vfio_device_set *set;
	int ret;

	lockdep_assert_held(&sets_lock);

	set = xa_load(&sets, (unsigned long)id);
	if (set) {
		set->nr_devices++;
		return set;
	}

	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return ERR_PTR(-ENOMEM);
	set->id = id;
	set->nr_devices = 1;
	mutex_init(&set->lock);
	INIT_LIST_HEAD(&set->devices);

	ret = xa_err(xa_store(&sets, (unsigned long)id, set, GFP_KERNEL));
	if (ret) {
		kfree(set);
		return ERR_PTR(ret);
	}
	return set;
}

/**
 * vfio_assign_device_set - say which devices a device is reset with
 * @device: not yet registered; in no set
 * @id: address that stands for the set; all devices with the same @id are in one set
 *
 * Context: process context; takes the set's lock.
 * Return: 0 or -ENOMEM. The device leaves the set when it is given back.
 */
int vfio_assign_device_set(struct vfio_device *device, void *id)
{
	struct vfio_device_set *set;

	mutex_lock(&sets_lock);
	set = set_get(id);
	mutex_unlock(&sets_lock);
	if (IS_ERR(set))
		return PTR_ERR(set);

	device->set = set;
	mutex_lock(&set->lock);
	list_add_tail(&device->set_node, &set->devices);
	mutex_unlock(&set->lock);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vfio_assign_device_set, VFIO_NS);

static void device_leave_set(struct vfio_device *device)
{
	struct vfio_device_set *set = device->set;

	mutex_lock(&set->lock);
	list_del(&device->set_node);
	mutex_unlock(&set->lock);
	device->set = NULL;

	mutex_lock(&sets_lock);
	if (!--set->nr_devices) {
		xa_erase(&sets, (unsigned long)set->id);
		kfree(set);
	}
	mutex_unlock(&sets_lock);
}

/**
 * vfio_device_set_open_count - how many fds the devices of a set have together
 * @set: the set
 *
 * Context: the caller holds @set->lock.
 * Return: the number of device fds.
 */
unsigned int vfio_device_set_open_count(struct vfio_device_set *set)
{
	struct vfio_device *device;
	unsigned int count = 0;

	lockdep_assert_held(&set->lock);

	list_for_each_entry(device, &set->devices, set_node)
		count += device->open_count;
	return count;
}
EXPORT_SYMBOL_NS_GPL(vfio_device_set_open_count, VFIO_NS);

/* ---- memory ---- */

static int device_prepare(struct vfio_device *device, struct device *dev)
{
	int ret;

	ret = vfio_gate_init(&device->gate);
	if (ret)
		return ret;
	device->inode = device_inode_create();
	if (IS_ERR(device->inode)) {
		ret = PTR_ERR(device->inode);
		goto err_gate;
	}
	ret = vfio_dead_page_init(&device->dead_page);
	if (ret)
		goto err_inode;
	device->index = ida_alloc_max(&indexes, MINORMASK, GFP_KERNEL);
	if (device->index < 0) {
		ret = device->index;
		goto err_dead_page;
	}
	device->dev = get_device(dev);
	vfio_wanted_init(device);
	init_waitqueue_head(&device->changed);
	INIT_LIST_HEAD(&device->group_node);
	INIT_LIST_HEAD(&device->files);
	mutex_init(&device->files_lock);
	return 0;

err_dead_page:
	vfio_dead_page_exit(&device->dead_page);
err_inode:
	device_inode_free(device->inode);
err_gate:
	vfio_gate_exit(&device->gate);
	return ret;
}

static void device_unprepare(struct vfio_device *device)
{
	put_device(device->dev);
	ida_free(&indexes, device->index);
	vfio_dead_page_exit(&device->dead_page);
	device_inode_free(device->inode);
	vfio_gate_exit(&device->gate);
}

/* The last reference is gone, possibly long after the driver has given the device back. */
static void device_release(struct device *dev)
{
	struct vfio_device *device = container_of(dev, struct vfio_device, device);

	device_unprepare(device);
	kfree(device);
}

/**
 * _vfio_alloc_device - what is behind vfio_alloc_device()
 * @size: bytes of the driver's struct, which begins with a struct vfio_device
 * @dev: the real device
 * @ops: the driver's operations
 *
 * Context: process context; may sleep.
 * Return: the device, owned by the caller, or an ERR_PTR: -ENOMEM, -ENOSPC or what @ops->init said.
 */
struct vfio_device *_vfio_alloc_device(size_t size, struct device *dev,
				       const struct vfio_device_ops *ops)
{
	struct vfio_device *device;
	int ret;

	if (WARN_ON_ONCE(size < sizeof(*device)))
		return ERR_PTR(-EINVAL);

	device = kzalloc(size, GFP_KERNEL);
	if (!device)
		return ERR_PTR(-ENOMEM);
	device->ops = ops;

	ret = device_prepare(device, dev);
	if (ret)
		goto err_free;
	if (ops->init) {
		ret = ops->init(device);
		if (ret)
			goto err_unprepare;
	}

	device_initialize(&device->device);
	device->device.release = device_release;
	device->device.class = device_class;
	device->device.groups = ops->groups;
	device->device.parent = dev;
	return device;

err_unprepare:
	device_unprepare(device);
err_free:
	kfree(device);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_NS_GPL(_vfio_alloc_device, VFIO_NS);

/**
 * vfio_put_device - give a device back
 * @device: of vfio_alloc_device(), not registered
 *
 * Its memory may live on for a while, but the driver's operations are not called any more.
 *
 * Context: process context; may sleep; takes the set's lock.
 */
void vfio_put_device(struct vfio_device *device)
{
	vfio_wanted_exit(device);
	if (device->ops->release)
		device->ops->release(device);
	if (device->set)
		device_leave_set(device);
	put_device(&device->device);
}
EXPORT_SYMBOL_NS_GPL(vfio_put_device, VFIO_NS);

/* ---- users ---- */

/**
 * vfio_device_use_first - let there be users of a device; the registration is the first
 * @device: on its way to be registered
 *
 * Context: any.
 */
void vfio_device_use_first(struct vfio_device *device)
{
	get_device(&device->device);
	refcount_set(&device->users, 1);
}

/**
 * vfio_device_tryget - become a user of a registered device
 * @device: a device the caller can see in its group's list
 *
 * A user holds the device's memory, too.
 *
 * Context: any.
 * Return: false if the device is on its way out.
 */
bool vfio_device_tryget(struct vfio_device *device)
{
	/* Its turn to be taken away may come soon, and nobody would have asked a new user. */
	if (vfio_device_is_wanted(device))
		return false;
	if (!refcount_inc_not_zero(&device->users))
		return false;
	get_device(&device->device);
	return true;
}

/**
 * vfio_device_put - stop being a user of a device
 * @device: got by vfio_device_tryget(), or registered
 *
 * Context: process context; may sleep.
 */
void vfio_device_put(struct vfio_device *device)
{
	if (refcount_dec_and_test(&device->users))
		wake_up_all(&device->changed);
	put_device(&device->device);
}

/**
 * vfio_device_open - one more fd
 * @device: the caller is a user of it
 *
 * Pins the driver's module. The first open opens the device.
 *
 * Context: process context; takes the set's lock, under which the driver may reset the device.
 * Return: 0, -ENODEV if the driver's module is going, or the driver's error.
 */
int vfio_device_open(struct vfio_device *device)
{
	struct module *owner = device->dev->driver->owner;
	int ret = 0;

	if (!try_module_get(owner))
		return -ENODEV;

	mutex_lock(&device->set->lock);
	if (!device->open_count)
		ret = device->ops->open_device(device);
	if (!ret)
		WRITE_ONCE(device->open_count, device->open_count + 1);
	trace_device_open(device, ret);
	mutex_unlock(&device->set->lock);

	if (ret)
		module_put(owner);
	return ret;
}

/**
 * vfio_device_close - some fds less
 * @device: opened by vfio_device_open(), for each of them
 * @count: how many fds
 *
 * Context: process context; takes the set's lock.
 */
void vfio_device_close(struct vfio_device *device, unsigned int count)
{
	struct module *owner = device->dev->driver->owner;

	mutex_lock(&device->set->lock);
	WRITE_ONCE(device->open_count, device->open_count - count);
	if (!device->open_count)
		device->ops->close_device(device);
	trace_device_close(device, 0);
	mutex_unlock(&device->set->lock);

	for (; count; count--)
		module_put(owner);
}

int __init vfio_device_init(void)
{
	device_class = class_create("vfio-dev");
	return PTR_ERR_OR_ZERO(device_class);
}

void vfio_device_exit(void)
{
	class_destroy(device_class);
	ida_destroy(&indexes);
	xa_destroy(&sets);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One open device fd.
 *
 * This file owns what a device fd holds, in the order in which it is taken: the group's file (and
 * by it the group and its DMA ownership), a place among the users of the group's container, a place
 * among the users of the device, and the opened device. Closing gives them back in reverse.
 *
 * All calls on the fd pass here: the device is woken up, the call is decoded by its row and handed
 * to the driver. VFIO_DEVICE_FEATURE, whose ids are rows of a second table, is carried out here.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pm_runtime.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "vfio.h"

/**
 * struct vfio_device_file - what an open device fd holds
 * @device: the opened device
 * @member: place of its group in the container
 * @group_file: referenced; keeps @member valid
 * @node: in the device's list of files; guarded by its files_lock
 * @holder: who opened it; immutable
 */
struct vfio_device_file {
	struct vfio_device *device;
	struct vfio_member *member;
	struct file *group_file;
	struct list_head node;
	struct vfio_holder holder;
};

static void device_file_list(struct vfio_device_file *df)
{
	vfio_holder_set(&df->holder);
	mutex_lock(&df->device->files_lock);
	list_add_tail(&df->node, &df->device->files);
	mutex_unlock(&df->device->files_lock);
}

static void device_file_unlist(struct vfio_device_file *df)
{
	mutex_lock(&df->device->files_lock);
	list_del(&df->node);
	mutex_unlock(&df->device->files_lock);
}

/**
 * vfio_device_count_files - how many fds of a device are open?
 * @device: registered
 *
 * Context: process context; takes the device's files_lock.
 * Return: their number.
 */
size_t vfio_device_count_files(struct vfio_device *device)
{
	size_t count;

	mutex_lock(&device->files_lock);
	count = list_count_nodes(&device->files);
	mutex_unlock(&device->files_lock);
	return count;
}

/**
 * vfio_device_holders_print - who has a device open?
 * @device: the caller is a user of it, or registers it
 * @text: gets "PID COMMAND" of each fd's opener, separated by commas; empty where there is none
 * @size: bytes of @text; what does not fit is left out
 *
 * Context: process context; takes the device's files_lock.
 */
void vfio_device_holders_print(struct vfio_device *device, char *text, size_t size)
{
	struct vfio_holder_text holder;
	struct vfio_device_file *df;
	size_t length = 0;

	text[0] = '\0';
	mutex_lock(&device->files_lock);
	list_for_each_entry(df, &device->files, node)
		length += scnprintf(text + length, size - length, "%s%s", length ? ", " : "",
				    vfio_holder_print(&df->holder, &holder));
	mutex_unlock(&device->files_lock);
}

/* Drivers without power management have nothing that must be woken. */
static bool device_sleeps(const struct vfio_device *device)
{
	return device->dev->driver && device->dev->driver->pm;
}

static int device_wake(const struct vfio_device *device)
{
	if (device_sleeps(device) && pm_runtime_resume_and_get(device->dev) < 0) {
		dev_info_ratelimited(device->dev, "cannot be woken up for its user\n");
		return -EIO;
	}
	return 0;
}

static void device_may_sleep(const struct vfio_device *device)
{
	if (device_sleeps(device))
		pm_runtime_put(device->dev);
}

/* ---- features ---- */

static const struct vfio_feature *feature_find(struct vfio_device *device, u32 id)
{
	const struct vfio_feature *row = device->ops->features;
	size_t i;

	for (i = 0; i < device->ops->nr_features; i++, row++) {
		if (row->id == id && (!row->present || row->present(device)))
			return row;
	}
	return NULL;
}

static long device_feature(struct vfio_device *device, struct vfio_call *call)
{
	const u32 both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	const struct vfio_device_feature *head = call->data;
	const struct vfio_feature *row;
	u32 ops = head->flags & both;
	bool probe = head->flags & VFIO_DEVICE_FEATURE_PROBE;
	size_t size = call->argsz - sizeof(*head);

	if (ops == both && !probe)
		return -EINVAL;

	row = feature_find(device, head->flags & VFIO_DEVICE_FEATURE_MASK);
	if (!row)
		return -ENOTTY;
	if (ops & ~row->ops)
		return -EINVAL;
	if (probe)
		return 0;
	if (!ops || size < row->min)
		return -EINVAL;
	return row->handler(device, ops, call->arg + sizeof(*head), size);
}

static long device_feature_ioctl(void *owner, struct vfio_call *call)
{
	return device_feature(owner, call);
}

static const struct vfio_ioctl feature_ioctl = {
	.cmd = VFIO_DEVICE_FEATURE,
	.min = sizeof(struct vfio_device_feature),
	.flags = VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET |
		 VFIO_DEVICE_FEATURE_PROBE,
	.handler = device_feature_ioctl,
};

/* ---- file operations ---- */

static long device_fops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *device = df->device;
	long ret;

	ret = device_wake(device);
	if (ret)
		return ret;

	if (cmd == feature_ioctl.cmd)
		ret = vfio_ioctl_dispatch(&feature_ioctl, 1, device, cmd, arg);
	else
		ret = vfio_ioctl_dispatch(device->ops->ioctls, device->ops->nr_ioctls, device, cmd,
					  arg);
	device_may_sleep(device);
	return ret;
}

static ssize_t device_fops_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct vfio_device_file *df = file->private_data;
	ssize_t ret;

	ret = device_wake(df->device);
	if (ret)
		return ret;
	ret = df->device->ops->read(df->device, buf, count, pos);
	device_may_sleep(df->device);
	return ret;
}

static ssize_t device_fops_write(struct file *file, const char __user *buf, size_t count,
				 loff_t *pos)
{
	struct vfio_device_file *df = file->private_data;
	ssize_t ret;

	ret = device_wake(df->device);
	if (ret)
		return ret;
	ret = df->device->ops->write(df->device, buf, count, pos);
	device_may_sleep(df->device);
	return ret;
}

static int device_fops_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vfio_device_file *df = file->private_data;

	return df->device->ops->mmap(df->device, vma);
}

static void device_fops_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct vfio_device_file *df = file->private_data;
	char *path;

	path = kobject_get_path(&df->device->dev->kobj, GFP_KERNEL);
	if (!path)
		return;
	seq_printf(seq, "vfio-device-syspath: /sys%s\n", path);
	kfree(path);
}

static int device_fops_release(struct inode *inode, struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	device_file_unlist(df);
	vfio_device_close(df->device);
	vfio_container_unuse(df->member);
	vfio_device_put(df->device);
	fput(df->group_file);
	kfree(df);
	return 0;
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.release = device_fops_release,
	.read = device_fops_read,
	.write = device_fops_write,
	.unlocked_ioctl = device_fops_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = device_fops_mmap,
	.show_fdinfo = device_fops_show_fdinfo,
};

/**
 * vfio_device_file_create - open a device
 * @device: the caller is a user of it
 * @member: place of the device's group; the caller has used it
 * @group_file: file of the group; the caller holds a reference
 *
 * On success the caller's three holds move into the file. On failure they stay with the caller.
 *
 * Context: process context; takes the lock of the device's set.
 * Return: the file, or an ERR_PTR: -ENOMEM, -ENFILE, or why the device could not be opened.
 */
struct file *vfio_device_file_create(struct vfio_device *device, struct vfio_member *member,
				     struct file *group_file)
{
	struct vfio_holder_text holder;
	struct vfio_device_file *df;
	struct file *file;
	int ret;

	df = kzalloc(sizeof(*df), GFP_KERNEL_ACCOUNT);
	if (!df)
		return ERR_PTR(-ENOMEM);
	df->device = device;
	df->member = member;
	df->group_file = group_file;

	ret = vfio_device_open(device);
	if (ret)
		goto err_free;

	file = anon_inode_getfile("[vfio-device]", &device_fops, df, O_RDWR);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_close;
	}
	/* pread() and pwrite(), but no position; all fds of a device share one address space. */
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	file->f_mapping = device->inode->i_mapping;
	device_file_list(df);
	if (member->noiommu)
		dev_warn(device->dev, "opened without an IOMMU by %s\n",
			 vfio_holder_print(&df->holder, &holder));
	return file;

err_close:
	vfio_device_close(device);
err_free:
	kfree(df);
	return ERR_PTR(ret);
}

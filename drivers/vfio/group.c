// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vfio/N: the devices that one IOMMU cannot tell apart.
 *
 * This file owns groups. A group appears with the first device of its iommu_group that a VFIO
 * driver registers and goes with the last one. Its node and uevent come when everything behind them
 * is ready, and go before anything behind them does. A file that is still open then keeps the
 * struct, but the group is dead: iommu_group is NULL and calls answer -ENODEV (UNSET_CONTAINER:
 * -EINVAL).
 *
 * The file of a group is the privilege to use its devices. One opener at a time: he may put the
 * group into a container and then open devices, which keep his file open until they are closed.
 *
 * Minors are handed out in a circle, so that a stale node somewhere does not soon mean another
 * group.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/iommu.h>
#include <linux/kobject.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "fault.h"
#include "trace.h"
#include "vfio.h"

/* Guards the lists of groups, their number of devices and the minors. */
static DEFINE_MUTEX(groups_lock);
static LIST_HEAD(groups);
static LIST_HEAD(dying);
static DEFINE_IDR(minors);
static struct class *group_class;
static dev_t first_devt;

/* ---- ioctls ---- */

/*
 * The user only gets a flag that is missing, after which most programs give up, or the error of a
 * claim. Say who is in his way; false if enough was said of late.
 */
static bool tell_blockers(struct vfio_group *group)
{
	static DEFINE_RATELIMIT_STATE(limit, 5 * HZ, 10);
	char blockers[VFIO_BLOCKERS_BYTES];

	lockdep_assert_held(&group->lock);

	if (!__ratelimit(&limit))
		return false;
	if (vfio_blockers_print(group->iommu_group, blockers, sizeof(blockers), ','))
		dev_info(&group->dev, "group is not viable, in use by the host: %s\n", blockers);
	else
		dev_info(&group->dev, "group is not viable, somebody else owns its DMA\n");
	return true;
}

static long group_get_status(void *owner, struct vfio_call *call)
{
	struct vfio_group *group = owner;
	struct vfio_group_status *status = call->data;
	long ret = 0;

	status->flags = 0;
	mutex_lock(&group->lock);
	if (!group->iommu_group)
		ret = -ENODEV;
	else if (group->member.container)
		status->flags = VFIO_GROUP_FLAGS_CONTAINER_SET | VFIO_GROUP_FLAGS_VIABLE;
	else if (!iommu_group_dma_owner_claimed(group->iommu_group))
		status->flags = VFIO_GROUP_FLAGS_VIABLE;
	if (!ret)
		trace_group_status(group, status->flags & VFIO_GROUP_FLAGS_VIABLE);
	/* Some ask again and again until it is. */
	group->told = !ret && !status->flags && (group->told || tell_blockers(group));
	mutex_unlock(&group->lock);
	return ret;
}

static int group_join_container(struct vfio_group *group, struct file *file)
{
	struct vfio_container *container = vfio_container_from_file(file);
	int ret;

	lockdep_assert_held(&group->lock);

	if (group->member.container)
		return vfio_container_refuse(container, &group->member, -EINVAL,
					     "the group is in a container already");
	if (!group->iommu_group)
		return vfio_container_refuse(container, &group->member, -ENODEV,
					     "the group has no device any more");
	if (!container)
		return -EBADFD;

	group->member.iommu_group = group->iommu_group;
	ret = vfio_container_attach(container, &group->member);
	/* Not ours, and yet it is somebody's. */
	if (ret && iommu_group_dma_owner_claimed(group->iommu_group))
		tell_blockers(group);
	return ret;
}

static long group_set_container(void *owner, unsigned long arg)
{
	struct vfio_group *group = owner;
	struct file *file;
	long ret;
	s32 fd;

	if (get_user(fd, (s32 __user *)arg))
		return -EFAULT;
	file = fget(fd);
	if (!file)
		return -EBADF;

	mutex_lock(&group->lock);
	ret = group_join_container(group, file);
	mutex_unlock(&group->lock);
	fput(file);
	return ret;
}

static long group_unset_container(void *owner, unsigned long arg)
{
	struct vfio_group *group = owner;
	long ret = 0;

	mutex_lock(&group->lock);
	if (!group->member.container)
		ret = -EINVAL;
	else if (atomic_read_acquire(&group->member.users))
		ret = -EBUSY;
	else
		vfio_container_detach(&group->member);
	mutex_unlock(&group->lock);
	return ret;
}

static int device_matches(struct vfio_device *device, char *name)
{
	if (device->ops->match)
		return device->ops->match(device, name);
	return !strcmp(dev_name(device->dev), name);
}

/* The device that @name means, with the caller as a user of it. */
static struct vfio_device *group_find_device(struct vfio_group *group, char *name)
{
	struct vfio_device *device, *found = ERR_PTR(-ENODEV);
	int match;

	mutex_lock(&group->devices_lock);
	list_for_each_entry(device, &group->devices, group_node) {
		match = device_matches(device, name);
		if (match < 0) {
			found = ERR_PTR(match);
			break;
		}
		if (match && vfio_device_tryget(device)) {
			found = device;
			break;
		}
	}
	mutex_unlock(&group->devices_lock);
	return found;
}

/* What a device file holds of its group: a use of the container, and the group's file. */
static struct file *group_use(struct vfio_group *group)
{
	struct file *file;
	int ret;

	mutex_lock(&group->lock);
	ret = vfio_container_use(&group->member);
	file = ret ? ERR_PTR(ret) : get_file(group->opened_file);
	mutex_unlock(&group->lock);
	return file;
}

/* No lock is held while the device is opened: that resets it and takes its time. */
static struct file *group_open_device(struct vfio_group *group, struct vfio_device *device)
{
	struct file *group_file, *file;

	group_file = group_use(group);
	if (IS_ERR(group_file))
		return group_file;

	file = vfio_device_file_create(device, &group->member, group_file);
	if (IS_ERR(file)) {
		vfio_container_unuse(&group->member);
		fput(group_file);
	}
	return file;
}

static long group_install_device(struct vfio_group *group, struct vfio_device *device)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;

	file = group_open_device(group, device);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

static long group_get_device_fd(void *owner, unsigned long arg)
{
	struct vfio_group *group = owner;
	struct vfio_device *device;
	char *name;
	long ret;

	name = strndup_user((const char __user *)arg, PAGE_SIZE);
	if (IS_ERR(name))
		return PTR_ERR(name);
	device = group_find_device(group, name);
	kfree(name);
	if (IS_ERR(device))
		return PTR_ERR(device);

	ret = group_install_device(group, device);
	if (ret < 0)
		vfio_device_put(device);
	return ret;
}

static const struct vfio_ioctl group_ioctls[] = {
	{
		.cmd = VFIO_GROUP_GET_STATUS,
		.min = sizeof(struct vfio_group_status),
		.back = sizeof(struct vfio_group_status),
		.flags = ~0,
		.handler = group_get_status,
	},
	{ .cmd = VFIO_GROUP_SET_CONTAINER, .plain = group_set_container },
	{ .cmd = VFIO_GROUP_UNSET_CONTAINER, .plain = group_unset_container },
	{ .cmd = VFIO_GROUP_GET_DEVICE_FD, .plain = group_get_device_fd },
};

/* ---- the file ---- */

static long group_fops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return vfio_ioctl_dispatch(group_ioctls, ARRAY_SIZE(group_ioctls), file->private_data, NULL,
				   cmd, arg);
}

/* One opener at a time. */
static int group_take(struct vfio_group *group, struct file *file)
{
	struct vfio_holder_text text;

	lockdep_assert_held(&group->lock);

	if (!group->iommu_group)
		return -ENODEV;
	if (group->opened_file) {
		dev_info_ratelimited(&group->dev, "group is busy, it was opened by %s\n",
				     vfio_holder_print(&group->holder, &text));
		return -EBUSY;
	}
	group->opened_file = file;
	group->told = false;
	spin_lock(&group->view_lock);
	vfio_holder_set(&group->holder);
	spin_unlock(&group->view_lock);
	return 0;
}

static int group_fops_open(struct inode *inode, struct file *file)
{
	struct vfio_group *group = container_of(inode->i_cdev, struct vfio_group, cdev);
	bool allowed = !group->member.noiommu || capable(CAP_SYS_RAWIO);
	int ret;

	mutex_lock(&group->lock);
	ret = allowed ? group_take(group, file) : -EPERM;
	trace_group_open(group, ret);
	mutex_unlock(&group->lock);

	/* The open node holds the cdev, and that the group. */
	file->private_data = group;
	return ret;
}

static int group_fops_release(struct inode *inode, struct file *file)
{
	struct vfio_group *group = file->private_data;

	mutex_lock(&group->lock);
	/* Devices hold this file, so none is open any more. */
	if (group->member.container)
		vfio_container_detach(&group->member);
	group->opened_file = NULL;
	spin_lock(&group->view_lock);
	vfio_holder_clear(&group->holder);
	spin_unlock(&group->view_lock);
	trace_group_release(group, 0);
	mutex_unlock(&group->lock);
	return 0;
}

static void group_fops_show_fdinfo(struct seq_file *seq, struct file *file)
{
	vfio_group_fdinfo(file->private_data, seq);
}

static const struct file_operations group_fops = {
	.owner = THIS_MODULE,
	.open = group_fops_open,
	.release = group_fops_release,
	.unlocked_ioctl = group_fops_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = group_fops_show_fdinfo,
};

/**
 * vfio_group_from_file - the group behind a file
 * @file: any open file
 *
 * Context: any.
 * Return: the group, valid as long as the caller holds @file, or NULL for another kind of file.
 */
struct vfio_group *vfio_group_from_file(struct file *file)
{
	return file->f_op == &group_fops ? file->private_data : NULL;
}

/* ---- coming and going ---- */

static void group_release(struct device *dev)
{
	kfree(container_of(dev, struct vfio_group, dev));
}

static struct vfio_group *group_alloc(struct iommu_group *iommu_group, bool noiommu)
{
	struct vfio_group *group;

	group = kzalloc(sizeof(*group), GFP_KERNEL);
	if (!group)
		return ERR_PTR(-ENOMEM);

	mutex_init(&group->lock);
	mutex_init(&group->devices_lock);
	spin_lock_init(&group->view_lock);
	INIT_LIST_HEAD(&group->devices);
	INIT_LIST_HEAD(&group->node);
	init_completion(&group->gone);
	group->iommu_group = iommu_group_ref_get(iommu_group);
	group->member.noiommu = noiommu;

	device_initialize(&group->dev);
	group->dev.class = group_class;
	group->dev.groups = vfio_group_attr_groups;
	group->dev.release = group_release;
	cdev_init(&group->cdev, &group_fops);
	group->cdev.owner = THIS_MODULE;
	return group;
}

/* From here on the group is dead. */
static void group_forget(struct vfio_group *group)
{
	struct iommu_group *iommu_group = group->iommu_group;

	lockdep_assert_held(&group->lock);

	spin_lock(&group->view_lock);
	WRITE_ONCE(group->iommu_group, NULL);
	spin_unlock(&group->view_lock);
	group->member.iommu_group = NULL;
	iommu_group_put(iommu_group);
}

/* Node and uevent: from here on users may come. */
static int group_publish(struct vfio_group *group)
{
	int minor, ret;

	lockdep_assert_held(&groups_lock);

	minor = idr_alloc_cyclic(&minors, group, 0, MINORMASK + 1, GFP_KERNEL);
	if (minor < 0) {
		iommu_group_put(group->iommu_group);
		return minor;
	}
	group->dev.devt = MKDEV(MAJOR(first_devt), minor);

	/* Whoever comes early, by a node of his own, waits to see whether it works out. */
	mutex_lock(&group->lock);
	ret = dev_set_name(&group->dev, "%s%d", group->member.noiommu ? "noiommu-" : "",
			   iommu_group_id(group->iommu_group));
	if (!ret)
		ret = cdev_device_add(&group->cdev, &group->dev);
	if (ret)
		group_forget(group);
	mutex_unlock(&group->lock);

	if (ret)
		idr_remove(&minors, minor);
	else
		list_add(&group->node, &groups);
	return ret;
}

static struct vfio_group *group_find(struct list_head *list, struct iommu_group *iommu_group)
{
	struct vfio_group *group;

	lockdep_assert_held(&groups_lock);

	list_for_each_entry(group, list, node) {
		if (READ_ONCE(group->iommu_group) == iommu_group)
			return group;
	}
	return NULL;
}

/*
 * Takes groups_lock. A predecessor that dies has the DMA of the iommu_group until it is gone, and
 * who hears of a new group may use it at once: so that one waits.
 */
static void groups_lock_for(struct iommu_group *iommu_group)
{
	struct vfio_group *group;

	mutex_lock(&groups_lock);
	while ((group = group_find(&dying, iommu_group))) {
		get_device(&group->dev);
		mutex_unlock(&groups_lock);
		wait_for_completion(&group->gone);
		put_device(&group->dev);
		mutex_lock(&groups_lock);
	}
}

static void group_list_device(struct vfio_group *group, struct vfio_device *device)
{
	lockdep_assert_held(&groups_lock);

	device->group = group;
	group->nr_devices++;
	mutex_lock(&group->devices_lock);
	list_add_tail(&device->group_node, &group->devices);
	mutex_unlock(&group->devices_lock);
}

/**
 * vfio_group_join - put a device into the group of its iommu_group
 * @device: ready to be opened: it may be before this returns
 * @iommu_group: the device's; the group takes a reference of its own
 *
 * Context: process context; takes groups_lock. Waits for a group before it that still leaves its
 * container.
 * Return: 0, -ENOMEM, -ENOSPC without a free minor, or why the node could not be made.
 */
int vfio_group_join(struct vfio_device *device, struct iommu_group *iommu_group)
{
	struct vfio_group *group;
	int ret = 0;

	groups_lock_for(iommu_group);
	group = group_find(&groups, iommu_group);
	if (group) {
		group_list_device(group, device);
		goto out;
	}

	group = group_alloc(iommu_group, device->noiommu);
	if (IS_ERR(group)) {
		ret = PTR_ERR(group);
		goto out;
	}
	group_list_device(group, device);
	ret = group_publish(group);
	if (ret) {
		device->group = NULL;
		list_del_init(&device->group_node);
		put_device(&group->dev);
	}
out:
	mutex_unlock(&groups_lock);
	return ret;
}

/**
 * vfio_group_get - the group of an iommu_group
 * @iommu_group: any
 *
 * Context: process context; takes groups_lock.
 * Return: the group, its class device referenced for the caller; NULL where no device of the
 * iommu_group is registered.
 */
struct vfio_group *vfio_group_get(struct iommu_group *iommu_group)
{
	struct vfio_group *group;

	mutex_lock(&groups_lock);
	group = group_find(&groups, iommu_group);
	if (group)
		get_device(&group->dev);
	mutex_unlock(&groups_lock);
	return group;
}

/**
 * vfio_group_uevent - send a "change" uevent of a group, if it still has its node
 * @group: referenced
 * @envp: the variables, NULL at the end
 *
 * Context: process context; takes groups_lock.
 */
void vfio_group_uevent(struct vfio_group *group, char *envp[])
{
	mutex_lock(&groups_lock);
	if (device_is_registered(&group->dev))
		kobject_uevent_env(&group->dev.kobj, KOBJ_CHANGE, envp);
	mutex_unlock(&groups_lock);
}

/* Of those that are not leaving; -ENODEV if there are none. */
static int group_devices_are_coherent(struct vfio_group *group)
{
	struct vfio_device *device;
	int coherent = -ENODEV;

	mutex_lock(&group->devices_lock);
	list_for_each_entry(device, &group->devices, group_node) {
		coherent = device_iommu_capable(device->dev, IOMMU_CAP_ENFORCE_CACHE_COHERENCY);
		if (!coherent)
			break;
	}
	mutex_unlock(&group->devices_lock);
	return coherent;
}

/**
 * vfio_group_enforces_coherency - is all DMA of a group cache coherent, whatever a device asks for?
 * @group: referenced
 *
 * The IOMMU may tell of each device. Where it cannot, or there is none any more, it still tells of
 * what the group is attached to.
 *
 * Context: process context; takes group->lock and container->lock.
 * Return: whether it is; false as well where nobody knows; true without a device and a container.
 */
bool vfio_group_enforces_coherency(struct vfio_group *group)
{
	int coherent = group_devices_are_coherent(group);

	if (coherent <= 0) {
		mutex_lock(&group->lock);
		/* A device that is leaving is its user's yet, in the container of its group. */
		if (group->member.container)
			coherent = vfio_container_enforces_coherency(&group->member);
		mutex_unlock(&group->lock);
	}
	return coherent; /* no device makes no DMA */
}

/**
 * vfio_group_in_use - is the group in a container?
 * @group: referenced
 *
 * Context: any.
 * Return: whether it was, a moment ago.
 */
bool vfio_group_in_use(struct vfio_group *group)
{
	return READ_ONCE(group->member.container);
}

/**
 * vfio_group_hide - no new fd of this device
 * @device: in a group
 *
 * Context: process context; takes the group's devices_lock.
 */
void vfio_group_hide(struct vfio_device *device)
{
	struct vfio_group *group = device->group;

	mutex_lock(&group->devices_lock);
	list_del_init(&device->group_node);
	mutex_unlock(&group->devices_lock);
}

/* The node first: nobody finds the group any more. */
static void group_unpublish(struct vfio_group *group)
{
	lockdep_assert_held(&groups_lock);

	list_move(&group->node, &dying);
	cdev_device_del(&group->cdev, &group->dev);
	idr_remove(&minors, MINOR(group->dev.devt));
}

/*
 * Then what is behind it. Leaving a container may take long, where much memory is to be unpinned:
 * no lock is held that others need, but the group's own.
 */
static void group_die(struct vfio_group *group)
{
	vfio_linger();
	mutex_lock(&group->lock);
	if (group->member.container)
		vfio_container_detach(&group->member);
	group_forget(group);
	mutex_unlock(&group->lock);

	mutex_lock(&groups_lock);
	list_del_init(&group->node);
	mutex_unlock(&groups_lock);
	complete_all(&group->gone);
	put_device(&group->dev);
}

/**
 * vfio_group_leave - take a device out of its group
 * @device: hidden, and without users
 *
 * Context: process context; takes groups_lock and, for the last device, the group's lock.
 */
void vfio_group_leave(struct vfio_device *device)
{
	struct vfio_group *group = device->group;
	bool last;

	mutex_lock(&groups_lock);
	device->group = NULL;
	last = !--group->nr_devices;
	if (last)
		group_unpublish(group);
	mutex_unlock(&groups_lock);

	if (last)
		group_die(group);
}

static char *group_devnode(devnode_device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "vfio/%s", dev_name(dev));
}

int __init vfio_group_init(void)
{
	int ret;

	group_class = class_create("vfio");
	if (IS_ERR(group_class))
		return PTR_ERR(group_class);
	group_class->devnode = group_devnode;

	ret = alloc_chrdev_region(&first_devt, 0, MINORMASK + 1, "vfio");
	if (ret)
		class_destroy(group_class);
	return ret;
}

void vfio_group_exit(void)
{
	unregister_chrdev_region(first_devt, MINORMASK + 1);
	class_destroy(group_class);
	idr_destroy(&minors);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One open device fd.
 *
 * This file owns what a device fd holds, in the order in which it is taken: the group's file (and
 * by it the group and its DMA ownership), a place among the users of the group's container, a place
 * among the users of the device, and the opened device. Closing gives them back in reverse; so does
 * taking the device back from its users, which leaves a dead fd.
 *
 * All calls on the fd pass here. User memory is read first and written last; in between the call is
 * inside the device's gate, the device is woken up, and the driver does its part. On a dead fd all
 * calls answer -ENODEV, and poll() reports POLLERR and POLLHUP. VFIO_DEVICE_FEATURE, whose ids are
 * rows of a second table, is carried out here.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pm_runtime.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/unaligned.h>

#include "fault.h"
#include "gate.h"
#include "vfio.h"

/**
 * struct vfio_device_file - an open device fd
 * @device: its class device is referenced
 * @member: place of its group in the container, used
 * @group_file: referenced; keeps @member valid
 * @node: in the device's list of files while the fd has the device, guarded by its files_lock. Who
 *	takes it out gives back @member, @group_file and the use of the device
 * @holder: who opened it; immutable
 */
struct vfio_device_file {
	struct vfio_device *device;
	struct vfio_member *member;
	struct file *group_file;
	struct list_head node;
	struct vfio_holder holder;
};

/* The device is this fd's from here on, unless it is being taken back. */
static bool device_file_list(struct vfio_device_file *df)
{
	struct vfio_device *device = df->device;
	bool listed;

	vfio_holder_set(&df->holder);
	mutex_lock(&device->files_lock);
	listed = !device->revoked;
	if (listed)
		list_add_tail(&df->node, &device->files);
	mutex_unlock(&device->files_lock);
	return listed;
}

/* Whether it was. */
static bool device_file_unlist(struct vfio_device_file *df)
{
	bool listed;

	mutex_lock(&df->device->files_lock);
	listed = !list_empty(&df->node);
	list_del_init(&df->node);
	mutex_unlock(&df->device->files_lock);
	return listed;
}

/* So many fds have the device no more. They have the group by the same file. */
static void device_settle(struct vfio_device *device, struct vfio_member *member,
			  struct file *group_file, unsigned int count)
{
	vfio_device_close(device, count);
	for (; count; count--) {
		vfio_container_unuse(member);
		vfio_device_put(device);
		fput(group_file);
		cond_resched();
	}
}

/**
 * vfio_device_files_shut - no fd comes to have the device any more
 * @device: being taken back
 *
 * Context: process context; takes the device's files_lock.
 */
void vfio_device_files_shut(struct vfio_device *device)
{
	mutex_lock(&device->files_lock);
	device->revoked = true;
	mutex_unlock(&device->files_lock);
}

/**
 * vfio_device_files_settle - have all fds give back what they hold
 * @device: shut, its gate closed and its mappings gone
 *
 * Context: process context; takes the set's lock once, however many there are. Closes the device.
 */
void vfio_device_files_settle(struct vfio_device *device)
{
	struct vfio_device_file *df, *next;
	struct vfio_member *member = NULL;
	struct file *group_file = NULL;
	unsigned int count = 0;

	mutex_lock(&device->files_lock);
	list_for_each_entry_safe(df, next, &device->files, node) {
		/*
		 * As soon as it is out, its user may close and so free it. A group has one file at
		 * a time, and one container while that is in use.
		 */
		WARN_ON_ONCE(count && (df->member != member || df->group_file != group_file));
		member = df->member;
		group_file = df->group_file;
		list_del_init(&df->node);
		count++;
	}
	mutex_unlock(&device->files_lock);
	if (count)
		device_settle(device, member, group_file, count);
}

/**
 * vfio_device_holders_print - who has a device open?
 * @device: the caller is a user of it, or registers it
 * @text: gets "PID COMMAND" of each fd's opener; empty where there is none
 * @size: bytes of @text; what does not fit is left out
 * @separator: between two of them
 *
 * Context: process context; takes the device's files_lock.
 * Return: length of the text.
 */
size_t vfio_device_holders_print(struct vfio_device *device, char *text, size_t size,
				 const char *separator)
{
	struct vfio_holder_text holder;
	struct vfio_device_file *df;
	size_t length = 0;

	text[0] = '\0';
	mutex_lock(&device->files_lock);
	list_for_each_entry(df, &device->files, node) {
		/* There may be as many as anybody can have fds. */
		if (length + 1 >= size)
			break;
		length += scnprintf(text + length, size - length, "%s%s", length ? separator : "",
				    vfio_holder_print(&df->holder, &holder));
	}
	mutex_unlock(&device->files_lock);
	return length;
}
EXPORT_SYMBOL_NS_GPL(vfio_device_holders_print, VFIO_NS);

/* Drivers without power management have nothing that must be woken. */
static bool device_sleeps(const struct vfio_device *device)
{
	return device->dev->driver && device->dev->driver->pm;
}

/*
 * With a reference of one's own, a device that the driver keeps awake stays so. Otherwise, or while
 * it is just being woken up, runtime PM has to be asked, which takes a lock.
 */
static bool device_is_kept_awake(const struct vfio_device *device)
{
	/* The reference first: the driver says that it gives up its own before it does. */
	smp_mb__after_atomic();
	/* Pairs with the release by which the driver says that it has its own again. */
	return !smp_load_acquire(&device->may_sleep) && pm_runtime_active(device->dev);
}

static int device_wake(const struct vfio_device *device)
{
	if (!device_sleeps(device))
		return 0;
	pm_runtime_get_noresume(device->dev);
	if (device_is_kept_awake(device) || pm_runtime_resume(device->dev) >= 0)
		return 0;
	pm_runtime_put_noidle(device->dev);
	dev_info_ratelimited(device->dev, "cannot be woken up for its user\n");
	return -EIO;
}

static void device_may_sleep(const struct vfio_device *device)
{
	if (device_sleeps(device))
		pm_runtime_put(device->dev);
}

/* ---- around the driver ---- */

static int device_begin(void *owner)
{
	struct vfio_device *device = owner;
	int ret;

	if (!vfio_gate_enter(&device->gate))
		return -ENODEV;
	vfio_linger();
	ret = device_wake(device);
	if (ret)
		vfio_gate_leave(&device->gate);
	return ret;
}

static void device_end(void *owner)
{
	struct vfio_device *device = owner;

	device_may_sleep(device);
	vfio_gate_leave(&device->gate);
}

static const struct vfio_ioctl_guard device_guard = {
	.enter = device_begin,
	.leave = device_end,
};

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

static long feature_run(struct vfio_device *device, const struct vfio_feature *row, u32 op,
			struct vfio_call *call)
{
	void *data = vfio_call_tail(call, row->size);
	int ret;

	if (IS_ERR(data))
		return PTR_ERR(data);
	ret = row->handler(device, op, data);
	if (ret || !row->answers)
		return ret;
	call->reply = kmemdup(data, row->size, GFP_KERNEL_ACCOUNT);
	call->reply_size = row->size;
	return call->reply ? 0 : -ENOMEM;
}

static long device_feature(void *owner, struct vfio_call *call)
{
	const u32 both = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET;
	const struct vfio_device_feature *head = call->data;
	struct vfio_device *device = owner;
	const struct vfio_feature *row;
	u32 ops = head->flags & both;
	bool probe = head->flags & VFIO_DEVICE_FEATURE_PROBE;

	if (ops == both && !probe)
		return -EINVAL;

	row = feature_find(device, head->flags & VFIO_DEVICE_FEATURE_MASK);
	if (!row)
		return -ENOTTY;
	if (ops & ~row->ops)
		return -EINVAL;
	if (probe)
		return 0;
	return ops ? feature_run(device, row, ops, call) : -EINVAL;
}

static const struct vfio_ioctl feature_ioctl = {
	.cmd = VFIO_DEVICE_FEATURE,
	.min = sizeof(struct vfio_device_feature),
	.tail = VFIO_FEATURE_BYTES,
	.flags = VFIO_DEVICE_FEATURE_MASK | VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET |
		 VFIO_DEVICE_FEATURE_PROBE,
	.handler = device_feature,
};

/* ---- file operations ---- */

static int device_find_row(struct vfio_device *device, unsigned int cmd, struct vfio_ioctl *row)
{
	const struct vfio_ioctl *found = &feature_ioctl;

	if (cmd != feature_ioctl.cmd)
		found = vfio_ioctl_find(device->ops->ioctls, device->ops->nr_ioctls, cmd);
	if (!found)
		return -ENOTTY;
	*row = *found;
	return 0;
}

/*
 * A copy of an ioctl's row: the driver's own may go while the call waits for its user, though not
 * while preemption is off.
 */
static int device_get_row(struct vfio_device *device, unsigned int cmd, struct vfio_ioctl *row)
{
	int ret = -ENODEV;

	rcu_read_lock_sched();
	if (!vfio_gate_is_closing(&device->gate))
		ret = device_find_row(device, cmd, row);
	rcu_read_unlock_sched();
	return ret;
}

static long device_fops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_ioctl row;
	int ret;

	ret = device_get_row(df->device, cmd, &row);
	return ret ?: vfio_ioctl_run(&row, &device_guard, df->device, NULL, arg);
}

/* Bytes of a register; most accesses are of one. */
#define REGISTER_BYTES 8

/**
 * struct device_access - a read() or write() under way
 * @device: what is accessed
 * @write: which of the two
 * @clipped: the device has said how much of it there can be
 * @buf: of the user, for the next byte; only read from where @write
 * @left: bytes still to come
 * @pos: of the next byte
 */
struct device_access {
	struct vfio_device *device;
	bool write;
	bool clipped;
	char __user *buf;
	size_t left;
	loff_t pos;
};

/* Four bytes are one access to user memory, and nothing that the kernel need check. */
static bool bytes_to_user(char __user *buf, const u8 *bytes, size_t count)
{
	if (count == sizeof(u32))
		return !put_user(get_unaligned((const u32 *)bytes), (u32 __user *)buf);
	return !copy_to_user(buf, bytes, count);
}

/* Returns how many could be had. */
static size_t bytes_from_user(u8 *bytes, const char __user *buf, size_t count)
{
	u32 value;

	/* Where four cannot be had at once, the first of them may. */
	if (count != sizeof(value) || get_user(value, (const u32 __user *)buf))
		return count - copy_from_user(bytes, buf, count);
	put_unaligned(value, (u32 *)bytes);
	return count;
}

static int access_clip(struct device_access *access)
{
	struct vfio_device *device = access->device;
	ssize_t size;

	if (access->clipped)
		return 0;
	size = device->ops->clip(device, access->write, access->left, access->pos);
	if (size < 0)
		return size;
	access->left = size;
	access->clipped = true;
	return 0;
}

static int access_touch(const struct device_access *access, u8 *bytes, size_t count)
{
	struct vfio_device *device = access->device;
	int ret;

	ret = device_wake(device);
	if (ret)
		return ret;
	if (access->write)
		ret = device->ops->write(device, bytes, count, access->pos);
	else
		ret = device->ops->read(device, bytes, count, access->pos);
	device_may_sleep(device);
	return ret;
}

/*
 * The bytes up to the next multiple of @room, by way of @bytes, of which there are as many. Inline:
 * most accesses are one piece.
 */
static __always_inline int access_piece(struct device_access *access, u8 *bytes, size_t room)
{
	size_t count = min_t(size_t, access->left, room - (access->pos & (room - 1)));
	size_t known = access->write ? bytes_from_user(bytes, access->buf, count) : count;
	int ret;

	if (!vfio_gate_enter(&access->device->gate))
		return -ENODEV;
	ret = access_clip(access);
	count = min(count, access->left);
	if (!ret && count)
		ret = count > known ? -EFAULT : access_touch(access, bytes, count);
	vfio_gate_leave(&access->device->gate);
	if (!ret && !access->write && !bytes_to_user(access->buf, bytes, count))
		ret = -EFAULT;
	if (ret)
		return ret;

	access->buf += count;
	access->left -= count;
	access->pos += count;
	return 0;
}

static int access_all(struct device_access *access, u8 *bytes, size_t room)
{
	int ret;

	for (;;) {
		ret = access_piece(access, bytes, room);
		if (ret || !access->left)
			return ret;
		cond_resched();
	}
}

/* Apart from the short ones, which need not clear as much of the stack. */
static noinline int access_all_long(struct device_access *access)
{
	u8 bytes[VFIO_ACCESS_BYTES];

	return access_all(access, bytes, sizeof(bytes));
}

/* The whole of a read() or write(), a piece at a time. */
static ssize_t device_access(struct vfio_device *device, bool write, char __user *buf,
			     size_t count, loff_t *pos)
{
	struct device_access access = {
		.device = device,
		.write = write,
		.buf = buf,
		.left = count,
		.pos = *pos,
	};
	u8 bytes[REGISTER_BYTES];
	int ret;

	if (count > sizeof(bytes))
		ret = access_all_long(&access);
	else
		ret = access_all(&access, bytes, sizeof(bytes));
	*pos = access.pos;
	return access.buf - buf ?: ret;
}

static ssize_t device_fops_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	struct vfio_device_file *df = file->private_data;

	return device_access(df->device, false, buf, count, pos);
}

static ssize_t device_fops_write(struct file *file, const char __user *buf, size_t count,
				 loff_t *pos)
{
	struct vfio_device_file *df = file->private_data;

	/* Only read from. */
	return device_access(df->device, true, (char __user *)buf, count, pos);
}

static int device_fops_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vfio_device_file *df = file->private_data;
	int ret;

	if (!vfio_gate_enter(&df->device->gate))
		return -ENODEV;
	ret = vfio_device_mmap(df->device, vma);
	vfio_gate_leave(&df->device->gate);
	return ret;
}

static __poll_t device_fops_poll(struct file *file, poll_table *wait)
{
	struct vfio_device_file *df = file->private_data;

	poll_wait(file, &df->device->changed, wait);
	return vfio_gate_is_closed(&df->device->gate) ? EPOLLERR | EPOLLHUP : DEFAULT_POLLMASK;
}

/* Whoever reads this is inside the gate, so it waits for nobody. */
static void device_fops_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *device = df->device;
	char *path;

	if (!vfio_gate_enter(&device->gate)) {
		seq_puts(seq, "vfio-device-revoked: 1\n");
		return;
	}
	seq_printf(seq, "vfio-device-name: %s\n", dev_name(device->dev));
	path = kobject_get_path(&device->dev->kobj, GFP_KERNEL);
	if (path)
		seq_printf(seq, "vfio-device-syspath: /sys%s\n", path);
	kfree(path);
	if (device->ops->fdinfo)
		device->ops->fdinfo(device, seq);
	vfio_gate_leave(&device->gate);
}

static int device_fops_release(struct inode *inode, struct file *file)
{
	struct vfio_device_file *df = file->private_data;
	struct vfio_device *device = df->device;

	if (device_file_unlist(df))
		device_settle(device, df->member, df->group_file, 1);
	kfree(df);
	put_device(&device->device);
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
	.poll = device_fops_poll,
	/* Large regions are mapped where the kernel can use large entries of page tables. */
	.get_unmapped_area = thp_get_unmapped_area,
	.show_fdinfo = device_fops_show_fdinfo,
};

/**
 * vfio_device_from_file - the device behind a file
 * @file: any open file
 *
 * Context: any.
 * Return: the device, alive as long as @file, which may be a dead fd; NULL for other files.
 */
struct vfio_device *vfio_device_from_file(struct file *file)
{
	struct vfio_device_file *df = file->private_data;

	return file->f_op == &device_fops ? df->device : NULL;
}

/**
 * vfio_device_file_create - open a device
 * @device: the caller is a user of it
 * @member: place of the device's group; the caller has used it
 * @group_file: file of the group; the caller holds a reference
 *
 * On success the caller's three holds move into the file. On failure they stay with the caller.
 *
 * Context: process context; takes the lock of the device's set.
 * Return: the file, or an ERR_PTR: -ENOMEM, -ENFILE, -ENODEV while the device is taken back, or why
 * the device could not be opened.
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
	INIT_LIST_HEAD(&df->node);

	ret = vfio_device_open(device);
	if (ret)
		goto err_free;

	file = anon_inode_getfile("[vfio-device]", &device_fops, df, O_RDWR);
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		goto err_close;
	}
	get_device(&device->device);
	/* pread() and pwrite(), but no position; all fds of a device share one address space. */
	file->f_mode |= FMODE_PREAD | FMODE_PWRITE;
	file->f_mapping = device->inode->i_mapping;
	if (!device_file_list(df)) {
		/* The file frees itself, and holds no more than that. */
		fput(file);
		vfio_device_close(device, 1);
		return ERR_PTR(-ENODEV);
	}
	if (member->noiommu)
		dev_warn_ratelimited(device->dev, "opened without an IOMMU by %s\n",
				     vfio_holder_print(&df->holder, &holder));
	return file;

err_close:
	vfio_device_close(device, 1);
err_free:
	kfree(df);
	return ERR_PTR(ret);
}

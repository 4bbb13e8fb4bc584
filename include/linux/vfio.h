/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device driver, a backend and KVM may call in vfio.ko.
 *
 * This file owns the contract between vfio.ko and the modules above it: the device and its
 * operations, device sets, the rows by which ioctls and features are described, eventfd hooks, and
 * the questions about group files. The contract with backends is in drivers/vfio/backend.h.
 *
 * Everything here is exported in the namespace VFIO_NS, so that the loader refuses the kernel's own
 * VFIO drivers, whose idea of these structs is another.
 */
#ifndef _LINUX_VFIO_H
#define _LINUX_VFIO_H

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/refcount.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/vfio.h>

#define VFIO_NS "VFIO_STANDALONE"

struct eventfd_ctx;
struct file;
struct iommu_group;
struct kvm;
struct vfio_device;
struct vfio_group;
struct vm_area_struct;

/* ---- uapi.c: rows of ioctls ---- */

/* Kernel memory for the fixed part of any argument struct. */
#define VFIO_CALL_BYTES 64

/**
 * struct vfio_info_caps - a capability chain that is being built
 * @buf: the links made so far; NULL while there is none
 * @size: bytes in @buf, a multiple of eight
 */
struct vfio_info_caps {
	void *buf;
	size_t size;
};

/**
 * struct vfio_call - one ioctl with a struct argument, decoded
 * @arg: the user's struct
 * @argsz: size of the user's struct, as the user said; at least the row's @min
 * @data: kernel copy: the row's @min bytes from the user, zeroes behind. What the handler leaves
 *	here goes back to the user as far as the row's @back says
 * @caps: links added by the handler, appended behind the row's @back bytes
 */
struct vfio_call {
	void __user *arg;
	u32 argsz;
	void *data;
	struct vfio_info_caps caps;
};

/**
 * struct vfio_ioctl - row of a table of ioctls
 * @cmd: the ioctl's number
 * @min: bytes that the user must provide; 0: the ioctl has no struct, @plain is called
 * @back: most bytes copied back after success, cut to argsz; 0: none
 * @cap_offset: where in the struct the offset of the capability chain is; 0: it has none
 * @flags: bits the user may set in the second u32 of the struct; ~0 where flags are only an answer
 * @handler: called with the decoded call; negative errno, or what the ioctl returns
 * @plain: called with the raw argument where @min is 0
 *
 * Errors come in this order: -EFAULT, -EINVAL for argsz, -EINVAL for flags, the handler's.
 */
struct vfio_ioctl {
	unsigned int cmd;
	u16 min;
	u16 back;
	u16 cap_offset;
	u32 flags;
	long (*handler)(void *owner, struct vfio_call *call);
	long (*plain)(void *owner, unsigned long arg);
};

long vfio_ioctl_dispatch(const struct vfio_ioctl *rows, size_t nr_rows, void *owner,
			 unsigned int cmd, unsigned long arg);
int vfio_call_tail(const struct vfio_call *call, size_t offset, void *to, size_t size);
void *vfio_info_cap_add(struct vfio_info_caps *caps, size_t size, u16 id, u16 version);

/**
 * struct vfio_irq_request - a VFIO_DEVICE_SET_IRQS whose shape has been checked
 * @index: interrupt index, below the number of indexes
 * @start: first interrupt
 * @count: number of interrupts; @start + @count does not pass the end of the index
 * @action: one VFIO_IRQ_SET_ACTION_* bit, or several or none: the driver's table refuses those
 * @data: one VFIO_IRQ_SET_DATA_* bit
 * @bools: @count bytes where @data is BOOL, else NULL
 * @fds: @count file descriptors where @data is EVENTFD, else NULL
 */
struct vfio_irq_request {
	u32 index;
	u32 start;
	u32 count;
	u32 action;
	u32 data;
	const u8 *bools;
	const s32 *fds;
};

int vfio_irq_request_get(const struct vfio_call *call, u32 nr_indexes,
			 u32 (*nr_irqs)(struct vfio_device *device, u32 index),
			 struct vfio_device *device, struct vfio_irq_request *request);
void vfio_irq_request_put(struct vfio_irq_request *request);

/* ---- device.c: devices ---- */

/**
 * struct vfio_feature - row of a table of VFIO_DEVICE_FEATURE ids
 * @id: the feature
 * @ops: VFIO_DEVICE_FEATURE_GET and _SET, as far as the id knows them
 * @min: bytes of data that the user must provide
 * @present: whether this device has the feature at all (else -ENOTTY); NULL: always
 * @handler: @op is GET or SET; @data is the user's data, @size its length, at least @min
 */
struct vfio_feature {
	u32 id;
	u32 ops;
	u16 min;
	bool (*present)(struct vfio_device *device);
	int (*handler)(struct vfio_device *device, u32 op, void __user *data, size_t size);
};

/**
 * struct vfio_device_ops - what the core asks a device driver to do
 * @init: called by vfio_alloc_device() after the device is set up; may be NULL
 * @release: undo of @init, called when the last reference to the device is gone; may be NULL
 * @open_device: first device fd is about to be made; hardware may be touched from here on
 * @close_device: the last device fd is gone; every trace of its user is to be wiped
 * @read: as in file_operations; the device is awake
 * @write: as in file_operations; the device is awake
 * @mmap: as in file_operations
 * @request: ask the user to let go, for the (@count + 1)th time; may be NULL
 * @match: does @name, as given to GET_DEVICE_FD, mean this device? 1, 0 or a negative errno that
 *	the caller gets; may write into @name; NULL: the name must equal dev_name()
 * @ioctls: rows of the device's ioctls; owner is the struct vfio_device
 * @nr_ioctls: number of @ioctls
 * @features: rows of the device's features
 * @nr_features: number of @features
 *
 * @open_device and @close_device run under the lock of the device's set. All may sleep.
 */
struct vfio_device_ops {
	int (*init)(struct vfio_device *device);
	void (*release)(struct vfio_device *device);
	int (*open_device)(struct vfio_device *device);
	void (*close_device)(struct vfio_device *device);
	ssize_t (*read)(struct vfio_device *device, char __user *buf, size_t count, loff_t *pos);
	ssize_t (*write)(struct vfio_device *device, const char __user *buf, size_t count,
			 loff_t *pos);
	int (*mmap)(struct vfio_device *device, struct vm_area_struct *vma);
	void (*request)(struct vfio_device *device, unsigned int count);
	int (*match)(struct vfio_device *device, char *name);
	const struct vfio_ioctl *ioctls;
	size_t nr_ioctls;
	const struct vfio_feature *features;
	size_t nr_features;
};

/**
 * struct vfio_device_set - devices that can only be reset together
 * @id: what they have in common: a slot, a bus, or the device itself; immutable
 * @lock: serialises open, close and common reset of the members
 * @devices: members, linked by vfio_device.set_node; guarded by @lock
 * @nr_devices: devices that hold the set; guarded by the lock of the core's table of sets
 */
struct vfio_device_set {
	void *id;
	struct mutex lock; /* of open, close and reset */
	struct list_head devices;
	unsigned int nr_devices;
};

/**
 * struct vfio_device - a device that users may own through its IOMMU group
 * @dev: the real device; immutable
 * @ops: the driver's operations; immutable
 * @set: devices it is reset with; immutable after vfio_assign_device_set()
 * @set_node: in @set; guarded by its lock
 * @open_count: device fds; guarded by the lock of @set
 * @inode: inode of all fds of the device: one address space to zap BAR mappings in; immutable
 * @device: /sys/…/vfio-dev/vfioX; its reference count is that of the struct
 * @index: X in vfioX; immutable
 * @noiommu: its group was made up for it, there is no IOMMU; immutable while registered
 * @group: group the device is in; set by registration, immutable until unregistration ends
 * @group_node: in the group's list of devices; guarded by the group's devices_lock
 * @users: one for the registration, one for each open device fd and each lookup
 * @no_users: completed when @users falls to zero
 * @files: open fds; guarded by @files_lock
 * @files_lock: a leaf
 */
struct vfio_device {
	struct device *dev;
	const struct vfio_device_ops *ops;
	struct vfio_device_set *set;
	struct list_head set_node;
	unsigned int open_count;
	struct inode *inode;

	/* private: for the core */
	struct device device;
	int index;
	bool noiommu;
	struct vfio_group *group;
	struct list_head group_node;
	refcount_t users;
	struct completion no_users;
	struct list_head files;
	struct mutex files_lock; /* of the list above */
};

struct vfio_device *_vfio_alloc_device(size_t size, struct device *dev,
				       const struct vfio_device_ops *ops);

/**
 * vfio_alloc_device - allocate a driver's struct with a vfio_device at its start
 * @type: struct tag of the driver's struct
 * @member: its first member, a struct vfio_device
 * @dev: the real device
 * @ops: the driver's operations
 *
 * Context: may sleep.
 * Return: the zeroed struct, owned by the caller who gives it back by vfio_put_device(), or an
 * ERR_PTR.
 */
#define vfio_alloc_device(type, member, dev, ops)					\
	((struct type *)_vfio_alloc_device(sizeof(struct type) +			\
		BUILD_BUG_ON_ZERO(offsetof(struct type, member)), dev, ops))

/**
 * vfio_put_device - give a device back
 * @device: of vfio_alloc_device(), not registered
 *
 * Context: process context; may sleep.
 */
static inline void vfio_put_device(struct vfio_device *device)
{
	put_device(&device->device);
}

int vfio_assign_device_set(struct vfio_device *device, void *id);
unsigned int vfio_device_set_open_count(struct vfio_device_set *set);

/* ---- register.c ---- */

int vfio_register_group_dev(struct vfio_device *device);
void vfio_unregister_group_dev(struct vfio_device *device);

/* ---- kvm.c: questions about a file that may be a group's ---- */

bool vfio_file_is_group(struct file *file);
bool vfio_file_is_valid(struct file *file);
bool vfio_file_has_dev(struct file *file, struct vfio_device *device);
bool vfio_file_enforced_coherent(struct file *file);
void vfio_file_set_kvm(struct file *file, struct kvm *kvm);
struct iommu_group *vfio_file_iommu_group(struct file *file);

/* ---- virqfd.c: a user's eventfd calls the kernel ---- */

/**
 * struct vfio_virqfd - a hook in the wait queue of a user's eventfd
 * @owner: first argument of the callbacks
 * @handler: called when the eventfd is signalled, in atomic context with interrupts off and its
 *	wait queue locked, so it must not signal an eventfd itself; returns whether @thread is to
 *	run too; NULL: it is to run
 * @thread: called in process context; may be NULL
 *
 * All other members belong to virqfd.c.
 */
struct vfio_virqfd {
	void *owner;
	bool (*handler)(void *owner, void *data);
	void (*thread)(void *owner, void *data);

	/* private: for virqfd.c */
	void *data;
	struct eventfd_ctx *eventfd;
	wait_queue_head_t *queue;
	wait_queue_entry_t wait;
	poll_table poll;
	struct work_struct thread_work;
	struct work_struct release_work;
	struct vfio_virqfd **slot;
};

int vfio_virqfd_hook(struct vfio_virqfd **slot, int fd, const struct vfio_virqfd *model,
		     void *data);
void vfio_virqfd_unhook(struct vfio_virqfd **slot);

#endif

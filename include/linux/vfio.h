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
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/percpu-rwsem.h>
#include <linux/poll.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/vfio.h>

#define VFIO_NS "VFIO_STANDALONE"

struct dentry;
struct eventfd_ctx;
struct file;
struct iov_iter;
struct iommu_group;
struct kiocb;
struct kvm;
struct seq_file;
struct vfio_device;
struct vfio_group;
struct vfio_reason;
struct vm_area_struct;
struct vm_fault;

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
 * @argsz: size of the user's struct, as the user said; at least the row's @min
 * @data: kernel copy: the row's @min bytes from the user, zeroes behind. What the handler leaves
 *	here goes back to the user as far as the row's @back says
 * @caps: links added by the handler, appended behind the row's @back bytes
 * @reply: of kvmalloc() by the handler, freed by the caller; copied behind the row's @min bytes
 * @reply_size: bytes of @reply, covered by @argsz
 *
 * All other members belong to uapi.c.
 */
struct vfio_call {
	u32 argsz;
	void *data;
	struct vfio_info_caps caps;
	void *reply;
	size_t reply_size;

	/* private: for uapi.c */
	void __user *arg;
	struct vfio_reason *reason;
	size_t head_size;
	void *tail;
	size_t tail_told;
	size_t tail_size;
};

/**
 * struct vfio_ioctl - row of a table of ioctls
 * @cmd: the ioctl's number
 * @min: bytes that the user must provide; 0: the ioctl has no struct, @plain is called
 * @back: most bytes copied back after success, cut to argsz; 0: none
 * @tail: most bytes behind @min that the handler may ask for by vfio_call_tail()
 * @tail_told: how many there are, by what @min holds; NULL: as many as argsz covers
 * @back_error: an error after which @back bytes are copied back as well; 0: none
 * @cap_offset: where in the struct the offset of the capability chain is; 0: it has none
 * @flags: bits the user may set in the second u32 of the struct; ~0 where flags are only an answer
 * @admit: 0, or an errno for an owner who has no such call, whatever is asked; NULL: all have
 * @handler: called with the decoded call; negative errno, or what the ioctl returns
 * @plain: called with the raw argument where @min is 0
 *
 * Errors come in this order: that of @admit, -EFAULT, -EINVAL for argsz, -EINVAL for flags, the
 * handler's. No user memory is touched while a handler runs.
 */
struct vfio_ioctl {
	unsigned int cmd;
	u16 min;
	u16 back;
	u16 tail;
	size_t (*tail_told)(const void *data);
	s16 back_error;
	u16 cap_offset;
	u32 flags;
	int (*admit)(void *owner);
	long (*handler)(void *owner, struct vfio_call *call);
	long (*plain)(void *owner, unsigned long arg);
};

/**
 * struct vfio_ioctl_guard - what is done around a handler
 * @enter: 0, or an errno that the ioctl then returns
 * @leave: undo of @enter, after the handler
 */
struct vfio_ioctl_guard {
	int (*enter)(void *owner);
	void (*leave)(void *owner);
};

const struct vfio_ioctl *vfio_ioctl_find(const struct vfio_ioctl *rows, size_t nr_rows,
					 unsigned int cmd);
long vfio_ioctl_run(const struct vfio_ioctl *row, const struct vfio_ioctl_guard *guard,
		    void *owner, struct vfio_reason *reason, unsigned long arg);
long vfio_ioctl_dispatch(const struct vfio_ioctl *rows, size_t nr_rows, void *owner,
			 struct vfio_reason *reason, unsigned int cmd, unsigned long arg);
void *vfio_call_tail(const struct vfio_call *call, size_t size);
void *vfio_info_cap_add(struct vfio_info_caps *caps, size_t size, u16 id, u16 version);

/**
 * struct vfio_irq_request - a VFIO_DEVICE_SET_IRQS whose shape has been checked
 * @index: interrupt index, below the number of indexes
 * @start: first interrupt
 * @count: number of interrupts; @start + @count does not pass the end of the index
 * @action: one VFIO_IRQ_SET_ACTION_* bit, or several or none: the driver's table refuses those
 * @data: one VFIO_IRQ_SET_DATA_* bit
 * @bools: @count bytes where @data is BOOL, else NULL; part of the call
 * @fds: @count file descriptors where @data is EVENTFD, else NULL; part of the call
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

/* ---- device.c: devices ---- */

/**
 * struct vfio_feature - row of a table of VFIO_DEVICE_FEATURE ids
 * @id: the feature
 * @ops: VFIO_DEVICE_FEATURE_GET and _SET, as far as the id knows them
 * @size: bytes of data that the user must provide, at most VFIO_FEATURE_BYTES
 * @answers: the data goes back to the user after success
 * @present: whether this device has the feature at all (else -ENOTTY); NULL: always
 * @handler: @op is GET or SET; @data is a kernel copy of the user's data, @size bytes
 */
struct vfio_feature {
	u32 id;
	u32 ops;
	u16 size;
	bool answers;
	bool (*present)(struct vfio_device *device);
	int (*handler)(struct vfio_device *device, u32 op, void *data);
};

#define VFIO_FEATURE_BYTES 64

#define VFIO_ACCESS_BYTES 256

/**
 * struct vfio_device_ops - what the core asks a device driver to do
 * @init: called by vfio_alloc_device() after the device is set up; may be NULL
 * @release: undo of @init, called by vfio_put_device(); dead fds may live on; may be NULL
 * @open_device: first device fd is about to be made; hardware may be touched from here on
 * @close_device: the last device fd is gone; every trace of its user is to be wiped
 * @clip: how many of @count bytes at a place of the device fd can be read or written; a negative
 *	errno where none can
 * @read: read into kernel memory what @clip allowed, in pieces of at most VFIO_ACCESS_BYTES that
 *	do not cross a multiple of it; 0 or a negative errno
 * @write: the other direction
 * @mmap: as in file_operations, but for vm_ops and vm_private_data of the mapping, which are the
 *	core's; NULL: nothing can be mapped
 * @fault: bring 2^@order pages of such a mapping in
 * @request: ask the user to let go, for the (@count + 1)th time; may be NULL
 * @is_gone: there is no device any more that a user could hand back, so nobody waits for him; may
 *	be NULL; called from anywhere
 * @hurry: the gate is about to close for good: whoever inside waits for somebody else than the
 *	hardware, and whoever comes to do so, is to fail; may be NULL
 * @returned: on the way to be unregistered the last user is gone, and the memory that the device
 *	reached may be mapped yet: what a close could not do; may be NULL
 * @match: does @name, as given to GET_DEVICE_FD, mean this device? 1, 0 or a negative errno that
 *	the caller gets; may write into @name; NULL: the name must equal dev_name()
 * @fdinfo: lines for the fdinfo of an open device fd; waits for no lock that is held over anything
 *	long; inside the gate; may be NULL
 * @debugfs: put files into the device's folder in debugfs, which may be an error. Readers come at
 *	any time until unregistration ends, inside of no gate; they wait for no lock; may be NULL
 * @groups: attributes of /sys/…/vfio-dev/vfioX, or NULL
 * @ioctls: rows of the device's ioctls; owner is the struct vfio_device
 * @nr_ioctls: number of @ioctls
 * @features: rows of the device's features
 * @nr_features: number of @features
 *
 * @open_device and @close_device run under the lock of the device's set. All may sleep. @clip,
 * @read, @write, @mmap, @fault and the handlers of @ioctls and @features run inside the device's
 * gate, @read, @write and the handlers with the device awake, and touch no user memory. When
 * @close_device is called, none of these runs and none will before the next @open_device, although
 * there may be fds and mappings.
 */
struct vfio_device_ops {
	int (*init)(struct vfio_device *device);
	void (*release)(struct vfio_device *device);
	int (*open_device)(struct vfio_device *device);
	void (*close_device)(struct vfio_device *device);
	ssize_t (*clip)(struct vfio_device *device, bool write, size_t count, loff_t pos);
	int (*read)(struct vfio_device *device, u8 *buf, size_t count, loff_t pos);
	int (*write)(struct vfio_device *device, const u8 *buf, size_t count, loff_t pos);
	int (*mmap)(struct vfio_device *device, struct vm_area_struct *vma);
	vm_fault_t (*fault)(struct vfio_device *device, struct vm_fault *vmf, unsigned int order);
	void (*request)(struct vfio_device *device, unsigned int count);
	bool (*is_gone)(const struct vfio_device *device);
	void (*hurry)(struct vfio_device *device);
	void (*returned)(struct vfio_device *device);
	int (*match)(struct vfio_device *device, char *name);
	void (*fdinfo)(struct vfio_device *device, struct seq_file *seq);
	void (*debugfs)(struct vfio_device *device, struct dentry *folder);
	const struct attribute_group **groups;
	const struct vfio_ioctl *ioctls;
	size_t nr_ioctls;
	const struct vfio_feature *features;
	size_t nr_features;
};

/**
 * struct vfio_gate - gate.c: may the device still be touched?
 * @inside: held for reading by those who are about it, for writing for good once it is closed
 * @closing: nobody need try any more
 * @empty: the last one has left
 */
struct vfio_gate {
	struct percpu_rw_semaphore inside;
	bool closing;
	bool empty;
};

/**
 * struct vfio_dead_page - device_mmap.c: what stands in for a device's memory once the device is
 *	taken back
 * @page: all ones; immutable
 * @wipe: makes it so again, while it is mapped
 */
struct vfio_dead_page {
	struct page *page;
	struct delayed_work wipe;
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
 * @open_count: device fds; guarded by the lock of @set, read without it to be shown
 * @may_sleep: the driver has given back the runtime-PM reference that keeps an open device awake,
 *	as every driver with runtime PM must have one; set before that, cleared after it was taken
 *	again
 * @inode: inode of all fds of the device: one address space to zap BAR mappings in; immutable
 * @device: /sys/…/vfio-dev/vfioX; its reference count is that of the struct
 * @index: X in vfioX; immutable
 * @debugfs: its folder there, while registered
 * @noiommu: its group was made up for it, there is no IOMMU; immutable while registered
 * @group: group the device is in; set by registration, immutable until unregistration ends
 * @group_node: in the group's list of devices; guarded by the group's devices_lock
 * @gate: closed when the device is taken back
 * @dead_page: what users map from then on
 * @users: one for the registration, one for each fd that still has the device and each lookup
 * @changed: woken when @users falls to zero, when @revoke_after_ms changes and when the gate is
 *	closed
 * @revoke_after_ms: how long unregistration waits for users; 0: not at all; -1: for ever;
 *	VFIO_REVOKE_DEFAULT: as long as the module parameter says
 * @wanted: it will be unregistered, and its users know since @wanted_since; released when set
 * @wanted_since: jiffies
 * @asking: asks them while it is not the device's turn to be unregistered
 * @looks: how often it was looked whether its users are to be asked; of whoever does, see wanted.c
 * @told: events say that it is wanted: it has, or had, users; of @asking and, while that does not
 *	run, of who wants it
 * @revoked: no fd can come to have the device any more; guarded by @files_lock
 * @files: fds that have the device; guarded by @files_lock
 * @files_lock: a leaf
 */
struct vfio_device {
	struct device *dev;
	const struct vfio_device_ops *ops;
	struct vfio_device_set *set;
	struct list_head set_node;
	unsigned int open_count;
	bool may_sleep;
	struct inode *inode;

	/* private: for the core */
	struct device device;
	int index;
	struct dentry *debugfs;
	bool noiommu;
	struct vfio_group *group;
	struct list_head group_node;
	struct vfio_gate gate;
	struct vfio_dead_page dead_page;
	refcount_t users;
	wait_queue_head_t changed;
	int revoke_after_ms;
	bool wanted;
	unsigned long wanted_since;
	struct delayed_work asking;
	unsigned int looks;
	bool told;
	bool revoked;
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

void vfio_put_device(struct vfio_device *device);
size_t vfio_device_holders_print(struct vfio_device *device, char *text, size_t size,
				 const char *separator);
#define VFIO_REVOKE_DEFAULT INT_MIN

vm_fault_t vfio_device_fault_dead(struct vfio_device *device, struct vm_fault *vmf,
				  unsigned int order);
void vfio_device_want_back(struct vfio_device *device);
int vfio_assign_device_set(struct vfio_device *device, void *id);
unsigned int vfio_device_set_open_count(struct vfio_device_set *set);

/* ---- container.c ---- */

void vfio_withdraw_memory(phys_addr_t start, resource_size_t size);

/* ---- debugfs.c ---- */

struct dentry *vfio_debugfs_folder_add(const char *name, struct dentry *parent);
ssize_t vfio_debugfs_read_iter(struct kiocb *iocb, struct iov_iter *to);

/**
 * VFIO_DEBUGFS_FOPS - the operations NAME_fops of a file that NAME_open() makes a seq_file of
 * @name: NAME
 * @undo: what undoes NAME_open()
 *
 * For debugfs_create_file_unsafe(): the file takes care of its own removal.
 */
#define VFIO_DEBUGFS_FOPS(name, undo)				\
static const struct file_operations name##_fops = {		\
	.owner = THIS_MODULE,					\
	.open = name##_open,					\
	.read_iter = vfio_debugfs_read_iter,			\
	.llseek = default_llseek,				\
	.release = undo,					\
}

/**
 * VFIO_DEBUGFS_SHOW - the operations NAME_fops of a file that NAME_show() tells at once
 * @name: NAME
 */
#define VFIO_DEBUGFS_SHOW(name)					\
static int name##_open(struct inode *inode, struct file *file)	\
{								\
	return single_open(file, name##_show, inode->i_private);	\
}								\
VFIO_DEBUGFS_FOPS(name, single_release)

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
	struct list_head hung_up;
	struct vfio_virqfd **slot;
};

int vfio_virqfd_hook(struct vfio_virqfd **slot, int fd, const struct vfio_virqfd *model,
		     void *data);
void vfio_virqfd_unhook(struct vfio_virqfd **slot);

#endif

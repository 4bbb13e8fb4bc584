/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio.ko, inside.
 *
 * The lock order of all three modules, outermost first.
 *
 *   device_lock		(the driver core's) bind, unbind, resets by the host; only tried
 *				for by those who hold one of the others
 *   gate.inside		gate.c: closed to revoke; whoever enters only tries
 *   groups_lock		group.c: which groups there are
 *   group->lock		one group: its opener, its container
 *   container->lock		a container's members and instance (rw_semaphore)
 *   vfio_device_set.lock	open, close and common reset of devices
 *   instances_lock		container.c: which instances of backends there are
 *   a file of debugfs	(the kernel's) its readers, whom its removal waits for; they only try for
 *			vfio_device_set.lock and irq_lock
 *   iommu->domains_lock	type1: domains, ranges (rw_semaphore)
 *   iommu->lock		type1: mappings
 *   irq_lock			vfio-pci: which interrupts are set up
 *   config_lock		vfio-pci: what the user sees of config space
 *   ioeventfds_lock		vfio-pci: writes that eventfds make
 *   mmap_lock			(the kernel's) of the user
 *   type1's late_lock		pages to count back later (spinlock; only tries for mmap_lock)
 *   a turn at VGA addresses	(the arbiter's) of vfio-pci's VGA region; only tries for memory_lock
 *   vfs_lock			vfio-pci: which VFs a PF has; held over a reset of the PF, and
 *				while a VF is learnt from
 *   memory_lock		vfio-pci: may the device's memory be touched?
 *   an eventfd's wait queue	(the kernel's) hooks run under it, and only try for memory_lock
 *   intx.lock			vfio-pci: the INTx line (spinlock, interrupts off)
 *   slots_lock			virqfd.c: who owns a hook (spinlock, interrupts off)
 *
 * Below all of these, with something inside: group->devices_lock (mutex), which guards a group's
 * list of devices. The match operation of devices runs under it, and takes vfio-pci's pfs_lock.
 * viability.c's trying (mutex) only tries for device_lock.
 *
 * Leaves, under which nothing else of ours is taken: backends_lock and sets_lock (mutexes),
 * group->view_lock, container->view_lock, vfio_reason.lock and type1_payer.lock (spinlocks),
 * device->files_lock, and vfio-pci's aliases_lock, late_lock and vga_lock (the latter two
 * spinlocks).
 *
 * The PCI core takes its pci_bus_sem inside memory_lock, in resets and power changes. It calls us
 * under it when it recovers from an error, also to wake a device up: there memory_lock is only
 * tried for. Whoever has that lock for long keeps the device awake.
 *
 * Recovery from an error, again, waits under pci_bus_sem for the device_lock of each device: while
 * VFs are taken from their users under that of their PF, an error above the PF is one deadlock that
 * the PCI core has with all drivers that take VFs away.
 *
 * A group that begins waits, under its device's device_lock, for one before it to leave its
 * container (group->gone). Who leaves takes all that is below groups_lock, and no device_lock but
 * that of its own last device.
 *
 * User memory is not touched under memory_lock and below: the fault handler of a BAR mapping comes
 * with mmap_lock and takes memory_lock.
 */
#ifndef _VFIO_PRIVATE_H
#define _VFIO_PRIVATE_H

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/vfio.h>

#include "backend.h"

struct vfio_instance;

/**
 * struct vfio_holder - the process that opened something
 * @pid: its process id as the host sees it, 0 for none
 * @comm: its command
 */
struct vfio_holder {
	pid_t pid;
	char comm[TASK_COMM_LEN];
};

/* Room for a pid, a blank, and a command of which each byte may be escaped. */
struct vfio_holder_text {
	char text[16 + 4 * TASK_COMM_LEN];
};

/**
 * struct vfio_container - an open /dev/vfio/vfio
 * @number: names it for whoever watches; never given twice; immutable
 * @kref: one for the file, one for each member
 * @lock: guards @members and @instance. Whoever holds it does not wait for the user
 * @members: groups, linked by vfio_member.node
 * @instance: what the members are attached to; NULL before SET_IOMMU
 * @view_lock: a leaf. Both are written under it and @lock, so either is enough to look
 * @reason: why the last call failed; has a lock of its own
 */
struct vfio_container {
	u64 number;
	struct kref kref;
	struct rw_semaphore lock;
	struct list_head members;
	struct vfio_instance *instance;
	spinlock_t view_lock; /* see above */
	struct vfio_reason reason;
};

/**
 * struct vfio_member - a group as its container sees it
 * @noiommu: the group has no IOMMU; immutable
 * @container: referenced once the group is attached, or NULL; guarded by the group's lock
 * @iommu_group: what is attached; immutable while @container is set; NULL in a dead group
 * @node: in container->members; guarded by container->lock
 * @users: open devices of the group; raised under the group's lock
 */
struct vfio_member {
	bool noiommu;
	struct vfio_container *container;
	struct iommu_group *iommu_group;
	struct list_head node;
	atomic_t users;
};

/**
 * struct vfio_group - /dev/vfio/N
 * @dev: the class device; its reference count is that of the struct
 * @cdev: the node; an open file holds it and so the struct
 * @node: in the list of groups, or of those that die; guarded by groups_lock
 * @gone: it has left its container, and a successor may come
 * @nr_devices: devices that have joined and not left; guarded by groups_lock
 * @lock: guards @iommu_group, @opened_file, @holder, @told and @member.container. May be held for
 *	as long as much memory takes to be unpinned
 * @iommu_group: referenced; NULL once the last device has left and the container is left
 * @opened_file: the one opener's file, not referenced; NULL while closed
 * @holder: who opened it
 * @told: since it was opened, or last seen viable, the log has said why it is not
 * @member: the group's place in a container
 * @view_lock: a leaf. @iommu_group and @holder are written under it and @lock, so either is enough
 *	to look: sysfs and notifiers do not wait
 * @devices_lock: guards @devices
 * @devices: devices that may be opened, linked by vfio_device.group_node
 */
struct vfio_group {
	struct device dev;
	struct cdev cdev;
	struct list_head node;
	struct completion gone;
	unsigned int nr_devices;

	struct mutex lock; /* of the members up to @member */
	struct iommu_group *iommu_group;
	struct file *opened_file;
	struct vfio_holder holder;
	bool told;
	struct vfio_member member;
	spinlock_t view_lock; /* see above */

	struct mutex devices_lock; /* of the list below */
	struct list_head devices;
};

/* holder.c */
void vfio_holder_set(struct vfio_holder *holder);
void vfio_holder_clear(struct vfio_holder *holder);
const char *vfio_holder_print(const struct vfio_holder *holder, struct vfio_holder_text *buf);

/* debugfs.c */
void vfio_debugfs_device_add(struct vfio_device *device);
void vfio_debugfs_device_remove(struct vfio_device *device);
void vfio_debugfs_init(void);
void vfio_debugfs_exit(void);

/* virqfd.c */
int vfio_virqfd_init(void);
void vfio_virqfd_exit(void);

/* container.c */
struct vfio_container *vfio_container_from_file(struct file *file);
int vfio_container_refuse(struct vfio_container *container, const struct vfio_member *member,
			  int error, const char *why);
int vfio_container_attach(struct vfio_container *container, struct vfio_member *member);
void vfio_container_detach(struct vfio_member *member);
bool vfio_container_enforces_coherency(struct vfio_member *member);
int vfio_container_use(struct vfio_member *member);
void vfio_container_unuse(struct vfio_member *member);
int vfio_container_init(void);
void vfio_container_exit(void);

/* device_mmap.c */
int vfio_dead_page_init(struct vfio_dead_page *dead);
void vfio_dead_page_exit(struct vfio_dead_page *dead);
int vfio_device_mmap(struct vfio_device *device, struct vm_area_struct *vma);
void vfio_device_unmap_all(struct vfio_device *device);

/* wanted.c */
/*
 * One look after the other at a device that is wanted back; one of so many asks its users as well.
 * A client may begin to let go from the start with each request, so requests have to be rare: what
 * it asks of its own user takes seconds.
 */
#define VFIO_WANTED_LOOK HZ
#define VFIO_WANTED_LOOKS_PER_REQUEST 10

/**
 * enum vfio_revoke_step - how far a device is on its way back from its users
 * @VFIO_REVOKE_WANTED: somebody wants it, and users have it
 * @VFIO_REVOKE_ASKED: the users were asked once more
 * @VFIO_REVOKE_RETURNED: they let go in time
 * @VFIO_REVOKE_TAKEN: their time is over
 * @VFIO_REVOKE_SHUT: no new fd, no call and no fault has the device
 * @VFIO_REVOKE_UNMAPPED: their mappings show the dead page
 * @VFIO_REVOKE_CLOSED: the fds have given back what they held: the device is closed
 * @VFIO_REVOKE_DONE: nobody has the device
 */
enum vfio_revoke_step {
	VFIO_REVOKE_WANTED,
	VFIO_REVOKE_ASKED,
	VFIO_REVOKE_RETURNED,
	VFIO_REVOKE_TAKEN,
	VFIO_REVOKE_SHUT,
	VFIO_REVOKE_UNMAPPED,
	VFIO_REVOKE_CLOSED,
	VFIO_REVOKE_DONE,
};

void vfio_wanted_init(struct vfio_device *device);
void vfio_wanted_exit(struct vfio_device *device);
int vfio_revoke_after(const struct vfio_device *device);
void vfio_revoke_after_set(struct vfio_device *device, int milliseconds);
bool vfio_device_is_wanted(const struct vfio_device *device);
void vfio_wanted_step(const struct vfio_device *device, enum vfio_revoke_step step);
void vfio_wanted_look(struct vfio_device *device);
unsigned long vfio_wanted_turn(struct vfio_device *device);
long vfio_wanted_time_left(const struct vfio_device *device, unsigned long since);

/* device.c */
void vfio_device_use_first(struct vfio_device *device);
bool vfio_device_tryget(struct vfio_device *device);
void vfio_device_put(struct vfio_device *device);
int vfio_device_open(struct vfio_device *device);
void vfio_device_close(struct vfio_device *device, unsigned int count);
int vfio_device_init(void);
void vfio_device_exit(void);

/* device_file.c */
void vfio_device_files_shut(struct vfio_device *device);
void vfio_device_files_settle(struct vfio_device *device);
struct vfio_device *vfio_device_from_file(struct file *file);
struct file *vfio_device_file_create(struct vfio_device *device, struct vfio_member *member,
				     struct file *group_file);

/* revoke.c */
void vfio_device_recover(struct vfio_device *device);

/* device_sysfs.c */
extern const struct device_type vfio_device_type;

/* viability.c */
#define VFIO_BLOCKERS_BYTES 256 /* for a list in a message */

size_t vfio_blockers_print(struct iommu_group *iommu_group, char *text, size_t size,
			   char separator);

/* noiommu.c */
bool vfio_noiommu_allowed(void);
struct iommu_group *vfio_noiommu_group_create(struct device *dev);
void vfio_noiommu_group_destroy(struct device *dev);
void vfio_noiommu_init(void);
void vfio_noiommu_exit(void);

/* group_sysfs.c */
extern const struct attribute_group *vfio_group_attr_groups[];

/* group_fdinfo.c */
void vfio_group_fdinfo(struct vfio_group *group, struct seq_file *seq);

/* group.c */
int vfio_group_join(struct vfio_device *device, struct iommu_group *iommu_group);
void vfio_group_hide(struct vfio_device *device);
void vfio_group_leave(struct vfio_device *device);
struct vfio_group *vfio_group_from_file(struct file *file);
struct vfio_group *vfio_group_get(struct iommu_group *iommu_group);
void vfio_group_uevent(struct vfio_group *group, char *envp[]);
bool vfio_group_enforces_coherency(struct vfio_group *group);
bool vfio_group_in_use(struct vfio_group *group);
int vfio_group_init(void);
void vfio_group_exit(void);

/* group_events.c */
int vfio_group_events_init(void);
void vfio_group_events_exit(void);

#endif

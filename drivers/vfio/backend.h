/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The contract between a container and what it programs.
 *
 * A backend (type1, noiommu) registers itself once. A container opens an instance of the first
 * backend that accepts the type named in VFIO_SET_IOMMU and all its groups. The container's lock is
 * held for reading around @extension and for writing around @attach and @detach, which so are
 * alone, and which do not wait for the user. Nor does @withdraw, which may come at any time. @ioctl
 * may: it is called with a reference to the instance and without a lock, so a group may come or go
 * meanwhile. With its last group the instance ends its work, and it is released when no ioctl is
 * under way any more.
 */
#ifndef _VFIO_BACKEND_H
#define _VFIO_BACKEND_H

#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/module.h>

#include "reason.h"

struct seq_file;

/**
 * struct vfio_backend_ops - what the container asks a backend to do
 * @owner: module that is pinned while an instance is open
 * @noiommu: serves groups without an IOMMU, and only these
 * @open: make an instance for a VFIO_*_IOMMU type, or ERR_PTR; may sleep. @container is the number
 *	that names it for whoever watches. What is refused later is noted in @reason, which lives as
 *	long as any of the other calls but @release and @withdraw
 * @release: free an instance; it has no groups any more and nobody calls; may sleep
 * @extension: answer of VFIO_CHECK_EXTENSION; @instance is NULL if asked before VFIO_SET_IOMMU
 * @attach: let the group's devices see the instance's mappings; may sleep; on failure nothing
 *	has changed
 * @detach: undo of @attach; cannot fail; may sleep; the last one takes all mappings away
 * @withdraw: memory of a device, from one physical address to another (inclusive), is no user's any
 *	more: no device may reach it through the instance; cannot fail; may sleep; NULL if no
 *	mapping ever shows any
 * @fdinfo: lines for the fdinfo of the container; waits for nothing. No lock is held; the groups
 *	may leave meanwhile
 * @ioctl: all ioctls that the container does not know; -ENOTTY for unknown ones; may sleep
 */
struct vfio_backend_ops {
	struct module *owner;
	bool noiommu;
	void *(*open)(unsigned long type, u64 container, struct vfio_reason *reason);
	void (*release)(void *instance);
	long (*extension)(void *instance, unsigned long number);
	int (*attach)(void *instance, struct iommu_group *group);
	void (*detach)(void *instance, struct iommu_group *group);
	void (*withdraw)(void *instance, phys_addr_t start, phys_addr_t last);
	void (*fdinfo)(void *instance, struct seq_file *seq);
	long (*ioctl)(void *instance, unsigned int cmd, unsigned long arg);
};

/**
 * struct vfio_backend - a registered backend
 * @ops: its operations; immutable
 * @node: in the core's list of backends; private to container.c
 */
struct vfio_backend {
	const struct vfio_backend_ops *ops;
	struct list_head node;
};

struct dentry;
struct vm_area_struct;

bool vfio_vma_is_linear(const struct vm_area_struct *vma);
struct dentry *vfio_debugfs_container_add(u64 number);
void vfio_register_backend(struct vfio_backend *backend);
void vfio_unregister_backend(struct vfio_backend *backend);

#endif

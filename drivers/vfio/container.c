// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vfio/vfio: a container is a set of groups that share one view of memory.
 *
 * This file owns containers, their members and the list of backends. A container is powerless by
 * itself: anybody may open one. Privilege comes in with a group, which its owner puts in, and the
 * last group takes it out again: the backend's instance ends and the container is as new.
 *
 * An open container holds one reference to itself, each member another, so fds may be closed in any
 * order. The instance of the backend is the container's from SET_IOMMU until the last member
 * leaves. An ioctl that reaches it holds a reference of its own and no lock: the user can make it
 * wait for ever, and the container must not wait with it. So an instance may outlive its time in
 * the container by as long as such a call takes.
 *
 * All instances are in a list: when a device is closed, no container lends its memory any more.
 */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kmod.h>
#include <linux/miscdevice.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "trace.h"
#include "vfio.h"

/* Guards the list. A leaf, but backends answer VFIO_CHECK_EXTENSION under it. */
static DEFINE_MUTEX(backends_lock);
static LIST_HEAD(backends);

/* Guards the list of instances, and keeps those in it from being freed. */
static DEFINE_MUTEX(instances_lock);
static LIST_HEAD(instances);

/* How many containers there were. */
static atomic64_t containers = ATOMIC64_INIT(0);

/**
 * vfio_register_backend - offer a backend to containers
 * @backend: owned by the caller until vfio_unregister_backend()
 *
 * Context: process context; may sleep.
 */
void vfio_register_backend(struct vfio_backend *backend)
{
	mutex_lock(&backends_lock);
	list_add_tail(&backend->node, &backends);
	mutex_unlock(&backends_lock);
}
EXPORT_SYMBOL_NS_GPL(vfio_register_backend, VFIO_NS);

/**
 * vfio_unregister_backend - take a backend back
 * @backend: registered before; no instance is open, since an instance pins the module
 *
 * Context: process context; may sleep.
 */
void vfio_unregister_backend(struct vfio_backend *backend)
{
	mutex_lock(&backends_lock);
	list_del(&backend->node);
	mutex_unlock(&backends_lock);
}
EXPORT_SYMBOL_NS_GPL(vfio_unregister_backend, VFIO_NS);

/**
 * struct vfio_instance - an instance of a backend, whose module it pins
 * @kref: one for the container, one for each ioctl that is under way
 * @node: in the list of instances, from the first member on
 * @backend: immutable
 * @data: the backend's own; immutable
 */
struct vfio_instance {
	struct kref kref;
	struct list_head node;
	struct vfio_backend *backend;
	void *data;
};

static void instance_free(struct kref *kref)
{
	struct vfio_instance *instance = container_of(kref, struct vfio_instance, kref);
	struct module *owner = instance->backend->ops->owner;

	mutex_lock(&instances_lock);
	list_del(&instance->node);
	mutex_unlock(&instances_lock);
	instance->backend->ops->release(instance->data);
	kfree(instance);
	module_put(owner);
}

static void instance_put(struct vfio_instance *instance)
{
	kref_put(&instance->kref, instance_free);
}

static const struct vfio_backend_ops *instance_ops(const struct vfio_instance *instance)
{
	return instance->backend->ops;
}

/**
 * vfio_withdraw_memory - memory of a device is no user's any more
 * @start: first physical address
 * @size: bytes
 *
 * A user may have lent it to other devices, in any container. None of them reaches it when this
 * returns; nothing else changes for the user. To be called when a device is closed, before anybody
 * else has it: no page table of a user has the memory any more, and none will get it.
 *
 * Context: process context; may sleep; needs no memory; takes instances_lock.
 */
void vfio_withdraw_memory(phys_addr_t start, resource_size_t size)
{
	struct vfio_instance *instance, *previous = NULL;

	mutex_lock(&instances_lock);
	list_for_each_entry(instance, &instances, node) {
		/* The last group took the mappings of one that is on its way out. */
		if (!instance_ops(instance)->withdraw || !kref_get_unless_zero(&instance->kref))
			continue;
		/* What the users of one have mapped is not for the others to wait for. */
		mutex_unlock(&instances_lock);
		if (previous)
			instance_put(previous);
		instance_ops(instance)->withdraw(instance->data, start, start + size - 1);
		previous = instance;
		mutex_lock(&instances_lock);
	}
	mutex_unlock(&instances_lock);
	if (previous)
		instance_put(previous);
}
EXPORT_SYMBOL_NS_GPL(vfio_withdraw_memory, VFIO_NS);

/* Groups with and without an IOMMU never share a container, so any member tells the kind. */
static bool container_is_noiommu(struct vfio_container *container)
{
	struct vfio_member *member;

	lockdep_assert_held(&container->lock);

	member = list_first_entry_or_null(&container->members, struct vfio_member, node);
	return member && member->noiommu;
}

/*
 * The backend after @previous (or the first) that knows @type and serves the container's kind of
 * groups, with its module pinned. Gives up the pin of @previous, which has kept that one on the
 * list.
 */
static struct vfio_backend *next_backend(struct vfio_container *container,
					 struct vfio_backend *previous, unsigned long type)
{
	bool noiommu = container_is_noiommu(container);
	struct vfio_backend *backend, *found = NULL;

	mutex_lock(&backends_lock);
	backend = list_prepare_entry(previous, &backends, node);
	list_for_each_entry_continue(backend, &backends, node) {
		if (backend->ops->noiommu == noiommu && backend->ops->extension(NULL, type) > 0 &&
		    try_module_get(backend->ops->owner)) {
			found = backend;
			break;
		}
	}
	mutex_unlock(&backends_lock);

	if (previous)
		module_put(previous->ops->owner);
	return found;
}

/* Ask those that might serve: all while the container is empty. */
static long ask_backends(struct vfio_container *container, unsigned long number)
{
	bool noiommu = container_is_noiommu(container);
	bool any = list_empty(&container->members);
	struct vfio_backend *backend;
	long answer = 0;

	mutex_lock(&backends_lock);
	list_for_each_entry(backend, &backends, node) {
		if (!any && backend->ops->noiommu != noiommu)
			continue;
		answer = backend->ops->extension(NULL, number);
		if (answer > 0)
			break;
	}
	mutex_unlock(&backends_lock);
	return answer;
}

static void container_free(struct kref *kref)
{
	kfree(container_of(kref, struct vfio_container, kref));
}

static void container_put(struct vfio_container *container)
{
	kref_put(&container->kref, container_free);
}

/* Attach all members to a fresh instance, or none. */
static int attach_members(struct vfio_container *container, const struct vfio_backend_ops *ops,
			  void *data)
{
	struct vfio_member *member;
	int ret;

	lockdep_assert_held_write(&container->lock);

	list_for_each_entry(member, &container->members, node) {
		ret = ops->attach(data, member->iommu_group);
		if (ret)
			goto err_detach;
	}
	return 0;

err_detach:
	list_for_each_entry_continue_reverse(member, &container->members, node)
		ops->detach(data, member->iommu_group);
	return ret;
}

/* The pin of the backend's module moves into the instance. */
static int try_backend(struct vfio_container *container, struct vfio_backend *backend,
		       unsigned long type)
{
	struct vfio_instance *instance;
	int ret;

	instance = kzalloc(sizeof(*instance), GFP_KERNEL_ACCOUNT);
	if (!instance)
		return -ENOMEM;
	kref_init(&instance->kref);
	instance->backend = backend;
	instance->data = backend->ops->open(type, container->number, &container->reason);
	if (IS_ERR(instance->data)) {
		ret = PTR_ERR(instance->data);
		goto err_free;
	}
	ret = attach_members(container, backend->ops, instance->data);
	if (ret)
		goto err_release;
	mutex_lock(&instances_lock);
	list_add_tail(&instance->node, &instances);
	mutex_unlock(&instances_lock);
	spin_lock(&container->view_lock);
	container->instance = instance;
	spin_unlock(&container->view_lock);
	return 0;

err_release:
	backend->ops->release(instance->data);
err_free:
	kfree(instance);
	return ret;
}

/* Make the first backend that will have the container its own. */
static long container_find_backend(struct vfio_container *container, unsigned long type)
{
	struct vfio_backend *backend = NULL;
	long ret = -ENODEV;

	lockdep_assert_held_write(&container->lock);

	if (list_empty(&container->members)) {
		vfio_reason_note(&container->reason, "no group is in the container");
		return -EINVAL;
	}
	if (container->instance) {
		vfio_reason_note(&container->reason, "the container has its backend already");
		return -EINVAL;
	}
	while ((backend = next_backend(container, backend, type))) {
		ret = try_backend(container, backend, type);
		if (!ret)
			return 0;
	}
	return ret;
}

static bool backend_is_missing(void)
{
	struct vfio_backend *backend;
	bool missing = true;

	mutex_lock(&backends_lock);
	list_for_each_entry(backend, &backends, node)
		missing &= backend->ops->noiommu;
	mutex_unlock(&backends_lock);
	return missing;
}

static long container_set_iommu(void *owner, unsigned long type)
{
	struct vfio_container *container = owner;
	long ret;

	down_write(&container->lock);
	ret = container_find_backend(container, type);
	up_write(&container->lock);

	/* The softdep of this module loads type1, but not where modules are loaded one by one. */
	if (ret == -ENODEV && backend_is_missing() && !request_module("vfio_iommu_type1")) {
		down_write(&container->lock);
		ret = container_find_backend(container, type);
		up_write(&container->lock);
	}
	if (ret == -ENODEV && backend_is_missing())
		vfio_reason_note(&container->reason, "vfio_iommu_type1 cannot be loaded");
	trace_container_backend(container, type, ret);
	return ret;
}

static long container_extension(struct vfio_container *container, unsigned long number)
{
	long answer;

	down_read(&container->lock);
	if (container->instance)
		answer = instance_ops(container->instance)->extension(container->instance->data,
								      number);
	else
		answer = ask_backends(container, number);
	up_read(&container->lock);
	return answer;
}

static long container_check_extension(void *owner, unsigned long number)
{
	return container_extension(owner, number);
}

static long container_get_api_version(void *owner, unsigned long arg)
{
	return VFIO_API_VERSION;
}

static struct vfio_instance *container_get_instance(struct vfio_container *container)
{
	struct vfio_instance *instance;

	down_read(&container->lock);
	instance = container->instance;
	if (instance)
		kref_get(&instance->kref);
	up_read(&container->lock);
	return instance;
}

static long container_backend_ioctl(struct vfio_container *container, unsigned int cmd,
				    unsigned long arg)
{
	struct vfio_instance *instance = container_get_instance(container);
	long ret;

	if (!instance) {
		vfio_reason_note(&container->reason, "no backend yet: VFIO_SET_IOMMU comes first");
		return -EINVAL;
	}
	ret = instance_ops(instance)->ioctl(instance->data, cmd, arg);
	instance_put(instance);
	return ret;
}

static const struct vfio_ioctl container_ioctls[] = {
	{ .cmd = VFIO_GET_API_VERSION, .plain = container_get_api_version },
	{ .cmd = VFIO_CHECK_EXTENSION, .plain = container_check_extension },
	{ .cmd = VFIO_SET_IOMMU, .plain = container_set_iommu },
};

static long container_ioctl(struct vfio_container *container, unsigned int cmd, unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(container_ioctls); i++) {
		if (container_ioctls[i].cmd == cmd)
			return container_ioctls[i].plain(container, arg);
	}
	return container_backend_ioctl(container, cmd, arg);
}

static long container_fops_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct vfio_container *container = file->private_data;
	unsigned long begun = vfio_reason_begin(&container->reason);
	long ret = container_ioctl(container, cmd, arg);

	vfio_reason_end(&container->reason, begun, cmd, ret);
	return ret;
}

static int container_fops_open(struct inode *inode, struct file *file)
{
	struct vfio_container *container;

	container = kzalloc(sizeof(*container), GFP_KERNEL_ACCOUNT);
	if (!container)
		return -ENOMEM;

	container->number = atomic64_inc_return(&containers);
	kref_init(&container->kref);
	init_rwsem(&container->lock);
	spin_lock_init(&container->view_lock);
	vfio_reason_init(&container->reason);
	INIT_LIST_HEAD(&container->members);
	file->private_data = container;
	return 0;
}

static int container_fops_release(struct inode *inode, struct file *file)
{
	container_put(file->private_data);
	return 0;
}

/* Whoever reads this waits for nobody. */
static void container_fops_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct vfio_container *container = file->private_data;
	struct vfio_instance *instance;
	struct vfio_member *member;

	seq_printf(seq, "vfio-container-number: %llu\n", container->number);
	vfio_reason_show(&container->reason, seq);
	seq_puts(seq, "vfio-container-groups:");
	spin_lock(&container->view_lock);
	list_for_each_entry(member, &container->members, node)
		seq_printf(seq, " %d", iommu_group_id(member->iommu_group));
	instance = container->instance;
	if (instance)
		kref_get(&instance->kref);
	spin_unlock(&container->view_lock);
	seq_putc(seq, '\n');

	if (!instance) {
		seq_puts(seq, "vfio-container-backend: none\n");
		return;
	}
	instance_ops(instance)->fdinfo(instance->data, seq);
	instance_put(instance);
}

static const struct file_operations container_fops = {
	.owner = THIS_MODULE,
	.open = container_fops_open,
	.release = container_fops_release,
	.unlocked_ioctl = container_fops_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = container_fops_show_fdinfo,
};

/**
 * vfio_container_from_file - the container behind a file
 * @file: any open file
 *
 * Context: any.
 * Return: the container, valid as long as the caller holds @file, or NULL for another kind of file.
 */
struct vfio_container *vfio_container_from_file(struct file *file)
{
	return file->f_op == &container_fops ? file->private_data : NULL;
}

/* Take the group's devices for the user: no driver of the host can bind from here on. */
static int member_claim(struct vfio_member *member)
{
	if (member->noiommu)
		return 0;
	return iommu_group_claim_dma_owner(member->iommu_group, member);
}

static void member_release(struct vfio_member *member)
{
	if (!member->noiommu)
		iommu_group_release_dma_owner(member->iommu_group);
}

static int container_add_member(struct vfio_container *container, struct vfio_member *member)
{
	int ret;

	lockdep_assert_held_write(&container->lock);

	if (member->noiommu && !capable(CAP_SYS_RAWIO)) {
		vfio_reason_note(&container->reason,
				 "a group without an IOMMU needs CAP_SYS_RAWIO");
		return -EPERM;
	}
	if (!list_empty(&container->members) &&
	    container_is_noiommu(container) != member->noiommu) {
		vfio_reason_note(&container->reason,
				 "groups with and without an IOMMU cannot share a container");
		return -EPERM;
	}

	ret = member_claim(member);
	if (ret) {
		vfio_reason_note(&container->reason, ret == -EPERM || ret == -EBUSY ?
				 "group %d is not viable: the host or another user has it" :
				 "the kernel does not give group %d to users; its log may say why",
				 iommu_group_id(member->iommu_group));
		return ret;
	}
	if (container->instance) {
		ret = instance_ops(container->instance)->attach(container->instance->data,
								member->iommu_group);
		if (ret) {
			member_release(member);
			return ret;
		}
	}
	kref_get(&container->kref);
	spin_lock(&container->view_lock);
	list_add_tail(&member->node, &container->members);
	spin_unlock(&container->view_lock);
	return 0;
}

/**
 * vfio_container_refuse - tell the container's user why a group does not join
 * @container: the container, or NULL: there is nobody to be told
 * @member: the group's place in a container, perhaps another one
 * @error: negative errno
 * @why: a sentence
 *
 * Context: VFIO_GROUP_SET_CONTAINER.
 * Return: @error.
 */
int vfio_container_refuse(struct vfio_container *container, const struct vfio_member *member,
			  int error, const char *why)
{
	unsigned long begun;

	if (container) {
		begun = vfio_reason_begin(&container->reason);
		trace_group_attach(container, member, error);
		vfio_reason_note(&container->reason, "%s", why);
		vfio_reason_end(&container->reason, begun, VFIO_GROUP_SET_CONTAINER, error);
	}
	return error;
}

/**
 * vfio_container_attach - put a group into a container
 * @container: the container
 * @member: the group's place; in no container yet; @member->iommu_group is set
 *
 * Claims the DMA of the group's devices for the user and, if the container has its backend already,
 * attaches them to it.
 *
 * Context: process context; takes container->lock for writing; the caller holds the group's lock.
 * Return: 0; -EPERM for a group without an IOMMU among others or without CAP_SYS_RAWIO; the error
 * of the claim (-EPERM if a driver of the host uses the group); the backend's.
 */
int vfio_container_attach(struct vfio_container *container, struct vfio_member *member)
{
	unsigned long begun;
	int ret;

	down_write(&container->lock);
	begun = vfio_reason_begin(&container->reason);
	/* Before the claim: who looks without a lock must not take that for somebody else's. */
	WRITE_ONCE(member->container, container);
	ret = container_add_member(container, member);
	if (ret)
		WRITE_ONCE(member->container, NULL);
	up_write(&container->lock);
	trace_group_attach(container, member, ret);
	vfio_reason_end(&container->reason, begun, VFIO_GROUP_SET_CONTAINER, ret);
	return ret;
}

/**
 * vfio_container_enforces_coherency - does the container keep a group's DMA cache coherent?
 * @member: the group's place; the caller holds the group's lock
 *
 * Context: process context; takes container->lock.
 * Return: true if the group is in a container with a backend that says so.
 */
bool vfio_container_enforces_coherency(struct vfio_member *member)
{
	return member->container && container_extension(member->container, VFIO_DMA_CC_IOMMU) > 0;
}

/**
 * vfio_container_detach - take a group out of its container
 * @member: in a container, and none of its devices is open
 *
 * Context: process context; takes container->lock for writing; the caller holds the group's lock.
 */
void vfio_container_detach(struct vfio_member *member)
{
	struct vfio_container *container = member->container;
	struct vfio_instance *instance = NULL;

	WARN_ON_ONCE(atomic_read(&member->users));

	down_write(&container->lock);
	if (container->instance)
		instance_ops(container->instance)->detach(container->instance->data,
							  member->iommu_group);
	member_release(member);
	WRITE_ONCE(member->container, NULL);
	spin_lock(&container->view_lock);
	list_del(&member->node);
	if (list_empty(&container->members))
		swap(container->instance, instance);
	spin_unlock(&container->view_lock);
	if (list_empty(&container->members))
		vfio_reason_forget(&container->reason);
	up_write(&container->lock);

	trace_group_detach(container, member);
	if (instance)
		instance_put(instance);
	container_put(container);
}

/**
 * vfio_container_unuse - a device of the group was closed
 * @member: passed to vfio_container_use() before
 *
 * Context: any.
 */
void vfio_container_unuse(struct vfio_member *member)
{
	/* Whoever sees that there is none sees the device closed as well. */
	atomic_dec_return_release(&member->users);
}

/**
 * vfio_container_use - keep a group in its container while a device is open
 * @member: the group's place
 *
 * Context: process context; takes container->lock for reading; the caller holds the group's lock.
 * Return: 0; -EINVAL without a container or while that has no backend; -EPERM without an IOMMU for
 * whoever may not have all of memory, though somebody else gave him the group.
 */
int vfio_container_use(struct vfio_member *member)
{
	struct vfio_container *container = member->container;
	int ret = -EINVAL;

	if (!container)
		return -EINVAL;

	down_read(&container->lock);
	if (container->instance) {
		atomic_inc(&member->users);
		ret = 0;
	}
	up_read(&container->lock);

	if (!ret && member->noiommu && !capable(CAP_SYS_RAWIO)) {
		vfio_container_unuse(member);
		return -EPERM;
	}
	return ret;
}

static struct miscdevice container_misc = {
	.minor = VFIO_MINOR,
	.name = "vfio",
	.fops = &container_fops,
	.nodename = "vfio/vfio",
	.mode = 0666,
};

int __init vfio_container_init(void)
{
	return misc_register(&container_misc);
}

void vfio_container_exit(void)
{
	misc_deregister(&container_misc);
}

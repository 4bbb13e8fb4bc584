// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user's eventfd calls the kernel.
 *
 * A hook is an entry in the wait queue of an eventfd: signalling the eventfd runs a handler in
 * atomic context and, if that says so, a thread function in a worker. The counter is read back each
 * time, so one signal is one call; what an eventfd that counts like a semaphore had before its hook
 * is left in it, but for the first.
 *
 * A hook ends in two ways: its owner unhooks it, or the user closes the last file of the eventfd.
 * Whoever takes the hook out of its owner's slot, under slots_lock, frees it. The second happens
 * with the wait queue's lock held, where nothing can be freed, so a work does it.
 * vfio_virqfd_unhook() waits for such works of its slot: once it returns, no callback runs and none
 * will, whichever way the hook ended.
 *
 * Locks: the eventfd's wait queue lock → slots_lock. The handler runs under the first only.
 */
#include <linux/eventfd.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "vfio.h"

/* Guards the content of every owner's slot. */
static DEFINE_SPINLOCK(slots_lock);

/* Hooks that hung up and may still call, by vfio_virqfd.hung_up; slots_lock. */
static LIST_HEAD(hung_up);
static DECLARE_WAIT_QUEUE_HEAD(released);

/* Threads may wait for a device, and the end of a hook for them: many at a time. */
static struct workqueue_struct *release_queue;
static struct workqueue_struct *thread_queue;

/* After this no handler runs, so none queues the thread again. It does what it has to. */
static void virqfd_silence(struct vfio_virqfd *hook)
{
	u64 count;

	eventfd_ctx_remove_wait_queue(hook->eventfd, &hook->wait, &count);
	flush_work(&hook->thread_work);
}

static void virqfd_free(struct vfio_virqfd *hook)
{
	eventfd_ctx_put(hook->eventfd);
	kfree(hook);
}

static void virqfd_release(struct work_struct *work)
{
	struct vfio_virqfd *hook = container_of(work, struct vfio_virqfd, release_work);

	virqfd_silence(hook);
	spin_lock_irq(&slots_lock);
	list_del(&hook->hung_up);
	spin_unlock_irq(&slots_lock);
	wake_up_all(&released);
	virqfd_free(hook);
}

static bool slot_is_quiet(struct vfio_virqfd **slot)
{
	struct vfio_virqfd *hook;
	bool quiet = true;

	spin_lock_irq(&slots_lock);
	list_for_each_entry(hook, &hung_up, hung_up)
		quiet &= hook->slot != slot;
	spin_unlock_irq(&slots_lock);
	return quiet;
}

static void virqfd_thread(struct work_struct *work)
{
	struct vfio_virqfd *hook = container_of(work, struct vfio_virqfd, thread_work);

	hook->thread(hook->owner, hook->data);
}

/* The eventfd's wait queue lock is held, interrupts are off. */
static void virqfd_call(struct vfio_virqfd *hook)
{
	bool wants_thread = true;

	if (hook->handler)
		wants_thread = hook->handler(hook->owner, hook->data);
	if (wants_thread && hook->thread)
		queue_work(thread_queue, &hook->thread_work);
}

static int virqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct vfio_virqfd *hook = container_of(wait, struct vfio_virqfd, wait);
	__poll_t events = key_to_poll(key);
	unsigned long irqflags;
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(hook->eventfd, &count);
		virqfd_call(hook);
	}

	if (events & EPOLLHUP) {
		spin_lock_irqsave(&slots_lock, irqflags);
		if (*hook->slot == hook) {
			*hook->slot = NULL;
			list_add(&hook->hung_up, &hung_up);
			queue_work(release_queue, &hook->release_work);
		}
		spin_unlock_irqrestore(&slots_lock, irqflags);
	}
	return 0;
}

static void virqfd_enqueue(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct vfio_virqfd *hook = container_of(poll, struct vfio_virqfd, poll);

	hook->queue = queue;
	add_wait_queue(queue, &hook->wait);
}

/* The eventfd may have been signalled before the hook was there: that counts as well. */
static void virqfd_catch_up(struct vfio_virqfd *hook)
{
	u64 count;

	spin_lock_irq(&hook->queue->lock);
	eventfd_ctx_do_read(hook->eventfd, &count);
	if (count)
		virqfd_call(hook);
	spin_unlock_irq(&hook->queue->lock);
}

static struct vfio_virqfd *virqfd_alloc(struct vfio_virqfd **slot, struct file *file,
					const struct vfio_virqfd *model, void *data)
{
	struct vfio_virqfd *hook;

	hook = kzalloc(sizeof(*hook), GFP_KERNEL_ACCOUNT);
	if (!hook)
		return ERR_PTR(-ENOMEM);

	hook->eventfd = eventfd_ctx_fileget(file);
	if (IS_ERR(hook->eventfd)) {
		struct eventfd_ctx *error = hook->eventfd;

		kfree(hook);
		return ERR_CAST(error);
	}
	hook->owner = model->owner;
	hook->handler = model->handler;
	hook->thread = model->thread;
	hook->data = data;
	hook->slot = slot;
	INIT_WORK(&hook->thread_work, virqfd_thread);
	INIT_WORK(&hook->release_work, virqfd_release);
	init_waitqueue_func_entry(&hook->wait, virqfd_wake);
	init_poll_funcptr(&hook->poll, virqfd_enqueue);
	return hook;
}

/* Once another hook is in the slot, unhooking that one is no reason to wait for a former one. */
static int virqfd_publish(struct vfio_virqfd *hook)
{
	bool taken;

	spin_lock_irq(&slots_lock);
	taken = *hook->slot;
	spin_unlock_irq(&slots_lock);
	if (taken)
		return -EBUSY;

	wait_event(released, slot_is_quiet(hook->slot));
	spin_lock_irq(&slots_lock);
	*hook->slot = hook;
	spin_unlock_irq(&slots_lock);
	return 0;
}

/**
 * vfio_virqfd_hook - have an eventfd call the kernel
 * @slot: where the owner keeps the hook; NULL inside, or -EBUSY. Emptied when the user closes the
 *	eventfd. Must stay valid until vfio_virqfd_unhook() was called for it
 * @fd: the user's eventfd
 * @model: owner, handler and thread of the hook; copied
 * @data: second argument of the callbacks
 *
 * If the eventfd is already signalled, the callbacks run at once. They must take no lock that is
 * held around vfio_virqfd_unhook().
 *
 * Context: process context; may sleep. The caller serialises hooking and unhooking of a slot.
 * Return: 0, -EBADF or -EINVAL if @fd is no eventfd, -EBUSY, -ENOMEM.
 */
int vfio_virqfd_hook(struct vfio_virqfd **slot, int fd, const struct vfio_virqfd *model,
		     void *data)
{
	struct vfio_virqfd *hook;
	struct file *file;
	int ret = 0;

	file = eventfd_fget(fd);
	if (IS_ERR(file))
		return PTR_ERR(file);

	hook = virqfd_alloc(slot, file, model, data);
	if (IS_ERR(hook)) {
		ret = PTR_ERR(hook);
		goto out_file;
	}

	ret = virqfd_publish(hook);
	if (ret) {
		virqfd_free(hook);
		goto out_file;
	}

	/* While we hold the file it cannot hang up, so the hook stays ours to look at. */
	vfs_poll(file, &hook->poll);
	virqfd_catch_up(hook);
out_file:
	fput(file);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vfio_virqfd_hook, VFIO_NS);

/**
 * vfio_virqfd_unhook - take a hook away
 * @slot: the owner's slot; may be empty
 *
 * Context: process context; sleeps until no callback runs any more.
 */
void vfio_virqfd_unhook(struct vfio_virqfd **slot)
{
	struct vfio_virqfd *hook;

	spin_lock_irq(&slots_lock);
	hook = *slot;
	*slot = NULL;
	spin_unlock_irq(&slots_lock);

	/* An empty slot may just have been emptied by a hang-up. */
	if (hook) {
		virqfd_silence(hook);
		virqfd_free(hook);
	} else {
		wait_event(released, slot_is_quiet(slot));
	}
}
EXPORT_SYMBOL_NS_GPL(vfio_virqfd_unhook, VFIO_NS);

int __init vfio_virqfd_init(void)
{
	release_queue = alloc_workqueue("vfio-virqfd-release", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (!release_queue)
		return -ENOMEM;
	thread_queue = alloc_workqueue("vfio-virqfd", WQ_UNBOUND, WQ_MAX_ACTIVE);
	if (!thread_queue) {
		destroy_workqueue(release_queue);
		return -ENOMEM;
	}
	return 0;
}

void vfio_virqfd_exit(void)
{
	destroy_workqueue(thread_queue);
	destroy_workqueue(release_queue);
}

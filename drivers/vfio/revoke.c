// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device is wanted back from its users.
 *
 * They are asked, again and again, and waited for; who does not let go in time loses the device.
 * This file owns that time, the waiting, and the order in which a device is taken:
 *
 *	nobody new	no fd comes to have the device any more
 *	gate		no call and no fault touches it any more; eventfds may until the close
 *	mappings	they show the dead page
 *	fds		each gives back what it holds; the last one closes the device, which stops
 *			its DMA and interrupts
 *	pollers		they are told
 *	reset		by the driver, before the group leaves its container
 *
 * What is left is dead fds: they hold the device's struct and the core's module, and nothing else.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "gate.h"
#include "trace.h"
#include "vfio.h"

#define REQUEST_INTERVAL HZ

static int revoke_after_ms = 30000;
module_param(revoke_after_ms, int, 0644);
MODULE_PARM_DESC(revoke_after_ms, "Milliseconds that a device which is wanted back is left to its users (30000; 0: none, -1: for ever); a change holds at once");

/**
 * vfio_revoke_after - how long are the users of a device waited for?
 * @device: registered
 *
 * Context: any.
 * Return: milliseconds, negative: for ever.
 */
int vfio_revoke_after(const struct vfio_device *device)
{
	int own = READ_ONCE(device->revoke_after_ms);

	return own == VFIO_REVOKE_DEFAULT ? READ_ONCE(revoke_after_ms) : own;
}

/**
 * vfio_revoke_after_set - say how long the users of one device are waited for
 * @device: of vfio_alloc_device()
 * @milliseconds: 0: not at all; -1: for ever; VFIO_REVOKE_DEFAULT: as the module parameter says
 *
 * Counts for a wait that has begun as well.
 *
 * Context: any.
 */
void vfio_revoke_after_set(struct vfio_device *device, int milliseconds)
{
	WRITE_ONCE(device->revoke_after_ms, milliseconds);
	wake_up_all(&device->changed);
}
EXPORT_SYMBOL_NS_GPL(vfio_revoke_after_set, VFIO_NS);

static bool is_free(const struct vfio_device *device)
{
	return !refcount_read(&device->users);
}

/* As long as there are users to be asked, and until it is their device's turn. */
static void ask_meanwhile(struct work_struct *work)
{
	struct vfio_device *device;

	device = container_of(to_delayed_work(work), struct vfio_device, asking);
	if (!READ_ONCE(device->open_count))
		return;
	/* The first time that the log has is that of their turn. */
	device->ops->request(device, ++device->asked);
	schedule_delayed_work(&device->asking, REQUEST_INTERVAL);
}

/**
 * vfio_device_revoke_init - nobody wants a device back yet
 * @device: just allocated
 *
 * Context: any.
 */
void vfio_device_revoke_init(struct vfio_device *device)
{
	device->revoke_after_ms = VFIO_REVOKE_DEFAULT;
	INIT_DELAYED_WORK(&device->asking, ask_meanwhile);
}

/**
 * vfio_device_revoke_exit - nobody asks for a device any more
 * @device: not registered, and unknown to those who call vfio_device_want_back()
 *
 * Context: process context; may sleep.
 */
void vfio_device_revoke_exit(struct vfio_device *device)
{
	cancel_delayed_work_sync(&device->asking);
}

/**
 * vfio_device_want_back - begin to wait for the users of a device that will be unregistered
 * @device: registered
 *
 * Their time runs from here on, so that many devices that go one after the other are waited for at
 * the same time. Until it is its turn they are asked by a work. Nobody new comes.
 *
 * Context: any.
 */
void vfio_device_want_back(struct vfio_device *device)
{
	WRITE_ONCE(device->wanted_since, jiffies);
	smp_store_release(&device->wanted, true); /* since when is known */
	if (device->ops->request)
		schedule_delayed_work(&device->asking, 0);
}
EXPORT_SYMBOL_NS_GPL(vfio_device_want_back, VFIO_NS);

/* Jiffies, of those that the users have had since @since. */
static long time_left(const struct vfio_device *device, unsigned long since)
{
	int milliseconds = vfio_revoke_after(device);
	long left;

	if (milliseconds < 0)
		return MAX_SCHEDULE_TIMEOUT;
	left = since + msecs_to_jiffies(milliseconds) - jiffies;
	return max(left, 0L);
}

/* Tell who waits for whom. */
static void tell_waiting(struct vfio_device *device)
{
	struct vfio_holder_text text;
	struct vfio_holder waiting;
	char holders[128];

	vfio_holder_set(&waiting);
	vfio_device_holders_print(device, holders, sizeof(holders), ", ");
	dev_warn(device->dev, "Device is currently in use, task %s waits for its holder: %s\n",
		 vfio_holder_print(&waiting, &text), holders);
}

/*
 * A signal to the waiting task is no way out: the driver core has no use for a remove that fails.
 * It only tells that somebody waits, so tell whom for, and do not listen to signals any more.
 */
static void wait_a_moment(struct vfio_device *device, unsigned long since, bool *interrupted)
{
	long moment = min_t(long, time_left(device, since), REQUEST_INTERVAL);
	long left;

	if (*interrupted) {
		wait_event_timeout(device->changed, is_free(device) || !time_left(device, since),
				   moment);
		return;
	}
	left = wait_event_interruptible_timeout(device->changed,
						is_free(device) || !time_left(device, since),
						moment);
	if (left < 0) {
		*interrupted = true;
		tell_waiting(device);
	}
}

static void reach(const struct vfio_device *device, enum vfio_revoke_step step)
{
	trace_device_revoke(device, step, vfio_revoke_after(device));
}

/* Whether the users let go in time. */
static bool ask_users(struct vfio_device *device)
{
	unsigned long since = jiffies;
	bool interrupted = false;
	unsigned int asked = 0;
	char holders[128];

	if (smp_load_acquire(&device->wanted)) /* as vfio_device_want_back() */
		since = device->wanted_since;
	cancel_delayed_work_sync(&device->asking);

	while (!is_free(device)) {
		if (!asked) {
			vfio_device_holders_print(device, holders, sizeof(holders), ", ");
			dev_info(device->dev, "Device is wanted back from %s\n", holders);
			reach(device, VFIO_REVOKE_WANTED);
		}
		if (device->ops->request)
			device->ops->request(device, asked++);
		reach(device, VFIO_REVOKE_ASKED);
		if (!time_left(device, since))
			return false;
		wait_a_moment(device, since, &interrupted);
	}
	if (asked)
		reach(device, VFIO_REVOKE_RETURNED);
	return true;
}

static void take(struct vfio_device *device)
{
	char holders[128];

	vfio_device_holders_print(device, holders, sizeof(holders), ", ");
	dev_warn(device->dev, "Device is taken back from %s\n", holders);

	reach(device, VFIO_REVOKE_TAKEN);
	vfio_device_files_shut(device);
	if (device->ops->hurry)
		device->ops->hurry(device);
	vfio_gate_close(&device->gate);
	reach(device, VFIO_REVOKE_SHUT);
	vfio_device_unmap_all(device);
	reach(device, VFIO_REVOKE_UNMAPPED);
	vfio_device_files_settle(device);
	reach(device, VFIO_REVOKE_CLOSED);
	wake_up_all(&device->changed);

	/* Lookups that were under way: they find that there is nothing to be had. */
	wait_event(device->changed, is_free(device));
	reach(device, VFIO_REVOKE_DONE);
}

/**
 * vfio_device_recover - have a device back from its users
 * @device: hidden from its group, so that no lookup begins; not a user is the caller's
 *
 * Context: process context; sleeps, as long as vfio_revoke_after() says and a reset takes. The
 * caller holds no lock that a call on a device fd takes.
 */
void vfio_device_recover(struct vfio_device *device)
{
	if (!ask_users(device))
		take(device);
	/* Whatever it still did goes nowhere but to memory that was its user's. */
	if (device->ops->returned)
		device->ops->returned(device);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device will be wanted back, and its users have time to let go.
 *
 * This file owns how long that is, since when it runs, and the asking until it is the device's turn
 * to be unregistered: of many that go one after the other, the users of all are asked at once.
 * What happens then is in revoke.c.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/workqueue.h>

#include "trace.h"
#include "vfio.h"

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

/**
 * vfio_wanted_step - a device has come so far on its way back from its users
 * @device: registered, or being unregistered
 * @step: how far
 *
 * Context: any.
 */
void vfio_wanted_step(const struct vfio_device *device, enum vfio_revoke_step step)
{
	if (trace_device_revoke_enabled())
		trace_device_revoke(device, step, vfio_revoke_after(device));
}

/* It has users: seen once, with the task that wants it, or that asks users who came late. */
static void tell_wanted(struct vfio_device *device)
{
	if (!device->told)
		vfio_wanted_step(device, VFIO_REVOKE_WANTED);
	device->told = true;
}

/**
 * vfio_wanted_look - ask the users of a device to let go of it, if it is time to do so
 * @device: has users
 *
 * Context: process context; may sleep; called once every VFIO_WANTED_LOOK by whoever's turn it is:
 * the work, or who unregisters the device after vfio_wanted_turn().
 */
void vfio_wanted_look(struct vfio_device *device)
{
	unsigned int looks = device->looks++;

	tell_wanted(device);
	if (looks % VFIO_WANTED_LOOKS_PER_REQUEST)
		return;
	if (device->ops->request)
		device->ops->request(device, looks / VFIO_WANTED_LOOKS_PER_REQUEST);
	vfio_wanted_step(device, VFIO_REVOKE_ASKED);
}

/* As long as there are users to be asked, and until it is their device's turn. */
static void ask_meanwhile(struct work_struct *work)
{
	struct vfio_device *device;

	device = container_of(to_delayed_work(work), struct vfio_device, asking);
	/* One is the registration; others may be about to open it. */
	if (refcount_read(&device->users) <= 1)
		return;
	if (READ_ONCE(device->open_count))
		vfio_wanted_look(device);
	schedule_delayed_work(&device->asking, VFIO_WANTED_LOOK);
}

/**
 * vfio_wanted_init - nobody wants a device back yet
 * @device: just allocated
 *
 * Context: any.
 */
void vfio_wanted_init(struct vfio_device *device)
{
	device->revoke_after_ms = VFIO_REVOKE_DEFAULT;
	INIT_DELAYED_WORK(&device->asking, ask_meanwhile);
}

/**
 * vfio_wanted_exit - nobody asks for a device any more
 * @device: not registered, and unknown to those who call vfio_device_want_back()
 *
 * Context: process context; may sleep.
 */
void vfio_wanted_exit(struct vfio_device *device)
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
	if (READ_ONCE(device->open_count))
		tell_wanted(device);
	if (device->ops->request)
		schedule_delayed_work(&device->asking, 0);
}
EXPORT_SYMBOL_NS_GPL(vfio_device_want_back, VFIO_NS);

/**
 * vfio_device_is_wanted - does the time of its users run already?
 * @device: registered
 *
 * Context: any.
 * Return: true from vfio_device_want_back() on.
 */
bool vfio_device_is_wanted(const struct vfio_device *device)
{
	return smp_load_acquire(&device->wanted); /* as vfio_device_want_back() */
}

/**
 * vfio_wanted_turn - it is the device's turn: whoever unregisters it asks from now on
 * @device: registered
 *
 * Context: process context; sleeps, while its users are being asked.
 * Return: jiffies, since when the time of its users runs.
 */
unsigned long vfio_wanted_turn(struct vfio_device *device)
{
	unsigned long since = jiffies;

	if (vfio_device_is_wanted(device))
		since = device->wanted_since;
	cancel_delayed_work_sync(&device->asking);
	return since;
}

/**
 * vfio_wanted_time_left - how much longer are the users of a device waited for?
 * @device: registered
 * @since: jiffies, as vfio_wanted_turn() said
 *
 * Context: any.
 * Return: jiffies; MAX_SCHEDULE_TIMEOUT: for ever.
 */
long vfio_wanted_time_left(const struct vfio_device *device, unsigned long since)
{
	int milliseconds = vfio_revoke_after(device);
	long left;

	if (device->ops->is_gone && device->ops->is_gone(device))
		return 0;
	if (milliseconds < 0)
		return MAX_SCHEDULE_TIMEOUT;
	left = since + msecs_to_jiffies(milliseconds) - jiffies;
	return max(left, 0L);
}

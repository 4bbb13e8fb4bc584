// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device is wanted back from its users.
 *
 * They are asked, again and again, and waited for; who does not let go in time (wanted.c) loses the
 * device. This file owns the waiting and the order in which a device is taken:
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
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "gate.h"
#include "vfio.h"

static bool is_free(const struct vfio_device *device)
{
	return !refcount_read(&device->users);
}

static bool is_over(const struct vfio_device *device, unsigned long since)
{
	return is_free(device) || !vfio_wanted_time_left(device, since);
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
	long moment = min_t(long, vfio_wanted_time_left(device, since), VFIO_WANTED_LOOK);
	long left;

	if (*interrupted) {
		wait_event_timeout(device->changed, is_over(device, since), moment);
		return;
	}
	left = wait_event_interruptible_timeout(device->changed, is_over(device, since), moment);
	if (left < 0) {
		*interrupted = true;
		tell_waiting(device);
	}
}

/* Whether the users let go in time. */
static bool ask_users(struct vfio_device *device)
{
	unsigned long since = vfio_wanted_turn(device);
	bool interrupted = false;
	char holders[128];

	if (!is_free(device)) {
		vfio_device_holders_print(device, holders, sizeof(holders), ", ");
		dev_info(device->dev, "Device is wanted back from %s\n", holders);
	}
	while (!is_free(device)) {
		vfio_wanted_look(device);
		if (!vfio_wanted_time_left(device, since))
			return false;
		wait_a_moment(device, since, &interrupted);
	}
	if (device->told)
		vfio_wanted_step(device, VFIO_REVOKE_RETURNED);
	return true;
}

static void take(struct vfio_device *device)
{
	char holders[128];

	vfio_device_holders_print(device, holders, sizeof(holders), ", ");
	dev_warn(device->dev, "Device is taken back from %s\n", holders);

	vfio_wanted_step(device, VFIO_REVOKE_TAKEN);
	vfio_device_files_shut(device);
	if (device->ops->hurry)
		device->ops->hurry(device);
	vfio_gate_close(&device->gate);
	vfio_wanted_step(device, VFIO_REVOKE_SHUT);
	vfio_device_unmap_all(device);
	vfio_wanted_step(device, VFIO_REVOKE_UNMAPPED);
	vfio_device_files_settle(device);
	vfio_wanted_step(device, VFIO_REVOKE_CLOSED);
	wake_up_all(&device->changed);

	/* Lookups that were under way: they find that there is nothing to be had. */
	wait_event(device->changed, is_free(device));
	vfio_wanted_step(device, VFIO_REVOKE_DONE);
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

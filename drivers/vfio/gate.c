// SPDX-License-Identifier: GPL-2.0-only
/*
 * May this device still be touched?
 *
 * Whoever is about to touch a device on behalf of its user enters its gate and leaves it again.
 * Closing the gate lets nobody in any more and waits for those inside. It happens once in the life
 * of a device, when the device is taken back from a user who did not give it back. Hooks of
 * eventfds do not enter it: they end when the device is closed.
 *
 * Nobody waits for the user inside: user memory is read before and written after, since a user can
 * make a page fault last for ever. What a visitor waits for is other visitors and the hardware, so
 * closing ends within the time of the longest reset (a minute, where a function does not answer).
 *
 * Entering and leaving cost one increment of a counter of the processor.
 */
#include "vfio.h"

static void gate_empty(struct percpu_ref *inside)
{
	complete(&container_of(inside, struct vfio_gate, inside)->empty);
}

/**
 * vfio_gate_init - make an open gate
 * @gate: to be given to vfio_gate_exit()
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int vfio_gate_init(struct vfio_gate *gate)
{
	init_completion(&gate->empty);
	return percpu_ref_init(&gate->inside, gate_empty, 0, GFP_KERNEL);
}

/**
 * vfio_gate_exit - free what a gate holds
 * @gate: nobody is inside, and nobody will come
 *
 * Context: any.
 */
void vfio_gate_exit(struct vfio_gate *gate)
{
	percpu_ref_exit(&gate->inside);
}

/**
 * vfio_gate_enter - begin to touch the device
 * @gate: its gate
 *
 * Context: any; between entering and leaving, user memory must not be touched.
 * Return: true, and vfio_gate_leave() is due; false if the device was taken back.
 */
bool vfio_gate_enter(struct vfio_gate *gate)
{
	return percpu_ref_tryget_live(&gate->inside);
}

/**
 * vfio_gate_leave - done with touching the device
 * @gate: entered
 *
 * Context: any.
 */
void vfio_gate_leave(struct vfio_gate *gate)
{
	percpu_ref_put(&gate->inside);
}

/**
 * vfio_gate_is_closed - was the device taken back?
 * @gate: its gate
 *
 * Context: any.
 * Return: true for good; false until a moment ago.
 */
bool vfio_gate_is_closed(struct vfio_gate *gate)
{
	return percpu_ref_is_dying(&gate->inside);
}

/**
 * vfio_gate_close - let nobody in any more, and wait for those inside
 * @gate: open; closed by one caller only
 *
 * Context: process context; sleeps; the caller is not inside and holds no lock that is taken there.
 */
void vfio_gate_close(struct vfio_gate *gate)
{
	percpu_ref_kill(&gate->inside);
	wait_for_completion(&gate->empty);
}

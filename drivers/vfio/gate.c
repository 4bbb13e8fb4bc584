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
 * Where a driver must wait for others, as for a turn at the VGA arbiter, its hurry operation ends
 * that before the gate closes.
 *
 * Entering and leaving cost one step of a processor's own counter each. Those who enter never wait:
 * they only try, and fail for good once the gate is closed. It stays locked then, which nobody
 * answers for, so lockdep is told that it is not; what may be held while it closes is checked
 * against what is taken inside.
 */
#include "gate.h"

/**
 * vfio_gate_init - make an open gate
 * @gate: to be given to vfio_gate_exit()
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int vfio_gate_init(struct vfio_gate *gate)
{
	gate->closing = false;
	gate->empty = false;
	return percpu_init_rwsem(&gate->inside);
}

/**
 * vfio_gate_exit - free what a gate holds
 * @gate: nobody is inside, and nobody will come
 *
 * Context: process context; may sleep.
 */
void vfio_gate_exit(struct vfio_gate *gate)
{
	if (gate->closing) {
		rwsem_acquire(&gate->inside.dep_map, 0, 0, _RET_IP_);
		percpu_up_write(&gate->inside);
	}
	percpu_free_rwsem(&gate->inside);
}

/**
 * vfio_gate_is_closed - was the device taken back?
 * @gate: its gate
 *
 * Context: process context.
 * Return: true for good, from the moment on that nobody is let in; false until a moment ago.
 */
bool vfio_gate_is_closed(struct vfio_gate *gate)
{
	if (!vfio_gate_enter(gate))
		return true;
	vfio_gate_leave(gate);
	return false;
}

/**
 * vfio_gate_close - let nobody in any more, and wait for those inside
 * @gate: open; closed by one caller only
 *
 * Context: process context; sleeps; the caller is not inside and holds no lock that is taken there.
 */
void vfio_gate_close(struct vfio_gate *gate)
{
	WRITE_ONCE(gate->closing, true);
	percpu_down_write(&gate->inside);
	rwsem_release(&gate->inside.dep_map, _RET_IP_);
	WRITE_ONCE(gate->empty, true);
}

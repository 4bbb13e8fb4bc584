/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into a device's gate and out again, which every access to a device does: here, so that it is no
 * call. What a gate is, is told in gate.c.
 */
#ifndef _VFIO_GATE_H
#define _VFIO_GATE_H

#include <linux/percpu-rwsem.h>
#include <linux/vfio.h>

int vfio_gate_init(struct vfio_gate *gate);
void vfio_gate_exit(struct vfio_gate *gate);
bool vfio_gate_is_closed(struct vfio_gate *gate);
void vfio_gate_close(struct vfio_gate *gate);

/**
 * vfio_gate_is_closing - will nobody be let in any more?
 * @gate: its gate
 *
 * Context: any. Where preemption is off, a driver that was there when the gate was not closing
 * stays in memory: its module goes after a grace period of RCU.
 * Return: true for good.
 */
static inline bool vfio_gate_is_closing(const struct vfio_gate *gate)
{
	return READ_ONCE(gate->closing);
}

/**
 * vfio_gate_is_empty - has the last one left?
 * @gate: its gate
 *
 * Context: any.
 * Return: true for good; false while it may still have a visitor.
 */
static inline bool vfio_gate_is_empty(const struct vfio_gate *gate)
{
	return READ_ONCE(gate->empty);
}

#ifndef VFIO_NO_GATE
/**
 * vfio_gate_enter - begin to touch the device
 * @gate: its gate
 *
 * Context: process context; between entering and leaving, user memory must not be touched.
 * Return: true, and vfio_gate_leave() is due, by the same thread; false if the device was taken
 * back.
 */
static inline bool vfio_gate_enter(struct vfio_gate *gate)
{
	/* Whoever tries in vain is counted for a moment, and the closer waits for a sum of none. */
	return !vfio_gate_is_closing(gate) && percpu_down_read_trylock(&gate->inside);
}

/**
 * vfio_gate_leave - done with touching the device
 * @gate: entered
 *
 * Context: process context.
 */
static inline void vfio_gate_leave(struct vfio_gate *gate)
{
	percpu_up_read(&gate->inside);
}
#else
/* "make bench" shows what the gate costs, beside a build without it. */
static inline bool vfio_gate_enter(struct vfio_gate *gate)
{
	return true;
}

static inline void vfio_gate_leave(struct vfio_gate *gate)
{
}
#endif

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who opened this?
 *
 * A holder is the process that opened a group or a device, by pid and command, as it was then. It
 * is told where somebody else has to wait or is refused, and in sysfs. It is a hint: the process
 * may have passed its fd on and be gone.
 *
 * A command is the user's text, so it is only ever printed escaped.
 */
#include <linux/sched.h>
#include <linux/string.h>

#include "vfio.h"

/**
 * vfio_holder_set - the current process is the holder now
 * @holder: guarded by the caller against other writers and readers
 */
void vfio_holder_set(struct vfio_holder *holder)
{
	holder->pid = task_tgid_nr(current);
	get_task_comm(holder->comm, current->group_leader);
}

/**
 * vfio_holder_clear - nobody is the holder
 * @holder: guarded by the caller against other writers and readers
 */
void vfio_holder_clear(struct vfio_holder *holder)
{
	memset(holder, 0, sizeof(*holder));
}

/**
 * vfio_holder_print - a holder as text
 * @holder: guarded by the caller against writers
 * @buf: gets "PID COMMAND", or nothing where there is no holder
 *
 * Return: @buf->text, for use as an argument of a message.
 */
const char *vfio_holder_print(const struct vfio_holder *holder, struct vfio_holder_text *buf)
{
	buf->text[0] = '\0';
	if (holder->pid)
		snprintf(buf->text, sizeof(buf->text), "%d %*pE", holder->pid,
			 (int)strnlen(holder->comm, sizeof(holder->comm)), holder->comm);
	return buf->text;
}

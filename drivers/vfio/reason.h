/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why did the last call on a container fail?
 *
 * An errno is a riddle where a dozen rules share it. Whoever refuses a call notes why, in a
 * sentence, before he returns the errno; when the call ends with an error the note becomes the
 * container's reason, which its fdinfo shows. There is one note, which belongs to the task that
 * wrote it last. Who has none when his call fails, because another task's came in between or
 * because there is nothing to say but the errno, gets a general sentence.
 *
 * A call that succeeds takes no lock.
 */
#ifndef _VFIO_REASON_H
#define _VFIO_REASON_H

#include <linux/compiler.h>
#include <linux/spinlock.h>

#define VFIO_REASON_BYTES 128

struct seq_file;
struct task_struct;

/**
 * struct vfio_reason - why the last call failed
 * @lock: guards all below; a leaf
 * @writer: whose @note it is; only compared; NULL without a note
 * @note: why @writer's call is about to fail
 * @cmd: the ioctl that failed last, 0 while none has
 * @error: with which errno, positive
 * @text: and why
 */
struct vfio_reason {
	spinlock_t lock;	/* all below */
	struct task_struct *writer;
	char note[VFIO_REASON_BYTES];
	unsigned int cmd;
	int error;
	char text[VFIO_REASON_BYTES];
};

void vfio_reason_init(struct vfio_reason *reason);
__printf(2, 3) void vfio_reason_note(struct vfio_reason *reason, const char *format, ...);
void vfio_reason_end(struct vfio_reason *reason, unsigned int cmd, long ret);
void vfio_reason_show(struct vfio_reason *reason, struct seq_file *seq);

#endif

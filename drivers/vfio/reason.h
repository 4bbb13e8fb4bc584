/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why did the last call on a container fail?
 *
 * An errno is a riddle where a dozen rules share it. Whoever refuses a call notes why, in a
 * sentence, before he returns the errno; when the call ends with an error its note becomes the
 * container's reason, which its fdinfo shows. A note belongs to the call that it was made in, which
 * is one task's from beginning to end. Where there is nothing to say but the errno, or no memory
 * for a note, a general sentence says that.
 *
 * A call that succeeds takes no memory, and no lock unless another one is about to fail.
 */
#ifndef _VFIO_REASON_H
#define _VFIO_REASON_H

#include <linux/compiler.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#define VFIO_REASON_BYTES 128

struct seq_file;

/**
 * struct vfio_reason - why the last call failed
 * @lock: guards all below; a leaf
 * @notes: of calls that are under way, the oldest first
 * @cmd: the ioctl that failed last
 * @error: with which errno, positive; 0 while none has
 * @text: and why
 * @forgotten: how often it was
 */
struct vfio_reason {
	spinlock_t lock;	/* all below */
	struct list_head notes;
	unsigned int cmd;
	int error;
	char text[VFIO_REASON_BYTES];
	unsigned long forgotten;
};

void vfio_reason_init(struct vfio_reason *reason);
__printf(2, 3) void vfio_reason_note(struct vfio_reason *reason, const char *format, ...);
unsigned long vfio_reason_begin(const struct vfio_reason *reason);
void vfio_reason_end(struct vfio_reason *reason, unsigned long begun, unsigned int cmd, long ret);
void vfio_reason_forget(struct vfio_reason *reason);
void vfio_reason_show(struct vfio_reason *reason, struct seq_file *seq);

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why did the last call on a container fail? See reason.h.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vfio.h>

#include "reason.h"

/**
 * struct vfio_note - why a call is about to fail
 * @node: in vfio_reason.notes
 * @writer: the task whose call it is; only compared
 * @text: a sentence
 */
struct vfio_note {
	struct list_head node;
	struct task_struct *writer;
	char text[VFIO_REASON_BYTES];
};

/* What there is to say if nobody noted more. */
static const struct reason_general {
	int error;
	const char *text;
} generals[] = {
	{ EFAULT, "an address is not in memory of the caller" },
	{ ENOTTY, "the container's backend has no such command" },
	{ ENOMEM, "the kernel has no memory left" },
	{ EINTR, "a signal came first" },
	{ ENODEV, "no backend of this type serves the container's groups" },
};

static const struct reason_command {
	unsigned int cmd;
	const char *name;
} commands[] = {
	{ VFIO_CHECK_EXTENSION, "VFIO_CHECK_EXTENSION" },
	{ VFIO_SET_IOMMU, "VFIO_SET_IOMMU" },
	{ VFIO_GROUP_SET_CONTAINER, "VFIO_GROUP_SET_CONTAINER" },
	{ VFIO_IOMMU_GET_INFO, "VFIO_IOMMU_GET_INFO" },
	{ VFIO_IOMMU_MAP_DMA, "VFIO_IOMMU_MAP_DMA" },
	{ VFIO_IOMMU_UNMAP_DMA, "VFIO_IOMMU_UNMAP_DMA" },
	{ VFIO_IOMMU_DIRTY_PAGES, "VFIO_IOMMU_DIRTY_PAGES" },
};

static const char *general_text(int error)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(generals); i++) {
		if (generals[i].error == error)
			return generals[i].text;
	}
	return "nothing more is known";
}

static const char *command_name(unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		if (commands[i].cmd == cmd)
			return commands[i].name;
	}
	return NULL;
}

/**
 * vfio_reason_init - nothing has failed yet
 * @reason: zeroed
 */
void vfio_reason_init(struct vfio_reason *reason)
{
	spin_lock_init(&reason->lock);
	INIT_LIST_HEAD(&reason->notes);
}

/**
 * vfio_reason_note - note why the caller's ioctl is about to fail
 * @reason: the container's, or NULL: nobody will ask
 * @format: a short sentence, of numbers that are the user's own or that anybody may know
 *
 * A later note of the same call replaces it.
 *
 * Context: an ioctl of the user; may sleep; takes reason->lock.
 */
void vfio_reason_note(struct vfio_reason *reason, const char *format, ...)
{
	struct vfio_note *note = reason ? kmalloc(sizeof(*note), GFP_KERNEL_ACCOUNT) : NULL;
	va_list args;

	if (!note)
		return;
	note->writer = current;
	va_start(args, format);
	vscnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
	spin_lock(&reason->lock);
	list_add_tail(&note->node, &reason->notes);
	spin_unlock(&reason->lock);
}
EXPORT_SYMBOL_NS_GPL(vfio_reason_note, VFIO_NS);

/**
 * vfio_reason_begin - an ioctl begins
 * @reason: the container's
 *
 * Context: any.
 * Return: for vfio_reason_end().
 */
unsigned long vfio_reason_begin(const struct vfio_reason *reason)
{
	return READ_ONCE(reason->forgotten);
}

/**
 * vfio_reason_end - an ioctl ends
 * @reason: the container's
 * @begun: what vfio_reason_begin() returned
 * @cmd: the ioctl; one that is not VFIO's, as of who asks for a terminal, changes nothing
 * @ret: what it returns; negative: the caller's last note becomes the reason
 *
 * Context: process context; takes reason->lock if there was an error or a note.
 */
void vfio_reason_end(struct vfio_reason *reason, unsigned long begun, unsigned int cmd, long ret)
{
	struct vfio_note *note, *next;

	if (_IOC_TYPE(cmd) != VFIO_TYPE)
		ret = 0;
	/* The caller sees at least the notes of his own. */
	if (ret >= 0 && list_empty(&reason->notes))
		return;
	spin_lock(&reason->lock);
	if (ret < 0) {
		reason->cmd = cmd;
		reason->error = -ret;
		strscpy(reason->text, general_text(-ret), sizeof(reason->text));
	}
	list_for_each_entry_safe(note, next, &reason->notes, node) {
		if (note->writer != current)
			continue;
		if (ret < 0)
			strscpy(reason->text, note->text, sizeof(reason->text));
		list_del(&note->node);
		kfree(note);
	}
	/* What it was about is nobody's any more, and not for the next user to read. */
	if (ret < 0 && reason->forgotten != begun)
		strscpy(reason->text, "the last group left the container meanwhile",
			sizeof(reason->text));
	spin_unlock(&reason->lock);
}

/**
 * vfio_reason_forget - nothing has failed yet, for the container's next user
 * @reason: the container's
 *
 * Context: any; takes reason->lock.
 */
void vfio_reason_forget(struct vfio_reason *reason)
{
	spin_lock(&reason->lock);
	reason->error = 0;
	WRITE_ONCE(reason->forgotten, reason->forgotten + 1);
	spin_unlock(&reason->lock);
}

/**
 * vfio_reason_show - the line of fdinfo about the last error, if there was one
 * @reason: the container's
 * @seq: gets "COMMAND ERRNO SENTENCE"
 *
 * Context: any; takes reason->lock.
 */
void vfio_reason_show(struct vfio_reason *reason, struct seq_file *seq)
{
	const char *name;

	spin_lock(&reason->lock);
	if (reason->error) {
		name = command_name(reason->cmd);
		seq_puts(seq, "vfio-last-error: ");
		if (name)
			seq_puts(seq, name);
		else
			seq_printf(seq, "ioctl-%#x", reason->cmd);
		seq_printf(seq, " %d %s\n", reason->error, reason->text);
	}
	spin_unlock(&reason->lock);
}

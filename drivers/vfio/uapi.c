// SPDX-License-Identifier: GPL-2.0-only
/*
 * The edge between user structs and the kernel.
 *
 * Every ioctl of the three kinds of fd is a row (struct vfio_ioctl). This file owns how a row is
 * carried out: find it, copy the struct in, check its size and flags, call the handler, copy the
 * answer back and a chain of capabilities behind it. Handlers see kernel memory only, so a user who
 * makes a page fault last for ever keeps nobody waiting but himself. The shape of
 * VFIO_DEVICE_SET_IRQS, the one ioctl with an array whose meaning depends on its head, is checked
 * here as well.
 *
 * Nothing here sleeps on a lock, and nothing is kept from one call to the next.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "reason.h"

/* What every struct with a row begins with. */
struct vfio_call_head {
	u32 argsz;
	u32 flags;
};

/* Append the chain to the user's struct, or say how large the struct would have to be. */
static int vfio_call_put_caps(struct vfio_call *call, const struct vfio_ioctl *row)
{
	struct vfio_call_head *head = call->data;
	u32 *cap_offset = call->data + row->cap_offset;
	struct vfio_info_cap_header *link;
	size_t at = 0;

	*cap_offset = 0;
	if (!call->caps.size)
		return 0;

	if (call->argsz < row->back + call->caps.size) {
		head->argsz = row->back + call->caps.size;
		return 0;
	}

	/* So far next counts from the start of the chain; the user counts from the struct. */
	do {
		link = call->caps.buf + at;
		at = link->next;
		if (at)
			link->next += row->back;
	} while (at);

	if (copy_to_user(call->arg + row->back, call->caps.buf, call->caps.size))
		return -EFAULT;
	*cap_offset = row->back;
	return 0;
}

static int vfio_call_put(struct vfio_call *call, const struct vfio_ioctl *row)
{
	int ret = 0;

	if (row->cap_offset)
		ret = vfio_call_put_caps(call, row);
	if (!ret && row->back &&
	    copy_to_user(call->arg, call->data, min_t(size_t, call->argsz, row->back)))
		ret = -EFAULT;
	if (!ret && call->reply &&
	    copy_to_user(call->arg + row->min, call->reply, call->reply_size))
		ret = -EFAULT;
	return ret;
}

/* What cannot be read is an error only if the handler asks for it. */
static int vfio_call_get_tail(struct vfio_call *call, const struct vfio_ioctl *row)
{
	size_t size;

	call->head_size = row->min;
	call->tail_told = row->tail_told ? row->tail_told(call->data) : call->argsz - row->min;
	size = min_t(size_t, call->tail_told, row->tail);
	if (!size)
		return 0;
	call->tail = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!call->tail)
		return -ENOMEM;
	call->tail_size = size - copy_from_user(call->tail, call->arg + row->min, size);
	return 0;
}

static void vfio_call_free(const struct vfio_call *call)
{
	kvfree(call->tail);
	kvfree(call->reply);
	kfree(call->caps.buf);
}

/* The handler of a row: @call is decoded where the row has a struct, else there is @arg. */
static long vfio_row_handle(const struct vfio_ioctl *row, const struct vfio_ioctl_guard *guard,
			    void *owner, struct vfio_call *call, unsigned long arg)
{
	long ret = guard ? guard->enter(owner) : 0;

	if (ret)
		return ret;
	ret = row->min ? row->handler(owner, call) : row->plain(owner, arg);
	if (guard)
		guard->leave(owner);
	return ret;
}

/* Does the head of the struct fit its row? */
static int vfio_call_check(const struct vfio_call *call, const struct vfio_ioctl *row)
{
	const struct vfio_call_head *head = call->data;

	if (head->argsz < row->min) {
		vfio_reason_note(call->reason, "argsz is %u, less than %u", head->argsz, row->min);
		return -EINVAL;
	}
	if (head->flags & ~row->flags) {
		vfio_reason_note(call->reason, "flags has unknown bits: %#x",
				 head->flags & ~row->flags);
		return -EINVAL;
	}
	return 0;
}

static long vfio_call_run(const struct vfio_ioctl *row, const struct vfio_ioctl_guard *guard,
			  void *owner, struct vfio_reason *reason, unsigned long arg)
{
	union {
		struct vfio_call_head head;
		u64 bytes[VFIO_CALL_BYTES / sizeof(u64)];
	} buf = {};
	struct vfio_call call = {
		.arg = (void __user *)arg,
		.data = &buf,
		.reason = reason,
	};
	long ret;
	int err;

	if (WARN_ON_ONCE(row->min > sizeof(buf) || row->back > sizeof(buf)))
		return -ENOTTY;
	ret = row->admit ? row->admit(owner) : 0;
	if (ret)
		return ret;
	if (copy_from_user(&buf, call.arg, row->min))
		return -EFAULT;
	ret = vfio_call_check(&call, row);
	if (ret)
		return ret;
	call.argsz = buf.head.argsz;
	ret = vfio_call_get_tail(&call, row);
	if (ret)
		return ret;

	ret = vfio_row_handle(row, guard, owner, &call, arg);
	if (ret >= 0 || (row->back_error && ret == row->back_error)) {
		err = vfio_call_put(&call, row);
		if (err)
			ret = err;
	}
	/* Most calls have none of it. */
	if (call.tail || call.reply || call.caps.buf)
		vfio_call_free(&call);
	return ret;
}

/**
 * vfio_ioctl_find - the row of an ioctl
 * @rows: the rows that the fd knows
 * @nr_rows: their number
 * @cmd: ioctl number
 *
 * Context: any.
 * Return: the row, or NULL.
 */
const struct vfio_ioctl *vfio_ioctl_find(const struct vfio_ioctl *rows, size_t nr_rows,
					 unsigned int cmd)
{
	const struct vfio_ioctl *row;

	for (row = rows; row < rows + nr_rows; row++) {
		if (row->cmd == cmd)
			return row;
	}
	return NULL;
}

/**
 * vfio_ioctl_run - carry out an ioctl by its row
 * @row: the row
 * @guard: called around the handler; NULL: nothing is
 * @owner: first argument of the handler and the guard
 * @reason: gets a note if the struct is refused, or NULL
 * @arg: ioctl argument
 *
 * Context: process context; may sleep, for as long as the user wants.
 * Return: what the handler or the guard returned, -EFAULT or -EINVAL for a bad struct, -ENOMEM.
 */
long vfio_ioctl_run(const struct vfio_ioctl *row, const struct vfio_ioctl_guard *guard,
		    void *owner, struct vfio_reason *reason, unsigned long arg)
{
	return row->min ? vfio_call_run(row, guard, owner, reason, arg) :
			  vfio_row_handle(row, guard, owner, NULL, arg);
}

/**
 * vfio_ioctl_dispatch - find an ioctl's row and carry it out, without a guard
 * @rows: the rows that the fd knows
 * @nr_rows: their number
 * @owner: first argument of the handlers
 * @reason: gets a note if a struct is refused, or NULL
 * @cmd: ioctl number
 * @arg: ioctl argument
 *
 * Context: process context; may sleep, for as long as the user wants.
 * Return: as vfio_ioctl_run(), or -ENOTTY without a row.
 */
long vfio_ioctl_dispatch(const struct vfio_ioctl *rows, size_t nr_rows, void *owner,
			 struct vfio_reason *reason, unsigned int cmd, unsigned long arg)
{
	const struct vfio_ioctl *row = vfio_ioctl_find(rows, nr_rows, cmd);

	return row ? vfio_ioctl_run(row, NULL, owner, reason, arg) : -ENOTTY;
}
EXPORT_SYMBOL_NS_GPL(vfio_ioctl_dispatch, VFIO_NS);

/**
 * vfio_call_tail - what follows the fixed part of a struct
 * @call: the call; its row has a tail
 * @size: bytes that are wanted; at most the row's @tail
 *
 * Context: any.
 * Return: the kernel's copy, owned by @call; ERR_PTR: -EINVAL if argsz, or what the row tells in
 * its place, does not cover it, -EFAULT.
 */
void *vfio_call_tail(const struct vfio_call *call, size_t size)
{
	if (size > call->tail_told) {
		vfio_reason_note(call->reason, "argsz is %u, less than %zu", call->argsz,
				 call->head_size + size);
		return ERR_PTR(-EINVAL);
	}
	return size > call->tail_size ? ERR_PTR(-EFAULT) : call->tail;
}
EXPORT_SYMBOL_NS_GPL(vfio_call_tail, VFIO_NS);

/**
 * vfio_info_cap_add - append a link to a capability chain
 * @caps: the chain
 * @size: bytes of the link with its header
 * @id: VFIO_*_CAP_*
 * @version: of the link's layout
 *
 * Context: process context; may sleep.
 * Return: the zeroed link with its header filled in, valid until the next link is added and owned
 * by the chain; ERR_PTR(-ENOMEM).
 */
void *vfio_info_cap_add(struct vfio_info_caps *caps, size_t size, u16 id, u16 version)
{
	/* Users read the links in place: keep each aligned for the u64s in it. */
	size_t room = ALIGN(size, sizeof(u64));
	struct vfio_info_cap_header *link;
	size_t at = 0;
	void *buf;

	buf = krealloc(caps->buf, caps->size + room, GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	memset(buf + caps->size, 0, room);

	if (caps->size) {
		for (link = buf; link->next; link = buf + link->next)
			;
		link->next = caps->size;
		at = caps->size;
	}
	caps->buf = buf;
	caps->size += room;

	link = buf + at;
	link->id = id;
	link->version = version;
	return link;
}
EXPORT_SYMBOL_NS_GPL(vfio_info_cap_add, VFIO_NS);

#define VFIO_IRQ_SET_FLAGS (VFIO_IRQ_SET_DATA_TYPE_MASK | VFIO_IRQ_SET_ACTION_TYPE_MASK)

/* Bytes of data for each interrupt, or -EINVAL where not exactly one DATA bit is set. */
static int vfio_irq_data_size(u32 data)
{
	switch (data) {
	case VFIO_IRQ_SET_DATA_NONE:
		return 0;
	case VFIO_IRQ_SET_DATA_BOOL:
		return sizeof(u8);
	case VFIO_IRQ_SET_DATA_EVENTFD:
		return sizeof(s32);
	default:
		return -EINVAL;
	}
}

static int vfio_irq_request_check(const struct vfio_irq_set *set, u32 nr_indexes,
				  u32 (*nr_irqs)(struct vfio_device *device, u32 index),
				  struct vfio_device *device)
{
	u32 end, nr;

	if (set->index >= nr_indexes || set->flags & ~VFIO_IRQ_SET_FLAGS ||
	    set->count >= U32_MAX - set->start)
		return -EINVAL;

	end = set->start + set->count;
	nr = nr_irqs(device, set->index);
	if (set->start >= nr || end > nr)
		return -EINVAL;
	return vfio_irq_data_size(set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK);
}

/**
 * vfio_irq_request_get - check a VFIO_DEVICE_SET_IRQS and its data
 * @call: the call; its row has a @min of offsetofend(struct vfio_irq_set, count), all flags, and a
 *	tail for the most interrupts of an index
 * @nr_indexes: number of interrupt indexes of the device
 * @nr_irqs: number of interrupts of an index
 * @device: argument of @nr_irqs
 * @request: filled in on success; its data is part of @call
 *
 * Context: any in which @nr_irqs may be called.
 * Return: 0, -EINVAL for any shape that the ABI does not know, -EFAULT.
 */
int vfio_irq_request_get(const struct vfio_call *call, u32 nr_indexes,
			 u32 (*nr_irqs)(struct vfio_device *device, u32 index),
			 struct vfio_device *device, struct vfio_irq_request *request)
{
	const struct vfio_irq_set *set = call->data;
	void *data;
	int size;

	size = vfio_irq_request_check(set, nr_indexes, nr_irqs, device);
	if (size < 0)
		return size;

	*request = (struct vfio_irq_request){
		.index = set->index,
		.start = set->start,
		.count = set->count,
		.action = set->flags & VFIO_IRQ_SET_ACTION_TYPE_MASK,
		.data = set->flags & VFIO_IRQ_SET_DATA_TYPE_MASK,
	};
	data = vfio_call_tail(call, size_mul(size, set->count));
	if (IS_ERR(data))
		return PTR_ERR(data);
	if (request->data == VFIO_IRQ_SET_DATA_BOOL)
		request->bools = data;
	else if (request->data == VFIO_IRQ_SET_DATA_EVENTFD)
		request->fds = data;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vfio_irq_request_get, VFIO_NS);

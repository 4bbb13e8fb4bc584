// SPDX-License-Identifier: GPL-2.0-only
/*
 * The edge between user structs and the kernel.
 *
 * Every ioctl of the three kinds of fd is a row (struct vfio_ioctl). This file owns how a row is
 * carried out: find it, copy the struct in, check its size and flags, call the handler, copy the
 * answer back and a chain of capabilities behind it. Handlers see kernel memory only. The shape of
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
	return ret;
}

static long vfio_call_run(const struct vfio_ioctl *row, void *owner, unsigned long arg)
{
	union {
		struct vfio_call_head head;
		u64 bytes[VFIO_CALL_BYTES / sizeof(u64)];
	} buf = {};
	struct vfio_call call = {
		.arg = (void __user *)arg,
		.data = &buf,
	};
	long ret;
	int err;

	if (WARN_ON_ONCE(row->min > sizeof(buf) || row->back > sizeof(buf)))
		return -ENOTTY;
	if (copy_from_user(&buf, call.arg, row->min))
		return -EFAULT;
	if (buf.head.argsz < row->min)
		return -EINVAL;
	if (buf.head.flags & ~row->flags)
		return -EINVAL;
	call.argsz = buf.head.argsz;

	ret = row->handler(owner, &call);
	if (ret >= 0) {
		err = vfio_call_put(&call, row);
		if (err)
			ret = err;
	}
	kfree(call.caps.buf);
	return ret;
}

/**
 * vfio_ioctl_dispatch - carry out an ioctl by its row
 * @rows: the rows that the fd knows
 * @nr_rows: their number
 * @owner: first argument of the handlers
 * @cmd: ioctl number
 * @arg: ioctl argument
 *
 * Context: process context; may sleep.
 * Return: what the handler returned, -EFAULT or -EINVAL for a bad struct, -ENOTTY without a row.
 */
long vfio_ioctl_dispatch(const struct vfio_ioctl *rows, size_t nr_rows, void *owner,
			 unsigned int cmd, unsigned long arg)
{
	const struct vfio_ioctl *row;

	for (row = rows; row < rows + nr_rows; row++) {
		if (row->cmd == cmd)
			return row->min ? vfio_call_run(row, owner, arg) : row->plain(owner, arg);
	}
	return -ENOTTY;
}
EXPORT_SYMBOL_NS_GPL(vfio_ioctl_dispatch, VFIO_NS);

/**
 * vfio_call_tail - copy in what follows the fixed part of a struct
 * @call: the call
 * @offset: where the tail begins, in bytes from the start of the struct
 * @to: kernel memory to copy to
 * @size: bytes to copy
 *
 * Context: process context; may sleep.
 * Return: 0, -EINVAL if argsz does not cover the tail, -EFAULT.
 */
int vfio_call_tail(const struct vfio_call *call, size_t offset, void *to, size_t size)
{
	size_t end;

	if (check_add_overflow(offset, size, &end) || call->argsz < end)
		return -EINVAL;
	return copy_from_user(to, call->arg + offset, size) ? -EFAULT : 0;
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
 * vfio_irq_request_get - check a VFIO_DEVICE_SET_IRQS and bring its data into the kernel
 * @call: the call; its row has a @min of offsetofend(struct vfio_irq_set, count) and all flags
 * @nr_indexes: number of interrupt indexes of the device
 * @nr_irqs: number of interrupts of an index
 * @device: argument of @nr_irqs
 * @request: filled in on success; given back by vfio_irq_request_put()
 *
 * Context: process context; may sleep.
 * Return: 0, -EINVAL for any shape that the ABI does not know, -EFAULT, -ENOMEM.
 */
int vfio_irq_request_get(const struct vfio_call *call, u32 nr_indexes,
			 u32 (*nr_irqs)(struct vfio_device *device, u32 index),
			 struct vfio_device *device, struct vfio_irq_request *request)
{
	const size_t head = offsetofend(struct vfio_irq_set, count);
	const struct vfio_irq_set *set = call->data;
	size_t bytes;
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
	bytes = size_mul(size, set->count);
	if (bytes > call->argsz - head)
		return -EINVAL;
	if (!bytes)
		return 0;

	data = vmemdup_user(call->arg + head, bytes);
	if (IS_ERR(data))
		return PTR_ERR(data);
	if (request->data == VFIO_IRQ_SET_DATA_BOOL)
		request->bools = data;
	else
		request->fds = data;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(vfio_irq_request_get, VFIO_NS);

/**
 * vfio_irq_request_put - free the data of a request
 * @request: filled in by vfio_irq_request_get()
 *
 * Context: process context; may sleep.
 */
void vfio_irq_request_put(struct vfio_irq_request *request)
{
	kvfree(request->bools);
	kvfree(request->fds);
}
EXPORT_SYMBOL_NS_GPL(vfio_irq_request_put, VFIO_NS);

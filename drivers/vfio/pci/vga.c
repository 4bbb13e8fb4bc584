// SPDX-License-Identifier: GPL-2.0-only
/*
 * VGA: the addresses that every graphics device has answered at since the IBM PC.
 *
 * They are no BAR, and all graphics devices want the same. The kernel's arbiter routes them to one
 * device at a time: each piece of read() and write() has its turn. The region is laid out like the
 * processor's address space: ports at 0x3b0 and 0x3c0, memory from 0xa0000 on.
 *
 * Who waits for a turn waits for another program, perhaps for ever, so a device that is taken back
 * does not wait for him: his wait ends as by a signal.
 *
 * A device of ours is a client of the arbiter, which then knows that it may be asked to answer
 * there at any time, unless the parameter disable_vga was set; then it can give that up where
 * nothing below its bridge needs it.
 */
#include <linux/aperture.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/vgaarb.h>

#include "pci.h"

/**
 * struct vga_window - a part of the region in which there is something
 * @start: in the region, and in the address space of memory or ports
 * @end: behind it
 * @ports: the latter
 * @resource: what to ask the arbiter for
 */
struct vga_window {
	u32 start;
	u32 end;
	bool ports;
	unsigned int resource;
};

static const struct vga_window vga_windows[] = {
	{ 0x3b0, 0x3bc, true, VGA_RSRC_LEGACY_IO },
	{ 0x3c0, 0x3e0, true, VGA_RSRC_LEGACY_IO },
	{ 0xa0000, 0xc0000, false, VGA_RSRC_LEGACY_MEM },
};

/* ---- the arbiter's client ---- */

static bool is_below(const struct pci_dev *pdev, const struct pci_bus *bus)
{
	const struct pci_bus *above;

	for (above = pdev->bus; above; above = above->parent) {
		if (above == bus)
			return true;
	}
	return false;
}

/* Is there another VGA device to which the same bridge leads? */
static bool vga_has_company(struct pci_dev *pdev)
{
	struct pci_dev *other = NULL;
	bool found = false;

	while (!found && (other = pci_get_class(PCI_CLASS_DISPLAY_VGA << 8, other)))
		found = other != pdev && is_below(other, pdev->bus);
	pci_dev_put(other);
	return found;
}

/* Called by the arbiter with its spinlock held. */
static unsigned int vga_decodes(struct pci_dev *pdev, bool single)
{
	const unsigned int normal = VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM;
	const unsigned int legacy = VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM;
	const struct vfio_pci_device *vpci = pci_get_drvdata(pdev);

	if (single || vpci->has_vga || pci_is_root_bus(pdev->bus) || vga_has_company(pdev))
		return normal | legacy;
	return normal;
}

/**
 * vfio_pci_vga_init - nobody waits
 * @vpci: the device, being made
 *
 * Context: any.
 */
void vfio_pci_vga_init(struct vfio_pci_device *vpci)
{
	spin_lock_init(&vpci->vga_lock);
	INIT_LIST_HEAD(&vpci->vga_waiters);
}

/**
 * vfio_pci_vga_probe - take the display from the firmware's framebuffer and join the arbiter
 * @vpci: the device, being bound, as its PCI device's driver data; nothing is done without VGA
 * @region: let the user have the VGA region
 *
 * Context: probe; may sleep.
 * Return: 0, -ENOMEM or -ENODEV from the arbiter, or why the framebuffer could not be taken.
 */
int vfio_pci_vga_probe(struct vfio_pci_device *vpci, bool region)
{
	struct pci_dev *pdev = vpci->pdev;
	int ret;

	if (!pci_is_vga(pdev))
		return 0;
	ret = aperture_remove_conflicting_pci_devices(pdev, "vfio-pci");
	if (ret)
		return ret;
	vpci->has_vga = region;
	ret = vga_client_register(pdev, vga_decodes);
	if (ret)
		return ret;
	vga_set_legacy_decoding(pdev, vga_decodes(pdev, false));
	return 0;
}

/**
 * vfio_pci_vga_remove - undo vfio_pci_vga_probe()
 * @vpci: the device
 *
 * Context: remove, or a probe that fails.
 */
void vfio_pci_vga_remove(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;

	if (!pci_is_vga(pdev))
		return;
	vga_client_unregister(pdev);
	/* The next driver finds it as the arbiter takes a card that it knows nothing of. */
	vga_set_legacy_decoding(pdev, VGA_RSRC_LEGACY_IO | VGA_RSRC_LEGACY_MEM |
				VGA_RSRC_NORMAL_IO | VGA_RSRC_NORMAL_MEM);
}

/* ---- the region ---- */

/**
 * struct vga_turn - what is read or written while the device has its turn
 * @offset: in the region
 * @count: bytes
 * @to: where what is read goes; NULL: this is a write
 * @from: what is written
 */
struct vga_turn {
	u32 offset;
	size_t count;
	u8 *to;
	const u8 *from;
};

static const struct vga_window *vga_window_at(loff_t offset)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vga_windows); i++) {
		if (offset >= vga_windows[i].start && offset < vga_windows[i].end)
			return &vga_windows[i];
	}
	return NULL;
}

static void vga_touch(const struct vga_window *window, void __iomem *io,
		      const struct vga_turn *turn)
{
	struct vfio_pci_io_span span = { .io = io, .width = 4 };

	if (turn->to)
		vfio_pci_io_read(&span, turn->offset - window->start, turn->to, turn->count);
	else
		vfio_pci_io_write(&span, turn->offset - window->start, turn->from, turn->count);
}

/* ---- turns ---- */

/**
 * struct vga_waiter - a task that waits for its turn
 * @node: in vga_waiters
 * @task: itself
 */
struct vga_waiter {
	struct list_head node;
	struct task_struct *task;
};

static bool waiter_enter(struct vfio_pci_device *vpci, struct vga_waiter *waiter)
{
	bool late;

	spin_lock(&vpci->vga_lock);
	late = vpci->vga_hurried;
	if (!late)
		list_add(&waiter->node, &vpci->vga_waiters);
	spin_unlock(&vpci->vga_lock);
	return !late;
}

/* Whether he was to stop waiting. */
static bool waiter_leave(struct vfio_pci_device *vpci, struct vga_waiter *waiter)
{
	bool hurried;

	spin_lock(&vpci->vga_lock);
	list_del(&waiter->node);
	hurried = vpci->vga_hurried;
	spin_unlock(&vpci->vga_lock);
	return hurried;
}

/* A pending signal, of the kind that has no number, is all that ends a wait for the arbiter. */
static void waiter_stop(struct vga_waiter *waiter)
{
	set_tsk_thread_flag(waiter->task, TIF_NOTIFY_SIGNAL);
	wake_up_process(waiter->task);
}

static int vga_wait_for_turn(struct vfio_pci_device *vpci, unsigned int resource)
{
	struct vga_waiter waiter = { .task = current };
	bool hurried;
	int ret;

	if (!waiter_enter(vpci, &waiter))
		return -ENODEV;
	ret = vga_get_interruptible(vpci->pdev, resource);
	hurried = waiter_leave(vpci, &waiter);
	return ret && hurried ? -ENODEV : ret;
}

/*
 * A turn and memory_lock. The arbiter may make us wait for whoever has the turn, so the lock comes
 * after it, and is only tried for, so that nobody waits for a reset of ours.
 */
static int vga_enter(struct vfio_pci_device *vpci, const struct vga_window *window)
{
	int ret;

	for (;;) {
		ret = vga_wait_for_turn(vpci, window->resource);
		if (ret || down_read_trylock(&vpci->memory_lock))
			return ret;
		vga_put(vpci->pdev, window->resource);
		ret = down_read_killable(&vpci->memory_lock);
		if (ret)
			return ret;
		up_read(&vpci->memory_lock);
	}
}

static int vga_take_turn(struct vfio_pci_device *vpci, const struct vga_window *window,
			 void __iomem *io, const struct vga_turn *turn)
{
	int ret = vga_enter(vpci, window);

	if (ret)
		return ret;
	if (vpci->asleep || vpci->frozen || vpci->pdev->current_state != PCI_D0)
		ret = -EIO;
	else
		vga_touch(window, io, turn);
	up_read(&vpci->memory_lock);
	vga_put(vpci->pdev, window->resource);
	return ret;
}

static void __iomem *vga_map(const struct vga_window *window)
{
	return window->ports ? ioport_map(window->start, window->end - window->start) :
			       ioremap(window->start, window->end - window->start);
}

static void vga_unmap(const struct vga_window *window, void __iomem *io)
{
	if (window->ports)
		ioport_unmap(io);
	else
		iounmap(io);
}

static int vga_access(struct vfio_pci_device *vpci, const struct vga_turn *turn)
{
	const struct vga_window *window = vga_window_at(turn->offset);
	void __iomem *io;
	int ret;

	io = vga_map(window);
	if (!io)
		return -ENOMEM;
	ret = vga_take_turn(vpci, window, io, turn);
	vga_unmap(window, io);
	return ret;
}

/**
 * vfio_pci_vga_clip - how much of an access is in the VGA region?
 * @vpci: the device
 * @count: bytes of the access
 * @offset: of its first byte in the region
 *
 * Context: any.
 * Return: bytes, less than @count at the end of a window; -EINVAL outside of the windows, and for
 * a device without this region.
 */
ssize_t vfio_pci_vga_clip(const struct vfio_pci_device *vpci, size_t count, u64 offset)
{
	const struct vga_window *window = vpci->has_vga ? vga_window_at(offset) : NULL;

	return window ? min_t(u64, count, window->end - offset) : -EINVAL;
}

/**
 * vfio_pci_vga_read - read from the VGA region
 * @vpci: the device, awake
 * @buf: where to
 * @count: bytes
 * @offset: in the region, as vfio_pci_vga_clip() allowed
 *
 * Context: process context; waits for the arbiter, then takes memory_lock.
 * Return: 0; -EIO if the function is not in D0; -ERESTARTSYS if a signal ends the wait; -ENODEV if
 * the device is taken back; -ENOMEM.
 */
int vfio_pci_vga_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset)
{
	const struct vga_turn turn = { .offset = offset, .count = count, .to = buf };

	return vga_access(vpci, &turn);
}

/**
 * vfio_pci_vga_write - write to the VGA region
 * @vpci: the device, awake
 * @buf: where from
 * @count: bytes
 * @offset: in the region, as vfio_pci_vga_clip() allowed
 *
 * Context: process context; waits for the arbiter, then takes memory_lock.
 * Return: as vfio_pci_vga_read().
 */
int vfio_pci_vga_write(struct vfio_pci_device *vpci, const u8 *buf, size_t count, u64 offset)
{
	const struct vga_turn turn = { .offset = offset, .count = count, .from = buf };

	return vga_access(vpci, &turn);
}

/**
 * vfio_pci_vga_hurry - nobody waits for a turn at the arbiter from here on
 * @vpci: the device, being taken back
 *
 * Context: process context.
 */
void vfio_pci_vga_hurry(struct vfio_pci_device *vpci)
{
	struct vga_waiter *waiter;

	spin_lock(&vpci->vga_lock);
	vpci->vga_hurried = true;
	list_for_each_entry(waiter, &vpci->vga_waiters, node)
		waiter_stop(waiter);
	spin_unlock(&vpci->vga_lock);
}

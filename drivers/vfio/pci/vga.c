// SPDX-License-Identifier: GPL-2.0-only
/*
 * VGA: the addresses that every graphics device has answered at since the IBM PC.
 *
 * They are no BAR, and all graphics devices want the same. The kernel's arbiter routes them to one
 * device at a time: each piece of read() and write() has its turn. The region is laid out like the
 * processor's address space: ports at 0x3b0 and 0x3c0, memory from 0xa0000 on.
 *
 * A device of ours is a client of the arbiter, which then knows that it may be asked to answer
 * there at any time, unless the parameter disable_vga was set; then it can give that up where
 * nothing below its bridge needs it.
 */
#include <linux/aperture.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vgaarb.h>

#include "pci.h"

/* Touched per turn; divides all ends of the windows but those of ports. */
#define VGA_PIECE	64

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
	if (pci_is_vga(vpci->pdev))
		vga_client_unregister(vpci->pdev);
}

/* ---- the region ---- */

/**
 * struct vga_turn - a piece of read() or write() while the device has its turn
 * @offset: in the region
 * @count: bytes
 * @bytes: kernel memory
 * @write: direction
 */
struct vga_turn {
	u32 offset;
	unsigned int count;
	u8 bytes[VGA_PIECE];
	bool write;
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

static void vga_touch(const struct vga_window *window, void __iomem *io, struct vga_turn *turn)
{
	struct vfio_pci_io_span span = { .io = io, .width = 4 };

	if (turn->write)
		vfio_pci_io_write(&span, turn->offset - window->start, turn->bytes, turn->count);
	else
		vfio_pci_io_read(&span, turn->offset - window->start, turn->bytes, turn->count);
}

/* The arbiter may make us wait for whoever has the turn, so memory_lock comes after it. */
static int vga_take_turn(struct vfio_pci_device *vpci, const struct vga_window *window,
			 void __iomem *io, struct vga_turn *turn)
{
	int ret;

	ret = vga_get_interruptible(vpci->pdev, window->resource);
	if (ret)
		return ret;
	ret = down_read_killable(&vpci->memory_lock);
	if (!ret) {
		if (vpci->asleep || vpci->pdev->current_state != PCI_D0)
			ret = -EIO;
		else
			vga_touch(window, io, turn);
		up_read(&vpci->memory_lock);
	}
	vga_put(vpci->pdev, window->resource);
	return ret;
}

static unsigned int vga_piece(const struct vga_window *window, u32 offset, size_t count)
{
	return min3(count, (size_t)(window->end - offset),
		    (size_t)(VGA_PIECE - offset % VGA_PIECE));
}

static int vga_read_piece(struct vfio_pci_device *vpci, const struct vga_window *window,
			  void __iomem *io, char __user *buf, u32 offset, unsigned int count)
{
	struct vga_turn turn = { .offset = offset, .count = count };
	int ret;

	ret = vga_take_turn(vpci, window, io, &turn);
	if (ret)
		return ret;
	return copy_to_user(buf, turn.bytes, count) ? -EFAULT : 0;
}

static int vga_write_piece(struct vfio_pci_device *vpci, const struct vga_window *window,
			   void __iomem *io, const char __user *buf, u32 offset,
			   unsigned int count)
{
	struct vga_turn turn = { .offset = offset, .count = count, .write = true };

	if (copy_from_user(turn.bytes, buf, count))
		return -EFAULT;
	return vga_take_turn(vpci, window, io, &turn);
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

/* How much of [offset, offset + count) is in @window; -EINVAL where there is none. */
static ssize_t vga_clip(const struct vga_window *window, loff_t offset, size_t count)
{
	return window ? min_t(size_t, count, window->end - offset) : -EINVAL;
}

/**
 * vfio_pci_vga_read - read from the VGA region
 * @vpci: the device, awake
 * @buf: where to
 * @count: bytes
 * @offset: in the region
 *
 * Context: process context; waits for the arbiter, then takes memory_lock.
 * Return: bytes read, less than @count at the end of a window or before an error; -EINVAL outside
 * of the windows; -EIO if the function is not in D0; -ERESTARTSYS if a signal ends the wait;
 * -ENOMEM; -EFAULT.
 */
ssize_t vfio_pci_vga_read(struct vfio_pci_device *vpci, char __user *buf, size_t count,
			  loff_t offset)
{
	const struct vga_window *window = vga_window_at(offset);
	ssize_t size = vga_clip(window, offset, count);
	unsigned int piece;
	void __iomem *io;
	size_t done;
	int ret = 0;

	if (size < 0)
		return size;
	io = vga_map(window);
	if (!io)
		return -ENOMEM;
	for (done = 0; done < size; done += piece) {
		piece = vga_piece(window, offset + done, size - done);
		ret = vga_read_piece(vpci, window, io, buf + done, offset + done, piece);
		if (ret)
			break;
		cond_resched();
	}
	vga_unmap(window, io);
	return done ?: ret;
}

/**
 * vfio_pci_vga_write - write to the VGA region
 * @vpci: the device, awake
 * @buf: where from
 * @count: bytes
 * @offset: in the region
 *
 * Context: process context; waits for the arbiter, then takes memory_lock.
 * Return: as vfio_pci_vga_read().
 */
ssize_t vfio_pci_vga_write(struct vfio_pci_device *vpci, const char __user *buf, size_t count,
			   loff_t offset)
{
	const struct vga_window *window = vga_window_at(offset);
	ssize_t size = vga_clip(window, offset, count);
	unsigned int piece;
	void __iomem *io;
	size_t done;
	int ret = 0;

	if (size < 0)
		return size;
	io = vga_map(window);
	if (!io)
		return -ENOMEM;
	for (done = 0; done < size; done += piece) {
		piece = vga_piece(window, offset + done, size - done);
		ret = vga_write_piece(vpci, window, io, buf + done, offset + done, piece);
		if (ret)
			break;
		cond_resched();
	}
	vga_unmap(window, io);
	return done ?: ret;
}

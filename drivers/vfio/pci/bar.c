// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function's memory and ports as the user sees them: BARs and ROM.
 *
 * Every BAR is claimed and mapped when the device is opened; one that somebody else has claimed
 * keeps its error, and only it. read() and write() go in pieces through a small buffer in the
 * kernel: the device is touched under memory_lock, the user's memory is not. The accesses
 * themselves are in io.c.
 *
 * The MSI-X table belongs to the kernel: read() gives 0xff there and write() nothing. A mapping of
 * the BAR does show it; interrupt remapping makes that harmless.
 *
 * Mappings are in mmap.c, writes by eventfds in ioeventfd.c.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pci.h"

/* Touched per taking of memory_lock; a power of two, so that no aligned access is cut. */
#define BAR_PIECE	256
#define ROM_PIECE	SZ_1K

/* ---- finding the ROM ---- */

/* The ROM may share its decoder with a BAR: nobody of ours touches the device meanwhile. */
static void __iomem *rom_map(struct vfio_pci_device *vpci, u16 *command)
{
	const struct resource *res = &vpci->pdev->resource[PCI_ROM_RESOURCE];
	void __iomem *io = NULL;

	*command = vfio_pci_decode_begin(vpci);
	if (!vpci->asleep && vpci->pdev->current_state == PCI_D0 &&
	    !pci_enable_rom(vpci->pdev)) {
		io = ioremap(res->start, resource_size(res));
		if (!io)
			pci_disable_rom(vpci->pdev);
	}
	if (!io)
		vfio_pci_decode_end(vpci, *command);
	return io;
}

static void rom_unmap(struct vfio_pci_device *vpci, u16 command, void __iomem *io)
{
	iounmap(io);
	pci_disable_rom(vpci->pdev);
	vfio_pci_decode_end(vpci, command);
}

/* A ROM that the firmware keeps for the device, which has none of its own. */
static bool rom_is_kept(const struct pci_dev *pdev)
{
	return !pci_resource_start(pdev, PCI_ROM_RESOURCE) && pdev->rom && pdev->romlen;
}

/*
 * How large the region is, and how much of it is a valid image: 0 if there is none. The PCI core
 * walks along the images at the device's pace and complains about bad ones, so it is asked once.
 */
static void rom_probe(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;
	void __iomem *io;
	u16 command;

	vpci->rom_size = 0;
	vpci->rom_valid = 0;
	if (rom_is_kept(pdev)) {
		vpci->rom_size = roundup_pow_of_two(pdev->romlen);
		vpci->rom_valid = pdev->romlen;
		return;
	}
	if (!pci_resource_start(pdev, PCI_ROM_RESOURCE))
		return;

	command = vfio_pci_decode_begin(vpci);
	io = pci_map_rom(pdev, &vpci->rom_valid);
	if (io) {
		pci_unmap_rom(pdev, io);
		vpci->rom_size = pci_resource_len(pdev, PCI_ROM_RESOURCE);
	}
	vfio_pci_decode_end(vpci, command);
}

/* ---- BARs ---- */

/* Claim the rest of the page of a small BAR, so that the user can be given the page. */
static bool bar_fill_page(struct vfio_pci_device *vpci, unsigned int index)
{
	struct resource *res = &vpci->pdev->resource[index];
	struct vfio_pci_bar *bar = &vpci->bars[index];
	struct resource *filler;

	if (!PAGE_ALIGNED(res->start) || resource_size(res) >= PAGE_SIZE || !res->parent)
		return false;

	filler = kzalloc(sizeof(*filler), GFP_KERNEL_ACCOUNT);
	if (!filler)
		return false;
	filler->name = "vfio sub-page reserved";
	filler->start = res->end + 1;
	filler->end = res->start + PAGE_SIZE - 1;
	filler->flags = res->flags;
	if (request_resource(res->parent, filler)) {
		kfree(filler);
		return false;
	}
	bar->filler = filler;
	return true;
}

/* Whole pages, as the specification has it for all but small BARs; quirks are not bound by it. */
static bool bar_has_pages(struct vfio_pci_device *vpci, unsigned int index)
{
	return PAGE_ALIGNED(pci_resource_start(vpci->pdev, index)) &&
	       PAGE_ALIGNED(pci_resource_len(vpci->pdev, index));
}

static void bar_open(struct vfio_pci_device *vpci, unsigned int index)
{
	struct vfio_pci_bar *bar = &vpci->bars[index];
	struct pci_dev *pdev = vpci->pdev;

	*bar = (struct vfio_pci_bar){
		.size = pci_resource_len(pdev, index),
		.ports = pci_resource_flags(pdev, index) & IORESOURCE_IO,
	};
	if (!bar->size)
		return;

	bar->error = pci_request_selected_regions(pdev, BIT(index), "vfio");
	if (bar->error)
		return;
	bar->io = pci_iomap(pdev, index, 0);
	if (!bar->io) {
		pci_release_selected_regions(pdev, BIT(index));
		bar->error = -ENOMEM;
		return;
	}
	if (!bar->ports)
		bar->can_mmap = bar_has_pages(vpci, index) || bar_fill_page(vpci, index);
}

/**
 * vfio_pci_bars_open - claim and map all BARs, look for a ROM
 * @vpci: the device, being opened
 *
 * A BAR that cannot be had is not an error of the open.
 *
 * Context: process context; may sleep.
 */
void vfio_pci_bars_open(struct vfio_pci_device *vpci)
{
	unsigned int i;

	for (i = 0; i < VFIO_PCI_NR_BARS; i++)
		bar_open(vpci, i);
	rom_probe(vpci);
}

static void bar_close(struct vfio_pci_device *vpci, unsigned int index)
{
	struct vfio_pci_bar *bar = &vpci->bars[index];

	if (bar->filler)
		release_resource(bar->filler);
	kfree(bar->filler);
	if (bar->io) {
		pci_iounmap(vpci->pdev, bar->io);
		pci_release_selected_regions(vpci->pdev, BIT(index));
	}
	*bar = (struct vfio_pci_bar){};
}

/**
 * vfio_pci_bars_close - undo vfio_pci_bars_open()
 * @vpci: the device, being closed; nobody uses its BARs any more
 *
 * Context: process context; may sleep.
 */
void vfio_pci_bars_close(struct vfio_pci_device *vpci)
{
	unsigned int i;

	for (i = VFIO_PCI_NR_BARS; i--; )
		bar_close(vpci, i);
}

static struct vfio_pci_io_span bar_span(const struct vfio_pci_device *vpci, unsigned int index)
{
	const struct vfio_pci_bar *bar = &vpci->bars[index];
	struct vfio_pci_io_span span = { .io = bar->io, .width = bar->ports ? 4 : 8 };

	if (vpci->msi.table_size && index == vpci->msi.table_bar) {
		span.hole = vpci->msi.table_offset;
		span.hole_end = span.hole + vpci->msi.table_size;
	}
	return span;
}

/* How much of [offset, offset + count) is in a region, or -EINVAL if it starts behind. */
static ssize_t region_clip(u64 size, loff_t offset, size_t count)
{
	if (offset >= size)
		return -EINVAL;
	return min3((u64)count, size - offset, (u64)SSIZE_MAX);
}

/* Bytes of a BAR up to the next multiple of a piece. */
static size_t bar_piece(u64 offset, size_t count)
{
	return min_t(size_t, count, BAR_PIECE - offset % BAR_PIECE);
}

/* Has the device's attention for one piece: memory_lock, given back by up_read(). */
static int bar_enter(struct vfio_pci_device *vpci, const struct vfio_pci_bar *bar)
{
	if (fatal_signal_pending(current) || down_read_killable(&vpci->memory_lock))
		return -EINTR;
	if (!bar->ports && !vfio_pci_memory_enabled(vpci)) {
		up_read(&vpci->memory_lock);
		return -EIO;
	}
	return 0;
}

static int bar_read_piece(struct vfio_pci_device *vpci, unsigned int index, char __user *buf,
			  size_t count, u64 offset)
{
	struct vfio_pci_io_span span = bar_span(vpci, index);
	u8 piece[BAR_PIECE];
	int ret;

	ret = bar_enter(vpci, &vpci->bars[index]);
	if (ret)
		return ret;
	vfio_pci_io_read(&span, offset, piece, count);
	up_read(&vpci->memory_lock);
	return copy_to_user(buf, piece, count) ? -EFAULT : 0;
}

static int bar_write_piece(struct vfio_pci_device *vpci, unsigned int index,
			   const char __user *buf, size_t count, u64 offset)
{
	struct vfio_pci_io_span span = bar_span(vpci, index);
	u8 piece[BAR_PIECE];
	int ret;

	if (copy_from_user(piece, buf, count))
		return -EFAULT;
	ret = bar_enter(vpci, &vpci->bars[index]);
	if (ret)
		return ret;
	vfio_pci_io_write(&span, offset, piece, count);
	up_read(&vpci->memory_lock);
	return 0;
}

/* The error of a BAR that cannot be touched, else how much of the request is in it. */
static ssize_t bar_clip(const struct vfio_pci_bar *bar, size_t count, loff_t offset)
{
	ssize_t ret = region_clip(bar->size, offset, count);

	return ret < 0 || bar->io ? ret : bar->error;
}

/**
 * vfio_pci_bar_read - read from a BAR
 * @vpci: the device, awake
 * @bar: which
 * @buf: where to
 * @count: bytes
 * @offset: in the BAR
 *
 * Context: process context; takes memory_lock.
 * Return: bytes read, less than @count at the end of the BAR or before an error; -EINVAL behind the
 * end; -EIO while the function does not decode memory; -EFAULT; -EINTR if killed; or why the BAR
 * could not be claimed.
 */
ssize_t vfio_pci_bar_read(struct vfio_pci_device *vpci, unsigned int bar, char __user *buf,
			  size_t count, loff_t offset)
{
	ssize_t size = bar_clip(&vpci->bars[bar], count, offset);
	size_t done, piece;
	int ret;

	if (size < 0)
		return size;
	for (done = 0; done < size; done += piece) {
		piece = bar_piece(offset + done, size - done);
		ret = bar_read_piece(vpci, bar, buf + done, piece, offset + done);
		if (ret)
			return done ?: ret;
		cond_resched();
	}
	return done;
}

/**
 * vfio_pci_bar_write - write to a BAR
 * @vpci: the device, awake
 * @bar: which
 * @buf: where from
 * @count: bytes
 * @offset: in the BAR
 *
 * Context: process context; takes memory_lock.
 * Return: as vfio_pci_bar_read().
 */
ssize_t vfio_pci_bar_write(struct vfio_pci_device *vpci, unsigned int bar, const char __user *buf,
			   size_t count, loff_t offset)
{
	ssize_t size = bar_clip(&vpci->bars[bar], count, offset);
	size_t done, piece;
	int ret;

	if (size < 0)
		return size;
	for (done = 0; done < size; done += piece) {
		piece = bar_piece(offset + done, size - done);
		ret = bar_write_piece(vpci, bar, buf + done, piece, offset + done);
		if (ret)
			return done ?: ret;
		cond_resched();
	}
	return done;
}

/**
 * vfio_pci_bar_allows - may an eventfd write here?
 * @vpci: the device
 * @bar: which BAR
 * @offset: in the BAR
 * @width: 1, 2, 4 or 8 bytes
 *
 * Return: 0; -EINVAL for a place that is not aligned, not wholly in the BAR or in the MSI-X table,
 * and for 8 bytes of ports; or why the BAR could not be claimed.
 */
int vfio_pci_bar_allows(struct vfio_pci_device *vpci, unsigned int bar, u64 offset,
			unsigned int width)
{
	struct vfio_pci_io_span span = bar_span(vpci, bar);
	u64 size = vpci->bars[bar].size;

	if (width > span.width || width > size || offset > size - width || offset % width)
		return -EINVAL;
	if (offset < span.hole_end && offset + width > span.hole)
		return -EINVAL;
	return vpci->bars[bar].error;
}

/**
 * vfio_pci_bar_poke - write once to a place that vfio_pci_bar_allows()
 * @vpci: the device
 * @bar: which BAR
 * @offset: in the BAR
 * @width: 1, 2, 4 or 8 bytes
 * @data: what; the low @width bytes count
 *
 * A device that does not answer is left alone.
 *
 * Context: any; memory_lock is held.
 */
void vfio_pci_bar_poke(struct vfio_pci_device *vpci, unsigned int bar, u64 offset,
		       unsigned int width, u64 data)
{
	__le64 raw = cpu_to_le64(data);

	lockdep_assert_held(&vpci->memory_lock);

	if (vpci->bars[bar].ports || vfio_pci_memory_enabled(vpci))
		vfio_pci_io_write_one(vpci->bars[bar].io + offset, (const u8 *)&raw, width);
}

/* ---- reading the ROM ---- */

/* Fill @piece; what lies behind the image reads 0xff. */
static int rom_read_piece(struct vfio_pci_device *vpci, u8 *piece, size_t count, u64 offset)
{
	struct vfio_pci_io_span span = { .width = 4 };
	size_t valid;
	u16 command;

	if (fatal_signal_pending(current))
		return -EINTR;
	memset(piece, 0xff, count);
	if (rom_is_kept(vpci->pdev))
		span.io = ioremap(vpci->pdev->rom, vpci->pdev->romlen);
	else
		span.io = rom_map(vpci, &command);
	if (!span.io)
		return -EIO;

	valid = offset < vpci->rom_valid ? min_t(u64, count, vpci->rom_valid - offset) : 0;
	vfio_pci_io_read(&span, offset, piece, valid);

	if (rom_is_kept(vpci->pdev))
		iounmap(span.io);
	else
		rom_unmap(vpci, command, span.io);
	return 0;
}

/**
 * vfio_pci_rom_read - read from the ROM
 * @vpci: the device, awake
 * @buf: where to
 * @count: bytes
 * @offset: in the ROM
 *
 * Context: process context; takes memory_lock.
 * Return: bytes read, less than @count at the end of the ROM or before an error; -EINVAL behind the
 * end or without a ROM; -EIO; -EFAULT; -EINTR if killed; -ENOMEM.
 */
ssize_t vfio_pci_rom_read(struct vfio_pci_device *vpci, char __user *buf, size_t count,
			  loff_t offset)
{
	ssize_t size = region_clip(vpci->rom_size, offset, count);
	size_t done, part;
	u8 *piece;
	int ret = 0;

	if (size < 0)
		return size;
	piece = kvmalloc(min_t(size_t, size, ROM_PIECE), GFP_KERNEL_ACCOUNT);
	if (!piece)
		return -ENOMEM;

	for (done = 0; done < size; done += part) {
		part = min_t(size_t, size - done, ROM_PIECE);
		ret = rom_read_piece(vpci, piece, part, offset + done);
		if (!ret && copy_to_user(buf + done, piece, part))
			ret = -EFAULT;
		if (ret)
			break;
		cond_resched();
	}
	kvfree(piece);
	return done ?: ret;
}

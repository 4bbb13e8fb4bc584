// SPDX-License-Identifier: GPL-2.0-only
/*
 * The function's memory and ports as the user sees them: BARs and ROM.
 *
 * Every BAR is claimed and mapped when the device is opened; one that somebody else has claimed
 * keeps its error, and only it. The device is touched under memory_lock. The accesses themselves
 * are in io.c.
 *
 * The MSI-X table belongs to the kernel: read() gives 0xff there and write() nothing. A mapping of
 * the BAR does show it. Interrupt remapping makes that harmless; without it the administrator has
 * accepted the risk.
 *
 * Mappings are in mmap.c, writes by eventfds in ioeventfd.c.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "pci.h"

/* ---- finding the ROM ---- */

/*
 * The ROM may share its decoder with a BAR: nobody of ours touches the device meanwhile, nor does a
 * user, whose next access to a page of a BAR waits for the lock.
 */
static void __iomem *rom_map(struct vfio_pci_device *vpci, u16 *command)
{
	const struct resource *res = &vpci->pdev->resource[PCI_ROM_RESOURCE];
	void __iomem *io = NULL;

	if (READ_ONCE(vpci->frozen))
		return NULL;
	*command = vfio_pci_decode_begin(vpci);
	vfio_pci_zap(vpci);
	if (!vpci->asleep && !vpci->frozen && vpci->pdev->current_state == PCI_D0 &&
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

/*
 * How much of a BAR is a region: no more than has place before the next region of the device fd, so
 * that no part of a mapping is taken for one of that.
 */
static u64 bar_reach(struct pci_dev *pdev, unsigned int index)
{
	return min_t(u64, pci_resource_len(pdev, index), VFIO_PCI_OFFSET_MASK + 1);
}

/* What read() and write() may touch of a BAR, once it is mapped. */
static struct vfio_pci_io_span bar_span(const struct vfio_pci_device *vpci, unsigned int index)
{
	struct vfio_pci_io_span span = { .width = vpci->bars[index].ports ? 4 : 8 };

	if (vpci->msi.table_size && index == vpci->msi.table_bar) {
		span.hole = vpci->msi.table_offset;
		span.hole_end = span.hole + vpci->msi.table_size;
	}
	return span;
}

static void bar_open(struct vfio_pci_device *vpci, unsigned int index)
{
	struct vfio_pci_bar *bar = &vpci->bars[index];
	struct pci_dev *pdev = vpci->pdev;

	*bar = (struct vfio_pci_bar){
		.size = bar_reach(pdev, index),
		.ports = pci_resource_flags(pdev, index) & IORESOURCE_IO,
	};
	if (!bar->size)
		return;

	bar->span = bar_span(vpci, index);
	bar->error = pci_request_selected_regions(pdev, BIT(index), "vfio");
	if (bar->error)
		return;
	bar->span.io = pci_iomap(pdev, index, bar->size);
	if (!bar->span.io) {
		pci_release_selected_regions(pdev, BIT(index));
		bar->error = -ENOMEM;
		return;
	}
	if (!bar->ports)
		bar->can_mmap = bar_has_pages(vpci, index) || bar_fill_page(vpci, index);
}

/**
 * vfio_pci_bars_probe - tell the administrator which BARs are too large
 * @vpci: the device
 *
 * Context: probe.
 */
void vfio_pci_bars_probe(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;
	unsigned int i;

	for (i = 0; i < VFIO_PCI_NR_BARS; i++) {
		if (pci_resource_len(pdev, i) > bar_reach(pdev, i))
			pci_warn(pdev, "BAR %u: users reach its first %llu GiB only\n", i,
				 bar_reach(pdev, i) >> 30);
	}
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

	if (bar->can_mmap)
		vfio_withdraw_memory(pci_resource_start(vpci->pdev, index), bar->size);
	if (bar->filler)
		release_resource(bar->filler);
	kfree(bar->filler);
	if (bar->span.io) {
		pci_iounmap(vpci->pdev, bar->span.io);
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

/**
 * vfio_pci_region_clip - how much of an access is in a region?
 * @size: bytes of the region
 * @count: bytes of the access
 * @offset: of its first byte in the region
 *
 * Context: any.
 * Return: bytes, or -EINVAL if it starts behind the end.
 */
ssize_t vfio_pci_region_clip(u64 size, size_t count, u64 offset)
{
	if (offset >= size)
		return -EINVAL;
	return min_t(u64, count, size - offset);
}

/**
 * vfio_pci_bar_clip - how much of an access is in a BAR?
 * @vpci: the device, open
 * @bar: which
 * @count: bytes of the access
 * @offset: of its first byte in the BAR
 *
 * Context: any.
 * Return: bytes; -EINVAL behind the end; or why the BAR could not be claimed.
 */
ssize_t vfio_pci_bar_clip(const struct vfio_pci_device *vpci, unsigned int bar, size_t count,
			  u64 offset)
{
	ssize_t ret = vfio_pci_region_clip(vpci->bars[bar].size, count, offset);

	return ret < 0 || vpci->bars[bar].span.io ? ret : vpci->bars[bar].error;
}

/* Has the device's attention: memory_lock, given back by up_read(). */
static int bar_enter(struct vfio_pci_device *vpci, const struct vfio_pci_bar *bar)
{
	bool answers;

	/* Before the lock, which the recovery from an error needs. */
	if (READ_ONCE(vpci->frozen))
		return -EIO;
	if (fatal_signal_pending(current) || down_read_killable(&vpci->memory_lock))
		return -EINTR;
	/* Ports that are not decoded, or asleep, read ones and harm nobody. */
	answers = bar->ports ? !READ_ONCE(vpci->frozen) && !vfio_pci_is_pulled(vpci) :
			       vfio_pci_memory_enabled(vpci);
	if (!answers) {
		up_read(&vpci->memory_lock);
		return vfio_pci_is_pulled(vpci) ? -ENODEV : -EIO;
	}
	return 0;
}

/**
 * vfio_pci_bar_read - read from a BAR
 * @vpci: the device, awake
 * @bar: which
 * @buf: where to
 * @count: bytes
 * @offset: in the BAR, as vfio_pci_bar_clip() allowed
 *
 * Context: process context; takes memory_lock.
 * Return: 0; -EIO while the function does not decode memory; -ENODEV if it was pulled out;
 * -EINTR if killed.
 */
int vfio_pci_bar_read(struct vfio_pci_device *vpci, unsigned int bar, u8 *buf, size_t count,
		      u64 offset)
{
	int ret;

	ret = bar_enter(vpci, &vpci->bars[bar]);
	if (ret)
		return ret;
	vfio_pci_io_read(&vpci->bars[bar].span, offset, buf, count);
	up_read(&vpci->memory_lock);
	return 0;
}

/**
 * vfio_pci_bar_write - write to a BAR
 * @vpci: the device, awake
 * @bar: which
 * @buf: where from
 * @count: bytes
 * @offset: in the BAR, as vfio_pci_bar_clip() allowed
 *
 * Context: process context; takes memory_lock.
 * Return: as vfio_pci_bar_read().
 */
int vfio_pci_bar_write(struct vfio_pci_device *vpci, unsigned int bar, const u8 *buf,
		       size_t count, u64 offset)
{
	int ret;

	ret = bar_enter(vpci, &vpci->bars[bar]);
	if (ret)
		return ret;
	vfio_pci_io_write(&vpci->bars[bar].span, offset, buf, count);
	up_read(&vpci->memory_lock);
	return 0;
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
	const struct vfio_pci_io_span *span = &vpci->bars[bar].span;
	u64 size = vpci->bars[bar].size;

	if (width > span->width || width > size || offset > size - width || offset % width)
		return -EINVAL;
	if (offset < span->hole_end && offset + width > span->hole)
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

	if (vpci->bars[bar].ports ? vfio_pci_ports_enabled(vpci) : vfio_pci_memory_enabled(vpci))
		vfio_pci_io_write_one(vpci->bars[bar].span.io + offset, (const u8 *)&raw, width);
}

/* ---- reading the ROM ---- */

/**
 * vfio_pci_rom_read - read from the ROM
 * @vpci: the device, awake
 * @buf: where to
 * @count: bytes
 * @offset: in the ROM, which has as much
 *
 * What lies behind the image reads 0xff.
 *
 * Context: process context; takes memory_lock.
 * Return: 0, -EIO, -EINTR if killed.
 */
int vfio_pci_rom_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset)
{
	struct vfio_pci_io_span span = { .width = 4 };
	u16 command;

	if (fatal_signal_pending(current))
		return -EINTR;
	memset(buf, 0xff, count);
	if (offset >= vpci->rom_valid)
		return 0;
	if (rom_is_kept(vpci->pdev))
		span.io = ioremap(vpci->pdev->rom, vpci->pdev->romlen);
	else
		span.io = rom_map(vpci, &command);
	if (!span.io)
		return -EIO;

	vfio_pci_io_read(&span, offset, buf, min_t(u64, count, vpci->rom_valid - offset));

	if (rom_is_kept(vpci->pdev))
		iounmap(span.io);
	else
		rom_unmap(vpci, command, span.io);
	return 0;
}

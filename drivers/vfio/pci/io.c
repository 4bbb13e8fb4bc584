// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to a device's memory and ports, on behalf of read() and write().
 *
 * Accesses are as wide as alignment and length allow, and each is one access to the device. Whether
 * the device answers is for the caller to know.
 */
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/unaligned.h>

#include "pci.h"

/* The widest access that is aligned and not too long. */
static unsigned int io_width(const struct vfio_pci_io_span *span, u64 offset, size_t count)
{
	unsigned int width = span->width;

	while (width > 1 && (offset & (width - 1) || count < width))
		width /= 2;
	return width;
}

/* Widths divide both ends of the hole, so an access is inside or outside. */
static bool io_in_hole(const struct vfio_pci_io_span *span, u64 offset)
{
	return offset >= span->hole && offset < span->hole_end;
}

/* Devices are little-endian, and so is what the user sees. Registers of four bytes come first. */
static void io_read_one(void __iomem *io, u8 *to, unsigned int width)
{
	if (width == 4)
		put_unaligned_le32(ioread32(io), to);
	else if (width == 8)
		put_unaligned_le64(readq(io), to);
	else if (width == 2)
		put_unaligned_le16(ioread16(io), to);
	else
		*to = ioread8(io);
}

/**
 * vfio_pci_io_write_one - one access
 * @io: where to
 * @from: @width bytes, the lowest first
 * @width: 1, 2, 4 or 8
 *
 * Context: any.
 */
void vfio_pci_io_write_one(void __iomem *io, const u8 *from, unsigned int width)
{
	if (width == 4)
		iowrite32(get_unaligned_le32(from), io);
	else if (width == 8)
		writeq(get_unaligned_le64(from), io);
	else if (width == 2)
		iowrite16(get_unaligned_le16(from), io);
	else
		iowrite8(*from, io);
}

/**
 * vfio_pci_io_read - read from a device
 * @span: what may be touched; the hole reads 0xff
 * @offset: in the span
 * @to: kernel memory
 * @count: bytes, all of them in the span
 *
 * Context: any; the device answers.
 */
void vfio_pci_io_read(const struct vfio_pci_io_span *span, u64 offset, u8 *to, size_t count)
{
	unsigned int width;

	for (; count; offset += width, to += width, count -= width) {
		width = io_width(span, offset, count);
		if (io_in_hole(span, offset))
			memset(to, 0xff, width);
		else
			io_read_one(span->io + offset, to, width);
	}
}

/**
 * vfio_pci_io_write - write to a device
 * @span: what may be touched; nothing is written to the hole
 * @offset: in the span
 * @from: kernel memory
 * @count: bytes, all of them in the span
 *
 * Context: any; the device answers.
 */
void vfio_pci_io_write(const struct vfio_pci_io_span *span, u64 offset, const u8 *from,
		       size_t count)
{
	unsigned int width;

	for (; count; offset += width, from += width, count -= width) {
		width = io_width(span, offset, count);
		if (!io_in_hole(span, offset))
			vfio_pci_io_write_one(span->io + offset, from, width);
	}
}

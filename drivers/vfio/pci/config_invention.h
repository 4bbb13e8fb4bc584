/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device that is not there, for tests of the compile step: config_debug.c has it read by the
 * module, config_compile_test.c by itself.
 */
#ifndef _VFIO_PCI_CONFIG_INVENTION_H
#define _VFIO_PCI_CONFIG_INVENTION_H

#include "config.h"

/**
 * struct invention - a device that answers from one or two images of its config space, in turn
 * @images: one behind the other
 * @nr_images: 1 or 2
 * @size: bytes of each
 * @reads: how often it was asked
 */
struct invention {
	const u8 *images;
	unsigned int nr_images;
	u16 size;
	unsigned int reads;
};

/* As the read operation of a struct vfio_pci_config_source. */
static inline u32 invention_read(void *context, u16 pos)
{
	struct invention *device = context;
	unsigned int image = device->reads++ % device->nr_images;

	return vfio_pci_get_le32(device->images + image * device->size + pos);
}

#endif

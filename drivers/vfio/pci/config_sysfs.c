// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator sees of accesses to config space that no capability covers.
 *
 * vfio-dev/vfioX/config_gaps/read and .../written: how many bytes of the gaps were touched since
 * the device was bound, and their positions. Whoever thinks of hiding the gaps (parameter
 * hide_config_gaps) sees there what his guests would miss.
 *
 * Their text may be longer than a page, so they are binary attributes, as the kernel's own lists of
 * CPUs are.
 */
#include <linux/bitmap.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "pci.h"

static struct vfio_pci_gaps *to_gaps(struct kobject *kobj)
{
	return &to_vfio_pci(container_of(kobj, struct vfio_device, device.kobj))->gaps;
}

/* Bits are only ever set, so nobody has to be kept from setting them: a reset may take its time. */
static ssize_t gaps_read(const unsigned long *gaps, char *buf, loff_t pos, size_t count)
{
	DECLARE_BITMAP(seen, PCI_CFG_SPACE_EXP_SIZE);
	ssize_t length;
	char *text;

	bitmap_copy(seen, gaps, PCI_CFG_SPACE_EXP_SIZE);
	text = kasprintf(GFP_KERNEL, "%u %*pbl\n", bitmap_weight(seen, PCI_CFG_SPACE_EXP_SIZE),
			 PCI_CFG_SPACE_EXP_SIZE, seen);
	if (!text)
		return -ENOMEM;
	length = memory_read_from_buffer(buf, count, &pos, text, strlen(text));
	kfree(text);
	return length;
}

static ssize_t read_read(struct file *file, struct kobject *kobj, struct bin_attribute *attribute,
			 char *buf, loff_t pos, size_t count)
{
	return gaps_read(to_gaps(kobj)->read, buf, pos, count);
}
static BIN_ATTR_ADMIN_RO(read, 0);

static ssize_t written_read(struct file *file, struct kobject *kobj,
			    struct bin_attribute *attribute, char *buf, loff_t pos, size_t count)
{
	return gaps_read(to_gaps(kobj)->written, buf, pos, count);
}
static BIN_ATTR_ADMIN_RO(written, 0);

static struct bin_attribute *gaps_attributes[] = {
	&bin_attr_read,
	&bin_attr_written,
	NULL
};

static const struct attribute_group gaps_group = {
	.name = "config_gaps",
	.bin_attrs = gaps_attributes,
};

const struct attribute_group *vfio_pci_config_groups[] = { &gaps_group, NULL };

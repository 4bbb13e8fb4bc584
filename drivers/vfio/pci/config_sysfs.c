// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an administrator sees of accesses to config space that no capability covers.
 *
 * vfio-dev/vfioX/config_gaps/read and .../written: how many bytes of the gaps were touched since
 * the device was bound, and their positions. Whoever thinks of hiding the gaps (parameter
 * hide_config_gaps) sees there what his guests would miss. A list that is longer than an attribute
 * can be ends in dots.
 */
#include <linux/bitmap.h>
#include <linux/sysfs.h>

#include "pci.h"

/* Bits are only ever set, so this needs no config_lock, which a reset may hold for long. */
static ssize_t gaps_show(struct device *dev, char *buf, bool written)
{
	struct vfio_pci_device *vpci = to_vfio_pci(container_of(dev, struct vfio_device, device));
	const unsigned long *gaps = written ? vpci->gaps.written : vpci->gaps.read;
	DECLARE_BITMAP(seen, PCI_CFG_SPACE_EXP_SIZE);
	int length;

	bitmap_copy(seen, gaps, PCI_CFG_SPACE_EXP_SIZE);
	length = sysfs_emit(buf, "%u %*pbl\n", bitmap_weight(seen, PCI_CFG_SPACE_EXP_SIZE),
			    PCI_CFG_SPACE_EXP_SIZE, seen);
	if (buf[length - 1] == '\n')
		return length;
	while (length > PAGE_SIZE - sizeof("...\n") || buf[length - 1] != ',')
		length--;
	return length + sysfs_emit_at(buf, length, "...\n");
}

static ssize_t read_show(struct device *dev, struct device_attribute *attribute, char *buf)
{
	return gaps_show(dev, buf, false);
}
static DEVICE_ATTR_ADMIN_RO(read);

static ssize_t written_show(struct device *dev, struct device_attribute *attribute, char *buf)
{
	return gaps_show(dev, buf, true);
}
static DEVICE_ATTR_ADMIN_RO(written);

static struct attribute *gaps_attributes[] = {
	&dev_attr_read.attr,
	&dev_attr_written.attr,
	NULL
};

static const struct attribute_group gaps_group = {
	.name = "config_gaps",
	.attrs = gaps_attributes,
};

const struct attribute_group *vfio_pci_config_groups[] = { &gaps_group, NULL };

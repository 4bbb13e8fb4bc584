// SPDX-License-Identifier: GPL-2.0-only
/*
 * Aliases: further regions that show a BAR and are mapped in another way.
 *
 * A client that wants a BAR mapped write-combining asks for an alias of its region, and gets the
 * index of a new one behind those that the device has. Else everything stays as it was. Only
 * prefetchable memory may be asked for: that is what the device says of memory whose writes may be
 * merged and whose reads change nothing.
 *
 * There is one alias of a BAR for each way to map it, whoever asks, so their number is bounded. All
 * go with the last fd. read() and write() of an alias are those of the BAR, mmap.c maps it.
 */
#include <linux/nospec.h>

#include "pci.h"

/**
 * vfio_pci_alias_at - the alias with this region index
 * @vpci: the device, open
 * @index: of a region
 *
 * Context: any.
 * Return: the alias, valid until the device is closed; NULL if @index is none's.
 */
const struct vfio_pci_alias *vfio_pci_alias_at(const struct vfio_pci_device *vpci, u64 index)
{
	unsigned int first = VFIO_PCI_NUM_REGIONS + vfio_pci_igd_count(vpci);
	unsigned int count = vfio_pci_alias_count(vpci);

	if (index < first || index - first >= count)
		return NULL;
	return &vpci->aliases[array_index_nospec(index - first, count)];
}

/**
 * vfio_pci_alias_count - how many aliases there are
 * @vpci: the device, open
 *
 * Context: any.
 * Return: their number, which only grows while the device is open.
 */
unsigned int vfio_pci_alias_count(const struct vfio_pci_device *vpci)
{
	/* An alias is filled in before it is counted. */
	return smp_load_acquire(&vpci->nr_aliases);
}

static bool alias_allowed(const struct vfio_pci_device *vpci,
			  const struct vfio_device_feature_region_alias *wanted)
{
	return wanted->flags == VFIO_REGION_ALIAS_WC && !wanted->reserved &&
	       wanted->index < VFIO_PCI_NR_BARS && vpci->bars[wanted->index].can_mmap &&
	       pci_resource_flags(vpci->pdev, wanted->index) & IORESOURCE_PREFETCH;
}

/* Returns the region index of the alias, which is made if it is the first of its kind. */
static u32 alias_get(struct vfio_pci_device *vpci, u32 bar, u32 flags)
{
	unsigned int first = VFIO_PCI_NUM_REGIONS + vfio_pci_igd_count(vpci);
	unsigned int i;

	lockdep_assert_held(&vpci->aliases_lock);

	for (i = 0; i < vpci->nr_aliases; i++) {
		if (vpci->aliases[i].bar == bar && vpci->aliases[i].flags == flags)
			return first + i;
	}
	vpci->aliases[i] = (struct vfio_pci_alias){ .bar = bar, .flags = flags };
	/* Pairs with vfio_pci_alias_count(). */
	smp_store_release(&vpci->nr_aliases, i + 1);
	return first + i;
}

/**
 * vfio_pci_alias_feature - VFIO_DEVICE_FEATURE_REGION_ALIAS
 * @device: the device
 * @op: VFIO_DEVICE_FEATURE_SET
 * @data: struct vfio_device_feature_region_alias; its @alias is filled in
 *
 * Context: process context; takes aliases_lock.
 * Return: 0; -EINVAL for unknown flags and for what is no prefetchable memory BAR.
 */
int vfio_pci_alias_feature(struct vfio_device *device, u32 op, void *data)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	struct vfio_device_feature_region_alias *wanted = data;

	if (!alias_allowed(vpci, wanted))
		return -EINVAL;

	mutex_lock(&vpci->aliases_lock);
	wanted->alias = alias_get(vpci, wanted->index, wanted->flags);
	mutex_unlock(&vpci->aliases_lock);
	return 0;
}

/**
 * vfio_pci_aliases_close - forget the aliases
 * @vpci: the device, being closed; nobody uses its regions any more
 *
 * Context: process context.
 */
void vfio_pci_aliases_close(struct vfio_pci_device *vpci)
{
	vpci->nr_aliases = 0;
}

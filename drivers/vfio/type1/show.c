// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one can see of a container's memory.
 *
 * Nobody here waits: iommu->lock is only tried for, and what the worker of a mapping changes
 * without it is read as of some moment ago. Only what such a worker does not free is looked at.
 */
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "type1.h"

/**
 * struct type1_totals - sums over the mappings of a container
 * @filling: mappings that are being made, of which only @bytes counts
 * @draining: mappings that are being taken away, of which only @bytes counts
 * @bytes: of all IOVAs
 * @locked: pages charged to users
 * @lent: pages of devices
 */
struct type1_totals {
	unsigned int filling;
	unsigned int draining;
	u64 bytes;
	u64 locked;
	u64 lent;
};

static void totals_add(struct type1_totals *totals, const struct type1_mapping *mapping)
{
	totals->bytes += mapping->last - mapping->start + 1;
	if (mapping->state == MAPPING_LIVE) {
		totals->locked += mapping->locked;
		totals->lent += mapping_lent(mapping);
	} else if (mapping->state == MAPPING_FILLING) {
		totals->filling++;
	} else {
		totals->draining++;
	}
}

/**
 * type1_fdinfo - lines about a container
 * @instance: the struct type1_iommu
 * @seq: gets the lines
 *
 * Context: process context; tries for iommu->lock.
 */
void type1_fdinfo(void *instance, struct seq_file *seq)
{
	struct type1_iommu *iommu = instance;
	struct type1_totals totals = {};
	struct type1_mapping *mapping;

	seq_printf(seq, "vfio-container-backend: %s\n", iommu->v2 ? "type1v2" : "type1");
	if (!mutex_trylock(&iommu->lock)) {
		seq_puts(seq, "vfio-container-busy: 1\n");
		return;
	}
	for (mapping = mapping_first(iommu, &iova_everything); mapping;
	     mapping = mapping_next(mapping, &iova_everything)) {
		totals_add(&totals, mapping);
		cond_resched();
	}
	seq_printf(seq, "vfio-container-mappings: %u\n", iommu->nr_mappings);
	seq_printf(seq, "vfio-container-mappings-filling: %u\n", totals.filling);
	seq_printf(seq, "vfio-container-mappings-draining: %u\n", totals.draining);
	seq_printf(seq, "vfio-container-mappings-left: %u\n", mappings_left(iommu));
	seq_printf(seq, "vfio-container-mapped-bytes: %llu\n", totals.bytes);
	/* What is pinned is locked, and the other way round. */
	seq_printf(seq, "vfio-container-locked-bytes: %llu\n", totals.locked << PAGE_SHIFT);
	seq_printf(seq, "vfio-container-pinned-pages: %llu\n", totals.locked);
	seq_printf(seq, "vfio-container-lent-bytes: %llu\n", totals.lent << PAGE_SHIFT);
	seq_printf(seq, "vfio-container-apertures: %u\n", iommu->ranges.nr);
	mutex_unlock(&iommu->lock);
}

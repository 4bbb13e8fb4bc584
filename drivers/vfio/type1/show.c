// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one can see of a container's memory.
 *
 * Nobody here waits, nor has anybody to wait: no lock is taken. While the container's mappings
 * change, each number is as of some moment ago; when they do not, all are true together.
 */
#include <linux/seq_file.h>

#include "type1.h"

/**
 * type1_fdinfo - lines about a container
 * @instance: the struct type1_iommu
 * @seq: gets the lines
 *
 * Context: any.
 */
void type1_fdinfo(void *instance, struct seq_file *seq)
{
	const struct type1_iommu *iommu = instance;
	u64 locked = READ_ONCE(iommu->locked);

	seq_printf(seq, "vfio-container-backend: %s\n", iommu->v2 ? "type1v2" : "type1");
	seq_printf(seq, "vfio-container-mappings: %llu\n", READ_ONCE(iommu->nr_mappings));
	seq_printf(seq, "vfio-container-mappings-filling: %llu\n",
		   READ_ONCE(iommu->in_state[MAPPING_FILLING]));
	seq_printf(seq, "vfio-container-mappings-draining: %llu\n",
		   READ_ONCE(iommu->in_state[MAPPING_DRAINING]));
	seq_printf(seq, "vfio-container-mappings-left: %u\n", mappings_left(iommu));
	seq_printf(seq, "vfio-container-mapped-bytes: %llu\n", READ_ONCE(iommu->bytes));
	/* What is pinned is locked, and the other way round. */
	seq_printf(seq, "vfio-container-locked-bytes: %llu\n", locked << PAGE_SHIFT);
	seq_printf(seq, "vfio-container-pinned-pages: %llu\n", locked);
	seq_printf(seq, "vfio-container-lent-bytes: %llu\n",
		   READ_ONCE(iommu->lent) << PAGE_SHIFT);
	seq_printf(seq, "vfio-container-apertures: %u\n", READ_ONCE(iommu->ranges.nr));
}

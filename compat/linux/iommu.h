/* SPDX-License-Identifier: GPL-2.0-only */
/* What <linux/iommu.h> of older kernels lacks or spells differently, a block for each thing. */
#ifndef _COMPAT_LINUX_IOMMU_H
#define _COMPAT_LINUX_IOMMU_H

#include_next <linux/iommu.h>

/* Before 6.2 nobody can tell. No driver knows this number, so the answer is no: the safe one. */
#ifndef COMPAT_HAS_ENFORCE_COHERENCY_CAP
#define IOMMU_CAP_ENFORCE_CACHE_COHERENCY ((enum iommu_cap)INT_MAX)
#endif

#endif

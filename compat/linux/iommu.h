/* SPDX-License-Identifier: GPL-2.0-only */
/* What <linux/iommu.h> of older kernels lacks or spells differently, a block for each thing. */
#ifndef _COMPAT_LINUX_IOMMU_H
#define _COMPAT_LINUX_IOMMU_H

#include_next <linux/iommu.h>

/* Before 6.2 nobody can tell. No driver knows this number, so the answer is no: the safe one. */
#ifndef COMPAT_HAS_ENFORCE_COHERENCY_CAP
#define IOMMU_CAP_ENFORCE_CACHE_COHERENCY ((enum iommu_cap)INT_MAX)
#endif

/* Memory for page tables was always GFP_KERNEL until 6.3, when the calls for atomic context went. */
#ifdef COMPAT_HAS_IOMMU_MAP_ATOMIC
#define iommu_map(domain, iova, paddr, size, prot, gfp)	\
	iommu_map(domain, iova, paddr, size, prot)
#define iommu_map_sg(domain, iova, sg, nents, prot, gfp)	\
	iommu_map_sg(domain, iova, sg, nents, prot)
#endif

/* Before 6.11 a domain was made for a bus, and there was no saying why not. */
#ifndef COMPAT_HAS_PAGING_DOMAIN_ALLOC
static inline struct iommu_domain *iommu_paging_domain_alloc(struct device *dev)
{
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);

	return domain ? domain : ERR_PTR(-ENODEV);
}
#endif

/* Before 6.3 either the interrupt controllers or the IOMMU of each device answered for isolation. */
#ifndef COMPAT_HAS_ISOLATED_MSI
#include <linux/irqdomain.h>

static inline int compat_lacks_intr_remap(struct device *dev, void *data)
{
	return !device_iommu_capable(dev, IOMMU_CAP_INTR_REMAP);
}

static inline bool iommu_group_has_isolated_msi(struct iommu_group *group)
{
	return irq_domain_check_msi_remap() ||
	       !iommu_group_for_each_dev(group, NULL, compat_lacks_intr_remap);
}
#endif

#endif

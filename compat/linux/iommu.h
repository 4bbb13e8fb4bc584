/* SPDX-License-Identifier: GPL-2.0-only */
/* What <linux/iommu.h> of older kernels lacks or spells differently, a block for each thing. */
#ifndef _COMPAT_LINUX_IOMMU_H
#define _COMPAT_LINUX_IOMMU_H

#include_next <linux/iommu.h>

/* Before 6.2 only a domain can tell. No driver knows this number, so each device answers no. */
#ifndef COMPAT_HAS_ENFORCE_COHERENCY_CAP
#define IOMMU_CAP_ENFORCE_CACHE_COHERENCY ((enum iommu_cap)INT_MAX)
#endif

/* Until 6.3 the calls for atomic context were others, and these always took GFP_KERNEL. */
#ifdef COMPAT_HAS_IOMMU_MAP_ATOMIC
static inline int compat_iommu_map(struct iommu_domain *domain, unsigned long iova,
				   phys_addr_t paddr, size_t size, int prot, gfp_t gfp)
{
	return iommu_map(domain, iova, paddr, size, prot);
}

static inline ssize_t compat_iommu_map_sg(struct iommu_domain *domain, unsigned long iova,
					  struct scatterlist *sg, unsigned int nents, int prot,
					  gfp_t gfp)
{
	return iommu_map_sg(domain, iova, sg, nents, prot);
}

#define iommu_map compat_iommu_map
#define iommu_map_sg compat_iommu_map_sg
#endif

/* Before 6.11 a domain was made for a bus, and there was no saying why not. */
#ifndef COMPAT_HAS_PAGING_DOMAIN_ALLOC
static inline struct iommu_domain *iommu_paging_domain_alloc(struct device *dev)
{
	struct iommu_domain *domain = iommu_domain_alloc(dev->bus);

	return domain ? domain : ERR_PTR(-ENODEV);
}
#endif

/* Before 6.3 the interrupt controllers or the IOMMUs of the devices answered for isolation. */
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

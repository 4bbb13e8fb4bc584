// SPDX-License-Identifier: GPL-2.0-only
/*
 * The domains of a container as one.
 *
 * What is mapped comes as a walk along a log, a batch of runs at a time. A batch is mapped in all
 * domains or in none, with one synchronisation of each; what came before is the caller's to take
 * back. Unmapping covers any number of batches with one call and one synchronisation for each
 * domain. When it returns, no device reaches the memory any more.
 *
 * Ranges that do not overlap may be mapped and unmapped at the same time: the IOMMU drivers allow
 * that, as the DMA API needs it.
 */
#include <linux/moduleparam.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../fault.h"
#include "type1.h"

static bool disable_hugepages;
module_param(disable_hugepages, bool, 0644);
MODULE_PARM_DESC(disable_hugepages, "Map page by page, so that the IOMMU uses small pages only");

/* Bytes that are unmapped between two chances to let others run. */
#define UNMAP_STEP (16 * SZ_4G)

/* For the first device of a group; all the others have the same IOMMU. */
static int alloc_for_device(struct device *dev, void *data)
{
	struct iommu_domain **domain = data;

	*domain = iommu_paging_domain_alloc(dev);
	return 1;
}

/**
 * domain_create - make a domain and attach a group to it
 * @iommu_group: its DMA is claimed for the user, and it is attached to no domain of ours
 *
 * Context: may sleep.
 * Return: the domain, owned by the caller, its list of groups empty; or an ERR_PTR.
 */
struct type1_domain *domain_create(struct iommu_group *iommu_group)
{
	struct iommu_domain *iommu_domain = ERR_PTR(-ENODEV);
	struct type1_domain *domain;
	int ret = -ENOMEM;

	domain = kzalloc(sizeof(*domain), GFP_KERNEL_ACCOUNT);
	if (!domain)
		return ERR_PTR(-ENOMEM);

	if (!vfio_should_fail()) {
		iommu_group_for_each_dev(iommu_group, &iommu_domain, alloc_for_device);
		ret = PTR_ERR_OR_ZERO(iommu_domain);
	}
	if (ret)
		goto err_free;
	ret = vfio_should_fail() ? -EBUSY : iommu_attach_group(iommu_domain, iommu_group);
	if (ret)
		goto err_domain;

	/* The answer depends on the devices, and can only be had before the first mapping. */
	if (iommu_domain->ops->enforce_cache_coherency)
		domain->coherent = iommu_domain->ops->enforce_cache_coherency(iommu_domain) &&
				   !vfio_should_fail();
	domain->domain = iommu_domain;
	INIT_LIST_HEAD(&domain->groups);
	return domain;

err_domain:
	iommu_domain_free(iommu_domain);
err_free:
	kfree(domain);
	return ERR_PTR(ret);
}

/**
 * domain_destroy - free a domain
 * @domain: no group is attached any more
 *
 * Context: may sleep.
 */
void domain_destroy(struct type1_domain *domain)
{
	iommu_domain_free(domain->domain);
	kfree(domain);
}

/**
 * domain_pgsizes - page sizes of a domain that can map memory of users
 * @domain: the domain
 *
 * Users know no pages below PAGE_SIZE: an IOMMU with smaller pages maps several of them.
 *
 * Context: any.
 * Return: a bitmap.
 */
unsigned long domain_pgsizes(const struct type1_domain *domain)
{
	unsigned long pgsizes = domain->domain->pgsize_bitmap;

	if (pgsizes & ~PAGE_MASK)
		pgsizes = (pgsizes & PAGE_MASK) | PAGE_SIZE;
	return pgsizes;
}

/**
 * walk_alloc - allocate a walk
 * @runs: most runs that a log will have
 *
 * Context: may sleep.
 * Return: a walk to be begun by walk_begin() and freed by kfree(), or NULL.
 */
struct type1_walk *walk_alloc(unsigned long runs)
{
	unsigned int room = min(runs, WALK_BATCH);
	struct type1_walk *walk;

	if (vfio_should_fail())
		return NULL;
	walk = kmalloc(struct_size(walk, sg, room), GFP_KERNEL);
	if (walk)
		walk->room = room;
	return walk;
}

/**
 * walk_begin - begin at the front of a log
 * @walk: the walk
 * @log: the log, which may still grow
 * @iova: where the first run belongs
 *
 * Context: any.
 */
void walk_begin(struct type1_walk *walk, const struct pinlog *log, u64 iova)
{
	walk->log = log;
	walk->at = (struct pinlog_cursor){};
	walk->passed = 0;
	walk->iova = iova;
	walk->size = 0;
	sg_init_table(walk->sg, walk->room);
}

/**
 * walk_next - fill the next batch
 * @walk: the walk
 * @runs: runs of the log to go to
 *
 * Context: any.
 * Return: false if @runs runs have passed.
 */
bool walk_next(struct type1_walk *walk, unsigned long runs)
{
	struct pin_run *run = &walk->run;

	walk->iova += walk->size;
	walk->size = 0;
	walk->nr = 0;

	while (walk->passed < runs && walk->nr < walk->room && walk->size < WALK_BYTES) {
		struct pinlog_cursor before = walk->at;

		if (!pinlog_next(walk->log, &walk->at, run))
			break;
		/* Memory of a device has no struct page, which a scatterlist needs. */
		if (!run_is_memory(run) && walk->nr) {
			walk->at = before;
			break;
		}
		walk->passed++;
		walk->size += run->pages << PAGE_SHIFT;
		if (!run_is_memory(run))
			break;
		sg_set_page(&walk->sg[walk->nr++], pfn_to_page(run->pfn),
			    run->pages << PAGE_SHIFT, 0);
	}
	return walk->size;
}

/* Map one run page by page, or nothing of it. */
static int map_pages(struct iommu_domain *domain, u64 iova, phys_addr_t phys, size_t size, int prot)
{
	size_t done;
	int ret;

	for (done = 0; done < size; done += PAGE_SIZE) {
		ret = iommu_map(domain, iova + done, phys + done, PAGE_SIZE, prot,
				GFP_KERNEL_ACCOUNT);
		if (ret) {
			iommu_unmap(domain, iova, done);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

static int map_runs_by_page(struct iommu_domain *domain, struct type1_walk *walk, int prot)
{
	u64 iova = walk->iova;
	unsigned int i;
	int ret;

	for (i = 0; i < walk->nr; i++) {
		ret = map_pages(domain, iova, sg_phys(&walk->sg[i]), walk->sg[i].length, prot);
		if (ret) {
			iommu_unmap(domain, walk->iova, iova - walk->iova);
			return ret;
		}
		iova += walk->sg[i].length;
	}
	return 0;
}

/**
 * domain_map - map a batch in one domain
 * @domain: the domain
 * @walk: with a batch
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 *
 * Context: may sleep.
 * Return: 0, or a negative errno and nothing of the batch is mapped.
 */
int domain_map(struct type1_domain *domain, struct type1_walk *walk, int prot)
{
	bool by_page = READ_ONCE(disable_hugepages);
	phys_addr_t phys;
	ssize_t mapped;

	if (vfio_should_fail())
		return -ENOMEM;
	if (!walk->nr) {
		if (walk->run.kind == PIN_WITHDRAWN)
			return 0;
		phys = PFN_PHYS(walk->run.pfn);
		if (by_page)
			return map_pages(domain->domain, walk->iova, phys, walk->size, prot);
		return iommu_map(domain->domain, walk->iova, phys, walk->size, prot,
				 GFP_KERNEL_ACCOUNT);
	}
	if (by_page)
		return map_runs_by_page(domain->domain, walk, prot);

	mapped = iommu_map_sg(domain->domain, walk->iova, walk->sg, walk->nr, prot,
			      GFP_KERNEL_ACCOUNT);
	if (mapped < 0)
		return mapped;
	if (WARN_ON_ONCE(mapped != walk->size)) {
		iommu_unmap(domain->domain, walk->iova, mapped);
		return -EIO;
	}
	return 0;
}

/**
 * domains_map - map a batch in all domains
 * @iommu: whose domains
 * @walk: with a batch
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 *
 * Context: may sleep; iommu->domains_lock is held.
 * Return: 0, or a negative errno and nothing of the batch is mapped.
 */
int domains_map(struct type1_iommu *iommu, struct type1_walk *walk, int prot)
{
	struct type1_domain *domain;
	int ret;

	list_for_each_entry(domain, &iommu->domains, node) {
		ret = domain_map(domain, walk, prot);
		if (ret)
			goto err_unmap;
	}
	return 0;

err_unmap:
	list_for_each_entry_continue_reverse(domain, &iommu->domains, node)
		iommu_unmap(domain->domain, walk->iova, walk->size);
	return ret;
}

static void domain_unmap(struct iommu_domain *domain, u64 iova, unsigned long size)
{
	struct iommu_iotlb_gather gather;
	unsigned long done = 0, unmapped;
	u64 step;

	iommu_iotlb_gather_init(&gather);
	while (done < size) {
		/* Ends on a multiple of the step, so that it does not cut a large page. */
		step = min_t(u64, size - done, UNMAP_STEP - (iova + done) % UNMAP_STEP);
		unmapped = iommu_unmap_fast(domain, iova + done, step, &gather);
		if (WARN_ON_ONCE(!unmapped))
			break;
		done += unmapped;
		cond_resched();
	}
	iommu_iotlb_sync(domain, &gather);
}

/**
 * domains_unmap - unmap in all domains
 * @iommu: whose domains
 * @iova: where; the start of a batch
 * @size: bytes, up to the end of a batch
 *
 * Context: may sleep; needs no memory; iommu->domains_lock is held.
 */
void domains_unmap(struct type1_iommu *iommu, u64 iova, unsigned long size)
{
	struct type1_domain *domain;

	list_for_each_entry(domain, &iommu->domains, node)
		domain_unmap(domain->domain, iova, size);
}

/**
 * domains_coherent - do all domains keep devices from getting around the caches?
 * @iommu: whose domains
 *
 * Context: the container's lock is held, so no group comes or goes.
 */
bool domains_coherent(const struct type1_iommu *iommu)
{
	const struct type1_domain *domain;

	list_for_each_entry(domain, &iommu->domains, node) {
		if (!domain->coherent)
			return false;
	}
	return true;
}

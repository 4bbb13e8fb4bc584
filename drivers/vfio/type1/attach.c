// SPDX-License-Identifier: GPL-2.0-only
/*
 * A group joins a container, or leaves it.
 *
 * Joining makes a candidate first: a fresh domain with the group attached, and the IOVAs that would
 * still be valid. If the mappings there are fit, the group moves into a domain that the container
 * has, where the IOMMU allows that; else the fresh domain gets all mappings and is kept. The last
 * step only links lists together and cannot fail.
 *
 * The core calls with the container's lock held for writing, so there is one at a time. Ioctls may
 * be under way; iommu->domains_lock keeps them from the domains.
 */
#define pr_fmt(fmt) "vfio_iommu_type1: " fmt

#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "../fault.h"
#include "../reason.h"
#include "trace.h"
#include "type1.h"

static bool allow_unsafe_interrupts;
module_param(allow_unsafe_interrupts, bool, 0644);
MODULE_PARM_DESC(allow_unsafe_interrupts,
		 "Accept devices whose interrupts the platform cannot isolate; the user can forge any");

static struct type1_group *group_find(struct type1_iommu *iommu, struct iommu_group *iommu_group,
				      struct type1_domain **in)
{
	struct type1_domain *domain;
	struct type1_group *group;

	list_for_each_entry(domain, &iommu->domains, node) {
		list_for_each_entry(group, &domain->groups, node) {
			if (group->iommu_group == iommu_group) {
				*in = domain;
				return group;
			}
		}
	}
	return NULL;
}

#ifdef VFIO_DEBUG
/* For a test: all groups behind one IOMMU reserve the same, so it has to make a difference. */
static unsigned long reserve[2];
module_param_array(reserve, ulong, NULL, 0644);
MODULE_PARM_DESC(reserve, "First and last IOVA that groups reserve besides their own (0,0: none)");

static int exclude_for_test(struct iova_set *ranges)
{
	return reserve[1] ? iova_set_exclude(ranges, reserve[0], reserve[1]) : 0;
}
#else
static int exclude_for_test(struct iova_set *ranges)
{
	return 0;
}
#endif

/* Take out what the devices of a group reserve. */
static int exclude_reserved(struct iova_set *ranges, struct iommu_group *iommu_group)
{
	struct iommu_resv_region *region, *next;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(iommu_group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		/* Firmware needs a relaxable one while it has the device, which is past. */
		if (!ret && region->length && region->type != IOMMU_RESV_DIRECT_RELAXABLE)
			ret = iova_set_exclude(ranges, region->start,
					       region->start + region->length - 1);
		kfree(region);
	}
	return ret ? ret : exclude_for_test(ranges);
}

/*
 * Where interrupts are written through the IOMMU, tell it at which IOVA. If the hardware has a
 * window of its own for them, that wins.
 */
static int prepare_msi(struct type1_domain *domain, struct iommu_group *iommu_group)
{
	struct iommu_resv_region *region, *next;
	bool software = false, hardware = false;
	phys_addr_t base = 0;
	LIST_HEAD(regions);
	int ret;

	ret = iommu_get_group_resv_regions(iommu_group, &regions);
	list_for_each_entry_safe(region, next, &regions, list) {
		if (region->type == IOMMU_RESV_MSI)
			hardware = true;
		if (region->type == IOMMU_RESV_SW_MSI) {
			software = true;
			base = region->start;
		}
		kfree(region);
	}
	if (ret || hardware || !software)
		return ret;

	ret = iommu_get_msi_cookie(domain->domain, base);
	return ret == -ENODEV ? 0 : ret;
}

static void aperture_intersect(struct iova_set *ranges, const struct type1_domain *domain)
{
	const struct iommu_domain_geometry *geometry = &domain->domain->geometry;

	iova_set_intersect(ranges, geometry->aperture_start, geometry->aperture_end);
}

/* Whatever can be said of a group before it is touched. */
static int check_group(struct type1_iommu *iommu, struct iommu_group *iommu_group)
{
	struct type1_domain *domain;

	lockdep_assert_held(&iommu->lock);

	if (group_find(iommu, iommu_group, &domain)) {
		vfio_reason_note(iommu->reason, "group %d is in the container already",
				 iommu_group_id(iommu_group));
		return -EINVAL;
	}
	if (iommu->nr_vaddr_invalid) {
		vfio_reason_note(iommu->reason,
				 "%u mappings have no vaddr: a new group has to wait",
				 iommu->nr_vaddr_invalid);
		return -EBUSY;
	}
	if (!iommu_group_has_isolated_msi(iommu_group) && !READ_ONCE(allow_unsafe_interrupts)) {
		vfio_reason_note(iommu->reason,
				 "interrupts of group %d are not isolated: allow_unsafe_interrupts",
				 iommu_group_id(iommu_group));
		pr_warn_ratelimited("No interrupt remapping support for group %d: a user could forge interrupts of others. Module parameter allow_unsafe_interrupts accepts that\n",
				    iommu_group_id(iommu_group));
		return -EPERM;
	}
	return 0;
}

/* What could be mapped if @domain and the group joined; refused if a mapping is in the way. */
static int candidate_ranges(struct type1_iommu *iommu, struct type1_domain *domain,
			    struct iommu_group *iommu_group, struct iova_set *ranges)
{
	int ret;

	if (!(iommu->pgsizes & domain_pgsizes(domain))) {
		vfio_reason_note(iommu->reason,
				 "group %d has no page size in common with the container",
				 iommu_group_id(iommu_group));
		pr_info_ratelimited("group %d has no page size in common with container %llu\n",
				    iommu_group_id(iommu_group), iommu->container);
		return -EINVAL;
	}

	ret = iova_set_copy(ranges, &iommu->ranges);
	if (ret)
		return ret;
	aperture_intersect(ranges, domain);
	ret = exclude_reserved(ranges, iommu_group);
	if (!ret)
		ret = mappings_fit(iommu, ranges, iommu_group_id(iommu_group));
	if (ret)
		iova_set_free(ranges);
	return ret;
}

/*
 * Move the group from the fresh domain into one that maps everything already. Returns where it is
 * now: one of the container's, or @fresh if none takes it, or an ERR_PTR if even that does not take
 * it back.
 */
static struct type1_domain *candidate_share(struct type1_iommu *iommu, struct type1_domain *fresh,
					    struct iommu_group *iommu_group)
{
	struct type1_domain *domain;
	int ret;

	list_for_each_entry(domain, &iommu->domains, node) {
		if (domain->domain->ops != fresh->domain->ops ||
		    domain->coherent != fresh->coherent)
			continue;

		iommu_detach_group(fresh->domain, iommu_group);
		if (!vfio_should_fail() && !iommu_attach_group(domain->domain, iommu_group))
			return domain;
		ret = iommu_attach_group(fresh->domain, iommu_group);
		if (ret)
			return ERR_PTR(ret);
	}
	return fresh;
}

/* Find the group a domain of the container's; @fresh is put in order if it has to be that. */
static struct type1_domain *candidate_settle(struct type1_iommu *iommu, struct type1_domain *fresh,
					     struct iommu_group *iommu_group)
{
	struct type1_domain *domain = candidate_share(iommu, fresh, iommu_group);
	int ret;

	if (domain != fresh)
		return domain;

	ret = prepare_msi(fresh, iommu_group);
	if (!ret)
		ret = mappings_replay(iommu, fresh);
	return ret ? ERR_PTR(ret) : fresh;
}

/* Page sizes may have changed with every attach and detach. */
static void refresh_pgsizes(struct type1_iommu *iommu)
{
	unsigned long pgsizes = PAGE_MASK;
	struct type1_domain *domain;

	list_for_each_entry(domain, &iommu->domains, node)
		pgsizes &= domain_pgsizes(domain);
	if (!WARN_ON_ONCE(!pgsizes))
		WRITE_ONCE(iommu->pgsizes, pgsizes);
}

static int attach_group(struct type1_iommu *iommu, struct type1_group *group)
{
	struct type1_domain *fresh, *domain;
	struct iova_set ranges;
	int ret;

	lockdep_assert_held(&iommu->lock);

	fresh = domain_create(group->iommu_group);
	if (IS_ERR(fresh)) {
		vfio_reason_note(iommu->reason, "the IOMMU does not take group %d into a domain",
				 iommu_group_id(group->iommu_group));
		return PTR_ERR(fresh);
	}
	ret = candidate_ranges(iommu, fresh, group->iommu_group, &ranges);
	if (ret)
		goto err_domain;
	domain = candidate_settle(iommu, fresh, group->iommu_group);
	if (IS_ERR(domain)) {
		ret = PTR_ERR(domain);
		if (ret != -EINTR)
			vfio_reason_note(iommu->reason,
					 "the IOMMU failed to show group %d what is mapped",
					 iommu_group_id(group->iommu_group));
		goto err_ranges;
	}

	if (domain == fresh)
		list_add_tail(&fresh->node, &iommu->domains);
	else
		domain_destroy(fresh);
	list_add_tail(&group->node, &domain->groups);
	iova_set_free(&iommu->ranges);
	iommu->ranges = ranges;
	refresh_pgsizes(iommu);
	return 0;

err_ranges:
	iova_set_free(&ranges);
err_domain:
	iommu_detach_group(fresh->domain, group->iommu_group);
	domain_destroy(fresh);
	return ret;
}

/**
 * type1_attach - a group joins the container
 * @instance: the struct type1_iommu
 * @iommu_group: its DMA is claimed for the user; lives until type1_detach()
 *
 * Context: may sleep; takes iommu->domains_lock; the core holds the container's lock for writing.
 * Return: 0; -EINVAL if it has joined already, or cannot map what is mapped; -EBUSY while a mapping
 * has no user address; -EPERM if its interrupts are not isolated; -ENOMEM; errors of the IOMMU.
 * After an error nothing has changed.
 */
int type1_attach(void *instance, struct iommu_group *iommu_group)
{
	struct type1_iommu *iommu = instance;
	struct type1_group *group;
	int ret;

	group = kzalloc(sizeof(*group), GFP_KERNEL_ACCOUNT);
	if (!group)
		return -ENOMEM;
	group->iommu_group = iommu_group;

	down_write(&iommu->domains_lock);
	mutex_lock(&iommu->lock);
	ret = check_group(iommu, iommu_group);
	if (!ret)
		ret = attach_group(iommu, group);
	mutex_unlock(&iommu->lock);
	up_write(&iommu->domains_lock);
	if (ret)
		kfree(group);
	return ret;
}

/*
 * What can be mapped now that a group has left: more, perhaps. If there is no memory to find out,
 * the old answer stays, which is not wrong, only narrow.
 */
static void refresh_ranges(struct type1_iommu *iommu)
{
	struct type1_domain *domain;
	struct type1_group *group;
	struct iova_set ranges;

	if (iova_set_init(&ranges))
		return;

	list_for_each_entry(domain, &iommu->domains, node) {
		aperture_intersect(&ranges, domain);
		list_for_each_entry(group, &domain->groups, node) {
			if (exclude_reserved(&ranges, group->iommu_group)) {
				iova_set_free(&ranges);
				return;
			}
		}
	}
	iova_set_free(&iommu->ranges);
	iommu->ranges = ranges;
}

/**
 * type1_detach - a group leaves the container
 * @instance: the struct type1_iommu
 * @iommu_group: has joined
 *
 * With the last group all mappings go.
 *
 * Context: may sleep; takes iommu->domains_lock; the core holds the container's lock for writing.
 */
void type1_detach(void *instance, struct iommu_group *iommu_group)
{
	struct type1_iommu *iommu = instance;
	struct type1_domain *domain;
	struct type1_group *group;
	struct mappings_sum sum = { .begun = trace_dma_unmap_enabled() ? ktime_get_ns() : 0 };
	LIST_HEAD(gone);

	down_write(&iommu->domains_lock);
	mutex_lock(&iommu->lock);
	group = group_find(iommu, iommu_group, &domain);
	if (WARN_ON_ONCE(!group))
		goto out;

	iommu_detach_group(domain->domain, iommu_group);
	list_del(&group->node);
	kfree(group);

	if (list_empty(&domain->groups)) {
		if (list_is_singular(&iommu->domains))
			mappings_close(iommu, &gone);
		list_del(&domain->node);
		domain_destroy(domain);
	}
	refresh_ranges(iommu);
	refresh_pgsizes(iommu);
out:
	mutex_unlock(&iommu->lock);
	up_write(&iommu->domains_lock);

	if (sum.begun)
		mappings_add_up(&gone, &sum);
	mappings_bury(&gone);
	if (sum.mappings)
		trace_dma_unmap(iommu, &iova_everything, &sum);
	/* A call that is still under way keeps us, but not the place of the container's next. */
	if (iommu->closed)
		type1_debugfs_remove(iommu);
}

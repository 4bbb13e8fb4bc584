// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mappings of a container in the order of their IOVAs.
 *
 * This file owns the tree, and the waiting for those in it: who may have which IOVAs, who may work
 * on which mappings, and whether a range may be taken for mappings at all. What a mapping holds is
 * not its business.
 */
#define pr_fmt(fmt) "vfio_iommu_type1: " fmt

#include <linux/moduleparam.h>
#include <linux/overflow.h>
#include <linux/sched.h>

#include "../reason.h"
#include "type1.h"

static unsigned int dma_entry_limit __read_mostly = U16_MAX;
module_param(dma_entry_limit, uint, 0644);
MODULE_PARM_DESC(dma_entry_limit, "Most mappings of a container (65535); a change holds at once");

/**
 * range_make - make a range of a user's numbers
 * @start: the first address
 * @size: bytes
 * @last: the last address
 *
 * Context: any.
 * Return: 0, -EINVAL for no bytes, -EOVERFLOW if the kernel has no such addresses.
 */
int range_make(u64 start, u64 size, u64 *last)
{
	if (!size)
		return -EINVAL;
	if (check_add_overflow(start, size - 1, last) || *last != (unsigned long)*last)
		return -EOVERFLOW;
	return 0;
}

static struct type1_mapping *to_mapping(struct rb_node *node)
{
	return rb_entry_safe(node, struct type1_mapping, node);
}

static bool mapping_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct type1_mapping, node)->start <
	       rb_entry(b, struct type1_mapping, node)->start;
}

/* The lowest mapping that ends at @iova or above. */
static struct type1_mapping *mapping_from(struct type1_iommu *iommu, u64 iova)
{
	struct rb_node *node = iommu->mappings.rb_node;
	struct type1_mapping *mapping, *found = NULL;

	lockdep_assert_held(&iommu->lock);

	while (node) {
		mapping = to_mapping(node);
		if (mapping->last >= iova) {
			found = mapping;
			node = node->rb_left;
		} else {
			node = node->rb_right;
		}
	}
	return found;
}

/**
 * mapping_first - the first mapping with an IOVA in a range
 * @iommu: the container's
 * @range: IOVAs
 *
 * Context: holds iommu->lock, under which the answer is valid.
 * Return: the mapping, in any state, or NULL.
 */
struct type1_mapping *mapping_first(struct type1_iommu *iommu, const struct iova_range *range)
{
	struct type1_mapping *mapping = mapping_from(iommu, range->start);

	return mapping && mapping->start <= range->last ? mapping : NULL;
}

/**
 * mapping_next - the mapping after one in a range
 * @mapping: of mapping_first() or mapping_next()
 * @range: IOVAs
 *
 * Context: holds iommu->lock, under which the answer is valid.
 * Return: the mapping, in any state, or NULL.
 */
struct type1_mapping *mapping_next(struct type1_mapping *mapping, const struct iova_range *range)
{
	struct type1_mapping *next = to_mapping(rb_next(&mapping->node));

	return next && next->start <= range->last ? next : NULL;
}

static struct type1_mapping *mapping_skip(struct type1_mapping *mapping,
					  const struct iova_range *range)
{
	while (mapping && mapping->state != MAPPING_LIVE)
		mapping = mapping_next(mapping, range);
	return mapping;
}

/**
 * mapping_first_live - as mapping_first(), of the mappings that nobody works on
 * @iommu: the container's
 * @range: IOVAs
 *
 * Context: holds iommu->lock, under which the answer is valid.
 * Return: the mapping or NULL.
 */
struct type1_mapping *mapping_first_live(struct type1_iommu *iommu, const struct iova_range *range)
{
	return mapping_skip(mapping_first(iommu, range), range);
}

/**
 * mapping_next_live - as mapping_next(), of the mappings that nobody works on
 * @mapping: in @range
 * @range: IOVAs
 *
 * Context: holds iommu->lock, under which the answer is valid.
 * Return: the mapping or NULL.
 */
struct type1_mapping *mapping_next_live(struct type1_mapping *mapping,
					const struct iova_range *range)
{
	return mapping_skip(mapping_next(mapping, range), range);
}

static void complain_range(struct type1_iommu *iommu, const struct iova_range *range)
{
	struct iova_range gap = iova_set_obstacle(&iommu->ranges, range->start);

	vfio_reason_note(iommu->reason,
			 "IOVA %#llx-%#llx meets %#llx-%#llx, reserved or out of reach",
			 range->start, range->last, gap.start, gap.last);
	pr_info_ratelimited("%*pE[%d]: container %llu: IOVA %#llx-%#llx meets %#llx-%#llx, which is reserved or out of reach of the IOMMU\n",
			    caller_length(), current->comm, task_tgid_nr(current),
			    iommu->container, range->start, range->last, gap.start, gap.last);
}

/**
 * mappings_left - how many more mappings may there be?
 * @iommu: the container's
 *
 * Context: any; without iommu->lock: a moment ago.
 * Return: the number, by the limit of this moment.
 */
unsigned int mappings_left(const struct type1_iommu *iommu)
{
	unsigned int limit = READ_ONCE(dma_entry_limit), nr = READ_ONCE(iommu->nr_mappings);

	return limit > nr ? limit - nr : 0;
}

/* Count a mapping in (1) or out (-1), by its state. */
static void mapping_count(struct type1_iommu *iommu, const struct type1_mapping *mapping, int by)
{
	lockdep_assert_held(&iommu->lock);

	sum_add(&iommu->in_state[mapping->state], by);
	if (mapping->state != MAPPING_LIVE)
		return;
	sum_add(&iommu->locked, by * (s64)mapping->locked);
	sum_add(&iommu->lent, by * (s64)mapping_lent(mapping));
}

/* The same for what its state does not matter to. */
static void mapping_count_all(struct type1_iommu *iommu, const struct type1_mapping *mapping,
			      int by)
{
	sum_add(&iommu->nr_mappings, by);
	sum_add(&iommu->bytes, by * (s64)(mapping->last - mapping->start + 1));
	mapping_count(iommu, mapping, by);
}

/**
 * mapping_set_state - say who may touch a mapping from here on
 * @iommu: the container's
 * @mapping: in the tree; the caller may say that
 * @state: the new state
 *
 * Context: holds iommu->lock.
 */
void mapping_set_state(struct type1_iommu *iommu, struct type1_mapping *mapping,
		       enum mapping_state state)
{
	mapping_count(iommu, mapping, -1);
	mapping->state = state;
	mapping_count(iommu, mapping, 1);
}

/**
 * mapping_publish - put a mapping into the tree, from where on its IOVAs are its own
 * @iommu: the container's
 * @mapping: filled in as far as the tree needs it
 *
 * Context: holds iommu->lock.
 * Return: 0; -EEXIST if one of its IOVAs is taken; -ENOSPC; -EINVAL if it cannot be mapped, or the
 * last group has left.
 */
int mapping_publish(struct type1_iommu *iommu, struct type1_mapping *mapping)
{
	struct iova_range range = { mapping->start, mapping->last };
	struct type1_mapping *other;

	/* A group may have joined or left since the caller looked. */
	if (iommu->closed || !IS_ALIGNED(range.start | (range.last + 1) | mapping->vaddr,
					 type1_pgsize(iommu))) {
		vfio_reason_note(iommu->reason, "a group joined or left the container meanwhile");
		return -EINVAL;
	}
	other = mapping_first(iommu, &range);
	if (other) {
		vfio_reason_note(iommu->reason, "IOVA %#llx-%#llx overlaps mapping %#llx-%#llx",
				 range.start, range.last, other->start, other->last);
		return -EEXIST;
	}
	if (!mappings_left(iommu)) {
		vfio_reason_note(iommu->reason,
				 "entry limit: %llu mappings, dma_entry_limit allows no more",
				 iommu->nr_mappings);
		pr_warn_ratelimited("%*pE[%d]: container %llu: IOVA %#llx-%#llx is one too many: %llu mappings, dma_entry_limit allows no more than %u\n",
				    caller_length(), current->comm, task_tgid_nr(current),
				    iommu->container, range.start, range.last, iommu->nr_mappings,
				    READ_ONCE(dma_entry_limit));
		return -ENOSPC;
	}
	if (!iova_set_covers(&iommu->ranges, range.start, range.last)) {
		complain_range(iommu, &range);
		return -EINVAL;
	}
	rb_add(&mapping->node, &iommu->mappings, mapping_less);
	mapping_count_all(iommu, mapping, 1);
	mapping->serial = ++iommu->last_serial;
	return 0;
}

/**
 * mapping_is_orphan - did the last group take the mapping out of the tree?
 * @mapping: the caller works on it
 *
 * Context: holds iommu->lock.
 */
bool mapping_is_orphan(const struct type1_mapping *mapping)
{
	return RB_EMPTY_NODE(&mapping->node);
}

/**
 * mapping_unlink - take a mapping out of the tree
 * @iommu: the container's
 * @mapping: the caller owns it; nothing happens to an orphan
 *
 * Context: holds iommu->lock.
 */
void mapping_unlink(struct type1_iommu *iommu, struct type1_mapping *mapping)
{
	lockdep_assert_held(&iommu->lock);

	if (mapping_is_orphan(mapping))
		return;
	rb_erase(&mapping->node, &iommu->mappings);
	RB_CLEAR_NODE(&mapping->node);
	mapping_count_all(iommu, mapping, -1);
	if (!mapping->vaddr_valid)
		iommu->nr_vaddr_invalid--;
}

/**
 * mappings_unlink - take many mappings out of the tree
 * @iommu: the container's
 * @list: linked by type1_mapping.claimed; as for mapping_unlink(), and only to be freed
 * @nr: how many
 *
 * Context: holds iommu->lock.
 */
void mappings_unlink(struct type1_iommu *iommu, const struct list_head *list, unsigned int nr)
{
	struct type1_mapping *mapping;

	lockdep_assert_held(&iommu->lock);

	/* All there are (and so no orphans): a tree without any need not be balanced on the way. */
	if (nr == iommu->nr_mappings) {
		iommu->mappings = RB_ROOT;
		iommu->nr_vaddr_invalid = 0;
		WRITE_ONCE(iommu->nr_mappings, 0);
		WRITE_ONCE(iommu->in_state[MAPPING_DRAINING], 0);
		WRITE_ONCE(iommu->bytes, 0);
		return;
	}
	list_for_each_entry(mapping, list, claimed)
		mapping_unlink(iommu, mapping);
}

/**
 * mappings_changed - mappings have become live, or are gone: whoever waits may look again
 * @iommu: the container's
 *
 * Context: holds iommu->lock.
 */
void mappings_changed(struct type1_iommu *iommu)
{
	lockdep_assert_held(&iommu->lock);

	WRITE_ONCE(iommu->changes, iommu->changes + 1);
	if (wq_has_sleeper(&iommu->changed))
		wake_up_all(&iommu->changed);
}

/* Does anybody work on a mapping of a range that is as old as @serial? */
static bool mappings_busy(struct type1_iommu *iommu, const struct iova_range *range,
			  unsigned long serial)
{
	struct type1_mapping *mapping = mapping_first(iommu, range);

	while (mapping && (mapping->state == MAPPING_LIVE || mapping->serial > serial))
		mapping = mapping_next(mapping, range);
	return mapping;
}

/**
 * mappings_settle - wait until the mappings that a range has now are live or gone
 * @iommu: the container's
 * @range: IOVAs
 *
 * Others may come meanwhile and not be live: there is no end to them if many users map. The caller
 * holds no mapping in another state, so nobody waits for it meanwhile.
 *
 * Context: process context; holds iommu->lock, which is given up while it waits.
 * Return: 0, or -EINTR after a fatal signal.
 */
int mappings_settle(struct type1_iommu *iommu, const struct iova_range *range)
{
	unsigned long serial = iommu->last_serial;
	unsigned long seen;
	int ret;

	lockdep_assert_held(&iommu->lock);

	while (mappings_busy(iommu, range, serial)) {
		seen = iommu->changes;
		mutex_unlock(&iommu->lock);
		ret = wait_event_killable(iommu->changed, READ_ONCE(iommu->changes) != seen);
		mutex_lock(&iommu->lock);
		if (ret)
			return -EINTR;
	}
	return 0;
}

static bool cuts_front(struct type1_iommu *iommu, const struct iova_range *range)
{
	struct type1_mapping *mapping = mapping_from(iommu, range->start);

	return mapping && mapping->start < range->start;
}

static bool cuts_back(struct type1_iommu *iommu, const struct iova_range *range)
{
	struct type1_mapping *mapping = mapping_from(iommu, range->last);

	return mapping && mapping->start <= range->last && mapping->last > range->last;
}

/**
 * mappings_cut - does a range have a part only of some mapping?
 * @iommu: the container's
 * @range: IOVAs
 *
 * Context: holds iommu->lock.
 */
bool mappings_cut(struct type1_iommu *iommu, const struct iova_range *range)
{
	bool cut = cuts_front(iommu, range) || cuts_back(iommu, range);

	if (cut)
		vfio_reason_note(iommu->reason, "IOVA %#llx-%#llx cuts a mapping",
				 range->start, range->last);
	return cut;
}

/**
 * mappings_select - may a user's range be taken for the mappings in it?
 * @iommu: the container's
 * @range: IOVAs
 *
 * Waits for those mappings. Version 2 does not let a range cut a mapping. In version 1 one that
 * cuts a mapping at its front means nothing, and one that does at its back means all of it.
 *
 * Context: process context; holds iommu->lock, which is given up while it waits.
 * Return: 1, and all mappings of the range are meant that are live; 0 if none is meant; -EINVAL for
 * a range that means nothing; -EINTR after a fatal signal.
 */
int mappings_select(struct type1_iommu *iommu, const struct iova_range *range)
{
	int ret = mappings_settle(iommu, range);

	if (ret)
		return ret;
	if (iommu->v2)
		return mappings_cut(iommu, range) ? -EINVAL : 1;
	return !cuts_front(iommu, range);
}

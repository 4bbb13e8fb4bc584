// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOVAs that may be mapped.
 *
 * A set starts with the whole 64-bit space and only gets smaller: it is cut to the aperture of each
 * domain, and the reserved regions of each group are taken out. Nothing here knows an IOMMU or
 * a lock; the owner of a set guards it. A function that fails leaves the set as it was.
 */
#include <linux/slab.h>

#include "../fault.h"
#include "type1.h"

/* All IOVAs there can be. */
const struct iova_range iova_everything = { 0, U64_MAX };

/**
 * iova_set_init - make a set of all IOVAs
 * @set: to be given back by iova_set_free()
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int iova_set_init(struct iova_set *set)
{
	return iova_set_copy(set, &(struct iova_set){ (struct iova_range *)&iova_everything, 1 });
}

/**
 * iova_set_copy - make a set that equals another
 * @to: to be given back by iova_set_free()
 * @from: the other
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int iova_set_copy(struct iova_set *to, const struct iova_set *from)
{
	if (vfio_should_fail())
		return -ENOMEM;
	to->ranges = kmemdup(from->ranges, array_size(from->nr, sizeof(*from->ranges)),
			     GFP_KERNEL_ACCOUNT);
	if (!to->ranges)
		return -ENOMEM;
	to->nr = from->nr;
	return 0;
}

/**
 * iova_set_free - free what a set holds
 * @set: made by iova_set_init() or iova_set_copy()
 *
 * Context: any.
 */
void iova_set_free(struct iova_set *set)
{
	kfree(set->ranges);
	set->ranges = NULL;
	set->nr = 0;
}

/**
 * iova_set_intersect - keep a range only
 * @set: the set
 * @start: first IOVA to keep
 * @last: last IOVA to keep
 *
 * Context: any.
 */
void iova_set_intersect(struct iova_set *set, u64 start, u64 last)
{
	unsigned int i, nr = 0;

	for (i = 0; i < set->nr; i++) {
		struct iova_range kept = {
			.start = max(set->ranges[i].start, start),
			.last = min(set->ranges[i].last, last),
		};

		if (kept.start <= kept.last)
			set->ranges[nr++] = kept;
	}
	set->nr = nr;
}

/**
 * iova_set_exclude - take a range out
 * @set: the set
 * @start: first IOVA to take out
 * @last: last IOVA to take out
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int iova_set_exclude(struct iova_set *set, u64 start, u64 last)
{
	const struct iova_range *range;
	struct iova_range *ranges;
	unsigned int nr = 0;

	/* At most one range is cut in two. */
	ranges = kmalloc_array(set->nr + 1, sizeof(*ranges), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return -ENOMEM;

	for (range = set->ranges; range < set->ranges + set->nr; range++) {
		if (range->last < start || range->start > last) {
			ranges[nr++] = *range;
			continue;
		}
		if (range->start < start)
			ranges[nr++] = (struct iova_range){ range->start, start - 1 };
		if (range->last > last)
			ranges[nr++] = (struct iova_range){ last + 1, range->last };
	}
	kfree(set->ranges);
	set->ranges = ranges;
	set->nr = nr;
	return 0;
}

/**
 * iova_set_covers - may a range be mapped?
 * @set: the set
 * @start: first IOVA of the range
 * @last: last IOVA of the range
 *
 * Context: any.
 * Return: true if all of it is in the set.
 */
bool iova_set_covers(const struct iova_set *set, u64 start, u64 last)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		if (set->ranges[i].start <= start && last <= set->ranges[i].last)
			return true;
	}
	return false;
}

/**
 * iova_set_obstacle - what is in the way of a range that the set does not cover?
 * @set: the set
 * @start: first IOVA of the range
 *
 * Context: any.
 * Return: the first gap between the ranges of the set that ends at @start or above.
 */
struct iova_range iova_set_obstacle(const struct iova_set *set, u64 start)
{
	struct iova_range gap = iova_everything;
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		if (set->ranges[i].start > start) {
			gap.last = set->ranges[i].start - 1;
			break;
		}
		gap.start = set->ranges[i].last + 1;
	}
	return gap;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mapping comes, changes hands, and goes.
 *
 * It is published before it has any memory, so that nobody else gets its IOVAs; then it is filled
 * without the lock; then it is live or gone. In the other direction an unmap claims all mappings of
 * its range at once, drains them without the lock, and takes them out. A claim waits until all of
 * them are live and holds nothing while it waits, so two that overlap cannot block each other for
 * good. Mappings elsewhere are not waited for.
 *
 * Filling goes along the user's memory chunk by chunk: pin, charge, log, and when enough runs have
 * come together, map. Draining is one function for all cases, a mapping that is half filled
 * included: unmap what is mapped, unpin what is logged, drop the charge.
 *
 * What is lent can be withdrawn at any time, so it is found, logged and mapped without a withdrawal
 * between. After one the mapping has a hole there, and is otherwise as before.
 */
#define pr_fmt(fmt) "vfio_iommu_type1: " fmt

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "../fault.h"
#include "../reason.h"
#include "trace.h"
#include "type1.h"

/* Pages that are charged at once while helpers, who need mmap_lock as well, bring in memory. */
#define CHARGE_AHEAD (SZ_64M >> PAGE_SHIFT)

/* Mappings that are freed at once. */
#define FREE_BATCH 32

/* ---- away with a mapping ---- */

/* Unmap the bytes from @offset to before @end of a mapping. */
static void mapping_unmap_part(struct type1_iommu *iommu, struct type1_mapping *mapping,
			       unsigned long offset, unsigned long end)
{
	if (end > offset)
		domains_unmap(iommu, mapping->start + offset, end - offset);
}

/* From here on no device reaches the memory. */
static void mapping_unmap(struct type1_iommu *iommu, struct type1_mapping *mapping)
{
	unsigned long left = mapping->withdrawn_runs;
	unsigned long offset = 0, end = 0;
	struct pinlog_cursor at = {};
	struct pin_run run;

	lockdep_assert_held(&iommu->domains_lock);

	/* From hole to hole. */
	while (mapping->mapped && left && pinlog_next(&mapping->log, &at, &run)) {
		if (run.kind == PIN_WITHDRAWN) {
			mapping_unmap_part(iommu, mapping, offset, end);
			offset = end + (run.pages << PAGE_SHIFT);
			left--;
		}
		end += run.pages << PAGE_SHIFT;
	}
	mapping_unmap_part(iommu, mapping, offset, mapping->mapped);
	mapping->mapped = 0;
	mapping->mapped_runs = 0;
}

/* Unpin what a mapping holds, of which nothing is mapped. */
static void mapping_unpin(struct type1_mapping *mapping)
{
	struct pinlog_cursor at = {};
	struct pin_run run;

	while (pinlog_next(&mapping->log, &at, &run)) {
		unpin_run(&run, mapping->prot & IOMMU_WRITE);
		cond_resched();
	}
	pinlog_free(&mapping->log);
}

/**
 * struct bill - what mappings give back to an account
 * @account: the account, NULL: nothing yet
 * @users: references
 * @pages: pages that they had charged
 */
struct bill {
	struct type1_account *account;
	unsigned int users;
	unsigned long pages;
};

/* Settle a bill, or add it to the caller's own. */
static void bill_close(const struct bill *bill, struct bill *own)
{
	if (!bill->account || bill->account->mm != current->mm) {
		account_drop(bill->account, bill->users, bill->pages, false);
	} else if (!own->account) {
		*own = *bill;
	} else {
		own->pages += bill->pages;
		account_drop(bill->account, bill->users, 0, false);
	}
}

/*
 * Give back what mappings hold, of which nothing is mapped; @wait as for account_drop(), and the
 * caller waits last, when all others have what is theirs. Few of them were charged to different
 * users.
 */
static void mappings_release(const struct list_head *list, bool wait)
{
	struct bill bill = {}, own = {};
	struct type1_mapping *mapping;

	list_for_each_entry(mapping, list, claimed) {
		mapping_unpin(mapping);
		if (mapping->account != bill.account) {
			bill_close(&bill, &own);
			bill = (struct bill){ .account = mapping->account };
		}
		bill.users++;
		bill.pages += mapping->locked;
	}
	bill_close(&bill, &own);
	account_drop(own.account, own.users, own.pages, wait);
}

/* Free mappings that hold nothing and are in no tree. */
static void mappings_forget(const struct list_head *list)
{
	struct type1_mapping *mapping, *next;
	void *batch[FREE_BATCH];
	unsigned int nr = 0;

	list_for_each_entry_safe(mapping, next, list, claimed) {
		batch[nr++] = mapping;
		if (nr == ARRAY_SIZE(batch)) {
			kfree_bulk(nr, batch);
			nr = 0;
			cond_resched();
		}
	}
	if (nr)
		kfree_bulk(nr, batch);
}

/*
 * Take all away that there is of a mapping, whatever that is. It is in no tree, or in a state in
 * which nobody else takes it away.
 */
static void mapping_drain(struct type1_iommu *iommu, struct type1_mapping *mapping)
{
	down_read(&iommu->domains_lock);
	mapping_unmap(iommu, mapping);
	up_read(&iommu->domains_lock);
	mapping_unpin(mapping);
	account_drop(mapping->account, 1, mapping->locked, true);
}

/* Unmap mappings in the order of their IOVAs: what has no hole is one piece to the IOMMU. */
static void mappings_unmap_all(struct type1_iommu *iommu, const struct list_head *claimed)
{
	struct type1_mapping *mapping;
	u64 start = 0, size = 0;

	lockdep_assert_held(&iommu->domains_lock);

	list_for_each_entry(mapping, claimed, claimed) {
		if (size && (mapping->start != start + size || !mapping->mapped ||
			     mapping->withdrawn_runs)) {
			domains_unmap(iommu, start, size);
			size = 0;
		}
		if (mapping->withdrawn_runs) {
			mapping_unmap(iommu, mapping);
			continue;
		}
		if (!size)
			start = mapping->start;
		size += mapping->mapped;
		mapping->mapped = 0;
		mapping->mapped_runs = 0;
	}
	if (size)
		domains_unmap(iommu, start, size);
}

/* As mapping_drain() for many. */
static void mappings_drain(struct type1_iommu *iommu, const struct list_head *claimed)
{
	down_read(&iommu->domains_lock);
	mappings_unmap_all(iommu, claimed);
	up_read(&iommu->domains_lock);
	mappings_release(claimed, true);
}

/* Move the mappings of a range to @claimed, and out of everybody else's reach. */
static int mappings_claim(struct type1_iommu *iommu, const struct iova_range *range,
			  struct list_head *claimed)
{
	struct type1_mapping *mapping;
	int ret;

	mutex_lock(&iommu->lock);
	ret = mappings_select(iommu, range);
	if (ret > 0) {
		for (mapping = mapping_first_live(iommu, range); mapping;
		     mapping = mapping_next_live(mapping, range)) {
			mapping_set_state(iommu, mapping, MAPPING_DRAINING);
			list_add_tail(&mapping->claimed, claimed);
		}
		ret = 0;
	}
	mutex_unlock(&iommu->lock);
	return ret;
}

/* Undo of mappings_claim(). */
static void mappings_unclaim(struct type1_iommu *iommu, struct list_head *claimed)
{
	struct type1_mapping *mapping, *next;

	mutex_lock(&iommu->lock);
	list_for_each_entry_safe(mapping, next, claimed, claimed) {
		if (mapping_is_orphan(mapping))
			continue;
		mapping_set_state(iommu, mapping, MAPPING_LIVE);
		list_del(&mapping->claimed);
	}
	mappings_changed(iommu);
	mutex_unlock(&iommu->lock);

	mappings_bury(claimed);
}

/* Bytes that the mappings had. */
static u64 mappings_free(struct type1_iommu *iommu, struct list_head *claimed)
{
	struct type1_mapping *mapping;
	unsigned int nr = 0;
	u64 bytes = 0;

	mappings_drain(iommu, claimed);

	list_for_each_entry(mapping, claimed, claimed) {
		bytes += mapping->last - mapping->start + 1;
		nr++;
	}
	mutex_lock(&iommu->lock);
	mappings_unlink(iommu, claimed, nr);
	mappings_changed(iommu);
	mutex_unlock(&iommu->lock);

	mappings_forget(claimed);
	return bytes;
}

static int mappings_report(const struct list_head *claimed, const struct iova_range *range,
			   const struct vfio_bitmap *bitmap)
{
	unsigned int shift = __ffs(bitmap->pgsize);
	struct type1_mapping *mapping;
	int ret;

	list_for_each_entry(mapping, claimed, claimed) {
		ret = dirty_report(bitmap, (mapping->start - range->start) >> shift,
				   ((mapping->last - mapping->start) >> shift) + 1);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * mappings_add_up - what mappings are together
 * @list: linked by type1_mapping.claimed; nobody else works on them
 * @sum: all but the time is set
 *
 * Context: any.
 */
void mappings_add_up(const struct list_head *list, struct mappings_sum *sum)
{
	struct type1_mapping *mapping;

	list_for_each_entry(mapping, list, claimed) {
		sum->bytes += mapping->last - mapping->start + 1;
		sum->mappings++;
		sum->pages += mapping->log.pages - mapping->withdrawn_pages;
		sum->runs += mapping->log.nr - mapping->withdrawn_runs;
	}
}

/**
 * mappings_unmap - take mappings away
 * @iommu: the container's
 * @range: IOVAs; all of a mapping or nothing of it (v1: see mappings_select())
 * @bitmap: where to report dirty pages on the way, which can hold their bits; NULL: nowhere
 * @bytes: how much was unmapped
 *
 * Waits for maps and unmaps of the range that are under way.
 *
 * Context: process context; may sleep; takes iommu->lock.
 * Return: 0; -EINVAL if a mapping would be cut or tracking is not on; -EFAULT; -EINTR after a fatal
 * signal. After an error nothing has changed.
 */
int mappings_unmap(struct type1_iommu *iommu, const struct iova_range *range,
		   const struct vfio_bitmap *bitmap, u64 *bytes)
{
	struct mappings_sum sum = { .begun = trace_dma_unmap_enabled() ? ktime_get_ns() : 0 };
	LIST_HEAD(claimed);
	int ret;

	*bytes = 0;
	if (bitmap && !READ_ONCE(iommu->dirty_tracking)) {
		vfio_reason_note(iommu->reason, "dirty tracking is not on");
		return -EINVAL;
	}
	ret = mappings_claim(iommu, range, &claimed);
	if (ret || list_empty(&claimed))
		return ret;

	if (bitmap) {
		ret = mappings_report(&claimed, range, bitmap);
		if (ret) {
			mappings_unclaim(iommu, &claimed);
			return ret;
		}
	}
	if (sum.begun) {
		/* Until they are freed what devices lend to them may be withdrawn. */
		down_read(&iommu->domains_lock);
		mappings_add_up(&claimed, &sum);
		up_read(&iommu->domains_lock);
	}
	*bytes = mappings_free(iommu, &claimed);
	if (sum.begun)
		trace_dma_unmap(iommu, range, &sum);
	return 0;
}

static void mapping_withdraw(struct type1_iommu *iommu, struct type1_mapping *mapping,
			     unsigned long first, unsigned long last)
{
	unsigned long left = mapping->lent_runs ? mapping->mapped_runs : 0;
	struct pinlog_cursor at = {};
	struct pin_run run;
	u64 iova = mapping->start;

	for (; left && pinlog_next(&mapping->log, &at, &run); left--) {
		cond_resched();
		if (run.kind == PIN_LENT &&
		    run.pfn <= last && run.pfn + run.pages > first) {
			domains_unmap(iommu, iova, run.pages << PAGE_SHIFT);
			pinlog_withdraw(&mapping->log, &at);
			mapping->withdrawn_runs++;
			mapping->withdrawn_pages += run.pages;
			if (mapping->state == MAPPING_LIVE)
				sum_add(&iommu->lent, -(s64)run.pages);
			trace_dma_withdraw(iommu, iova, run.pages);
		}
		iova += run.pages << PAGE_SHIFT;
	}
}

/**
 * mappings_withdraw - let no device reach memory of a device that was lent
 * @iommu: the container's
 * @first: first page frame of that memory
 * @last: last page frame
 *
 * The mappings stay, with a hole.
 *
 * Context: may sleep; needs no memory; takes iommu->domains_lock and iommu->lock. No page table of
 * a user has the memory any more.
 */
void mappings_withdraw(struct type1_iommu *iommu, unsigned long first, unsigned long last)
{
	struct type1_mapping *mapping;

	/* Whoever is about to lend sees this, or we see him. */
	atomic_long_inc(&iommu->withdrawals);
	smp_mb__after_atomic(); /* as mapping_add_lent() */
	if (READ_ONCE(iommu->lent_first) > last || READ_ONCE(iommu->lent_last) < first)
		return;

	down_write(&iommu->domains_lock);
	mutex_lock(&iommu->lock);
	for (mapping = mapping_first(iommu, &iova_everything); mapping;
	     mapping = mapping_next(mapping, &iova_everything))
		mapping_withdraw(iommu, mapping, first, last);
	mutex_unlock(&iommu->lock);
	up_write(&iommu->domains_lock);
}

/**
 * mappings_close - the last group leaves: nothing is mapped any more, or will be
 * @iommu: the container's
 * @gone: gets the mappings that nobody works on, for mappings_bury(). The others become orphans
 *
 * Context: may sleep; holds iommu->lock, and iommu->domains_lock for writing.
 */
void mappings_close(struct type1_iommu *iommu, struct list_head *gone)
{
	struct type1_mapping *mapping;

	lockdep_assert_held_write(&iommu->domains_lock);

	WRITE_ONCE(iommu->closed, true);
	while ((mapping = mapping_first(iommu, &iova_everything))) {
		mapping_unmap(iommu, mapping);
		mapping_unlink(iommu, mapping);
		if (mapping->state == MAPPING_LIVE)
			list_add_tail(&mapping->claimed, gone);
	}
	mappings_changed(iommu);
}

/**
 * mappings_bury - free mappings of which nothing is mapped
 * @gone: linked by type1_mapping.claimed; in no tree
 *
 * Context: process context; may sleep.
 */
void mappings_bury(struct list_head *gone)
{
	mappings_release(gone, false);
	mappings_forget(gone);
}

/* ---- a new mapping ---- */

static struct type1_mapping *mapping_alloc(const struct iova_range *range, unsigned long vaddr,
					   int prot)
{
	struct type1_mapping *mapping;

	if (vfio_should_fail())
		return NULL;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return NULL;

	mapping->state = MAPPING_FILLING;
	mapping->start = range->start;
	mapping->last = range->last;
	mapping->prot = prot;
	mapping->vaddr = vaddr;
	mapping->vaddr_valid = true;
	mapping->unlimited = capable(CAP_IPC_LOCK);
	pinlog_init(&mapping->log, ((range->last - range->start) >> PAGE_SHIFT) + 1);
	return mapping;
}

static void complain_memlock(struct type1_iommu *iommu, u64 start, u64 last)
{
	vfio_reason_note(iommu->reason,
			 "memlock limit: %lu, exceeded by the mapping of %llu bytes",
			 rlimit(RLIMIT_MEMLOCK), last - start + 1);
	pr_warn_ratelimited("%*pE[%d]: container %llu: RLIMIT_MEMLOCK (%lu) exceeded by the mapping of %llu bytes at IOVA %#llx, with %lu locked\n",
			    caller_length(), current->comm, task_tgid_nr(current),
			    iommu->container, rlimit(RLIMIT_MEMLOCK), last - start + 1, start,
			    current->mm->locked_vm << PAGE_SHIFT);
}

/* A chunk into the log. What the log does not take, the pinner has. */
static int mapping_log(struct type1_mapping *mapping, struct pinner *pinner)
{
	struct pin_run run;
	int ret;

	while (pinner_run(pinner, &run)) {
		ret = pinlog_add(&mapping->log, &run);
		if (ret)
			return ret;
		pinner->taken += run.pages;
	}
	return 0;
}

/* Map the next batch of the first @runs runs of the log. */
static int mapping_map_batch(struct type1_iommu *iommu, struct type1_mapping *mapping,
			     struct type1_walk *walk, unsigned long runs)
{
	int ret;

	lockdep_assert_held(&iommu->domains_lock);

	if (iommu->closed)
		return -EINVAL;
	walk_next(walk, runs);
	ret = domains_map(iommu, walk, mapping->prot);
	if (ret) {
		vfio_reason_note(iommu->reason, "the IOMMU failed to map at IOVA %#llx",
				 walk->iova);
		return ret;
	}
	if (!walk->nr)
		mapping->lent_runs++;
	mapping->mapped += walk->size;
	mapping->mapped_runs = walk->passed;
	return 0;
}

/* Bytes in the log that are in no batch yet. */
static u64 mapping_waiting(const struct type1_mapping *mapping, const struct type1_walk *walk)
{
	return mapping->start + (mapping->log.pages << PAGE_SHIFT) - (walk->iova + walk->size);
}

/*
 * Map what the log has, but for @rest runs at most, or two full batches: while it grows, the last
 * run may become longer, and small batches cost more. Others get at the domains between batches.
 */
static int mapping_map_log(struct type1_iommu *iommu, struct type1_mapping *mapping,
			   struct type1_walk *walk, unsigned long rest)
{
	unsigned long runs = mapping->log.nr - !!rest;
	int ret = 0;

	/* A batch that comes too late fails, though there be none. */
	while (!ret && (mapping->log.nr - walk->passed > rest || READ_ONCE(iommu->closed) ||
			mapping_waiting(mapping, walk) >= 2 * WALK_BYTES)) {
		if (fatal_signal_pending(current) || down_read_killable(&iommu->domains_lock))
			return -EINTR;
		ret = mapping_map_batch(iommu, mapping, walk, runs);
		up_read(&iommu->domains_lock);
	}
	return ret;
}

/*
 * Charge for a chunk. With helpers, for what comes as well; if that is too much, it may be because
 * what comes is lent.
 */
static int mapping_charge(struct type1_iommu *iommu, struct type1_mapping *mapping,
			  struct pinner *pinner, bool helped)
{
	unsigned long least, pages;
	int ret;

	if (pinner->charged < pinner->nr) {
		least = pinner->nr - pinner->charged;
		pages = least + (helped ? min(pinner->left, CHARGE_AHEAD) : 0);
		ret = account_charge(mapping->account, pages, mapping->unlimited);
		if (ret == -ENOMEM && pages > least) {
			pages = least;
			ret = account_charge(mapping->account, pages, mapping->unlimited);
		}
		if (ret == -ENOMEM)
			complain_memlock(iommu, mapping->start, mapping->last);
		if (ret)
			return ret;
		mapping->locked += pages;
		pinner->charged += pages;
	}
	pinner->charged -= pinner->nr;
	return 0;
}

/* What was charged for memory turned out to be lent. */
static void mapping_uncharge(struct type1_mapping *mapping, unsigned long pages)
{
	if (!pages)
		return;
	mapping->locked -= pages;
	account_drop(mapping->account, 0, pages, true);
}

/* A chunk of memory: it waits in the log until a batch is full, or all is there. */
static int mapping_add_memory(struct type1_iommu *iommu, struct type1_mapping *mapping,
			      struct type1_walk *walk, struct pinner *pinner, bool helped)
{
	int ret;

	ret = mapping_charge(iommu, mapping, pinner, helped);
	if (ret)
		return ret;
	ret = mapping_log(mapping, pinner);
	if (ret)
		return ret;
	return mapping_map_log(iommu, mapping, walk, pinner->left ? WALK_BATCH : 0);
}

/* Who withdraws other memory need not walk all that a user has mapped. */
static void note_lent(struct type1_iommu *iommu, const struct pinner *pinner)
{
	mutex_lock(&iommu->lock);
	WRITE_ONCE(iommu->lent_first, min(iommu->lent_first, pinner->pfn));
	WRITE_ONCE(iommu->lent_last, max(iommu->lent_last, pinner->pfn + pinner->nr - 1));
	mutex_unlock(&iommu->lock);
}

/*
 * A chunk that is lent, found when @withdrawals was what it is. If there was one since then, the
 * chunk may not be the user's any more: look again.
 */
static int mapping_add_lent(struct type1_iommu *iommu, struct type1_mapping *mapping,
			    struct type1_walk *walk, struct pinner *pinner,
			    long withdrawals)
{
	int ret;

	/* All but the last run, which what is here instead may continue yet. */
	ret = mapping_map_log(iommu, mapping, walk, 1);
	if (ret)
		return ret;
	if (down_read_killable(&iommu->domains_lock))
		return -EINTR;
	note_lent(iommu, pinner);
	smp_mb(); /* as mappings_withdraw() */
	if (atomic_long_read(&iommu->withdrawals) == withdrawals) {
		ret = mapping_log(mapping, pinner);
		while (!ret && walk->passed < mapping->log.nr)
			ret = mapping_map_batch(iommu, mapping, walk, mapping->log.nr);
	} else {
		pinner_back(pinner);
	}
	up_read(&iommu->domains_lock);
	return ret;
}

/* Note why the next pages cannot be pinned. */
static void note_pin(struct type1_iommu *iommu, const struct pinner *pinner, int error)
{
	if (error == -EFAULT)
		vfio_reason_note(iommu->reason, "no memory that can be pinned%s at vaddr %#lx",
				 pinner->write ? " for writing (not a file on a disk)" : "",
				 pinner->vaddr);
	else if (error == -ENOMEM || error == -EBUSY || error == -EAGAIN)
		vfio_reason_note(iommu->reason,
				 "no memory, or the page at vaddr %#lx cannot move to where it can stay",
				 pinner->vaddr);
	else if (error != -EINTR)
		vfio_reason_note(iommu->reason,
				 "the memory at vaddr %#lx is not of a kind that can stay pinned",
				 pinner->vaddr);
}

static int mapping_add_chunk(struct type1_iommu *iommu, struct type1_mapping *mapping,
			     struct type1_walk *walk, struct pinner *pinner,
			     struct prefault *ahead)
{
	/* Before the page table is looked at. */
	long withdrawals = atomic_long_read_acquire(&iommu->withdrawals);
	int ret;

	pinner->most = prefault_reach(ahead, pinner->vaddr);
	ret = pinner_chunk(pinner);
	if (ret) {
		note_pin(iommu, pinner, ret);
		return ret;
	}
	trace_dma_pin(iommu, mapping, pinner);
	if (pinner->kind != PIN_LENT)
		return mapping_add_memory(iommu, mapping, walk, pinner, prefault_helped(ahead));
	return mapping_add_lent(iommu, mapping, walk, pinner, withdrawals);
}

/*
 * Bring in the memory. After an error mapping_drain() knows what there is. @ahead is to be given
 * back by prefault_end() when that is done.
 */
static int mapping_fill(struct type1_iommu *iommu, struct type1_mapping *mapping,
			struct prefault *ahead)
{
	bool write = mapping->prot & IOMMU_WRITE;
	struct type1_walk *walk;
	struct pinner pinner;
	int ret;

	prefault_begin(ahead, mapping->vaddr, mapping->log.limit, write, mapping->unlimited);
	walk = walk_alloc(mapping->log.limit);
	if (!walk)
		return -ENOMEM;
	walk_begin(walk, &mapping->log, mapping->start);

	ret = pinner_init(&pinner, mapping->vaddr, mapping->log.limit, write);
	while (!ret && pinner.left)
		ret = mapping_add_chunk(iommu, mapping, walk, &pinner, ahead);
	prefault_dismiss(ahead);
	pinner_exit(&pinner);
	if (!ret)
		mapping_uncharge(mapping, pinner.charged);
	kfree(walk);
	return ret;
}

/**
 * mapping_create - map memory of the caller
 * @iommu: the container's
 * @range: IOVAs, aligned to the smallest page
 * @vaddr: user address of the first byte, aligned likewise; none wraps around
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE
 *
 * Context: process context of the user; may sleep; takes iommu->lock.
 * Return: 0; -EEXIST for an overlap, with a mapping on its way in or out as well; -ENOSPC above
 * dma_entry_limit; -EINVAL for IOVAs that cannot be mapped, and if the last group leaves meanwhile;
 * -ENOMEM, of locked memory too; -EFAULT; -EINTR after a fatal signal. After an error nothing is
 * left.
 */
int mapping_create(struct type1_iommu *iommu, const struct iova_range *range, unsigned long vaddr,
		   int prot)
{
	u64 begun = trace_dma_map_enabled() ? ktime_get_ns() : 0;
	struct type1_mapping *mapping;
	struct prefault ahead;
	int ret;

	mapping = mapping_alloc(range, vaddr, prot);
	if (!mapping) {
		trace_dma_map(iommu, range, NULL, begun, -ENOMEM);
		return -ENOMEM;
	}

	mapping->account = account_get(&iommu->payer);
	if (!mapping->account) {
		ret = -ENOMEM;
		goto err_free;
	}
	mutex_lock(&iommu->lock);
	ret = mapping_publish(iommu, mapping);
	mutex_unlock(&iommu->lock);
	if (ret)
		goto err_free;

	ret = mapping_fill(iommu, mapping, &ahead);
	if (ret) {
		trace_dma_map(iommu, range, &mapping->log, begun, ret);
		goto err_unlink;
	}
	prefault_end(&ahead);

	mutex_lock(&iommu->lock);
	if (mapping_is_orphan(mapping))
		ret = -EINVAL;
	/* Before it is anybody's to take away. */
	trace_dma_map(iommu, range, &mapping->log, begun, ret);
	if (!ret)
		mapping_set_state(iommu, mapping, MAPPING_LIVE);
	mappings_changed(iommu);
	mutex_unlock(&iommu->lock);
	if (!ret)
		return 0;

err_unlink:
	/* Out of the tree last: while devices can reach it, its IOVAs are taken. */
	mapping_drain(iommu, mapping);
	prefault_end(&ahead);
	mutex_lock(&iommu->lock);
	mapping_unlink(iommu, mapping);
	mappings_changed(iommu);
	mutex_unlock(&iommu->lock);
	kfree(mapping);
	return ret;

err_free:
	trace_dma_map(iommu, range, &mapping->log, begun, ret);
	account_drop(mapping->account, 1, 0, true);
	kfree(mapping);
	return ret;
}

/* ---- user addresses of live mappings ---- */

/**
 * mappings_drop_vaddr - the user takes user addresses back and leaves the memory mapped
 * @iommu: the container's
 * @range: as for mappings_unmap()
 * @bytes: how many addresses
 *
 * Context: process context; may sleep; takes iommu->lock.
 * Return: 0; -EINVAL if a mapping would be cut or has no address any more; -EINTR after a fatal
 * signal. After an error nothing has changed.
 */
int mappings_drop_vaddr(struct type1_iommu *iommu, const struct iova_range *range, u64 *bytes)
{
	struct type1_mapping *mapping;
	int ret;

	*bytes = 0;
	mutex_lock(&iommu->lock);
	ret = mappings_select(iommu, range);
	if (ret <= 0)
		goto out;

	ret = 0;
	for (mapping = mapping_first_live(iommu, range); mapping;
	     mapping = mapping_next_live(mapping, range)) {
		if (!mapping->vaddr_valid) {
			vfio_reason_note(iommu->reason, "mapping %#llx-%#llx has no vaddr any more",
					 mapping->start, mapping->last);
			ret = -EINVAL;
			goto out;
		}
	}
	for (mapping = mapping_first_live(iommu, range); mapping;
	     mapping = mapping_next_live(mapping, range)) {
		mapping->vaddr_valid = false;
		iommu->nr_vaddr_invalid++;
		*bytes += mapping->last - mapping->start + 1;
	}
out:
	mutex_unlock(&iommu->lock);
	return ret;
}

/* The mapping that has exactly this range, and no user address. */
static struct type1_mapping *mapping_without_vaddr(struct type1_iommu *iommu,
						   const struct iova_range *range)
{
	struct type1_mapping *mapping;
	int ret;

	ret = mappings_settle(iommu, range);
	if (ret)
		return ERR_PTR(ret);
	mapping = mapping_first(iommu, range);
	if (!mapping || mapping->state == MAPPING_DRAINING) {
		vfio_reason_note(iommu->reason, "nothing is mapped there");
		return ERR_PTR(-ENOENT);
	}
	if (mapping->vaddr_valid || mapping->start != range->start ||
	    mapping->last != range->last) {
		vfio_reason_note(iommu->reason, "mapping %#llx-%#llx %s",
				 mapping->start, mapping->last, mapping->vaddr_valid ?
				 "has a vaddr" : "is not exactly that range");
		return ERR_PTR(-EINVAL);
	}
	return mapping;
}

/*
 * Charge the caller for as many pages as the mapping of a range has. Returns his account, or NULL
 * if he is charged for it already.
 */
static struct type1_account *charge_caller(struct type1_iommu *iommu,
					   const struct iova_range *range, unsigned long *pages)
{
	struct type1_account *account;
	struct type1_mapping *mapping;
	bool own = false;
	int ret;

	mutex_lock(&iommu->lock);
	mapping = mapping_without_vaddr(iommu, range);
	ret = PTR_ERR_OR_ZERO(mapping);
	if (!ret) {
		*pages = mapping->locked;
		own = mapping->account->mm == current->mm;
	}
	mutex_unlock(&iommu->lock);
	if (ret)
		return ERR_PTR(ret);
	if (own)
		return NULL;

	account = account_get(&iommu->payer);
	if (!account)
		return ERR_PTR(-ENOMEM);
	ret = account_charge(account, *pages, capable(CAP_IPC_LOCK));
	if (!ret)
		return account;
	if (ret == -ENOMEM)
		complain_memlock(iommu, range->start, range->last);
	account_drop(account, 1, 0, true);
	return ERR_PTR(ret);
}

/**
 * mapping_set_vaddr - the caller takes over a mapping that has no user address
 * @iommu: the container's
 * @range: that of the mapping
 * @vaddr: where the caller has the memory
 *
 * The caller is charged before the lock is taken, since his mmap_lock may be held for ever.
 *
 * Context: process context of the user; may sleep; takes iommu->lock.
 * Return: 0; -ENOENT without a mapping; -EINVAL if it has an address or another range, or another
 * has taken its place meanwhile; -ENOMEM if the caller may not lock that much memory; -EINTR after
 * a fatal signal.
 */
int mapping_set_vaddr(struct type1_iommu *iommu, const struct iova_range *range,
		      unsigned long vaddr)
{
	unsigned long pages = 0;
	struct type1_account *account = charge_caller(iommu, range, &pages);
	struct type1_mapping *mapping;
	int ret;

	if (IS_ERR(account))
		return PTR_ERR(account);

	mutex_lock(&iommu->lock);
	mapping = mapping_without_vaddr(iommu, range);
	ret = PTR_ERR_OR_ZERO(mapping);
	if (!ret && (account ? mapping->locked != pages : mapping->account->mm != current->mm)) {
		vfio_reason_note(iommu->reason, "mapping %#llx-%#llx changed meanwhile",
				 range->start, range->last);
		ret = -EINVAL;
	}
	if (!ret) {
		if (account)
			swap(account, mapping->account);
		mapping->vaddr = vaddr;
		mapping->vaddr_valid = true;
		iommu->nr_vaddr_invalid--;
	}
	mutex_unlock(&iommu->lock);

	account_drop(account, 1, pages, true);
	return ret;
}

/* ---- all mappings of a range ---- */

/**
 * mappings_dirty - report dirty pages
 * @iommu: the container's
 * @range: IOVAs; must not cut a mapping
 * @bitmap: can hold their bits
 *
 * Does not wait for maps and unmaps that are under way: their pages count as dirty.
 *
 * Context: process context of the user; may sleep; takes iommu->lock.
 * Return: 0; -EINVAL if a mapping would be cut or tracking is not on; -EFAULT.
 */
int mappings_dirty(struct type1_iommu *iommu, const struct iova_range *range,
		   const struct vfio_bitmap *bitmap)
{
	unsigned int shift = __ffs(bitmap->pgsize);
	struct type1_mapping *mapping;
	struct iova_range part = *range;
	u64 last;
	int ret = 0;

	mutex_lock(&iommu->lock);
	if (!iommu->dirty_tracking)
		vfio_reason_note(iommu->reason, "dirty tracking is not on");
	if (!iommu->dirty_tracking || mappings_cut(iommu, range))
		ret = -EINVAL;

	/* User memory is not touched under the lock: the tree may change between two mappings. */
	while (!ret && (mapping = mapping_first(iommu, &part))) {
		part.start = max(part.start, mapping->start);
		last = min(part.last, mapping->last);
		mutex_unlock(&iommu->lock);

		ret = dirty_report(bitmap, (part.start - range->start) >> shift,
				   ((last - part.start) >> shift) + 1);
		mutex_lock(&iommu->lock);
		if (last == part.last)
			break;
		part.start = last + 1;
	}
	mutex_unlock(&iommu->lock);
	return ret;
}

/**
 * mappings_fit - can all mappings stay if only some IOVAs can be mapped?
 * @iommu: the container's
 * @ranges: those IOVAs
 * @group: number of the group that has them, for messages
 *
 * Context: holds iommu->lock.
 * Return: 0, or -EINVAL with a message that says which mapping is in the way of what.
 */
int mappings_fit(struct type1_iommu *iommu, const struct iova_set *ranges, int group)
{
	struct type1_mapping *mapping;
	struct iova_range gap;

	for (mapping = mapping_first(iommu, &iova_everything); mapping;
	     mapping = mapping_next(mapping, &iova_everything)) {
		if (iova_set_covers(ranges, mapping->start, mapping->last))
			continue;
		gap = iova_set_obstacle(ranges, mapping->start);
		vfio_reason_note(iommu->reason,
				 "IOVA %#llx-%#llx is mapped, group %d lacks %#llx-%#llx",
				 mapping->start, mapping->last, group, gap.start, gap.last);
		pr_info_ratelimited("%*pE[%d]: container %llu: group %d cannot join, IOVA %#llx-%#llx is mapped and meets %#llx-%#llx, which is reserved or out of reach of its IOMMU\n",
				    caller_length(), current->comm, task_tgid_nr(current),
				    iommu->container, group, mapping->start, mapping->last,
				    gap.start, gap.last);
		return -EINVAL;
	}
	return 0;
}

/**
 * mappings_replay - map all that is mapped in one more domain
 * @iommu: the container's
 * @domain: not of the container yet
 *
 * Nothing is pinned for that: the logs have it all. Of a mapping that somebody works on it is what
 * the other domains map.
 *
 * Context: may sleep; holds iommu->lock, and iommu->domains_lock for writing.
 * Return: 0, or a negative errno and @domain is only good for domain_destroy().
 */
int mappings_replay(struct type1_iommu *iommu, struct type1_domain *domain)
{
	struct type1_mapping *mapping;
	struct type1_walk *walk;
	int ret = 0;

	if (RB_EMPTY_ROOT(&iommu->mappings))
		return 0;
	walk = walk_alloc(WALK_BATCH);
	if (!walk)
		return -ENOMEM;

	for (mapping = mapping_first(iommu, &iova_everything); mapping;
	     mapping = mapping_next(mapping, &iova_everything)) {
		walk_begin(walk, &mapping->log, mapping->start);
		while (!ret && walk_next(walk, mapping->mapped_runs)) {
			ret = domain_map(domain, walk, mapping->prot);
			if (!ret && fatal_signal_pending(current))
				ret = -EINTR;
			cond_resched();
		}
		if (ret)
			break;
	}
	kfree(walk);
	return ret;
}

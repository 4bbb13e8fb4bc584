// SPDX-License-Identifier: GPL-2.0-only
/*
 * A container's folder in debugfs:
 *
 *   summary	what its fdinfo tells of its memory
 *   mappings	a line for each, by IOVA
 *   domains	each domain with its groups, and the IOVAs that all of them can map
 *   runs	how long the runs in the logs are: what the IOMMU's large pages can be made of
 *
 * A reader may wait for iommu->lock, and holds it for a piece of bounded work only: a line, or
 * RUNS_AT_ONCE runs. What he gets is true of each piece by itself. A mapping that is
 * there all the time is told once, since the place where he goes on is an IOVA.
 */
#include <linux/debugfs.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/vfio.h>

#include "../backend.h"
#include "type1.h"

/* ---- mappings ---- */

static const char *const state_names[] = {
	[MAPPING_FILLING] = "filling",
	[MAPPING_LIVE] = "live",
	[MAPPING_DRAINING] = "draining",
};

/* Positions: 0 is the title, 1 the first page of IOVAs, and so on. */
static loff_t iova_to_pos(u64 iova)
{
	return (iova >> PAGE_SHIFT) + 1;
}

static struct type1_mapping *mapping_at(struct type1_iommu *iommu, loff_t pos)
{
	struct iova_range range = iova_everything;

	if (pos > iova_to_pos(range.last))
		return NULL;
	if (pos)
		range.start = (u64)(pos - 1) << PAGE_SHIFT;
	return mapping_first(iommu, &range);
}

static void *mappings_start(struct seq_file *seq, loff_t *pos)
{
	struct type1_iommu *iommu = seq->private;

	/* A lock that nobody has looks at no signal. */
	if (fatal_signal_pending(current) || mutex_lock_killable(&iommu->lock))
		return ERR_PTR(-EINTR);
	return *pos ? mapping_at(iommu, *pos) : SEQ_START_TOKEN;
}

static void mappings_stop(struct seq_file *seq, void *at)
{
	struct type1_iommu *iommu = seq->private;

	if (!IS_ERR(at))
		mutex_unlock(&iommu->lock);
}

/* Others have their turn between two lines: a reader who seeks passes all of them in one go. */
static void *mappings_next(struct seq_file *seq, void *at, loff_t *pos)
{
	struct type1_mapping *mapping = at;

	/* Behind what was told, even if another begins there when the next piece is read. */
	*pos = at == SEQ_START_TOKEN ? 1 : iova_to_pos(mapping->last) + 1;
	mappings_stop(seq, at);
	cond_resched();
	return mappings_start(seq, pos);
}

static int mappings_show(struct seq_file *seq, void *at)
{
	const struct type1_mapping *mapping = at;

	if (at == SEQ_START_TOKEN) {
		seq_puts(seq, "first last bytes access state vaddr pinned-pages lent-pages runs\n");
		return 0;
	}
	seq_printf(seq, "%#llx %#llx %llu %c%c %s ", mapping->start, mapping->last,
		   mapping->last - mapping->start + 1,
		   mapping->prot & IOMMU_READ ? 'r' : '-', mapping->prot & IOMMU_WRITE ? 'w' : '-',
		   state_names[mapping->state]);
	if (mapping->vaddr_valid)
		seq_printf(seq, "%#lx", mapping->vaddr);
	else
		seq_puts(seq, "none");
	/* The rest is the worker's while there is one, who may free it. */
	if (mapping->state == MAPPING_LIVE)
		seq_printf(seq, " %lu %lu %lu\n", mapping->locked,
			   mapping_lent(mapping), mapping->log.nr - mapping->withdrawn_runs);
	else
		seq_puts(seq, " - - -\n");
	return 0;
}

static const struct seq_operations mappings_sops = {
	.start = mappings_start,
	.next = mappings_next,
	.stop = mappings_stop,
	.show = mappings_show,
};

static int mappings_open(struct inode *inode, struct file *file)
{
	int ret = seq_open(file, &mappings_sops);

	if (!ret)
		((struct seq_file *)file->private_data)->private = inode->i_private;
	return ret;
}

VFIO_DEBUGFS_FOPS(mappings, seq_release);

/* ---- domains ---- */

static void show_domain(struct seq_file *seq, const struct type1_domain *domain, unsigned int index)
{
	const struct type1_group *group;

	seq_printf(seq, "domain %u: pgsizes %#lx aperture %#llx-%#llx coherent %d groups", index,
		   domain_pgsizes(domain), (u64)domain->domain->geometry.aperture_start,
		   (u64)domain->domain->geometry.aperture_end, domain->coherent);
	list_for_each_entry(group, &domain->groups, node)
		seq_printf(seq, " %d", iommu_group_id(group->iommu_group));
	seq_putc(seq, '\n');
}

static int domains_show(struct seq_file *seq, void *unused)
{
	struct type1_iommu *iommu = seq->private;
	const struct type1_domain *domain;
	unsigned int i = 0;

	if (mutex_lock_killable(&iommu->lock))
		return -EINTR;
	list_for_each_entry(domain, &iommu->domains, node)
		show_domain(seq, domain, i++);
	seq_printf(seq, "pgsizes %#lx\n", iommu->pgsizes);
	for (i = 0; i < iommu->ranges.nr; i++)
		seq_printf(seq, "iovas %#llx-%#llx\n", iommu->ranges.ranges[i].start,
			   iommu->ranges.ranges[i].last);
	mutex_unlock(&iommu->lock);
	return 0;
}

VFIO_DEBUGFS_SHOW(domains);

/* ---- runs ---- */

#define RUNS_AT_ONCE 8192

/* Of 2^i pages or more, and fewer than twice that; see RUN_PAGES_MAX. */
#define RUN_ORDERS 20

/**
 * struct run_counts - a count of runs, a piece at a time
 * @range: IOVAs to be looked at
 * @serial: the mapping that @at is in; 0: none
 * @at: behind the runs of it that were counted
 * @memory: runs of memory, by the logarithm of their pages
 * @lent: runs that are lent
 */
struct run_counts {
	struct iova_range range;
	unsigned long serial;
	struct pinlog_cursor at;
	unsigned long memory[RUN_ORDERS];
	unsigned long lent[RUN_ORDERS];
};

/* Returns how many of @most runs are left when the log ends, 0 if it may go on. */
static unsigned int count_log(struct run_counts *counts, const struct pinlog *log,
			      unsigned int most)
{
	struct pin_run run;

	for (; most && pinlog_next(log, &counts->at, &run); most--) {
		unsigned int order = min(ilog2(run.pages), RUN_ORDERS - 1);

		if (run_is_memory(&run))
			counts->memory[order]++;
		else if (run.kind == PIN_LENT)
			counts->lent[order]++;
	}
	return most;
}

/* Count on. Returns whether there is more. */
static bool count_piece(struct type1_iommu *iommu, struct run_counts *counts)
{
	unsigned int left = RUNS_AT_ONCE;
	struct type1_mapping *mapping;

	lockdep_assert_held(&iommu->lock);

	for (mapping = mapping_first(iommu, &counts->range); mapping;
	     mapping = mapping_next(mapping, &counts->range)) {
		/* Another than the one that the last piece ended in? */
		if (mapping->serial != counts->serial) {
			counts->serial = mapping->serial;
			counts->at = (struct pinlog_cursor){};
		}
		counts->range.start = max(counts->range.start, mapping->start);
		if (mapping->state == MAPPING_LIVE)
			left = count_log(counts, &mapping->log, left);
		if (!left)
			return true;
		/* A mapping counts as a run, so that many without any do not take long. */
		left--;
		if (mapping->last == counts->range.last)
			return false;
		counts->range.start = mapping->last + 1;
		if (!left)
			return true;
	}
	return false;
}

static int runs_show(struct seq_file *seq, void *unused)
{
	struct run_counts counts = { .range = iova_everything };
	struct type1_iommu *iommu = seq->private;
	unsigned int i;
	bool more;

	do {
		if (mutex_lock_killable(&iommu->lock))
			return -EINTR;
		more = count_piece(iommu, &counts);
		mutex_unlock(&iommu->lock);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (more);

	seq_puts(seq, "bytes-at-least pinned-runs lent-runs\n");
	for (i = 0; i < RUN_ORDERS; i++) {
		if (counts.memory[i] || counts.lent[i])
			seq_printf(seq, "%lu %lu %lu\n", PAGE_SIZE << i, counts.memory[i],
				   counts.lent[i]);
	}
	return 0;
}

VFIO_DEBUGFS_SHOW(runs);

/* ---- the folder ---- */

static int summary_show(struct seq_file *seq, void *unused)
{
	type1_fdinfo(seq->private, seq);
	return 0;
}

VFIO_DEBUGFS_SHOW(summary);

/**
 * type1_debugfs_add - make a container's folder
 * @iommu: the container's, ready to be looked at
 *
 * Context: process context; may sleep.
 */
void type1_debugfs_add(struct type1_iommu *iommu)
{
	iommu->debugfs = vfio_debugfs_container_add(iommu->container);
	debugfs_create_file_unsafe("summary", 0400, iommu->debugfs, iommu, &summary_fops);
	debugfs_create_file_unsafe("mappings", 0400, iommu->debugfs, iommu, &mappings_fops);
	debugfs_create_file_unsafe("domains", 0400, iommu->debugfs, iommu, &domains_fops);
	debugfs_create_file_unsafe("runs", 0400, iommu->debugfs, iommu, &runs_fops);
}

/**
 * type1_debugfs_remove - take a container's folder away, if it still has one
 * @iommu: without groups
 *
 * Context: process context; waits for readers, who take iommu->lock.
 */
void type1_debugfs_remove(struct type1_iommu *iommu)
{
	debugfs_remove(iommu->debugfs);
	iommu->debugfs = NULL;
}

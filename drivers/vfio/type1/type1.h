/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio_iommu_type1.ko, inside.
 *
 * Words:
 *   range	addresses (start, last), both inclusive, so that the last byte of the 64-bit space
 *		is as good as any other
 *   run	physically contiguous pages
 *   log	the runs of one mapping in the order of their IOVAs: what is pinned, and where
 *   account	whom mappings are charged to: an mm
 *   lent	memory of a device, which cannot be pinned: it is the user's as long as the device
 *		is. Then it is withdrawn, and the IOVAs show nothing any more
 *   mapping	one VFIO_IOMMU_MAP_DMA: a range of IOVAs that shows memory of one user
 *   domain	a page table of the IOMMU and the groups that use it; a container has one, or
 *		several if its groups sit behind IOMMUs that cannot share. All map the same
 *
 * Promises: a page is pinned once for each mapping, however many domains there are. Taking
 * a mapping away needs no memory and cannot fail. One that fails to come up leaves nothing behind.
 *
 * Locks. iommu->domains_lock is held for writing while a group joins or leaves, together with
 * iommu->lock, and for reading while something is mapped in the domains or unmapped. iommu->lock
 * guards the tree of mappings. Neither is held while memory is pinned or unpinned, or user memory
 * is touched: the mapping's state says that somebody works on it, and whoever needs it in peace
 * waits for iommu->changed.
 *
 * With the last group all mappings leave the tree. One that somebody works on becomes an orphan:
 * nothing of it is mapped any more, and its worker frees it when he finds out.
 *
 * Who waits for whom. A page fault of the user may take for ever. Only a map of that memory waits
 * for it, and who needs its IOVAs waits for that map; these waits end with the process that waits.
 * Groups join and leave meanwhile. Nobody waits for the mmap_lock of another user: account.c.
 */
#ifndef _VFIO_TYPE1_H
#define _VFIO_TYPE1_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/refcount.h>
#include <linux/rwsem.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <uapi/linux/vfio.h>

/**
 * struct iova_range - some IOVAs
 * @start: the first
 * @last: the last
 */
struct iova_range {
	u64 start;
	u64 last;
};

/**
 * struct iova_set - the IOVAs that may be mapped
 * @ranges: disjoint and ascending
 * @nr: number of @ranges
 */
struct iova_set {
	struct iova_range *ranges;
	unsigned int nr;
};

/**
 * struct type1_account - an mm that mappings are charged to; an mm may have several
 * @users: mappings, the container that saw it last, and account.c while some of it is late
 * @mm: whom; its struct is held, so that the address is not used for another, its memory is not
 * @late: in the list of those with pages that could not be counted back yet; as all below guarded
 *	by the late_lock of account.c
 * @settled: in the list of those whose late pages were counted back
 * @late_pages: how many
 */
struct type1_account {
	refcount_t users;
	struct mm_struct *mm;
	struct list_head late;
	struct list_head settled;
	unsigned long late_pages;
};

/**
 * struct type1_payer - who was the last to be charged in a container
 * @lock: of @account
 * @account: a reference, or NULL
 */
struct type1_payer {
	spinlock_t lock; /* of account */
	struct type1_account *account;
};

/**
 * enum pin_kind - what is held of pages
 * @PIN_LENT: nothing; they are a device's
 * @PIN_PAGES: a pin on each of them
 * @PIN_HUGE: they are whole pages of hugetlbfs, and a pin on the first frame of each
 * @PIN_WITHDRAWN: nothing; they were lent, and are mapped no more
 */
enum pin_kind {
	PIN_LENT,
	PIN_PAGES,
	PIN_HUGE,
	PIN_WITHDRAWN,
};

/**
 * struct pin_run - physically contiguous pages
 * @pfn: the first page frame
 * @pages: number of pages, RUN_PAGES_MAX at most
 * @kind: what is held of them
 */
struct pin_run {
	unsigned long pfn;
	unsigned long pages;
	enum pin_kind kind;
};

/* Else a device's, for which there need be no struct page. */
static inline bool run_is_memory(const struct pin_run *run)
{
	return run->kind == PIN_PAGES || run->kind == PIN_HUGE;
}

/*
 * As much as the largest page of an IOMMU has, and what fits into a scatterlist entry. No run is
 * made longer beyond a multiple of it, so none keeps such a page from being used.
 */
#define RUN_PAGES_MAX	(SZ_1G >> PAGE_SHIFT)

/* Most pages of a run that begins there. */
static inline unsigned long run_room(unsigned long pfn)
{
	return RUN_PAGES_MAX - (pfn & (RUN_PAGES_MAX - 1));
}

/* Pages of a mapping that is made while a guest runs, as its IOMMU asks: seldom more. */
#define PINNER_FEW	8

/**
 * struct pinner - a walk over user memory that pins it, a chunk at a time
 * @mm: whose memory; current's
 * @vaddr: first address that is not in a chunk yet
 * @left: pages from there to the end
 * @most: pages that the next chunk may have, but for a page that is larger
 * @charged: pages that were charged for what is not in a chunk yet
 * @write: devices will write
 * @ordinary: below this address no memory of hugetlbfs is expected; only a hint
 * @few: @pages of a small mapping, which needs no memory for them
 * @pages: what is pinned of a chunk of memory
 * @room: entries of @pages
 * @kind: what the chunk is
 * @order: 2^@order pages for each entry of @pages
 * @nr: pages in the chunk
 * @taken: pages of the chunk that have found another owner
 * @pfn: first page frame of a device's chunk
 */
struct pinner {
	struct mm_struct *mm;
	unsigned long vaddr;
	unsigned long left;
	unsigned long most;
	unsigned long charged;
	bool write;
	unsigned long ordinary;
	struct page *few[PINNER_FEW];
	struct page **pages;
	unsigned int room;
	enum pin_kind kind;
	unsigned int order;
	unsigned long nr;
	unsigned long taken;
	unsigned long pfn;
};

struct prefault_crew;

/**
 * struct prefault - what a caller has done to be helped with bringing in memory
 * @end: behind the last address that he pins
 * @look: address at which he looks at it again; ULONG_MAX: never
 * @interval: bytes to go from there to the next look, while nobody helps
 * @faults: his page faults up to the last look
 * @crew: the helpers; NULL: nobody helps
 */
struct prefault {
	unsigned long end;
	unsigned long look;
	unsigned long interval;
	unsigned long faults;
	struct prefault_crew *crew;
};

struct dentry;
struct pinlog_chunk;
struct seq_file;
struct vfio_reason;

/**
 * struct pinlog - the runs of a mapping
 * @first: where to read on
 * @last: where to write on
 * @nr: runs
 * @pages: pages in them
 * @limit: most pages that will be logged
 * @front: the first run, packed; most mappings of a page or two have no other
 */
struct pinlog {
	struct pinlog_chunk *first;
	struct pinlog_chunk *last;
	unsigned long nr;
	unsigned long pages;
	unsigned long limit;
	u64 front;
};

/**
 * struct pinlog_cursor - a place between two runs; zeroes: before the first
 * @chunk: the chunk last read; NULL: none yet
 * @index: the run of it to read next; without a chunk 1 behind pinlog.front
 */
struct pinlog_cursor {
	struct pinlog_chunk *chunk;
	unsigned int index;
};

/* Runs that are mapped, and so synchronised, at once: as many entries as a page holds. */
#define WALK_BATCH (PAGE_SIZE / sizeof(struct scatterlist))

/*
 * A batch with that many bytes is full, whatever the number of its runs: where addresses are such
 * that the IOMMU can only map single pages, it takes long, and others wait for the lock.
 */
#define WALK_BYTES ((size_t)SZ_1G)

/**
 * struct type1_walk - a walk along a log, a batch of runs at a time
 * @log: the log
 * @at: behind the batch
 * @passed: runs up to there
 * @iova: where the batch belongs
 * @size: bytes of the batch
 * @nr: runs of memory in the batch, in @sg; 0: it is one run of a device, in @run
 * @run: see @nr; else the last one read
 * @room: entries of @sg
 * @sg: see @nr
 */
struct type1_walk {
	const struct pinlog *log;
	struct pinlog_cursor at;
	unsigned long passed;
	u64 iova;
	size_t size;
	unsigned int nr;
	struct pin_run run;
	unsigned int room;
	struct scatterlist sg[];
};

/**
 * struct type1_group - a group of the container; immutable
 * @node: in type1_domain.groups
 * @iommu_group: kept alive by the core until it is detached
 */
struct type1_group {
	struct list_head node;
	struct iommu_group *iommu_group;
};

/**
 * struct type1_domain - a page table of the IOMMU
 * @node: in type1_iommu.domains
 * @domain: owned; immutable
 * @groups: attached to it, linked by type1_group.node; guarded as type1_iommu.domains
 * @coherent: devices cannot get around the caches; immutable
 */
struct type1_domain {
	struct list_head node;
	struct iommu_domain *domain;
	struct list_head groups;
	bool coherent;
};

/**
 * enum mapping_state - who may touch a mapping
 * @MAPPING_FILLING: the ioctl that makes it
 * @MAPPING_LIVE: whoever holds type1_iommu.lock
 * @MAPPING_DRAINING: the ioctl that takes it away
 *
 * What is mapped of it in the domains is changed with type1_iommu.domains_lock held: by its worker
 * for reading, by a group that joins or leaves for writing.
 */
enum mapping_state {
	MAPPING_FILLING,
	MAPPING_LIVE,
	MAPPING_DRAINING,
	MAPPING_STATES
};

/**
 * struct type1_mapping - one VFIO_IOMMU_MAP_DMA
 * @node: in type1_iommu.mappings; guarded by its lock
 * @claimed: in the list of the ioctl that takes it away
 * @state: guarded by the lock of type1_iommu; says who owns the members without another word
 * @prot: IOMMU_READ, IOMMU_WRITE, IOMMU_CACHE; immutable
 * @serial: no other mapping of the container ever has it; immutable
 * @start: first IOVA; immutable
 * @last: last IOVA; immutable
 * @vaddr: user address that @start shows
 * @vaddr_valid: the user has not taken @vaddr back; guarded by the lock of type1_iommu
 * @unlimited: the user had CAP_IPC_LOCK when the mapping was made; immutable
 * @account: whom it is charged to; a reference
 * @locked: pages that are charged
 * @log: the runs
 * @mapped: bytes from @start on that the domains map; see enum mapping_state
 * @mapped_runs: runs of @log in them; whoever reads these may not be the worker
 * @lent_runs: how many of them are, or were, lent; guarded as @mapped
 * @withdrawn_runs: how many of those were withdrawn: holes in what the domains map; as @mapped
 * @withdrawn_pages: pages in the holes; as @mapped
 */
struct type1_mapping {
	struct rb_node node;
	struct list_head claimed;
	enum mapping_state state;
	int prot;
	unsigned long serial;
	u64 start;
	u64 last;
	unsigned long vaddr;
	bool vaddr_valid;
	bool unlimited;
	struct type1_account *account;
	unsigned long locked;
	struct pinlog log;
	unsigned long mapped;
	unsigned long mapped_runs;
	unsigned long lent_runs;
	unsigned long withdrawn_runs;
	unsigned long withdrawn_pages;
};

/* There can be many, and the next larger piece of memory is a third larger. */
static_assert(sizeof(struct type1_mapping) <= 192);

/* Change a sum that is read without the lock. */
static inline void sum_add(u64 *sum, s64 by)
{
	WRITE_ONCE(*sum, *sum + by);
}

/* Pages of a live mapping that devices have and show. */
static inline unsigned long mapping_lent(const struct type1_mapping *mapping)
{
	return mapping->log.pages - mapping->withdrawn_pages - mapping->locked;
}

/**
 * struct type1_iommu - the backend's instance in a container
 * @container: the container's number; immutable
 * @v2: mappings cannot be cut by an unmap, dirty pages can be asked for; immutable
 * @debugfs: its folder there; goes with the last group
 * @reason: where to note why an ioctl or a group is refused; the container's
 * @payer: who came last to map
 * @domains_lock: see the top
 * @domains: linked by type1_domain.node; changed with @lock and @domains_lock held for writing, so
 *	either is enough to look
 * @ranges: what can be mapped in all domains, guarded as @domains
 * @pgsizes: bitmap of page sizes that all domains know, guarded as @domains; never without
 *	a bit, none below PAGE_SIZE
 * @closed: the last group has left, guarded as @domains
 * @lent_first: no page frame of a device below this one was ever mapped; changed under @lock
 * @lent_last: nor one above this one; likewise
 * @withdrawals: how often something lent was withdrawn
 * @lock: guards all below, and the state of mappings
 * @mappings: by IOVA; no two overlap
 * @nr_mappings: number of @mappings; this and the sums below are looked at without the lock as well
 * @in_state: how many of them are in each state
 * @bytes: IOVAs of all of them
 * @locked: pages charged for those that are live
 * @lent: pages of devices that the live ones show
 * @last_serial: that of the mapping that came last
 * @nr_vaddr_invalid: mappings whose vaddr is not valid
 * @dirty_tracking: between START and STOP
 * @changes: counts mappings that left a state other than MAPPING_LIVE
 * @changed: waits for @changes
 */
struct type1_iommu {
	u64 container;
	bool v2;
	struct dentry *debugfs;
	struct vfio_reason *reason;
	struct type1_payer payer;
	struct rw_semaphore domains_lock; /* of the members below */
	struct list_head domains;
	struct iova_set ranges;
	unsigned long pgsizes;
	bool closed;
	unsigned long lent_first;
	unsigned long lent_last;
	atomic_long_t withdrawals;

	struct mutex lock; /* of the members below */
	struct rb_root mappings;
	u64 nr_mappings;
	u64 in_state[MAPPING_STATES];
	u64 bytes;
	u64 locked;
	u64 lent;
	unsigned long last_serial;
	unsigned int nr_vaddr_invalid;
	bool dirty_tracking;
	unsigned long changes;
	wait_queue_head_t changed;
};

/**
 * struct mappings_sum - what some mappings are together, for whoever watches
 * @begun: when the work with them began, in ns; 0 while nobody watches, and all below is unknown
 * @bytes: bytes of IOVAs
 * @mappings: number of mappings
 * @pages: pages in their logs, but for what was withdrawn
 * @runs: runs in their logs, likewise
 */
struct mappings_sum {
	u64 begun;
	u64 bytes;
	unsigned int mappings;
	unsigned long pages;
	unsigned long runs;
};

/* The smallest page that can be mapped, in bytes. Without a lock: a moment ago. */
static inline unsigned long type1_pgsize(const struct type1_iommu *iommu)
{
	return 1UL << __ffs(READ_ONCE(iommu->pgsizes));
}

/* iova.c */
extern const struct iova_range iova_everything;
int iova_set_init(struct iova_set *set);
int iova_set_copy(struct iova_set *to, const struct iova_set *from);
void iova_set_free(struct iova_set *set);
void iova_set_intersect(struct iova_set *set, u64 start, u64 last);
int iova_set_exclude(struct iova_set *set, u64 start, u64 last);
bool iova_set_covers(const struct iova_set *set, u64 start, u64 last);
struct iova_range iova_set_obstacle(const struct iova_set *set, u64 start);

/* dirty.c */
#define DIRTY_BITMAP_MAX_BYTES ((u64)INT_MAX / BITS_PER_BYTE + 1)

int dirty_report(const struct vfio_bitmap *bitmap, u64 first, u64 nr);

/* account.c */
void payer_init(struct type1_payer *payer);
void payer_exit(struct type1_payer *payer);
struct type1_account *account_get(struct type1_payer *payer);
int account_charge(struct type1_account *account, unsigned long pages, bool unlimited);
void account_drop(struct type1_account *account, unsigned int users, unsigned long pages,
		  bool wait);
void accounts_exit(void);

/* pin.c */
int pinner_init(struct pinner *pinner, unsigned long vaddr, unsigned long pages, bool write);
void pinner_exit(struct pinner *pinner);
int pinner_chunk(struct pinner *pinner);
bool pinner_run(const struct pinner *pinner, struct pin_run *run);
void pinner_back(struct pinner *pinner);
void unpin_run(const struct pin_run *run, bool dirty);

/* prefault.c */
void prefault_begin(struct prefault *ahead, unsigned long vaddr, unsigned long pages, bool write,
		    bool unlimited);
unsigned long prefault_reach(struct prefault *ahead, unsigned long vaddr);
bool prefault_helped(const struct prefault *ahead);
void prefault_dismiss(struct prefault *ahead);
void prefault_end(struct prefault *ahead);

/* pinlog.c */
void pinlog_init(struct pinlog *log, unsigned long limit);
void pinlog_free(struct pinlog *log);
int pinlog_add(struct pinlog *log, const struct pin_run *run);
bool pinlog_next(const struct pinlog *log, struct pinlog_cursor *at, struct pin_run *run);
void pinlog_withdraw(struct pinlog *log, const struct pinlog_cursor *at);

/* domain.c */
struct type1_domain *domain_create(struct iommu_group *iommu_group);
void domain_destroy(struct type1_domain *domain);
unsigned long domain_pgsizes(const struct type1_domain *domain);
struct type1_walk *walk_alloc(unsigned long runs);
void walk_begin(struct type1_walk *walk, const struct pinlog *log, u64 iova);
bool walk_next(struct type1_walk *walk, unsigned long runs);
int domain_map(struct type1_domain *domain, struct type1_walk *walk, int prot);
int domains_map(struct type1_iommu *iommu, struct type1_walk *walk, int prot);
void domains_unmap(struct type1_iommu *iommu, u64 iova, unsigned long size);
bool domains_coherent(const struct type1_iommu *iommu);

/* tree.c */
int range_make(u64 start, u64 size, u64 *last);
struct type1_mapping *mapping_first(struct type1_iommu *iommu, const struct iova_range *range);
struct type1_mapping *mapping_next(struct type1_mapping *mapping, const struct iova_range *range);
struct type1_mapping *mapping_first_live(struct type1_iommu *iommu, const struct iova_range *range);
struct type1_mapping *mapping_next_live(struct type1_mapping *mapping,
					const struct iova_range *range);
unsigned int mappings_left(const struct type1_iommu *iommu);
int mapping_publish(struct type1_iommu *iommu, struct type1_mapping *mapping);
void mapping_set_state(struct type1_iommu *iommu, struct type1_mapping *mapping,
		       enum mapping_state state);
void mapping_unlink(struct type1_iommu *iommu, struct type1_mapping *mapping);
void mappings_unlink(struct type1_iommu *iommu, const struct list_head *list, unsigned int nr);
bool mapping_is_orphan(const struct type1_mapping *mapping);
void mappings_changed(struct type1_iommu *iommu);
int mappings_settle(struct type1_iommu *iommu, const struct iova_range *range);
bool mappings_cut(struct type1_iommu *iommu, const struct iova_range *range);
int mappings_select(struct type1_iommu *iommu, const struct iova_range *range);

/* show.c */
void type1_fdinfo(void *instance, struct seq_file *seq);

/* debugfs.c */
void type1_debugfs_add(struct type1_iommu *iommu);
void type1_debugfs_remove(struct type1_iommu *iommu);

/* dma.c */
int mapping_create(struct type1_iommu *iommu, const struct iova_range *range, unsigned long vaddr,
		   int prot);
int mapping_set_vaddr(struct type1_iommu *iommu, const struct iova_range *range,
		      unsigned long vaddr);
int mappings_drop_vaddr(struct type1_iommu *iommu, const struct iova_range *range, u64 *bytes);
int mappings_unmap(struct type1_iommu *iommu, const struct iova_range *range,
		   const struct vfio_bitmap *bitmap, u64 *bytes);
int mappings_dirty(struct type1_iommu *iommu, const struct iova_range *range,
		   const struct vfio_bitmap *bitmap);
int mappings_fit(struct type1_iommu *iommu, const struct iova_set *ranges, int group);
int mappings_replay(struct type1_iommu *iommu, struct type1_domain *domain);
void mappings_withdraw(struct type1_iommu *iommu, unsigned long first, unsigned long last);
void mappings_close(struct type1_iommu *iommu, struct list_head *gone);
void mappings_bury(struct list_head *gone);
void mappings_add_up(const struct list_head *list, struct mappings_sum *sum);

/* attach.c */
int type1_attach(void *instance, struct iommu_group *iommu_group);
void type1_detach(void *instance, struct iommu_group *iommu_group);

/* Of the caller's name, which may be any bytes: for "%*pE". */
static inline int caller_length(void)
{
	return strnlen(current->comm, sizeof(current->comm));
}

#endif

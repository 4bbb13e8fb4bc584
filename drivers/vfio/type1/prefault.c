// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that bring a user's memory in before he pins it.
 *
 * Most of the time that a large guest takes to start goes into clearing its memory, page fault by
 * page fault. So while the caller pins from front to end, kernel threads fault in what comes next.
 * They hold nothing of it: pins, charges, limits and undo are the caller's alone and the same with
 * any number of helpers. What they brought in for nothing is as if the user had touched it.
 *
 * The range is cut into units, and whoever wants to bring one in takes the next number. The caller
 * takes the unit that he is about to pin; if a helper is at it, he brings in another one meanwhile.
 * He waits for helpers only at the end, and that is soon: they never wait for the user's mmap_lock
 * nor for a disk or a user to deliver a page, and they are killed. So they keep to anonymous memory
 * and tmpfs, where nobody asked for the faults, and to what the kernel can do there by itself. (For
 * the kernel a helper may wait: while it moves a page, or makes a hole in the file.)
 *
 * A helper takes the caller's place: on CPUs of this node that he may use, for his memory cgroup,
 * and not beyond his RLIMIT_MEMLOCK. It is in no CPU cgroup of his, whose share and quota it would
 * get around; so it takes only time that nobody else wants. Where he would get other memory than a
 * helper does, nobody helps: a memory policy or cpuset that says where memory comes from, another
 * scheduling class, hugetlbfs, which has a cgroup of its own. There are only so many helpers in
 * all, and one that has nothing to do for long goes, so a caller who stands still keeps none.
 *
 * There is no lock. What a caller and his helpers share is one word each: the next unit is taken
 * by compare and exchange, the others have one writer and are read once.
 */
#include <linux/atomic.h>
#include <linux/cpumask.h>
#include <linux/cpuset.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/magic.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/userfaultfd_k.h>

#include "../fault.h"
#include "type1.h"

/* Bytes of a unit. Tests map a few pages, and want helpers for them. */
#ifdef VFIO_DEBUG
#define UNIT (2 * PAGE_SIZE)
#else
#define UNIT SZ_4M
#endif

/* Bytes that are brought in with mmap_lock held. */
#define PIECE PMD_SIZE

/* Without a word from the administrator: from this size on, so much for each thread. */
#define AUTO_BYTES SZ_64M
#define AUTO_SHARE SZ_32M
#define AUTO_THREADS 16

/* Most threads, whatever the administrator says. */
#define MAX_THREADS 64

/* Units that each helper may be ahead of the caller. */
#define AHEAD 4

/* Jiffies after which a helper without work goes. */
#define IDLE_MAX HZ

/* Microseconds between tries for mmap_lock, twice as many each time; then the unit is left. */
#define PAUSE_MIN 20
#define PAUSE_MAX 10000

/* Faults are counted over this many bytes at most before it is decided again. */
#define LOOK_MAX SZ_1G

#define NO_UNIT ULONG_MAX

static unsigned int pin_threads;
module_param(pin_threads, uint, 0644);
MODULE_PARM_DESC(pin_threads,
		 "Threads that bring in the memory of a large mapping; 1: the caller alone, 0: by size and CPUs (default 0)");

/* Of all callers; as many as may run at the same time are enough. */
static atomic_t nr_helpers = ATOMIC_INIT(0);

/**
 * struct prefault_helper - a kernel thread that helps
 * @task: the thread, a reference; it may have gone
 * @crew: whom it belongs to
 * @unit: what it is at, NO_UNIT: nothing
 * @counted: it is one of nr_helpers
 */
struct prefault_helper {
	struct task_struct *task;
	struct prefault_crew *crew;
	unsigned long unit;
	bool counted;
};

/**
 * struct prefault_crew - the helpers of one caller
 * @mm: whose memory; the caller's, who outlives them
 * @start: first address
 * @end: address behind the last
 * @units: number of units
 * @next: the first unit that nobody has taken
 * @horizon: units from here on have time yet
 * @ended: nothing is to be brought in any more
 * @moved: waits for @horizon
 * @nr: number of @helpers
 * @helpers: the threads
 */
struct prefault_crew {
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	unsigned long units;
	atomic_long_t next;
	unsigned long horizon;
	bool ended;
	wait_queue_head_t moved;
	unsigned int nr;
	struct prefault_helper helpers[];
};

/* Where a unit begins; of the first one, what lies before the crew's start is none of its. */
static unsigned long crew_unit_begin(const struct prefault_crew *crew, unsigned long unit)
{
	return ALIGN_DOWN(crew->start, UNIT) + unit * UNIT;
}

/* Which unit an address from the crew's start on is in. */
static unsigned long crew_unit(const struct prefault_crew *crew, unsigned long vaddr)
{
	return (vaddr - crew_unit_begin(crew, 0)) / UNIT;
}

/* ---- bringing in ---- */

static bool vma_is_tmpfs(const struct vm_area_struct *vma)
{
	const struct inode *inode;

	if (!vma->vm_file)
		return false;
	inode = file_inode(vma->vm_file);
	return S_ISREG(inode->i_mode) && inode->i_sb->s_magic == TMPFS_MAGIC;
}

/* A fault there is nobody's business but the kernel's. */
static bool vma_can_be_brought_in(struct vm_area_struct *vma)
{
	if (vma->vm_flags & (VM_IO | VM_PFNMAP) || userfaultfd_armed(vma))
		return false;
	return vma_is_anonymous(vma) || vma_is_tmpfs(vma);
}

/* Memory is short, or would be with a piece for everybody: the caller alone has to see to that. */
static bool memory_is_short(const struct prefault_crew *crew)
{
	return si_mem_available() < 4 * (crew->nr + 1) * (long)(PIECE >> PAGE_SHIFT);
}

/*
 * Bring in from @addr to before @end what can be. False if somebody wants to change the address
 * space, or if there should be no more help.
 */
static bool bring_piece(struct prefault_crew *crew, unsigned long addr, unsigned long end)
{
	struct mm_struct *mm = crew->mm;
	struct vm_area_struct *vma;
	unsigned long real, pages;
	unsigned int flags;
	long got = 1;

	if (memory_is_short(crew)) {
		WRITE_ONCE(crew->ended, true);
		return false;
	}
	if (!mmap_read_trylock(mm))
		return false;
	flags = memalloc_pin_save();
	while (addr < end && got > 0) {
		real = untagged_addr_remote(mm, addr);
		vma = vma_lookup(mm, real);
		if (!vma || !vma_can_be_brought_in(vma))
			break;
		pages = min(end - addr, vma->vm_end - real) >> PAGE_SHIFT;
		got = get_user_pages(addr, pages, FOLL_WRITE | FOLL_NOWAIT, NULL);
		addr += got << PAGE_SHIFT;
	}
	memalloc_pin_restore(flags);
	mmap_read_unlock(mm);
	if (got == -ENOMEM)
		WRITE_ONCE(crew->ended, true);
	return true;
}

/* False if the crew is done or the address space is busy, and there is more of the unit. */
static bool bring_unit(struct prefault_crew *crew, unsigned long unit, unsigned long *addr)
{
	unsigned long begin = crew_unit_begin(crew, unit);
	unsigned long end = min(begin + UNIT, crew->end);

	*addr = max3(*addr, begin, crew->start);
	while (*addr < end) {
		unsigned long next = min(ALIGN(*addr + 1, PIECE), end);

		if (READ_ONCE(crew->ended) || !bring_piece(crew, *addr, next))
			return false;
		*addr = next;
		cond_resched();
	}
	return true;
}

/* ---- who takes what ---- */

static bool crew_has_work(struct prefault_crew *crew)
{
	return atomic_long_read(&crew->next) < READ_ONCE(crew->horizon);
}

/* The next unit, NO_UNIT if none has to be brought in now. */
static unsigned long crew_take(struct prefault_crew *crew)
{
	long next = atomic_long_read(&crew->next);

	do {
		if (next >= READ_ONCE(crew->horizon))
			return NO_UNIT;
	} while (!atomic_long_try_cmpxchg(&crew->next, &next, next + 1));
	return next;
}

/* The caller takes a unit and leaves none before it; false if it was taken. */
static bool crew_claim(struct prefault_crew *crew, unsigned long unit)
{
	long next = atomic_long_read(&crew->next);

	do {
		if (next > unit)
			return false;
	} while (!atomic_long_try_cmpxchg(&crew->next, &next, unit + 1));
	return true;
}

static bool crew_is_at(const struct prefault_crew *crew, unsigned long unit)
{
	for (unsigned int i = 0; i < crew->nr; i++)
		if (READ_ONCE(crew->helpers[i].unit) == unit)
			return true;
	return false;
}

/* The caller has come to a unit. */
static void crew_follow(struct prefault_crew *crew, unsigned long unit)
{
	unsigned long other, addr = 0;

	WRITE_ONCE(crew->horizon, min(unit + 1 + AHEAD * crew->nr, crew->units));
	wake_up(&crew->moved);
	if (crew_claim(crew, unit))
		return;
	while (crew_is_at(crew, unit) && !fatal_signal_pending(current)) {
		other = crew_take(crew);
		if (other == NO_UNIT || !bring_unit(crew, other, &addr))
			return;
		addr = 0;
	}
}

/* ---- helpers ---- */

static void help(struct prefault_helper *helper, unsigned long unit)
{
	struct prefault_crew *crew = helper->crew;
	unsigned long addr = 0, pause = PAUSE_MIN;

	WRITE_ONCE(helper->unit, unit);
	while (!bring_unit(crew, unit, &addr) && !READ_ONCE(crew->ended) && pause < PAUSE_MAX) {
		usleep_range(pause, 2 * pause);
		pause *= 2;
	}
	WRITE_ONCE(helper->unit, NO_UNIT);
}

/* Room for one more? */
static bool helper_count(struct prefault_helper *helper)
{
	int most = max(2 * num_online_cpus(), min(READ_ONCE(pin_threads), MAX_THREADS));
	int nr = atomic_read(&nr_helpers);

	do {
		if (nr >= most)
			return false;
	} while (!atomic_try_cmpxchg(&nr_helpers, &nr, nr + 1));
	helper->counted = true;
	return true;
}

/* By a helper that goes, or by the caller for one that was stopped before it began. */
static void helper_uncount(struct prefault_helper *helper)
{
	if (xchg(&helper->counted, false))
		atomic_dec(&nr_helpers);
}

static int helper_work(void *data)
{
	struct prefault_helper *helper = data;
	struct prefault_crew *crew = helper->crew;
	struct mem_cgroup *memcg, *former;
	unsigned long unit;

	allow_kernel_signal(SIGKILL);
	kthread_use_mm(crew->mm);
	memcg = get_mem_cgroup_from_mm(crew->mm);
	former = set_active_memcg(memcg);
	while (!READ_ONCE(crew->ended)) {
		unit = crew_take(crew);
		if (unit != NO_UNIT)
			help(helper, unit);
		else if (!wait_event_idle_timeout(crew->moved,
						  READ_ONCE(crew->ended) || crew_has_work(crew),
						  IDLE_MAX))
			break;
	}
	set_active_memcg(former);
	mem_cgroup_put(memcg);
	kthread_unuse_mm(crew->mm);
	helper_uncount(helper);
	return 0;
}

static bool helper_start(struct prefault_helper *helper, const struct cpumask *cpus)
{
	struct task_struct *task;

	if (vfio_should_fail() || !helper_count(helper))
		return false;
	task = kthread_create(helper_work, helper, "vfio-pin/%d", task_pid_nr(current));
	if (IS_ERR(task))
		goto err_count;
	if (set_cpus_allowed_ptr(task, cpus))
		goto err_stop;
	set_user_nice(task, MAX_NICE);
	helper->task = get_task_struct(task);
	wake_up_process(task);
	return true;

err_stop:
	kthread_stop(task);
err_count:
	helper_uncount(helper);
	return false;
}

/* ---- the crew ---- */

/* Does it matter which task brings memory in? */
static bool task_matters(void)
{
#ifdef CONFIG_NUMA
	if (current->mempolicy)
		return true;
#endif
	return current->policy != SCHED_NORMAL ||
	       !nodes_subset(node_states[N_MEMORY], cpuset_current_mems_allowed);
}

/* Pages that the caller may lock yet. */
static unsigned long pages_allowed(void)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long locked = READ_ONCE(current->mm->locked_vm);

	return limit > locked ? limit - locked : 0;
}

/* How many helpers are of use on so many CPUs. */
static unsigned int helpers_wanted(const struct prefault_crew *crew, unsigned int cpus)
{
	unsigned int threads = READ_ONCE(pin_threads);

	if (!threads)
		threads = min3(cpus, AUTO_THREADS,
			       (unsigned int)min((crew->end - crew->start) / AUTO_SHARE, INT_MAX));
	threads = min3((unsigned long)threads, crew->units, MAX_THREADS);
	return threads ? threads - 1 : 0;
}

static struct prefault_crew *crew_start(unsigned long start, unsigned long end,
					const struct cpumask *cpus)
{
	struct prefault_crew plan = { .mm = current->mm, .start = start, .end = end };
	struct prefault_crew *crew;
	unsigned int nr;

	if (start >= end)
		return NULL;
	plan.units = crew_unit(&plan, end - 1) + 1;
	nr = helpers_wanted(&plan, cpumask_weight(cpus));
	if (!nr)
		return NULL;
	crew = kzalloc(struct_size(crew, helpers, nr), GFP_KERNEL_ACCOUNT);
	if (!crew)
		return NULL;
	*crew = plan;
	crew->nr = nr;
	init_waitqueue_head(&crew->moved);
	for (unsigned int i = 0; i < nr; i++)
		crew->helpers[i] = (struct prefault_helper){ .crew = crew, .unit = NO_UNIT };
	/* Without a horizon nobody begins; without a task, a helper is only missing. */
	for (unsigned int i = 0; i < nr && helper_start(&crew->helpers[i], cpus); i++)
		;
	return crew;
}

/* Is that memory that helpers may bring in? Perhaps, if somebody changes the address space. */
static bool help_is_of_use(unsigned long vaddr)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	bool use;

	if (!mmap_read_trylock(mm))
		return true;
	vma = vma_lookup(mm, untagged_addr_remote(mm, vaddr));
	use = vma && vma_can_be_brought_in(vma);
	mmap_read_unlock(mm);
	return use;
}

/* The calls that this task made the memory management answer by faults. */
static unsigned long faults(void)
{
	return current->min_flt + current->maj_flt;
}

static void look_again(struct prefault *ahead, unsigned long vaddr)
{
	ahead->faults = faults();
	ahead->look = vaddr + ahead->interval;
	if (ahead->look < vaddr)
		ahead->look = ULONG_MAX;
	ahead->interval = min(2 * ahead->interval, (unsigned long)LOOK_MAX);
}

/* Get helpers if they are worth it. */
static void prefault_start(struct prefault *ahead, unsigned long vaddr)
{
	cpumask_var_t cpus;

	if (!READ_ONCE(pin_threads) && (faults() == ahead->faults || !help_is_of_use(vaddr))) {
		look_again(ahead, vaddr);
		return;
	}
	ahead->look = ULONG_MAX;
	if (!zalloc_cpumask_var(&cpus, GFP_KERNEL))
		return;
	if (cpumask_and(cpus, cpumask_of_node(numa_node_id()), current->cpus_ptr))
		ahead->crew = crew_start(vaddr, ahead->end, cpus);
	if (ahead->crew)
		ahead->look = vaddr;
	free_cpumask_var(cpus);
}

/**
 * prefault_begin - see what help a caller will want
 * @ahead: to be given back by prefault_end()
 * @vaddr: first address that will be pinned
 * @pages: how many pages
 * @write: devices will write; for other memory there is no help
 * @unlimited: RLIMIT_MEMLOCK does not matter
 *
 * Context: process context of the user.
 */
void prefault_begin(struct prefault *ahead, unsigned long vaddr, unsigned long pages, bool write,
		    bool unlimited)
{
	unsigned int threads = READ_ONCE(pin_threads);
	unsigned long bytes;

	if (!unlimited)
		pages = min(pages, pages_allowed());
	bytes = pages << PAGE_SHIFT;
	*ahead = (struct prefault){ .end = vaddr + bytes, .look = ULONG_MAX };
	if (threads == 1 || !write || bytes < (threads ? 2UL * UNIT : AUTO_BYTES) ||
	    task_matters())
		return;
	ahead->interval = UNIT;
	look_again(ahead, vaddr);
	if (threads)
		ahead->look = vaddr;
}

/**
 * prefault_reach - tell where the caller is
 * @ahead: begun by prefault_begin()
 * @vaddr: next address that will be pinned; never before the last one
 *
 * Context: process context of the user; may sleep.
 * Return: how many pages the caller should pin before he calls again; one at least.
 */
unsigned long prefault_reach(struct prefault *ahead, unsigned long vaddr)
{
	unsigned long unit;

	if (vaddr >= ahead->look && !ahead->crew)
		prefault_start(ahead, vaddr);
	/* Still so only if there is a crew. */
	if (vaddr >= ahead->look) {
		unit = crew_unit(ahead->crew, vaddr);
		ahead->look = crew_unit_begin(ahead->crew, unit + 1);
		crew_follow(ahead->crew, unit);
	}
	return max((ahead->look - vaddr) >> PAGE_SHIFT, 1UL);
}

/**
 * prefault_helped - does anybody help?
 * @ahead: begun by prefault_begin()
 *
 * Context: any.
 * Return: true if others take mmap_lock meanwhile, so that the caller better leaves it alone.
 */
bool prefault_helped(const struct prefault *ahead)
{
	return ahead->crew;
}

/**
 * prefault_dismiss - nothing more is needed
 * @ahead: begun by prefault_begin()
 *
 * Context: process context.
 */
void prefault_dismiss(struct prefault *ahead)
{
	struct prefault_crew *crew = ahead->crew;

	if (!crew)
		return;
	WRITE_ONCE(crew->ended, true);
	wake_up_all(&crew->moved);
	/*
	 * Where one is in the middle of a fault, it is as if its process were killed; and somebody
	 * waits for it now.
	 */
	for (unsigned int i = 0; i < crew->nr && crew->helpers[i].task; i++) {
		set_user_nice(crew->helpers[i].task, task_nice(current));
		send_sig(SIGKILL, crew->helpers[i].task, 1);
	}
}

/**
 * prefault_end - wait until nobody helps any more
 * @ahead: begun by prefault_begin()
 *
 * The caller gives back what he does not keep before he waits.
 *
 * Context: process context of the user; may sleep; holds no lock.
 */
void prefault_end(struct prefault *ahead)
{
	struct prefault_crew *crew = ahead->crew;

	if (!crew)
		return;
	prefault_dismiss(ahead);
	for (unsigned int i = 0; i < crew->nr && crew->helpers[i].task; i++) {
		kthread_stop(crew->helpers[i].task);
		helper_uncount(&crew->helpers[i]);
		put_task_struct(crew->helpers[i].task);
	}
	kfree(crew);
	ahead->crew = NULL;
}

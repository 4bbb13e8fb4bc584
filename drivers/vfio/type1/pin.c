// SPDX-License-Identifier: GPL-2.0-only
/*
 * User addresses become runs of page frames, and back.
 *
 * A pinner walks over user memory in chunks. A chunk is pinned with one call and then handed out as
 * runs; what nobody took is unpinned by pinner_exit(). So whoever takes a run owns its pins, and
 * there is no moment at which a pin has no owner. A chunk is small enough that a killed caller does
 * not notice it.
 *
 * Pages of hugetlbfs are pinned once each and not once for each small page in them.
 *
 * A mapping of a device's memory (a BAR, for transfers between devices) has no pages to pin: its
 * page frames are read from the user's page table. Nothing is held then, so only frames are
 * accepted that the kernel never uses as memory of its own, and the taker has to see to it that
 * they are still the user's when he maps them. All of such memory that lies together is one chunk:
 * it takes no room here, and large pages of the IOMMU can map it. Where the mapping is VFIO's own,
 * one page tells where all the others are.
 */
#define pr_fmt(fmt) "vfio_iommu_type1: " fmt

#include <linux/hugetlb.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../backend.h"
#include "../fault.h"
#include "type1.h"

/* Pages in a chunk: as many pointers as a page holds. */
#define PIN_CHUNK (PAGE_SIZE / sizeof(struct page *))

/* Bytes of hugetlbfs in a chunk, which may have to be cleared first with mmap_lock held. */
#define PIN_HUGE_CHUNK SZ_128M

/* How often a page that cannot be pinned because it is on the move is tried. */
#define PIN_TRIES 6

/**
 * pinner_init - begin to pin memory of the caller
 * @pinner: to be given back by pinner_exit(), also on failure
 * @vaddr: user address, page aligned
 * @pages: number of pages; all of them lie below the end of the address space
 * @write: devices will write
 *
 * Context: process context of the user; may sleep.
 * Return: 0 or -ENOMEM.
 */
int pinner_init(struct pinner *pinner, unsigned long vaddr, unsigned long pages, bool write)
{
	*pinner = (struct pinner){
		.mm = current->mm,
		.vaddr = vaddr,
		.left = pages,
		.most = pages,
		.write = write,
	};
	if (vfio_should_fail())
		return -ENOMEM;
	pinner->room = min(pages, PIN_CHUNK);
	pinner->pages = pinner->few;
	if (pinner->room > ARRAY_SIZE(pinner->few))
		pinner->pages = kmalloc_array(pinner->room, sizeof(*pinner->pages), GFP_KERNEL);
	return pinner->pages ? 0 : -ENOMEM;
}

/**
 * pinner_exit - unpin what nobody took
 * @pinner: begun by pinner_init()
 *
 * Context: process context; may sleep.
 */
void pinner_exit(struct pinner *pinner)
{
	if (pinner->kind != PIN_LENT)
		unpin_user_pages(pinner->pages + (pinner->taken >> pinner->order),
				 (pinner->nr - pinner->taken) >> pinner->order);
	if (pinner->pages != pinner->few)
		kfree(pinner->pages);
}

/*
 * Pin up to @nr pages of memory; how many, or an error. A page in a zone where nothing may stay has
 * to move first, and that fails while somebody else holds it for a moment. The kernel calls this a
 * lack of memory.
 */
static long pin_memory(struct pinner *pinner, unsigned int nr)
{
	unsigned int flags = FOLL_LONGTERM | (pinner->write ? FOLL_WRITE : 0);
	unsigned int try;
	long ret;

	for (try = 0; try < PIN_TRIES; try++) {
		if (try)
			schedule_timeout_killable(msecs_to_jiffies(4 << try));
		if (fatal_signal_pending(current))
			return -EINTR;
		ret = pin_user_pages_fast(pinner->vaddr, nr, flags, pinner->pages);
		/* An address next to the end of the 64-bit space is no user's either. */
		if (!ret || ret == -EOVERFLOW)
			return -EFAULT;
		if (ret != -EAGAIN && ret != -EBUSY && ret != -ENOMEM)
			return ret;
	}
	pr_warn_ratelimited("%*pE[%d]: no memory, or the page at %#lx cannot move to where it can stay\n",
			    caller_length(), current->comm, task_tgid_nr(current),
			    pinner->vaddr);
	return ret;
}

/*
 * As pin_huge(), in one mapping, which does not change while mmap_lock is held. No page of
 * hugetlbfs is ever mapped in part there, nor split, so who holds a piece of it holds all.
 */
static long pin_huge_locked(struct pinner *pinner, struct vm_area_struct *vma, unsigned long addr)
{
	/* What the process has to wait for is left to pin_memory(), which holds no lock. */
	unsigned int flags = FOLL_LONGTERM | FOLL_NOWAIT | (pinner->write ? FOLL_WRITE : 0);
	unsigned long size = vma_kernel_pagesize(vma);
	unsigned long nr, i;

	mmap_assert_locked(pinner->mm);

	nr = min(pinner->left << PAGE_SHIFT, vma->vm_end - addr) / size;
	nr = min3(nr, (unsigned long)pinner->room, max(PIN_HUGE_CHUNK / size, 1UL));
	nr = min(nr, max(pinner->most / (size >> PAGE_SHIFT), 1UL));
	if (!IS_ALIGNED(addr, size) || size >> PAGE_SHIFT > RUN_PAGES_MAX)
		return 0;
	for (i = 0; i < nr; i++) {
		if (pin_user_pages(addr + i * size, 1, flags, &pinner->pages[i]) != 1)
			break;
		/* Whoever wants to change the address space need not wait for the whole chunk. */
		if (mmap_lock_is_contended(pinner->mm)) {
			i++;
			break;
		}
	}
	pinner->order = ilog2(size) - PAGE_SHIFT;
	return i << pinner->order;
}

/*
 * Pin whole pages of hugetlbfs; how many small pages that makes, 0 if there is none or if it takes
 * more to get it, or an error.
 */
static long pin_huge(struct pinner *pinner)
{
	struct vm_area_struct *vma;
	unsigned long addr;
	long ret = 0;

	if (pinner->vaddr < pinner->ordinary || !IS_ALIGNED(pinner->vaddr, PMD_SIZE) ||
	    pinner->left < PMD_SIZE >> PAGE_SHIFT)
		return 0;
	if (mmap_read_lock_killable(pinner->mm))
		return -EINTR;
	addr = untagged_addr_remote(pinner->mm, pinner->vaddr);
	vma = vma_lookup(pinner->mm, addr);
	if (vma && is_vm_hugetlb_page(vma))
		ret = pin_huge_locked(pinner, vma, addr);
	else if (vma)
		pinner->ordinary = pinner->vaddr - addr + vma->vm_end;
	mmap_read_unlock(pinner->mm);
	return ret;
}

/*
 * The page frame of a device at @addr. -EAGAIN if it had to be faulted in and mmap_lock was given
 * up for that: @vma may be gone.
 */
static int device_frame(struct pinner *pinner, struct vm_area_struct *vma, unsigned long addr,
			unsigned long *pfn)
{
	struct follow_pfnmap_args args = { .vma = vma, .address = addr };
	bool writable, unlocked = false;
	int ret;

	mmap_assert_locked(pinner->mm);

	ret = follow_pfnmap_start(&args);
	if (ret) {
		ret = fixup_user_fault(pinner->mm, addr, pinner->write ? FAULT_FLAG_WRITE : 0,
				       &unlocked);
		if (ret)
			return ret;
		if (unlocked)
			return -EAGAIN;
		ret = follow_pfnmap_start(&args);
		if (ret)
			return -EFAULT;
	}
	*pfn = args.pfn;
	writable = args.writable;
	follow_pfnmap_end(&args);

	if (pinner->write && !writable)
		return -EFAULT;
	/* Ordinary memory without a reference could be freed and become anybody's. */
	if (pfn_valid(*pfn) && !PageReserved(pfn_to_page(*pfn)))
		return -EFAULT;
	return 0;
}

/* As device_memory(), once, with mmap_lock held. */
static long device_memory_locked(struct pinner *pinner)
{
	unsigned long addr = untagged_addr_remote(pinner->mm, pinner->vaddr);
	struct vm_area_struct *vma = vma_lookup(pinner->mm, addr);
	unsigned long nr, i, pfn;
	int ret;

	if (!vma || !(vma->vm_flags & (VM_IO | VM_PFNMAP)))
		return -EFAULT;

	ret = device_frame(pinner, vma, addr, &pinner->pfn);
	if (ret)
		return ret;

	nr = min3(pinner->left, (vma->vm_end - addr) >> PAGE_SHIFT,
		  run_room(pinner->pfn));
	if (vfio_vma_is_linear(vma))
		return nr;
	for (i = 1; i < nr && !fatal_signal_pending(current); i++) {
		cond_resched();
		ret = device_frame(pinner, vma, addr + i * PAGE_SIZE, &pfn);
		if (ret || pfn != pinner->pfn + i)
			break;
	}
	return i;
}

/* Find contiguous pages of a device; how many, or an error. */
static long device_memory(struct pinner *pinner)
{
	long ret;

	do {
		if (fatal_signal_pending(current) || mmap_read_lock_killable(pinner->mm))
			return -EINTR;
		ret = device_memory_locked(pinner);
		mmap_read_unlock(pinner->mm);
	} while (ret == -EAGAIN);
	return ret;
}

/**
 * pinner_chunk - pin the next pages
 * @pinner: not at its end, and all runs of the chunk before were taken
 *
 * Context: process context of the user; may sleep; takes mmap_lock of the user.
 * Return: 0, and the chunk has a page at least; -EFAULT for an address that is not the user's, not
 * writable where it has to be, or not fit for devices; -EINTR after a fatal signal; another error
 * of the memory management.
 */
int pinner_chunk(struct pinner *pinner)
{
	long ret;

	cond_resched();
	pinner->nr = 0;
	pinner->taken = 0;

	if (vfio_should_fail())
		return -ENOMEM;
	pinner->kind = PIN_HUGE;
	ret = pin_huge(pinner);
	if (!ret) {
		pinner->kind = PIN_PAGES;
		pinner->order = 0;
		ret = pin_memory(pinner, min3(pinner->left, pinner->most,
					      (unsigned long)pinner->room));
	}
	if (ret == -EFAULT) {
		pinner->kind = PIN_LENT;
		ret = device_memory(pinner);
	}
	if (ret < 0)
		return ret;

	pinner->nr = ret;
	pinner->left -= ret;
	pinner->vaddr += ret << PAGE_SHIFT;
	return 0;
}

/**
 * pinner_run - look at the next run of the chunk
 * @pinner: with a chunk
 * @run: the run, if there is one; its taker adds its pages to @pinner->taken
 *
 * Context: any.
 * Return: false if all of the chunk was taken.
 */
bool pinner_run(const struct pinner *pinner, struct pin_run *run)
{
	unsigned long i = pinner->taken >> pinner->order, end = pinner->nr >> pinner->order;
	unsigned long step = 1UL << pinner->order, next;

	if (pinner->taken == pinner->nr)
		return false;

	run->kind = pinner->kind;
	if (run->kind == PIN_LENT) {
		run->pfn = pinner->pfn + pinner->taken;
		run->pages = pinner->nr - pinner->taken;
		return true;
	}
	run->pfn = page_to_pfn(pinner->pages[i]);
	next = run->pfn + step;
	while (++i < end && next - run->pfn < run_room(run->pfn) &&
	       page_to_pfn(pinner->pages[i]) == next)
		next += step;
	run->pages = next - run->pfn;
	return true;
}

/* A page of hugetlbfs holds the pin where it begins, and keeps its size as long as it does. */
static void unpin_huge(const struct pin_run *run, bool dirty)
{
	unsigned long pfn = run->pfn, step;

	for (; pfn < run->pfn + run->pages; pfn += step) {
		struct page *page = pfn_to_page(pfn);

		step = compound_nr(page);
		unpin_user_page_range_dirty_lock(page, 1, dirty);
		cond_resched();
	}
}

/**
 * pinner_back - forget a chunk of a device, and find it again
 * @pinner: with such a chunk, of which nothing was taken
 *
 * Context: any.
 */
void pinner_back(struct pinner *pinner)
{
	pinner->vaddr -= pinner->nr << PAGE_SHIFT;
	pinner->left += pinner->nr;
	pinner->nr = 0;
}

/**
 * unpin_run - give a run back
 * @run: taken from a pinner; no device can reach it any more
 * @dirty: devices may have written
 *
 * Context: process context; may sleep.
 */
void unpin_run(const struct pin_run *run, bool dirty)
{
	if (run->kind == PIN_HUGE)
		unpin_huge(run, dirty);
	else if (run->kind == PIN_PAGES)
		unpin_user_page_range_dirty_lock(pfn_to_page(run->pfn), run->pages, dirty);
}

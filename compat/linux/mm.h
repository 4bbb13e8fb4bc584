/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _COMPAT_LINUX_MM_H
#define _COMPAT_LINUX_MM_H

#include_next <linux/mm.h>

/* Since 6.3; before, the flags were an ordinary member. */
#ifndef COMPAT_HAS_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#endif

/* Until 6.5 one could ask for the mappings of the pages as well. */
#ifdef COMPAT_HAS_GUP_VMAS
#include <linux/backing-dev.h>
#include <linux/fs.h>
#define pin_user_pages(start, nr, flags, pages) pin_user_pages(start, nr, flags, pages, NULL)
#define get_user_pages(start, nr, flags, pages) get_user_pages(start, nr, flags, pages, NULL)

/*
 * Does a filesystem or a disk want to know when this page, which is pinned, is written to? What is
 * no anonymous memory has a mapping, which may go while we look.
 */
static inline bool page_is_tracked(struct page *page)
{
	struct address_space *mapping;
	struct inode *inode;
	bool tracked = false;

	rcu_read_lock();
	mapping = READ_ONCE(compound_head(page)->mapping);
	if (mapping && !((unsigned long)mapping & PAGE_MAPPING_FLAGS)) {
		inode = mapping->host;
		tracked = inode && (S_ISBLK(inode->i_mode) ||
				    inode->i_sb->s_bdi != &noop_backing_dev_info);
	}
	rcu_read_unlock();
	return tracked;
}

/*
 * Since 6.5 such pages are not pinned for a long time to be written to: nobody would learn of what
 * a device writes, and who unpins them may have to wait for whoever serves the filesystem.
 */
static inline int pin_untracked_pages_fast(unsigned long start, int nr, unsigned int flags,
					   struct page **pages)
{
	int pinned = pin_user_pages_fast(start, nr, flags, pages);
	int good;

	if (pinned <= 0 || !(flags & FOLL_WRITE))
		return pinned;
	for (good = 0; good < pinned; good++) {
		if (page_is_tracked(pages[good]))
			break;
	}
	unpin_user_pages(pages + good, pinned - good);
	return good ? : -EFAULT;
}

#define pin_user_pages_fast(start, nr, flags, pages) \
	pin_untracked_pages_fast(start, nr, flags, pages)
#endif

/* Matters on arm64 only, since 6.9. */
#ifndef VM_ALLOW_ANY_UNCACHED
#define VM_ALLOW_ANY_UNCACHED VM_NONE
#endif

#ifndef PMD_ORDER
#define PMD_ORDER (PMD_SHIFT - PAGE_SHIFT)
#endif

/* A page frame was a pfn_t before 6.16. */
#ifdef COMPAT_HAS_PFN_T
#include <linux/pfn_t.h>
#define vmf_insert_pfn_pmd(vmf, pfn, write) \
	vmf_insert_pfn_pmd(vmf, pfn_to_pfn_t(pfn), write)
#endif

/*
 * A handler of huge faults, where the kernel marks the entries of page tables that have no struct
 * page behind them. Where it does not, other code would take such an entry for memory.
 */
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
#define VM_HUGE_PFNMAP_FAULT(handler) (handler)
#else
#define VM_HUGE_PFNMAP_FAULT(handler) __builtin_choose_expr(0, handler, NULL)
#endif

/* Before 6.12 (or its backport) only page tables of small pages could be looked into, by hand. */
#ifndef COMPAT_HAS_FOLLOW_PFNMAP
struct follow_pfnmap_args {
	struct vm_area_struct *vma;
	unsigned long address;
	spinlock_t *lock; /* of the page table, held in between */
	pte_t *ptep;
	unsigned long pfn;
	bool writable;
};

static inline int follow_pfnmap_start(struct follow_pfnmap_args *args)
{
	pte_t pte;

	if (!(args->vma->vm_flags & (VM_IO | VM_PFNMAP)) ||
	    follow_pte(args->vma->vm_mm, args->address, &args->ptep, &args->lock))
		return -EINVAL;

	pte = *args->ptep;
	args->pfn = pte_pfn(pte);
	args->writable = pte_write(pte);
	return 0;
}

static inline void follow_pfnmap_end(struct follow_pfnmap_args *args)
{
	__acquire(args->lock); /* for sparse, which did not see follow_pte() take it */
	pte_unmap_unlock(args->ptep, args->lock);
}
#endif

#endif

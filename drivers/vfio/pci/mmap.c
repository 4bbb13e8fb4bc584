// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of BARs in user programs.
 *
 * mmap() only notes what is wanted. A page of a BAR enters a page table by a fault, one page or one
 * PMD at a time, while memory_lock says that the device answers; it leaves it in memory.c, before
 * the device stops answering. A touch while it does not answer is SIGBUS, but for hardware that was
 * pulled out: that reads ones.
 *
 * PUD entries are not made: 6.12 takes one for a table when a part of it is unmapped, and crashes.
 *
 * Aliases are mapped write-combining, page by page. The usual way to insert a page gives it the
 * type that x86 keeps for its address, and that is the one of the kernel's own mapping of the BAR.
 */
#include <linux/mm.h>

#include "pci.h"

static vm_fault_t bar_insert(struct vm_fault *vmf, unsigned long pfn, unsigned int order)
{
	if (!order)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	if (order == PMD_ORDER)
		return vmf_insert_pfn_pmd(vmf, pfn, vmf->flags & FAULT_FLAG_WRITE);
	return VM_FAULT_FALLBACK;
}

/**
 * struct alias_entry - an entry of a page table that is to be made
 * @vma: the mapping
 * @pfn: what it shows
 */
struct alias_entry {
	struct vm_area_struct *vma;
	unsigned long pfn;
};

/* The lock of the page table is held. Another thread may have been here before. */
static int alias_set_entry(pte_t *pte, unsigned long address, void *data)
{
	const struct alias_entry *entry = data;

	if (pte_none(*pte))
		set_pte_at(entry->vma->vm_mm, address, pte,
			   pte_mkspecial(pfn_pte(entry->pfn, entry->vma->vm_page_prot)));
	return 0;
}

/* Not inline: what it has on the stack would make every fault dearer. */
static noinline vm_fault_t alias_insert(struct vm_fault *vmf, unsigned long pfn)
{
	struct alias_entry entry = { .vma = vmf->vma, .pfn = pfn };
	int ret;

	ret = apply_to_page_range(vmf->vma->vm_mm, vmf->address, PAGE_SIZE, alias_set_entry,
				  &entry);
	return ret ? VM_FAULT_OOM : VM_FAULT_NOPAGE;
}

/* Index of the region that is mapped */
static unsigned long bar_index(const struct vm_area_struct *vma)
{
	return vma->vm_pgoff >> (VFIO_PCI_OFFSET_SHIFT - PAGE_SHIFT);
}

/* The alias that is mapped; NULL for a BAR, which most are, and need not be searched for. */
static const struct vfio_pci_alias *mapped_alias(const struct vfio_pci_device *vpci,
						 const struct vm_area_struct *vma)
{
	return bar_index(vma) < VFIO_PCI_NR_BARS ? NULL : vfio_pci_alias_at(vpci, bar_index(vma));
}

/**
 * vfio_pci_bar_fault - bring pages of a BAR in
 * @vpci: the device
 * @vmf: the fault, in a mapping of vfio_pci_bar_mmap()
 * @order: 2^@order pages are wanted
 *
 * Context: process context, mmap_lock held; takes memory_lock.
 * Return: as fault handlers do; SIGBUS while the device does not answer.
 */
vm_fault_t vfio_pci_bar_fault(struct vfio_pci_device *vpci, struct vm_fault *vmf,
			      unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long size = PAGE_SIZE << order;
	unsigned long address = ALIGN_DOWN(vmf->address, size);
	const struct vfio_pci_alias *alias = mapped_alias(vpci, vma);
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;

	if (address < vma->vm_start || vma->vm_end - address < size)
		return VM_FAULT_FALLBACK;

	pfn = PHYS_PFN(pci_resource_start(vpci->pdev, alias ? alias->bar : bar_index(vma)));
	pfn += vma->vm_pgoff & (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT);
	pfn += (address - vma->vm_start) >> PAGE_SHIFT;
	if (!IS_ALIGNED(pfn, 1UL << order) || (alias && order))
		return VM_FAULT_FALLBACK;

	/* Someone may reset the device for long: whoever is killed need not wait. */
	/* The recovery from an error needs the lock. */
	if (READ_ONCE(vpci->frozen) && !vfio_pci_is_pulled(vpci))
		return VM_FAULT_SIGBUS;
	if (down_read_killable(&vpci->memory_lock))
		return VM_FAULT_SIGBUS;
	/* A page must not outlive the reference that keeps the device awake. */
	if (vfio_pci_is_pulled(vpci))
		ret = vfio_device_fault_dead(&vpci->vdev, vmf, order);
	else if (vfio_pci_memory_enabled(vpci) && !vpci->vdev.may_sleep)
		ret = alias ? alias_insert(vmf, pfn) : bar_insert(vmf, pfn, order);
	up_read(&vpci->memory_lock);
	return ret;
}

/**
 * vfio_pci_bar_mmap - map a part of a BAR, or of an alias of one
 * @vpci: the device
 * @vma: the mapping; its pgoff is a place in the device fd
 *
 * Context: process context, mmap_lock held for writing.
 * Return: 0; -EINVAL if the region cannot be mapped, for a private mapping, and for what reaches
 * behind the BAR; or why the BAR could not be claimed.
 */
int vfio_pci_bar_mmap(struct vfio_pci_device *vpci, struct vm_area_struct *vma)
{
	const struct vfio_pci_alias *alias = mapped_alias(vpci, vma);
	unsigned long index = alias ? alias->bar : bar_index(vma);
	unsigned long first = vma->vm_pgoff & (VFIO_PCI_OFFSET_MASK >> PAGE_SHIFT);
	struct vfio_pci_bar *bar;

	if (index >= VFIO_PCI_NR_BARS || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	bar = &vpci->bars[index];
	if (bar->error)
		return bar->error;
	if (!bar->can_mmap || first + vma_pages(vma) > PAGE_ALIGN(bar->size) >> PAGE_SHIFT)
		return -EINVAL;

	vma->vm_page_prot = pgprot_decrypted(alias ? pgprot_writecombine(vma->vm_page_prot) :
						     pgprot_noncached(vma->vm_page_prot));
	vm_flags_set(vma, VM_ALLOW_ANY_UNCACHED | VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a device in the page tables of its users.
 *
 * A page comes in by a fault, which goes through the gate to the driver. Once the gate is closed
 * all pages are taken out, and what comes in from then on is the device's dead page: a program
 * reads ones in every byte, as it would from hardware that was pulled out, and what it writes goes
 * nowhere. It gets no SIGBUS, which would end programs that only poll a register.
 *
 * No processor can write to memory without leaving something there, so the dead page is wiped ten
 * times a second as long as somebody maps it. Each device has one of its own: who sees what was
 * written meanwhile had the same device.
 *
 * This file owns the dead page and the operations of these mappings. They hold the device's file,
 * and that the device's struct, but nothing of the driver.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/string.h>

#include "backend.h"
#include "gate.h"
#include "vfio.h"

#define WIPE_INTERVAL (HZ / 10)

/* ---- the dead page ---- */

static void dead_page_wipe(struct work_struct *work)
{
	struct vfio_dead_page *dead = container_of(work, struct vfio_dead_page, wipe.work);
	struct vfio_device *device = container_of(dead, struct vfio_device, dead_page);
	void *address = page_address(dead->page);

	if (memchr_inv(address, 0xff, PAGE_SIZE))
		memset(address, 0xff, PAGE_SIZE);
	if (mapping_mapped(device->inode->i_mapping))
		queue_delayed_work(system_unbound_wq, &dead->wipe, WIPE_INTERVAL);
}

/**
 * vfio_dead_page_init - make a device's dead page
 * @dead: part of the device; to be given to vfio_dead_page_exit()
 *
 * Made with the device, so that taking the device back needs no memory.
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int vfio_dead_page_init(struct vfio_dead_page *dead)
{
	INIT_DELAYED_WORK(&dead->wipe, dead_page_wipe);
	dead->page = alloc_page(GFP_KERNEL);
	if (!dead->page)
		return -ENOMEM;
	memset(page_address(dead->page), 0xff, PAGE_SIZE);
	return 0;
}

/**
 * vfio_dead_page_exit - free a device's dead page
 * @dead: no mapping is left
 *
 * Context: process context; may sleep.
 */
void vfio_dead_page_exit(struct vfio_dead_page *dead)
{
	cancel_delayed_work_sync(&dead->wipe);
	__free_page(dead->page);
}

/**
 * vfio_device_fault_dead - have a program read ones where a device does not answer any more
 * @device: the device
 * @vmf: the fault
 * @order: 2^@order pages are wanted
 *
 * For the faults of a driver whose hardware is gone; after the revocation the core does it itself.
 * The page is ordinary memory without a reference: it lives as long as the mapping's file.
 *
 * Context: process context, mmap_lock held.
 * Return: as fault handlers do.
 */
vm_fault_t vfio_device_fault_dead(struct vfio_device *device, struct vm_fault *vmf,
				  unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;

	if (order)
		return VM_FAULT_FALLBACK;
	/* This mapping may have come just after the others were counted. */
	queue_delayed_work(system_unbound_wq, &device->dead_page.wipe, WIPE_INTERVAL);
	return vmf_insert_pfn_prot(vma, vmf->address, page_to_pfn(device->dead_page.page),
				   vm_get_page_prot(vma->vm_flags));
}
EXPORT_SYMBOL_NS_GPL(vfio_device_fault_dead, VFIO_NS);

/* ---- mappings ---- */

static vm_fault_t device_fault_order(struct vm_fault *vmf, unsigned int order)
{
	struct vfio_device *device = vmf->vma->vm_private_data;
	vm_fault_t ret;

	if (!vfio_gate_enter(&device->gate)) {
		/* A visitor may put a large page here yet: a small one would be in its way. */
		while (!vfio_gate_is_empty(&device->gate)) {
			if (fatal_signal_pending(current))
				return VM_FAULT_SIGBUS;
			schedule_timeout_killable(1);
		}
		return vfio_device_fault_dead(device, vmf, order);
	}
	ret = device->ops->fault(device, vmf, order);
	vfio_gate_leave(&device->gate);
	return ret;
}

static vm_fault_t device_fault(struct vm_fault *vmf)
{
	return device_fault_order(vmf, 0);
}

static const struct vm_operations_struct device_vm_ops = {
	.fault = device_fault,
	.huge_fault = VM_HUGE_PFNMAP_FAULT(device_fault_order),
};

/**
 * vfio_device_mmap - map memory of a device
 * @device: open; the caller is inside its gate
 * @vma: the mapping, of a file of the device
 *
 * Context: process context, mmap_lock held for writing.
 * Return: 0, -EINVAL for a driver that has nothing to map, or the driver's error.
 */
int vfio_device_mmap(struct vfio_device *device, struct vm_area_struct *vma)
{
	int ret;

	if (!device->ops->mmap || !device->ops->fault)
		return -EINVAL;
	ret = device->ops->mmap(device, vma);
	if (ret)
		return ret;
	vma->vm_private_data = device;
	vma->vm_ops = &device_vm_ops;
	return 0;
}

/**
 * vfio_vma_is_linear - do all pages of a mapping follow from one?
 * @vma: any mapping of a process
 *
 * A page that is the device's own, and not the dead page, lies in the device as far from all others
 * of the mapping as in the mapping, whether these are in a page table or not.
 *
 * Context: mmap_lock held.
 */
bool vfio_vma_is_linear(const struct vm_area_struct *vma)
{
	return vma->vm_ops == &device_vm_ops;
}
EXPORT_SYMBOL_NS_GPL(vfio_vma_is_linear, VFIO_NS);

/**
 * vfio_device_unmap_all - replace all mappings of a device by its dead page
 * @device: its gate is closed
 *
 * Context: process context; may sleep; takes no mmap_lock, so it waits for no user.
 */
void vfio_device_unmap_all(struct vfio_device *device)
{
	struct address_space *mapping = device->inode->i_mapping;

	unmap_mapping_range(mapping, 0, 0, 1);
	if (mapping_mapped(mapping))
		queue_delayed_work(system_unbound_wq, &device->dead_page.wipe, WIPE_INTERVAL);
}

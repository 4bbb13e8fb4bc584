// SPDX-License-Identifier: GPL-2.0-only
/*
 * The type1 backend: memory of users for devices behind an IOMMU.
 *
 * This file owns the edge: the operations that the container calls, the ioctls and their arguments,
 * and what is told about the container. All numbers of the user are checked here and are kernel
 * values from here on. Module parameters are declared where they are obeyed.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "../backend.h"
#include "../fault.h"
#include "../reason.h"
#include "trace.h"
#include "type1.h"

static void *type1_open(unsigned long type, u64 container, struct vfio_reason *reason)
{
	struct type1_iommu *iommu;

	if (type != VFIO_TYPE1_IOMMU && type != VFIO_TYPE1v2_IOMMU)
		return ERR_PTR(-EINVAL);

	iommu = kzalloc(sizeof(*iommu), GFP_KERNEL_ACCOUNT);
	if (!iommu)
		return ERR_PTR(-ENOMEM);
	if (iova_set_init(&iommu->ranges)) {
		kfree(iommu);
		return ERR_PTR(-ENOMEM);
	}
	iommu->container = container;
	iommu->reason = reason;
	iommu->v2 = type == VFIO_TYPE1v2_IOMMU;
	iommu->pgsizes = PAGE_MASK;
	iommu->lent_first = ULONG_MAX;
	iommu->mappings = RB_ROOT;
	INIT_LIST_HEAD(&iommu->domains);
	init_rwsem(&iommu->domains_lock);
	mutex_init(&iommu->lock);
	payer_init(&iommu->payer);
	init_waitqueue_head(&iommu->changed);
	type1_debugfs_add(iommu);
	return iommu;
}

static void type1_release(void *instance)
{
	struct type1_iommu *iommu = instance;

	type1_debugfs_remove(iommu);
	/* The last group took all mappings with it, and the last ioctl its orphan. */
	WARN_ON_ONCE(!list_empty(&iommu->domains) || !RB_EMPTY_ROOT(&iommu->mappings));
	payer_exit(&iommu->payer);
	iova_set_free(&iommu->ranges);
	kfree(iommu);
}

/* ---- VFIO_CHECK_EXTENSION ---- */

static bool has_always(const struct type1_iommu *iommu)
{
	return true;
}

static bool has_when_open(const struct type1_iommu *iommu)
{
	return iommu;
}

static bool has_coherency(const struct type1_iommu *iommu)
{
	return iommu && domains_coherent(iommu);
}

static const struct type1_extension {
	unsigned long number;
	bool (*has)(const struct type1_iommu *iommu);
} type1_extensions[] = {
	{ VFIO_TYPE1_IOMMU, has_always },
	{ VFIO_TYPE1v2_IOMMU, has_always },
	{ VFIO_UNMAP_ALL, has_always },
	{ VFIO_UPDATE_VADDR, has_when_open },
	{ VFIO_DMA_CC_IOMMU, has_coherency },
};

static long type1_extension(void *instance, unsigned long number)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(type1_extensions); i++) {
		if (type1_extensions[i].number == number)
			return type1_extensions[i].has(instance);
	}
	return 0;
}

/* ---- VFIO_IOMMU_GET_INFO ---- */

static int add_migration(struct type1_iommu *iommu, struct vfio_info_caps *caps)
{
	struct vfio_iommu_type1_info_cap_migration *cap;

	cap = vfio_info_cap_add(caps, sizeof(*cap), VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 1);
	if (IS_ERR(cap))
		return PTR_ERR(cap);
	cap->pgsize_bitmap = type1_pgsize(iommu);
	cap->max_dirty_bitmap_size = DIRTY_BITMAP_MAX_BYTES;
	return 0;
}

static int add_dma_avail(struct type1_iommu *iommu, struct vfio_info_caps *caps)
{
	struct vfio_iommu_type1_info_dma_avail *cap;

	cap = vfio_info_cap_add(caps, sizeof(*cap), VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, 1);
	if (IS_ERR(cap))
		return PTR_ERR(cap);
	cap->avail = mappings_left(iommu);
	return 0;
}

static int add_iova_ranges(struct type1_iommu *iommu, struct vfio_info_caps *caps)
{
	const struct iova_set *ranges = &iommu->ranges;
	struct vfio_iommu_type1_info_cap_iova_range *cap;
	unsigned int i;

	if (!ranges->nr)
		return 0;
	cap = vfio_info_cap_add(caps, struct_size(cap, iova_ranges, ranges->nr),
				VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, 1);
	if (IS_ERR(cap))
		return PTR_ERR(cap);
	cap->nr_iovas = ranges->nr;
	for (i = 0; i < ranges->nr; i++) {
		cap->iova_ranges[i].start = ranges->ranges[i].start;
		cap->iova_ranges[i].end = ranges->ranges[i].last;
	}
	return 0;
}

static int (*const info_caps[])(struct type1_iommu *iommu, struct vfio_info_caps *caps) = {
	add_migration, add_dma_avail, add_iova_ranges,
};

static long type1_get_info(void *owner, struct vfio_call *call)
{
	struct vfio_iommu_type1_info *info = call->data;
	struct type1_iommu *iommu = owner;
	unsigned int i;
	int ret = 0;

	mutex_lock(&iommu->lock);
	info->flags = VFIO_IOMMU_INFO_PGSIZES | VFIO_IOMMU_INFO_CAPS;
	info->iova_pgsizes = iommu->pgsizes;
	for (i = 0; i < ARRAY_SIZE(info_caps) && !ret; i++)
		ret = info_caps[i](iommu, &call->caps);
	mutex_unlock(&iommu->lock);
	return ret;
}

/* ---- mappings ---- */

/* -EINVAL with a note of why. */
#define refuse(iommu, ...) (vfio_reason_note((iommu)->reason, __VA_ARGS__), -EINVAL)

static int check_aligned(struct type1_iommu *iommu, const char *what, u64 bits)
{
	unsigned long pgsize = type1_pgsize(iommu);

	if (IS_ALIGNED(bits, pgsize))
		return 0;
	return refuse(iommu, "%s must be multiples of %lu", what, pgsize);
}

static int make_range(struct type1_iommu *iommu, const char *what, u64 start, u64 size, u64 *last)
{
	int ret = range_make(start, size, last);

	if (ret == -EINVAL)
		vfio_reason_note(iommu->reason, "size is 0");
	else if (ret)
		vfio_reason_note(iommu->reason, "%s %#llx and size %#llx run past the last address",
				 what, start, size);
	return ret;
}

/* Can a bitmap hold the pages of @size bytes, of which only the smallest are tracked? */
static int check_bitmap(struct type1_iommu *iommu, const struct vfio_bitmap *bitmap, u64 size)
{
	unsigned long pgsize = type1_pgsize(iommu);
	u64 pages = size >> __ffs(pgsize);
	u64 least = ALIGN(pages, BITS_PER_TYPE(u64)) / BITS_PER_BYTE;

	if (bitmap->pgsize != pgsize)
		return refuse(iommu, "the bitmap's pgsize must be %lu", pgsize);
	if (!pages)
		return refuse(iommu, size ? "size is less than a page" : "size is 0");
	if (bitmap->size < least || bitmap->size > DIRTY_BITMAP_MAX_BYTES)
		return refuse(iommu, "the bitmap has %llu bytes, it may have %llu to %llu",
			      (u64)bitmap->size, least, DIRTY_BITMAP_MAX_BYTES);
	if (!access_ok(bitmap->data, bitmap->size))
		return refuse(iommu, "the bitmap lies where no user's memory can be");
	return 0;
}

#define MAP_ACCESS (VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)

static int check_map(struct type1_iommu *iommu, const struct vfio_iommu_type1_dma_map *map)
{
	bool set_vaddr = map->flags & VFIO_DMA_MAP_FLAG_VADDR;
	u64 last;
	int ret;

	ret = make_range(iommu, "iova", map->iova, map->size, &last);
	if (!ret)
		ret = make_range(iommu, "vaddr", map->vaddr, map->size, &last);
	if (ret)
		return ret;
	if (set_vaddr == !!(map->flags & MAP_ACCESS))
		return refuse(iommu, "flags need READ or WRITE, or VADDR and neither");
	return check_aligned(iommu, "vaddr, iova and size", map->vaddr | map->iova | map->size);
}

static long type1_map_dma(void *owner, struct vfio_call *call)
{
	const struct vfio_iommu_type1_dma_map *map = call->data;
	bool set_vaddr = map->flags & VFIO_DMA_MAP_FLAG_VADDR;
	struct iova_range range = { map->iova, map->iova + map->size - 1 };
	struct type1_iommu *iommu = owner;
	int ret, prot = IOMMU_CACHE;

	ret = check_map(iommu, map);
	if (ret && !set_vaddr)
		trace_dma_map(iommu, &range, NULL, 0, ret);
	if (ret)
		return ret;

	if (set_vaddr)
		return mapping_set_vaddr(iommu, &range, map->vaddr);
	if (map->flags & VFIO_DMA_MAP_FLAG_READ)
		prot |= IOMMU_READ;
	if (map->flags & VFIO_DMA_MAP_FLAG_WRITE)
		prot |= IOMMU_WRITE;
	return mapping_create(iommu, &range, map->vaddr, prot);
}

/* The range of an unmap: all there is, or what the user says. */
static int unmap_range(struct type1_iommu *iommu, const struct vfio_iommu_type1_dma_unmap *unmap,
		       struct iova_range *range)
{
	int ret;

	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_ALL) {
		if (unmap->iova || unmap->size)
			return refuse(iommu, "with flag ALL, iova and size must be 0");
		*range = iova_everything;
		return 0;
	}
	ret = check_aligned(iommu, "iova and size", unmap->iova | unmap->size);
	if (ret)
		return ret;
	range->start = unmap->iova;
	return make_range(iommu, "iova", unmap->iova, unmap->size, &range->last);
}

#define UNMAP_SPECIAL (VFIO_DMA_UNMAP_FLAG_ALL | VFIO_DMA_UNMAP_FLAG_VADDR)

static long type1_unmap_dma(void *owner, struct vfio_call *call)
{
	struct vfio_iommu_type1_dma_unmap *unmap = call->data;
	bool report = unmap->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP;
	struct type1_iommu *iommu = owner;
	const struct vfio_bitmap *bitmap = NULL;
	struct iova_range range;
	u64 bytes;
	int ret;

	if (report && unmap->flags & UNMAP_SPECIAL)
		return refuse(iommu, "flag GET_DIRTY_BITMAP goes with no other");
	if (report) {
		bitmap = vfio_call_tail(call, sizeof(*bitmap));
		if (IS_ERR(bitmap))
			return PTR_ERR(bitmap);
		ret = check_bitmap(iommu, bitmap, unmap->size);
		if (ret)
			return ret;
	}
	ret = unmap_range(iommu, unmap, &range);
	if (ret)
		return ret;

	if (unmap->flags & VFIO_DMA_UNMAP_FLAG_VADDR)
		ret = mappings_drop_vaddr(iommu, &range, &bytes);
	else
		ret = mappings_unmap(iommu, &range, bitmap, &bytes);
	unmap->size = bytes;
	return ret;
}

/* ---- VFIO_IOMMU_DIRTY_PAGES ---- */

static int dirty_get(struct type1_iommu *iommu, struct vfio_call *call)
{
	const struct vfio_iommu_type1_dirty_bitmap_get *get;
	struct iova_range range;
	int ret;

	get = vfio_call_tail(call, sizeof(*get));
	if (IS_ERR(get))
		return PTR_ERR(get);
	ret = make_range(iommu, "iova", get->iova, get->size, &range.last);
	if (!ret)
		ret = check_aligned(iommu, "iova and size", get->iova | get->size);
	if (!ret)
		ret = check_bitmap(iommu, &get->bitmap, get->size);
	if (ret)
		return ret;
	range.start = get->iova;
	return mappings_dirty(iommu, &range, &get->bitmap);
}

static int dirty_switch(struct type1_iommu *iommu, bool on)
{
	mutex_lock(&iommu->lock);
	WRITE_ONCE(iommu->dirty_tracking, on);
	mutex_unlock(&iommu->lock);
	return 0;
}

static int dirty_admit(void *owner)
{
	struct type1_iommu *iommu = owner;

	if (iommu->v2)
		return 0;
	vfio_reason_note(iommu->reason, "needs VFIO_TYPE1v2_IOMMU");
	return -EACCES;
}

static long type1_dirty_pages(void *owner, struct vfio_call *call)
{
	const struct vfio_iommu_type1_dirty_bitmap *dirty = call->data;
	struct type1_iommu *iommu = owner;

	if (dirty->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP)
		return dirty_get(iommu, call);
	if (dirty->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START)
		return dirty_switch(iommu, true);
	if (dirty->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP)
		return dirty_switch(iommu, false);
	return refuse(iommu, "flags must be one of START, STOP and GET_BITMAP");
}

static const struct vfio_ioctl type1_ioctls[] = {
	{
		.cmd = VFIO_IOMMU_GET_INFO,
		.min = offsetofend(struct vfio_iommu_type1_info, iova_pgsizes),
		.back = sizeof(struct vfio_iommu_type1_info),
		.cap_offset = offsetof(struct vfio_iommu_type1_info, cap_offset),
		.flags = ~0,
		.handler = type1_get_info,
	}, {
		.cmd = VFIO_IOMMU_MAP_DMA,
		.min = sizeof(struct vfio_iommu_type1_dma_map),
		.flags = MAP_ACCESS | VFIO_DMA_MAP_FLAG_VADDR,
		.handler = type1_map_dma,
	}, {
		.cmd = VFIO_IOMMU_UNMAP_DMA,
		.min = offsetof(struct vfio_iommu_type1_dma_unmap, data),
		.back = offsetof(struct vfio_iommu_type1_dma_unmap, data),
		.tail = sizeof(struct vfio_bitmap),
		.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP | UNMAP_SPECIAL,
		.handler = type1_unmap_dma,
	}, {
		.cmd = VFIO_IOMMU_DIRTY_PAGES,
		.min = offsetof(struct vfio_iommu_type1_dirty_bitmap, data),
		.tail = sizeof(struct vfio_iommu_type1_dirty_bitmap_get),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START |
			 VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP |
			 VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.admit = dirty_admit,
		.handler = type1_dirty_pages,
	},
};

static long type1_ioctl(void *instance, unsigned int cmd, unsigned long arg)
{
	struct type1_iommu *iommu = instance;

	return vfio_ioctl_dispatch(type1_ioctls, ARRAY_SIZE(type1_ioctls), iommu, iommu->reason,
				   cmd, arg);
}

static void type1_withdraw(void *instance, phys_addr_t start, phys_addr_t last)
{
	mappings_withdraw(instance, PHYS_PFN(start), PHYS_PFN(last));
}

static const struct vfio_backend_ops type1_ops = {
	.owner = THIS_MODULE,
	.open = type1_open,
	.release = type1_release,
	.extension = type1_extension,
	.attach = type1_attach,
	.detach = type1_detach,
	.withdraw = type1_withdraw,
	.fdinfo = type1_fdinfo,
	.ioctl = type1_ioctl,
};

static struct vfio_backend type1_backend = { .ops = &type1_ops };

static int __init type1_init(void)
{
	vfio_register_backend(&type1_backend);
	return 0;
}

static void __exit type1_exit(void)
{
	vfio_unregister_backend(&type1_backend);
	accounts_exit();
}

module_init(type1_init);
module_exit(type1_exit);

MODULE_DESCRIPTION("VFIO: memory of users for devices behind an IOMMU");
MODULE_AUTHOR("The VFIO Standalone maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_VERSION);
MODULE_IMPORT_NS(VFIO_NS);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * floor.ko: what mapping memory for devices costs at least, by the calls that a module can make.
 *
 * "ADDRESS PAGES", written to /sys/kernel/debug/vfio_floor, maps this memory of the writer and
 * unmaps it again: pin a chunk, scan it for runs, map a batch of runs; then one unmap for all, and
 * unpin by run. Nothing else is done: no accounting, no locks, no tree, nothing for the case that
 * a page cannot be had. What the file reads is "MAP UNMAP RUNS": nanoseconds of both halves, and
 * how many runs there were.
 *
 * The domain is the module's own, and the second "edu" device of the machine is attached to it, so
 * that there is an IOTLB to be synchronised.
 */
#include <linux/debugfs.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

#define CHUNK		(PAGE_SIZE / sizeof(struct page *))
#define BATCH		(PAGE_SIZE / sizeof(struct scatterlist))
#define IOVA		SZ_4G

/**
 * struct floor_run - physically contiguous pages
 * @pfn: the first
 * @pages: how many
 */
struct floor_run {
	unsigned long pfn;
	unsigned long pages;
};

static struct iommu_domain *domain;
static struct iommu_group *group;
static struct dentry *file;

static DEFINE_MUTEX(lock); /* of all below */
static struct page *pages[CHUNK];
static struct scatterlist sg[BATCH];
static struct floor_run *runs;
static unsigned long nr_runs;
static u64 map_ns, unmap_ns;

/* Map @nr runs from @first on at @iova; bytes, or an error. */
static ssize_t map_batch(const struct floor_run *first, unsigned int nr, u64 iova)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		sg_set_page(&sg[i], pfn_to_page(first[i].pfn), first[i].pages << PAGE_SHIFT, 0);
	return iommu_map_sg(domain, iova, sg, nr, IOMMU_READ | IOMMU_WRITE | IOMMU_CACHE,
			    GFP_KERNEL);
}

static void add_page(unsigned long pfn)
{
	struct floor_run *last = nr_runs ? &runs[nr_runs - 1] : NULL;

	if (last && last->pfn + last->pages == pfn && last->pages < SZ_1G >> PAGE_SHIFT) {
		last->pages++;
		return;
	}
	runs[nr_runs++] = (struct floor_run){ pfn, 1 };
}

/* Bytes that were mapped. All pages that are in runs are pinned, whatever happens. */
static size_t floor_map(unsigned long address, unsigned long left)
{
	unsigned long mapped_runs = 0;
	size_t mapped = 0;
	ssize_t size;
	long got, i;

	while (left) {
		got = pin_user_pages_fast(address, min(left, CHUNK), FOLL_WRITE | FOLL_LONGTERM,
					  pages);
		if (got <= 0)
			break;
		for (i = 0; i < got; i++)
			add_page(page_to_pfn(pages[i]));
		left -= got;
		address += got << PAGE_SHIFT;

		while (nr_runs - mapped_runs > (left ? BATCH : 0)) {
			unsigned long nr = min(nr_runs - mapped_runs, BATCH);

			size = map_batch(runs + mapped_runs, nr, IOVA + mapped);
			if (size <= 0)
				return mapped;
			mapped_runs += nr;
			mapped += size;
		}
	}
	return mapped;
}

static void floor_unmap(size_t mapped)
{
	unsigned long i;

	if (mapped)
		iommu_unmap(domain, IOVA, mapped);
	for (i = 0; i < nr_runs; i++)
		unpin_user_page_range_dirty_lock(pfn_to_page(runs[i].pfn), runs[i].pages, true);
}

static int measure(unsigned long address, unsigned long nr)
{
	u64 begin, middle;
	size_t mapped;

	runs = kvmalloc_array(nr, sizeof(*runs), GFP_KERNEL | __GFP_ZERO);
	if (!runs)
		return -ENOMEM;
	nr_runs = 0;

	begin = ktime_get_ns();
	mapped = floor_map(address, nr);
	middle = ktime_get_ns();
	floor_unmap(mapped);
	unmap_ns = ktime_get_ns() - middle;
	map_ns = middle - begin;
	kvfree(runs);
	return mapped == nr << PAGE_SHIFT ? 0 : -EIO;
}

static ssize_t floor_write(struct file *filp, const char __user *data, size_t size, loff_t *at)
{
	unsigned long address, nr;
	char text[64] = "";
	int ret;

	if (size >= sizeof(text) || copy_from_user(text, data, size))
		return -EFAULT;
	if (sscanf(text, "%lu %lu", &address, &nr) != 2 || !nr)
		return -EINVAL;
	mutex_lock(&lock);
	ret = measure(address, nr);
	mutex_unlock(&lock);
	return ret ? ret : size;
}

static ssize_t floor_read(struct file *filp, char __user *data, size_t size, loff_t *at)
{
	char text[96];
	int length;

	length = scnprintf(text, sizeof(text), "%llu %llu %lu\n", map_ns, unmap_ns, nr_runs);
	return simple_read_from_buffer(data, size, at, text, length);
}

static const struct file_operations floor_fops = {
	.owner = THIS_MODULE,
	.read = floor_read,
	.write = floor_write,
};

static int __init floor_init(void)
{
	struct pci_dev *first, *pdev;
	int ret;

	first = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	pdev = pci_get_device(EDU_VENDOR, EDU_DEVICE, first);
	if (!pdev)
		return -ENODEV;
	group = iommu_group_get(&pdev->dev);
	domain = group ? iommu_paging_domain_alloc(&pdev->dev) : ERR_PTR(-ENODEV);
	pci_dev_put(pdev);
	ret = PTR_ERR_OR_ZERO(domain);
	if (ret)
		goto err_group;
	ret = iommu_attach_group(domain, group);
	if (ret)
		goto err_domain;
	sg_init_table(sg, BATCH);
	file = debugfs_create_file("vfio_floor", 0600, NULL, NULL, &floor_fops);
	return 0;

err_domain:
	iommu_domain_free(domain);
err_group:
	iommu_group_put(group);
	return ret;
}

static void __exit floor_exit(void)
{
	debugfs_remove(file);
	iommu_detach_group(domain, group);
	iommu_domain_free(domain);
	iommu_group_put(group);
}

module_init(floor_init);
module_exit(floor_exit);

MODULE_DESCRIPTION("What mapping memory for devices costs at least");
MODULE_AUTHOR("The VFIO Standalone maintainers");
MODULE_LICENSE("GPL");

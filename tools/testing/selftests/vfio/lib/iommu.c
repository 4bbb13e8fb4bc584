// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of a container, its information chain, and memory to map.
 */
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

#define ECAP_SNOOP_CONTROL 0x80

int dma_map(int container, __u32 flags, const void *vaddr, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = flags,
		.vaddr = (uintptr_t)vaddr,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

int dma_map_rw(int container, const void *vaddr, __u64 iova, __u64 size)
{
	return dma_map(container, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE, vaddr, iova,
		       size);
}

/* Returns the bytes unmapped. */
long long dma_unmap(int container, __u32 flags, __u64 iova, __u64 size)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.flags = flags,
		.iova = iova,
		.size = size,
	};

	if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
		return -1;
	return unmap.size;
}

int iommu_info(int container, struct iommu_info *info)
{
	memset(info, 0, sizeof(*info));
	info->head.argsz = sizeof(info->data);
	if (ioctl(container, VFIO_IOMMU_GET_INFO, &info->data))
		return -1;
	info->size = sizeof(info->data);
	return 0;
}

/* A capability of the chain in an info struct of @size bytes, NULL if it is not there. */
const void *chain_find(const void *info, __u32 size, __u32 first, __u16 id)
{
	const struct vfio_info_cap_header *cap;
	int links = 0;

	for (__u32 at = first; at && links < 32; at = cap->next, links++) {
		if (at + sizeof(*cap) > size)
			return NULL;
		cap = (const void *)((const char *)info + at);
		if (cap->id == id)
			return cap;
	}
	return NULL;
}

/* How many more mappings the container takes. */
long dma_available(int container)
{
	const struct vfio_iommu_type1_info_dma_avail *cap;
	struct iommu_info info;

	if (iommu_info(container, &info))
		return -1;
	cap = chain_find(info.data, info.size, info.head.cap_offset,
			 VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL);
	if (!cap) {
		errno = ENOENT;
		return -1;
	}
	return cap->avail;
}

/* Locked memory that is charged to a process, in KiB. */
long locked_kib_of(pid_t pid)
{
	char path[32], line[128];
	FILE *status;
	long kib = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	status = fopen(path, "r");
	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmLck: %ld", &kib) == 1)
			break;
	if (status)
		fclose(status);
	return kib;
}

long locked_kib(void)
{
	return locked_kib_of(getpid());
}

/*
 * Waits until this process has that much locked. An unmap has counted its own user's memory back
 * when it returns; a group that leaves counts what it can, and a work the rest.
 */
bool locked_becomes(long kib)
{
	for (int tries = 0; tries < PATIENCE_MS / 10; tries++, usleep(10000))
		if (locked_kib() == kib)
			return true;
	return false;
}

/* Memory of small pages, zeroed, not there until it is touched. */
void *memory_new(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

/* Memory of 2 MiB pages; asks the kernel for them first. NULL if there are none. */
void *memory_huge(size_t size)
{
	void *memory;

	file_write("/proc/sys/vm/nr_hugepages", "16");
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

/* Starts and stops the tracking of dirty pages. */
int dirty_switch(int container, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = flags,
	};

	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

/* The bitmap of a range, into @data of so many bytes. */
int dirty_get(int container, __u64 iova, __u64 size, __u64 pgsize, void *data, __u64 bytes)
{
	union {
		struct vfio_iommu_type1_dirty_bitmap head;
		__u8 room[sizeof(struct vfio_iommu_type1_dirty_bitmap) +
			  sizeof(struct vfio_iommu_type1_dirty_bitmap_get)];
	} request = {
		.head = {
			.argsz = sizeof(request),
			.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		},
	};
	struct vfio_iommu_type1_dirty_bitmap_get get = {
		.iova = iova,
		.size = size,
		.bitmap = { .pgsize = pgsize, .size = bytes, .data = data },
	};

	memcpy(request.head.data, &get, sizeof(get));
	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &request);
}

/* Can the IOMMU? As its register says, by sysfs: 1 or 0; -1 where there is no such IOMMU. */
int iommu_enforces_coherency(void)
{
	char text[32];
	int answer = -1;
	glob_t found;

	if (glob("/sys/class/iommu/dmar*/intel-iommu/ecap", 0, NULL, &found))
		return -1;
	if (!file_read(found.gl_pathv[0], text, sizeof(text)))
		answer = !!(strtoull(text, NULL, 16) & ECAP_SNOOP_CONTROL);
	globfree(&found);
	return answer;
}

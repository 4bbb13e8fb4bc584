// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why a call on a container failed, as its fdinfo tells: command, errno and a sentence that tells
 * the rules apart which share the errno.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define RW	(VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE)
#define ROUNDS	100
#define LARGE	(8 * MIB)
#define MODPROBE "/proc/sys/kernel/modprobe"
#define ENTRY_LIMIT "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"

FIXTURE(reason)
{
	struct client c;
	char *memory;
	char text[256];
};

FIXTURE_SETUP(reason)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
	self->memory = memory_new(16 * PAGE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(reason)
{
	client_close(&self->c);
}

static int attach(const struct client *c, int type)
{
	if (group_set_container(c->group, c->container))
		return -1;
	return ioctl(c->container, VFIO_SET_IOMMU, type);
}

/* The line begins so, and has this in its sentence. */
#define EXPECT_REASON(begin, part) do {						\
	EXPECT_OK(fdinfo_get(self->c.container, "vfio-last-error", self->text,	\
			     sizeof(self->text)));				\
	EXPECT_TRUE(strstr(self->text, begin " ") == self->text)		\
		TH_LOG("\"%s\"", self->text);					\
	EXPECT_NE(NULL, strstr(self->text, part))				\
		TH_LOG("\"%s\"", self->text);					\
} while (0)

/* Before there is a backend. */
TEST_F(reason, set_iommu)
{
	int container = self->c.container;

	EXPECT_ERRNO(ENOENT, fdinfo_get(container, "vfio-last-error", self->text,
					sizeof(self->text)));
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_REASON("VFIO_SET_IOMMU 22", "no group is in the container");
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "VFIO_SET_IOMMU comes first");
	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_REASON("VFIO_SET_IOMMU 22", "has its backend already");
}

/* Each rule of a map. A success in between changes nothing. */
TEST_F(reason, map)
{
	int container = self->c.container;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, dma_map(container, 0, self->memory, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "flags need READ or WRITE");
	EXPECT_ERRNO(EINVAL, dma_map(container, RW | 1U << 31, self->memory, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "flags has unknown bits: 0x80000000");
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, IOVA + 1, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "must be multiples of 4096");
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, IOVA, 0));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "size is 0");
	EXPECT_ERRNO(EOVERFLOW, dma_map_rw(container, self->memory, -PAGE, 2 * PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 75", "past the last address");
	/* Where interrupts are written. */
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, 0xfee00000, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "meets 0xfee00000-0xfeefffff, reserved");
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, 0xfee00000 - PAGE, 2 * PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "meets 0xfee00000-0xfeefffff, reserved");
	EXPECT_ERRNO(EFAULT, dma_map_rw(container, NULL, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 14", "at vaddr 0");

	ASSERT_OK(dma_map_rw(container, self->memory, IOVA, 2 * PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 14", "at vaddr 0");
	EXPECT_ERRNO(EEXIST, dma_map_rw(container, self->memory, IOVA + PAGE, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 17",
		      "IOVA 0x1001000-0x1001fff overlaps mapping 0x1000000-0x1001fff");
}

/* The limit of mappings. */
TEST_F(reason, entry_limit)
{
	char before[32];

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(file_read(ENTRY_LIMIT, before, sizeof(before)));
	ASSERT_OK(file_write(ENTRY_LIMIT, "0"));
	EXPECT_ERRNO(ENOSPC, dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 28", "entry limit");
	ASSERT_OK(file_write(ENTRY_LIMIT, before));
}

/* A struct that is too small, and a group that is in a container. */
TEST_F(reason, shape)
{
	struct vfio_iommu_type1_dma_unmap small = { .argsz = sizeof(small) - 1 };
	struct vfio_iommu_type1_dirty_bitmap bare = {
		.argsz = sizeof(bare),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
	};
	int container = self->c.container;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_IOMMU_UNMAP_DMA, &small));
	EXPECT_REASON("VFIO_IOMMU_UNMAP_DMA 22", "argsz is 23, less than 24");
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &bare));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22", "argsz is 8, less than 48");
	EXPECT_ERRNO(EINVAL, group_set_container(self->c.group, container));
	EXPECT_REASON("VFIO_GROUP_SET_CONTAINER 22", "in a container already");
}

/* The reason stays until the last group leaves, whatever is called that is not VFIO's. */
TEST_F(reason, how_long)
{
	int container = self->c.container;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EFAULT, dma_map_rw(container, NULL, IOVA, PAGE));
	EXPECT_EQ(0, isatty(container));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 14", "at vaddr 0");
	EXPECT_ERRNO(ENOTTY, ioctl(container, 0, 0));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 14", "at vaddr 0");
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ERRNO(ENOENT, fdinfo_get(container, "vfio-last-error", self->text,
					sizeof(self->text)));
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, self->memory, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_MAP_DMA 22", "VFIO_SET_IOMMU comes first");
}

/* A group whose last device is gone. */
TEST_F(reason, dead_group)
{
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_REASON("VFIO_GROUP_SET_CONTAINER 19", "no device any more");
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* Unmap and dirty pages. */
TEST_F(reason, unmap)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = { .argsz = sizeof(dirty) };
	int container = self->c.container;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(container, self->memory, IOVA, 2 * PAGE));
	EXPECT_ERRNO(EINVAL, dma_unmap(container, 0, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_UNMAP_DMA 22", "cuts a mapping");
	EXPECT_ERRNO(EINVAL, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, IOVA, PAGE));
	EXPECT_REASON("VFIO_IOMMU_UNMAP_DMA 22", "with flag ALL");
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22", "one of START, STOP and GET_BITMAP");
	EXPECT_ERRNO(ENOTTY, ioctl(container, VFIO_GROUP_GET_STATUS));
	EXPECT_REASON("ioctl-0x3b67 25", "no such command");
}

/* Each rule of a bitmap. */
TEST_F(reason, bitmap)
{
	struct {
		struct vfio_iommu_type1_dma_unmap head;
		struct vfio_bitmap bitmap;
	} unmap = {
		.head = { .argsz = sizeof(unmap), .flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP },
		.bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)self->memory },
	};
	int container = self->c.container;
	__u64 bits;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, dirty_get(container, IOVA, PAGE, 2 * PAGE, &bits, 8));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22", "the bitmap's pgsize must be 4096");
	EXPECT_ERRNO(EINVAL, dirty_get(container, IOVA, 65 * PAGE, PAGE, &bits, 8));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22",
		      "the bitmap has 8 bytes, it may have 16 to 268435456");
	EXPECT_ERRNO(EINVAL, dirty_get(container, IOVA, PAGE, PAGE, &bits, 1ULL << 32));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22",
		      "the bitmap has 4294967296 bytes, it may have 8 to 268435456");
	EXPECT_ERRNO(EINVAL, dirty_get(container, IOVA, PAGE, PAGE, (void *)-PAGE, 8));
	EXPECT_REASON("VFIO_IOMMU_DIRTY_PAGES 22", "no user's memory");
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_REASON("VFIO_IOMMU_UNMAP_DMA 22", "size is 0");
}

/* A backend that the host does not have, and one that nobody has. */
TEST_F(reason, no_backend)
{
	char modprobe[256];

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_EQ(0, system("modprobe -r vfio_iommu_type1"));
	ASSERT_OK(file_read(MODPROBE, modprobe, sizeof(modprobe)));
	ASSERT_OK(file_write(MODPROBE, "/none"));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_REASON("VFIO_SET_IOMMU 19", "vfio_iommu_type1 cannot be loaded");
	EXPECT_OK(file_write(MODPROBE, modprobe));
	ASSERT_EQ(0, system("modprobe vfio_iommu_type1"));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_REASON("VFIO_SET_IOMMU 19", "no backend of this type");
	EXPECT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
}

struct failing {
	int container;
	char *memory;
	bool stop;
	bool other;	/* failed otherwise */
};

/* Maps that fail because the IOVA is taken, a few in each map that takes its time. */
static void *fail_to_map(void *data)
{
	struct failing *failing = data;

	while (!__atomic_load_n(&failing->stop, __ATOMIC_RELAXED)) {
		failing->other |= ERRNO_OF(dma_map_rw(failing->container, failing->memory, IOVA,
						      PAGE)) != EEXIST;
		usleep(500);
	}
	return NULL;
}

/* Calls that fail at the same time for different reasons do not get each other's. */
TEST_F(reason, at_once)
{
	struct failing failing = { .container = self->c.container, .memory = self->memory };
	char *large = memory_new(LARGE);
	pthread_t thread;
	int seen = 0;

	ASSERT_NE(NULL, large);
	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(failing.container, self->memory, IOVA, PAGE));
	/* Much is to be given back between the sentence and the end of the call. */
	munmap(large + LARGE - PAGE, PAGE);
	ASSERT_EQ(0, pthread_create(&thread, NULL, fail_to_map, &failing));
	for (int round = 0; round < ROUNDS; round++) {
		EXPECT_ERRNO(EFAULT, dma_map_rw(failing.container, large, 2 * IOVA, LARGE));
		ASSERT_OK(fdinfo_get(failing.container, "vfio-last-error", self->text,
				     sizeof(self->text)));
		if (strncmp(self->text, "VFIO_IOMMU_MAP_DMA 14 ", 22)) {
			EXPECT_REASON("VFIO_IOMMU_MAP_DMA 17", "overlaps mapping");
		} else {
			EXPECT_NE(NULL, strstr(self->text, "no memory that can be pinned"))
				TH_LOG("\"%s\"", self->text);
			seen++;
		}
	}
	__atomic_store_n(&failing.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_FALSE(failing.other);
	TH_LOG("%d of %d", seen, ROUNDS);
	munmap(large, LARGE - PAGE);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("dma_entry_limit allows no more");
	return vfio_test_main(argc, argv, needs, 1);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of memory can be mapped, in both versions of the backend and with up to three groups
 * in the container: devices see its bytes, an unmap takes it away from them, and a map that is
 * refused leaves nothing behind.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/mman.h>
#include <linux/pci_regs.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/check.h"

#define SIZE		(4 * MIB)
#define IOVA		(32 * MIB)
#define RESULT		(16 * MIB)
#define MIDDLE		(2 * MIB + 5 * PAGE + 512)
#define BYTES		256
#define UNTOUCHED	0xc3
#define MAX_GROUPS	3

FIXTURE(memory)
{
	struct client c[MAX_GROUPS];
	struct client owner;
	struct memory m;
	__u8 *result;
	int container;
	int engines;
	long available;
	long pins;
};

FIXTURE_VARIANT(memory)
{
	int type;
	int groups;
};

FIXTURE_VARIANT_ADD(memory, v1_one_group)
{
	.type = VFIO_TYPE1_IOMMU,
	.groups = 1,
};

FIXTURE_VARIANT_ADD(memory, v1_two_groups)
{
	.type = VFIO_TYPE1_IOMMU,
	.groups = 2,
};

FIXTURE_VARIANT_ADD(memory, v1_three_groups)
{
	.type = VFIO_TYPE1_IOMMU,
	.groups = 3,
};

FIXTURE_VARIANT_ADD(memory, v2_one_group)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.groups = 1,
};

FIXTURE_VARIANT_ADD(memory, v2_two_groups)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.groups = 2,
};

FIXTURE_VARIANT_ADD(memory, v2_three_groups)
{
	.type = VFIO_TYPE1v2_IOMMU,
	.groups = 3,
};

/* Joins with a group alone: a member needs no open device, and one takes time to be reset. */
static int join_group(struct client *c, int container, enum test_device kind)
{
	if (client_open_group(c, kind, 0))
		return -1;
	return group_set_container(c->group, container);
}

/* Two groups have a DMA engine each, a third one is there. The owner of a BAR joins later. */
FIXTURE_SETUP(memory)
{
	self->pins = pins_held();
	for (int i = 0; i < MAX_GROUPS; i++)
		self->c[i] = (struct client)CLIENT_NONE;
	self->owner = (struct client)CLIENT_NONE;

	if (!open_or_skip(_metadata, &self->c[0], EDU, 0, variant->type))
		return;
	self->container = self->c[0].container;
	if (variant->groups > 1 && !join_or_skip(_metadata, &self->c[1], &self->c[0], EDU, 1))
		return;
	if (variant->groups > 2)
		ASSERT_OK(join_group(&self->c[2], self->container, E1000E));
	self->engines = variant->groups < 2 ? 1 : 2;
	for (int i = 0; i < self->engines; i++)
		ASSERT_OK(edu_start(&self->c[i]));
	self->result = memory_new(PAGE);
	ASSERT_NE(NULL, self->result);
	ASSERT_OK(dma_map_rw(self->container, self->result, RESULT, PAGE));
	self->available = dma_available(self->container);
	ASSERT_LT(0, self->available);
}

FIXTURE_TEARDOWN(memory)
{
	memory_free(&self->m);
	client_close(&self->owner);
	for (int i = MAX_GROUPS - 1; i >= 0; i--)
		client_close(&self->c[i]);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/* Nothing but the page of the result is mapped. */
#define EXPECT_NO_TRACE() do {						\
	EXPECT_EQ(self->available, dma_available(self->container));	\
	EXPECT_EQ((long)(PAGE / KIB), locked_kib());			\
	EXPECT_EQ(0, dma_unmap(self->container, 0, IOVA, 2 * SIZE));	\
} while (0)

static int map_all(const struct memory *m, int container)
{
	return dma_map(container, VFIO_DMA_MAP_FLAG_READ |
		       (m->writable ? VFIO_DMA_MAP_FLAG_WRITE : 0), m->at, IOVA, m->size);
}

static void fill(__u8 *at, __u32 seed)
{
	for (int i = 0; i < BYTES; i++)
		at[i] = i * 7 + seed;
}

/* The engine brings what the process sees at @at of the memory into the result. */
static bool engine_reads(const struct client *c, const struct memory *m, __u32 at, __u8 *result)
{
	return !edu_from_memory(c, IOVA + at, 0, BYTES) && !edu_to_memory(c, RESULT, 0, BYTES) &&
	       !memcmp(result, m->at + at, BYTES);
}

/* Each engine reads and writes the bytes that the process sees; after the unmap, none. */
static void check_transfers(struct __test_metadata *_metadata, struct _test_data_memory *self)
{
	const struct client *last = &self->c[self->engines - 1];
	__u8 before[BYTES];

	if (self->m.writable)
		fill(self->m.at + MIDDLE, 1);
	ASSERT_OK(map_all(&self->m, self->container));
	EXPECT_EQ(self->available - 1, dma_available(self->container));
	EXPECT_EQ((long)((PAGE + (self->m.charged ? SIZE : 0)) / KIB), locked_kib());

	for (int i = 0; i < self->engines; i++)
		EXPECT_TRUE(engine_reads(&self->c[i], &self->m, MIDDLE, self->result));
	/* What is in the engine's buffer now goes to the last bytes. */
	memcpy(before, self->m.at + SIZE - BYTES, BYTES);
	ASSERT_OK(edu_to_memory(last, IOVA + SIZE - BYTES, 0, BYTES));
	EXPECT_EQ(0, memcmp(self->m.writable ? self->result : before, self->m.at + SIZE - BYTES,
			    BYTES));

	EXPECT_EQ((long long)SIZE, dma_unmap(self->container, 0, IOVA, SIZE));
	EXPECT_NO_TRACE();
	if (!self->m.writable)
		return;
	memset(self->m.at + MIDDLE, UNTOUCHED, BYTES);
	memcpy(before, self->m.at + MIDDLE, BYTES);
	ASSERT_OK(edu_to_memory(last, IOVA + MIDDLE, 0, BYTES));
	EXPECT_EQ(0, memcmp(before, self->m.at + MIDDLE, BYTES));
}

/*
 * Errors undo what was done: memory that ends too early, memory that is not writable, an overlap.
 * A part that begins and ends in the middle of huge pages is no error. What is still mapped when
 * the last fd goes is unpinned then.
 */
static void check_errors(struct __test_metadata *_metadata, struct _test_data_memory *self)
{
	const __u64 from = MIB + 3 * PAGE, size = 2 * MIB - PAGE;

	ASSERT_OK(dma_map(self->container, VFIO_DMA_MAP_FLAG_READ, self->m.at + from, IOVA + from,
			  size));
	EXPECT_EQ((long long)size, dma_unmap(self->container, 0, IOVA, SIZE));
	EXPECT_ERRNO(EFAULT, dma_map(self->container, VFIO_DMA_MAP_FLAG_READ, self->m.at, IOVA,
				     SIZE + PAGE));
	EXPECT_NO_TRACE();
	if (!self->m.writable)
		EXPECT_ERRNO(EFAULT, dma_map_rw(self->container, self->m.at, IOVA, SIZE));
	EXPECT_ERRNO(EEXIST, dma_map(self->container, VFIO_DMA_MAP_FLAG_READ, self->m.at,
				     RESULT - SIZE + PAGE, SIZE));
	EXPECT_NO_TRACE();

	/* The range is free and the memory as good as before. */
	ASSERT_OK(map_all(&self->m, self->container));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->container, 0, IOVA, SIZE));
	EXPECT_NO_TRACE();
	ASSERT_OK(map_all(&self->m, self->container));
}

static void check_kind(struct __test_metadata *_metadata, struct _test_data_memory *self,
		       enum memory_kind kind)
{
	if (memory_open(&self->m, kind, SIZE, &self->owner))
		SKIP(return, "no %s: %s", memory_name(kind), strerror(errno));
	check_transfers(_metadata, self);
	check_errors(_metadata, self);
}

TEST_F(memory, small_pages)
{
	check_kind(_metadata, self, ANONYMOUS);
}

TEST_F(memory, transparent_huge_pages)
{
	check_kind(_metadata, self, TRANSPARENT);
}

TEST_F(memory, huge_pages)
{
	check_kind(_metadata, self, HUGETLB);
}

TEST_F(memory, shared_file)
{
	check_kind(_metadata, self, SHARED_FILE);
}

TEST_F(memory, private_file)
{
	check_kind(_metadata, self, PRIVATE_FILE);
}

TEST_F(memory, read_only_file)
{
	check_kind(_metadata, self, READ_ONLY_FILE);
}

/* The owner of the BAR is one more member: its group has to be. */
TEST_F(memory, bar)
{
	if (!join_or_skip(_metadata, &self->owner, &self->c[0], IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&self->owner, PCI_COMMAND_MEMORY, 0));
	check_kind(_metadata, self, BAR);
}

/*
 * Pages of 1 GiB lie side by side, and no run of them is too long for what takes it: all is mapped,
 * to its last page, and all is given back. Needs a machine with "hugepagesz=1G hugepages=4".
 */
TEST(gigantic_pages)
{
	const __u64 size = 4 * GIB, iova = 4 * GIB;
	long pins = pins_held();
	struct client c;
	char *at;

	at = mmap(NULL, size, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE | (30 << MAP_HUGE_SHIFT),
		  -1, 0);
	if (at == MAP_FAILED)
		SKIP(return, "no 4 pages of 1 GiB");
	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;

	for (int round = 0; round < 2; round++) {
		ASSERT_OK(dma_map_rw(c.container, at, iova, size));
		EXPECT_EQ((long)(size / KIB), locked_kib());
		EXPECT_EQ((long long)size, dma_unmap(c.container, 0, iova, size));
		EXPECT_EQ(0, locked_kib());
		EXPECT_TRUE(pins_become(pins));
	}
	client_close(&c);
	munmap(at, size);
}

/* Memory of a file or a disk that the kernel writes back. */
static void check_tracked(struct __test_metadata *_metadata, const struct client *c, int fd)
{
	long pins = pins_held();
	char *shared, *copy;

	shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, shared);
	copy = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, copy);
	shared[PAGE] = 1;

	EXPECT_ERRNO(EFAULT, dma_map_rw(c->container, shared, IOVA, 4 * PAGE));
	EXPECT_EQ(0, locked_kib());
	EXPECT_TRUE(pins_become(pins));
	EXPECT_OK(dma_map(c->container, VFIO_DMA_MAP_FLAG_READ, shared, IOVA, 4 * PAGE));
	EXPECT_OK(dma_map_rw(c->container, copy, IOVA + 4 * PAGE, 4 * PAGE));
	EXPECT_EQ((long long)(8 * PAGE), dma_unmap(c->container, 0, IOVA, 8 * PAGE));
	munmap(copy, 4 * PAGE);
	munmap(shared, 4 * PAGE);
}

/*
 * What a filesystem writes back is not mapped to be written to, since 6.5: it would not learn of
 * it. Devices may read it, and a process may give them its own copy.
 */
TEST(written_back_file)
{
	static const char * const steps[] = {
		"mkdir -p /tmp/tracked", "truncate -s 1M /tmp/tracked.img",
		"mke2fs -q -t ext2 /tmp/tracked.img", "modprobe -a loop ext4",
		"mount -o loop /tmp/tracked.img /tmp/tracked",
	};
	struct client c;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (system(steps[i]))
			SKIP(return, "failed: %s", steps[i]);
	}
	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	fd = open("/tmp/tracked/file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, 4 * PAGE));
	check_tracked(_metadata, &c, fd);
	close(fd);
	client_close(&c);
	EXPECT_EQ(0, system("umount /tmp/tracked"));
}

TEST(written_back_disk)
{
	struct client c;
	int fd;

	fd = open("/dev/nvme0n1", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		SKIP(return, "no /dev/nvme0n1");
	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	check_tracked(_metadata, &c, fd);
	close(fd);
	client_close(&c);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

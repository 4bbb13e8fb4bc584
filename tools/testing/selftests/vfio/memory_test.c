// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of memory can be mapped, in both versions of the backend and with up to three groups in
 * the container: devices see its bytes, an unmap takes it away from them, and a map that is refused
 * leaves nothing behind.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>

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
	enum memory_kind kind;
};

#define TYPE_v1 VFIO_TYPE1_IOMMU
#define TYPE_v2 VFIO_TYPE1v2_IOMMU

#define VARIANT(version, groups_, kind_)				\
FIXTURE_VARIANT_ADD(memory, version##_##groups_##_groups_##kind_)	\
{									\
	.type = TYPE_##version,						\
	.groups = groups_,						\
	.kind = kind_,							\
}

#define VARIANTS(kind)							\
	VARIANT(v1, 1, kind);						\
	VARIANT(v1, 2, kind);						\
	VARIANT(v1, 3, kind);						\
	VARIANT(v2, 1, kind);						\
	VARIANT(v2, 2, kind);						\
	VARIANT(v2, 3, kind)

VARIANTS(ANONYMOUS);
VARIANTS(TRANSPARENT);
VARIANTS(HUGETLB);
VARIANTS(SHARED_FILE);
VARIANTS(PRIVATE_FILE);
VARIANTS(READ_ONLY_FILE);
VARIANTS(BAR);

/* Joins with a group alone: a member needs no open device, and one takes time to be reset. */
static int join_group(struct client *c, int container, enum test_device kind)
{
	if (client_open_group(c, kind, 0))
		return -1;
	return group_set_container(c->group, container);
}

/*
 * Two groups have a DMA engine each, a third one is there. The owner of the BAR is a member of the
 * container too: its group has to be. The other kinds of memory come without it, so that their
 * containers have as many groups as the variant says.
 */
FIXTURE_SETUP(memory)
{
	self->pins = pins_held();
	for (int i = 0; i < MAX_GROUPS; i++)
		self->c[i].container = self->c[i].group = self->c[i].device = -1;
	self->owner.container = self->owner.group = self->owner.device = -1;

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
	if (variant->kind == BAR) {
		if (!join_or_skip(_metadata, &self->owner, &self->c[0], IVSHMEM, 0))
			return;
		ASSERT_OK(config_command(&self->owner, PCI_COMMAND_MEMORY, 0));
	}
	if (memory_open(&self->m, variant->kind, SIZE, &self->owner))
		SKIP(return, "no %s: %s", memory_name(variant->kind), strerror(errno));
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
	EXPECT_EQ(0, locked_kib());
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
TEST_F(memory, moves_and_goes)
{
	const struct client *last = &self->c[self->engines - 1];
	__u8 before[BYTES];

	if (self->m.writable)
		fill(self->m.at + MIDDLE, 1);
	ASSERT_OK(map_all(&self->m, self->container));
	EXPECT_EQ(self->available - 1, dma_available(self->container));
	EXPECT_EQ((long)((PAGE + (self->m.charged ? SIZE : 0)) / KIB), locked_kib());

	/* One engine for all but the plainest memory: its transfers take a while. */
	for (int i = variant->kind == ANONYMOUS ? 0 : self->engines - 1; i < self->engines; i++)
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
TEST_F(memory, refused)
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

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device moves bytes, and only where a mapping lets it.
 *
 * The device is QEMU's edu: its engine copies between memory at an IOVA and a buffer of its own, so
 * data that came back went through the IOMMU twice.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define SIZE		(64 * KIB)
#define SECRET		0x5a
#define UNTOUCHED	0xc3

/* Bytes that differ from page to page and within a page. */
static void fill_pattern(__u8 *memory, size_t size, __u32 seed)
{
	for (size_t i = 0; i < size; i++)
		memory[i] = (i * 7 + (i >> 8) * 13 + seed) & 0xff;
}

static bool all_bytes_are(const __u8 *memory, size_t size, __u8 value)
{
	for (size_t i = 0; i < size; i++)
		if (memory[i] != value)
			return false;
	return true;
}

static bool any_byte_is(const __u8 *memory, size_t size, __u8 value)
{
	for (size_t i = 0; i < size; i++)
		if (memory[i] == value)
			return true;
	return false;
}

FIXTURE(edu)
{
	struct client c;
	__u8 *memory;
};

FIXTURE_SETUP(edu)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(edu)
{
	munmap(self->memory, SIZE);
	client_close(&self->c);
}

/* What the engine writes lands in the mapped page that the IOVA names, and nowhere else. */
TEST_F(edu, round_trip)
{
	__u8 *from = self->memory, *to = self->memory + 8 * PAGE;

	fill_pattern(from, EDU_MAX, 1);
	memset(to, UNTOUCHED, 3 * PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, EDU_MAX));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + 9 * PAGE, 0, EDU_MAX));
	EXPECT_EQ(0, memcmp(from, to + PAGE, EDU_MAX));
	EXPECT_TRUE(all_bytes_are(to, PAGE, UNTOUCHED));
	EXPECT_TRUE(all_bytes_are(to + PAGE + EDU_MAX, PAGE - EDU_MAX, UNTOUCHED));
	EXPECT_TRUE(all_bytes_are(to + 2 * PAGE, PAGE, UNTOUCHED));
}

/* Every page of a mapping is the one that the process sees: pages in an order of their own. */
TEST_F(edu, each_page)
{
	__u8 buffer[64];

	/* Touched backwards, so that neighbours seldom are neighbours in the machine. */
	for (int page = SIZE / PAGE - 1; page >= 0; page--)
		fill_pattern(self->memory + page * PAGE, PAGE, page);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, SIZE));
	for (unsigned int page = 0; page < SIZE / PAGE; page += 3) {
		__u32 at = page * PAGE + 1000;

		memcpy(buffer, self->memory + at, sizeof(buffer));
		ASSERT_OK(edu_from_memory(&self->c, IOVA + at, 0, sizeof(buffer)));
		memset(self->memory + at, 0, sizeof(buffer));
		ASSERT_OK(edu_to_memory(&self->c, IOVA + at, 0, sizeof(buffer)));
		ASSERT_EQ(0, memcmp(buffer, self->memory + at, sizeof(buffer)))
			TH_LOG("page %u of the mapping", page);
	}
}

/* A transfer that crosses from one page into the next, and from one mapping into the next. */
TEST_F(edu, crosses_borders)
{
	const __u32 mapping = 2 * PAGE;
	__u8 expected[1024];

	fill_pattern(self->memory, 2 * mapping, 3);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, mapping));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory + mapping, IOVA + mapping, mapping));
	for (__u32 border = PAGE; border <= 3 * PAGE; border += PAGE) {
		__u8 *at = self->memory + border - 512;

		memcpy(expected, at, sizeof(expected));
		ASSERT_OK(edu_from_memory(&self->c, IOVA + border - 512, 0, sizeof(expected)));
		memset(at, 0, sizeof(expected));
		ASSERT_OK(edu_to_memory(&self->c, IOVA + border - 512, 0, sizeof(expected)));
		EXPECT_EQ(0, memcmp(expected, at, sizeof(expected)));
	}
}

/* Pages stay the device's until the unmap, whatever the process does to its address space. */
TEST_F(edu, outlives_munmap)
{
	__u8 result[256];

	fill_pattern(self->memory, 2 * PAGE, 4);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory + PAGE, IOVA + PAGE, PAGE));
	ASSERT_EQ(0, munmap(self->memory, PAGE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, sizeof(result)));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, sizeof(result)));
	fill_pattern(result, sizeof(result), 4);
	EXPECT_EQ(0, memcmp(result, self->memory + PAGE, sizeof(result)));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));
}

/* An IOVA that was never mapped reaches no memory: none of the process's is read or written. */
TEST_F(edu, unmapped_iova)
{
	memset(self->memory, SECRET, PAGE);
	memset(self->memory + PAGE, UNTOUCHED, PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 2 * PAGE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + 2 * PAGE, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory, PAGE, SECRET));
	EXPECT_TRUE(all_bytes_are(self->memory + PAGE, PAGE, UNTOUCHED));
	EXPECT_TRUE(all_bytes_are(self->memory + 2 * PAGE, SIZE - 2 * PAGE, 0));
}

/* After the unmap the device can neither write nor read what was mapped before. */
TEST_F(edu, after_unmap)
{
	memset(self->memory, SECRET, PAGE);
	memset(self->memory + PAGE, UNTOUCHED, PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory + PAGE, IOVA + PAGE, PAGE));
	/* Use both, so that the IOMMU has the translations in its cache. */
	ASSERT_OK(edu_to_memory(&self->c, IOVA, 0, 512));
	memset(self->memory, SECRET, PAGE);
	ASSERT_OK(edu_from_memory(&self->c, IOVA + PAGE, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 512));
	ASSERT_EQ((long long)PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));

	ASSERT_OK(edu_to_memory(&self->c, IOVA, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory, PAGE, SECRET));

	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 512));
	EXPECT_FALSE(any_byte_is(self->memory + PAGE, PAGE, SECRET));
}

/* The device cannot write through a mapping with READ alone. */
TEST_F(edu, read_only)
{
	memset(self->memory, SECRET, PAGE);
	memset(self->memory + PAGE, UNTOUCHED, PAGE);
	ASSERT_OK(dma_map(self->c.container, VFIO_DMA_MAP_FLAG_READ, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory + PAGE, IOVA + PAGE, PAGE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA + PAGE, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory, PAGE, SECRET));

	/* It can read. */
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory + PAGE, 512, SECRET));
}

/* The device can write through a mapping with WRITE alone (Intel IOMMUs let it read as well). */
TEST_F(edu, write_only)
{
	memset(self->memory, SECRET, PAGE);
	memset(self->memory + PAGE, UNTOUCHED, PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map(self->c.container, VFIO_DMA_MAP_FLAG_WRITE, self->memory + PAGE,
			  IOVA + PAGE, PAGE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory + PAGE, 512, SECRET));
}

/* Read-only memory of the process can be mapped with READ. */
TEST_F(edu, read_only_memory)
{
	__u8 expected[512];

	fill_pattern(self->memory, PAGE, 5);
	memcpy(expected, self->memory, sizeof(expected));
	ASSERT_EQ(0, mprotect(self->memory, PAGE, PROT_READ));
	ASSERT_OK(dma_map(self->c.container, VFIO_DMA_MAP_FLAG_READ, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory + PAGE, IOVA + PAGE, PAGE));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, sizeof(expected)));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, sizeof(expected)));
	EXPECT_EQ(0, memcmp(expected, self->memory + PAGE, sizeof(expected)));
}

/* Writing memory after fork() keeps the device and the process on the same page. */
TEST_F(edu, fork_keeps_the_page)
{
	int status;
	pid_t child;

	memset(self->memory, UNTOUCHED, PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 2 * PAGE));
	child = fork();
	if (!child)
		_exit(self->memory[0] != UNTOUCHED);
	memset(self->memory, SECRET, PAGE);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + PAGE, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory + PAGE, 512, SECRET));
}

/* 2 MiB pages: first, middle and last bytes, and a mapping that starts inside of a huge page. */
TEST_F(edu, huge_pages)
{
	const __u32 places[] = { 0, 1 * MIB + PAGE - 256, 2 * MIB - 256, 4 * MIB - 512 };
	__u8 *huge = memory_huge(4 * MIB);
	__u8 expected[512];

	if (!huge)
		SKIP(return, "no huge pages");
	ASSERT_OK(dma_map_rw(self->c.container, huge, IOVA, 4 * MIB));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		fill_pattern(huge + places[i], sizeof(expected), i);
		memcpy(expected, huge + places[i], sizeof(expected));
		ASSERT_OK(edu_from_memory(&self->c, IOVA + places[i], 0, sizeof(expected)));
		memset(huge + places[i], 0, sizeof(expected));
		ASSERT_OK(edu_to_memory(&self->c, IOVA + places[i], 0, sizeof(expected)));
		EXPECT_EQ(0, memcmp(expected, huge + places[i], sizeof(expected)));
	}
	EXPECT_EQ((long long)(4 * MIB), dma_unmap(self->c.container, 0, IOVA, 4 * MIB));

	ASSERT_OK(dma_map_rw(self->c.container, huge + MIB + PAGE, IOVA, 2 * MIB));
	fill_pattern(huge + MIB + PAGE, sizeof(expected), 9);
	memcpy(expected, huge + MIB + PAGE, sizeof(expected));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, sizeof(expected)));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + 2 * MIB - 512, 0, sizeof(expected)));
	EXPECT_EQ(0, memcmp(expected, huge + 3 * MIB + PAGE - 512, sizeof(expected)));
	EXPECT_EQ((long long)(2 * MIB), dma_unmap(self->c.container, 0, IOVA, 2 * MIB));
	munmap(huge, 4 * MIB);
}

/* One device reaches another one's BAR through a mapping of its mmap. */
TEST_F(edu, peer_to_peer)
{
	const __u64 size = 2 * MIB;
	struct client peer;
	__u8 expected[512];
	__u8 *view;

	if (!join_or_skip(_metadata, &peer, &self->c, IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&peer, PCI_COMMAND_MEMORY, 0));
	view = region_map(&peer, 2, peer.region[2].size - size, size);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, view, 2 * IOVA, size));
	fill_pattern(self->memory, sizeof(expected), 6);
	memcpy(expected, self->memory, sizeof(expected));
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, sizeof(expected)));
	ASSERT_OK(edu_to_memory(&self->c, 2 * IOVA + size - 512, 0, sizeof(expected)));
	EXPECT_EQ(0, memcmp(expected, view + size - 512, sizeof(expected)));
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, 2 * IOVA, size));
	munmap(view, size);
	client_close(&peer);
}

/* Version 1 of the backend moves data like version 2. */
TEST(version_1)
{
	__u8 *memory = memory_new(2 * PAGE);
	struct client c;

	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1_IOMMU))
		return;
	ASSERT_OK(edu_start(&c));
	fill_pattern(memory, 512, 7);
	ASSERT_OK(dma_map_rw(c.container, memory, IOVA, 2 * PAGE));
	ASSERT_OK(edu_from_memory(&c, IOVA, 0, 512));
	ASSERT_OK(edu_to_memory(&c, IOVA + PAGE, 0, 512));
	EXPECT_EQ(0, memcmp(memory, memory + PAGE, 512));
	client_close(&c);
}

FIXTURE(two)
{
	struct client first;
	struct client second;
	__u8 *memory;
};

FIXTURE_SETUP(two)
{
	self->second.device = -1;
	if (!open_or_skip(_metadata, &self->first, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	memset(self->memory, UNTOUCHED, SIZE);
	ASSERT_OK(edu_start(&self->first));
}

FIXTURE_TEARDOWN(two)
{
	munmap(self->memory, SIZE);
	client_close(&self->first);
}

/* Copies a page from IOVA to IOVA + PAGE with one device, and checks it. */
static bool device_copies(const struct client *c, __u8 *memory, __u32 seed)
{
	fill_pattern(memory, 512, seed);
	memset(memory + PAGE, 0, 512);
	return !edu_from_memory(c, IOVA, 0, 512) && !edu_to_memory(c, IOVA + PAGE, 0, 512) &&
	       !memcmp(memory, memory + PAGE, 512);
}

/* A mapping made before the second group came serves both devices, one made after it too. */
TEST_F(two, share_mappings)
{
	ASSERT_OK(dma_map_rw(self->first.container, self->memory, IOVA, PAGE));
	if (!join_or_skip(_metadata, &self->second, &self->first, EDU, 1))
		return;
	ASSERT_OK(edu_start(&self->second));
	ASSERT_OK(dma_map_rw(self->first.container, self->memory + PAGE, IOVA + PAGE, PAGE));
	EXPECT_TRUE(device_copies(&self->first, self->memory, 1));
	EXPECT_TRUE(device_copies(&self->second, self->memory, 2));

	/* An unmap takes it away from both. */
	ASSERT_EQ((long long)PAGE, dma_unmap(self->first.container, 0, IOVA + PAGE, PAGE));
	memset(self->memory + PAGE, UNTOUCHED, PAGE);
	ASSERT_OK(edu_to_memory(&self->first, IOVA + PAGE, 0, 512));
	ASSERT_OK(edu_to_memory(&self->second, IOVA + PAGE, 0, 512));
	EXPECT_TRUE(all_bytes_are(self->memory + PAGE, PAGE, UNTOUCHED));
	client_close(&self->second);
}

/* Mappings live on for the group that stays, whichever of the two leaves. */
TEST_F(two, either_may_leave)
{
	struct client *stays = &self->second, *leaves = &self->first;
	int container;

	ASSERT_OK(dma_map_rw(self->first.container, self->memory, IOVA, 2 * PAGE));
	if (!join_or_skip(_metadata, &self->second, &self->first, EDU, 1))
		return;
	ASSERT_OK(edu_start(&self->second));
	container = stays->container;
	client_close(leaves);
	EXPECT_TRUE(device_copies(stays, self->memory, 1));
	EXPECT_EQ((long long)(2 * PAGE), dma_unmap(container, 0, IOVA, 2 * PAGE));
	client_close(stays);
	EXPECT_EQ(0, locked_kib());
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

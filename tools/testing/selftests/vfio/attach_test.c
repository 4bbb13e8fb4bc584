// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups that join and leave a container: what can be mapped with all of them, what each device
 * sees of what was mapped before and after, in one domain or in several, and the parameters that
 * matter then.
 */
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define SIZE		(16 * PAGE)
#define BYTES		256
#define UNTOUCHED	0xc3
#define RESERVE		"/sys/module/vfio_iommu_type1/parameters/reserve"

FIXTURE(attach)
{
	struct client first;
	struct client second;
	int fd;
	__u8 *memory;
	long pins;
};

FIXTURE_SETUP(attach)
{
	self->pins = pins_held();
	self->second = (struct client)CLIENT_NONE;
	if (!open_or_skip(_metadata, &self->first, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->first.container;
	ASSERT_OK(edu_start(&self->first));
	self->memory = memory_new(SIZE);
	ASSERT_NE(NULL, self->memory);
	memset(self->memory, UNTOUCHED, SIZE);
}

FIXTURE_TEARDOWN(attach)
{
	file_write(RESERVE, "0,0");
	client_close(&self->second);
	client_close(&self->first);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

static const struct vfio_iommu_type1_info_cap_iova_range *ranges_of(struct iommu_info *info)
{
	return chain_find(info->data, info->size, info->head.cap_offset,
			  VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
}

/* What can be mapped with more groups is no more than with each; it is back when they have left. */
TEST_F(attach, iova_ranges_of_all)
{
	const struct vfio_iommu_type1_info_cap_iova_range *one, *many;
	struct iommu_info before, with, after;
	struct client other;

	ASSERT_OK(iommu_info(self->fd, &before));
	if (!join_or_skip(_metadata, &other, &self->first, E1000E, 0))
		return;
	ASSERT_OK(iommu_info(self->fd, &with));
	one = ranges_of(&before);
	many = ranges_of(&with);
	ASSERT_NE(NULL, one);
	ASSERT_NE(NULL, many);
	for (__u32 i = 0; i < many->nr_iovas; i++) {
		bool inside = false;

		for (__u32 k = 0; k < one->nr_iovas; k++)
			inside |= one->iova_ranges[k].start <= many->iova_ranges[i].start &&
				  many->iova_ranges[i].end <= one->iova_ranges[k].end;
		EXPECT_TRUE(inside)
			TH_LOG("range %u", i);
	}
	EXPECT_EQ(0, with.head.iova_pgsizes & ~before.head.iova_pgsizes);
	client_close(&other);
	ASSERT_OK(iommu_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(before.data, after.data, sizeof(before.data)));
}

/* How many IOVAs of a range can be mapped. */
static __u64 valid_iovas(struct iommu_info *info, __u64 first, __u64 last)
{
	const struct vfio_iommu_type1_info_cap_iova_range *cap = ranges_of(info);
	__u64 sum = 0;

	for (__u32 i = 0; cap && i < cap->nr_iovas; i++) {
		__u64 from = cap->iova_ranges[i].start, to = cap->iova_ranges[i].end;

		from = from < first ? first : from;
		to = to > last ? last : to;
		sum += from <= to ? to - from + 1 : 0;
	}
	return sum;
}

/* From a page of the mapping to the next. */
static bool copies(const struct client *c, __u8 *memory, int page, __u32 seed)
{
	return edu_copies(c, memory + page * PAGE, IOVA + page * PAGE, seed);
}

/*
 * A domain that does not take the second group is no reason to refuse it: the group keeps a domain
 * of its own, in which all mappings are made again, and all later ones too. One IOMMU has no such
 * groups, so a debug build has to make the sharing fail.
 */
TEST_F(attach, two_domains)
{
	if (!fault_possible())
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, 2 * PAGE));
	ASSERT_OK(client_join_apart(&self->second, self->fd, EDU, 1));
	self->second.device = group_get_device(self->second.group, self->second.func.bdf);
	ASSERT_LE(0, self->second.device);
	ASSERT_OK(client_read_regions(&self->second));
	ASSERT_OK(edu_start(&self->second));
	/* Mapped before, and each page pinned and charged once. */
	EXPECT_EQ((long)(2 * PAGE / KIB), locked_kib());
	EXPECT_EQ(self->pins + 2, pins_held());
	EXPECT_TRUE(copies(&self->first, self->memory, 0, 1));
	EXPECT_TRUE(copies(&self->second, self->memory, 0, 2));
	/* Mapped since. */
	ASSERT_OK(dma_map_rw(self->fd, self->memory + 2 * PAGE, IOVA + 2 * PAGE, 2 * PAGE));
	EXPECT_TRUE(copies(&self->first, self->memory, 2, 3));
	EXPECT_TRUE(copies(&self->second, self->memory, 2, 4));
	/* An unmap takes it from both. */
	ASSERT_EQ((long long)(2 * PAGE), dma_unmap(self->fd, 0, IOVA, 2 * PAGE));
	memset(self->memory, UNTOUCHED, PAGE);
	ASSERT_OK(edu_to_memory(&self->first, IOVA, 0, BYTES));
	ASSERT_OK(edu_to_memory(&self->second, IOVA, 0, BYTES));
	EXPECT_EQ(UNTOUCHED, self->memory[0]);
	EXPECT_EQ(UNTOUCHED, self->memory[BYTES - 1]);
	/* The first group leaves with its domain; the second one has its mappings still. */
	fd_close(&self->first.device);
	fd_close(&self->first.group);
	EXPECT_TRUE(copies(&self->second, self->memory, 2, 5));
	EXPECT_EQ((long)(2 * PAGE / KIB), locked_kib());
}

/*
 * A group that reserves what is mapped cannot join, and which IOVAs these are is told; the others
 * work on. Where nothing is in its way it joins, and as long as it is there none of these IOVAs is
 * offered or taken. Groups behind one IOMMU reserve the same, so a debug build has to help.
 */
TEST_F(attach, reserves_what_is_mapped)
{
	char where[64], who[64];
	const char * const told[] = { "attach_test[", where, who, "0x1000000-0x100ffff",
				      "0x100f000-0x10fffff" };
	const __u64 first = IOVA + SIZE - PAGE, last = IOVA + MIB - 1;
	struct iommu_info before, with, after;
	int kmsg = log_open();
	char reason[256];

	ASSERT_LE(0, kmsg);
	ASSERT_OK(iommu_info(self->fd, &before));
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	if (file_write(RESERVE, "0x100f000,0x10fffff"))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");

	ASSERT_OK(client_open_group(&self->second, EDU, 1));
	EXPECT_ERRNO(EINVAL, group_set_container(self->second.group, self->fd));
	container_name(self->fd, where, sizeof(where));
	snprintf(who, sizeof(who), "group %d cannot join", self->second.func.group);
	EXPECT_TRUE(log_find(kmsg, told, ARRAY_SIZE(told), NULL, 0));
	ASSERT_OK(fdinfo_get(self->fd, "vfio-last-error", reason, sizeof(reason)));
	EXPECT_NE(NULL, strstr(reason, "lacks 0x100f000-0x10fffff"))
		TH_LOG("%s", reason);
	EXPECT_TRUE(copies(&self->first, self->memory, 14, 1));
	ASSERT_OK(iommu_info(self->fd, &with));
	EXPECT_EQ(last - IOVA + 1, valid_iovas(&with, IOVA, last));
	client_close(&self->second);

	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	ASSERT_TRUE(join_or_skip(_metadata, &self->second, &self->first, EDU, 1));
	ASSERT_OK(iommu_info(self->fd, &with));
	EXPECT_EQ(0, valid_iovas(&with, first, last));
	EXPECT_EQ(valid_iovas(&before, 0, ~0ULL) - (last - first + 1),
		  valid_iovas(&with, 0, ~0ULL));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, last + 1 - PAGE, 2 * PAGE));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE - PAGE));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, last + 1, PAGE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));

	ASSERT_OK(file_write(RESERVE, "0,0"));
	client_close(&self->second);
	ASSERT_OK(iommu_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(before.data, after.data, sizeof(before.data)));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	close(kmsg);
}

/* The last group takes the mappings along, although the container stays open. */
TEST_F(attach, last_group_ends_mappings)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	fd_close(&self->first.device);
	ASSERT_OK(ioctl(self->first.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_EQ(0, locked_kib());
	EXPECT_TRUE(pins_become(self->pins));
	/* A new backend knows none of them. */
	ASSERT_OK(group_set_container(self->first.group, self->fd));
	ASSERT_OK(ioctl(self->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, dma_unmap(self->fd, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
}

/* A group that joins many mappings and leaves again, and again: the first group's are untouched. */
TEST_F(attach, comes_and_goes)
{
	for (int i = 0; i < 200; i++)
		ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA + i * SIZE, SIZE));
	for (int i = 0; i < 3; i++) {
		if (!join_or_skip(_metadata, &self->second, &self->first, EDU, 1))
			return;
		ASSERT_OK(edu_start(&self->second));
		EXPECT_TRUE(copies(&self->second, self->memory, 3, i));
		client_close(&self->second);
	}
	EXPECT_TRUE(copies(&self->first, self->memory, 5, 9));
	EXPECT_EQ((long)(200 * SIZE / KIB), locked_kib());
	EXPECT_EQ((long long)(200 * SIZE), dma_unmap(self->fd, 0, IOVA, 200 * SIZE));
}

/* An unmap or a query to the last byte of the 64-bit space includes it; one further is refused. */
TEST_F(attach, top_of_the_space)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, PAGE));
	EXPECT_EQ(0, dma_unmap(self->fd, 0, 0 - PAGE, PAGE));
	EXPECT_ERRNO(EOVERFLOW, dma_unmap(self->fd, 0, 0 - PAGE, 2 * PAGE));
	EXPECT_ERRNO(EOVERFLOW, dma_unmap(self->fd, 0, 2 * PAGE, 0 - PAGE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->fd, 0, PAGE, 0 - PAGE));
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, PAGE));
	EXPECT_EQ((long long)PAGE, dma_unmap(self->fd, 0, 0, 0 - PAGE));
}

/* Which reserved range or aperture was hit is told, with the process and the range asked for. */
TEST_F(attach, refused_range_is_explained)
{
	static const char * const msi[] = { "attach_test[", "0xfee01000-0xfee01fff",
					    "0xfee00000-0xfeefffff" };
	static const char * const aperture[] = { "attach_test[", "0x8000000000000000", "reach" };
	int kmsg = log_open();
	char message[1024];

	ASSERT_LE(0, kmsg);
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, 0xfee01000, PAGE));
	EXPECT_TRUE(log_find(kmsg, msi, ARRAY_SIZE(msi), message, sizeof(message)));
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, 1ULL << 63, PAGE));
	EXPECT_TRUE(log_find(kmsg, aperture, ARRAY_SIZE(aperture), message, sizeof(message)));
	close(kmsg);
}

FIXTURE(small_pages)
{
	struct client c;
	struct memory m;
	char before[8];
};

FIXTURE_SETUP(small_pages)
{
	if (file_read(DISABLE_HUGEPAGES, self->before, sizeof(self->before)))
		SKIP(return, "no parameter disable_hugepages");
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
}

FIXTURE_TEARDOWN(small_pages)
{
	memory_free(&self->m);
	client_close(&self->c);
	EXPECT_OK(file_write(DISABLE_HUGEPAGES, self->before));
	EXPECT_TRUE(locked_becomes(0));
}

/* Nothing but the speed changes with disable_hugepages, also if it changes while all is mapped. */
TEST_F(small_pages, same_bytes)
{
	const __u64 size = 4 * MIB;
	__u8 *other;

	if (memory_open(&self->m, HUGETLB, size, NULL))
		SKIP(return, "no huge pages");
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "Y"));
	ASSERT_OK(dma_map_rw(self->c.container, self->m.at, IOVA, size));
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "N"));
	other = memory_new(PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, other, 2 * IOVA, PAGE));
	memset(self->m.at + 3 * MIB, 0x5a, BYTES);
	ASSERT_OK(edu_from_memory(&self->c, IOVA + 3 * MIB, 0, BYTES));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + size - BYTES, 0, BYTES));
	EXPECT_EQ(0, memcmp(self->m.at + 3 * MIB, self->m.at + size - BYTES, BYTES));
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + size - 2 * BYTES, 0, BYTES));
	EXPECT_EQ(0, self->m.at[size - 2 * BYTES]);
}

/* A BAR page by page. */
TEST_F(small_pages, bar)
{
	const __u64 size = 2 * MIB;
	struct client peer;
	__u8 *view;

	if (!join_or_skip(_metadata, &peer, &self->c, IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&peer, 2, 0));
	view = region_map(&peer, 2, 0, size);
	ASSERT_NE(MAP_FAILED, view);
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "Y"));
	ASSERT_OK(dma_map_rw(self->c.container, view, IOVA, size));
	memset(view + MIB, 0x3c, BYTES);
	ASSERT_OK(edu_from_memory(&self->c, IOVA + MIB, 0, BYTES));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + size - BYTES, 0, BYTES));
	EXPECT_EQ(0, memcmp(view + MIB, view + size - BYTES, BYTES));
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	munmap(view, size);
	client_close(&peer);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

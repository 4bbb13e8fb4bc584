// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: BARs by pread and pwrite in every width, by mmap, and what must be refused; the ROM; the
 * MSI-X table. A large BAR is memory, so what is written can be read again on the other way.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/elf.h>
#include <linux/pci_regs.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define BAR	2		/* of the ivshmem device: memory */
#define CONFIG	VFIO_PCI_CONFIG_REGION_INDEX
#define ROM	VFIO_PCI_ROM_REGION_INDEX

#define RW	(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE)

/* A touch of memory, and where it comes back to when it ends in SIGBUS. */
static struct {
	sigjmp_buf back;
	bool failed;
} touch;

static void on_bus_error(int signal)
{
	siglongjmp(touch.back, signal);
}

/* True if reading a byte there raises SIGBUS. */
static bool touch_fails(const __u8 *at)
{
	const struct sigaction action = { .sa_handler = on_bus_error };
	struct sigaction before;

	sigaction(SIGBUS, &action, &before);
	touch.failed = true;
	if (!sigsetjmp(touch.back, 1)) {
		__atomic_load_n(at, __ATOMIC_SEQ_CST);
		touch.failed = false;
	}
	sigaction(SIGBUS, &before, NULL);
	return touch.failed;
}

FIXTURE(info)
{
	struct client c;
};

FIXTURE_VARIANT(info)
{
	enum test_device kind;
};

FIXTURE_VARIANT_ADD(info, edu) { .kind = EDU };
FIXTURE_VARIANT_ADD(info, nvme) { .kind = NVME };
FIXTURE_VARIANT_ADD(info, e1000e) { .kind = E1000E };
FIXTURE_VARIANT_ADD(info, testdev) { .kind = TESTDEV };
FIXTURE_VARIANT_ADD(info, ivshmem) { .kind = IVSHMEM };

FIXTURE_SETUP(info)
{
	if (!open_or_skip(_metadata, &self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
}

FIXTURE_TEARDOWN(info)
{
	client_close(&self->c);
}

/* BARs can be read and written, memory ones of a page or more mapped; no size, no flags. */
TEST_F(info, bar_flags)
{
	for (int bar = 0; bar < 6; bar++) {
		const struct vfio_region_info *info = &self->c.region[bar];
		bool io = config_read(&self->c, PCI_BASE_ADDRESS_0 + 4 * bar, 4) &
			  PCI_BASE_ADDRESS_SPACE_IO;

		if (!info->size) {
			EXPECT_EQ(0, info->flags);
			continue;
		}
		EXPECT_EQ(RW, info->flags & RW);
		if (io)
			EXPECT_FALSE(info->flags & VFIO_REGION_INFO_FLAG_MMAP);
		if (!io && info->size >= PAGE)
			EXPECT_TRUE(info->flags & VFIO_REGION_INFO_FLAG_MMAP);
	}
}

/* Config space can be read and written, the ROM read; neither can be mapped. */
TEST_F(info, other_flags)
{
	const struct vfio_region_info *rom = &self->c.region[ROM];

	EXPECT_EQ(RW, self->c.region[CONFIG].flags);
	EXPECT_EQ(rom->size ? VFIO_REGION_INFO_FLAG_READ : 0, rom->flags);
}

/* Regions do not overlap in the fd, begin on pages, and stay where they are. */
TEST_F(info, offsets)
{
	struct vfio_region_info again;

	for (int i = 0; i < VFIO_PCI_VGA_REGION_INDEX; i++) {
		const struct vfio_region_info *one = &self->c.region[i];

		EXPECT_EQ(0, one->offset & (PAGE - 1));
		ASSERT_OK(region_info(self->c.device, i, &again));
		EXPECT_EQ(one->offset, again.offset);
		EXPECT_EQ(one->size, again.size);
		for (int j = 0; j < i; j++) {
			const struct vfio_region_info *other = &self->c.region[j];

			EXPECT_TRUE(one->offset >= other->offset + other->size ||
				    other->offset >= one->offset + one->size);
		}
	}
}

/* Past the end of a BAR there is nothing; across the end only what is there. */
TEST_F(info, bar_end)
{
	__u64 data[2];

	for (int bar = 0; bar < 6; bar++) {
		__u64 size = self->c.region[bar].size;
		ssize_t got;

		if (!size)
			continue;
		EXPECT_EQ(4, region_read(&self->c, bar, size - 4, data, 16))
			TH_LOG("BAR %d", bar);
		got = region_read(&self->c, bar, size, data, 4);
		EXPECT_TRUE(got == 0 || (got == -1 && errno == EINVAL));
		got = region_read(&self->c, bar, size + PAGE, data, 4);
		EXPECT_TRUE(got == 0 || (got == -1 && errno == EINVAL));
		got = region_write(&self->c, bar, size, data, 4);
		EXPECT_TRUE(got == 0 || (got == -1 && errno == EINVAL));
		EXPECT_EQ(0, region_read(&self->c, bar, 0, data, 0));
	}
}

/* A place in the fd that belongs to no region: EINVAL, but nothing is to be had anywhere. */
TEST_F(info, no_region)
{
	__u64 beyond = self->c.region[VFIO_PCI_CONFIG_REGION_INDEX].offset * 100;
	char byte;

	EXPECT_ERRNO(EINVAL, pread(self->c.device, &byte, 1, beyond));
	EXPECT_EQ(0, pread(self->c.device, &byte, 0, beyond));
	EXPECT_EQ(0, pwrite(self->c.device, &byte, 0, beyond));
	EXPECT_ERRNO(EINVAL, pwrite(self->c.device, &byte, 1, beyond));
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->c.device, beyond));
}

/* I/O port BARs answer reads in each width. */
TEST_F(info, io_ports)
{
	__u8 data[4];
	bool found = false;

	for (int bar = 0; bar < 6; bar++) {
		if (!self->c.region[bar].size ||
		    !(config_read(&self->c, PCI_BASE_ADDRESS_0 + 4 * bar, 4) &
		      PCI_BASE_ADDRESS_SPACE_IO))
			continue;
		found = true;
		EXPECT_EQ(1, region_read(&self->c, bar, 0, data, 1));
		EXPECT_EQ(2, region_read(&self->c, bar, 0, data, 2));
		EXPECT_EQ(4, region_read(&self->c, bar, 0, data, 4));
		EXPECT_ERRNO(EINVAL, region_map(&self->c, bar, 0, PAGE));
	}
	if (!found)
		SKIP(return, "no I/O BAR");
}

/* The ROM begins with its signature, is read in small parts and as a whole, and not written. */
TEST_F(info, rom)
{
	__u64 size = self->c.region[ROM].size;
	__u8 head[64], *all;

	if (!size)
		SKIP(return, "the device shows no ROM");
	all = memory_new(size);
	ASSERT_EQ((ssize_t)sizeof(head), region_read(&self->c, ROM, 0, head, sizeof(head)));
	EXPECT_EQ(0x55, head[0]);
	EXPECT_EQ(0xaa, head[1]);
	ASSERT_EQ((ssize_t)size, region_read(&self->c, ROM, 0, all, size));
	EXPECT_EQ(0, memcmp(head, all, sizeof(head)));
	EXPECT_ERRNO(EINVAL, region_write(&self->c, ROM, 0, head, 1));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, ROM, 0, PAGE));
}

/* The MSI-X table cannot be reached by pread and pwrite: all ones, and dropped. */
TEST_F(info, msix_table)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSIX), table, bar, value = ~0U;
	struct {
		struct vfio_region_info info;
		char chain[256];
	} reply = { .info.argsz = sizeof(reply) };

	if (!cap)
		SKIP(return, "no MSI-X");
	table = config_read(&self->c, cap + PCI_MSIX_TABLE, 4);
	bar = table & PCI_MSIX_TABLE_BIR;
	table &= PCI_MSIX_TABLE_OFFSET;
	EXPECT_EQ(4, region_read(&self->c, bar, table + PCI_MSIX_ENTRY_DATA, &value, 4));
	EXPECT_EQ(~0U, value);
	value = 0x1234;
	EXPECT_EQ(4, region_write(&self->c, bar, table + PCI_MSIX_ENTRY_DATA, &value, 4));
	EXPECT_EQ(4, region_read(&self->c, bar, table + PCI_MSIX_ENTRY_DATA, &value, 4));
	EXPECT_EQ(~0U, value);

	/* The BAR says that it may be mapped all the same. */
	reply.info.index = bar;
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_GET_REGION_INFO, &reply));
	ASSERT_TRUE(reply.info.flags & VFIO_REGION_INFO_FLAG_CAPS);
	EXPECT_NE(NULL, chain_find(&reply, sizeof(reply), reply.info.cap_offset,
				   VFIO_REGION_INFO_CAP_MSIX_MAPPABLE));
}

/* An access across an edge of the table: what is inside reads as ones, what is outside as alone. */
TEST_F(info, msix_table_edges)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSIX), table, bar, edges[2];
	__u8 across[16], alone[8];

	if (!cap)
		SKIP(return, "no MSI-X");
	table = config_read(&self->c, cap + PCI_MSIX_TABLE, 4);
	bar = table & PCI_MSIX_TABLE_BIR;
	edges[0] = table & PCI_MSIX_TABLE_OFFSET;
	edges[1] = edges[0] + PCI_MSIX_ENTRY_SIZE *
		   ((config_read(&self->c, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1);
	for (int end = 0; end < 2; end++) {
		const __u8 *in = across + (end ? 0 : 8), *out = across + (end ? 8 : 0);

		if (!edges[end] || edges[end] + 8 > self->c.region[bar].size)
			continue;
		ASSERT_EQ(16, region_read(&self->c, bar, edges[end] - 8, across, 16));
		ASSERT_EQ(8, region_read(&self->c, bar, edges[end] - (end ? 0 : 8), alone, 8));
		for (int i = 0; i < 8; i++)
			EXPECT_EQ(0xff, in[i]);
		EXPECT_EQ(0, memcmp(alone, out, 8));
		EXPECT_NE(0xff, out[0]);
	}
}

FIXTURE(bar)
{
	struct client c;
	__u64 size;
	__u8 *view;
};

FIXTURE_SETUP(bar)
{
	if (!open_or_skip(_metadata, &self->c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	self->size = self->c.region[BAR].size;
	self->view = region_map(&self->c, BAR, 0, self->size);
	ASSERT_NE(MAP_FAILED, self->view);
}

FIXTURE_TEARDOWN(bar)
{
	munmap(self->view, self->size);
	client_close(&self->c);
}

/* Every width at every alignment: what pwrite wrote mmap sees, and the other way round. */
TEST_F(bar, widths)
{
	__u8 data[32], back[32];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = 0x40 + i;
	for (int size = 1; size <= 16; size++) {
		for (int at = PAGE - 8; at < (int)PAGE; at++) {
			for (int i = -8; i < 32; i++)
				self->view[at + i] = 0;
			ASSERT_EQ(size, region_write(&self->c, BAR, at, data, size));
			for (int i = -8; i < 32; i++) {
				ASSERT_EQ(i < 0 || i >= size ? 0 : data[i], self->view[at + i])
					TH_LOG("%d bytes at %d, byte %d", size, at, i);
			}
			ASSERT_EQ(size, region_read(&self->c, BAR, at, back, size));
			ASSERT_EQ(0, memcmp(data, back, size));
		}
	}
}

/* A large read and write go through whole. */
TEST_F(bar, large)
{
	const size_t size = 64 * KIB;
	__u8 *data = memory_new(size), *back = memory_new(size);

	for (size_t i = 0; i < size; i++)
		data[i] = i ^ (i >> 8);
	ASSERT_EQ((ssize_t)size, region_write(&self->c, BAR, MIB + 1, data, size));
	EXPECT_EQ(0, memcmp(self->view + MIB + 1, data, size));
	ASSERT_EQ((ssize_t)size, region_read(&self->c, BAR, MIB + 1, back, size));
	EXPECT_EQ(0, memcmp(data, back, size));
}

/* What the end of the BAR cuts off is not asked of the program either. */
TEST_F(bar, short_write)
{
	__u8 *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			   0);
	__u8 *end = pages + PAGE;

	ASSERT_NE(MAP_FAILED, pages);
	ASSERT_OK(munmap(end, PAGE));
	end[-2] = 0x12;
	end[-1] = 0x34;
	EXPECT_EQ(2, region_write(&self->c, BAR, self->size - 2, end - 2, 4));
	EXPECT_EQ(0x12, self->view[self->size - 2]);
	EXPECT_EQ(0x34, self->view[self->size - 1]);
	EXPECT_ERRNO(EFAULT, region_write(&self->c, BAR, self->size - 4, end - 2, 4));
	munmap(pages, PAGE);
}

/* Memory of the program that is not there: EFAULT. */
TEST_F(bar, bad_memory)
{
	EXPECT_ERRNO(EFAULT, region_read(&self->c, BAR, 0, (void *)16, 4));
	EXPECT_ERRNO(EFAULT, region_write(&self->c, BAR, 0, (void *)16, 4));
	EXPECT_ERRNO(EFAULT, region_read(&self->c, CONFIG, 0, (void *)16, 4));
	EXPECT_ERRNO(EFAULT, region_write(&self->c, CONFIG, 0x3c, (void *)16, 1));
}

/* Parts of a BAR, at a page's offset each. */
TEST_F(bar, map_parts)
{
	const __u64 places[] = {
		PAGE, 3 * PAGE, 2 * MIB, 2 * MIB + PAGE, self->size - 2 * PAGE,
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		__u8 *part = region_map(&self->c, BAR, places[i], 2 * PAGE);

		ASSERT_NE(MAP_FAILED, part);
		part[0] = 0x11 + i;
		part[2 * PAGE - 1] = 0x22 + i;
		EXPECT_EQ(0x11 + i, self->view[places[i]]);
		EXPECT_EQ(0x22 + i, self->view[places[i] + 2 * PAGE - 1]);
		munmap(part, 2 * PAGE);
	}
}

/* A map must be shared and inside of a BAR: EINVAL. */
TEST_F(bar, map_errors)
{
	__u64 offset = self->c.region[BAR].offset;
	int device = self->c.device;

	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, device, offset));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, BAR, 0, self->size + PAGE));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, BAR, self->size, PAGE));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, BAR, self->size - PAGE, 2 * PAGE));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, CONFIG, 0, PAGE));
	EXPECT_ERRNO(EINVAL, region_map(&self->c, 5, 0, PAGE));
}

/* Without decoding a mapping raises SIGBUS, and works again when it is back. */
TEST_F(bar, decode_off)
{
	self->view[0] = 0x77;
	self->view[4 * MIB] = 0x78;
	ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	EXPECT_TRUE(touch_fails(self->view));
	EXPECT_TRUE(touch_fails(self->view + 4 * MIB));
	EXPECT_TRUE(touch_fails(self->view + 8 * MIB));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_FALSE(touch_fails(self->view));
	EXPECT_EQ(0x77, self->view[0]);
	EXPECT_EQ(0x78, self->view[4 * MIB]);
}

/* A mapping works as long as it is there, also when all fds are closed. */
TEST_F(bar, outlives_fds)
{
	self->view[PAGE] = 0x66;
	client_close(&self->c);
	EXPECT_EQ(0x66, self->view[PAGE]);
	self->view[2 * PAGE] = 0x67;
	EXPECT_EQ(0x67, self->view[2 * PAGE]);
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
}

/* A child sees the same BAR; what it does to its address space is its own affair. */
TEST_F(bar, fork)
{
	pid_t child;
	int status;

	self->view[0] = 1;
	child = fork();
	if (!child) {
		bool seen = self->view[0] == 1;

		self->view[1] = 2;
		munmap(self->view, 2 * MIB);
		_exit(!seen);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(2, self->view[1]);
}

FIXTURE(hole)
{
	struct client c;
	__u64 bar_size;
	__u8 *view;
};

/* A hole of @size bytes, @offset bytes behind a sixteenth of the BAR. */
FIXTURE_VARIANT(hole)
{
	__u64 size;
	int sixteenth;
	long offset;
};

FIXTURE_VARIANT_ADD(hole, page_at_start) { .size = PAGE };
FIXTURE_VARIANT_ADD(hole, page_inside) { .size = PAGE, .sixteenth = 8, .offset = 3 * PAGE };
FIXTURE_VARIANT_ADD(hole, page_at_end) { .size = PAGE, .sixteenth = 16, .offset = -PAGE };
FIXTURE_VARIANT_ADD(hole, huge_at_start) { .size = 2 * MIB };
FIXTURE_VARIANT_ADD(hole, huge_inside) { .size = 2 * MIB, .sixteenth = 8 };
FIXTURE_VARIANT_ADD(hole, huge_askew) { .size = 2 * MIB, .sixteenth = 5, .offset = PAGE };

/* A BAR of 1 GiB, or what there is, where one entry of the highest level could hold it. */
FIXTURE_SETUP(hole)
{
	__u64 size;
	char *space;

	if (!open_or_skip(_metadata, &self->c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	size = self->c.region[BAR].size;
	if (size < 64 * MIB)
		SKIP(return, "no BAR of 64 MiB");
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	space = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);
	ASSERT_NE(MAP_FAILED, space);
	self->view = mmap((void *)(((uintptr_t)space + size - 1) & ~(size - 1)), size,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, self->c.device,
			  self->c.region[BAR].offset);
	ASSERT_NE(MAP_FAILED, self->view);
	self->bar_size = size;
}

FIXTURE_TEARDOWN(hole)
{
	client_close(&self->c);
}

/* Part of a touched BAR is made read-only, then unmapped: the rest stays (6.12's modules panic). */
TEST_F(hole, punch)
{
	__u64 at = self->bar_size / 16 * variant->sixteenth + variant->offset;
	__u64 before = at - PAGE, after = at + variant->size, far = self->bar_size / 16 * 3;
	__u8 *view = self->view;

	view[at] = 0;
	ASSERT_EQ(0, mprotect(view + at, variant->size, PROT_READ));
	EXPECT_EQ(0, view[at]);
	ASSERT_EQ(0, mprotect(view + at, variant->size, PROT_READ | PROT_WRITE));
	view[at] = 1;
	if (at)
		view[before] = 0xb1;
	if (after < self->bar_size)
		view[after] = 0xa1;
	view[far] = 0x33;
	ASSERT_EQ(0, munmap(view + at, variant->size));
	if (at)
		EXPECT_EQ(0xb1, view[before]);
	if (after < self->bar_size)
		EXPECT_EQ(0xa1, view[after]);
	EXPECT_EQ(0x33, view[far]);

	/* The hole can be filled again, with what was there before. */
	ASSERT_NE(MAP_FAILED, mmap(view + at, variant->size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, self->c.device,
				   self->c.region[BAR].offset + at));
	EXPECT_EQ(1, view[at]);
}

#define ENTRY_MADE	"p:vfio_calls/entry_made alias_set_entry entry=%di:x64\n"

static int entries_trace(void)
{
	return file_write(TRACING "/kprobe_events", ENTRY_MADE) || trace_open() ||
	       file_write(TRACE_INSTANCE "/events/vfio_calls/enable", "1") ? -1 : 0;
}

static void entries_forget(void)
{
	trace_close();
	file_write(TRACING "/kprobe_events", "-:vfio_calls/entry_made\n");
}

FIXTURE(alias)
{
	struct client c;
	__u64 size;
	__u8 *view;
};

FIXTURE_SETUP(alias)
{
	self->view = MAP_FAILED;
	if (!open_or_skip(_metadata, &self->c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	self->size = self->c.region[BAR].size;
	self->view = region_map(&self->c, BAR, 0, self->size);
	ASSERT_NE(MAP_FAILED, self->view);
}

FIXTURE_TEARDOWN(alias)
{
	entries_forget();
	if (self->view != MAP_FAILED)
		munmap(self->view, self->size);
	client_close(&self->c);
}

struct alias_call {
	struct vfio_device_feature head;
	struct vfio_device_feature_region_alias data;
};

static __u32 nr_regions(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(device, VFIO_DEVICE_GET_INFO, &info) ? 0 : info.num_regions;
}

/* An alias is a region behind the fixed ones; it says of what, and goes with the last fd. */
TEST_F(alias, info)
{
	const struct vfio_region_info_cap_alias *cap;
	__u32 alias, again;
	struct {
		struct vfio_region_info info;
		char chain[256];
	} reply = { .info.argsz = sizeof(reply) };

	EXPECT_EQ(VFIO_PCI_NUM_REGIONS, nr_regions(self->c.device));
	ASSERT_OK(region_alias(self->c.device, BAR, VFIO_REGION_ALIAS_WC, &alias));
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS, alias);
	for (int i = 0; i < 1000; i++) {
		ASSERT_OK(region_alias(self->c.device, BAR, VFIO_REGION_ALIAS_WC, &again));
		ASSERT_EQ(alias, again);
	}
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS + 1, nr_regions(self->c.device));

	reply.info.index = alias;
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_GET_REGION_INFO, &reply));
	EXPECT_EQ(self->size, reply.info.size);
	EXPECT_EQ(RW | VFIO_REGION_INFO_FLAG_MMAP | VFIO_REGION_INFO_FLAG_CAPS, reply.info.flags);
	cap = chain_find(&reply, sizeof(reply), reply.info.cap_offset, VFIO_REGION_INFO_CAP_ALIAS);
	ASSERT_NE(NULL, cap);
	EXPECT_EQ(BAR, cap->index);
	EXPECT_EQ(VFIO_REGION_ALIAS_WC, cap->flags);

	munmap(self->view, self->size);
	self->view = MAP_FAILED;
	client_close(&self->c);
	ASSERT_OK(client_open(&self->c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS, nr_regions(self->c.device));
	EXPECT_ERRNO(EINVAL, region_info(self->c.device, alias, &reply.info));
}

/* Only whole, prefetchable memory BARs, in known ways: else EINVAL. */
TEST_F(alias, refused)
{
	const __u32 set = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_REGION_ALIAS;
	const __u32 get = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_REGION_ALIAS;
	struct alias_call call = {
		.head = { .argsz = sizeof(call), .flags = set },
		.data = { .index = BAR, .flags = VFIO_REGION_ALIAS_WC, .reserved = 1 },
	};
	static const __u32 indexes[] = { 0, 1, 3, 4, 5, 6, 7, 8, 9, 100, ~0U };
	__u32 alias;

	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++)
		EXPECT_ERRNO(EINVAL, region_alias(self->c.device, indexes[i], VFIO_REGION_ALIAS_WC,
						  &alias));
	EXPECT_ERRNO(EINVAL, region_alias(self->c.device, BAR, 0, &alias));
	EXPECT_ERRNO(EINVAL, region_alias(self->c.device, BAR, 2, &alias));
	EXPECT_ERRNO(EINVAL, region_alias(self->c.device, BAR, 3, &alias));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.device, VFIO_DEVICE_FEATURE, &call));
	call.data.reserved = 0;
	call.head.argsz = sizeof(call) - 1;
	EXPECT_ERRNO(EINVAL, ioctl(self->c.device, VFIO_DEVICE_FEATURE, &call));
	call.head.argsz = sizeof(call);
	call.head.flags = get;
	EXPECT_ERRNO(EINVAL, ioctl(self->c.device, VFIO_DEVICE_FEATURE, &call));
	EXPECT_EQ(VFIO_PCI_NUM_REGIONS, nr_regions(self->c.device));
	ASSERT_OK(region_alias(self->c.device, BAR, VFIO_REGION_ALIAS_WC, &alias));
	EXPECT_ERRNO(EINVAL, region_alias(self->c.device, alias, VFIO_REGION_ALIAS_WC, &alias));
}

/* The alias shows the BAR: by read and write, by mmap, and not while nothing is decoded. */
TEST_F(alias, is_the_bar)
{
	__u8 data[5] = { 1, 2, 3, 4, 5 }, back[5];
	struct vfio_region_info info;
	__u32 alias;
	__u8 *wc;

	ASSERT_OK(region_alias(self->c.device, BAR, VFIO_REGION_ALIAS_WC, &alias));
	ASSERT_OK(region_info(self->c.device, alias, &info));
	ASSERT_EQ(5, pwrite(self->c.device, data, 5, info.offset + 3));
	EXPECT_EQ(0, memcmp(data, self->view + 3, 5));
	ASSERT_EQ(5, pread(self->c.device, back, 5, info.offset + 3));
	EXPECT_EQ(0, memcmp(data, back, 5));
	EXPECT_ERRNO(EINVAL, pread(self->c.device, back, 5, info.offset + self->size));

	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->c.device,
				  info.offset));
	EXPECT_ERRNO(EINVAL, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->c.device,
				  info.offset + self->size));
	wc = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, self->c.device,
		  info.offset + 2 * MIB);
	ASSERT_NE(MAP_FAILED, wc);
	wc[0] = 0x5a;
	wc[3 * MIB] = 0xa5;
	__sync_synchronize();
	EXPECT_EQ(0x5a, self->view[2 * MIB]);
	EXPECT_EQ(0xa5, self->view[5 * MIB]);
	ASSERT_EQ(0, mprotect(wc, PAGE, PROT_READ));
	EXPECT_EQ(0x5a, wc[0]);
	ASSERT_EQ(0, munmap(wc + PAGE, PAGE));

	ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	EXPECT_TRUE(touch_fails(wc));
	EXPECT_TRUE(touch_fails(wc + 3 * MIB));
	EXPECT_ERRNO(EIO, pread(self->c.device, back, 5, info.offset));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(0xa5, wc[3 * MIB]);
	munmap(wc, 4 * MIB);
}

/* A word of the kernel's memory, by the file that shows it as a core dump. */
static int kernel_word(__u64 address, __u64 *word)
{
	int core = open("/proc/kcore", O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	struct elf64_hdr head;
	struct elf64_phdr part;

	if (core < 0 || pread(core, &head, sizeof(head), 0) != sizeof(head))
		head.e_phnum = 0;
	for (int i = 0; i < head.e_phnum; i++) {
		if (pread(core, &part, sizeof(part), head.e_phoff + i * sizeof(part)) < 0)
			break;
		if (part.p_type == PT_LOAD && address >= part.p_vaddr &&
		    address - part.p_vaddr < part.p_memsz)
			got = pread(core, word, sizeof(*word),
				    part.p_offset + address - part.p_vaddr);
	}
	fd_close(&core);
	return got == sizeof(*word) ? 0 : -1;
}

/* Looks up what the driver entered in the page table for a touch of @at. */
static int entry_of_touch(const __u8 *at, __u64 *entry)
{
	const char *name = "entry=";
	char text[128], *found;

	trace_reset();
	if (touch_fails(at) || trace_get("entry_made", name, 0, text, sizeof(text)) != 1)
		return -1;
	found = strstr(text, name);
	return kernel_word(strtoull(found + strlen(name), NULL, 0), entry);
}

/*
 * The page table says so: of the bits of x86 for the way to cache, write-combining has the first
 * only (Linux's table of page attributes), present is bit 0, the address begins at bit 12.
 */
TEST_F(alias, write_combining)
{
	struct vfio_region_info info;
	__u32 alias, low, high;
	__u64 entry;
	__u8 *wc;

	if (access("/proc/kcore", R_OK))
		SKIP(return, "the kernel does not show its memory as a core dump");
	if (entries_trace())
		SKIP(return, "no kprobe events of x86 here: %s", strerror(errno));
	ASSERT_OK(pci_config_read(&self->c.func, PCI_BASE_ADDRESS_0 + 4 * BAR, 4, &low));
	ASSERT_OK(pci_config_read(&self->c.func, PCI_BASE_ADDRESS_1 + 4 * BAR, 4, &high));
	ASSERT_OK(region_alias(self->c.device, BAR, VFIO_REGION_ALIAS_WC, &alias));
	ASSERT_OK(region_info(self->c.device, alias, &info));
	wc = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, self->c.device, info.offset);
	ASSERT_NE(MAP_FAILED, wc);
	EXPECT_OK(entry_of_touch(wc + 3 * PAGE, &entry));
	EXPECT_EQ((__u64)high << 32 | (low & PCI_BASE_ADDRESS_MEM_MASK),
		  (entry & 0xffffffffff000) - 3 * PAGE);
	EXPECT_EQ(1 << 0 | 1 << 3, entry & (1 << 0 | 1 << 3 | 1 << 4 | 1 << 7));
	munmap(wc, MIB);
}

/* The kernel chooses addresses at which huge entries of page tables fit the BAR. */
TEST_F(bar, map_alignment)
{
	static const __u64 places[] = { 0, 2 * MIB, PAGE, MIB, 6 * MIB + 3 * PAGE };

	EXPECT_EQ(0, (uintptr_t)self->view % (2 * MIB));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		__u8 *part = region_map(&self->c, BAR, places[i], 8 * MIB);

		ASSERT_NE(MAP_FAILED, part);
		EXPECT_EQ(places[i] % (2 * MIB), (uintptr_t)part % (2 * MIB))
			TH_LOG("offset 0x%llx", places[i]);
		munmap(part, 8 * MIB);
	}
}

/* True where the kernel can mark huge entries that have no memory behind them: since 6.12. */
static bool kernel_has_huge_pfnmap(void)
{
	return kernel_is_since(6, 12) && !access("/sys/kernel/mm/transparent_hugepage", F_OK);
}

/* A fault fills 2 MiB where it can, and never less than a page. */
TEST_F(bar, huge_faults)
{
	const __u64 size = 16 * MIB;

	if (!kernel_has_huge_pfnmap())
		SKIP(return, "a kernel without huge PFN mappings");
	EXPECT_GE((long)(2 * size / (2 * MIB)), faults_of_looks(self->view, size));
}

/*
 * Of a gigabyte, at an address at which one entry of a page table might hold it, a part can be
 * unmapped: the rest works, and all of it is gone while the function does not decode.
 */
TEST_F(bar, giga_hole)
{
	__u8 *view, *hole, *last;

	if (self->size < GIB)
		SKIP(return, "no BAR of a gigabyte");
	view = mmap(NULL, 2 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, view);
	view += -(uintptr_t)view % GIB;
	view = mmap(view, GIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, self->c.device,
		    self->c.region[BAR].offset);
	ASSERT_NE(MAP_FAILED, view);
	hole = view + 6 * MIB;
	last = view + GIB - PAGE;

	hole[-1] = 0x11;
	*last = 0x22;
	ASSERT_EQ(0, munmap(hole, PAGE));
	EXPECT_EQ(0x11, hole[-1]);
	EXPECT_EQ(0x22, *last);
	ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	EXPECT_TRUE(touch_fails(hole - 1));
	EXPECT_TRUE(touch_fails(last));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(0x11, hole[-1]);
	EXPECT_EQ(0x22, *last);
	munmap(view, GIB);
}

/* A BAR below a page that has the page to itself can be mapped, and its neighbours stay away. */
TEST_F(info, sub_page)
{
	__u32 value;
	__u8 *view;
	int found = 0;

	for (int bar = 0; bar < 6; bar++) {
		const struct vfio_region_info *info = &self->c.region[bar];
		__u32 hardware = config_read(&self->c, PCI_BASE_ADDRESS_0 + 4 * bar, 4);

		if (!info->size || info->size >= PAGE || hardware & PCI_BASE_ADDRESS_SPACE_IO)
			continue;
		found++;
		EXPECT_EQ(!(hardware & (PAGE - 1) & PCI_BASE_ADDRESS_MEM_MASK),
			  !!(info->flags & VFIO_REGION_INFO_FLAG_MMAP));
		if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP)) {
			EXPECT_ERRNO(EINVAL, region_map(&self->c, bar, 0, PAGE));
			continue;
		}
		EXPECT_EQ(0, system("grep -q 'vfio sub-page reserved' /proc/iomem"));
		view = region_map(&self->c, bar, 0, PAGE);
		ASSERT_NE(MAP_FAILED, view);
		ASSERT_EQ(4, region_read(&self->c, bar, 0, &value, 4));
		EXPECT_EQ(value, *(__u32 *)view);
		EXPECT_ERRNO(EINVAL, region_map(&self->c, bar, 0, 2 * PAGE));
		EXPECT_ERRNO(EINVAL, region_read(&self->c, bar, info->size, &value, 4));
		munmap(view, PAGE);
	}
	if (!found)
		SKIP(return, "no BAR below a page");
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E, TESTDEV, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions: BARs by pread and pwrite in every width, by mmap, and what must be refused; the ROM; the
 * MSI-X table. A large BAR is memory, so what is written can be read again on the other way.
 */
#include <kselftest_harness.h>
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

/* A place in the fd that belongs to no region: EINVAL. */
TEST_F(info, no_region)
{
	__u64 beyond = self->c.region[VFIO_PCI_CONFIG_REGION_INDEX].offset * 100;
	char byte;

	EXPECT_ERRNO(EINVAL, pread(self->c.device, &byte, 1, beyond));
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

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E, TESTDEV, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

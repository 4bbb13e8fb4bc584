// SPDX-License-Identifier: GPL-2.0-only
/*
 * The regions of Intel's integrated graphics. No virtual machine has such a device, so a debug
 * build takes the VGA card for one, and memory of another device holds what firmware would leave.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define WINDOW		"/sys/module/vfio_pci/parameters/igd_window"
#define ADDRESS		0xfc		/* the register that has the OpRegion's */
#define FIRMWARE	0x10000U	/* in the memory of IVSHMEM */
#define FIRMWARE_BYTES	(64 * KIB)
#define OPREGION	(8 * KIB)
#define VBT		(12 * KIB)	/* behind a gap */
#define VBT_BYTES	5000U
/* Region of the OpRegion; those of the bridges follow. */
#define REGION		((__u32)VFIO_PCI_NUM_REGIONS)

FIXTURE(igd)
{
	struct client c;
	struct pci_func func;
	struct pci_func memory;
	__u64 window;
	__u8 *firmware;		/* a copy */
	__u32 before;
};

/* An OpRegion, in which every byte is known, and without a VBT of its own. */
static void opregion_write(__u8 *at)
{
	for (size_t i = 0; i < OPREGION; i++)
		at[i] = i * 7;
	for (size_t i = 0; i < VBT_BYTES; i++)
		at[VBT + i] = i * 11;
	memcpy(at, "IntelGraphicsMem", 16);
	*(__u32 *)(at + 0x10) = OPREGION / KIB;
	*(__u16 *)(at + 0x16) = 0x0200;
	memset(at + 0x3ba, 0, 12);
}

static void vbt_write(__u8 *at, __u16 version, __u64 address)
{
	const __u32 size = VBT_BYTES;

	*(__u16 *)(at + 0x16) = version;
	memcpy(at + 0x3ba, &address, sizeof(address));
	memcpy(at + 0x3c2, &size, sizeof(size));
}

/* Where the memory of IVSHMEM is. */
static __u64 window_find(const struct pci_func *func)
{
	unsigned long long first = 0;
	char path[64], line[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", func->bdf);
	file = fopen(path, "r");
	for (int i = 0; file && i < 3 && fgets(line, sizeof(line), file); i++)
		first = strtoull(line, NULL, 16);
	if (file)
		fclose(file);
	return first;
}

/* Puts the copy there. It is mapped in another way later, so not for longer than that. */
static int firmware_put(const FIXTURE_DATA(igd) * self)
{
	char path[64];
	void *at;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", self->memory.bdf);
	fd = open(path, O_RDWR | O_CLOEXEC);
	at = mmap(NULL, FIRMWARE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, FIRMWARE);
	fd_close(&fd);
	if (at == MAP_FAILED)
		return -1;
	memcpy(at, self->firmware, FIRMWARE_BYTES);
	return munmap(at, FIRMWARE_BYTES);
}

static int igd_open(FIXTURE_DATA(igd) * self)
{
	return firmware_put(self) ? -1 : client_open(&self->c, VGA, 0, VFIO_TYPE1v2_IOMMU);
}

FIXTURE_SETUP(igd)
{
	char text[32];

	self->firmware = NULL;
	self->c.container = -1;
	self->c.group = -1;
	self->c.device = -1;
	if (pci_find(VGA, 0, &self->func))
		SKIP(return, "no device %s", test_device_name(VGA));
	if (pci_find(IVSHMEM, 0, &self->memory))
		SKIP(return, "no device %s", test_device_name(IVSHMEM));
	if (access(WINDOW, W_OK))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	self->window = window_find(&self->memory);
	ASSERT_NE(0, self->window);
	/* A program before this one may have left it to vfio-pci. */
	ASSERT_OK(pci_unbind(&self->memory));
	ASSERT_OK(pci_set(&self->memory, "enable", "1"));
	self->firmware = calloc(1, FIRMWARE_BYTES);
	opregion_write(self->firmware);
	snprintf(text, sizeof(text), "%llu", self->window);
	ASSERT_OK(pci_config_read(&self->func, ADDRESS, 4, &self->before));
	ASSERT_OK(pci_config_write(&self->func, ADDRESS, 4, FIRMWARE));
	ASSERT_OK(file_write(WINDOW, text));
}

FIXTURE_TEARDOWN(igd)
{
	client_close(&self->c);
	if (!self->firmware)
		return;
	file_write(WINDOW, "0");
	pci_config_write(&self->func, ADDRESS, 4, self->before);
	pci_set(&self->memory, "enable", "0");
	free(self->firmware);
}

static __u32 nr_regions(int device)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	return ioctl(device, VFIO_DEVICE_GET_INFO, &info) ? 0 : info.num_regions;
}

/* The whole of a region behind the fixed ones; its type is checked. Returns its size. */
static ssize_t region_whole(const struct client *c, __u32 index, __u32 subtype, __u8 *data,
			    size_t room)
{
	struct {
		struct vfio_region_info head;
		struct vfio_region_info_cap_type type;
	} info = { .head = { .argsz = sizeof(info), .index = index } };

	if (ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -1;
	if (info.head.flags != (VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_CAPS) ||
	    info.head.cap_offset != sizeof(info.head) || info.head.size > room ||
	    info.type.header.id != VFIO_REGION_INFO_CAP_TYPE || info.type.subtype != subtype ||
	    info.type.type != ((__u32)VFIO_REGION_TYPE_PCI_VENDOR_TYPE | 0x8086))
		return -2;
	memset(data, 0x5e, room);
	return pread(c->device, data, room, info.head.offset);
}

/* OpRegion and bridges are there to be read: whole, no further, and never to be written. */
TEST_F(igd, regions)
{
	static const char * const bridges[] = { "0000:00:00.0", "0000:00:1f.0" };
	__u8 data[3 * OPREGION], hardware[4096];
	struct vfio_region_info info;
	char path[64];

	ASSERT_OK(igd_open(self));
	EXPECT_EQ(REGION + 3U, nr_regions(self->c.device));
	ASSERT_EQ((ssize_t)OPREGION, region_whole(&self->c, REGION, 1, data, sizeof(data)));
	EXPECT_EQ(0, memcmp(data, self->firmware, OPREGION));

	for (__u32 i = 0; i < 2; i++) {
		ssize_t size = region_whole(&self->c, REGION + 1 + i, 2 + i, data, sizeof(data));
		int fd;

		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bridges[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LT(0, size);
		EXPECT_EQ(size, pread(fd, hardware, sizeof(hardware), 0));
		EXPECT_EQ(0, memcmp(data, hardware, 64));
		close(fd);
	}
	for (__u32 i = REGION; i < REGION + 3; i++) {
		ASSERT_OK(region_info(self->c.device, i, &info));
		EXPECT_ERRNO(EINVAL, pwrite(self->c.device, data, 4, info.offset));
		EXPECT_ERRNO(EINVAL, pread(self->c.device, data, 4, info.offset + info.size));
		EXPECT_EQ(2, pread(self->c.device, data, 4, info.offset + info.size - 2));
		EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->c.device,
					   info.offset));
	}
	EXPECT_ERRNO(EINVAL, region_info(self->c.device, REGION + 3, &info));
}

/* What the user asks for besides comes behind them. */
TEST_F(igd, alias_behind)
{
	__u32 alias;

	ASSERT_OK(igd_open(self));
	ASSERT_OK(region_alias(self->c.device, 0, VFIO_REGION_ALIAS_WC, &alias));
	EXPECT_EQ(REGION + 3U, alias);
	EXPECT_EQ(REGION + 4U, nr_regions(self->c.device));
}

/*
 * A VBT that is elsewhere, by its own address or from the OpRegion's, is shown right behind the
 * OpRegion, and that says so, as version 2.1 does.
 */
TEST_F(igd, video_settings)
{
	const __u64 addresses[] = { self->window + FIRMWARE + VBT, VBT };
	const __u64 shown = OPREGION;
	__u8 data[3 * OPREGION], one;
	struct vfio_region_info info;

	for (__u16 i = 0; i < 2; i++) {
		vbt_write(self->firmware, 0x0200 + i, addresses[i]);
		ASSERT_OK(igd_open(self));
		ASSERT_EQ((ssize_t)(OPREGION + VBT_BYTES),
			  region_whole(&self->c, REGION, 1, data, sizeof(data)));
		EXPECT_EQ(0x0201, *(__u16 *)(data + 0x16));
		EXPECT_EQ(0, memcmp(data + 0x3ba, &shown, sizeof(shown)));
		EXPECT_EQ(0, memcmp(data + OPREGION, self->firmware + VBT, VBT_BYTES));
		EXPECT_EQ(0, memcmp(data + 0x18, self->firmware + 0x18, 0x3ba - 0x18));
		EXPECT_EQ(0, memcmp(data + 0x3c2, self->firmware + 0x3c2, OPREGION - 0x3c2));
		/* Byte for byte it is the same. */
		ASSERT_OK(region_info(self->c.device, REGION, &info));
		for (size_t at = 0; at < OPREGION + VBT_BYTES; at += at < 1024 ? 1 : 509) {
			ASSERT_EQ(1, pread(self->c.device, &one, 1, info.offset + at));
			ASSERT_EQ(data[at], one)
				TH_LOG("at %zu", at);
		}
		client_close(&self->c);
	}
}

/* Where firmware left nothing, or the device is another's, there are no such regions. */
TEST_F(igd, nothing)
{
	static const __u32 none[] = { 0, ~0U };

	for (size_t i = 0; i < 2; i++) {
		ASSERT_OK(pci_config_write(&self->func, ADDRESS, 4, none[i]));
		ASSERT_OK(igd_open(self));
		EXPECT_EQ(REGION, nr_regions(self->c.device));
		client_close(&self->c);
	}
	ASSERT_OK(pci_config_write(&self->func, ADDRESS, 4, FIRMWARE));
	ASSERT_OK(file_write(WINDOW, "0"));
	ASSERT_OK(igd_open(self));
	EXPECT_EQ(REGION, nr_regions(self->c.device));
}

/* What is no OpRegion is not shown, nor is memory that the kernel uses: EINVAL, and a message. */
TEST_F(igd, no_opregion)
{
	static const __u64 memory = 0x10000000;
	int log = log_open();

	self->firmware[3] ^= 1;
	EXPECT_ERRNO(EINVAL, igd_open(self));
	EXPECT_TRUE(log_has(log, "OpRegion at 0x10000: error -22"));
	client_close(&self->c);
	self->firmware[3] ^= 1;

	*(__u32 *)(self->firmware + 0x10) = 0;
	EXPECT_ERRNO(EINVAL, igd_open(self));
	client_close(&self->c);
	*(__u32 *)(self->firmware + 0x10) = OPREGION / KIB;

	vbt_write(self->firmware, 0x0200, memory);
	EXPECT_ERRNO(EINVAL, igd_open(self));
	client_close(&self->c);

	/* And the device is as good as before. */
	opregion_write(self->firmware);
	ASSERT_OK(pci_config_write(&self->func, ADDRESS, 4, FIRMWARE));
	EXPECT_OK(igd_open(self));
	close(log);
}

/* The register with the address is the user's own: what he writes there shows nobody anything. */
TEST_F(igd, address)
{
	static const __u32 addresses[] = { FIRMWARE, 0 };
	__u32 hardware;

	for (size_t i = 0; i < 2; i++) {
		ASSERT_OK(pci_config_write(&self->func, ADDRESS, 4, addresses[i]));
		ASSERT_OK(igd_open(self));
		EXPECT_EQ(addresses[i], config_read(&self->c, ADDRESS, 4));
		EXPECT_OK(config_write(&self->c, ADDRESS, 4, 0x12345000));
		EXPECT_EQ(0x12345000, config_read(&self->c, ADDRESS, 4));
		ASSERT_OK(pci_config_read(&self->func, ADDRESS, 4, &hardware));
		EXPECT_EQ(addresses[i], hardware);
		client_close(&self->c);
	}
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { VGA };

	log_announce("OpRegion at 0x");
	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

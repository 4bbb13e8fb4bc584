// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VGA region: the memory and the ports at which a VGA device answers since the IBM PC, at their
 * places in the region, and nothing elsewhere.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>

#include "lib/check.h"

#define REGION		VFIO_PCI_VGA_REGION_INDEX
#define SIZE		0xc0000
#define MEMORY		0xa0000
#define TEXT		0xb8000
#define PORTS		0x3c0

/* Registers behind an index and a data port, and the miscellaneous output register. */
#define SEQUENCER	0x3c4
#define GRAPHICS	0x3ce
#define MISC_WRITE	0x3c2
#define MISC_READ	0x3cc

FIXTURE(vga)
{
	struct client c;
};

FIXTURE_SETUP(vga)
{
	if (!open_or_skip(_metadata, &self->c, VGA, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
}

FIXTURE_TEARDOWN(vga)
{
	client_close(&self->c);
}

static int port_read(const struct client *c, __u64 port)
{
	__u8 value;

	return region_read(c, REGION, port, &value, 1) == 1 ? value : -1;
}

static int port_write(const struct client *c, __u64 port, __u8 value)
{
	return region_write(c, REGION, port, &value, 1) == 1 ? 0 : -1;
}

static int indexed_write(const struct client *c, __u64 port, __u8 index, __u8 value)
{
	return port_write(c, port, index) || port_write(c, port + 1, value) ? -1 : 0;
}

/* Memory at 0xa0000 as plain bytes: all of it decoded, one plane after the other. */
static int memory_mode(const struct client *c)
{
	return indexed_write(c, SEQUENCER, 0x02, 0x0f) || indexed_write(c, SEQUENCER, 0x04, 0x0e) ||
	       indexed_write(c, GRAPHICS, 0x05, 0x40) || indexed_write(c, GRAPHICS, 0x06, 0x01) ||
	       indexed_write(c, GRAPHICS, 0x08, 0xff) ||
	       port_write(c, MISC_WRITE, 0x63) ? -1 : 0;
}

/* The whole of the first 768 KiB, to be read and written, not mapped. */
TEST_F(vga, info)
{
	const struct vfio_region_info *info = &self->c.region[REGION];

	EXPECT_EQ(SIZE, info->size);
	EXPECT_EQ(VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE, info->flags);
	EXPECT_ERRNO(EINVAL, region_map(&self->c, REGION, MEMORY, PAGE));
}

/* What is no VGA device has no such region. */
TEST_F(vga, others)
{
	struct vfio_region_info info;
	struct client edu;
	__u32 value;

	if (!open_or_skip(_metadata, &edu, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	EXPECT_ERRNO(EINVAL, region_info(edu.device, REGION, &info));
	EXPECT_ERRNO(EINVAL, pread(edu.device, &value, 4, self->c.region[REGION].offset + MEMORY));
	EXPECT_ERRNO(EINVAL, pwrite(edu.device, &value, 4, self->c.region[REGION].offset + MEMORY));
	client_close(&edu);
}

/* Between the windows there is nothing: EINVAL. At the end of one: what is there. */
TEST_F(vga, windows)
{
	static const __u64 outside[] = {
		0, 0x3af, 0x3bc, 0x3bf, 0x3e0, PAGE, MEMORY - 1, SIZE, SIZE + PAGE,
	};
	static const struct {
		__u64 at;
		ssize_t count;
	} ends[] = {
		{ 0x3ba, 2 }, { 0x3de, 2 }, { SIZE - 1, 1 }, { SIZE - 6, 6 },
	};
	__u8 data[16];

	for (size_t i = 0; i < ARRAY_SIZE(outside); i++) {
		EXPECT_ERRNO(EINVAL, region_read(&self->c, REGION, outside[i], data, 4));
		EXPECT_ERRNO(EINVAL, region_write(&self->c, REGION, outside[i], data, 4));
	}
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		EXPECT_EQ(ends[i].count, region_read(&self->c, REGION, ends[i].at, data, 16));
	EXPECT_EQ(0, region_read(&self->c, REGION, MEMORY, data, 0));
	EXPECT_ERRNO(EFAULT, region_read(&self->c, REGION, MEMORY, (void *)16, 4));
	EXPECT_ERRNO(EFAULT, region_write(&self->c, REGION, MEMORY, (void *)16, 4));
}

/* Ports are the device's: registers keep what is written. */
TEST_F(vga, ports)
{
	for (int value = 0; value < 8; value++) {
		ASSERT_OK(indexed_write(&self->c, GRAPHICS, 0x00, value));
		ASSERT_OK(port_write(&self->c, GRAPHICS, 0x00));
		EXPECT_EQ(value, port_read(&self->c, GRAPHICS + 1));
	}
	ASSERT_OK(port_write(&self->c, MISC_WRITE, 0x63));
	EXPECT_EQ(0x63, port_read(&self->c, MISC_READ));
	ASSERT_OK(port_write(&self->c, MISC_WRITE, 0x67));
	EXPECT_EQ(0x67, port_read(&self->c, MISC_READ));
}

/* Memory keeps what is written, in every width and at every alignment. */
TEST_F(vga, memory)
{
	__u8 data[80], back[80];

	ASSERT_OK(memory_mode(&self->c));
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = 0x31 + 7 * i;
	for (int size = 1; size <= 9; size++) {
		for (int at = 60; at < 68; at++) {
			ASSERT_EQ(size, region_write(&self->c, REGION, MEMORY + at, data, size));
			ASSERT_EQ(size, region_read(&self->c, REGION, MEMORY + at, back, size));
			ASSERT_EQ(0, memcmp(data, back, size))
				TH_LOG("%d bytes at %d", size, at);
		}
	}
	ASSERT_EQ(80, region_write(&self->c, REGION, MEMORY + 0x7ffd, data, 80));
	ASSERT_EQ(80, region_read(&self->c, REGION, MEMORY + 0x7ffd, back, 80));
	EXPECT_EQ(0, memcmp(data, back, sizeof(data)));
}

/* The region is another way to the memory of BAR 0. */
TEST_F(vga, is_the_device)
{
	__u8 data[4] = { 0xd1, 0xd2, 0xd3, 0xd4 }, back[4];

	ASSERT_OK(memory_mode(&self->c));
	ASSERT_EQ(4, region_write(&self->c, 0, 0x100, data, 4));
	ASSERT_EQ(4, region_read(&self->c, REGION, MEMORY + 0x100, back, 4));
	EXPECT_EQ(0, memcmp(data, back, 4));
}

/* In D3 nobody answers: EIO. */
TEST_F(vga, asleep)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_PM), value;

	if (!cap)
		SKIP(return, "no power management");
	ASSERT_OK(config_write(&self->c, cap + PCI_PM_CTRL, 2, 3));
	EXPECT_ERRNO(EIO, region_read(&self->c, REGION, MEMORY, &value, 4));
	ASSERT_OK(config_write(&self->c, cap + PCI_PM_CTRL, 2, 0));
}

/* Says for which device the arbiter's file is to speak. */
static bool arbiter_target(int arbiter, const struct pci_func *func)
{
	char line[64];

	snprintf(line, sizeof(line), "target PCI:%s", func->bdf);
	return write(arbiter, line, strlen(line)) > 0;
}

/* A turn at the arbiter is given back: not even a refused access keeps it. */
TEST_F(vga, turns)
{
	char before[256] = "";
	int arbiter;
	__u32 value;

	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(4, region_read(&self->c, REGION, MEMORY, &value, 4));
		ASSERT_EQ(1, region_read(&self->c, REGION, PORTS, &value, 1));
		ASSERT_ERRNO(EINVAL, region_read(&self->c, REGION, 0, &value, 4));
	}
	arbiter = open("/dev/vga_arbiter", O_RDWR | O_CLOEXEC);
	if (arbiter < 0)
		SKIP(return, "no /dev/vga_arbiter");
	ASSERT_TRUE(arbiter_target(arbiter, &self->c.func));
	ASSERT_LT(0, read(arbiter, before, sizeof(before) - 1));
	EXPECT_NE(NULL, strstr(before, "(0:0)"))
		TH_LOG("locked: %s", before);
	/* Whoever else asks gets it; we wait for him, and a signal would end that. */
	EXPECT_EQ(7, write(arbiter, "lock io", 7));
	EXPECT_EQ(9, write(arbiter, "unlock io", 9));
	close(arbiter);
}

/* Takes the turn for another device, and holds it until the file is closed. */
static int arbiter_hold(const struct pci_func *func)
{
	int arbiter = open("/dev/vga_arbiter", O_RDWR | O_CLOEXEC);

	if (arbiter >= 0 && (!arbiter_target(arbiter, func) || write(arbiter, "lock io", 7) < 0))
		fd_close(&arbiter);
	return arbiter;
}

/* What one read of a port ends with: its value, or a negative errno. */
static void *port_reader(void *data)
{
	int value = port_read(data, MISC_READ);

	return (void *)(intptr_t)(value < 0 ? -errno : value);
}

FIXTURE(waiting)
{
	struct client c;
	int arbiter;
	pthread_t reader;
};

FIXTURE_SETUP(waiting)
{
	struct pci_func other;

	self->arbiter = -1;
	if (!open_or_skip(_metadata, &self->c, VGA, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
	if (pci_find(VGA, 1, &other))
		SKIP(return, "one VGA device only");
	self->arbiter = arbiter_hold(&other);
	if (self->arbiter < 0)
		SKIP(return, "no /dev/vga_arbiter");
	ASSERT_EQ(0, pthread_create(&self->reader, NULL, port_reader, &self->c));
	usleep(QUIET_MS * 1000);
	ASSERT_EQ(EBUSY, pthread_tryjoin_np(self->reader, NULL));
}

FIXTURE_TEARDOWN(waiting)
{
	fd_close(&self->arbiter);
	client_close(&self->c);
}

/* The reader has the turn when the other lets it go. */
TEST_F(waiting, has_its_turn)
{
	void *result;

	fd_close(&self->arbiter);
	ASSERT_EQ(0, pthread_join(self->reader, &result));
	EXPECT_LE(0, (long)(intptr_t)result);
}

/* Taking the device back does not wait with the reader, who is told that it is gone. */
TEST_F(waiting, is_not_waited_for)
{
	void *result;

	EXPECT_OK(take_back(&self->c.func));
	ASSERT_EQ(0, pthread_join(self->reader, &result));
	EXPECT_EQ(-ENODEV, (long)(intptr_t)result);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* Binding and unbinding joins and leaves the arbiter each time. */
TEST_F(vga, rebind)
{
	struct pci_func func = self->c.func;

	client_close(&self->c);
	for (int i = 0; i < 20; i++) {
		ASSERT_OK(pci_unbind(&func));
		ASSERT_OK(pci_bind(&func, "vfio-pci"));
	}
	ASSERT_OK(client_open_func(&self->c, &func, NULL, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(SIZE, self->c.region[REGION].size);
}

/* The ROM is one of a graphics device. */
TEST_F(vga, rom)
{
	__u8 head[2];

	if (!self->c.region[VFIO_PCI_ROM_REGION_INDEX].size)
		SKIP(return, "no ROM");
	ASSERT_EQ(2, region_read(&self->c, VFIO_PCI_ROM_REGION_INDEX, 0, head, 2));
	EXPECT_EQ(0x55, head[0]);
	EXPECT_EQ(0xaa, head[1]);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { VGA, EDU };

	log_announce("Device is taken back|No device request channel");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Config space as a client sees it: the same for every device of the test bed, whatever it is, plus
 * what single devices show. "Hardware" is what the kernel reads for the config file in sysfs.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define CONFIG	VFIO_PCI_CONFIG_REGION_INDEX

FIXTURE(config)
{
	struct client c;
	int hardware;
};

FIXTURE_VARIANT(config)
{
	enum test_device kind;
};

FIXTURE_VARIANT_ADD(config, edu) { .kind = EDU };
FIXTURE_VARIANT_ADD(config, nvme) { .kind = NVME };
FIXTURE_VARIANT_ADD(config, e1000e) { .kind = E1000E };
FIXTURE_VARIANT_ADD(config, testdev) { .kind = TESTDEV };

FIXTURE_SETUP(config)
{
	char path[64];

	if (!open_or_skip(_metadata, &self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU))
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", self->c.func.bdf);
	self->hardware = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->hardware);
}

FIXTURE_TEARDOWN(config)
{
	client_close(&self->c);
	close(self->hardware);
}

static __u32 hardware_read(int hardware, __u32 at, int size)
{
	__u32 value = 0;

	return pread(hardware, &value, size, at) == size ? value : ~0U;
}

/* What a device is can be read, and is what hardware says. */
TEST_F(config, identity)
{
	static const struct {
		__u32 at;
		int size;
	} fields[] = {
		{ PCI_VENDOR_ID, 2 }, { PCI_DEVICE_ID, 2 }, { PCI_CLASS_REVISION, 4 },
		{ PCI_HEADER_TYPE, 1 }, { PCI_SUBSYSTEM_VENDOR_ID, 2 }, { PCI_SUBSYSTEM_ID, 2 },
		{ PCI_INTERRUPT_PIN, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		EXPECT_EQ(hardware_read(self->hardware, fields[i].at, fields[i].size),
			  config_read(&self->c, fields[i].at, fields[i].size));
}

/* An odd number of bytes at an odd place: the same bytes that single reads give. */
TEST_F(config, widths)
{
	__u8 single[256], all[256], some[8];

	for (int at = 0; at < 256; at++)
		single[at] = config_read(&self->c, at, 1);
	ASSERT_EQ(256, region_read(&self->c, CONFIG, 0, all, 256));
	EXPECT_EQ(0, memcmp(single, all, 256));
	for (int size = 1; size <= 8; size++) {
		for (int at = 0; at <= 64; at++) {
			ASSERT_EQ(size, region_read(&self->c, CONFIG, at, some, size));
			ASSERT_EQ(0, memcmp(single + at, some, size))
				TH_LOG("%d bytes at 0x%x", size, at);
		}
	}
}

/* 256 bytes for conventional PCI, 4096 for PCI Express; beyond it: EFAULT. Nothing from nothing. */
TEST_F(config, bounds)
{
	__u64 size = self->c.region[CONFIG].size;
	__u32 word = 0;

	EXPECT_EQ(config_find_cap(&self->c, PCI_CAP_ID_EXP) ? 4096 : 256, size);
	EXPECT_EQ(4, region_read(&self->c, CONFIG, size - 4, &word, 4));
	EXPECT_ERRNO(EFAULT, region_read(&self->c, CONFIG, size, &word, 4));
	EXPECT_ERRNO(EFAULT, region_read(&self->c, CONFIG, size - 2, &word, 4));
	EXPECT_ERRNO(EFAULT, region_write(&self->c, CONFIG, size, &word, 1));
	EXPECT_ERRNO(EFAULT, region_read(&self->c, CONFIG, 1 * GIB, &word, 4));
	EXPECT_EQ(0, region_read(&self->c, CONFIG, 0, &word, 0));
	EXPECT_EQ(0, region_write(&self->c, CONFIG, 0, &word, 0));
}

/* Fields that are not the client's to change stay as they are, whatever is written. */
TEST_F(config, read_only)
{
	static const __u32 fields[] = {
		PCI_VENDOR_ID, PCI_VENDOR_ID + 1, PCI_DEVICE_ID, PCI_DEVICE_ID + 1,
		PCI_STATUS, PCI_STATUS + 1, PCI_REVISION_ID, PCI_CLASS_PROG, PCI_CLASS_DEVICE,
		PCI_CLASS_DEVICE + 1, PCI_HEADER_TYPE, PCI_CARDBUS_CIS, PCI_SUBSYSTEM_VENDOR_ID,
		PCI_SUBSYSTEM_ID, PCI_CAPABILITY_LIST, PCI_INTERRUPT_PIN, PCI_MIN_GNT,
		PCI_MAX_LAT,
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		__u32 before = config_read(&self->c, fields[i], 1);

		EXPECT_OK(config_write(&self->c, fields[i], 1, 0xff));
		EXPECT_EQ(before, config_read(&self->c, fields[i], 1));
		EXPECT_OK(config_write(&self->c, fields[i], 1, 0));
		EXPECT_EQ(before, config_read(&self->c, fields[i], 1));
		EXPECT_EQ(hardware_read(self->hardware, fields[i], 1) & 0xff, before & 0xff)
			TH_LOG("hardware differs at 0x%x", fields[i]);
	}
}

/* The interrupt line is the guest's note to itself. */
TEST_F(config, interrupt_line)
{
	__u32 hardware = hardware_read(self->hardware, PCI_INTERRUPT_LINE, 1);

	EXPECT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, 0x42));
	EXPECT_EQ(0x42, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
	EXPECT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, 0xbd));
	EXPECT_EQ(0xbd, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
	EXPECT_EQ(hardware, hardware_read(self->hardware, PCI_INTERRUPT_LINE, 1));
}

/* The size that a BAR says when all ones are written to it; its type bits stay. */
static __u64 bar_size(const struct client *c, int bar, bool *wide)
{
	const __u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;
	__u64 mask;

	config_write(c, at, 4, ~0U);
	mask = config_read(c, at, 4);
	*wide = false;
	if (mask & PCI_BASE_ADDRESS_SPACE_IO)
		return (__u32)(~(mask & PCI_BASE_ADDRESS_IO_MASK) + 1);
	*wide = (mask & PCI_BASE_ADDRESS_MEM_TYPE_MASK) == PCI_BASE_ADDRESS_MEM_TYPE_64;
	if (!*wide)
		return (__u32)(~(mask & PCI_BASE_ADDRESS_MEM_MASK) + 1);
	config_write(c, at + 4, 4, ~0U);
	mask |= (__u64)config_read(c, at + 4, 4) << 32;
	return ~(mask & ~0xfULL) + 1;
}

/* Sizing a BAR gives its region's size, and leaves hardware alone. */
TEST_F(config, bar_sizing)
{
	bool wide;

	for (int bar = 0; bar < 6; bar++) {
		const __u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;
		__u32 hardware = hardware_read(self->hardware, at, 4);
		__u64 size = bar_size(&self->c, bar, &wide);

		EXPECT_EQ(self->c.region[bar].size, size)
			TH_LOG("BAR %d", bar);
		EXPECT_EQ(hardware, hardware_read(self->hardware, at, 4));
		if (wide) {
			EXPECT_EQ(0, self->c.region[bar + 1].size);
			bar++;
		}
	}
}

/* A BAR keeps what is written above its size, and its type bits are those of hardware. */
TEST_F(config, bar_address)
{
	const __u32 address = 0xa5a00000;

	for (int bar = 0; bar < 6; bar++) {
		const __u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;
		__u32 hardware = hardware_read(self->hardware, at, 4);
		__u64 size = self->c.region[bar].size;
		bool io = hardware & PCI_BASE_ADDRESS_SPACE_IO;
		__u32 type = hardware & (io ? 0x3 : 0xf);

		if (!size)
			continue;
		EXPECT_OK(config_write(&self->c, at, 4, address));
		EXPECT_EQ((address & ~(__u32)(size - 1)) | type, config_read(&self->c, at, 4));
		EXPECT_EQ(hardware, hardware_read(self->hardware, at, 4));
		/* A byte at a time, as some firmware does. */
		EXPECT_OK(config_write(&self->c, at + 3, 1, 0x5a));
		EXPECT_EQ((0x5aa00000 & ~(__u32)(size - 1)) | type,
			  config_read(&self->c, at, 4));
		/* The device is still where it was. */
		EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
		EXPECT_EQ(4, region_read(&self->c, bar, 0, &type, 4));
	}
}

/* The ROM's BAR sizes like the others. */
TEST_F(config, rom_sizing)
{
	__u32 before = hardware_read(self->hardware, PCI_ROM_ADDRESS, 4);
	__u64 size = self->c.region[VFIO_PCI_ROM_REGION_INDEX].size;

	if (!size)
		SKIP(return, "the device shows no ROM");
	EXPECT_OK(config_write(&self->c, PCI_ROM_ADDRESS, 4, (__u32)PCI_ROM_ADDRESS_MASK));
	EXPECT_EQ((__u32)~(size - 1), config_read(&self->c, PCI_ROM_ADDRESS, 4));
	EXPECT_EQ(before, hardware_read(self->hardware, PCI_ROM_ADDRESS, 4));
}

/* Bus mastering is off until the client turns it on, and off again after the last close. */
TEST_F(config, bus_master)
{
	EXPECT_FALSE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	EXPECT_FALSE(hardware_read(self->hardware, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MASTER, 0));
	EXPECT_TRUE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	EXPECT_TRUE(hardware_read(self->hardware, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
	client_close(&self->c);
	EXPECT_FALSE(hardware_read(self->hardware, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

/* Decoding is turned on and off by the client; off, memory BARs answer EIO. */
TEST_F(config, memory_decode)
{
	__u32 value;

	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_TRUE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_EQ(4, region_read(&self->c, 0, 0, &value, 4));
	EXPECT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	EXPECT_FALSE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_FALSE(hardware_read(self->hardware, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_ERRNO(EIO, region_read(&self->c, 0, 0, &value, 4));
	EXPECT_ERRNO(EIO, region_write(&self->c, 0, 0, &value, 4));
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(4, region_read(&self->c, 0, 0, &value, 4));
}

/*
 * A reset that nobody told of, which takes the addresses of BARs, is mended before the function
 * decodes again: at address 0 it would answer to what is others'.
 */
TEST_F(config, lost_bar)
{
	__u32 before, after;
	int log = log_open();

	if (!self->c.region[0].size || config_read(&self->c, PCI_BASE_ADDRESS_0, 4) &
	    PCI_BASE_ADDRESS_SPACE_IO)
		SKIP(return, "BAR 0 is no memory");
	ASSERT_OK(pci_config_read(&self->c.func, PCI_BASE_ADDRESS_0, 4, &before));
	ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	ASSERT_OK(pci_config_write(&self->c.func, PCI_BASE_ADDRESS_0, 4, 0));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(pci_config_read(&self->c.func, PCI_BASE_ADDRESS_0, 4, &after));
	EXPECT_EQ(before, after);
	EXPECT_TRUE(log_has(log, "BAR 0 was lost in a reset"));
	close(log);
}

/* INTx disable is a bit that the client may set and read. */
TEST_F(config, intx_disable)
{
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_INTX_DISABLE, 0));
	EXPECT_TRUE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
	EXPECT_OK(config_command(&self->c, 0, PCI_COMMAND_INTX_DISABLE));
	EXPECT_FALSE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_INTX_DISABLE);
}

/* Set, the pin is kept from interrupting; what was asserted comes when it is clear. */
TEST(intx_disable_masks)
{
	__s32 event = event_new();
	struct client c;

	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&c));
	ASSERT_OK(irq_events(c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &event));
	ASSERT_OK(config_command(&c, PCI_COMMAND_INTX_DISABLE, 0));
	ASSERT_OK(edu_raise(&c));
	EXPECT_EQ(0, event_wait(event, QUIET_MS));
	ASSERT_OK(config_command(&c, 0, PCI_COMMAND_INTX_DISABLE));
	EXPECT_EQ(1, event_wait(event, PATIENCE_MS));
	ASSERT_OK(edu_lower(&c));
	client_close(&c);
	close(event);
}

/* Capabilities that a client must not see: it could do harm with them, or nothing. */
static bool cap_is_hidden(__u32 id)
{
	static const __u8 hidden[] = {
		PCI_CAP_ID_SLOTID, PCI_CAP_ID_CHSWP, PCI_CAP_ID_DBG, PCI_CAP_ID_CCRC,
		PCI_CAP_ID_SHPC, PCI_CAP_ID_SSVID, PCI_CAP_ID_AGP3, PCI_CAP_ID_SECDEV,
		PCI_CAP_ID_EA,
	};

	return memchr(hidden, id, sizeof(hidden)) || id > PCI_CAP_ID_MAX;
}

/* The list of capabilities ends, stays in bounds, and has only what hardware has at that place. */
TEST_F(config, cap_list)
{
	bool listed = config_read(&self->c, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST;
	__u32 at = config_read(&self->c, PCI_CAPABILITY_LIST, 1);
	bool seen[256] = { false };

	EXPECT_EQ(listed, at != 0);
	for (; at; at = config_read(&self->c, at + PCI_CAP_LIST_NEXT, 1)) {
		__u32 id = config_read(&self->c, at, 1);

		ASSERT_LE(0x40, at);
		ASSERT_EQ(0, at & 3);
		ASSERT_FALSE(seen[at])
			TH_LOG("the list has a loop at 0x%x", at);
		seen[at] = true;
		EXPECT_EQ(hardware_read(self->hardware, at, 1), id);
		EXPECT_FALSE(cap_is_hidden(id))
			TH_LOG("capability 0x%02x is shown", id);
	}
}

/* The same for the extended ones: from 0x100 on, or there are none. */
TEST_F(config, extended_cap_list)
{
	bool seen[1024] = { false };
	__u32 at = PCI_CFG_SPACE_SIZE, head;

	if (self->c.region[CONFIG].size < 4096)
		SKIP(return, "conventional PCI");
	for (; at; at = PCI_EXT_CAP_NEXT(head)) {
		ASSERT_LE(PCI_CFG_SPACE_SIZE, at);
		ASSERT_EQ(0, at & 3);
		ASSERT_FALSE(seen[at / 4])
			TH_LOG("the list has a loop at 0x%x", at);
		seen[at / 4] = true;
		head = config_read(&self->c, at, 4);
		/* A first one that is hidden keeps its place, as number 0. */
		if (PCI_EXT_CAP_ID(head))
			EXPECT_EQ(hardware_read(self->hardware, at, 4) & 0xfffff, head & 0xfffff);
	}
}

/* Heads of capabilities cannot be written. */
TEST_F(config, cap_heads)
{
	__u32 at = config_read(&self->c, PCI_CAPABILITY_LIST, 1);

	for (int links = 0; at && links < 48; links++) {
		__u32 before = config_read(&self->c, at, 2);

		EXPECT_OK(config_write(&self->c, at, 2, 0xffff));
		EXPECT_EQ(before, config_read(&self->c, at, 2));
		EXPECT_OK(config_write(&self->c, at, 2, 0));
		EXPECT_EQ(before, config_read(&self->c, at, 2));
		at = before >> 8;
	}
}

/* MSI is turned on by SET_IRQS alone: the enable bit does not stick and does not reach hardware. */
TEST_F(config, msi_enable)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSI);
	__u32 flags = cap + PCI_MSI_FLAGS;

	if (!cap)
		SKIP(return, "no MSI");
	EXPECT_OK(config_write(&self->c, flags, 2,
			       config_read(&self->c, flags, 2) | PCI_MSI_FLAGS_ENABLE));
	EXPECT_FALSE(config_read(&self->c, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	EXPECT_FALSE(hardware_read(self->hardware, flags, 2) & PCI_MSI_FLAGS_ENABLE);
}

/*
 * While MSI is set up the client turns it on and off in his view, with no more messages than there
 * are vectors, and hardware stays as SET_IRQS made it; afterwards it is off again.
 */
TEST_F(config, msi_enable_set_up)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSI);
	__u32 flags = cap + PCI_MSI_FLAGS;
	__s32 event = event_new();
	__u32 value;

	if (!cap)
		SKIP(return, "no MSI");
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event));
	EXPECT_TRUE(hardware_read(self->hardware, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	value = config_read(&self->c, flags, 2);
	EXPECT_OK(config_write(&self->c, flags, 2, value | PCI_MSI_FLAGS_ENABLE | 5 << 4));
	value = config_read(&self->c, flags, 2);
	EXPECT_TRUE(value & PCI_MSI_FLAGS_ENABLE);
	EXPECT_EQ(0, value & PCI_MSI_FLAGS_QSIZE);
	EXPECT_EQ(0, hardware_read(self->hardware, flags, 2) & PCI_MSI_FLAGS_QSIZE);
	EXPECT_OK(config_write(&self->c, flags, 2, value & ~PCI_MSI_FLAGS_ENABLE));
	EXPECT_FALSE(config_read(&self->c, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	EXPECT_TRUE(hardware_read(self->hardware, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	EXPECT_OK(config_write(&self->c, flags, 2, value | PCI_MSI_FLAGS_ENABLE));
	ASSERT_OK(irq_disable(self->c.device, VFIO_PCI_MSI_IRQ_INDEX));
	EXPECT_FALSE(config_read(&self->c, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	EXPECT_FALSE(hardware_read(self->hardware, flags, 2) & PCI_MSI_FLAGS_ENABLE);
	close(event);
}

/* The same for MSI-X, and its table's place is what hardware says. */
TEST_F(config, msix_read_only)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSIX);

	if (!cap)
		SKIP(return, "no MSI-X");
	for (__u32 at = cap; at < cap + PCI_CAP_MSIX_SIZEOF; at += 4) {
		__u32 before = config_read(&self->c, at, 4);

		EXPECT_OK(config_write(&self->c, at, 4, ~0U));
		EXPECT_EQ(before, config_read(&self->c, at, 4));
		EXPECT_EQ(before >> 16, hardware_read(self->hardware, at, 4) >> 16);
	}
}

/* Where MSI's address and data go in a guest is the guest's affair; hardware has its own. */
TEST_F(config, msi_address)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSI), hardware;

	if (!cap)
		SKIP(return, "no MSI");
	hardware = hardware_read(self->hardware, cap + PCI_MSI_ADDRESS_LO, 4);
	EXPECT_OK(config_write(&self->c, cap + PCI_MSI_ADDRESS_LO, 4, 0xfee12344));
	EXPECT_EQ(0xfee12344, config_read(&self->c, cap + PCI_MSI_ADDRESS_LO, 4));
	EXPECT_EQ(hardware, hardware_read(self->hardware, cap + PCI_MSI_ADDRESS_LO, 4));
}

/* Registers that keep what is written until a reset. */
#define NVME_CC		0x14		/* configuration of the controller */
#define NVME_SIZES	0x00460000	/* of entries of queues; not enabled */
#define E1000E_TDBAL	0x3800		/* where the ring for sending is */

/*
 * The bit that starts a function level reset does so where the device has that, and reads as zero;
 * what the client had set up in config space, and his interrupts, survive.
 */
TEST(express_reset)
{
	__s32 event = event_new();
	struct client c;
	__u32 at, command, control;

	if (!open_or_skip(_metadata, &c, NVME, 0, VFIO_TYPE1v2_IOMMU))
		return;
	at = config_find_cap(&c, PCI_CAP_ID_EXP);
	ASSERT_NE(0, at);
	if (!(config_read(&c, at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR))
		SKIP(return, "the disk has no function level reset");
	ASSERT_OK(irq_events(c.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &event));
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0));
	command = config_read(&c, PCI_COMMAND, 2);
	ASSERT_OK(bar_write32(&c, 0, NVME_CC, NVME_SIZES));
	ASSERT_EQ(NVME_SIZES, bar_read32(&c, 0, NVME_CC));
	control = config_read(&c, at + PCI_EXP_DEVCTL, 2);
	EXPECT_FALSE(control & PCI_EXP_DEVCTL_BCR_FLR);

	/* The same without the bit is no reset. */
	EXPECT_OK(config_write(&c, at + PCI_EXP_DEVCTL, 2, control));
	EXPECT_EQ(NVME_SIZES, bar_read32(&c, 0, NVME_CC));

	EXPECT_OK(config_write(&c, at + PCI_EXP_DEVCTL, 2, control | PCI_EXP_DEVCTL_BCR_FLR));
	EXPECT_EQ(0, bar_read32(&c, 0, NVME_CC));
	EXPECT_EQ(control, config_read(&c, at + PCI_EXP_DEVCTL, 2));
	EXPECT_EQ(command, config_read(&c, PCI_COMMAND, 2));
	EXPECT_TRUE(config_read(&c, config_find_cap(&c, PCI_CAP_ID_MSIX) + PCI_MSIX_FLAGS, 2) &
		    PCI_MSIX_FLAGS_ENABLE);
	client_close(&c);
	close(event);
}

/* Where the device has no such reset nothing happens. */
TEST(express_without_reset)
{
	struct client c;
	__u32 at;

	if (!open_or_skip(_metadata, &c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	at = config_find_cap(&c, PCI_CAP_ID_EXP);
	ASSERT_NE(0, at);
	if (config_read(&c, at + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR)
		SKIP(return, "the card has a function level reset");
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(bar_write32(&c, 0, E1000E_TDBAL, 0x12340));
	EXPECT_OK(config_write(&c, at + PCI_EXP_DEVCTL, 2,
			       config_read(&c, at + PCI_EXP_DEVCTL, 2) | PCI_EXP_DEVCTL_BCR_FLR));
	EXPECT_FALSE(config_read(&c, at + PCI_EXP_DEVCTL, 2) & PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(0x12340, bar_read32(&c, 0, E1000E_TDBAL));
	client_close(&c);
}

/* D3 by the client: it reads back, BARs answer EIO, and D0 brings all back. */
TEST_F(config, power_state)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_PM), value;

	if (!cap)
		SKIP(return, "no power management");
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_OK(config_write(&self->c, cap + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(3, config_read(&self->c, cap + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	EXPECT_ERRNO(EIO, region_read(&self->c, 0, 0, &value, 4));
	EXPECT_OK(config_write(&self->c, cap + PCI_PM_CTRL, 2, 0));
	EXPECT_EQ(0, config_read(&self->c, cap + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(4, region_read(&self->c, 0, 0, &value, 4));
}

/* PME is the host's: no support is shown, none can be enabled. */
TEST_F(config, no_pme)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_PM);

	if (!cap)
		SKIP(return, "no power management");
	EXPECT_EQ(0, config_read(&self->c, cap + PCI_PM_PMC, 2) & PCI_PM_CAP_PME_MASK);
	EXPECT_OK(config_write(&self->c, cap + PCI_PM_CTRL, 2, PCI_PM_CTRL_PME_ENABLE));
	EXPECT_EQ(0, config_read(&self->c, cap + PCI_PM_CTRL, 2) &
		     (PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS));
}

/* What a client left in config space is not there for the next one. */
TEST_F(config, next_client)
{
	EXPECT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, 0x42));
	EXPECT_OK(config_write(&self->c, PCI_BASE_ADDRESS_0, 4, 0xa5a00000));
	EXPECT_OK(config_command(&self->c, PCI_COMMAND_MASTER, 0));
	client_close(&self->c);
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_NE(0x42, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
	EXPECT_NE(0xa5a00000, config_read(&self->c, PCI_BASE_ADDRESS_0, 4) & ~0xf);
	EXPECT_FALSE(config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MASTER);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E, TESTDEV };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

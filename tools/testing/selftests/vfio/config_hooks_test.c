// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of config space whose writes do something (drivers/vfio/pci/config_hooks.c), built into
 * this program, for those that no device of the test bed has: vital product data, advanced
 * features, a payload that sets a floor to read requests. Needs no device: what the hooks call is
 * here and remembers it.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <string.h>

#include "lib/vfio.h"

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;

#define pci_power_t		int
#define __force
#define READ_ONCE(x)		(x)
#define PCI_POSSIBLE_ERROR(x)	((x) == (__typeof__(x))~0)

static inline u32 min(u32 a, u32 b)
{
	return a < b ? a : b;
}

static inline int max(int a, int b)
{
	return a > b ? a : b;
}

/* In place of the module's pci.h, which describes much more. */
#define _VFIO_PCI_H
#include "../../../../drivers/vfio/pci/config.h"

#define VPD_SIZE	256

/**
 * struct pci_dev - the device behind the hooks
 * @vpd: its vital product data
 * @silent: it answers nothing
 * @config: its config space
 * @payload: bytes, set by the host
 * @read_request: what it was set to, 0 if it was not
 * @current_state: of power
 */
struct pci_dev {
	u8 vpd[VPD_SIZE];
	bool silent;
	u8 config[PCI_CFG_SPACE_SIZE];
	int payload;
	int read_request;
	pci_power_t current_state;
};

struct lock {
	int unused;
};

struct vfio_pci_device {
	struct pci_dev *pdev;
	struct vfio_pci_config config;
	struct lock memory_lock;
	int irq_index;
	struct {
		unsigned int nr_vectors;
	} msi;
	int resets;
};

static void down_write(struct lock *lock)
{
	(void)lock;
}

static void up_write(struct lock *lock)
{
	(void)lock;
}

static ssize_t pci_read_vpd(struct pci_dev *pdev, __s64 at, size_t size, void *data)
{
	if (pdev->silent || at + size > VPD_SIZE)
		return -EIO;
	memcpy(data, pdev->vpd + at, size);
	return size;
}

static ssize_t pci_write_vpd(struct pci_dev *pdev, __s64 at, size_t size, const void *data)
{
	if (pdev->silent || at + size > VPD_SIZE)
		return -EIO;
	memcpy(pdev->vpd + at, data, size);
	return size;
}

static int config_get(struct pci_dev *pdev, int at, void *value, size_t size)
{
	memset(value, 0xff, size);
	if (pdev->silent)
		return -EIO;
	memcpy(value, pdev->config + at, size);
	return 0;
}

static int pci_user_read_config_byte(struct pci_dev *pdev, int at, u8 *value)
{
	return config_get(pdev, at, value, sizeof(*value));
}

static int pci_user_read_config_word(struct pci_dev *pdev, int at, u16 *value)
{
	return config_get(pdev, at, value, sizeof(*value));
}

static int pci_user_read_config_dword(struct pci_dev *pdev, int at, u32 *value)
{
	return config_get(pdev, at, value, sizeof(*value));
}

static int pcie_get_mps(struct pci_dev *pdev)
{
	return pdev->payload;
}

static int pcie_set_readrq(struct pci_dev *pdev, int bytes)
{
	pdev->read_request = bytes;
	return 0;
}

static int vfio_pci_reset_function(struct vfio_pci_device *vpci)
{
	vpci->resets++;
	return 0;
}

static int vfio_pci_set_power_state(struct vfio_pci_device *vpci, pci_power_t state)
{
	vpci->pdev->current_state = state;
	return 0;
}

/* The command register is tested with devices (config_test). */
static u16 vfio_pci_command_update(struct vfio_pci_device *vpci, u16 clear, u16 set)
{
	(void)vpci;
	(void)clear;
	return set;
}

static void vfio_pci_quiesce(struct vfio_pci_device *vpci)
{
	(void)vpci;
}

static void vfio_pci_resume(struct vfio_pci_device *vpci)
{
	(void)vpci;
}

static void vfio_pci_restore_bars(struct vfio_pci_device *vpci)
{
	(void)vpci;
}

static void vfio_pci_intx_sync(struct vfio_pci_device *vpci)
{
	(void)vpci;
}

static void vfio_pci_intx_command(struct vfio_pci_device *vpci, bool disabled)
{
	(void)vpci;
	(void)disabled;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "../../../../drivers/vfio/pci/config_hooks.c"
#pragma GCC diagnostic pop

/* ---- a device with one capability, all of it in the shadow ---- */

#define CAP 0x40

FIXTURE(hooks)
{
	struct pci_dev pdev;
	struct vfio_pci_device vpci;
	u8 shadow[PCI_CFG_SPACE_SIZE];
};

FIXTURE_SETUP(hooks)
{
	memset(self, 0, sizeof(*self));
	for (int i = 0; i < VPD_SIZE; i++)
		self->pdev.vpd[i] = i;
	self->vpci.pdev = &self->pdev;
	self->vpci.config.shadow = self->shadow;
	self->vpci.irq_index = VFIO_PCI_NUM_IRQS;
}

FIXTURE_TEARDOWN(hooks)
{
}

/* A client writes @size bytes at @at of the capability, which lie in the hook's dword. */
static void hook_write(struct vfio_pci_device *vpci, const struct vfio_pci_config_hook *hook,
		       unsigned int at, unsigned int size, u32 value)
{
	unsigned int shift = 8 * (at - hook->offset);
	struct vfio_pci_config_access access = {
		.pos = CAP + hook->offset,
		.mask = (size == 4 ? ~0U : (1U << 8 * size) - 1) << shift,
		.value = value << shift,
	};
	u8 *shadow = vpci->config.shadow + access.pos;

	if (hook->begin)
		hook->begin(vpci, CAP, &access);
	vfio_pci_put_le32(shadow, (vfio_pci_get_le32(shadow) & ~access.mask) |
			  (access.value & access.mask));
	if (hook->end)
		hook->end(vpci, CAP, &access);
}

static u16 shadow16(const struct vfio_pci_device *vpci, unsigned int at)
{
	return vfio_pci_get_le32(vpci->config.shadow + CAP + at);
}

/* ---- vital product data ---- */

static void vpd_address(struct vfio_pci_device *vpci, u16 address)
{
	hook_write(vpci, &vfio_pci_vpd_hook, PCI_VPD_ADDR, 2, address);
}

static u32 vpd_data(const struct vfio_pci_device *vpci)
{
	return vfio_pci_get_le32(vpci->config.shadow + CAP + PCI_VPD_DATA);
}

/* Flag 0: four bytes are read, lowest first, and the flag becomes 1. */
TEST_F(hooks, vpd_read)
{
	vpd_address(&self->vpci, 0x10);
	EXPECT_EQ(PCI_VPD_ADDR_F | 0x10, shadow16(&self->vpci, PCI_VPD_ADDR));
	EXPECT_EQ(0x13121110, vpd_data(&self->vpci));
	vpd_address(&self->vpci, VPD_SIZE - 4);
	EXPECT_EQ(0xfffefdfc, vpd_data(&self->vpci));
}

/* Flag 1: four bytes are written and the flag becomes 0. */
TEST_F(hooks, vpd_write)
{
	vfio_pci_put_le32(self->shadow + CAP + PCI_VPD_DATA, 0x44332211);
	vpd_address(&self->vpci, PCI_VPD_ADDR_F | 0x20);
	EXPECT_EQ(0x20, shadow16(&self->vpci, PCI_VPD_ADDR));
	EXPECT_EQ(0x44332211, vfio_pci_get_le32(self->pdev.vpd + 0x20));
	EXPECT_EQ(0x1f, self->pdev.vpd[0x1f]);
	EXPECT_EQ(0x24, self->pdev.vpd[0x24]);
}

/* A device that does not answer, or data that end before: the flag never turns. */
TEST_F(hooks, vpd_fails)
{
	vfio_pci_put_le32(self->shadow + CAP + PCI_VPD_DATA, 0x44332211);
	vpd_address(&self->vpci, VPD_SIZE);
	EXPECT_EQ(VPD_SIZE, shadow16(&self->vpci, PCI_VPD_ADDR));
	vpd_address(&self->vpci, PCI_VPD_ADDR_F | VPD_SIZE);
	EXPECT_EQ(PCI_VPD_ADDR_F | VPD_SIZE, shadow16(&self->vpci, PCI_VPD_ADDR));
	self->pdev.silent = true;
	vpd_address(&self->vpci, 0x10);
	EXPECT_EQ(0x10, shadow16(&self->vpci, PCI_VPD_ADDR));
	EXPECT_EQ(0x44332211, vpd_data(&self->vpci));
}

/* Only the byte with the flag starts something: a client may write the address byte by byte. */
TEST_F(hooks, vpd_by_bytes)
{
	hook_write(&self->vpci, &vfio_pci_vpd_hook, PCI_VPD_ADDR, 1, 0x30);
	EXPECT_EQ(0x30, shadow16(&self->vpci, PCI_VPD_ADDR));
	EXPECT_EQ(0, vpd_data(&self->vpci));
	hook_write(&self->vpci, &vfio_pci_vpd_hook, PCI_VPD_ADDR + 1, 1, 0);
	EXPECT_EQ(PCI_VPD_ADDR_F | 0x30, shadow16(&self->vpci, PCI_VPD_ADDR));
	EXPECT_EQ(0x33323130, vpd_data(&self->vpci));
}

/* ---- advanced features of conventional PCI ---- */

static void af_control(struct vfio_pci_device *vpci, u8 value)
{
	hook_write(vpci, &vfio_pci_af_hook, PCI_AF_CTRL, 1, value);
}

/* The bit resets a function that can reset and wait for what it has begun; else nothing happens. */
TEST_F(hooks, af_reset)
{
	static const struct {
		u8 cap, control;
		bool silent;
		int resets;
	} rows[] = {
		{ PCI_AF_CAP_FLR | PCI_AF_CAP_TP, PCI_AF_CTRL_FLR, false, 1 },
		{ PCI_AF_CAP_FLR | PCI_AF_CAP_TP, 0xff, false, 1 },
		{ PCI_AF_CAP_FLR | PCI_AF_CAP_TP, 0, false, 0 },
		{ PCI_AF_CAP_FLR | PCI_AF_CAP_TP, 0xfe, false, 0 },
		{ PCI_AF_CAP_FLR, PCI_AF_CTRL_FLR, false, 0 },
		{ PCI_AF_CAP_TP, PCI_AF_CTRL_FLR, false, 0 },
		{ 0, PCI_AF_CTRL_FLR, false, 0 },
		{ PCI_AF_CAP_FLR | PCI_AF_CAP_TP, PCI_AF_CTRL_FLR, true, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		self->vpci.resets = 0;
		self->pdev.silent = rows[i].silent;
		self->pdev.config[CAP + PCI_AF_CAP] = rows[i].cap;
		af_control(&self->vpci, rows[i].control);
		EXPECT_EQ(rows[i].resets, self->vpci.resets)
			TH_LOG("row %zu", i);
	}
}

/* The status byte behind it is not the control byte. */
TEST_F(hooks, af_status)
{
	self->pdev.config[CAP + PCI_AF_CAP] = PCI_AF_CAP_FLR | PCI_AF_CAP_TP;
	hook_write(&self->vpci, &vfio_pci_af_hook, PCI_AF_STATUS, 1, 0xff);
	EXPECT_EQ(0, self->vpci.resets);
}

/* ---- PCI Express ---- */

static void device_control(struct vfio_pci_device *vpci, u16 value)
{
	hook_write(vpci, &vfio_pci_express_hook, PCI_EXP_DEVCTL, 2, value);
}

/* Read requests are as large as the client says, but not below the payload of the host. */
TEST_F(hooks, read_request_floor)
{
	for (int payload = 0; payload <= 5; payload++) {
		self->pdev.payload = 128 << payload;
		for (int wanted = 0; wanted <= 5; wanted++) {
			device_control(&self->vpci, wanted << 12);
			EXPECT_EQ(128 << max(wanted, payload), self->pdev.read_request);
		}
	}
}

/* The low byte has no part of it; and resets are not asked for by that. */
TEST_F(hooks, device_control_low_byte)
{
	self->pdev.payload = 128;
	vfio_pci_put_le32(self->pdev.config + CAP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	hook_write(&self->vpci, &vfio_pci_express_hook, PCI_EXP_DEVCTL, 1, 0xff);
	EXPECT_EQ(0, self->pdev.read_request);
	EXPECT_EQ(0, self->vpci.resets);
}

/* A reset if the device says that it has one. */
TEST_F(hooks, function_level_reset)
{
	self->pdev.payload = 128;
	device_control(&self->vpci, PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(0, self->vpci.resets);
	vfio_pci_put_le32(self->pdev.config + CAP + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_FLR);
	device_control(&self->vpci, 0);
	EXPECT_EQ(0, self->vpci.resets);
	device_control(&self->vpci, PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(1, self->vpci.resets);
	self->pdev.silent = true;
	/* All ones is no answer. */
	device_control(&self->vpci, PCI_EXP_DEVCTL_BCR_FLR);
	EXPECT_EQ(1, self->vpci.resets);
}

/* ---- MSI ---- */

/* Enabled only while it is set up, with not more messages than there are, nor than offered. */
TEST_F(hooks, msi_limit)
{
	static const struct {
		bool set_up;
		unsigned int vectors, offered, wanted, got;
	} rows[] = {
		{ false, 0, 5, 5, 0 }, { true, 1, 5, 5, 0 }, { true, 2, 5, 5, 1 },
		{ true, 3, 5, 5, 2 }, { true, 4, 5, 1, 1 }, { true, 32, 5, 7, 5 },
		{ true, 32, 2, 5, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u16 flags;

		memset(self->shadow, 0, sizeof(self->shadow));
		self->vpci.irq_index = rows[i].set_up ? VFIO_PCI_MSI_IRQ_INDEX :
				       VFIO_PCI_MSIX_IRQ_INDEX;
		self->vpci.msi.nr_vectors = rows[i].vectors;
		self->shadow[CAP + PCI_MSI_FLAGS] = rows[i].offered << 1;
		hook_write(&self->vpci, &vfio_pci_msi_hook, PCI_MSI_FLAGS, 2,
			   PCI_MSI_FLAGS_ENABLE | rows[i].wanted << 4);
		flags = shadow16(&self->vpci, PCI_MSI_FLAGS);
		EXPECT_EQ(rows[i].got, (flags & PCI_MSI_FLAGS_QSIZE) >> 4)
			TH_LOG("row %zu", i);
		EXPECT_EQ(rows[i].set_up, flags & PCI_MSI_FLAGS_ENABLE);
	}
	/* Torn down, it is off when it is read next. */
	self->vpci.irq_index = VFIO_PCI_NUM_IRQS;
	vfio_pci_msi_hook.refresh(&self->vpci, CAP);
	EXPECT_FALSE(shadow16(&self->vpci, PCI_MSI_FLAGS) & PCI_MSI_FLAGS_ENABLE);
}

TEST_HARNESS_MAIN

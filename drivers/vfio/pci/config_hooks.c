// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers of config space whose writes do something.
 *
 * A hook stands at one dword of a capability. It is called with config_lock held around the access
 * that the masks carry out, and passes what the user wants on to the file that owns it: decoding to
 * memory.c, INTx Disable to intx.c, power states to power.c, function resets to reset.c. Those take
 * memory_lock and what is below it; irq_lock is above config_lock and cannot be taken here.
 *
 * Config space of a device that is being reset answers to nobody: pci_user_*() wait until that is
 * over, so they are not called with memory_lock held, which whoever resets may need.
 */
#include <linux/log2.h>

#include "pci.h"

/* What a register whose bits were @old becomes by @access; both are seen as the whole dword. */
static u32 access_merge(const struct vfio_pci_config_access *access, u32 old)
{
	return (old & ~access->mask) | (access->value & access->mask);
}

static u32 access_written(const struct vfio_pci_config_access *access)
{
	return access->value & access->mask;
}

/* ---- the command register ---- */

#define COMMAND_DECODE (PCI_COMMAND_MEMORY | PCI_COMMAND_IO)

/* Change the bits @changed to those of @wanted, decode bits in the window. */
static void command_write(struct vfio_pci_device *vpci, u16 changed, u16 wanted)
{
	u16 hardware = changed & ~vfio_pci_get_le32(vpci->config.virt + PCI_COMMAND);
	u16 decode = hardware & wanted & COMMAND_DECODE;

	if (!(changed & COMMAND_DECODE)) {
		/* Not while the kernel has decoding on for itself: it puts the register back. */
		down_write(&vpci->memory_lock);
		vfio_pci_command_update(vpci, hardware & ~wanted, hardware & wanted);
		up_write(&vpci->memory_lock);
		return;
	}

	vfio_pci_quiesce(vpci);
	if (decode & ~vfio_pci_command_update(vpci, 0, 0)) {
		vfio_pci_restore_bars(vpci);
		/* So may INTx Disable be: without it the line would be up with nobody to answer. */
		vfio_pci_intx_sync(vpci);
	}
	vfio_pci_command_update(vpci, hardware & ~wanted, hardware & wanted);
	vpci->config.shadow[PCI_COMMAND] = wanted & COMMAND_DECODE;
	vfio_pci_resume(vpci);
}

/*
 * The register is written here and not by the masks: its decode bits in the window, and all of it
 * so that the handler of INTx, which changes it too, cannot come in between.
 *
 * What the user last wanted decoded is in the shadow: in hardware it may be off after a reset,
 * and on for a moment while the kernel needs it.
 */
static void command_begin(struct vfio_pci_device *vpci, u16 base,
			  struct vfio_pci_config_access *access)
{
	struct vfio_pci_config *config = &vpci->config;
	u32 shadow = vfio_pci_get_le32(config->shadow + PCI_COMMAND);
	u16 virt = vfio_pci_get_le32(config->virt + PCI_COMMAND);
	u16 now, old, wanted, changed;

	access->hardware &= ~0xffffU;
	if (!(access->mask & 0xffff))
		return;
	if (pci_user_read_config_word(vpci->pdev, PCI_COMMAND, &now) || PCI_POSSIBLE_ERROR(now)) {
		/* The device is gone. */
		access->value = shadow;
		return;
	}

	old = (now & ~(virt | COMMAND_DECODE)) | (shadow & (virt | COMMAND_DECODE));
	wanted = access_merge(access, old);
	changed = ((wanted ^ old) | ((wanted ^ now) & ~virt)) & ~PCI_COMMAND_INTX_DISABLE;
	if (changed)
		command_write(vpci, changed, wanted);
}

static void command_end(struct vfio_pci_device *vpci, u16 base,
			const struct vfio_pci_config_access *access)
{
	if (access->mask & PCI_COMMAND_INTX_DISABLE)
		vfio_pci_intx_command(vpci, access->value & PCI_COMMAND_INTX_DISABLE);
}

const struct vfio_pci_config_hook vfio_pci_command_hook = {
	.offset = PCI_COMMAND,
	.begin = command_begin,
	.end = command_end,
};

/* ---- power management ---- */

/* A one would clear the status of a wake-up, which the host wants to see. */
static void power_begin(struct vfio_pci_device *vpci, u16 base,
			struct vfio_pci_config_access *access)
{
	access->clear = PCI_PM_CTRL_PME_STATUS;
}

/* As in hardware, a state that cannot be entered leaves things as they are. */
static void power_end(struct vfio_pci_device *vpci, u16 base,
		      const struct vfio_pci_config_access *access)
{
	pci_power_t state = (__force pci_power_t)(access->value & PCI_PM_CTRL_STATE_MASK);

	if (access->mask & PCI_PM_CTRL_STATE_MASK && state != vpci->pdev->current_state)
		vfio_pci_set_power_state(vpci, state);
}

const struct vfio_pci_config_hook vfio_pci_power_hook = {
	.offset = PCI_PM_CTRL,
	.begin = power_begin,
	.end = power_end,
};

/* ---- vital product data ---- */

/*
 * The address register with its flag as the user has just written it: 0 asks for a read, 1 for a
 * write, and the flag turns when that is done. If it fails the flag stays, as in a device that does
 * not answer. The PCI core keeps users of the same data apart and knows where it ends.
 */
static void vpd_end(struct vfio_pci_device *vpci, u16 base,
		    const struct vfio_pci_config_access *access)
{
	u8 *address = vpci->config.shadow + base + PCI_VPD_ADDR;
	u8 *data = vpci->config.shadow + base + PCI_VPD_DATA;
	u16 where = (address[0] | address[1] << 8) & PCI_VPD_ADDR_MASK;
	bool write = address[1] & (PCI_VPD_ADDR_F >> 8);
	u8 bytes[4];

	/* Only the byte with the flag starts something. */
	if (!(access->mask & (u32)PCI_VPD_ADDR_F << 16))
		return;

	if (write) {
		if (pci_write_vpd(vpci->pdev, where, sizeof(bytes), data) != sizeof(bytes))
			return;
	} else {
		if (pci_read_vpd(vpci->pdev, where, sizeof(bytes), bytes) != sizeof(bytes))
			return;
		memcpy(data, bytes, sizeof(bytes));
	}
	address[1] ^= PCI_VPD_ADDR_F >> 8;
}

const struct vfio_pci_config_hook vfio_pci_vpd_hook = {
	.offset = 0,
	.end = vpd_end,
};

/* ---- MSI ---- */

/* Enabled is only what was set up by SET_IRQS. irq_lock is not ours: the answer may be old. */
static bool msi_set_up(const struct vfio_pci_device *vpci)
{
	return READ_ONCE(vpci->irq_index) == VFIO_PCI_MSI_IRQ_INDEX;
}

static void msi_refresh(struct vfio_pci_device *vpci, u16 base)
{
	if (!msi_set_up(vpci))
		vpci->config.shadow[base + PCI_MSI_FLAGS] &= ~PCI_MSI_FLAGS_ENABLE;
}

/* Not more messages than were allocated. */
static u16 msi_limit(const struct vfio_pci_device *vpci, u16 flags)
{
	unsigned int most = (flags & PCI_MSI_FLAGS_QMASK) >> 1;
	unsigned int nr_vectors = READ_ONCE(vpci->msi.nr_vectors);
	unsigned int wanted = (flags & PCI_MSI_FLAGS_QSIZE) >> 4;

	if (!msi_set_up(vpci)) {
		flags &= ~PCI_MSI_FLAGS_ENABLE;
		nr_vectors = 0;
	}
	most = min(most, nr_vectors ? order_base_2(nr_vectors) : 0U);
	return (flags & ~PCI_MSI_FLAGS_QSIZE) | min(wanted, most) << 4;
}

static void msi_begin(struct vfio_pci_device *vpci, u16 base,
		      struct vfio_pci_config_access *access)
{
	u32 old = vfio_pci_get_le32(vpci->config.shadow + base);
	u16 flags = access_merge(access, old) >> 16;

	/* How many are offered takes no write. */
	flags = (flags & ~PCI_MSI_FLAGS_QMASK) | (old >> 16 & PCI_MSI_FLAGS_QMASK);
	flags = msi_limit(vpci, flags);
	access->value = (access->value & 0xffff) | (u32)flags << 16;
}

const struct vfio_pci_config_hook vfio_pci_msi_hook = {
	.offset = 0,
	.refresh = msi_refresh,
	.begin = msi_begin,
};

/* ---- PCI Express ---- */

/* Never less than the payload size that the host chose; what else it may be, the PCI core knows. */
static void express_set_read_request(struct vfio_pci_device *vpci, u32 control)
{
	int size = 128 << ((control & PCI_EXP_DEVCTL_READRQ) >> 12);

	pcie_set_readrq(vpci->pdev, max(size, pcie_get_mps(vpci->pdev)));
}

static bool express_can_reset(struct vfio_pci_device *vpci, u16 base)
{
	u32 cap;

	return !pci_user_read_config_dword(vpci->pdev, base + PCI_EXP_DEVCAP, &cap) &&
	       cap & PCI_EXP_DEVCAP_FLR;
}

static void express_end(struct vfio_pci_device *vpci, u16 base,
			const struct vfio_pci_config_access *access)
{
	if (access->mask & PCI_EXP_DEVCTL_READRQ)
		express_set_read_request(vpci, access->value);
	if (access_written(access) & PCI_EXP_DEVCTL_BCR_FLR && express_can_reset(vpci, base))
		vfio_pci_reset_function(vpci);
}

const struct vfio_pci_config_hook vfio_pci_express_hook = {
	.offset = PCI_EXP_DEVCTL,
	.end = express_end,
};

/* ---- advanced features of conventional PCI ---- */

static void af_end(struct vfio_pci_device *vpci, u16 base,
		   const struct vfio_pci_config_access *access)
{
	const u8 needed = PCI_AF_CAP_FLR | PCI_AF_CAP_TP;
	u8 cap;

	if (!(access_written(access) & PCI_AF_CTRL_FLR))
		return;
	if (!pci_user_read_config_byte(vpci->pdev, base + PCI_AF_CAP, &cap) &&
	    (cap & needed) == needed)
		vfio_pci_reset_function(vpci);
}

const struct vfio_pci_config_hook vfio_pci_af_hook = {
	.offset = PCI_AF_CTRL,
	.end = af_end,
};

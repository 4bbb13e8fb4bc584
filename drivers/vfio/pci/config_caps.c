// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules: the header of a type 0 function and the standard capabilities.
 *
 * What is not said is read from hardware and takes no write. The id and the link of a capability
 * come from the shadow, always; the rows do not repeat it. An id without an entry is hidden: slot
 * numbering (04), CompactPCI (06, 0b), debug port (0a), hot-plug controller (0c), bridge subsystem
 * (0d), AGP 8x (0e) and secure device (0f) say nothing that a user of an endpoint needs, and most
 * of them would let him get at the bus. Enhanced allocation (14) is hidden and takes no write: it
 * says where the BARs are, on a PF those of its VFs too.
 */
#include <linux/kernel.h>
#include <linux/pci_regs.h>

#include "config.h"

/* ---- the header ---- */

/*
 * INTx Disable belongs to intx.c. The status register is read-only: its error bits would be cleared
 * by writing ones. Which bits of a BAR can be changed, and the rest of what depends on the function
 * (a VF has neither ids nor decode bits of its own), is filled in by config.c.
 */
static const struct vfio_pci_config_row header_rows[] = {
	{ PCI_VENDOR_ID, 2, .virt = 0xffff },
	{ PCI_DEVICE_ID, 2, .virt = 0xffff },
	{ PCI_COMMAND, 2, .virt = PCI_COMMAND_INTX_DISABLE, .write = 0xffff },
	{ PCI_STATUS, 2, .virt = PCI_STATUS_CAP_LIST },
	{ PCI_CACHE_LINE_SIZE, 1, .write = 0xff },
	{ PCI_LATENCY_TIMER, 1, .write = 0xff },
	{ PCI_BIST, 1, .write = 0xff },
	{ PCI_BASE_ADDRESS_0, 4, .virt = ~0 },
	{ PCI_BASE_ADDRESS_1, 4, .virt = ~0 },
	{ PCI_BASE_ADDRESS_2, 4, .virt = ~0 },
	{ PCI_BASE_ADDRESS_3, 4, .virt = ~0 },
	{ PCI_BASE_ADDRESS_4, 4, .virt = ~0 },
	{ PCI_BASE_ADDRESS_5, 4, .virt = ~0 },
	{ PCI_ROM_ADDRESS, 4, .virt = ~0 },
	{ PCI_CAPABILITY_LIST, 1, .virt = 0xff },
	{ PCI_INTERRUPT_LINE, 1, .virt = 0xff, .write = 0xff },
	{ PCI_INTERRUPT_PIN, 1, .virt = 0xff },
	{ }
};

const struct vfio_pci_capability vfio_pci_header = {
	.length = PCI_STD_HEADER_SIZEOF,
	.rows = header_rows,
	.hook = &vfio_pci_command_hook,
};

/* ---- standard capabilities ---- */

/* Wake-up is the host's; the hook changes the state, and the data selector. */
static const struct vfio_pci_config_row pm_rows[] = {
	{ PCI_PM_PMC, 2, .virt = PCI_PM_CAP_PME_MASK, .zero = PCI_PM_CAP_PME_MASK },
	{ PCI_PM_CTRL, 2,
	  .virt = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS,
	  .write = PCI_PM_CTRL_DATA_SEL_MASK,
	  .zero = PCI_PM_CTRL_PME_ENABLE | PCI_PM_CTRL_PME_STATUS },
	{ }
};

static const struct vfio_pci_config_row vpd_rows[] = {
	{ PCI_VPD_ADDR, 2, .virt = 0xffff, .write = 0xffff, .zero = 0xffff },
	{ PCI_VPD_DATA, 4, .virt = ~0, .write = ~0, .zero = ~0 },
	{ }
};

/*
 * MSI is set up by the host, the user sees what he wrote. The forms with and without a 64-bit
 * address have the later registers in different places; without masking they end before the mask.
 */
#define MSI_FLAGS_ROW { PCI_MSI_FLAGS, 2, .virt = 0xffff, \
			.write = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE, \
			.zero = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE }

static const struct vfio_pci_config_row msi_rows[] = {
	MSI_FLAGS_ROW,
	{ PCI_MSI_ADDRESS_LO, 4, .virt = ~0, .write = ~3, .zero = ~0 },
	{ PCI_MSI_DATA_32, 2, .virt = 0xffff, .write = 0xffff, .zero = 0xffff },
	{ PCI_MSI_MASK_32, 4, .write = ~0 },
	{ }
};

static const struct vfio_pci_config_row msi_64_rows[] = {
	MSI_FLAGS_ROW,
	{ PCI_MSI_ADDRESS_LO, 4, .virt = ~0, .write = ~3, .zero = ~0 },
	{ PCI_MSI_ADDRESS_HI, 4, .virt = ~0, .write = ~0, .zero = ~0 },
	{ PCI_MSI_DATA_64, 2, .virt = 0xffff, .write = 0xffff, .zero = 0xffff },
	{ PCI_MSI_MASK_64, 4, .write = ~0 },
	{ }
};

#define MSI_FORM (PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_MASKBIT)

static const struct vfio_pci_config_row pcix_rows[] = {
	{ PCI_X_CMD, 2, .write = 0xffff },
	{ PCI_X_ECC_CSR, 4, .write = ~0 },
	{ }
};

/* The version field is 0 where there is no ECC. */
#define PCIX_FORM 0x3000

/* Bit 12 of Device Control 2, which older kernel headers do not name */
#define EXP_DEVCTL2_TAGS_10BIT 0x1000

/*
 * Payload and read request sizes are as the user likes them, and the hook passes the latter on. The
 * host decides what depends on the path to the function: phantom functions, alternative routing
 * ids, latency tolerance, 10-bit tags. A function level reset is made by the hook.
 */
static const struct vfio_pci_config_row exp_rows[] = {
	{ PCI_EXP_DEVCTL, 2,
	  .virt = PCI_EXP_DEVCTL_PAYLOAD | PCI_EXP_DEVCTL_READRQ,
	  .write = 0xffff & ~(PCI_EXP_DEVCTL_PHANTOM | PCI_EXP_DEVCTL_BCR_FLR) },
	{ PCI_EXP_DEVCTL2, 2,
	  .write = 0xffff & ~(PCI_EXP_DEVCTL2_ARI | PCI_EXP_DEVCTL2_LTR_EN |
			      EXP_DEVCTL2_TAGS_10BIT) },
	{ }
};

/* To the end of Link Status 2, of which older kernel headers do not know */
#define EXP_V2_SIZE 0x34

/* Only the link to a function on a slot is described; integrated ones have none. */
static u16 exp_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u16 flags = vfio_pci_source_dword(source, pos) >> 16;
	bool integrated = (flags & PCI_EXP_FLAGS_TYPE) >> 4 == PCI_EXP_TYPE_RC_END;

	if ((flags & PCI_EXP_FLAGS_VERS) == 1)
		return integrated ? PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V1 :
				    PCI_CAP_EXP_ENDPOINT_SIZEOF_V1;
	return integrated ? PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V2 : EXP_V2_SIZE;
}

static u16 ht_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u8 type = vfio_pci_source_dword(source, pos) >> 24;

	return type & HT_3BIT_CAP_MASK ? HT_CAP_SIZEOF_SHORT : HT_CAP_SIZEOF_LONG;
}

static u16 vendor_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	return vfio_pci_source_dword(source, pos) >> 16 & 0xff;
}

static u16 sata_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 regs = vfio_pci_source_dword(source, pos + PCI_SATA_REGS);

	return (regs & PCI_SATA_REGS_MASK) == PCI_SATA_REGS_INLINE ? PCI_SATA_SIZEOF_LONG :
								     PCI_SATA_SIZEOF_SHORT;
}

/* Entries of their own length each, which is in their first dword */
static u16 ea_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 left = vfio_pci_source_dword(source, pos) >> 16 & PCI_EA_NUM_ENT_MASK;
	u16 length = PCI_EA_FIRST_ENT;

	while (left-- && pos + length < PCI_CFG_SPACE_SIZE)
		length += 4 + 4 * (vfio_pci_source_dword(source, pos + length) & PCI_EA_ES);
	return length;
}

const struct vfio_pci_capability vfio_pci_capabilities[] = {
	{ .id = PCI_CAP_ID_PM, .length = PCI_PM_SIZEOF, .least = PCI_PM_PPB_EXTENSIONS,
	  .rows = pm_rows, .hook = &vfio_pci_power_hook },
	{ .id = PCI_CAP_ID_AGP, .length = PCI_AGP_SIZEOF },
	{ .id = PCI_CAP_ID_VPD, .length = PCI_CAP_VPD_SIZEOF, .least = PCI_CAP_VPD_SIZEOF,
	  .rows = vpd_rows, .hook = &vfio_pci_vpd_hook },
	{ .id = PCI_CAP_ID_MSI, .select_mask = MSI_FORM, .length = 10, .least = 10,
	  .rows = msi_rows, .hook = &vfio_pci_msi_hook },
	{ .id = PCI_CAP_ID_MSI, .select_mask = MSI_FORM, .select = PCI_MSI_FLAGS_64BIT,
	  .length = 14, .least = 14, .rows = msi_64_rows, .hook = &vfio_pci_msi_hook },
	{ .id = PCI_CAP_ID_MSI, .select_mask = MSI_FORM, .select = PCI_MSI_FLAGS_MASKBIT,
	  .length = 20, .least = 20, .rows = msi_rows, .hook = &vfio_pci_msi_hook },
	{ .id = PCI_CAP_ID_MSI, .select_mask = MSI_FORM, .select = MSI_FORM,
	  .length = 24, .least = 24, .rows = msi_64_rows, .hook = &vfio_pci_msi_hook },
	{ .id = PCI_CAP_ID_PCIX, .select_mask = PCIX_FORM, .length = PCI_CAP_PCIX_SIZEOF_V0,
	  .rows = pcix_rows },
	{ .id = PCI_CAP_ID_PCIX, .length = PCI_CAP_PCIX_SIZEOF_V2, .rows = pcix_rows },
	{ .id = PCI_CAP_ID_HT, .measure = ht_measure },
	{ .id = PCI_CAP_ID_VNDR, .measure = vendor_measure, .least = 3, .writable = true },
	{ .id = PCI_CAP_ID_EXP, .measure = exp_measure, .rows = exp_rows,
	  .least = PCI_CAP_EXP_RC_ENDPOINT_SIZEOF_V1, .hook = &vfio_pci_express_hook },
	{ .id = PCI_CAP_ID_MSIX, .length = PCI_CAP_MSIX_SIZEOF, .least = PCI_CAP_MSIX_SIZEOF },
	{ .id = PCI_CAP_ID_SATA, .measure = sata_measure, .least = PCI_SATA_SIZEOF_SHORT },
	{ .id = PCI_CAP_ID_AF, .length = PCI_CAP_AF_SIZEOF, .least = PCI_CAP_AF_SIZEOF,
	  .hook = &vfio_pci_af_hook },
	{ .id = PCI_CAP_ID_EA, .measure = ea_measure, .least = PCI_EA_FIRST_ENT, .hidden = true },
};

const unsigned int vfio_pci_nr_capabilities = ARRAY_SIZE(vfio_pci_capabilities);

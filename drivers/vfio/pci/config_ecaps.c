// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules: the extended capabilities.
 *
 * As in config_caps.c: what is not said is read from hardware and takes no write, first dwords come
 * from the shadow, an id without an entry is hidden. Those whose ids are listed and hidden:
 *
 *   05, 06, 07, 0a	parts of root complexes
 *   0c, 11, 14		obsolete, multi-root, AMD's own
 *   19, 25 … 2a, 31	the link, its lanes and enclosure management, which are the host's
 *   1a, 1c … 22	multiplexing, LN requests, port containment, L1 substates, time measurement,
 *			M-PHY, readiness
 *   1b			PASID, which the host enables
 *   24			sizes of the BARs of VFs, which would move them over what is another's:
 *			its bytes take no write, while those of all others here are a gap
 *   2e, 2f, 30		mailboxes, device 3, link encryption
 */
#include <linux/kernel.h>
#include <linux/pci_regs.h>

#include "config.h"

/* Not all kernel headers name it. */
#define EXT_CAP_ID_VF_REBAR	0x24

/* Bits that mean something; not all kernel headers name all of them. */
#define ERR_UNCOR_BITS	0xfffff030
#define ERR_COR_BITS	0x0000f1c1

/* Statuses are cleared by writing ones; no status is outside of the bits that may be written. */
static const struct vfio_pci_config_row err_rows[] = {
	{ PCI_ERR_UNCOR_STATUS, 4, .write = ERR_UNCOR_BITS },
	{ PCI_ERR_UNCOR_MASK, 4, .write = ERR_UNCOR_BITS },
	{ PCI_ERR_UNCOR_SEVER, 4, .write = ERR_UNCOR_BITS },
	{ PCI_ERR_COR_STATUS, 4, .write = ERR_COR_BITS },
	{ PCI_ERR_COR_MASK, 4, .write = ERR_COR_BITS },
	{ PCI_ERR_CAP, 4, .write = PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE },
	{ }
};

/* Selects what the data register says. */
static const struct vfio_pci_config_row pwr_rows[] = {
	{ PCI_PWR_DSR, 1, .write = 0xff },
	{ }
};

/* The BARs of VFs are addresses of the host, which no user needs. */
static const struct vfio_pci_config_row sriov_rows[] = {
	{ PCI_SRIOV_BAR + 0x00, 4, .virt = ~0, .zero = ~0 },
	{ PCI_SRIOV_BAR + 0x04, 4, .virt = ~0, .zero = ~0 },
	{ PCI_SRIOV_BAR + 0x08, 4, .virt = ~0, .zero = ~0 },
	{ PCI_SRIOV_BAR + 0x0c, 4, .virt = ~0, .zero = ~0 },
	{ PCI_SRIOV_BAR + 0x10, 4, .virt = ~0, .zero = ~0 },
	{ PCI_SRIOV_BAR + 0x14, 4, .virt = ~0, .zero = ~0 },
	{ }
};

/* The most phases that a table for arbitration has, by how it may be used */
static const struct {
	u32 schemes;
	u16 phases;
} vc_tables[] = {
	{ PCI_VC_RES_CAP_256_PHASE, 256 },
	{ PCI_VC_RES_CAP_128_PHASE | PCI_VC_RES_CAP_128_PHASE_TB, 128 },
	{ PCI_VC_RES_CAP_64_PHASE, 64 },
	{ PCI_VC_RES_CAP_32_PHASE, 32 },
};

/* The end of the table that @cap speaks of, with so many @bits for a phase; 0 if there is none */
static u16 vc_table_end(u32 cap, unsigned int bits)
{
	u16 start = (cap >> 24) * 16;
	unsigned int i;

	for (i = 0; start && i < ARRAY_SIZE(vc_tables); i++)
		if (cap & vc_tables[i].schemes)
			return start + vc_tables[i].phases * bits / 8;
	return 0;
}

/*
 * The virtual channels follow the port's registers; behind them may be a table for the arbitration
 * among them, four bits for a phase. The tables for arbitration among ports exist in switches and
 * root ports only.
 */
static u16 vc_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	const u32 table_bits = PCI_VC_CAP2_ARB_OFF | PCI_VC_CAP2_128_PHASE | PCI_VC_CAP2_64_PHASE |
			       PCI_VC_CAP2_32_PHASE;
	u32 channels = vfio_pci_source_dword(source, pos + PCI_VC_PORT_CAP1) & PCI_VC_CAP1_EVCC;
	u32 cap2 = vfio_pci_source_dword(source, pos + PCI_VC_PORT_CAP2);
	u16 length = PCI_CAP_VC_BASE_SIZEOF + (channels + 1) * PCI_CAP_VC_PER_VC_SIZEOF;

	return max(length, vc_table_end(cap2 & table_bits, 4));
}

/*
 * The same for the functions of a device, with a table for each channel: who has it shares out what
 * the other functions get.
 */
static u16 mfvc_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 cap1 = vfio_pci_source_dword(source, pos + PCI_VC_PORT_CAP1);
	unsigned int bits = 1 << ((cap1 & PCI_VC_CAP1_ARB_SIZE) >> 10);
	u16 length = vc_measure(source, pos);
	unsigned int i;

	for (i = 0; i <= (cap1 & PCI_VC_CAP1_EVCC); i++) {
		u16 where = pos + PCI_VC_RES_CAP + i * PCI_CAP_VC_PER_VC_SIZEOF;

		if (where >= PCI_CFG_SPACE_EXP_SIZE)
			break;
		length = max(length, vc_table_end(vfio_pci_source_dword(source, where), bits));
	}
	return length;
}

/* Vendor-specific capabilities, also the designated ones, begin with their length. */
static u16 vsec_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	return vfio_pci_source_dword(source, pos + PCI_VNDR_HEADER) >> 20;
}

/* With egress control there is a bit for each port, 0 meaning 256 of them. */
static u16 acs_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 cap = vfio_pci_source_dword(source, pos + PCI_ACS_CAP);
	u16 bits = cap >> 8 & 0xff;

	if (!(cap & PCI_ACS_EC))
		return PCI_ACS_EGRESS_CTL_V;
	return PCI_ACS_EGRESS_CTL_V + DIV_ROUND_UP(bits ? bits : 256, 32) * 4;
}

static u16 rebar_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 control = vfio_pci_source_dword(source, pos + PCI_REBAR_CTRL);
	u16 bars = (control & PCI_REBAR_CTRL_NBAR_MASK) >> PCI_REBAR_CTRL_NBAR_SHIFT;

	return PCI_REBAR_CAP + bars * 8;
}

/* A byte for each substate */
static u16 dpa_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 cap = vfio_pci_source_dword(source, pos + PCI_DPA_CAP);

	return PCI_DPA_BASE_SIZEOF + (cap & PCI_DPA_CAP_SUBSTATE_MASK) + 1;
}

/* The steering tags may be here, two bytes each. */
static u16 tph_measure(const struct vfio_pci_config_source *source, u16 pos)
{
	u32 cap = vfio_pci_source_dword(source, pos + PCI_TPH_CAP);
	u16 tags = ((cap & PCI_TPH_CAP_ST_MASK) >> PCI_TPH_CAP_ST_SHIFT) + 1;

	if ((cap & PCI_TPH_CAP_LOC_MASK) != PCI_TPH_LOC_CAP)
		return PCI_TPH_BASE_SIZEOF;
	return PCI_TPH_BASE_SIZEOF + DIV_ROUND_UP(tags, 2) * 4;
}

const struct vfio_pci_capability vfio_pci_ext_capabilities[] = {
	{ .id = PCI_EXT_CAP_ID_ERR, .length = PCI_ERR_ROOT_COMMAND, .rows = err_rows },
	{ .id = PCI_EXT_CAP_ID_VC, .measure = vc_measure, .least = PCI_CAP_VC_BASE_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_DSN, .length = PCI_EXT_CAP_DSN_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_PWR, .length = PCI_EXT_CAP_PWR_SIZEOF, .rows = pwr_rows },
	{ .id = PCI_EXT_CAP_ID_MFVC, .measure = mfvc_measure, .least = PCI_CAP_VC_BASE_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_VC9, .measure = vc_measure, .least = PCI_CAP_VC_BASE_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_VNDR, .measure = vsec_measure, .least = 8, .writable = true },
	{ .id = PCI_EXT_CAP_ID_ACS, .measure = acs_measure, .least = PCI_ACS_EGRESS_CTL_V },
	{ .id = PCI_EXT_CAP_ID_ARI, .length = PCI_EXT_CAP_ARI_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_ATS, .length = PCI_EXT_CAP_ATS_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_SRIOV, .length = PCI_EXT_CAP_SRIOV_SIZEOF, .rows = sriov_rows },
	{ .id = PCI_EXT_CAP_ID_MCAST, .length = PCI_EXT_CAP_MCAST_ENDPOINT_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_PRI, .length = PCI_EXT_CAP_PRI_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_REBAR, .measure = rebar_measure, .least = 12 },
	{ .id = PCI_EXT_CAP_ID_DPA, .measure = dpa_measure, .least = PCI_DPA_BASE_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_TPH, .measure = tph_measure, .least = PCI_TPH_BASE_SIZEOF },
	{ .id = PCI_EXT_CAP_ID_LTR, .length = PCI_EXT_CAP_LTR_SIZEOF },
	{ .id = EXT_CAP_ID_VF_REBAR, .measure = rebar_measure, .least = 12, .hidden = true },
	{ .id = PCI_EXT_CAP_ID_DVSEC, .measure = vsec_measure, .least = 10, .writable = true },
};

const unsigned int vfio_pci_nr_ext_capabilities = ARRAY_SIZE(vfio_pci_ext_capabilities);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions that Intel's integrated graphics has besides those of every function.
 *
 * A graphics driver in a guest wants to see what the firmware left in memory for it (the OpRegion,
 * and the table of video settings, the VBT), and the ids of the host bridge and of the LPC bridge,
 * by which it tells the platforms apart. All of that is read-only here.
 *
 * The firmware writes the OpRegion's address into the function's config space. The user sees a copy
 * of that register: a function whose register he could change would show the next user any memory.
 *
 * All is found when the device is opened, and constant until it is closed.
 */
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/moduleparam.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/unaligned.h>

#include "pci.h"

/* In config space */
#define IGD_OPREGION_ADDRESS	0xfc

/* In the OpRegion */
#define OPREGION_BYTES		0x2000
#define OPREGION_SIGNATURE	"IntelGraphicsMem"
#define OPREGION_KIBS		0x010	/* u32 */
#define OPREGION_VERSION	0x016	/* u16 */
#define OPREGION_VBT_ADDRESS	0x3ba	/* u64 */
#define OPREGION_VBT_BYTES	0x3c2	/* u32 */

/* The VBT may be outside since 2.0, at an address of its own; since 2.1 behind the OpRegion's. */
#define VERSION_2_0		0x0200
#define VERSION_2_1		0x0201

#ifdef VFIO_DEBUG
/* For a test: no virtual machine has such a device, nor memory that firmware left for it. */
static ulong igd_window;
module_param(igd_window, ulong, 0644);
MODULE_PARM_DESC(igd_window, "Take any display for Intel's, with its OpRegion from this address on (0: do not)");
#else
static const ulong igd_window;
#endif

static bool is_igd(const struct pci_dev *pdev)
{
	return pdev->class >> 16 == PCI_BASE_CLASS_DISPLAY &&
	       (pdev->vendor == PCI_VENDOR_ID_INTEL || READ_ONCE(igd_window));
}

/* ---- what the firmware left in memory ---- */

/* Firmware keeps what it leaves there out of the memory that the kernel hands out. */
static void *firmware_map(u64 address, size_t size)
{
	if (address + size < address ||
	    region_intersects(address, size, IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
		    REGION_DISJOINT)
		return ERR_PTR(-EINVAL);
	return memremap(address, size, MEMREMAP_WB) ?: ERR_PTR(-ENOMEM);
}

static int vbt_find(struct vfio_pci_igd *igd, u64 opregion)
{
	u64 address = get_unaligned_le64(igd->opregion + OPREGION_VBT_ADDRESS);
	u32 size = get_unaligned_le32(igd->opregion + OPREGION_VBT_BYTES);
	u16 version = get_unaligned_le16(igd->opregion + OPREGION_VERSION);

	if (version < VERSION_2_0 || !address || !size)
		return 0;
	igd->vbt = firmware_map(version == VERSION_2_0 ? address : opregion + address, size);
	if (IS_ERR(igd->vbt))
		return PTR_ERR(igd->vbt);
	igd->vbt_size = size;
	return 0;
}

static int opregion_find(struct vfio_pci_igd *igd, u64 address)
{
	u32 kibs;
	int ret;

	igd->opregion = firmware_map(address, OPREGION_BYTES);
	if (IS_ERR(igd->opregion))
		return PTR_ERR(igd->opregion);
	kibs = get_unaligned_le32(igd->opregion + OPREGION_KIBS);
	if (memcmp(igd->opregion, OPREGION_SIGNATURE, strlen(OPREGION_SIGNATURE)) || !kibs) {
		ret = -EINVAL;
		goto err_unmap;
	}
	igd->opregion_size = kibs < OPREGION_BYTES / SZ_1K ? kibs * SZ_1K : OPREGION_BYTES;
	ret = vbt_find(igd, address);
	if (!ret)
		return 0;

err_unmap:
	memunmap(igd->opregion);
	return ret;
}

static void opregion_forget(struct vfio_pci_igd *igd)
{
	if (igd->vbt_size)
		memunmap(igd->vbt);
	memunmap(igd->opregion);
}

/* ---- the regions ---- */

/**
 * struct igd_region - row of the table of regions
 * @subtype: as user space knows it
 * @size: of the region in bytes
 * @read: what lies within @size
 */
struct igd_region {
	u32 subtype;
	size_t (*size)(const struct vfio_pci_igd *igd);
	int (*read)(const struct vfio_pci_igd *igd, u8 *buf, size_t count, u64 offset);
};

/* With a VBT of its own the OpRegion has all of its bytes. */
static size_t opregion_size(const struct vfio_pci_igd *igd)
{
	return igd->vbt_size ? OPREGION_BYTES + igd->vbt_size : igd->opregion_size;
}

/* A field of the OpRegion as the user has to see it, if it is in these bytes. */
static void field_set(u8 *buf, size_t count, u64 offset, u64 field, const void *value, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (field + i >= offset && field + i < offset + count)
			buf[field + i - offset] = ((const u8 *)value)[i];
	}
}

/* The VBT is shown right behind the OpRegion, which says so: that is version 2.1. */
static int opregion_read(const struct vfio_pci_igd *igd, u8 *buf, size_t count, u64 offset)
{
	size_t first = offset < OPREGION_BYTES ? min_t(u64, count, OPREGION_BYTES - offset) : 0;
	const __le64 address = cpu_to_le64(OPREGION_BYTES);
	const __le16 version = cpu_to_le16(VERSION_2_1);

	memcpy(buf, igd->opregion + offset, first);
	if (igd->vbt_size) {
		if (get_unaligned_le16(igd->opregion + OPREGION_VERSION) == VERSION_2_0)
			field_set(buf, first, offset, OPREGION_VERSION, &version, sizeof(version));
		field_set(buf, first, offset, OPREGION_VBT_ADDRESS, &address, sizeof(address));
	}
	if (count > first)
		memcpy(buf + first, igd->vbt + offset + first - OPREGION_BYTES, count - first);
	return 0;
}

static int bridge_read(struct pci_dev *bridge, u8 *buf, size_t count, u64 offset)
{
	size_t done;
	int ret;

	for (done = 0; done < count; done++) {
		ret = pci_user_read_config_byte(bridge, offset + done, buf + done);
		if (ret)
			return ret;
	}
	return 0;
}

static size_t host_size(const struct vfio_pci_igd *igd)
{
	return igd->host->cfg_size;
}

static int host_read(const struct vfio_pci_igd *igd, u8 *buf, size_t count, u64 offset)
{
	return bridge_read(igd->host, buf, count, offset);
}

static size_t lpc_size(const struct vfio_pci_igd *igd)
{
	return igd->lpc->cfg_size;
}

static int lpc_read(const struct vfio_pci_igd *igd, u8 *buf, size_t count, u64 offset)
{
	return bridge_read(igd->lpc, buf, count, offset);
}

static const struct igd_region igd_regions[] = {
	{ VFIO_REGION_SUBTYPE_INTEL_IGD_OPREGION, opregion_size, opregion_read },
	{ VFIO_REGION_SUBTYPE_INTEL_IGD_HOST_CFG, host_size, host_read },
	{ VFIO_REGION_SUBTYPE_INTEL_IGD_LPC_CFG, lpc_size, lpc_read },
};

static const struct igd_region *igd_region_at(unsigned int index)
{
	return &igd_regions[array_index_nospec(index - VFIO_PCI_NUM_REGIONS,
					       ARRAY_SIZE(igd_regions))];
}

/**
 * vfio_pci_igd_count - how many such regions there are, right behind the fixed ones
 * @vpci: the device, open
 *
 * Context: any.
 * Return: their number.
 */
unsigned int vfio_pci_igd_count(const struct vfio_pci_device *vpci)
{
	return vpci->igd.opregion ? ARRAY_SIZE(igd_regions) : 0;
}

/**
 * vfio_pci_igd_info - VFIO_DEVICE_GET_REGION_INFO of one of them
 * @vpci: the device, open
 * @info: its index is one of theirs; size and flags are filled in
 * @caps: gets the region's type
 *
 * Context: process context; may sleep.
 * Return: 0 or -ENOMEM.
 */
int vfio_pci_igd_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		      struct vfio_info_caps *caps)
{
	const struct igd_region *region = igd_region_at(info->index);
	struct vfio_region_info_cap_type *type;

	type = vfio_info_cap_add(caps, sizeof(*type), VFIO_REGION_INFO_CAP_TYPE, 1);
	if (IS_ERR(type))
		return PTR_ERR(type);
	type->type = VFIO_REGION_TYPE_PCI_VENDOR_TYPE | PCI_VENDOR_ID_INTEL;
	type->subtype = region->subtype;
	info->size = region->size(&vpci->igd);
	info->flags = VFIO_REGION_INFO_FLAG_READ;
	return 0;
}

/**
 * vfio_pci_igd_clip - may this be read?
 * @vpci: the device, open
 * @index: of one of these regions
 * @count: bytes
 * @offset: in the region
 *
 * Context: any.
 * Return: how many of them are in the region, or -EINVAL.
 */
ssize_t vfio_pci_igd_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			  u64 offset)
{
	return vfio_pci_region_clip(igd_region_at(index)->size(&vpci->igd), count, offset);
}

/**
 * vfio_pci_igd_read - read from one of these regions
 * @vpci: the device, open
 * @index: of the region
 * @buf: where to
 * @count: bytes, as vfio_pci_igd_clip() allows
 * @offset: in the region
 *
 * Context: process context.
 * Return: 0, or why a bridge could not be asked.
 */
int vfio_pci_igd_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		      u64 offset)
{
	return igd_region_at(index)->read(&vpci->igd, buf, count, offset);
}

/* ---- open and close ---- */

/* One of the platform's bridges, referenced. */
static struct pci_dev *bridge_find(unsigned int devfn, u32 class)
{
	struct pci_dev *bridge = pci_get_domain_bus_and_slot(0, 0, devfn);

	if (!bridge)
		return ERR_PTR(-ENODEV);
	if (bridge->vendor == PCI_VENDOR_ID_INTEL && bridge->class == class << 8)
		return bridge;
	pci_dev_put(bridge);
	return ERR_PTR(-EINVAL);
}

static int igd_find(struct vfio_pci_igd *igd, u64 opregion)
{
	int ret;

	ret = opregion_find(igd, opregion);
	if (ret)
		return ret;
	igd->host = bridge_find(PCI_DEVFN(0, 0), PCI_CLASS_BRIDGE_HOST);
	if (IS_ERR(igd->host)) {
		ret = PTR_ERR(igd->host);
		goto err_opregion;
	}
	igd->lpc = bridge_find(PCI_DEVFN(0x1f, 0), PCI_CLASS_BRIDGE_ISA);
	if (IS_ERR(igd->lpc)) {
		ret = PTR_ERR(igd->lpc);
		goto err_host;
	}
	return 0;

err_host:
	pci_dev_put(igd->host);
err_opregion:
	opregion_forget(igd);
	return ret;
}

/**
 * vfio_pci_igd_open - find what integrated graphics has besides
 * @vpci: the device, being opened; its config space is known
 *
 * Other devices, and those for which the firmware left nothing, have no such regions.
 *
 * Context: process context; may sleep.
 * Return: 0; -EINVAL for an OpRegion that is none, or for bridges that are not Intel's; -ENOMEM.
 */
int vfio_pci_igd_open(struct vfio_pci_device *vpci)
{
	struct vfio_pci_igd igd = {};
	u32 opregion;
	int ret;

	if (!is_igd(vpci->pdev))
		return 0;
	opregion = vfio_pci_config_own(vpci, IGD_OPREGION_ADDRESS);
	if (!opregion || PCI_POSSIBLE_ERROR(opregion))
		return 0;

	ret = igd_find(&igd, READ_ONCE(igd_window) + opregion);
	if (ret && ret != -ENODEV) {
		dev_warn_ratelimited(&vpci->pdev->dev, "OpRegion at %#x: error %d\n", opregion,
				     ret);
		return ret;
	}
	if (!ret)
		vpci->igd = igd;
	return 0;
}

/**
 * vfio_pci_igd_close - undo vfio_pci_igd_open()
 * @vpci: the device; nobody reads its regions any more
 *
 * Context: process context; may sleep.
 */
void vfio_pci_igd_close(struct vfio_pci_device *vpci)
{
	struct vfio_pci_igd *igd = &vpci->igd;

	if (!igd->opregion)
		return;
	pci_dev_put(igd->lpc);
	pci_dev_put(igd->host);
	opregion_forget(igd);
	*igd = (struct vfio_pci_igd){};
}

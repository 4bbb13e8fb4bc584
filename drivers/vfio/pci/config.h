/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-pci: config space as the user sees it.
 *
 * A *capability* here is also the header, which needs the same rules. Rules are const rows: which
 * bits of a register come from a shadow in memory (virt) and which the user may change (write).
 * Opening a device finds its capabilities and compiles their rows into one byte array per question;
 * every access is then the same few lines.
 *
 * Rows, accesses and dwords are numbers of the processor, byte 0 in the low bits; the arrays hold
 * bytes in the order of config space.
 *
 * Nothing in config_map.c, config_caps.c and config_ecaps.c needs a device: the compile step is a
 * function of the tables and of a way to read dwords.
 */
#ifndef _VFIO_PCI_CONFIG_H
#define _VFIO_PCI_CONFIG_H

#include <linux/types.h>

struct vfio_pci_device;

/* Capabilities found, plus two that are always there. An owner is a byte. */
#define VFIO_PCI_CONFIG_MAX	255
#define VFIO_PCI_CONFIG_GAP	0
#define VFIO_PCI_CONFIG_HEADER	1

/**
 * struct vfio_pci_config_source - where the compile step finds the device's bytes
 * @read: returns the aligned dword at @pos, all ones if that fails
 * @context: for @read
 */
struct vfio_pci_config_source {
	u32 (*read)(void *context, u16 pos);
	void *context;
};

static inline u32 vfio_pci_source_dword(const struct vfio_pci_config_source *source, u16 pos)
{
	return source->read(source->context, pos);
}

/**
 * struct vfio_pci_config_access - one access to one dword, within one capability
 * @pos: of the dword in config space
 * @mask: the bytes that are accessed, as bits of the dword
 * @value: what is written, or was read, where @mask says so
 * @hardware: bits that go to hardware
 * @clear: bits that are written to hardware as zeroes where they are not among @hardware, for those
 *	that a one would clear
 */
struct vfio_pci_config_access {
	u16 pos;
	u32 mask;
	u32 value;
	u32 hardware;
	u32 clear;
};

/**
 * struct vfio_pci_config_hook - what happens around the accesses to one dword of a capability
 * @offset: of the dword, from the start of the capability
 * @refresh: called before a read; brings the shadow up to date
 * @begin: called before a write; may change the access
 * @end: called after a write
 *
 * @base is the position of the capability. All are called with config_lock held and without
 * memory_lock; each may be NULL.
 */
struct vfio_pci_config_hook {
	u16 offset;
	void (*refresh)(struct vfio_pci_device *vpci, u16 base);
	void (*begin)(struct vfio_pci_device *vpci, u16 base,
		      struct vfio_pci_config_access *access);
	void (*end)(struct vfio_pci_device *vpci, u16 base,
		    const struct vfio_pci_config_access *access);
};

/**
 * struct vfio_pci_config_row - rule for one register
 * @offset: from the start of the capability
 * @width: 1, 2 or 4 bytes
 * @virt: bits that come from the shadow, which starts as the hardware has them
 * @write: bits that the user may change: in the shadow, or in hardware where @virt is 0
 * @zero: bits of @virt that start as 0
 */
struct vfio_pci_config_row {
	u16 offset;
	u8 width;
	u32 virt;
	u32 write;
	u32 zero;
};

/**
 * struct vfio_pci_capability - rules for one kind of capability
 * @id: as in its first bytes
 * @select_mask: bits of the 16-bit register behind the standard header that tell forms of @id apart
 * @select: their values in this form
 * @length: bytes
 * @measure: where the device says how long it is, in place of @length; called only if @least bytes
 *	are there
 * @least: bytes without which the capability is not shown
 * @hidden: it is not shown, and its bytes take no write all the same
 * @writable: bytes without a row are passed through for writing too; else they are read-only
 * @rows: registers that differ from that, up to a row of width 0; or NULL
 * @hook: what a write triggers, or NULL
 */
struct vfio_pci_capability {
	u16 id;
	u16 select_mask;
	u16 select;
	u16 length;
	u16 (*measure)(const struct vfio_pci_config_source *source, u16 pos);
	u16 least;
	bool hidden;
	bool writable;
	const struct vfio_pci_config_row *rows;
	const struct vfio_pci_config_hook *hook;
};

/**
 * struct vfio_pci_config_instance - a capability that was found
 * @capability: its rules; NULL if it is hidden
 * @pos: where it starts
 * @length: bytes it owns; never reaches into another one
 * @header: its first dword as the device has it
 */
struct vfio_pci_config_instance {
	const struct vfio_pci_capability *capability;
	u16 pos;
	u16 length;
	u32 header;
};

/**
 * struct vfio_pci_config - what the user sees of config space
 * @shadow: bytes shown where @virt says so; the decode bits of the command register in any case.
 *	Guarded by config_lock, those decode bits by memory_lock, written, as well; the interrupt
 *	pin is constant
 * @virt: bits that come from @shadow and not from hardware; open state
 * @write: bits that the user may change; open state
 * @owner: for each byte the capability it belongs to, an index into @instances; open state
 * @instances: capabilities in the order of their lists, behind GAP and HEADER; open state
 * @nr_instances: number of @instances; open state
 * @size: bytes of config space: 256 or 4096; open state
 * @bars: base address registers as the host set them up; open state
 */
struct vfio_pci_config {
	u8 *shadow;
	u8 *virt;
	u8 *write;
	u8 *owner;
	struct vfio_pci_config_instance *instances;
	unsigned int nr_instances;
	u16 size;
	u32 bars[6];
};

static inline u32 vfio_pci_get_le32(const u8 *bytes)
{
	return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (u32)bytes[3] << 24;
}

static inline void vfio_pci_put_le32(u8 *bytes, u32 value)
{
	bytes[0] = value;
	bytes[1] = value >> 8;
	bytes[2] = value >> 16;
	bytes[3] = value >> 24;
}

/* Does the whole dword at @pos belong to one capability? */
static inline bool vfio_pci_config_has_one_owner(const struct vfio_pci_config *config, u16 pos)
{
	return vfio_pci_get_le32(config->owner + pos) == config->owner[pos] * 0x01010101U;
}

/* config_hooks.c */
extern const struct vfio_pci_config_hook vfio_pci_command_hook;
extern const struct vfio_pci_config_hook vfio_pci_power_hook;
extern const struct vfio_pci_config_hook vfio_pci_vpd_hook;
extern const struct vfio_pci_config_hook vfio_pci_msi_hook;
extern const struct vfio_pci_config_hook vfio_pci_express_hook;
extern const struct vfio_pci_config_hook vfio_pci_af_hook;

/* config_caps.c: the header and the standard capabilities */
extern const struct vfio_pci_capability vfio_pci_header;
extern const struct vfio_pci_capability vfio_pci_capabilities[];
extern const unsigned int vfio_pci_nr_capabilities;

/* config_ecaps.c: the extended capabilities */
extern const struct vfio_pci_capability vfio_pci_ext_capabilities[];
extern const unsigned int vfio_pci_nr_ext_capabilities;

/* config_map.c */
void vfio_pci_config_compile(struct vfio_pci_config *config,
			     const struct vfio_pci_config_source *source);

#endif

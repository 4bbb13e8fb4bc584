// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's folder in debugfs:
 *
 *   pci/config			which bits of config space the user sees, and may write
 *   pci/interrupts		what is set up
 *   pci/nointxmask		as the parameter of this name was when the device was bound
 *   pci/disable_idle_d3	the same
 *   pci/hide_config_gaps	the same
 *
 * Nobody here waits for a lock: "busy" stands for what somebody changes just now. The device is not
 * touched.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "pci.h"

/* ---- config space ---- */

/**
 * struct config_piece - bytes of config space to which the same rules apply, dword for dword
 * @pos: the first
 * @end: behind the last
 * @width: 4; or 1, for a byte of a dword that belongs to several capabilities
 * @owner: index of the capability
 * @virt: bits of each dword that the user sees in a shadow
 * @write: bits that he may change
 */
struct config_piece {
	u16 pos;
	u16 end;
	u8 width;
	u8 owner;
	u32 virt;
	u32 write;
};

static struct config_piece piece_at(const struct vfio_pci_config *config, u16 pos)
{
	struct config_piece piece = { .pos = pos, .owner = config->owner[pos] };

	piece.width = pos % 4 == 0 && vfio_pci_config_has_one_owner(config, pos) ? 4 : 1;
	piece.end = pos + piece.width;
	piece.virt = config->virt[pos];
	piece.write = config->write[pos];
	if (piece.width == 4) {
		piece.virt = vfio_pci_get_le32(config->virt + pos);
		piece.write = vfio_pci_get_le32(config->write + pos);
	}
	return piece;
}

/* The longest piece from @pos on. */
static struct config_piece piece_cut(const struct vfio_pci_config *config, u16 pos)
{
	struct config_piece next, piece = piece_at(config, pos);

	while (piece.end < config->size) {
		next = piece_at(config, piece.end);
		if (next.width != piece.width || next.owner != piece.owner ||
		    next.virt != piece.virt || next.write != piece.write)
			break;
		piece.end = next.end;
	}
	return piece;
}

static void show_owner(struct seq_file *seq, const struct vfio_pci_config *config, u8 owner)
{
	const struct vfio_pci_config_instance *instance = &config->instances[owner];

	if (owner == VFIO_PCI_CONFIG_GAP)
		seq_puts(seq, "gap");
	else if (owner == VFIO_PCI_CONFIG_HEADER)
		seq_puts(seq, "header");
	else if (instance->pos < PCI_CFG_SPACE_SIZE)
		seq_printf(seq, "cap-%02x", instance->header & 0xff);
	else
		seq_printf(seq, "ecap-%04x", PCI_EXT_CAP_ID(instance->header));
}

/* "none", "some" or "all" of the bits of a piece */
static const char *how_many(const struct config_piece *piece, u32 bits)
{
	u32 all = piece->width == 4 ? ~0U : 0xff;

	return !bits ? "none" : bits == all ? "all" : "some";
}

static void show_piece(struct seq_file *seq, struct vfio_pci_device *vpci,
		       const struct config_piece *piece)
{
	int digits = 2 * piece->width;

	seq_printf(seq, "%03x-%03x ", piece->pos, piece->end - 1);
	show_owner(seq, &vpci->config, piece->owner);
	if (piece->owner == VFIO_PCI_CONFIG_GAP && vpci->hide_gaps)
		seq_puts(seq, " hidden\n");
	else
		seq_printf(seq, " virtual %0*x %s writable %0*x %s\n",
			   digits, piece->virt, how_many(piece, piece->virt),
			   digits, piece->write, how_many(piece, piece->write));
}

/* The masks are an open device's, and are there as long as its set's lock is held. */
static int config_show(struct seq_file *seq, void *unused)
{
	struct vfio_pci_device *vpci = seq->private;
	struct config_piece piece = {};

	if (!mutex_trylock(&vpci->vdev.set->lock)) {
		seq_puts(seq, "busy\n");
		return 0;
	}
	if (!vpci->vdev.open_count) {
		seq_puts(seq, "closed\n");
		goto out;
	}
	while (piece.end < vpci->config.size && !seq_has_overflowed(seq)) {
		piece = piece_cut(&vpci->config, piece.end);
		show_piece(seq, vpci, &piece);
	}
out:
	mutex_unlock(&vpci->vdev.set->lock);
	return 0;
}

VFIO_DEBUGFS_SHOW(config);

/* ---- interrupts ---- */

static int interrupts_show(struct seq_file *seq, void *unused)
{
	struct vfio_pci_device *vpci = seq->private;

	if (!mutex_trylock(&vpci->irq_lock)) {
		seq_puts(seq, "busy\n");
		return 0;
	}
	vfio_pci_irqs_show(vpci, seq);
	if (vpci->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		vfio_pci_intx_show(vpci, seq);
	else if (vpci->irq_index != VFIO_PCI_NUM_IRQS)
		vfio_pci_msi_show(vpci, seq);
	seq_printf(seq, "error eventfd %d\n", !!rcu_access_pointer(vpci->err_trigger));
	seq_printf(seq, "request eventfd %d\n", !!rcu_access_pointer(vpci->req_trigger));
	mutex_unlock(&vpci->irq_lock);
	return 0;
}

VFIO_DEBUGFS_SHOW(interrupts);

/**
 * vfio_pci_debugfs - what there is to see of a device
 * @device: on its way to be registered
 * @folder: its folder in debugfs, which may be an error
 *
 * Context: process context; may sleep.
 */
void vfio_pci_debugfs(struct vfio_device *device, struct dentry *folder)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	struct dentry *pci = vfio_debugfs_folder_add("pci", folder);

	debugfs_create_file_unsafe("config", 0400, pci, vpci, &config_fops);
	debugfs_create_file_unsafe("interrupts", 0400, pci, vpci, &interrupts_fops);
	debugfs_create_bool("nointxmask", 0400, pci, &vpci->no_command_mask);
	debugfs_create_bool("disable_idle_d3", 0400, pci, &vpci->idle_awake);
	debugfs_create_bool("hide_config_gaps", 0400, pci, &vpci->hide_gaps);
	debugfs_create_bool("keep_awake", 0400, pci, &vpci->keeps_awake);
	vfio_pci_sleep_debug(vpci, pci);
}

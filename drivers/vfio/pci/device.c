// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device fd's side of vfio-pci: open and close, regions, ioctls.
 *
 * Open and close are one list of steps in mirrored order (device_open(), device_close()). A device
 * is given to its user reset, with its bus master off and its BARs claimed, and comes back from the
 * user the same way, with the config space it had before. A close cannot fail: what a reset by
 * function does not reach is left as needs_reset, for a reset of the whole set or for the
 * unbinding.
 *
 * Regions are a table by index: what GET_REGION_INFO says, how read() and write() go on.
 */
#include <linux/nospec.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "pci.h"

/* ---- open and close ---- */

static int device_prepare_reset(struct vfio_pci_device *vpci)
{
	int ret = vfio_pci_reset_function(vpci);

	/* A device that is in somebody's hands is not given away; one that knows no reset is. */
	if (ret == -EAGAIN)
		return ret;
	vpci->can_reset = !ret;
	vpci->needs_reset = false;
	return 0;
}

static void tell_not_reset(struct vfio_pci_device *vpci, int ret)
{
	if (ret && ret != -ENODEV)
		dev_notice_ratelimited(&vpci->pdev->dev, "not reset after use: error %d\n", ret);
}

/* Does it need one still? */
static bool device_reset_after_use(struct vfio_pci_device *vpci)
{
	int ret;

	if (!vpci->can_reset)
		return true;
	ret = vfio_pci_reset_function(vpci);
	/* Else device_returned() tries again. */
	if (!READ_ONCE(vpci->leaving))
		tell_not_reset(vpci, ret);
	return ret;
}

/* Not while somebody resets the function, who keeps its state in the same place. */
static int device_save_state(struct vfio_pci_device *vpci)
{
	int ret = -ENODEV;

	down_write(&vpci->memory_lock);
	if (vfio_pci_save_state(vpci->pdev)) {
		vpci->saved_state = pci_store_saved_state(vpci->pdev);
		ret = vpci->saved_state ? 0 : -ENOMEM;
	}
	up_write(&vpci->memory_lock);
	return ret;
}

static void device_restore_state(struct vfio_pci_device *vpci)
{
	down_write(&vpci->memory_lock);
	vfio_pci_errors_disown(vpci);
	pci_load_and_free_saved_state(vpci->pdev, &vpci->saved_state);
	pci_restore_state(vpci->pdev);
	up_write(&vpci->memory_lock);
}

/* What is known to work from here on: the user's view, then the way to hardware. */
static int device_open_parts(struct vfio_pci_device *vpci)
{
	int ret;

	vfio_pci_intx_open(vpci);
	vfio_pci_msi_open(vpci);
	ret = vfio_pci_config_open(vpci);
	if (ret)
		return ret;
	ret = vfio_pci_igd_open(vpci);
	if (ret) {
		vfio_pci_config_close(vpci);
		return ret;
	}
	vfio_pci_bars_open(vpci);

	/* Look for the first time whether memory is decoded. */
	vfio_pci_quiesce(vpci);
	vfio_pci_resume(vpci);
	return 0;
}

static int device_open(struct vfio_device *device)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	struct pci_dev *pdev = vpci->pdev;
	int ret;

	/* Before the time that a reset takes: the token that its user knows holds from here on. */
	ret = vfio_pci_sriov_open(vpci);
	if (ret)
		return ret;
	ret = vfio_pci_power_open(vpci);
	if (ret)
		goto err_sriov;

	ret = vfio_pci_errors_open(vpci);
	if (ret)
		goto err_power;
	/* Nothing is learnt from, or saved of, a function that does not answer. */
	if (!vfio_pci_is_present(vpci)) {
		ret = -ENODEV;
		goto err_power;
	}
	pci_clear_master(pdev);
	ret = pci_enable_device(pdev);
	if (ret)
		goto err_power;
	ret = device_prepare_reset(vpci);
	if (ret)
		goto err_disable;
	vfio_pci_sriov_pf_lock(vpci);
	ret = device_save_state(vpci);
	if (!ret) {
		ret = device_open_parts(vpci);
		if (ret)
			device_restore_state(vpci);
	}
	vfio_pci_sriov_pf_unlock(vpci);
	if (!ret)
		return 0;

err_disable:
	pci_disable_device(pdev);
err_power:
	vfio_pci_power_close(vpci);
err_sriov:
	vfio_pci_sriov_close(vpci);
	return ret;
}

/*
 * Nobody calls or faults any more: no fd has the device. What may still come is the device's doing
 * (DMA, interrupts) and that of eventfds.
 */
static void device_close(struct vfio_device *device)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	struct pci_dev *pdev = vpci->pdev;

	vfio_pci_power_wake(vpci);
	/* INTx may come: it changes the same register, so only bookkeeping is left to the core. */
	vfio_pci_command_update(vpci, PCI_COMMAND_MASTER, 0);
	pci_clear_master(pdev);
	vfio_pci_irqs_close(vpci);
	vfio_pci_ioeventfds_close(vpci);
	vfio_pci_aliases_close(vpci);
	vfio_pci_bars_close(vpci);
	vfio_pci_igd_close(vpci);
	vfio_pci_config_close(vpci);

	/* The line stays quiet until a reset, or the next driver, has taken away its reason. */
	vfio_pci_command_update(vpci, 0, PCI_COMMAND_INTX_DISABLE);
	vpci->needs_reset = device_reset_after_use(vpci);
	device_restore_state(vpci);
	if (vpci->needs_reset)
		vfio_pci_command_update(vpci, 0, PCI_COMMAND_INTX_DISABLE);
	pci_disable_device(pdev);
	vfio_pci_reset_set(vpci);
	vfio_pci_power_close(vpci);
	vfio_pci_sriov_close(vpci);
}

/* ---- regions ---- */

/**
 * struct region - row of the table of regions
 * @info: fills in size and flags, may add capabilities
 * @clip: how many of some bytes are in the region, or an errno
 * @read: what @clip allowed
 * @write: what @clip allowed; NULL: -EINVAL
 */
struct region {
	int (*info)(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		    struct vfio_info_caps *caps);
	ssize_t (*clip)(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			u64 offset);
	int (*read)(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		    u64 offset);
	int (*write)(struct vfio_pci_device *vpci, unsigned int index, const u8 *buf,
		     size_t count, u64 offset);
};

static int bar_describe(struct vfio_pci_device *vpci, unsigned int index,
			struct vfio_region_info *info, struct vfio_info_caps *caps)
{
	const struct vfio_pci_bar *bar = &vpci->bars[index];

	info->size = bar->size;
	if (!bar->size)
		return 0;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	if (!bar->can_mmap)
		return 0;
	info->flags |= VFIO_REGION_INFO_FLAG_MMAP;

	/* The whole BAR may be mapped although the MSI-X table is in it. */
	if (!vpci->msi.table_size || index != vpci->msi.table_bar)
		return 0;
	return PTR_ERR_OR_ZERO(vfio_info_cap_add(caps, sizeof(struct vfio_info_cap_header),
						 VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 1));
}

static int bar_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		    struct vfio_info_caps *caps)
{
	return bar_describe(vpci, info->index, info, caps);
}

static int alias_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		      struct vfio_info_caps *caps)
{
	const struct vfio_pci_alias *alias = vfio_pci_alias_at(vpci, info->index);
	struct vfio_region_info_cap_alias *cap;

	cap = vfio_info_cap_add(caps, sizeof(*cap), VFIO_REGION_INFO_CAP_ALIAS, 1);
	if (IS_ERR(cap))
		return PTR_ERR(cap);
	cap->index = alias->bar;
	cap->flags = alias->flags;
	return bar_describe(vpci, alias->bar, info, caps);
}

static ssize_t alias_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			  u64 offset)
{
	return vfio_pci_bar_clip(vpci, vfio_pci_alias_at(vpci, index)->bar, count, offset);
}

static int alias_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		      u64 offset)
{
	return vfio_pci_bar_read(vpci, vfio_pci_alias_at(vpci, index)->bar, buf, count, offset);
}

static int alias_write(struct vfio_pci_device *vpci, unsigned int index, const u8 *buf,
		       size_t count, u64 offset)
{
	return vfio_pci_bar_write(vpci, vfio_pci_alias_at(vpci, index)->bar, buf, count, offset);
}

static int rom_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		    struct vfio_info_caps *caps)
{
	info->size = vpci->rom_size;
	if (info->size)
		info->flags = VFIO_REGION_INFO_FLAG_READ;
	return 0;
}

static ssize_t rom_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			u64 offset)
{
	return vfio_pci_region_clip(vpci->rom_size, count, offset);
}

static int rom_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		    u64 offset)
{
	return vfio_pci_rom_read(vpci, buf, count, offset);
}

static int config_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		       struct vfio_info_caps *caps)
{
	info->size = vpci->config.size;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

static ssize_t config_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			   u64 offset)
{
	return vfio_pci_config_clip(vpci, count, offset);
}

static int config_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		       u64 offset)
{
	return vfio_pci_config_read(vpci, buf, count, offset);
}

static int config_write(struct vfio_pci_device *vpci, unsigned int index, const u8 *buf,
			size_t count, u64 offset)
{
	return vfio_pci_config_write(vpci, buf, count, offset);
}

/* Where there is no VGA there is no such region. */
static int vga_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		    struct vfio_info_caps *caps)
{
	if (!vpci->has_vga)
		return -EINVAL;
	info->size = VFIO_PCI_VGA_SIZE;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

static ssize_t vga_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			u64 offset)
{
	return vfio_pci_vga_clip(vpci, count, offset);
}

static int vga_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		    u64 offset)
{
	return vfio_pci_vga_read(vpci, buf, count, offset);
}

static int vga_write(struct vfio_pci_device *vpci, unsigned int index, const u8 *buf,
		     size_t count, u64 offset)
{
	return vfio_pci_vga_write(vpci, buf, count, offset);
}

static const struct region regions[VFIO_PCI_NUM_REGIONS] = {
	[VFIO_PCI_BAR0_REGION_INDEX ... VFIO_PCI_BAR5_REGION_INDEX] = {
		.info = bar_info, .clip = vfio_pci_bar_clip,
		.read = vfio_pci_bar_read, .write = vfio_pci_bar_write,
	},
	[VFIO_PCI_ROM_REGION_INDEX] = { .info = rom_info, .clip = rom_clip, .read = rom_read },
	[VFIO_PCI_CONFIG_REGION_INDEX] = {
		.info = config_info, .clip = config_clip,
		.read = config_read, .write = config_write,
	},
	[VFIO_PCI_VGA_REGION_INDEX] = {
		.info = vga_info, .clip = vga_clip, .read = vga_read, .write = vga_write,
	},
};

/* Behind the fixed regions come those of integrated graphics, and those that the user asked for. */
static const struct region igd_region = {
	.info = vfio_pci_igd_info, .clip = vfio_pci_igd_clip, .read = vfio_pci_igd_read,
};

static const struct region alias_region = {
	.info = alias_info, .clip = alias_clip, .read = alias_read, .write = alias_write,
};

static const struct region *region_at(struct vfio_pci_device *vpci, u64 index)
{
	if (index < ARRAY_SIZE(regions))
		return &regions[array_index_nospec(index, ARRAY_SIZE(regions))];
	if (index - ARRAY_SIZE(regions) < vfio_pci_igd_count(vpci))
		return &igd_region;
	return vfio_pci_alias_at(vpci, index) ? &alias_region : NULL;
}

static u64 index_of(loff_t pos)
{
	return (u64)pos >> VFIO_PCI_OFFSET_SHIFT;
}

static ssize_t device_clip(struct vfio_device *device, bool write, size_t count, loff_t pos)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	const struct region *region = region_at(vpci, index_of(pos));

	if (!count)
		return 0;
	if (!region || !(write ? !!region->write : !!region->read))
		return -EINVAL;
	return region->clip(vpci, index_of(pos), count, pos & VFIO_PCI_OFFSET_MASK);
}

static int device_read(struct vfio_device *device, u8 *buf, size_t count, loff_t pos)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	return region_at(vpci, index_of(pos))->read(vpci, index_of(pos), buf, count,
						    pos & VFIO_PCI_OFFSET_MASK);
}

static int device_write(struct vfio_device *device, const u8 *buf, size_t count, loff_t pos)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	return region_at(vpci, index_of(pos))->write(vpci, index_of(pos), buf, count,
						     pos & VFIO_PCI_OFFSET_MASK);
}

static int device_mmap(struct vfio_device *device, struct vm_area_struct *vma)
{
	return vfio_pci_bar_mmap(to_vfio_pci(device), vma);
}

static vm_fault_t device_fault(struct vfio_device *device, struct vm_fault *vmf,
			       unsigned int order)
{
	return vfio_pci_bar_fault(to_vfio_pci(device), vmf, order);
}

/* ---- ioctls ---- */

/**
 * struct atomics - a width of atomic operations
 * @completer: the function can carry them out, as its capability says it
 * @flag: and as we say it
 */
struct atomics {
	u32 completer;
	u32 flag;
};

static const struct atomics atomics[] = {
	{ PCI_EXP_DEVCAP2_ATOMIC_COMP32, VFIO_PCI_ATOMIC_COMP32 },
	{ PCI_EXP_DEVCAP2_ATOMIC_COMP64, VFIO_PCI_ATOMIC_COMP64 },
	{ PCI_EXP_DEVCAP2_ATOMIC_COMP128, VFIO_PCI_ATOMIC_COMP128 },
};

/* Which atomic operations work between function and root port? A VF has its PF's abilities. */
static int atomics_info(struct vfio_pci_device *vpci, struct vfio_info_caps *caps)
{
	struct pci_dev *pdev = pci_physfn(vpci->pdev);
	struct vfio_device_info_cap_pci_atomic_comp *link;
	u32 cap = 0, flags = 0;
	unsigned int i;

	pcie_capability_read_dword(pdev, PCI_EXP_DEVCAP2, &cap);
	for (i = 0; i < ARRAY_SIZE(atomics); i++) {
		if (cap & atomics[i].completer &&
		    !pci_enable_atomic_ops_to_root(pdev, atomics[i].completer))
			flags |= atomics[i].flag;
	}
	if (!flags)
		return 0;

	link = vfio_info_cap_add(caps, sizeof(*link), VFIO_DEVICE_INFO_CAP_PCI_ATOMIC_COMP, 1);
	if (IS_ERR(link))
		return PTR_ERR(link);
	link->flags = flags;
	return 0;
}

static long device_info(void *owner, struct vfio_call *call)
{
	struct vfio_pci_device *vpci = to_vfio_pci(owner);
	struct vfio_device_info *info = call->data;
	int ret;

	info->flags = VFIO_DEVICE_FLAGS_PCI;
	if (vpci->can_reset)
		info->flags |= VFIO_DEVICE_FLAGS_RESET;
	info->num_regions = VFIO_PCI_NUM_REGIONS + vfio_pci_igd_count(vpci) +
			    vfio_pci_alias_count(vpci);
	info->num_irqs = VFIO_PCI_NUM_IRQS;
	ret = atomics_info(vpci, &call->caps);
	if (call->caps.size)
		info->flags |= VFIO_DEVICE_FLAGS_CAPS;
	return ret;
}

static long device_region_info(void *owner, struct vfio_call *call)
{
	struct vfio_pci_device *vpci = to_vfio_pci(owner);
	struct vfio_region_info *info = call->data;
	const struct region *region = region_at(vpci, info->index);
	int ret;

	if (!region)
		return -EINVAL;

	info->flags = 0;
	info->size = 0;
	info->offset = vfio_pci_region_offset(info->index);
	ret = region->info(vpci, info, &call->caps);
	if (call->caps.size)
		info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	return ret;
}

static long device_irq_info(void *owner, struct vfio_call *call)
{
	struct vfio_irq_info *info = call->data;

	if (info->index >= VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	info->flags = vfio_pci_irq_flags(to_vfio_pci(owner), info->index);
	info->count = vfio_pci_irq_count(owner, info->index);
	return 0;
}

static long device_set_irqs(void *owner, struct vfio_call *call)
{
	struct vfio_irq_request request;
	long ret;

	ret = vfio_irq_request_get(call, VFIO_PCI_NUM_IRQS, vfio_pci_irq_count, owner, &request);
	return ret ?: vfio_pci_set_irqs(to_vfio_pci(owner), &request);
}

static long device_reset(void *owner, unsigned long arg)
{
	struct vfio_pci_device *vpci = to_vfio_pci(owner);

	return vpci->can_reset ? vfio_pci_reset_function(vpci) : -EINVAL;
}

static const struct vfio_ioctl device_ioctls[] = {
	{
		.cmd = VFIO_DEVICE_GET_INFO,
		.min = offsetofend(struct vfio_device_info, num_irqs),
		.back = sizeof(struct vfio_device_info),
		.cap_offset = offsetof(struct vfio_device_info, cap_offset),
		.flags = ~0,
		.handler = device_info,
	}, {
		.cmd = VFIO_DEVICE_GET_REGION_INFO,
		.min = sizeof(struct vfio_region_info),
		.back = sizeof(struct vfio_region_info),
		.cap_offset = offsetof(struct vfio_region_info, cap_offset),
		.flags = ~0,
		.handler = device_region_info,
	}, {
		.cmd = VFIO_DEVICE_GET_IRQ_INFO,
		.min = sizeof(struct vfio_irq_info),
		.back = sizeof(struct vfio_irq_info),
		.flags = ~0,
		.handler = device_irq_info,
	}, {
		.cmd = VFIO_DEVICE_SET_IRQS,
		.min = offsetofend(struct vfio_irq_set, count),
		.tail = (PCI_MSIX_FLAGS_QSIZE + 1) * sizeof(s32),
		.flags = ~0,
		.handler = device_set_irqs,
	}, {
		.cmd = VFIO_DEVICE_RESET,
		.plain = device_reset,
	}, {
		.cmd = VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
		.min = offsetofend(struct vfio_pci_hot_reset_info, count),
		.back = offsetofend(struct vfio_pci_hot_reset_info, count),
		.back_error = -ENOSPC,
		.flags = ~0,
		.handler = vfio_pci_hot_reset_info,
	}, {
		.cmd = VFIO_DEVICE_PCI_HOT_RESET,
		.min = offsetofend(struct vfio_pci_hot_reset, count),
		.tail = SZ_32K,
		.tail_told = vfio_pci_hot_reset_tail,
		.handler = vfio_pci_hot_reset,
	}, {
		.cmd = VFIO_DEVICE_IOEVENTFD,
		.min = offsetofend(struct vfio_device_ioeventfd, fd),
		.flags = VFIO_DEVICE_IOEVENTFD_SIZE_MASK,
		.handler = vfio_pci_ioeventfd,
	},
};

static const struct vfio_feature device_features[] = {
	{
		.id = VFIO_DEVICE_FEATURE_REGION_ALIAS,
		.ops = VFIO_DEVICE_FEATURE_SET,
		.size = sizeof(struct vfio_device_feature_region_alias),
		.answers = true,
		.handler = vfio_pci_alias_feature,
	}, {
		.id = VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
		.ops = VFIO_DEVICE_FEATURE_SET,
		.size = sizeof(uuid_t),
		.present = vfio_pci_sriov_is_pf,
		.handler = vfio_pci_sriov_set_token,
	}, {
		.id = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY,
		.ops = VFIO_DEVICE_FEATURE_SET,
		.handler = vfio_pci_low_power_enter,
	}, {
		.id = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP,
		.ops = VFIO_DEVICE_FEATURE_SET,
		.size = sizeof(struct vfio_device_low_power_entry_with_wakeup),
		.handler = vfio_pci_low_power_enter_wakeup,
	}, {
		.id = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT,
		.ops = VFIO_DEVICE_FEATURE_SET,
		.handler = vfio_pci_low_power_exit,
	},
};

/* ---- the core's questions ---- */

static int device_init(struct vfio_device *device)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	vpci->pdev = to_pci_dev(device->dev);
	mutex_init(&vpci->config_lock);
	mutex_init(&vpci->aliases_lock);
	init_rwsem(&vpci->memory_lock);
	vfio_pci_vga_init(vpci);
	vfio_pci_ioeventfds_init(vpci);
	vfio_pci_errors_init(vpci);
	mutex_init(&vpci->irq_lock);
	vpci->irq_index = VFIO_PCI_NUM_IRQS;
	spin_lock_init(&vpci->intx.lock);
	xa_init(&vpci->msi.vectors);
	mutex_init(&vpci->sriov.vfs_lock);
	INIT_LIST_HEAD(&vpci->sriov.node);
	INIT_LIST_HEAD(&vpci->sriov.vfs);
	return 0;
}

/* Names are a BDF and, behind a blank, options. */
static int device_match(struct vfio_device *device, char *name)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);
	size_t length = strlen(pci_name(vpci->pdev));
	int ret;

	if (strncmp(name, pci_name(vpci->pdev), length) || (name[length] && name[length] != ' '))
		return 0;
	ret = vfio_pci_sriov_match(vpci, name + length);
	return ret ? ret : 1;
}

/* Nothing can be handed back in good order. */
static bool device_is_gone(const struct vfio_device *device)
{
	return vfio_pci_is_pulled(container_of(device, const struct vfio_pci_device, vdev));
}

static void device_request(struct vfio_device *device, unsigned int count)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	if (vfio_pci_trigger_fire(vpci, &vpci->req_trigger)) {
		if (!(count % 10))
			pci_notice_ratelimited(vpci->pdev,
					       "Relaying device request to user (#%u)\n", count);
	} else if (!count) {
		pci_warn(vpci->pdev,
			 "No device request channel registered, blocked until released by user\n");
	}
}

static void device_hurry(struct vfio_device *device)
{
	vfio_pci_vga_hurry(to_vfio_pci(device));
}

/* The last close could not reset the function: the device's lock is held by who waits for us. */
static void device_returned(struct vfio_device *device)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	if (vpci->needs_reset && vpci->can_reset && pci_device_is_present(vpci->pdev))
		tell_not_reset(vpci, vfio_pci_reset_returned(vpci));
}

const struct vfio_device_ops vfio_pci_device_ops = {
	.init = device_init,
	.open_device = device_open,
	.close_device = device_close,
	.clip = device_clip,
	.read = device_read,
	.write = device_write,
	.mmap = device_mmap,
	.fault = device_fault,
	.request = device_request,
	.is_gone = device_is_gone,
	.hurry = device_hurry,
	.returned = device_returned,
	.match = device_match,
	.fdinfo = vfio_pci_fdinfo,
	.debugfs = vfio_pci_debugfs,
	.groups = vfio_pci_config_groups,
	.ioctls = device_ioctls,
	.nr_ioctls = ARRAY_SIZE(device_ioctls),
	.features = device_features,
	.nr_features = ARRAY_SIZE(device_features),
};

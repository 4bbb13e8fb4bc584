// SPDX-License-Identifier: GPL-2.0-only
/*
 * May the device's memory be touched?
 *
 * A processor that reads a BAR of a function which does not decode, sleeps or is being reset may be
 * stopped by a machine check. So nobody of ours touches a BAR but under memory_lock and after
 * vfio_pci_memory_enabled() said yes, and a page of a BAR is in a user's page table only while the
 * answer is yes.
 *
 * What may change the answer is done in a window: vfio_pci_quiesce() takes the lock and takes all
 * pages of the BARs from all page tables; inside, nobody gets at the memory; vfio_pci_resume()
 * looks at the function, keeps the answer and unlocks. Users' next accesses fault and are served,
 * or not.
 *
 * A reset of a PF stops its VFs as well: for one of the PF alone, by its user, their windows are
 * open, too. No VF comes or goes meanwhile: sriov.vfs_lock is held. (A hot reset is refused while
 * there are VFs, which are in no set with it; the host's resets let VFs' users go on.)
 *
 * The kernel itself sometimes needs the memory while the user has decoding off: the MSI-X table and
 * the ROM. vfio_pci_decode_begin() and vfio_pci_decode_end() switch it on for a moment.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pm_runtime.h>

#include "pci.h"

#define QUIESCE_PAUSE_US	1000

/**
 * vfio_pci_ports_enabled - may the function's I/O ports be touched?
 * @vpci: the device
 *
 * The user's own decode bit does not count: a port that is not decoded harms nobody.
 *
 * Context: memory_lock held; the answer holds as long as the lock is.
 * Return: whether they may.
 */
bool vfio_pci_ports_enabled(struct vfio_pci_device *vpci)
{
	lockdep_assert_held(&vpci->memory_lock);

	return !vpci->asleep && !READ_ONCE(vpci->frozen) &&
	       vpci->pdev->current_state == PCI_D0 && !vfio_pci_is_pulled(vpci);
}

/**
 * vfio_pci_is_present - does the function answer?
 * @vpci: the device
 *
 * While it is reset it does not, and is not gone for that.
 *
 * Context: process context; takes memory_lock, so waits for a reset to end.
 */
bool vfio_pci_is_present(struct vfio_pci_device *vpci)
{
	bool present;

	down_read(&vpci->memory_lock);
	present = pci_device_is_present(vpci->pdev);
	up_read(&vpci->memory_lock);
	return present;
}

/*
 * The truth is in the command register, but for a VF, which has no bit of its own there: for it the
 * bit that the user wrote lies in the shadow.
 */
static bool memory_decoded(struct vfio_pci_device *vpci)
{
	const struct vfio_pci_config *config = &vpci->config;
	struct pci_dev *pdev = vpci->pdev;
	u16 command;

	if (!vfio_pci_ports_enabled(vpci))
		return false;
	if (config->virt && config->virt[PCI_COMMAND] & PCI_COMMAND_MEMORY)
		return config->shadow[PCI_COMMAND] & PCI_COMMAND_MEMORY;
	if (pdev->no_command_memory)
		return true;
	return !pci_read_config_word(pdev, PCI_COMMAND, &command) &&
	       command & PCI_COMMAND_MEMORY && !PCI_POSSIBLE_ERROR(command);
}

/**
 * vfio_pci_zap - take all pages of the BARs from all page tables
 * @vpci: the device
 *
 * Context: process context. Without memory_lock a fault that is under way may put one back.
 */
void vfio_pci_zap(struct vfio_pci_device *vpci)
{
	unmap_mapping_range(vpci->vdev.inode->i_mapping, 0, 0, 1);
}

static void memory_zap(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	vpci->memory_on = false;
	vfio_pci_zap(vpci);
}

/**
 * vfio_pci_quiesce - open the window: from here on nobody touches the device's memory
 * @vpci: the device
 *
 * Context: process context; takes memory_lock, which vfio_pci_resume() gives back. The caller
 * touches no user memory in between.
 */
void vfio_pci_quiesce(struct vfio_pci_device *vpci)
{
	down_write(&vpci->memory_lock);
	memory_zap(vpci);
}

/**
 * vfio_pci_quiesce_try - open the window unless others have it open for long
 * @vpci: the device
 * @patience_ms: how long to try, in milliseconds
 *
 * For callers who hold a lock that others take in the window.
 *
 * Context: as vfio_pci_quiesce().
 * Return: whether it is open.
 */
bool vfio_pci_quiesce_try(struct vfio_pci_device *vpci, unsigned int patience_ms)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(patience_ms);

	while (!down_write_trylock(&vpci->memory_lock)) {
		if (time_after(jiffies, deadline))
			return false;
		usleep_range(QUIESCE_PAUSE_US / 2, QUIESCE_PAUSE_US);
	}
	memory_zap(vpci);
	return true;
}

/**
 * vfio_pci_quiesce_with_vfs - open the windows of a function and of its VFs
 * @vpci: the device, awake
 *
 * The VFs are woken up: whoever keeps a memory_lock for long keeps the device awake.
 *
 * Context: as vfio_pci_quiesce(); takes vfs_lock and the memory_lock of all, the PF's first, which
 * vfio_pci_resume_with_vfs() gives back.
 */
void vfio_pci_quiesce_with_vfs(struct vfio_pci_device *vpci)
{
	struct mutex *vfs_lock = &vpci->sriov.vfs_lock;
	struct vfio_pci_device *vf;

	mutex_lock(vfs_lock);
	list_for_each_entry(vf, &vpci->sriov.vfs, sriov.node)
		pm_runtime_get_sync(&vf->pdev->dev);
	down_write_nest_lock(&vpci->memory_lock, vfs_lock);
	memory_zap(vpci);
	list_for_each_entry(vf, &vpci->sriov.vfs, sriov.node) {
		down_write_nest_lock(&vf->memory_lock, vfs_lock);
		memory_zap(vf);
	}
}

/**
 * vfio_pci_quiesce_in_set - open the windows of several devices
 * @vpci: one of them
 *
 * Several memory_locks are held at a time by the holder of the lock of the set, by that of one
 * vfs_lock, or by the host for a reset of its own. All take them in the order of the PCI tree.
 *
 * Context: as vfio_pci_quiesce(); the lock of the device's set is held.
 */
void vfio_pci_quiesce_in_set(struct vfio_pci_device *vpci)
{
	lockdep_assert_held(&vpci->vdev.set->lock);

	down_write_nest_lock(&vpci->memory_lock, &vpci->vdev.set->lock);
	memory_zap(vpci);
}

/**
 * vfio_pci_quiesce_for_host - open the window for a reset by somebody else
 * @vpci: the device
 *
 * He may reset many functions at once, and opens their windows in the order of the PCI tree.
 *
 * Context: as vfio_pci_quiesce(); the lock of the driver core's device is held.
 */
void vfio_pci_quiesce_for_host(struct vfio_pci_device *vpci)
{
	device_lock_assert(&vpci->pdev->dev);

	down_write_nest_lock(&vpci->memory_lock, &vpci->pdev->dev.mutex);
	memory_zap(vpci);
}

/**
 * vfio_pci_resume - close the window: whoever may touch the device's memory can do so again
 * @vpci: the device
 *
 * Context: process context; gives back memory_lock.
 */
void vfio_pci_resume(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	vpci->memory_on = memory_decoded(vpci);
	up_write(&vpci->memory_lock);
}

/**
 * vfio_pci_resume_with_vfs - close the windows of a function and of its VFs
 * @vpci: the device
 *
 * Context: process context; gives back their memory_locks and the vfs_lock.
 */
void vfio_pci_resume_with_vfs(struct vfio_pci_device *vpci)
{
	struct vfio_pci_device *vf;

	lockdep_assert_held(&vpci->sriov.vfs_lock);

	list_for_each_entry(vf, &vpci->sriov.vfs, sriov.node) {
		vfio_pci_resume(vf);
		pm_runtime_put(&vf->pdev->dev);
	}
	vfio_pci_resume(vpci);
	mutex_unlock(&vpci->sriov.vfs_lock);
}

/**
 * vfio_pci_command_update - change bits of the command register
 * @vpci: the device
 * @clear: bits to clear
 * @set: bits to set
 *
 * The interrupt handler changes INTx Disable in the same register; intx.lock keeps the two from
 * undoing each other. Nothing is written to a function that does not answer, as in a reset.
 *
 * Context: any. The decode bits are changed under memory_lock only.
 * Return: the register as it was.
 */
u16 vfio_pci_command_update(struct vfio_pci_device *vpci, u16 clear, u16 set)
{
	unsigned long flags;
	u16 old, new;

	spin_lock_irqsave(&vpci->intx.lock, flags);
	pci_read_config_word(vpci->pdev, PCI_COMMAND, &old);
	new = (old & ~clear) | set;
	if (new != old && !PCI_POSSIBLE_ERROR(old))
		pci_write_config_word(vpci->pdev, PCI_COMMAND, new);
	spin_unlock_irqrestore(&vpci->intx.lock, flags);
	return old;
}

/**
 * vfio_pci_restore_bars - have the BARs' addresses as the host gave them
 * @vpci: the device
 *
 * A reset that nobody told us of may have taken them, and a function that decodes at address 0 is a
 * danger: before it decodes again they are written.
 *
 * Context: process context, memory_lock held for writing.
 */
void vfio_pci_restore_bars(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;
	unsigned int i;

	lockdep_assert_held_write(&vpci->memory_lock);

	if (!vpci->config.shadow)
		return;
	for (i = 0; i < VFIO_PCI_NR_BARS; i++) {
		int pos = PCI_BASE_ADDRESS_0 + 4 * i;
		u32 now;

		if (pci_read_config_dword(pdev, pos, &now) || now == vpci->config.bars[i])
			continue;
		dev_info_ratelimited(&pdev->dev, "BAR %u was lost in a reset, restored\n", i);
		pci_write_config_dword(pdev, pos, vpci->config.bars[i]);
	}
}

/**
 * vfio_pci_decode_begin - have the function decode memory for the kernel's own use
 * @vpci: the device
 *
 * Context: process context; takes memory_lock, which vfio_pci_decode_end() gives back.
 * Return: the command register, for vfio_pci_decode_end().
 */
u16 vfio_pci_decode_begin(struct vfio_pci_device *vpci)
{
	u16 command;

	down_write(&vpci->memory_lock);
	command = vfio_pci_command_update(vpci, 0, 0);
	if (!(command & PCI_COMMAND_MEMORY)) {
		vfio_pci_restore_bars(vpci);
		vfio_pci_command_update(vpci, 0, PCI_COMMAND_MEMORY);
	}
	return command;
}

/**
 * vfio_pci_decode_end - put decoding back to what the user wants
 * @vpci: the device
 * @command: what vfio_pci_decode_begin() returned
 *
 * Context: process context; gives back memory_lock.
 */
void vfio_pci_decode_end(struct vfio_pci_device *vpci, u16 command)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	if (!(command & PCI_COMMAND_MEMORY))
		vfio_pci_command_update(vpci, PCI_COMMAND_MEMORY, 0);
	up_write(&vpci->memory_lock);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power: D-states, sleep while unused, sleep while the user allows it, sleep with the machine.
 *
 * A bound device that nobody has open sleeps (unless the parameter disable_idle_d3 was set when it
 * was bound): open takes a runtime-PM reference and close gives it back. The core takes another
 * around each call on the device fd. With the low-power features the user has the reference of open
 * given back for a while: then the device sleeps between calls, its BARs cannot be mapped, and each
 * call, or the host, wakes it up.
 *
 * A function without No_Soft_Reset loses its config space on the way from D3hot to D0. For those it
 * is kept here.
 *
 * When the whole machine goes to sleep an open device goes with it, one that sleeps by itself
 * included: INTx is held, the BARs are taken away, and it is no bus master, since the IOMMU sleeps
 * too and lets everything through. That stops messages as well: one that the device would send
 * meanwhile is lost. The PCI core keeps its config space, and all is back when the machine is. What
 * the device had inside is lost then, unless its user had it sleep before. With the parameter
 * keep_awake an open device refuses.
 *
 * References, for the balance: binding leaves the one that the PCI core took (idle_awake), or gives
 * it back and takes it at open; may_sleep means that one was given back. It is written in the
 * window of memory_lock; with it the user maps no BAR.
 */
#include <linux/eventfd.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>

#include "../fault.h"
#include "pci.h"

#define WAKE_PATIENCE_MS	1000

/* D3, hot or cold, or a state that nobody knows. */
static bool is_deep(pci_power_t state)
{
	return (__force int)state >= (__force int)PCI_D3hot;
}

/**
 * vfio_pci_save_state - have the PCI core save the function's state
 * @pdev: the function
 *
 * Context: process context, memory_lock held for writing: others keep their state in that place.
 * Return: false if it does not answer; then what was saved there before is there.
 */
bool vfio_pci_save_state(struct pci_dev *pdev)
{
	struct pci_saved_state *former;

	if (vfio_should_fail() || !pci_device_is_present(pdev) || !vfio_pci_answers(pdev))
		return false;
	former = pci_store_saved_state(pdev);
	pci_save_state(pdev);
	if (!PCI_POSSIBLE_ERROR(pdev->saved_config_space[PCI_COMMAND / 4]) &&
	    vfio_pci_answers(pdev)) {
		kfree(former);
		return true;
	}
	/* All ones, which the PCI core would write to it one day. */
	pci_load_and_free_saved_state(pdev, &former);
	return false;
}

static int power_change(struct vfio_pci_device *vpci, pci_power_t state)
{
	struct pci_dev *pdev = vpci->pdev;
	bool was_deep = is_deep(pdev->current_state);
	bool deep = is_deep(state);
	struct pci_saved_state *saved = NULL;
	int ret;

	/* The PCI core would say each time in the log that it does not answer. */
	if (state != pdev->current_state &&
	    (READ_ONCE(vpci->frozen) || !pci_device_is_present(pdev)))
		return -EIO;
	if (vpci->loses_state && deep && !was_deep) {
		if (!vfio_pci_save_state(pdev))
			return -EIO;
		saved = pci_store_saved_state(pdev);
		/* It would not come back as what it was. */
		if (!saved)
			return -ENOMEM;
	}

	ret = pci_set_power_state(pdev, state);
	if (ret || !vpci->loses_state) {
		kfree(saved);
		return ret;
	}

	if (saved) {
		kfree(vpci->pm_state);
		vpci->pm_state = saved;
	} else if (was_deep && !deep && vpci->pm_state) {
		pci_load_and_free_saved_state(pdev, &vpci->pm_state);
		pci_restore_state(pdev);
		/* The line may have been masked or unmasked since that was saved. */
		vfio_pci_intx_sync(vpci);
	}
	return 0;
}

/**
 * vfio_pci_set_power_state_locked - change the D-state, inside the window
 * @vpci: the device
 * @state: PCI_D0 … PCI_D3hot
 *
 * Context: process context, memory_lock held for writing.
 * Return: 0, -EBUSY if the function has VFs and is to leave D0, -ENOMEM if it is to, -EIO.
 */
int vfio_pci_set_power_state_locked(struct vfio_pci_device *vpci, pci_power_t state)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	/* VFs go down with their PF. */
	if (state != PCI_D0 && vpci->sriov.on)
		return -EBUSY;
	return power_change(vpci, state);
}

/**
 * vfio_pci_set_power_state - change the D-state
 * @vpci: the device
 * @state: PCI_D0 … PCI_D3hot
 *
 * Context: process context; takes memory_lock.
 * Return: as vfio_pci_set_power_state_locked().
 */
int vfio_pci_set_power_state(struct vfio_pci_device *vpci, pci_power_t state)
{
	int ret;

	vfio_pci_quiesce(vpci);
	ret = vfio_pci_set_power_state_locked(vpci, state);
	vfio_pci_resume(vpci);
	return ret;
}

/**
 * vfio_pci_power_probe - let a device that was just bound sleep
 * @vpci: the device
 * @idle_awake: but not this one
 *
 * Context: probe.
 */
void vfio_pci_power_probe(struct vfio_pci_device *vpci, bool idle_awake)
{
	struct pci_dev *pdev = vpci->pdev;
	u16 control = PCI_PM_CTRL_NO_SOFT_RESET;

	if (pdev->pm_cap)
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &control);
	vpci->loses_state = !(control & PCI_PM_CTRL_NO_SOFT_RESET);
	vpci->idle_awake = idle_awake;

	/* After a former driver the state is unknown, and from there the way is to D0 only. */
	vfio_pci_set_power_state(vpci, PCI_D0);
	/* The driver core takes it back with the driver. */
	dev_pm_set_driver_flags(&pdev->dev, DPM_FLAG_NO_DIRECT_COMPLETE);
	pm_runtime_allow(&pdev->dev);
	if (!idle_awake)
		pm_runtime_put(&pdev->dev);
}

/**
 * vfio_pci_power_remove - undo vfio_pci_power_probe()
 * @vpci: the device, closed
 *
 * Context: remove, or a probe that fails.
 */
void vfio_pci_power_remove(struct vfio_pci_device *vpci)
{
	struct device *dev = &vpci->pdev->dev;

	if (!vpci->idle_awake)
		pm_runtime_get_noresume(dev);
	pm_runtime_forbid(dev);
}

/**
 * vfio_pci_power_open - wake a device up for its user
 * @vpci: the device
 *
 * Context: process context; may sleep.
 * Return: 0 or why it does not wake up.
 */
int vfio_pci_power_open(struct vfio_pci_device *vpci)
{
	return vpci->idle_awake ? 0 : pm_runtime_resume_and_get(&vpci->pdev->dev);
}

/* The runtime-PM reference of open comes back. The caller sees to it that the device is awake. */
static void low_power_leave(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	if (!vpci->vdev.may_sleep)
		return;
	pm_runtime_get_noresume(&vpci->pdev->dev);
	/* After that the core takes it for granted. */
	smp_store_release(&vpci->vdev.may_sleep, false);
	if (vpci->wakeup)
		eventfd_ctx_put(vpci->wakeup);
	vpci->wakeup = NULL;
}

/* ---- features ---- */

/* On success the reference to @wakeup moves to the device. */
static int low_power_enter(struct vfio_pci_device *vpci, struct eventfd_ctx *wakeup)
{
	int ret = 0;

	vfio_pci_quiesce(vpci);
	if (vpci->vdev.may_sleep) {
		ret = -EINVAL;
	} else {
		/* Whoever takes a reference after this one is gone sees it: that is a barrier. */
		WRITE_ONCE(vpci->vdev.may_sleep, true);
		vpci->wakeup = wakeup;
		/* The core's reference around this very call remains, and puts it to sleep. */
		pm_runtime_put_noidle(&vpci->pdev->dev);
	}
	vfio_pci_resume(vpci);
	return ret;
}

/**
 * vfio_pci_low_power_enter - VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY
 * @device: the device
 * @op: VFIO_DEVICE_FEATURE_SET
 * @data: none
 *
 * Context: process context; takes memory_lock.
 * Return: 0, -EINVAL if already entered.
 */
int vfio_pci_low_power_enter(struct vfio_device *device, u32 op, void *data)
{
	return low_power_enter(to_vfio_pci(device), NULL);
}

/**
 * vfio_pci_low_power_enter_wakeup - VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP
 * @device: the device
 * @op: VFIO_DEVICE_FEATURE_SET
 * @data: struct vfio_device_low_power_entry_with_wakeup
 *
 * Context: process context; takes memory_lock.
 * Return: 0, -EINVAL if already entered or without an eventfd, -EBADF.
 */
int vfio_pci_low_power_enter_wakeup(struct vfio_device *device, u32 op, void *data)
{
	const struct vfio_device_low_power_entry_with_wakeup *entry = data;
	struct eventfd_ctx *wakeup;
	int ret;

	if (entry->wakeup_eventfd < 0)
		return -EINVAL;
	wakeup = eventfd_ctx_fdget(entry->wakeup_eventfd);
	if (IS_ERR(wakeup))
		return PTR_ERR(wakeup);

	ret = low_power_enter(to_vfio_pci(device), wakeup);
	if (ret)
		eventfd_ctx_put(wakeup);
	return ret;
}

/**
 * vfio_pci_low_power_exit - VFIO_DEVICE_FEATURE_LOW_POWER_EXIT, and the end of it at close
 * @device: the device, awake
 * @op: VFIO_DEVICE_FEATURE_SET
 * @data: none
 *
 * Context: process context; takes memory_lock.
 * Return: 0, also if it was not entered.
 */
int vfio_pci_low_power_exit(struct vfio_device *device, u32 op, void *data)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	vfio_pci_quiesce(vpci);
	low_power_leave(vpci);
	vfio_pci_resume(vpci);
	return 0;
}

/**
 * vfio_pci_power_wake - have a device awake and at work for its close
 * @vpci: the device, open
 *
 * The core does not wake devices up for their close, and the user may have left this one in low
 * power.
 *
 * Context: process context; takes memory_lock.
 */
void vfio_pci_power_wake(struct vfio_pci_device *vpci)
{
	struct device *dev = &vpci->pdev->dev;

	pm_runtime_get_sync(dev);
	vfio_pci_low_power_exit(&vpci->vdev, VFIO_DEVICE_FEATURE_SET, NULL);
	vfio_pci_set_power_state(vpci, PCI_D0);
	pm_runtime_put_noidle(dev);
}

/**
 * vfio_pci_power_close - undo vfio_pci_power_open()
 * @vpci: the device, awake by vfio_pci_power_wake()
 *
 * Context: process context; may sleep.
 */
void vfio_pci_power_close(struct vfio_pci_device *vpci)
{
	kfree(vpci->pm_state);
	vpci->pm_state = NULL;
	if (!vpci->idle_awake)
		pm_runtime_put(&vpci->pdev->dev);
}

/* ---- falling asleep, waking up ---- */

static void __maybe_unused fall_asleep(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	vfio_pci_intx_hold(vpci);
	/* The PCI core saves the config space next: not while it is lost in D3hot. */
	vfio_pci_set_power_state_locked(vpci, PCI_D0);
	vpci->asleep = true;
}

/* No call on the device fd is under way, and no BAR page is mapped. */
static int __maybe_unused power_suspend(struct device *dev)
{
	struct vfio_pci_device *vpci = dev_get_drvdata(dev);

	vfio_pci_quiesce(vpci);
	fall_asleep(vpci);
	vfio_pci_resume(vpci);
	return 0;
}

/* Inside the window, which is closed here. */
static void get_up(struct vfio_pci_device *vpci)
{
	struct eventfd_ctx *wakeup;

	lockdep_assert_held_write(&vpci->memory_lock);

	vpci->asleep = false;
	if (vpci->mastered)
		vfio_pci_command_update(vpci, 0, PCI_COMMAND_MASTER);
	vpci->mastered = false;
	wakeup = vpci->wakeup;
	vpci->wakeup = NULL;
	/* Asked for a wake-up, the user wants the device to stay awake from then on. */
	if (wakeup)
		low_power_leave(vpci);
	if (!READ_ONCE(vpci->frozen))
		vfio_pci_intx_unhold(vpci);
	vfio_pci_resume(vpci);

	if (wakeup) {
		eventfd_signal(wakeup);
		eventfd_ctx_put(wakeup);
	}
}

/*
 * Recovery from an error wakes devices under pci_bus_sem, which the PCI core takes inside of our
 * window: so it is only tried for. Whoever has it open for long keeps the device awake.
 */
static int __maybe_unused power_resume(struct device *dev)
{
	struct vfio_pci_device *vpci = dev_get_drvdata(dev);

	if (!vfio_pci_quiesce_try(vpci, WAKE_PATIENCE_MS))
		return -EAGAIN;
	get_up(vpci);
	return 0;
}

/* Programs stand still, all devices are at work. */
static int __maybe_unused power_prepare_machine(struct device *dev)
{
	struct vfio_pci_device *vpci = dev_get_drvdata(dev);
	char holders[128];

	if (!vpci->keeps_awake ||
	    !vfio_device_holders_print(&vpci->vdev, holders, sizeof(holders), ", "))
		return 0;
	dev_notice(dev, "keeps the machine awake, in use by %s\n", holders);
	return -EBUSY;
}

/* Nobody runs who could call, or use a page of a BAR. */
static int __maybe_unused power_suspend_machine(struct device *dev)
{
	struct vfio_pci_device *vpci = dev_get_drvdata(dev);

	vfio_pci_quiesce(vpci);
	fall_asleep(vpci);
	vpci->mastered = vfio_pci_command_update(vpci, PCI_COMMAND_MASTER, 0) & PCI_COMMAND_MASTER;
	vfio_pci_resume(vpci);
	pci_wait_for_pending_transaction(vpci->pdev);
	return 0;
}

static int __maybe_unused power_resume_machine(struct device *dev)
{
	struct vfio_pci_device *vpci = dev_get_drvdata(dev);

	vfio_pci_quiesce(vpci);
	/* The PCI core has brought the function back, as after a reset of its link. */
	WRITE_ONCE(vpci->recovering, false);
	get_up(vpci);
	if (vpci->config.shadow)
		dev_info(dev, "has slept with the machine while in use\n");
	return 0;
}

const struct dev_pm_ops vfio_pci_pm_ops = {
	.prepare = pm_sleep_ptr(power_prepare_machine),
	SET_SYSTEM_SLEEP_PM_OPS(power_suspend_machine, power_resume_machine)
	SET_RUNTIME_PM_OPS(power_suspend, power_resume, NULL)
};

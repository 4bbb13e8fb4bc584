// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets: of one function; of all functions that share a slot or a bus ("hot reset"); and those
 * that others do to a function of ours, the administrator by sysfs or the recovery from an error.
 *
 * A reset is done in the window of memory.c, with the function in D0 and its INTx line held, and
 * leaves config space as it was: the PCI core saves and restores it, and the messages of interrupts
 * as well. What is in the BARs' registers is gone, which is the purpose.
 *
 * The PCI core wants the device's lock for a reset, which others hold for their own resets or while
 * they bind and unbind drivers. By the lock order it may only be tried for here. A failed try is
 * repeated for RESET_PATIENCE_MS outside the window, but not when the holder waits for us.
 *
 * A hot reset reaches functions that the caller may not own, so a caller names groups, and each
 * function that is reached must be a device of ours in one of them. At the last close of a set the
 * driver owns all of it anyway.
 *
 * The PCI core tells us of each reset through the error handlers at the end, of our own ones too:
 * then resetter says that the window is already open. Somebody else's reset has the window from
 * reset_prepare() to reset_done(): users' accesses wait. Recovery from a fatal error may end
 * without a word, so no lock is held over it: the function is frozen, accesses fail and so do
 * resets by its user, until it has resumed or is opened anew. It is not opened before the link was
 * reset: an open waits for the recovery, and after RECOVERY_PATIENCE_MS is refused while that reset
 * is still to come. That it came can be seen without a word: it takes the BARs' addresses.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/iommu.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../fault.h"
#include "pci.h"
#include "trace.h"

#define RESET_PATIENCE_MS	1000
#define RESET_PAUSE_US		1000
#define ERROR_PATIENCE_MS	1000
#define RECOVERY_PATIENCE_MS	3000

/* The PCI core gives a link, and a function, a minute to come back. */
#define RECOVERY_LIMIT_MS	(2 * 60 * MSEC_PER_SEC)

/* Is it worth another try? Waits for it. */
static bool reset_again(struct vfio_pci_device *vpci, int ret, unsigned long deadline)
{
	if (ret != -EAGAIN || time_after(jiffies, deadline) || READ_ONCE(vpci->leaving) ||
	    fatal_signal_pending(current))
		return false;
	usleep_range(RESET_PAUSE_US / 2, RESET_PAUSE_US);
	return true;
}

static unsigned long reset_deadline(void)
{
	return jiffies + msecs_to_jiffies(RESET_PATIENCE_MS);
}

/*
 * Inside the window: what every reset begins and ends with. A function whose link is recovering
 * from an error is left alone.
 */
static int reset_enter(struct vfio_pci_device *vpci)
{
	if (READ_ONCE(vpci->frozen))
		return -EAGAIN;
	vfio_pci_intx_hold(vpci);
	vpci->resetter = current;
	return vfio_pci_set_power_state_locked(vpci, PCI_D0);
}

/*
 * An error in the meantime goes on holding the line. What somebody wrote to INTx Disable while the
 * function was away is lost, and what was restored is older.
 */
static void reset_release_line(struct vfio_pci_device *vpci)
{
	if (READ_ONCE(vpci->frozen))
		return;
	vfio_pci_intx_unhold(vpci);
	if (vpci->config.shadow)
		vfio_pci_intx_sync(vpci);
}

static void reset_leave(struct vfio_pci_device *vpci)
{
	vpci->resetter = NULL;
	reset_release_line(vpci);
}

/* An error is over, or its user is another one. */
static void reset_thaw(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	kfree(vpci->error_state);
	vpci->error_state = NULL;
	if (!vpci->frozen)
		return;
	WRITE_ONCE(vpci->frozen, false);
	/* One that sleeps has a hold of its own, until it wakes up. */
	if (!vpci->asleep)
		vfio_pci_intx_unhold(vpci);
}

/* ---- one function ---- */

static int reset_function_once(struct vfio_pci_device *vpci)
{
	int ret;

	vfio_pci_quiesce_with_vfs(vpci);
	ret = pci_device_is_present(vpci->pdev) ? reset_enter(vpci) : -ENODEV;
	if (!ret)
		ret = pci_try_reset_function(vpci->pdev);
	reset_leave(vpci);
	vfio_pci_resume_with_vfs(vpci);
	return ret;
}

/**
 * vfio_pci_reset_function - reset the function
 * @vpci: the device, awake
 *
 * Context: process context; takes memory_lock, its VFs' too. Sleeps as long as the function takes
 * to come back.
 * Return: 0; -EAGAIN if others would not let go of the device; -ENOTTY if it knows no reset;
 * -ENODEV if it is gone; or why the reset failed.
 */
int vfio_pci_reset_function(struct vfio_pci_device *vpci)
{
	unsigned long deadline = reset_deadline();
	int ret;

	do {
		ret = reset_function_once(vpci);
	} while (reset_again(vpci, ret, deadline));
	trace_reset(vpci, VFIO_PCI_RESET_FUNCTION, ret);
	return ret;
}

/**
 * vfio_pci_reset_returned - reset a function that its users have given back, or lost
 * @vpci: the device, leaving
 *
 * The device's lock is the caller's here. The window is that of a reset by the host.
 *
 * Context: remove; takes memory_lock. Sleeps as long as the function takes to come back.
 * Return: 0, or why the reset failed.
 */
int vfio_pci_reset_returned(struct vfio_pci_device *vpci)
{
	int ret = pci_reset_function_locked(vpci->pdev);

	trace_reset(vpci, VFIO_PCI_RESET_FUNCTION, ret);
	return ret;
}

/* ---- the functions that a hot reset reaches ---- */

/**
 * struct hot_reset - a walk over the functions that a hot reset reaches
 * @pdev: any of them
 * @by_slot: the reset is of @pdev's slot, not of its bus
 * @set: for hot_reset_check(): the devices that may be reset
 * @devices: for hot_reset_list(): @room entries
 * @room: number of @devices
 * @count: functions seen
 */
struct hot_reset {
	struct pci_dev *pdev;
	bool by_slot;
	struct vfio_device_set *set;
	struct vfio_pci_dependent_device *devices;
	u32 room;
	u32 count;
};

/* A visit of one function, and the walk it belongs to. */
struct hot_reset_visit {
	struct hot_reset *hot;
	int (*visit)(struct hot_reset *hot, struct pci_dev *pdev);
	int ret;
};

static int hot_reset_probe(struct hot_reset *hot, struct pci_dev *pdev)
{
	hot->pdev = pdev;
	hot->by_slot = !pci_probe_reset_slot(pdev->slot);
	if (pdev->is_virtfn || (!hot->by_slot && pci_probe_reset_bus(pdev->bus)))
		return -ENODEV;
	return 0;
}

/*
 * Is the function in the slot, or behind a bridge that is? The slot of a port is reset by the link,
 * with all that is on it; the PCI core knows there the functions of device 0 only, which is few of
 * many VFs. Others it would not save, and they are in no set with those, so with them the reset is
 * refused.
 */
static bool below_slot(const struct pci_dev *pdev, const struct pci_slot *slot)
{
	const struct pci_dev *port = slot->bus->self;

	if (port && (pci_pcie_type(port) == PCI_EXP_TYPE_ROOT_PORT ||
		     pci_pcie_type(port) == PCI_EXP_TYPE_DOWNSTREAM))
		return true;
	while (pdev && pdev->bus != slot->bus)
		pdev = pdev->bus->self;
	return pdev && pdev->slot == slot;
}

static int hot_reset_visit(struct pci_dev *pdev, void *data)
{
	struct hot_reset_visit *visit = data;
	struct hot_reset *hot = visit->hot;

	if (!hot->by_slot || below_slot(pdev, hot->pdev->slot))
		visit->ret = visit->visit(hot, pdev);
	return visit->ret;
}

static int hot_reset_walk(struct hot_reset *hot,
			  int (*visit)(struct hot_reset *hot, struct pci_dev *pdev))
{
	struct hot_reset_visit data = { .hot = hot, .visit = visit };

	hot->count = 0;
	pci_walk_bus(hot->pdev->bus, hot_reset_visit, &data);
	return data.ret;
}

static int hot_reset_count(struct hot_reset *hot, struct pci_dev *pdev)
{
	hot->count++;
	return 0;
}

static int hot_reset_list(struct hot_reset *hot, struct pci_dev *pdev)
{
	struct iommu_group *group;

	/* There was one less a moment ago. */
	if (hot->count == hot->room)
		return -EAGAIN;

	group = iommu_group_get(&pdev->dev);
	if (!group)
		return -EPERM;
	hot->devices[hot->count++] = (struct vfio_pci_dependent_device){
		.group_id = iommu_group_id(group),
		.segment = pci_domain_nr(pdev->bus),
		.bus = pdev->bus->number,
		.devfn = pdev->devfn,
	};
	iommu_group_put(group);
	return 0;
}

/* Brings the set into the order of the PCI tree as well, in which its windows are opened. */
static int hot_reset_check(struct hot_reset *hot, struct pci_dev *pdev)
{
	struct vfio_device *device;

	lockdep_assert_held(&hot->set->lock);

	list_for_each_entry(device, &hot->set->devices, set_node) {
		if (to_vfio_pci(device)->pdev == pdev) {
			list_move_tail(&device->set_node, &hot->set->devices);
			return 0;
		}
	}
	return -EINVAL;
}

/* ---- all functions of a set ---- */

/* Wake all, or none. */
static int set_wake(struct vfio_device_set *set)
{
	struct vfio_device *device;
	int ret;

	list_for_each_entry(device, &set->devices, set_node) {
		ret = vfio_should_fail() ? -EIO : pm_runtime_resume_and_get(device->dev);
		if (ret < 0)
			goto err_put;
	}
	return 0;

err_put:
	list_for_each_entry_continue_reverse(device, &set->devices, set_node)
		pm_runtime_put(device->dev);
	return ret;
}

static void set_let_sleep(struct vfio_device_set *set)
{
	struct vfio_device *device;

	list_for_each_entry(device, &set->devices, set_node)
		pm_runtime_put(device->dev);
}

static int set_reset_once(struct vfio_device_set *set, struct pci_dev *pdev)
{
	struct vfio_device *device;
	int ret = 0;

	/* A function that does not wake up is reset all the same. */
	list_for_each_entry(device, &set->devices, set_node) {
		vfio_pci_quiesce_in_set(to_vfio_pci(device));
		if (reset_enter(to_vfio_pci(device)) == -EAGAIN)
			ret = -EAGAIN;
		/* The walk has not seen those, on a bus of their own. */
		else if (to_vfio_pci(device)->sriov.on)
			ret = -EBUSY;
	}

	if (!ret)
		ret = vfio_should_fail() ? -EIO : pci_reset_bus(pdev);

	list_for_each_entry(device, &set->devices, set_node) {
		reset_leave(to_vfio_pci(device));
		vfio_pci_resume(to_vfio_pci(device));
	}
	return ret;
}

/* Whoever takes one of the devices back has its lock, and waits for that of the set. */
static bool set_is_leaving(struct vfio_device_set *set)
{
	struct vfio_device *device;

	list_for_each_entry(device, &set->devices, set_node) {
		if (READ_ONCE(to_vfio_pci(device)->leaving))
			return true;
	}
	return false;
}

/* The caller has checked that the reset reaches devices of the set only. */
static int set_reset(struct vfio_pci_device *vpci)
{
	struct vfio_device_set *set = vpci->vdev.set;
	struct vfio_device *device;
	unsigned long deadline = reset_deadline();
	int ret;

	lockdep_assert_held(&set->lock);

	ret = set_wake(set);
	if (!ret) {
		do {
			ret = set_reset_once(set, vpci->pdev);
		} while (!set_is_leaving(set) && reset_again(vpci, ret, deadline));
		set_let_sleep(set);
	}
	list_for_each_entry(device, &set->devices, set_node) {
		to_vfio_pci(device)->needs_reset &= !!ret;
		trace_reset(to_vfio_pci(device), VFIO_PCI_RESET_HOT, ret);
	}
	return ret;
}

static bool set_needs_reset(struct vfio_device_set *set)
{
	struct vfio_device *device;

	lockdep_assert_held(&set->lock);

	list_for_each_entry(device, &set->devices, set_node) {
		if (to_vfio_pci(device)->needs_reset)
			return true;
	}
	return false;
}

/**
 * vfio_pci_reset_set - at a close: reset a whole set that is no longer used
 * @vpci: the device that was closed
 *
 * Some functions know no reset of their own. When the last device of their set is closed they are
 * reset together, if that reaches nobody else.
 *
 * Context: process context; the lock of the device's set is held. May sleep.
 */
void vfio_pci_reset_set(struct vfio_pci_device *vpci)
{
	struct vfio_device_set *set = vpci->vdev.set;
	struct hot_reset hot = { .set = set };
	int ret;

	if (vfio_device_set_open_count(set) || !set_needs_reset(set) ||
	    vfio_pci_is_pulled(vpci))
		return;
	if (hot_reset_probe(&hot, vpci->pdev) || hot_reset_walk(&hot, hot_reset_check))
		return;
	ret = set_reset(vpci);
	/* Whoever unbinds one of them resets that himself. */
	if (ret && !set_is_leaving(set))
		dev_notice_ratelimited(&vpci->pdev->dev, "its set is not reset after use: error %d\n",
				       ret);
}

/* ---- ioctls ---- */

/* The answer's list of devices; @hot->count of them were counted. */
static int hot_reset_info_list(struct hot_reset *hot, struct vfio_call *call)
{
	int ret;

	hot->room = hot->count;
	hot->devices = kvcalloc(hot->room, sizeof(*hot->devices), GFP_KERNEL_ACCOUNT);
	if (!hot->devices)
		return -ENOMEM;
	call->reply = hot->devices;

	ret = hot_reset_walk(hot, hot_reset_list);
	call->reply_size = hot->count * sizeof(*hot->devices);
	return ret;
}

/**
 * vfio_pci_hot_reset_info - VFIO_DEVICE_GET_PCI_HOT_RESET_INFO
 * @owner: the device
 * @call: struct vfio_pci_hot_reset_info
 *
 * Context: process context; may sleep.
 * Return: 0; -ENODEV if neither slot nor bus can be reset; -ENOSPC, with the count filled in, if
 * the struct is too small; -EPERM if a function has no group; -EAGAIN if one came meanwhile;
 * -ENOMEM.
 */
long vfio_pci_hot_reset_info(void *owner, struct vfio_call *call)
{
	const size_t head_size = offsetofend(struct vfio_pci_hot_reset_info, count);
	struct vfio_pci_device *vpci = to_vfio_pci(owner);
	struct vfio_pci_hot_reset_info *info = call->data;
	struct hot_reset hot = {};
	int ret;

	ret = hot_reset_probe(&hot, vpci->pdev);
	if (ret)
		return ret;
	hot_reset_walk(&hot, hot_reset_count);

	info->flags = 0;
	info->count = hot.count;
	if ((call->argsz - head_size) / sizeof(*hot.devices) < hot.count)
		return -ENOSPC;

	ret = hot_reset_info_list(&hot, call);
	info->count = hot.count;
	return ret;
}

/**
 * vfio_pci_hot_reset_tail - the groups of a VFIO_DEVICE_PCI_HOT_RESET
 * @data: struct vfio_pci_hot_reset; programs differ on whether its argsz is to cover them
 *
 * Context: any.
 * Return: their size in bytes.
 */
size_t vfio_pci_hot_reset_tail(const void *data)
{
	const struct vfio_pci_hot_reset *head = data;

	return array_size(head->count, sizeof(head->group_fds[0]));
}

static bool groups_have_device(struct file **groups, u32 count, struct vfio_device *device)
{
	u32 i;

	for (i = 0; i < count; i++) {
		if (vfio_file_has_dev(groups[i], device))
			return true;
	}
	return false;
}

static int hot_reset_by_groups(struct hot_reset *hot, struct file **groups, u32 count)
{
	struct vfio_device *device;
	int ret;

	lockdep_assert_held(&hot->set->lock);

	ret = hot_reset_walk(hot, hot_reset_check);
	if (ret)
		return ret;
	list_for_each_entry(device, &hot->set->devices, set_node) {
		if (!groups_have_device(groups, count, device))
			return -EINVAL;
	}
	return set_reset(pci_get_drvdata(hot->pdev));
}

static int hot_reset_get_groups(struct vfio_call *call, struct file **groups, u32 count)
{
	const s32 *fds = vfio_call_tail(call, array_size(count, sizeof(*fds)));
	u32 i;

	if (IS_ERR(fds))
		return PTR_ERR(fds);
	for (i = 0; i < count; i++) {
		groups[i] = fget(fds[i]);
		if (!groups[i])
			return -EBADF;
		if (!vfio_file_is_group(groups[i]))
			return -EINVAL;
	}
	return 0;
}

static void hot_reset_put_groups(struct file **groups, u32 count)
{
	u32 i;

	for (i = 0; i < count && groups[i]; i++)
		fput(groups[i]);
}

/**
 * vfio_pci_hot_reset - VFIO_DEVICE_PCI_HOT_RESET
 * @owner: the device
 * @call: struct vfio_pci_hot_reset
 *
 * Context: process context; takes the lock of the device's set and the memory_lock of all in it.
 * Return: 0; -ENODEV if neither slot nor bus can be reset; -EINVAL for more groups than functions,
 * for none, for a file that is no group, and if a function is reached that is in none of the
 * groups; -EBUSY if it has VFs on another bus;
 * -EBADF; -EAGAIN if others would not let go of the devices; or why the reset failed.
 */
long vfio_pci_hot_reset(void *owner, struct vfio_call *call)
{
	struct vfio_pci_device *vpci = to_vfio_pci(owner);
	const struct vfio_pci_hot_reset *head = call->data;
	struct hot_reset hot = { .set = vpci->vdev.set };
	struct file **groups;
	int ret;

	ret = hot_reset_probe(&hot, vpci->pdev);
	if (ret)
		return ret;
	hot_reset_walk(&hot, hot_reset_count);
	if (!head->count || head->count > hot.count)
		return -EINVAL;

	groups = kcalloc(head->count, sizeof(*groups), GFP_KERNEL_ACCOUNT);
	if (!groups)
		return -ENOMEM;
	ret = hot_reset_get_groups(call, groups, head->count);
	if (!ret) {
		mutex_lock(&hot.set->lock);
		ret = hot_reset_by_groups(&hot, groups, head->count);
		mutex_unlock(&hot.set->lock);
	}
	hot_reset_put_groups(groups, head->count);
	kfree(groups);
	return ret;
}

/* ---- resets by others, errors ---- */

/* The device's lock is held from here to reset_done(), so the driver stays bound. */
static void host_reset_prepare(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);

	if (READ_ONCE(vpci->resetter) == current)
		return;
	pm_runtime_get_sync(&pdev->dev);
	vfio_pci_quiesce_for_host(vpci);
	vfio_pci_intx_hold(vpci);
	vfio_pci_set_power_state_locked(vpci, PCI_D0);
}

static void host_reset_done(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);

	if (READ_ONCE(vpci->resetter) == current)
		return;
	if (vpci->config.shadow)
		dev_info_ratelimited(&pdev->dev, "reset by the host while in use\n");
	/* From a remove it is vfio_pci_reset_returned(). */
	if (!READ_ONCE(vpci->leaving))
		trace_host_reset(vpci);
	/* Nobody says whether the reset worked: an error is over when its recovery says so. */
	reset_release_line(vpci);
	vfio_pci_resume(vpci);
	pm_runtime_put(&pdev->dev);
}

/*
 * Recovery from an error calls its handlers under pci_bus_sem, which the PCI core takes as well for
 * resets and power changes of ours: so the window is only tried for here.
 */
static bool error_quiesce(struct vfio_pci_device *vpci)
{
	return vfio_pci_quiesce_try(vpci, ERROR_PATIENCE_MS);
}

/*
 * The link is about to be reset: keep config space for error_restore(). If it cannot be read any
 * more, that from before the first open has to do.
 *
 * A window that stays open for long is that of a reset, whose hold of the line becomes ours.
 */
static void error_freeze(struct vfio_pci_device *vpci)
{
	bool already = READ_ONCE(vpci->frozen);
	struct pci_dev *pdev = vpci->pdev;
	bool saved;

	/* Who comes from now on sees it and leaves the lock to us. */
	if (!already)
		WRITE_ONCE(vpci->frozen, true);
	if (!error_quiesce(vpci)) {
		WRITE_ONCE(vpci->frozen, true);
		vfio_pci_zap(vpci);
		return;
	}
	/* All is kept since the error before, unless whoever had the lock has just ended that. */
	if (already && vpci->frozen) {
		vfio_pci_resume(vpci);
		return;
	}
	WRITE_ONCE(vpci->frozen, true);
	vfio_pci_intx_hold(vpci);
	saved = vfio_pci_save_state(pdev);
	if (!saved && vpci->saved_state)
		saved = !pci_load_saved_state(pdev, vpci->saved_state);
	/* Resets by the host, who does not know of us, keep their state in the same place. */
	kfree(vpci->error_state);
	vpci->error_state = saved ? pci_store_saved_state(pdev) : NULL;
	vfio_pci_resume(vpci);
}

/* Have the BARs an address, all of them together? A VF's are its PF's, and are lost with those. */
static bool bars_are_set(struct pci_dev *vf_or_pf)
{
	struct pci_dev *pdev = pci_physfn(vf_or_pf);
	u32 now, addresses = 0;
	unsigned int i;

	for (i = 0; i < VFIO_PCI_NR_BARS; i++) {
		pci_read_config_dword(pdev, PCI_BASE_ADDRESS_0 + 4 * i, &now);
		/* The upper half of a wide BAR has no type of its own. */
		addresses |= pci_resource_flags(pdev, i) ? now & PCI_BASE_ADDRESS_MEM_MASK : now;
	}
	return addresses;
}

static void recovery_begin(struct vfio_pci_device *vpci)
{
	vpci->recovery_limit = jiffies + msecs_to_jiffies(RECOVERY_LIMIT_MS);
	vpci->bars_tell = bars_are_set(vpci->pdev);
	WRITE_ONCE(vpci->recovering, true);
}

/* An uncorrectable error: tell the user, who alone knows what it means. */
static pci_ers_result_t error_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);
	pci_ers_result_t result = PCI_ERS_RESULT_CAN_RECOVER;

	WRITE_ONCE(vpci->recovering, false);
	if (state == pci_channel_io_frozen) {
		recovery_begin(vpci);
		error_freeze(vpci);
		result = PCI_ERS_RESULT_NEED_RESET;
	} else if (state == pci_channel_io_perm_failure) {
		/* Now it does not decode memory either, as the end of any window shows. */
		if (error_quiesce(vpci))
			vfio_pci_resume(vpci);
		result = PCI_ERS_RESULT_DISCONNECT;
	}
	vfio_pci_trigger_fire(vpci, &vpci->err_trigger);
	return result;
}

static pci_ers_result_t error_restore(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);
	struct pci_saved_state *state;

	/* A neighbour asked for this; nobody has reset us. */
	if (!READ_ONCE(vpci->recovering))
		return PCI_ERS_RESULT_RECOVERED;
	if (!pci_device_is_present(pdev) || !error_quiesce(vpci)) {
		WRITE_ONCE(vpci->recovering, false);
		trace_reset(vpci, VFIO_PCI_RESET_RECOVERY, -EIO);
		return PCI_ERS_RESULT_DISCONNECT;
	}
	/* Whoever opened us in the meantime has done it all. */
	if (!vpci->recovering) {
		vfio_pci_resume(vpci);
		return PCI_ERS_RESULT_RECOVERED;
	}
	/*
	 * Without a window, or memory, nothing was kept: then it is as it was before the first
	 * open, and where nobody has it open, as the PCI core kept it.
	 */
	state = vpci->error_state ?: vpci->saved_state;
	if (state)
		pci_load_saved_state(pdev, state);
	pci_restore_state(pdev);
	vfio_pci_intx_sync(vpci);
	/* The reset of the link is over, whether or not a neighbour lets this be a recovery. */
	WRITE_ONCE(vpci->recovering, false);
	trace_reset(vpci, VFIO_PCI_RESET_RECOVERY, 0);
	vfio_pci_resume(vpci);
	return PCI_ERS_RESULT_RECOVERED;
}

static void error_thaw(struct work_struct *work)
{
	struct vfio_pci_device *vpci = container_of(work, struct vfio_pci_device, thaw_work);

	vfio_pci_quiesce(vpci);
	if (!READ_ONCE(vpci->recovering))
		reset_thaw(vpci);
	vfio_pci_resume(vpci);
}

/* A worker has the time to wait for the window. */
static void error_resume(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);

	WRITE_ONCE(vpci->recovering, false);
	queue_work(system_unbound_wq, &vpci->thaw_work);
}

/**
 * vfio_pci_errors_init - a device without errors
 * @vpci: a new device
 *
 * Context: any.
 */
void vfio_pci_errors_init(struct vfio_pci_device *vpci)
{
	INIT_WORK(&vpci->thaw_work, error_thaw);
}

/*
 * If the function answers, it gets the config space back that it had before the error. False if the
 * next error came meanwhile, and with it the next reset of the link.
 */
static bool errors_forget(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;

	lockdep_assert_held_write(&vpci->memory_lock);

	WRITE_ONCE(vpci->recovering, false);
	if (vpci->frozen && vpci->error_state && pci_device_is_present(pdev)) {
		pci_load_saved_state(pdev, vpci->error_state);
		pci_restore_state(pdev);
	}
	if (READ_ONCE(vpci->recovering))
		return false;
	reset_thaw(vpci);
	return true;
}

/* Is a reset of the link still to come? */
static bool link_reset_awaited(const struct vfio_pci_device *vpci)
{
	return READ_ONCE(vpci->frozen) && READ_ONCE(vpci->recovering) &&
	       time_before(jiffies, vpci->recovery_limit);
}

/* Nobody says when a recovery fails, for which it is enough that a neighbour has no driver. */
static bool link_reset_seen(const struct vfio_pci_device *vpci)
{
	return vpci->bars_tell && !bars_are_set(vpci->pdev);
}

/**
 * vfio_pci_errors_open - end a recovery whose end nobody may have told us, for a new user
 * @vpci: the device, awake; nobody uses it
 *
 * An error is not the next user's. But he gets at the function not before its link was reset. Here
 * that is waited for, unless somebody waits for us whose lock the recovery needs.
 *
 * Context: process context; the lock of the device's set is held; takes memory_lock.
 * Return: 0, or -EAGAIN if a reset of the link is still to come.
 */
int vfio_pci_errors_open(struct vfio_pci_device *vpci)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(RECOVERY_PATIENCE_MS);
	struct vfio_device_set *set = vpci->vdev.set;
	int ret = 0;

	lockdep_assert_held(&set->lock);

	while (link_reset_awaited(vpci) && !set_is_leaving(set) &&
	       reset_again(vpci, -EAGAIN, deadline))
		;
	if (!READ_ONCE(vpci->frozen))
		return 0;

	cancel_work_sync(&vpci->thaw_work);
	vfio_pci_quiesce(vpci);
	if ((link_reset_awaited(vpci) && !link_reset_seen(vpci)) || !errors_forget(vpci))
		ret = -EAGAIN;
	vfio_pci_resume(vpci);
	return ret;
}

/**
 * vfio_pci_errors_end - end a recovery, whatever became of it: the driver goes
 * @vpci: the device, awake; nobody uses it
 *
 * Context: process context; takes memory_lock.
 */
void vfio_pci_errors_end(struct vfio_pci_device *vpci)
{
	cancel_work_sync(&vpci->thaw_work);
	vfio_pci_quiesce(vpci);
	errors_forget(vpci);
	vfio_pci_resume(vpci);
}

/**
 * vfio_pci_errors_disown - the user goes while an error lasts
 * @vpci: the device, being closed; its saved_state is from before it was opened
 *
 * What recovery will put back is not the user's config space: nobody would be there to stop the
 * device's DMA.
 *
 * Context: process context, memory_lock held for writing.
 */
void vfio_pci_errors_disown(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	if (!vpci->error_state && !vpci->frozen)
		return;
	kfree(vpci->error_state);
	pci_load_saved_state(vpci->pdev, vpci->saved_state);
	vpci->error_state = pci_store_saved_state(vpci->pdev);
}

const struct pci_error_handlers vfio_pci_error_handlers = {
	.error_detected = error_detected,
	.slot_reset = error_restore,
	.resume = error_resume,
	.reset_prepare = host_reset_prepare,
	.reset_done = host_reset_done,
};

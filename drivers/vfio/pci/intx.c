// SPDX-License-Identifier: GPL-2.0-only
/*
 * INTx, the level-triggered line.
 *
 * The line stays asserted until the user's driver has served the device, so each interrupt masks
 * the line before it is passed on, and the user unmasks it. There are two ways to mask: the INTx
 * Disable bit of the command register, if the device has a working one (PCI 2.3), so that the line
 * can be shared; else the interrupt controller, and then the line must be ours alone.
 *
 * Three reasons keep the line closed: masked (by an interrupt or by the user), disabled in the
 * command register as the user sees it, and held by us while the device is reset or asleep. One
 * function, intx_apply(), makes the hardware agree with them. All of this is guarded by one
 * spinlock, intx->lock, and lives in the device, so that whoever comes late (the handler, the
 * unmask eventfd, a config write) always finds it, and finds @active false once the line is given
 * up.
 *
 * A device that masks by the command register and has no handler installed is kept masked.
 *
 * The user's unmask eventfd may be one that the kernel signals: another device's, or the very one
 * that the line fires. A line that stays asserted then goes round and round with nobody to serve
 * the device. A program that unmasks pays with its own time and may do so as fast as it can; the
 * others may MAX_LOOPS times a second. Beyond that the line is left masked until a program unmasks
 * it.
 */
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "pci.h"

/* Unmasks within a second that no program makes. */
#define MAX_LOOPS	100

static void intx_close_line(struct vfio_pci_device *vpci)
{
	lockdep_assert_held(&vpci->intx.lock);

	if (vpci->intx.use_command)
		pci_intx(vpci->pdev, 0);
	else
		disable_irq_nosync(vpci->intx.irq);
}

/* Returns false if the line cannot be opened because an interrupt is pending on it. */
static bool intx_open_line(struct vfio_pci_device *vpci)
{
	lockdep_assert_held(&vpci->intx.lock);

	if (vpci->intx.use_command)
		return pci_check_and_unmask_intx(vpci->pdev);
	enable_irq(vpci->intx.irq);
	return true;
}

/*
 * Make the hardware agree with the reasons. Returns whether an interrupt was found pending, which
 * then counts as if its handler had run: the caller fires the trigger after unlocking.
 */
static bool intx_apply(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	bool block = intx->masked || intx->disabled_by_command || intx->held;

	lockdep_assert_held(&intx->lock);

	if (!intx->active || block == intx->blocked)
		return false;
	if (block) {
		intx_close_line(vpci);
	} else if (!intx_open_line(vpci)) {
		intx->masked = true;
		return true;
	}
	intx->blocked = block;
	return false;
}

/* Change one of the reasons. */
static void intx_change(struct vfio_pci_device *vpci, bool *reason, bool value)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	unsigned long flags;
	bool pending;

	spin_lock_irqsave(&intx->lock, flags);
	*reason = value;
	pending = intx_apply(vpci);
	spin_unlock_irqrestore(&intx->lock, flags);

	if (pending)
		vfio_pci_trigger_fire(vpci, &intx->trigger);
}

/*
 * Somebody else may have opened a line that we hold closed: the device itself, where it mirrors its
 * config space in a BAR, or the host. Left open it would fire until the kernel gives the line up,
 * and all who share it.
 */
static bool intx_close_again(struct vfio_pci_device *vpci)
{
	u16 command;

	lockdep_assert_held(&vpci->intx.lock);

	return !pci_read_config_word(vpci->pdev, PCI_COMMAND, &command) &&
	       !(command & PCI_COMMAND_INTX_DISABLE) && pci_check_and_mask_intx(vpci->pdev);
}

static irqreturn_t intx_handler(int irq, void *data)
{
	struct vfio_pci_device *vpci = data;
	struct vfio_pci_intx *intx = &vpci->intx;
	bool ours = false, again = false;
	unsigned long flags;

	spin_lock_irqsave(&intx->lock, flags);
	if (intx->blocked && intx->use_command) {
		again = !intx->held && intx_close_again(vpci);
	} else if (intx->active && !intx->blocked) {
		if (intx->use_command) {
			ours = pci_check_and_mask_intx(vpci->pdev);
		} else {
			intx_close_line(vpci);
			ours = true;
		}
		if (ours) {
			intx->masked = true;
			intx->blocked = true;
		}
	}
	spin_unlock_irqrestore(&intx->lock, flags);

	if (ours)
		vfio_pci_trigger_fire(vpci, &intx->trigger);
	/* Nobody else is on a line that we mask at the controller. */
	return ours || again || !intx->use_command ? IRQ_HANDLED : IRQ_NONE;
}

/**
 * vfio_pci_intx_open - find out how the line can be masked, and mask it
 * @vpci: the device, being opened
 *
 * Context: process context.
 */
void vfio_pci_intx_open(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;

	intx->disabled_by_command = false;
	intx->use_command = !intx->hidden && !vpci->no_command_mask &&
			    pci_intx_mask_supported(vpci->pdev);
	vfio_pci_intx_quiet(vpci);
}

/**
 * vfio_pci_intx_quiet - mask a line that has no handler
 * @vpci: the device
 *
 * The PCI core clears INTx Disable when it is done with MSI.
 *
 * Context: process context; the line is not enabled.
 */
void vfio_pci_intx_quiet(struct vfio_pci_device *vpci)
{
	if (vpci->intx.use_command || vpci->intx.hidden)
		vfio_pci_command_update(vpci, 0, PCI_COMMAND_INTX_DISABLE);
}

/**
 * vfio_pci_intx_sync - have INTx Disable again as it belongs, after config space was restored
 * @vpci: the device
 *
 * Context: any.
 */
void vfio_pci_intx_sync(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	unsigned long flags;

	spin_lock_irqsave(&intx->lock, flags);
	if (intx->use_command || intx->hidden)
		pci_intx(vpci->pdev, intx->active && !intx->blocked);
	spin_unlock_irqrestore(&intx->lock, flags);
}

static int intx_request(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	int ret;

	/* A user may ask as often as he likes for a line that others have: no message for that. */
	if (intx->use_command)
		return request_irq(intx->irq, intx_handler, IRQF_SHARED | IRQF_PROBE_SHARED,
				   intx->name, vpci);

	/* Not enabled before its state is known. */
	ret = request_irq(intx->irq, intx_handler, IRQF_NO_AUTOEN | IRQF_PROBE_SHARED, intx->name,
			  vpci);
	if (ret)
		return ret;
	/* From here on the line is ours alone: masked for real when it is disabled. */
	irq_set_status_flags(intx->irq, IRQ_DISABLE_UNLAZY);
	vfio_pci_command_update(vpci, PCI_COMMAND_INTX_DISABLE, 0);
	return 0;
}

/**
 * vfio_pci_intx_enable - install the handler and open the line
 * @vpci: the device; no interrupts are set up
 * @eventfd: to be signalled, or NULL; on success the reference moves to the device
 *
 * Context: process context, irq_lock held.
 * Return: 0, -ENODEV without a line, -ENOMEM, -EBUSY if the line must but cannot be ours alone.
 */
int vfio_pci_intx_enable(struct vfio_pci_device *vpci, struct eventfd_ctx *eventfd)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	bool pending;
	int ret;

	lockdep_assert_held(&vpci->irq_lock);

	if (!vpci->pdev->irq)
		return -ENODEV;
	intx->name = kasprintf(GFP_KERNEL_ACCOUNT, "vfio-intx(%s)", pci_name(vpci->pdev));
	if (!intx->name)
		return -ENOMEM;

	intx->irq = vpci->pdev->irq;
	intx->masked = false;
	intx->blocked = true;
	intx->fire = false;
	intx->loops = 0;
	ret = intx_request(vpci);
	if (ret) {
		kfree(intx->name);
		intx->name = NULL;
		return ret;
	}

	/* From here on nothing fails. Until now the handler finds the line inactive. */
	vfio_pci_trigger_set(vpci, &intx->trigger, eventfd);
	vpci->irq_index = VFIO_PCI_INTX_IRQ_INDEX;

	spin_lock_irq(&intx->lock);
	intx->active = true;
	pending = intx_apply(vpci);
	spin_unlock_irq(&intx->lock);
	if (pending)
		vfio_pci_trigger_fire(vpci, &intx->trigger);
	return 0;
}

/**
 * vfio_pci_intx_disable - close the line and remove the handler
 * @vpci: the device; INTx is set up
 *
 * Context: process context, irq_lock held; sleeps until nothing of the line runs any more.
 */
void vfio_pci_intx_disable(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;

	lockdep_assert_held(&vpci->irq_lock);

	/* Unhook: nobody unmasks from here on, and the line is left closed. */
	vfio_virqfd_unhook(&intx->unmask);
	spin_lock_irq(&intx->lock);
	if (!intx->blocked)
		intx_close_line(vpci);
	intx->blocked = true;
	intx->active = false;
	spin_unlock_irq(&intx->lock);

	/* Wait for the handler, then for whoever signals the eventfd without a lock. */
	free_irq(intx->irq, vpci);
	if (!intx->use_command)
		irq_clear_status_flags(intx->irq, IRQ_DISABLE_UNLAZY);
	vfio_pci_trigger_set(vpci, &intx->trigger, NULL);

	kfree(intx->name);
	intx->name = NULL;
	vpci->irq_index = VFIO_PCI_NUM_IRQS;
}

/**
 * vfio_pci_intx_mask - the user masks the line
 * @vpci: the device
 *
 * Context: any.
 */
void vfio_pci_intx_mask(struct vfio_pci_device *vpci)
{
	intx_change(vpci, &vpci->intx.masked, true);
}

/**
 * vfio_pci_intx_unmask - the user unmasks the line
 * @vpci: the device
 *
 * If the line is still asserted, the eventfd is signalled at once.
 *
 * Context: any in which an eventfd may be signalled.
 */
void vfio_pci_intx_unmask(struct vfio_pci_device *vpci)
{
	intx_change(vpci, &vpci->intx.masked, false);
}

/**
 * vfio_pci_intx_command - the user wrote INTx Disable in the command register
 * @vpci: the device
 * @disabled: the bit's value
 *
 * Context: any in which an eventfd may be signalled.
 */
void vfio_pci_intx_command(struct vfio_pci_device *vpci, bool disabled)
{
	intx_change(vpci, &vpci->intx.disabled_by_command, disabled);
}

/**
 * vfio_pci_intx_hold - close the line because the device is about to be reset or to sleep
 * @vpci: the device
 *
 * Done inside the window of memory.c, so holds do not nest. When this returns, the handler is not
 * looking at the device and will not.
 *
 * Context: process context, memory_lock held for writing; may sleep.
 */
void vfio_pci_intx_hold(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	bool active;
	int irq;

	lockdep_assert_held_write(&vpci->memory_lock);

	spin_lock_irq(&intx->lock);
	intx->held = true;
	intx_apply(vpci);
	active = intx->active;
	irq = intx->irq;
	spin_unlock_irq(&intx->lock);

	if (active)
		synchronize_irq(irq);
}

/**
 * vfio_pci_intx_unhold - undo vfio_pci_intx_hold()
 * @vpci: the device, awake again
 *
 * Context: process context, memory_lock held for writing. Hooks on the eventfd that is signalled if
 * the line is asserted only try for that lock.
 */
void vfio_pci_intx_unhold(struct vfio_pci_device *vpci)
{
	lockdep_assert_held_write(&vpci->memory_lock);

	intx_change(vpci, &vpci->intx.held, false);
}

/* May whoever signalled the unmask eventfd unmask the line? */
static bool intx_may_unmask(struct vfio_pci_intx *intx)
{
	lockdep_assert_held(&intx->lock);

	if (in_task() && !(current->flags & PF_KTHREAD))
		return true;
	if (!intx->loops || time_after_eq(jiffies, intx->loops_until)) {
		intx->loops = 0;
		intx->loops_until = jiffies + HZ;
	}
	return intx->loops++ < MAX_LOOPS;
}

/* Returns whether an interrupt was found pending, as intx_apply() does. */
static bool intx_unmask_by_event(struct vfio_pci_device *vpci)
{
	struct vfio_pci_intx *intx = &vpci->intx;

	lockdep_assert_held(&intx->lock);

	if (intx_may_unmask(intx)) {
		intx->masked = false;
		return intx_apply(vpci);
	}
	dev_notice_ratelimited(&vpci->pdev->dev,
			       "INTx fires again and again and nobody serves it, left masked\n");
	return false;
}

/* The eventfd's wait queue is locked: no eventfd may be signalled here. */
static bool intx_unmask_now(void *owner, void *data)
{
	struct vfio_pci_device *vpci = owner;
	struct vfio_pci_intx *intx = &vpci->intx;
	unsigned long flags;
	bool pending;

	/* A line that unmasks itself by its own eventfd would keep the processor in its handler. */
	if (in_hardirq())
		return true;

	spin_lock_irqsave(&intx->lock, flags);
	pending = intx_unmask_by_event(vpci);
	if (pending)
		intx->fire = true;
	spin_unlock_irqrestore(&intx->lock, flags);
	return pending;
}

/* What could not be done there: signal that the line was still asserted, or unmask at all. */
static void intx_unmask_later(void *owner, void *data)
{
	struct vfio_pci_device *vpci = owner;
	struct vfio_pci_intx *intx = &vpci->intx;
	bool fire;

	spin_lock_irq(&intx->lock);
	fire = intx->fire || intx_unmask_by_event(vpci);
	intx->fire = false;
	spin_unlock_irq(&intx->lock);
	if (fire)
		vfio_pci_trigger_fire(vpci, &intx->trigger);
}

/**
 * vfio_pci_intx_show - a line about the line
 * @vpci: the device; INTx is set up
 * @seq: gets it
 *
 * Context: holds irq_lock.
 */
void vfio_pci_intx_show(struct vfio_pci_device *vpci, struct seq_file *seq)
{
	struct vfio_pci_intx *intx = &vpci->intx;
	bool blocked, masked, disabled, held;

	lockdep_assert_held(&vpci->irq_lock);

	spin_lock_irq(&intx->lock);
	blocked = intx->blocked;
	masked = intx->masked;
	disabled = intx->disabled_by_command;
	held = intx->held;
	spin_unlock_irq(&intx->lock);
	seq_printf(seq, "irq %d shared %d blocked %d masked %d disabled %d held %d unmask-eventfd %d\n",
		   intx->irq, intx->use_command, blocked, masked, disabled, held, !!intx->unmask);
}

/**
 * vfio_pci_intx_set_unmask - have an eventfd unmask the line
 * @vpci: the device; INTx is set up
 * @fd: the eventfd, or a negative number to take it away
 *
 * Context: process context, irq_lock held.
 * Return: 0, -EBUSY if there is one, -EBADF, -EINVAL, -ENOMEM.
 */
int vfio_pci_intx_set_unmask(struct vfio_pci_device *vpci, int fd)
{
	const struct vfio_virqfd model = {
		.owner = vpci,
		.handler = intx_unmask_now,
		.thread = intx_unmask_later,
	};

	lockdep_assert_held(&vpci->irq_lock);

	if (fd >= 0)
		return vfio_virqfd_hook(&vpci->intx.unmask, fd, &model, NULL);
	vfio_virqfd_unhook(&vpci->intx.unmask);
	return 0;
}

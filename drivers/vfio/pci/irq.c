// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_SET_IRQS: which interrupts the user is told of, and how.
 *
 * There are five indexes. INTx, MSI and MSI-X exclude each other: one is set up by the first
 * eventfds given to it and given up by the disabling call, TRIGGER with no data and a count of 0.
 * The other two are messages from the host: an uncorrectable error happened, and the device is
 * wanted back.
 *
 * What the user asks for is a cell of a table [index][action]; an empty cell is -ENOTTY. All cells
 * run under irq_lock, those of MSI and MSI-X under config_lock as well: the device stays in D0, as
 * it does while it is being closed. Eventfds are looked up before anything is changed, so a bad one
 * changes nothing.
 */
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "pci.h"
#include "trace.h"

/* What the user's s32 means. NULL, for any negative one, takes the eventfd away. */
static struct eventfd_ctx *eventfd_get(s32 fd)
{
	return fd < 0 ? NULL : eventfd_ctx_fdget(fd);
}

static void eventfd_put(struct eventfd_ctx *eventfd)
{
	if (eventfd)
		eventfd_ctx_put(eventfd);
}

/* Is the i-th interrupt of a request without eventfds meant? */
static bool request_selects(const struct vfio_irq_request *request, u32 i)
{
	return request->data == VFIO_IRQ_SET_DATA_NONE || request->bools[i];
}

static bool request_disables(const struct vfio_irq_request *request)
{
	return request->data == VFIO_IRQ_SET_DATA_NONE && !request->count;
}

/* ---- INTx ---- */

static bool intx_request_is_sane(struct vfio_pci_device *vpci,
				 const struct vfio_irq_request *request)
{
	return vpci->irq_index == VFIO_PCI_INTX_IRQ_INDEX && !request->start &&
	       request->count == 1;
}

static long irq_intx_mask(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	if (!intx_request_is_sane(vpci, request))
		return -EINVAL;
	if (request->fds)
		return -ENOTTY;
	if (request_selects(request, 0))
		vfio_pci_intx_mask(vpci);
	return 0;
}

static long irq_intx_unmask(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	if (!intx_request_is_sane(vpci, request))
		return -EINVAL;
	if (request->fds)
		return vfio_pci_intx_set_unmask(vpci, request->fds[0]);
	if (request_selects(request, 0))
		vfio_pci_intx_unmask(vpci);
	return 0;
}

static int intx_set_eventfd(struct vfio_pci_device *vpci, s32 fd)
{
	struct eventfd_ctx *eventfd = eventfd_get(fd);
	int ret;

	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	if (vpci->irq_index == VFIO_PCI_INTX_IRQ_INDEX) {
		vfio_pci_trigger_set(vpci, &vpci->intx.trigger, eventfd);
		return 0;
	}
	ret = vfio_pci_intx_enable(vpci, eventfd);
	if (ret)
		eventfd_put(eventfd);
	return ret;
}

static long irq_intx_trigger(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	bool active = vpci->irq_index == VFIO_PCI_INTX_IRQ_INDEX;

	if (active && request_disables(request)) {
		vfio_pci_intx_disable(vpci);
		return 0;
	}
	if (request->start || request->count != 1)
		return -EINVAL;
	if (request->fds && (active || vpci->irq_index == VFIO_PCI_NUM_IRQS))
		return intx_set_eventfd(vpci, request->fds[0]);
	if (request->fds || !active)
		return -EINVAL;
	if (request_selects(request, 0))
		vfio_pci_trigger_fire(vpci, &vpci->intx.trigger);
	return 0;
}

/* ---- MSI and MSI-X ---- */

static void eventfds_put(struct eventfd_ctx **eventfds, u32 first, u32 count)
{
	u32 i;

	for (i = first; i < count; i++)
		eventfd_put(eventfds[i]);
}

static struct eventfd_ctx **eventfds_get(const struct vfio_irq_request *request)
{
	struct eventfd_ctx **eventfds, *error;
	u32 i;

	eventfds = kvcalloc(request->count, sizeof(*eventfds), GFP_KERNEL_ACCOUNT);
	if (!eventfds)
		return ERR_PTR(-ENOMEM);

	for (i = 0; i < request->count; i++) {
		eventfds[i] = eventfd_get(request->fds[i]);
		if (IS_ERR(eventfds[i]))
			goto err_put;
	}
	return eventfds;

err_put:
	error = eventfds[i];
	eventfds_put(eventfds, 0, i);
	kvfree(eventfds);
	return ERR_CAST(error);
}

/*
 * References move to the vectors. On failure those up to the one that failed, which is left in
 * @failed, have none.
 */
static int msi_set_all(struct vfio_pci_device *vpci, u32 start, u32 count,
		       struct eventfd_ctx **eventfds, u32 *failed)
{
	int ret;
	u32 i;

	for (i = 0; i < count; i++) {
		ret = vfio_pci_msi_set(vpci, start + i, eventfds[i]);
		if (ret)
			goto err_clear;
	}
	return 0;

err_clear:
	*failed = start + i;
	eventfds_put(eventfds, i, count);
	while (i--)
		vfio_pci_msi_set(vpci, start + i, NULL);
	return ret;
}

static int msi_enable_and_set(struct vfio_pci_device *vpci,
			      const struct vfio_irq_request *request,
			      struct eventfd_ctx **eventfds)
{
	u32 failed;
	int ret;

	ret = vfio_pci_msi_enable(vpci, request->start + request->count,
				  request->index == VFIO_PCI_MSIX_IRQ_INDEX);
	if (ret) {
		eventfds_put(eventfds, 0, request->count);
		return ret;
	}
	ret = msi_set_all(vpci, request->start, request->count, eventfds, &failed);
	if (!ret)
		return 0;
	vfio_pci_msi_disable(vpci);
	/* Whoever asks for more than there is learns how many he can have. */
	return ret == -ENOSPC && failed ? failed : ret;
}

/* Messages of MSI are allocated all at once: none can be added while it is on. */
static bool msi_within(const struct vfio_pci_device *vpci, const struct vfio_irq_request *request,
		       struct eventfd_ctx **eventfds)
{
	u32 i;

	if (vpci->msi.msix)
		return true;
	for (i = 0; i < request->count; i++) {
		if (eventfds[i] && request->start + i >= vpci->msi.nr_vectors)
			return false;
	}
	return true;
}

static int msi_set_eventfds(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	bool active = vpci->irq_index == request->index;
	struct eventfd_ctx **eventfds;
	u32 failed;
	int ret;

	if (!request->count)
		return active ? 0 : -EINVAL;
	eventfds = eventfds_get(request);
	if (IS_ERR(eventfds))
		return PTR_ERR(eventfds);
	if (active && !msi_within(vpci, request, eventfds)) {
		eventfds_put(eventfds, 0, request->count);
		ret = -EINVAL;
	} else if (active) {
		ret = msi_set_all(vpci, request->start, request->count, eventfds, &failed);
	} else {
		ret = msi_enable_and_set(vpci, request, eventfds);
	}
	kvfree(eventfds);
	return ret;
}

static long irq_msi_trigger(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	bool active = vpci->irq_index == request->index;
	u32 i;

	if (active && request_disables(request)) {
		vfio_pci_msi_disable(vpci);
		return 0;
	}
	if (!active && vpci->irq_index != VFIO_PCI_NUM_IRQS)
		return -EINVAL;
	if (request->data == VFIO_IRQ_SET_DATA_EVENTFD)
		return msi_set_eventfds(vpci, request);
	if (!active)
		return -EINVAL;
	for (i = 0; i < request->count; i++) {
		if (request_selects(request, i))
			vfio_pci_msi_fire(vpci, request->start + i);
	}
	return 0;
}

static bool msi_can_mask(const struct vfio_pci_device *vpci, u32 index)
{
	return index == VFIO_PCI_MSIX_IRQ_INDEX || vpci->msi.can_mask_msi;
}

static long msi_mask_all(struct vfio_pci_device *vpci, const struct vfio_irq_request *request,
			 bool mask)
{
	u32 i;

	if (request->data == VFIO_IRQ_SET_DATA_EVENTFD || !msi_can_mask(vpci, request->index))
		return -ENOTTY;
	if (vpci->irq_index != request->index)
		return -EINVAL;
	for (i = 0; i < request->count; i++) {
		if (request_selects(request, i))
			vfio_pci_msi_mask(vpci, request->start + i, mask);
	}
	return 0;
}

static long irq_msi_mask(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	return msi_mask_all(vpci, request, true);
}

static long irq_msi_unmask(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	return msi_mask_all(vpci, request, false);
}

/* ---- errors and requests ---- */

static long message_trigger(struct vfio_pci_device *vpci, const struct vfio_irq_request *request,
			    struct eventfd_ctx __rcu **trigger)
{
	struct eventfd_ctx *eventfd = NULL;

	/* Without data: fire, or with a count of 0 take the eventfd away; there must be one. */
	if (request->data == VFIO_IRQ_SET_DATA_NONE) {
		if (!rcu_access_pointer(*trigger))
			return -EINVAL;
		if (request->count)
			vfio_pci_trigger_fire(vpci, trigger);
		else
			vfio_pci_trigger_set(vpci, trigger, NULL);
		return 0;
	}
	if (!request->count)
		return -EINVAL;
	if (request->bools) {
		if (request->bools[0])
			vfio_pci_trigger_fire(vpci, trigger);
		return 0;
	}
	/* Of negative numbers only -1 means something here. */
	if (request->fds[0] < -1)
		return 0;
	eventfd = eventfd_get(request->fds[0]);
	if (IS_ERR(eventfd))
		return PTR_ERR(eventfd);
	vfio_pci_trigger_set(vpci, trigger, eventfd);
	return 0;
}

static long irq_err_trigger(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	return message_trigger(vpci, request, &vpci->err_trigger);
}

static long irq_req_trigger(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	return message_trigger(vpci, request, &vpci->req_trigger);
}

/* ---- the table ---- */

enum irq_action {
	IRQ_MASK,
	IRQ_UNMASK,
	IRQ_TRIGGER,
	NR_IRQ_ACTIONS
};

typedef long irq_cell(struct vfio_pci_device *vpci, const struct vfio_irq_request *request);

static irq_cell * const cells[VFIO_PCI_NUM_IRQS][NR_IRQ_ACTIONS] = {
	[VFIO_PCI_INTX_IRQ_INDEX] = {
		[IRQ_MASK] = irq_intx_mask,
		[IRQ_UNMASK] = irq_intx_unmask,
		[IRQ_TRIGGER] = irq_intx_trigger,
	},
	[VFIO_PCI_MSI_IRQ_INDEX ... VFIO_PCI_MSIX_IRQ_INDEX] = {
		[IRQ_MASK] = irq_msi_mask,
		[IRQ_UNMASK] = irq_msi_unmask,
		[IRQ_TRIGGER] = irq_msi_trigger,
	},
	[VFIO_PCI_ERR_IRQ_INDEX] = { [IRQ_TRIGGER] = irq_err_trigger },
	[VFIO_PCI_REQ_IRQ_INDEX] = { [IRQ_TRIGGER] = irq_req_trigger },
};

/* The cell's column, or NR_IRQ_ACTIONS where not exactly one action is asked for. */
static enum irq_action irq_action(u32 action)
{
	switch (action) {
	case VFIO_IRQ_SET_ACTION_MASK:
		return IRQ_MASK;
	case VFIO_IRQ_SET_ACTION_UNMASK:
		return IRQ_UNMASK;
	case VFIO_IRQ_SET_ACTION_TRIGGER:
		return IRQ_TRIGGER;
	default:
		return NR_IRQ_ACTIONS;
	}
}

/**
 * vfio_pci_irq_count - interrupts of an index
 * @device: the device, open
 * @index: below VFIO_PCI_NUM_IRQS
 *
 * Return: their number.
 */
u32 vfio_pci_irq_count(struct vfio_device *device, u32 index)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return vfio_pci_config_interrupt_pin(vpci) ? 1 : 0;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return vpci->msi.max_msi;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return vpci->msi.max_msix;
	default:
		return 1;
	}
}

/**
 * vfio_pci_irq_flags - what can be done with the interrupts of an index
 * @vpci: the device
 * @index: below VFIO_PCI_NUM_IRQS
 *
 * Return: VFIO_IRQ_INFO_* bits.
 */
u32 vfio_pci_irq_flags(struct vfio_pci_device *vpci, u32 index)
{
	const u32 fixed = VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE;

	switch (index) {
	case VFIO_PCI_INTX_IRQ_INDEX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED;
	case VFIO_PCI_MSI_IRQ_INDEX:
		return msi_can_mask(vpci, index) ? fixed | VFIO_IRQ_INFO_MASKABLE : fixed;
	case VFIO_PCI_MSIX_IRQ_INDEX:
		return VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE;
	default:
		return fixed;
	}
}

/*
 * Messages are written into the device's memory: it is awake, nobody puts it to sleep meanwhile,
 * and after an error nothing new is set up.
 */
static long set_messages(struct vfio_pci_device *vpci, irq_cell *cell,
			 const struct vfio_irq_request *request)
{
	long ret = 0;

	mutex_lock(&vpci->config_lock);
	if (READ_ONCE(vpci->frozen) && request->count)
		ret = -EIO;
	else if (vpci->pdev->current_state != PCI_D0)
		ret = vfio_pci_set_power_state(vpci, PCI_D0);
	if (!ret)
		ret = cell(vpci, request);
	mutex_unlock(&vpci->config_lock);
	return ret;
}

/**
 * vfio_pci_set_irqs - carry out a VFIO_DEVICE_SET_IRQS
 * @vpci: the device, open and awake
 * @request: of checked shape
 *
 * Context: process context; takes irq_lock.
 * Return: 0; the number of vectors to be had, where more were asked for; -ENOTTY for what the index
 * does not know; -EINVAL for what does not fit its state; -EBADF; -EIO after an error; what the
 * kernel says to a request for an interrupt.
 */
long vfio_pci_set_irqs(struct vfio_pci_device *vpci, const struct vfio_irq_request *request)
{
	enum irq_action action = irq_action(request->action);
	irq_cell *cell;
	long ret;

	cell = action < NR_IRQ_ACTIONS ? cells[request->index][action] : NULL;
	if (!cell)
		return -ENOTTY;

	mutex_lock(&vpci->irq_lock);
	if (request->index == VFIO_PCI_MSI_IRQ_INDEX ||
	    request->index == VFIO_PCI_MSIX_IRQ_INDEX)
		ret = set_messages(vpci, cell, request);
	else
		ret = cell(vpci, request);
	mutex_unlock(&vpci->irq_lock);
	trace_irq_set(vpci, request, ret);
	return ret;
}

/**
 * vfio_pci_irqs_close - give up all interrupts and triggers
 * @vpci: the device, being closed
 *
 * As if its user disabled what is set up, which is seen as an event of each index.
 *
 * Context: process context; takes irq_lock.
 */
void vfio_pci_irqs_close(struct vfio_pci_device *vpci)
{
	struct vfio_irq_request disable = {
		.action = VFIO_IRQ_SET_ACTION_TRIGGER,
		.data = VFIO_IRQ_SET_DATA_NONE,
	};

	mutex_lock(&vpci->irq_lock);
	for (; disable.index < VFIO_PCI_NUM_IRQS; disable.index++) {
		/* -EINVAL where nothing is. */
		if (!cells[disable.index][IRQ_TRIGGER](vpci, &disable))
			trace_irq_set(vpci, &disable, 0);
	}
	mutex_unlock(&vpci->irq_lock);
}

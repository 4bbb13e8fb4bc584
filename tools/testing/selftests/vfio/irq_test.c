// SPDX-License-Identifier: GPL-2.0-only
/*
 * Interrupts on eventfds: what GET_IRQ_INFO promises, what SET_IRQS takes and refuses, and whether
 * what a device raises arrives. Three devices interrupt at will: edu by INTx and MSI, e1000e by
 * MSI-X too, and an xHCI by several messages of MSI.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define REQ	VFIO_PCI_REQ_IRQ_INDEX

#define NONE	VFIO_IRQ_SET_DATA_NONE
#define BOOL	VFIO_IRQ_SET_DATA_BOOL
#define EVENTFD	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK
#define TRIGGER	VFIO_IRQ_SET_ACTION_TRIGGER

#define VECTORS	5		/* what the e1000e has */

FIXTURE(edu)
{
	struct client c;
	__s32 event;
};

FIXTURE_SETUP(edu)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	self->event = event_new();
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(edu)
{
	edu_lower(&self->c);
	client_close(&self->c);
}

FIXTURE(e1000e)
{
	struct client c;
	__s32 events[VECTORS];
};

FIXTURE_SETUP(e1000e)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(e1000e_start(&self->c));
	for (int i = 0; i < VECTORS; i++)
		self->events[i] = event_new();
}

FIXTURE_TEARDOWN(e1000e)
{
	e1000e_stop(&self->c);
	client_close(&self->c);
}

FIXTURE(xhci)
{
	struct client c;
	__s32 events[XHCI_MESSAGES];
};

FIXTURE_SETUP(xhci)
{
	if (!open_or_skip(_metadata, &self->c, XHCI, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(xhci_start(&self->c));
	for (int i = 0; i < XHCI_MESSAGES; i++)
		self->events[i] = event_new();
}

FIXTURE_TEARDOWN(xhci)
{
	client_close(&self->c);
}

/* Has the xHCI send one of @count messages; whether its eventfd, and no other, was signalled. */
static bool message_arrives(const struct client *c, const __s32 *events, int count, int message)
{
	bool right;

	if (xhci_raise(c, message))
		return false;
	right = event_wait(events[message], PATIENCE_MS) == 1;
	for (int i = 0; i < count; i++)
		right = right && !event_wait(events[i], 0);
	return right;
}

/* Raises one vector of the card and says whether its eventfd, and no other, was signalled. */
static bool vector_arrives(const struct client *c, const __s32 *events, int vector)
{
	bool right = true;

	if (e1000e_lower(c) || e1000e_route(c, vector) || e1000e_raise(c) ||
	    !event_wait(events[vector], PATIENCE_MS))
		return false;
	for (int i = 0; i < VECTORS; i++)
		right = right && !event_wait(events[i], 0);
	return right;
}

/* INTx: one if the device has a pin, masked by the kernel when it fires. MSI: none or more. */
TEST_F(edu, info)
{
	struct vfio_irq_info info;

	ASSERT_OK(irq_info(self->c.device, INTX, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE | VFIO_IRQ_INFO_AUTOMASKED,
		  info.flags);
	EXPECT_EQ(1, info.count);
	ASSERT_OK(irq_info(self->c.device, MSI, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, info.flags);
	EXPECT_EQ(1, info.count);
	ASSERT_OK(irq_info(self->c.device, MSIX, &info));
	EXPECT_EQ(0, info.count);
	ASSERT_OK(irq_info(self->c.device, REQ, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, info.flags);
	EXPECT_EQ(1, info.count);
}

/* The error index is there for every device since 7.3; up to 6.12 for PCI Express alone. */
TEST_F(edu, info_err)
{
	struct vfio_irq_info info;

	ASSERT_OK(irq_info(self->c.device, ERR, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, info.flags);
	EXPECT_EQ(1, info.count);
}

/* MSI-X: as many as the table has, to be had one by one (no NORESIZE) and maskable. */
TEST_F(e1000e, info)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSIX);
	struct vfio_irq_info info;

	ASSERT_NE(0, cap);
	ASSERT_OK(irq_info(self->c.device, MSIX, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_MASKABLE, info.flags);
	EXPECT_EQ((config_read(&self->c, cap + PCI_MSIX_FLAGS, 2) & PCI_MSIX_FLAGS_QSIZE) + 1,
		  info.count);
	EXPECT_EQ(VECTORS, info.count);
	ASSERT_OK(irq_info(self->c.device, ERR, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, info.flags);
	EXPECT_EQ(1, info.count);
}

/* MSI arrives, once for each time it was sent. */
TEST_F(edu, msi)
{
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, &self->event));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(edu_raise(&self->c));
		EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
		ASSERT_OK(edu_lower(&self->c));
	}
	EXPECT_EQ(0, event_wait(self->event, 0));
	EXPECT_OK(irq_disable(self->c.device, MSI));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
}

/* INTx arrives and is masked until it is unmasked; a line that is still up fires again. */
TEST_F(edu, intx_automask)
{
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	/* Still up: fires again. */
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	/* Down before it is unmasked: nothing to tell. */
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
}

/* True if the host finds INTx Disable set, now or soon. */
static bool line_is_closed(const struct pci_func *func)
{
	__u32 command;

	for (int waited = 0; waited < PATIENCE_MS; waited++, usleep(1000))
		if (!pci_config_read(func, PCI_COMMAND, 2, &command) &&
		    command & PCI_COMMAND_INTX_DISABLE)
			return true;
	return false;
}

/*
 * A masked line that somebody else opens, as a device does that mirrors its config space in a BAR,
 * is closed again: it neither signals nor goes on firing, for which the kernel would give it up.
 */
TEST_F(edu, intx_opened_by_others)
{
	__u32 command;

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	for (int round = 0; round < 3; round++) {
		ASSERT_TRUE(line_is_closed(&self->c.func));
		ASSERT_OK(pci_config_read(&self->c.func, PCI_COMMAND, 2, &command));
		ASSERT_OK(pci_config_write(&self->c.func, PCI_COMMAND, 2,
					   command & ~PCI_COMMAND_INTX_DISABLE));
		EXPECT_TRUE(line_is_closed(&self->c.func));
		EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	}
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
}

/* A masked INTx waits for the unmask; both may be said twice. */
TEST_F(edu, intx_mask)
{
	const __u8 yes = 1, no = 0;

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(irq_none(self->c.device, MASK, INTX, 0, 1));
	ASSERT_OK(irq_none(self->c.device, MASK, INTX, 0, 1));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));

	/* By bytes: 0 says nothing, 1 does it. */
	ASSERT_OK(irq_set(self->c.device, BOOL | MASK, INTX, 0, 1, &yes, 1));
	ASSERT_OK(edu_raise(&self->c));
	ASSERT_OK(irq_set(self->c.device, BOOL | UNMASK, INTX, 0, 1, &no, 1));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(irq_set(self->c.device, BOOL | UNMASK, INTX, 0, 1, &yes, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
}

/* An eventfd unmasks INTx; while the line is up each signal has it fire again. -1 takes it away. */
TEST_F(edu, intx_unmask_event)
{
	__s32 unmask = event_new(), nothing = -1;
	const __u64 one = 1;

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(8, write(unmask, &one, 8));
		EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	}
	EXPECT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &nothing, 4));
	ASSERT_EQ(8, write(unmask, &one, 8));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
}

/* An unmask eventfd that is closed first, or the device first: neither may matter. */
TEST_F(edu, intx_unmask_event_closed)
{
	__s32 unmask = event_new();

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	close(unmask);
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	unmask = event_new();
	EXPECT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	EXPECT_EQ(0, event_wait(self->event, 0));
	ASSERT_OK(edu_lower(&self->c));
	client_close(&self->c);
	close(unmask);
}

/* The eventfd of an active INTx can be replaced: the new one is signalled, the old one is not. */
TEST_F(edu, intx_replace_event)
{
	__s32 other = event_new();

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &other));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(other, PATIENCE_MS));
	EXPECT_EQ(0, event_wait(self->event, 0));
}

/* Disabled, INTx is silent; a second time there is nothing to disable: EINVAL. */
TEST_F(edu, intx_disable)
{
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	EXPECT_OK(irq_disable(self->c.device, INTX));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	EXPECT_ERRNO(EINVAL, irq_disable(self->c.device, INTX));
	EXPECT_ERRNO(EINVAL, irq_none(self->c.device, MASK, INTX, 0, 1));
	EXPECT_ERRNO(EINVAL, irq_none(self->c.device, UNMASK, INTX, 0, 1));
	/* And back again. */
	ASSERT_OK(edu_lower(&self->c));
	EXPECT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
}

/* Any negative number is no eventfd; to errors and requests only -1 says so, others say nothing. */
TEST_F(edu, negative_fds)
{
	static const __u32 kinds[] = { INTX, MSI };
	__s32 negative = -2;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_OK(irq_events(self->c.device, kinds[i], 0, 1, &self->event));
		ASSERT_OK(irq_none(self->c.device, TRIGGER, kinds[i], 0, 1));
		EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
		EXPECT_OK(irq_events(self->c.device, kinds[i], 0, 1, &negative));
		EXPECT_OK(irq_none(self->c.device, TRIGGER, kinds[i], 0, 1));
		EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
		EXPECT_OK(irq_disable(self->c.device, kinds[i]));
	}
	ASSERT_OK(irq_events(self->c.device, REQ, 0, 1, &self->event));
	EXPECT_OK(irq_events(self->c.device, REQ, 0, 1, &negative));
	ASSERT_OK(irq_none(self->c.device, TRIGGER, REQ, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
}

/* One kind of interrupt at a time: EINVAL for the others, which change nothing. */
TEST_F(edu, one_kind)
{
	__s32 other = event_new();

	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	EXPECT_ERRNO(EINVAL, irq_events(self->c.device, MSI, 0, 1, &other));
	EXPECT_ERRNO(EINVAL, irq_disable(self->c.device, MSI));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_disable(self->c.device, INTX));
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, &other));
	EXPECT_ERRNO(EINVAL, irq_events(self->c.device, INTX, 0, 1, &self->event));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(other, PATIENCE_MS));
}

/* Each MSI-X vector arrives on the eventfd of its own. */
TEST_F(e1000e, msix)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	for (int vector = 0; vector < VECTORS; vector++) {
		EXPECT_TRUE(vector_arrives(&self->c, self->events, vector))
			TH_LOG("vector %d", vector);
	}
	ASSERT_OK(e1000e_stop(&self->c));
	EXPECT_OK(irq_disable(self->c.device, MSIX));
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(e1000e_raise(&self->c));
	for (int vector = 0; vector < VECTORS; vector++)
		EXPECT_EQ(0, event_wait(self->events[vector], vector ? 0 : QUIET_MS));
}

/* The card's MSI arrives too, after MSI-X was used and disabled. */
TEST_F(e1000e, msi_after_msix)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(irq_disable(self->c.device, MSIX));
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, self->events));
	ASSERT_OK(e1000e_lower(&self->c));
	ASSERT_OK(e1000e_raise(&self->c));
	EXPECT_LT(0, event_wait(self->events[0], PATIENCE_MS));
}

/* -1 takes one vector's eventfd away; the others go on, and it can come back. */
TEST_F(e1000e, msix_remove_one)
{
	__s32 nothing = -1;

	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(irq_events(self->c.device, MSIX, 1, 1, &nothing));
	ASSERT_OK(e1000e_route(&self->c, 1));
	ASSERT_OK(e1000e_raise(&self->c));
	EXPECT_EQ(0, event_wait(self->events[1], QUIET_MS));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 2));
	ASSERT_OK(irq_events(self->c.device, MSIX, 1, 1, &self->events[1]));
	event_wait(self->events[1], QUIET_MS);
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 1));
}

/* Vectors of MSI-X are added one by one and none that works is lost. */
TEST_F(e1000e, msix_add)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, 1, self->events));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
	ASSERT_OK(irq_events(self->c.device, MSIX, 3, 1, &self->events[3]));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 3));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
}

/* Signals that software asks for: by NONE for a range, by BOOL for those with a 1. */
TEST_F(e1000e, loop_back)
{
	const __u8 chosen[] = { 0, 1, 0 };

	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(irq_none(self->c.device, TRIGGER, MSIX, 1, 2));
	EXPECT_EQ(0, event_wait(self->events[0], 0));
	EXPECT_EQ(1, event_wait(self->events[1], PATIENCE_MS));
	EXPECT_EQ(1, event_wait(self->events[2], PATIENCE_MS));
	EXPECT_EQ(0, event_wait(self->events[3], 0));
	ASSERT_OK(irq_set(self->c.device, BOOL | TRIGGER, MSIX, 2, 3, chosen, sizeof(chosen)));
	EXPECT_EQ(0, event_wait(self->events[2], 0));
	EXPECT_EQ(1, event_wait(self->events[3], PATIENCE_MS));
	EXPECT_EQ(0, event_wait(self->events[4], 0));
}

/* The error and request eventfds: set, fired by software, taken away by -1 and by count 0. */
TEST_F(e1000e, error_and_request)
{
	static const __u32 indices[] = { ERR, REQ };
	__s32 nothing = -1;

	for (size_t i = 0; i < ARRAY_SIZE(indices); i++) {
		__u32 index = indices[i];

		EXPECT_ERRNO(EINVAL, irq_none(self->c.device, TRIGGER, index, 0, 1));
		ASSERT_OK(irq_events(self->c.device, index, 0, 1, self->events));
		ASSERT_OK(irq_none(self->c.device, TRIGGER, index, 0, 1));
		EXPECT_EQ(1, event_wait(self->events[0], PATIENCE_MS));
		ASSERT_OK(irq_events(self->c.device, index, 0, 1, &nothing));
		EXPECT_ERRNO(EINVAL, irq_none(self->c.device, TRIGGER, index, 0, 1));
		ASSERT_OK(irq_events(self->c.device, index, 0, 1, self->events));
		EXPECT_OK(irq_disable(self->c.device, index));
		EXPECT_EQ(0, event_wait(self->events[0], 0));
	}
}

/* Actions that an index does not know, none, or two of them: ENOTTY. */
TEST_F(e1000e, unknown_actions)
{
	int device = self->c.device;

	ASSERT_OK(irq_events(device, MSIX, 0, VECTORS, self->events));
	EXPECT_ERRNO(ENOTTY, irq_none(device, MASK, REQ, 0, 1));
	EXPECT_ERRNO(ENOTTY, irq_none(device, UNMASK, ERR, 0, 1));
	EXPECT_ERRNO(ENOTTY, irq_none(device, 0, MSIX, 0, 1));
	EXPECT_ERRNO(ENOTTY, irq_none(device, TRIGGER | MASK, MSIX, 0, 1));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
}

/*
 * A masked vector of MSI-X is silent, the others are not; what the device sends meanwhile comes,
 * once, when it is unmasked. By NONE for a range, by BOOL for those with a 1; each may be said
 * twice.
 */
TEST_F(e1000e, msix_mask)
{
	const __u8 second[] = { 0, 1 };
	int device = self->c.device;

	ASSERT_OK(irq_events(device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(irq_none(device, MASK, MSIX, 1, 2));
	ASSERT_OK(irq_none(device, MASK, MSIX, 1, 2));
	/* With pauses: the card holds back what comes too fast, and sends it when it likes. */
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(e1000e_lower(&self->c));
		ASSERT_OK(e1000e_route(&self->c, 1));
		ASSERT_OK(e1000e_raise(&self->c));
		EXPECT_EQ(0, event_wait(self->events[1], QUIET_MS));
	}
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
	ASSERT_OK(irq_set(device, BOOL | UNMASK, MSIX, 0, 2, second, sizeof(second)));
	EXPECT_EQ(1, event_wait(self->events[1], PATIENCE_MS));
	ASSERT_OK(irq_none(device, UNMASK, MSIX, 0, VECTORS));
	EXPECT_EQ(0, event_wait(self->events[2], QUIET_MS));
	for (int vector = 0; vector < VECTORS; vector++)
		EXPECT_TRUE(vector_arrives(&self->c, self->events, vector));
}

/* A mask outlives the eventfd: taken away and given anew, the vector is still masked. */
TEST_F(e1000e, msix_mask_without_event)
{
	int device = self->c.device;
	__s32 nothing = -1;

	ASSERT_OK(irq_events(device, MSIX, 0, 2, self->events));
	ASSERT_OK(irq_none(device, MASK, MSIX, 1, 1));
	ASSERT_OK(irq_none(device, MASK, MSIX, 3, 1));
	ASSERT_OK(irq_events(device, MSIX, 1, 1, &nothing));
	ASSERT_OK(irq_events(device, MSIX, 1, 3, self->events + 1));
	for (int vector = 1; vector < 4; vector += 2) {
		ASSERT_OK(e1000e_lower(&self->c));
		ASSERT_OK(e1000e_route(&self->c, vector));
		ASSERT_OK(e1000e_raise(&self->c));
		EXPECT_EQ(0, event_wait(self->events[vector], QUIET_MS));
		ASSERT_OK(irq_none(device, UNMASK, MSIX, vector, 1));
		EXPECT_EQ(1, event_wait(self->events[vector], PATIENCE_MS));
	}
	/* A mask does not outlive the kind. */
	ASSERT_OK(irq_none(device, MASK, MSIX, 0, 1));
	ASSERT_OK(e1000e_stop(&self->c));
	ASSERT_OK(irq_disable(device, MSIX));
	ASSERT_OK(irq_events(device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(e1000e_start(&self->c));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 0));
}

/* What cannot be masked: a kind that is not on (EINVAL), by eventfd (ENOTTY), no such range. */
TEST_F(e1000e, msix_mask_errors)
{
	int device = self->c.device;

	EXPECT_ERRNO(EINVAL, irq_none(device, MASK, MSIX, 0, 1));
	EXPECT_ERRNO(EINVAL, irq_none(device, UNMASK, MSIX, 0, 1));
	ASSERT_OK(irq_events(device, MSIX, 0, VECTORS, self->events));
	EXPECT_ERRNO(ENOTTY, irq_set(device, EVENTFD | MASK, MSIX, 0, 1, self->events, 4));
	EXPECT_ERRNO(ENOTTY, irq_set(device, EVENTFD | UNMASK, MSIX, 0, 1, self->events, 4));
	EXPECT_ERRNO(ENOTTY, irq_set(device, EVENTFD | MASK, MSIX, 0, 0, NULL, 0));
	EXPECT_ERRNO(EINVAL, irq_none(device, MASK, MSIX, VECTORS - 1, 2));
	for (int vector = 0; vector < VECTORS; vector++)
		EXPECT_TRUE(vector_arrives(&self->c, self->events, vector));
}

/* The MSI of edu has no mask bits: it is not called maskable, and ENOTTY. */
TEST_F(edu, msi_mask)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSI);
	struct vfio_irq_info info;

	ASSERT_OK(irq_info(self->c.device, MSI, &info));
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, &self->event));
	if (config_read(&self->c, cap + PCI_MSI_FLAGS, 2) & PCI_MSI_FLAGS_MASKBIT)
		SKIP(return, "the MSI of edu can be masked");
	EXPECT_EQ(0, info.flags & VFIO_IRQ_INFO_MASKABLE);
	EXPECT_ERRNO(ENOTTY, irq_none(self->c.device, MASK, MSI, 0, 1));
	EXPECT_ERRNO(ENOTTY, irq_none(self->c.device, UNMASK, MSI, 0, 1));
}

/* ---- several messages of MSI ---- */

/* As many as the capability offers; all at once (NORESIZE), and these cannot be masked. */
TEST_F(xhci, info)
{
	__u32 cap = config_find_cap(&self->c, PCI_CAP_ID_MSI), flags;
	struct vfio_irq_info info;

	ASSERT_NE(0, cap);
	ASSERT_OK(irq_info(self->c.device, MSI, &info));
	EXPECT_EQ(VFIO_IRQ_INFO_EVENTFD | VFIO_IRQ_INFO_NORESIZE, info.flags);
	flags = config_read(&self->c, cap + PCI_MSI_FLAGS, 2);
	EXPECT_EQ(1U << ((flags & PCI_MSI_FLAGS_QMASK) >> 1), info.count);
	EXPECT_EQ(XHCI_MESSAGES, info.count);
}

/* With one, two, four and all of them: each message arrives on the eventfd of its own. */
TEST_F(xhci, messages)
{
	static const int counts[] = { 1, 2, 4, XHCI_MESSAGES };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		ASSERT_OK(irq_events(self->c.device, MSI, 0, counts[i], self->events));
		for (int message = 0; message < counts[i]; message++) {
			EXPECT_TRUE(message_arrives(&self->c, self->events, counts[i], message))
				TH_LOG("message %d of %d", message, counts[i]);
		}
		ASSERT_OK(irq_disable(self->c.device, MSI));
	}
}

/* Software fires them too: by NONE a range, by BOOL those with a 1. */
TEST_F(xhci, loop_back)
{
	const __u8 chosen[] = { 1, 0, 1 };

	ASSERT_OK(irq_events(self->c.device, MSI, 0, 4, self->events));
	ASSERT_OK(irq_none(self->c.device, TRIGGER, MSI, 1, 2));
	ASSERT_OK(irq_set(self->c.device, BOOL | TRIGGER, MSI, 1, 3, chosen, sizeof(chosen)));
	EXPECT_EQ(0, event_wait(self->events[0], 0));
	EXPECT_EQ(2, event_wait(self->events[1], 0));
	EXPECT_EQ(1, event_wait(self->events[2], 0));
	EXPECT_EQ(1, event_wait(self->events[3], 0));
}

/* Messages cannot be added later: EINVAL, and those that there are go on with their eventfds. */
TEST_F(xhci, refused_range)
{
	int device = self->c.device;
	__s32 *others = self->events + 8;
	__s32 nothing = -1;

	ASSERT_OK(irq_events(device, MSI, 0, 2, self->events));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSI, 0, 4, others));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSI, 1, 2, others));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSI, 2, 1, others));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSI, XHCI_MESSAGES, 1, others));
	for (int message = 0; message < 2; message++)
		EXPECT_TRUE(message_arrives(&self->c, self->events, 2, message));
	/* What has none can lose it. */
	EXPECT_OK(irq_events(device, MSI, 2, 1, &nothing));
	/* Within what there are, eventfds come and go. */
	ASSERT_OK(irq_events(device, MSI, 0, 1, &nothing));
	ASSERT_OK(xhci_raise(&self->c, 0));
	EXPECT_EQ(0, event_wait(self->events[0], QUIET_MS));
	EXPECT_TRUE(message_arrives(&self->c, self->events, 2, 1));
	ASSERT_OK(irq_events(device, MSI, 0, 1, others));
	ASSERT_OK(xhci_raise(&self->c, 0));
	EXPECT_EQ(1, event_wait(others[0], PATIENCE_MS));
}

/* Config space enables as many as there are, a power of two, and no more; hardware has its own. */
TEST_F(xhci, config_space)
{
	__u32 flags = config_find_cap(&self->c, PCI_CAP_ID_MSI) + PCI_MSI_FLAGS;
	static const struct {
		int set_up;
		__u32 written, read;	/* logarithms */
	} rows[] = {
		{ 1, 0, 0 }, { 1, 1, 0 }, { 1, 7, 0 },
		{ 2, 0, 0 }, { 2, 1, 1 }, { 2, 2, 1 },
		{ 4, 1, 1 }, { 4, 2, 2 }, { 4, 5, 2 },
		{ XHCI_MESSAGES, 4, 4 }, { XHCI_MESSAGES, 5, 4 }, { XHCI_MESSAGES, 7, 4 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		__u32 value, hardware;

		ASSERT_OK(irq_events(self->c.device, MSI, 0, rows[i].set_up, self->events));
		EXPECT_OK(config_write(&self->c, flags, 2,
				       PCI_MSI_FLAGS_ENABLE | rows[i].written << 4));
		value = config_read(&self->c, flags, 2);
		EXPECT_TRUE(value & PCI_MSI_FLAGS_ENABLE);
		EXPECT_EQ(rows[i].read, (value & PCI_MSI_FLAGS_QSIZE) >> 4)
			TH_LOG("row %zu", i);
		ASSERT_OK(pci_config_read(&self->c.func, flags, 2, &hardware));
		EXPECT_EQ(rows[i].set_up, 1 << ((hardware & PCI_MSI_FLAGS_QSIZE) >> 4));
		ASSERT_OK(irq_disable(self->c.device, MSI));
	}
}

/* What each index answers to what it cannot do while nothing is set up, and while it is. */
TEST_F(e1000e, table_of_errors)
{
	static const struct {
		__u32 flags, index;
		int off, on;
	} rows[] = {
		{ NONE | MASK, INTX, EINVAL, 0 },
		{ NONE | UNMASK, INTX, EINVAL, 0 },
		{ NONE | TRIGGER, INTX, EINVAL, 0 },
		{ BOOL | MASK, INTX, EINVAL, 0 },
		{ BOOL | UNMASK, INTX, EINVAL, 0 },
		{ BOOL | TRIGGER, INTX, EINVAL, 0 },
		{ EVENTFD | MASK, INTX, EINVAL, ENOTTY },
		{ NONE | TRIGGER, MSI, EINVAL, 0 },
		{ BOOL | TRIGGER, MSI, EINVAL, 0 },
		{ NONE | TRIGGER, MSIX, EINVAL, 0 },
		{ BOOL | TRIGGER, MSIX, EINVAL, 0 },
		{ NONE | MASK, MSIX, EINVAL, 0 },
		{ BOOL | UNMASK, MSIX, EINVAL, 0 },
		{ EVENTFD | MASK, MSIX, ENOTTY, ENOTTY },
		{ NONE | MASK, ERR, ENOTTY, ENOTTY },
		{ BOOL | UNMASK, ERR, ENOTTY, ENOTTY },
		{ EVENTFD | MASK, ERR, ENOTTY, ENOTTY },
		{ NONE | MASK, REQ, ENOTTY, ENOTTY },
		{ BOOL | UNMASK, REQ, ENOTTY, ENOTTY },
		{ NONE | TRIGGER, ERR, EINVAL, 0 },
		{ NONE | TRIGGER, REQ, EINVAL, 0 },
		{ NONE, MSIX, ENOTTY, ENOTTY },
		{ NONE | MASK | UNMASK, MSIX, ENOTTY, ENOTTY },
		{ NONE | BOOL | TRIGGER, MSIX, EINVAL, EINVAL },
		{ TRIGGER, MSIX, EINVAL, EINVAL },
		{ NONE | TRIGGER | 1U << 6, MSIX, EINVAL, EINVAL },
	};
	int device = self->c.device;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		/* One byte of bools, or one eventfd; a request without data has none. */
		size_t size = rows[i].flags & NONE ? 0 : 4;
		__s32 data = self->events[1];

		EXPECT_EQ(rows[i].off, ERRNO_OF(irq_set(device, rows[i].flags, rows[i].index, 0, 1,
							&data, size)))
			TH_LOG("row %zu, off", i);
		ASSERT_OK(irq_events(device, rows[i].index, 0, 1, self->events));
		EXPECT_EQ(rows[i].on, ERRNO_OF(irq_set(device, rows[i].flags, rows[i].index, 0, 1,
						       &data, size)))
			TH_LOG("row %zu, on", i);
		ASSERT_OK(irq_disable(device, rows[i].index));
	}
}

/* INTx cannot be masked by an eventfd: ENOTTY. */
TEST_F(edu, intx_mask_event)
{
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &self->event));
	EXPECT_ERRNO(ENOTTY, irq_set(self->c.device, EVENTFD | MASK, INTX, 0, 1, &self->event, 4));
}

/* Ranges that are not there, data of no or of two kinds, and data that is too short: EINVAL. */
TEST_F(e1000e, bad_shape)
{
	int device = self->c.device;
	__s32 *events = self->events;

	EXPECT_ERRNO(EINVAL, irq_events(device, VFIO_PCI_NUM_IRQS, 0, 1, events));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSIX, VECTORS, 1, events));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSIX, VECTORS - 1, 2, events));
	EXPECT_ERRNO(EINVAL, irq_events(device, MSIX, ~0U, 1, events));
	EXPECT_ERRNO(EINVAL, irq_none(device, TRIGGER, MSIX, 1, ~0U));
	EXPECT_ERRNO(EINVAL, irq_none(device, TRIGGER, MSIX, 0, ~0U));
	EXPECT_ERRNO(EINVAL, irq_events(device, INTX, 1, 1, events));
	EXPECT_ERRNO(EINVAL, irq_events(device, REQ, 0, 2, events));
	EXPECT_ERRNO(EINVAL, irq_set(device, TRIGGER, MSIX, 0, 1, events, 4));
	EXPECT_ERRNO(EINVAL, irq_set(device, EVENTFD | BOOL | TRIGGER, MSIX, 0, 1, events, 4));
	EXPECT_ERRNO(EINVAL, irq_set(device, EVENTFD | NONE | TRIGGER, MSIX, 0, 1, events, 4));
	EXPECT_ERRNO(EINVAL, irq_set(device, EVENTFD | TRIGGER, MSIX, 0, 2, events, 7));
	EXPECT_ERRNO(EINVAL, irq_set(device, BOOL | TRIGGER, MSIX, 0, 2, events, 1));
	/* None of these has turned MSI-X on. */
	EXPECT_ERRNO(EINVAL, irq_disable(device, MSIX));
	EXPECT_OK(irq_events(device, MSIX, 0, VECTORS, events));
}

/* No eventfd: EBADF if it is not open, EINVAL if it is something else; nothing is on then. */
TEST_F(e1000e, no_eventfd)
{
	__s32 events[2] = { self->events[0], 1000 };
	__s32 null = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT_ERRNO(EBADF, irq_events(self->c.device, MSIX, 0, 2, events));
	EXPECT_ERRNO(EINVAL, irq_events(self->c.device, MSIX, 0, 1, &null));
	EXPECT_ERRNO(EBADF, irq_events(self->c.device, INTX, 0, 1, &events[1]));
	EXPECT_ERRNO(EINVAL, irq_events(self->c.device, INTX, 0, 1, &null));
	EXPECT_ERRNO(EBADF, irq_events(self->c.device, REQ, 0, 1, &events[1]));
	EXPECT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 1));
}

/* Administrators know interrupts by name; closing the device ends them. */
TEST_F(e1000e, names)
{
	const char *bdf = self->c.func.bdf;

	EXPECT_EQ(0, interrupts_named("vfio", bdf));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, self->events));
	EXPECT_EQ(1, interrupts_named("vfio-intx(", bdf));
	ASSERT_OK(irq_disable(self->c.device, INTX));
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, self->events));
	EXPECT_EQ(1, interrupts_named("vfio-msi[0](", bdf));
	ASSERT_OK(irq_disable(self->c.device, MSI));
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	EXPECT_EQ(1, interrupts_named("vfio-msix[4](", bdf));
	EXPECT_EQ(VECTORS, interrupts_named("vfio-msix[", bdf));
	client_close(&self->c);
	EXPECT_EQ(0, interrupts_named("vfio", bdf));
}

/* Disabled is the whole kind, whatever vector is named. */
TEST_F(e1000e, msix_disable_from_any)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	EXPECT_EQ(VECTORS, interrupts_named("vfio-msix", self->c.func.bdf));
	EXPECT_OK(irq_none(self->c.device, TRIGGER, MSIX, 1, 0));
	EXPECT_EQ(0, interrupts_named("vfio-msix", self->c.func.bdf));
	EXPECT_OK(irq_events(self->c.device, MSI, 0, 1, self->events));
}

/* The host has an interrupt for each vector with an eventfd, and for no other. */
TEST_F(e1000e, host_interrupts)
{
	const char *bdf = self->c.func.bdf;
	__s32 some[VECTORS] = { -1, self->events[1], -1, -1, self->events[4] };
	__s32 nothing = -1;

	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, some));
	EXPECT_EQ(2, interrupts_named("vfio-msix[", bdf));
	ASSERT_OK(irq_events(self->c.device, MSIX, 2, 1, &self->events[2]));
	EXPECT_EQ(3, interrupts_named("vfio-msix[", bdf));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 2));
	ASSERT_OK(irq_events(self->c.device, MSIX, 1, 1, &nothing));
	EXPECT_EQ(2, interrupts_named("vfio-msix[", bdf));
	ASSERT_OK(irq_events(self->c.device, MSIX, 2, 1, &nothing));
	ASSERT_OK(irq_events(self->c.device, MSIX, 4, 1, &nothing));
	EXPECT_EQ(0, interrupts_named("vfio-msix[", bdf));
	/* MSI-X is still on, with nothing. */
	ASSERT_OK(irq_events(self->c.device, MSIX, 3, 1, &self->events[3]));
	EXPECT_TRUE(vector_arrives(&self->c, self->events, 3));
}

/* The table is memory of the device: it can be set up while the user has that off. */
TEST_F(e1000e, table_while_memory_is_off)
{
	ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	EXPECT_EQ(0, config_read(&self->c, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_ERRNO(EIO, bar_write32(&self->c, 0, 0, 0));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	for (int vector = 0; vector < VECTORS; vector++)
		EXPECT_TRUE(vector_arrives(&self->c, self->events, vector));
}

/*
 * Whoever resets a function turns its decoding off before, as Linux does: vectors outlive that,
 * both ways there are.
 */
TEST_F(e1000e, table_over_reset)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	for (int way = 0; way < 2; way++) {
		ASSERT_OK(config_command(&self->c, 0, PCI_COMMAND_MEMORY));
		if (way)
			ASSERT_OK(pci_reset(&self->c.func));
		else
			ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
		ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
		ASSERT_OK(e1000e_start(&self->c));
		for (int vector = 0; vector < VECTORS; vector++) {
			EXPECT_TRUE(vector_arrives(&self->c, self->events, vector))
				TH_LOG("way %d, vector %d", way, vector);
		}
		ASSERT_OK(e1000e_stop(&self->c));
	}
}

/* A reset that the kernel does not see takes the messages; setting the eventfd anew restores it. */
TEST_F(e1000e, table_restored)
{
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(e1000e_stop(&self->c));
	ASSERT_OK(e1000e_start(&self->c));
	for (int vector = 0; vector < VECTORS; vector++)
		EXPECT_TRUE(vector_arrives(&self->c, self->events, vector));
}

/* ---- while interrupts arrive ---- */

/* IRQ_SOAK in the environment: how many of each kind; else as many as the soak's time has. */
static bool soak_goes_on(long raised, double until)
{
	const char *count = getenv("IRQ_SOAK");

	return count ? raised < atol(count) : seconds_now() < until;
}

/* Changes one thing after the other until told to stop. */
struct changer {
	pthread_t thread;
	const struct client *c;
	const __s32 *events;
	__u32 index;
	bool stop;
	int error;
	long changes;
	long openings;
};

/* The vector that is raised is masked, unmasked and exchanged; others come and go. */
static void *change_until_stopped(void *data)
{
	struct changer *ch = data;
	int device = ch->c->device;
	const __s32 nothing[VECTORS] = { -1, -1, -1, -1, -1 };
	bool msix = ch->index == MSIX;

	for (unsigned int i = 0; !__atomic_load_n(&ch->stop, __ATOMIC_RELAXED); i++) {
		int ret = irq_events(device, ch->index, 0, 1, &ch->events[i % VECTORS]);

		if (msix && i % 3 == 0)
			ret |= irq_none(device, MASK, MSIX, 0, 1) |
			       irq_none(device, UNMASK, MSIX, 0, 1);
		if (msix && i % 7 == 0)
			ret |= irq_events(device, MSIX, 1, VECTORS - 1,
					  i % 2 ? nothing : ch->events + 1);
		if (ret)
			ch->error = errno;
		ch->changes++;
	}
	return NULL;
}

/* Waits until any of the eventfds was signalled; returns how often they were. */
static long any_event(const __s32 *events)
{
	struct pollfd fds[VECTORS];
	long count = 0;

	for (int i = 0; i < VECTORS; i++)
		fds[i] = (struct pollfd){ .fd = events[i], .events = POLLIN };
	if (poll(fds, VECTORS, PATIENCE_MS) <= 0)
		return 0;
	for (int i = 0; i < VECTORS; i++)
		count += event_wait(events[i], 0);
	return count;
}

static int changer_start(struct changer *ch)
{
	return pthread_create(&ch->thread, NULL, change_until_stopped, ch);
}

static int changer_stop(struct changer *ch)
{
	__atomic_store_n(&ch->stop, true, __ATOMIC_RELAXED);
	return pthread_join(ch->thread, NULL);
}

/* Each time the card sends vector 0 it arrives, on one eventfd or another: none is lost. */
TEST_F_TIMEOUT(e1000e, msix_soak, 7200)
{
	struct changer ch = { .c = &self->c, .events = self->events, .index = MSIX };
	double until = seconds_now() + soak_seconds() / 2;
	long raised = 0, lost = 0;

	ASSERT_OK(irq_events(self->c.device, MSIX, 0, VECTORS, self->events));
	ASSERT_OK(e1000e_route(&self->c, 0));
	ASSERT_EQ(0, changer_start(&ch));
	while (soak_goes_on(raised, until) && lost < 3) {
		ASSERT_OK(e1000e_lower(&self->c));
		ASSERT_OK(e1000e_raise(&self->c));
		raised++;
		lost += !any_event(self->events);
	}
	ASSERT_EQ(0, changer_stop(&ch));
	EXPECT_EQ(0, ch.error);
	EXPECT_EQ(0, lost);
	TH_LOG("%ld raised, %ld lost, %ld changes", raised, lost, ch.changes);
}

/* The same with MSI, whose eventfd is exchanged: exactly one event for each message. */
TEST_F_TIMEOUT(edu, msi_soak, 7200)
{
	__s32 events[VECTORS];
	struct changer ch = { .c = &self->c, .events = events, .index = MSI };
	double until = seconds_now() + soak_seconds() / 2;
	long raised = 0, arrived = 0, got = 1;

	for (int i = 0; i < VECTORS; i++)
		events[i] = event_new();
	ASSERT_OK(irq_events(self->c.device, MSI, 0, 1, events));
	ASSERT_EQ(0, changer_start(&ch));
	while (soak_goes_on(raised, until) && got) {
		ASSERT_OK(edu_raise(&self->c));
		raised++;
		got = any_event(events);
		arrived += got;
		ASSERT_OK(edu_lower(&self->c));
	}
	ASSERT_EQ(0, changer_stop(&ch));
	EXPECT_EQ(0, ch.error);
	EXPECT_EQ(raised, arrived);
	TH_LOG("%ld raised, %ld arrived, %ld changes", raised, arrived, ch.changes);
}

/* ---- vectors that nobody touches ---- */

#define MOST_VECTORS	XHCI_MESSAGES
#define TURN		20	/* interrupts of the vector that is spared, before it is another */
#define SETTLE_MS	50	/* for a processor that was busy */

/**
 * struct source - a device that interrupts by several vectors
 * @index: of the kind
 * @vectors: how many
 * @maskable: by SET_IRQS
 * @raise: one vector
 * @rest: makes the device rest, which it must before its kind of interrupt changes; or NULL
 * @wake: the other way, or NULL
 */
struct source {
	__u32 index;
	int vectors;
	bool maskable;
	int (*raise)(const struct client *c, unsigned int vector);
	int (*rest)(const struct client *c);
	int (*wake)(const struct client *c);
};

/* Does to vectors what a user may do, but not to the one that is spared. */
struct rotation {
	struct changer changer;
	const struct source *source;
	const struct client *c;
	const __s32 *events;
	int spared;
};

/* One vector is taken away, masked, unmasked and given back; its neighbours come and go with it. */
static int rotation_change(const struct rotation *r, int vector)
{
	static const __s32 nothing[MOST_VECTORS] = { [0 ... MOST_VECTORS - 1] = -1 };
	__u32 index = r->source->index;
	int device = r->c->device, behind = vector < r->spared ? r->spared : r->source->vectors;
	int ret;

	ret = irq_events(device, index, vector, 1, nothing);
	if (r->source->maskable)
		ret |= irq_none(device, MASK, index, vector, 1);
	ret |= irq_events(device, index, vector, 1, r->events + vector);
	ret |= irq_events(device, index, vector, 1, r->events + vector);
	if (r->source->maskable)
		ret |= irq_none(device, UNMASK, index, vector, 1);
	ret |= irq_events(device, index, vector, behind - vector, nothing);
	ret |= irq_events(device, index, vector, behind - vector, r->events + vector);
	return ret;
}

static void *rotate_until_stopped(void *data)
{
	struct rotation *r = data;

	for (int i = 0; !__atomic_load_n(&r->changer.stop, __ATOMIC_RELAXED); i++) {
		int vector = i % r->source->vectors;

		if (vector == r->spared)
			continue;
		if (rotation_change(r, vector))
			r->changer.error = errno;
		r->changer.changes++;
	}
	return NULL;
}

/* The whole kind goes and comes. */
static int whole_change(struct rotation *r)
{
	return irq_disable(r->c->device, r->source->index) ||
	       irq_events(r->c->device, r->source->index, 0, r->source->vectors, r->events);
}

static void *change_whole_until_stopped(void *data)
{
	struct rotation *r = data;

	while (!__atomic_load_n(&r->changer.stop, __ATOMIC_RELAXED)) {
		if (whole_change(r))
			r->changer.error = errno;
		r->changer.changes++;
	}
	return NULL;
}

static int rotation_start(struct rotation *r, void *(*change)(void *rotation))
{
	r->changer.stop = false;
	return pthread_create(&r->changer.thread, NULL, change, r);
}

/* Raises the vector that is spared, and all in turn; returns how often it was heard of the one. */
static long rotation_turn(const struct rotation *r, long *raised)
{
	long arrived = 0, got = 1;

	for (int i = 0; i < TURN && got; i++) {
		int other = i % r->source->vectors;

		if (other != r->spared && r->source->raise(r->c, other))
			break;
		if (r->source->raise(r->c, r->spared))
			break;
		(*raised)++;
		got = event_wait(r->events[r->spared], PATIENCE_MS);
		arrived += got;
	}
	return arrived;
}

/* The kind goes and comes while all vectors are raised, but for one; some of these are lost. */
static int rotation_whole(struct rotation *r)
{
	if (r->source->rest)
		return r->source->rest(r->c) || whole_change(r) || whole_change(r) ||
		       r->source->wake(r->c);
	if (rotation_start(r, change_whole_until_stopped))
		return -1;
	for (int i = 0; i < TURN; i++) {
		int vector = i % r->source->vectors;

		if (vector != r->spared && r->source->raise(r->c, vector))
			r->changer.error = errno;
	}
	return changer_stop(&r->changer);
}

/*
 * The vector that is spared has exactly one event for each interrupt, whatever becomes of the
 * others; each is spared in its turn, once at least, and between two turns the whole kind goes and
 * comes.
 */
static void rotation_soak(struct __test_metadata *_metadata, const struct source *source,
			  const struct client *c, const __s32 *events)
{
	struct rotation r = { .source = source, .c = c, .events = events };
	double until = seconds_now() + soak_seconds() / 2;
	long raised = 0, arrived = 0;

	ASSERT_OK(irq_events(c->device, source->index, 0, source->vectors, events));
	for (int turn = 0; raised == arrived &&
	     (turn < source->vectors || soak_goes_on(raised, until)); turn++) {
		r.spared = turn % source->vectors;
		ASSERT_EQ(0, rotation_whole(&r));
		/*
		 * What came of it in earlier turns, and of a message that was under way when the
		 * kind went: the processor's vector may have been given to another one by then.
		 */
		while (event_wait(events[r.spared], SETTLE_MS) > 0)
			;
		ASSERT_EQ(0, rotation_start(&r, rotate_until_stopped));
		arrived += rotation_turn(&r, &raised);
		ASSERT_EQ(0, changer_stop(&r.changer));
		/* One more would be one too many. */
		arrived += event_wait(events[r.spared], 0);
		EXPECT_EQ(raised, arrived)
			TH_LOG("turn %d, vector %d", turn, r.spared);
	}
	EXPECT_LT(0, raised);
	EXPECT_EQ(0, r.changer.error);
	TH_LOG("%ld raised, %ld arrived, %ld changes", raised, arrived, r.changer.changes);
}

TEST_F_TIMEOUT(xhci, message_soak, 7200)
{
	static const struct source xhci = {
		.index = MSI, .vectors = XHCI_MESSAGES, .raise = xhci_raise,
	};

	rotation_soak(_metadata, &xhci, &self->c, self->events);
}

static int vector_raise(const struct client *c, unsigned int vector)
{
	return e1000e_lower(c) || e1000e_route(c, vector) || e1000e_raise(c) ? -1 : 0;
}

/* The card must rest before its kind changes: see lib/e1000e.c. */
TEST_F_TIMEOUT(e1000e, vector_soak, 7200)
{
	static const struct source e1000e = {
		.index = MSIX, .vectors = VECTORS, .maskable = true,
		.raise = vector_raise, .rest = e1000e_stop, .wake = e1000e_start,
	};

	rotation_soak(_metadata, &e1000e, &self->c, self->events);
}

/* ---- a line ---- */

/*
 * A line that is up fires until it is down, whatever becomes of its eventfd and its mask:
 * exchanged, masked and unmasked, torn down and set up again. So each time one event comes at
 * least; and since each event masks the line, no more come than it was opened. The changes come in
 * bursts: without a rest between them the line is seldom set up for long enough to fire.
 */
static void *change_intx_until_stopped(void *data)
{
	struct changer *ch = data;
	int device = ch->c->device, ret;

	for (unsigned int i = 0; !__atomic_load_n(&ch->stop, __ATOMIC_RELAXED); i++) {
		ret = irq_events(device, INTX, 0, 1, &ch->events[i % VECTORS]) |
		      irq_none(device, MASK, INTX, 0, 1) | irq_none(device, UNMASK, INTX, 0, 1);
		ch->openings++;
		if (i % 5 == 0) {
			ret |= irq_disable(device, INTX) |
			       irq_events(device, INTX, 0, 1, &ch->events[i % VECTORS]);
			ch->openings++;
		}
		if (ret)
			ch->error = errno;
		ch->changes++;
		if (i & 16)
			usleep(1000);
	}
	return NULL;
}

TEST_F_TIMEOUT(edu, intx_soak, 7200)
{
	__s32 events[VECTORS];
	struct changer ch = { .c = &self->c, .events = events, .index = INTX, .openings = 1 };
	double until = seconds_now() + soak_seconds() / 2;
	long raised = 0, arrived = 0, late = 0, got = 1;

	for (int i = 0; i < VECTORS; i++)
		events[i] = event_new();
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, events));
	ASSERT_EQ(0, pthread_create(&ch.thread, NULL, change_intx_until_stopped, &ch));
	while (soak_goes_on(raised, until) && got) {
		ASSERT_OK(edu_raise(&self->c));
		raised++;
		got = any_event(events);
		arrived += got;
		ASSERT_OK(edu_lower(&self->c));
		/* What it fired before it was down is not the next one's. */
		for (int i = 0; i < VECTORS; i++)
			late += event_wait(events[i], 0);
	}
	ASSERT_EQ(0, changer_stop(&ch));
	EXPECT_EQ(0, ch.error);
	EXPECT_LT(0, got);
	EXPECT_GE(ch.openings, arrived + late);
	TH_LOG("%ld raised, %ld events, %ld changes", raised, arrived + late, ch.changes);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, XHCI };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

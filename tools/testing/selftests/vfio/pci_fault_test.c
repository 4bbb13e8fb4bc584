// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each call that can fail inside of an ioctl of a PCI device fails once, as in fault_test: what the
 * user set up before works on, what failed is not half there, and it can be asked for again.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define SWEEP_TRIES	2	/* an interrupt is entered in trees of the kernel, which grow */
#include "lib/sweep.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX

#define EVENTFD	VFIO_IRQ_SET_DATA_EVENTFD
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK

#define WAKEUP	(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | VFIO_DEVICE_FEATURE_SET)
#define EXIT	(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | VFIO_DEVICE_FEATURE_SET)

/* Two vectors show whether the first goes when the second fails; each costs many allocations. */
#define LIVE		1	/* vectors that others are added to */
#define VECTORS		3
#define MESSAGES	4
#define EVENTS		MESSAGES
#define MARK		0x12345670

/* False if the test or the setup of a fixture is skipped. */
static bool prepare(struct __test_metadata *_metadata, const char *nth)
{
	if (access(nth, W_OK))
		SKIP(return false, "no %s: not made for debugging", nth);
	if (strcmp(nth, TASK_FAIL_NTH))
		return true;
	if (fault_prepare() || fault_spare_pages())
		SKIP(return false, "the kernel's allocations cannot fail: %s", strerror(errno));
	/* The kernel warns when it takes away what it could not make of an interrupt in /proc. */
	ASSERT_OK(fault_spare("register_irq_proc"));
	return true;
}

FIXTURE(pci_fault)
{
	struct client c;
	__s32 events[EVENTS];
};

FIXTURE_VARIANT(pci_fault)
{
	const char *nth;
};

FIXTURE_VARIANT_ADD(pci_fault, allocations) { .nth = TASK_FAIL_NTH };

FIXTURE_SETUP(pci_fault)
{
	self->c = (struct client)CLIENT_NONE;
	if (!prepare(_metadata, variant->nth))
		return;
	for (int i = 0; i < EVENTS; i++)
		self->events[i] = event_new();
}

FIXTURE_TEARDOWN(pci_fault)
{
	client_close(&self->c);
}

/* irq_events(), which says how many there could be if these are too many: a failure as well. */
static int set_events(const struct client *c, __u32 index, __u32 start, __u32 count,
		      const __s32 *events)
{
	int ret = irq_events(c->device, index, start, count, events);

	if (ret > 0)
		errno = ENOSPC;
	return ret ? -1 : 0;
}

static int take_events(const struct client *c, __u32 index, __u32 start, __u32 count)
{
	static const __s32 nothing[EVENTS] = { [0 ... EVENTS - 1] = -1 };

	return irq_events(c->device, index, start, count, nothing);
}

/* The host has so many interrupts for the device. */
#define EXPECT_INTERRUPTS(count) ASSERT_EQ(count, interrupts_named("vfio-", self->c.func.bdf))

/* No kind of interrupt is set up. */
#define EXPECT_NO_KIND(index) do {					\
	EXPECT_INTERRUPTS(0);						\
	ASSERT_ERRNO(EINVAL, irq_disable(self->c.device, index));	\
} while (0)

static int vector_raise(const struct client *c, unsigned int vector)
{
	return e1000e_lower(c) || e1000e_route(c, vector) || e1000e_raise(c) ? -1 : 0;
}

/* Each of the first @count vectors arrives on the eventfd of its own, and on no other. */
static bool all_arrive(const struct client *c, const __s32 *events, int count,
		       int (*raise)(const struct client *c, unsigned int vector))
{
	bool right = true;

	for (int i = 0; i < count; i++) {
		right = right && !raise(c, i) && event_wait(events[i], PATIENCE_MS) > 0;
		for (int other = 0; other < EVENTS; other++)
			right = right && !event_wait(events[other], 0);
	}
	return right;
}

#define EXPECT_VECTORS(count) \
	ASSERT_TRUE(all_arrive(&self->c, self->events, count, vector_raise))
#define EXPECT_MESSAGES(count) \
	ASSERT_TRUE(all_arrive(&self->c, self->events, count, xhci_raise))

/* ---- MSI-X ---- */

/* The kind is on with all vectors, or off. */
TEST_F_TIMEOUT(pci_fault, msix_enable, 900)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(e1000e_start(&self->c));
	SWEEP(set_events(&self->c, MSIX, 0, 2, self->events),
	      EXPECT_NO_KIND(MSIX),
	      { EXPECT_VECTORS(2);
		/* The card rests before its kind changes: see lib/e1000e.c. */
		ASSERT_OK(e1000e_stop(&self->c));
		ASSERT_OK(irq_disable(self->c.device, MSIX));
		ASSERT_OK(e1000e_start(&self->c)); });
	EXPECT_NO_KIND(MSIX);
}

/* Vectors are added to live ones, which know nothing of it; or they are not. */
TEST_F_TIMEOUT(pci_fault, msix_add, 900)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(set_events(&self->c, MSIX, 0, LIVE, self->events));
	SWEEP(set_events(&self->c, MSIX, LIVE, VECTORS - LIVE, self->events + LIVE),
	      { EXPECT_INTERRUPTS(LIVE);
		EXPECT_VECTORS(LIVE); },
	      { EXPECT_VECTORS(VECTORS);
		ASSERT_OK(take_events(&self->c, MSIX, LIVE, VECTORS - LIVE)); });
	EXPECT_INTERRUPTS(LIVE);
	ASSERT_OK(e1000e_stop(&self->c));
}

/* Live vectors are given other eventfds, or keep theirs. */
TEST_F(pci_fault, msix_exchange)
{
	__s32 others[VECTORS];

	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	for (int i = 0; i < VECTORS; i++)
		others[i] = event_new();
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(set_events(&self->c, MSIX, 0, VECTORS, self->events));
	SWEEP(set_events(&self->c, MSIX, 0, VECTORS, others),
	      EXPECT_VECTORS(VECTORS),
	      { ASSERT_TRUE(all_arrive(&self->c, others, VECTORS, vector_raise));
		ASSERT_OK(set_events(&self->c, MSIX, 0, VECTORS, self->events)); });
	EXPECT_VECTORS(VECTORS);
	ASSERT_OK(e1000e_stop(&self->c));
}

/* What takes things away cannot fail for want of memory: vectors, masks, and the kind. */
TEST_F(pci_fault, msix_disable)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(set_events(&self->c, MSIX, 0, VECTORS, self->events));
	SWEEP(irq_none(self->c.device, MASK, MSIX, 0, VECTORS),
	      ASSERT_TRUE(false),
	      ASSERT_OK(irq_none(self->c.device, UNMASK, MSIX, 0, VECTORS)));
	SWEEP(irq_disable(self->c.device, MSIX),
	      ASSERT_TRUE(false),
	      { EXPECT_NO_KIND(MSIX);
		ASSERT_OK(set_events(&self->c, MSIX, 0, VECTORS, self->events)); });
}

/* ---- MSI ---- */

/* All messages, or no MSI. */
TEST_F_TIMEOUT(pci_fault, msi_enable, 900)
{
	if (!open_or_skip(_metadata, &self->c, XHCI, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(xhci_start(&self->c));
	SWEEP(set_events(&self->c, MSI, 0, MESSAGES, self->events),
	      EXPECT_NO_KIND(MSI),
	      { EXPECT_MESSAGES(MESSAGES);
		ASSERT_OK(irq_disable(self->c.device, MSI)); });
	EXPECT_NO_KIND(MSI);
}

/* Messages that lost their eventfds have them again, or still none; the others work on. */
TEST_F_TIMEOUT(pci_fault, msi_give_back, 900)
{
	const __u32 lost = MESSAGES - LIVE;

	if (!open_or_skip(_metadata, &self->c, XHCI, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(xhci_start(&self->c));
	ASSERT_OK(set_events(&self->c, MSI, 0, MESSAGES, self->events));
	ASSERT_OK(take_events(&self->c, MSI, LIVE, lost));
	SWEEP(set_events(&self->c, MSI, LIVE, lost, self->events + LIVE),
	      { EXPECT_INTERRUPTS(LIVE);
		EXPECT_MESSAGES(LIVE); },
	      { EXPECT_MESSAGES(MESSAGES);
		ASSERT_OK(take_events(&self->c, MSI, LIVE, lost)); });
	EXPECT_INTERRUPTS(LIVE);
}

/* ---- INTx ---- */

/* The line arrives once, and then waits for the unmask that @unmask does. */
static bool line_arrives(const struct client *c, __s32 event, __s32 unmask)
{
	return !edu_raise(c) && event_wait(event, PATIENCE_MS) == 1 && !edu_lower(c) &&
	       !(unmask < 0 ? irq_none(c->device, UNMASK, INTX, 0, 1) : event_signal(unmask));
}

TEST_F(pci_fault, intx_enable)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	SWEEP(set_events(&self->c, INTX, 0, 1, self->events),
	      { EXPECT_NO_KIND(INTX);
		/* A line that nobody serves is kept masked. */
		ASSERT_OK(edu_raise(&self->c));
		ASSERT_OK(edu_lower(&self->c)); },
	      { ASSERT_TRUE(line_arrives(&self->c, self->events[0], -1));
		ASSERT_TRUE(line_arrives(&self->c, self->events[0], -1));
		ASSERT_OK(irq_disable(self->c.device, INTX)); });
	EXPECT_NO_KIND(INTX);
}

/* The eventfd that unmasks is there, or the line is served without it. */
TEST_F(pci_fault, intx_unmask_event)
{
	__s32 unmask = event_new(), nothing = -1;

	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(set_events(&self->c, INTX, 0, 1, self->events));
	SWEEP(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, sizeof(unmask)),
	      { ASSERT_TRUE(line_arrives(&self->c, self->events[0], -1));
		ASSERT_TRUE(line_arrives(&self->c, self->events[0], -1)); },
	      { ASSERT_TRUE(line_arrives(&self->c, self->events[0], unmask));
		ASSERT_TRUE(line_arrives(&self->c, self->events[0], unmask));
		ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &nothing,
				  sizeof(nothing))); });
}

/* ---- ioeventfds ---- */

#define SIZE	VFIO_DEVICE_IOEVENTFD_32

/* The edu device stores the inverse of what is written to its liveness register. */
static bool event_writes(const struct client *c, __s32 event, __u32 value)
{
	return !bar_write32(c, 0, EDU_LIVENESS, 0) && !event_signal(event) &&
	       bar_becomes(c, 0, EDU_LIVENESS, ~value);
}

/* One that could not be added is not there; the one before it goes on. */
TEST_F(pci_fault, ioeventfd)
{
	const struct client *c = &self->c;

	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(c));
	ASSERT_OK(region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 1, self->events[0]));
	SWEEP(region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 2, self->events[1]),
	      { ASSERT_TRUE(event_writes(c, self->events[0], 1));
		ASSERT_ERRNO(ENODEV, region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 2, -1)); },
	      { ASSERT_TRUE(event_writes(c, self->events[0], 1));
		ASSERT_TRUE(event_writes(c, self->events[1], 2));
		ASSERT_OK(region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 2, -1)); });
	SWEEP(region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 1, -1),
	      ASSERT_TRUE(false),
	      ASSERT_OK(region_ioeventfd(c, 0, EDU_LIVENESS, SIZE, 1, self->events[0])));
}

/* ---- power ---- */

/* How many hold the function awake. */
static long awake_count(const struct pci_func *func)
{
	char text[16];

	return pci_read(func, "power/runtime_usage", text, sizeof(text)) ? -1 : atol(text);
}

/* Who could not be let sleep is awake, with the reference that keeps it so. */
TEST_F(pci_fault, low_power)
{
	const struct client *c = &self->c;
	long awake;

	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(e1000e_start(c));
	awake = awake_count(&c->func);
	SWEEP(low_power(c->device, WAKEUP, self->events[0]),
	      { ASSERT_EQ(awake, awake_count(&c->func));
		ASSERT_EQ(0, event_wait(self->events[0], 0));
		ASSERT_NE(ONES, bar_read32(c, 0, 0)); },
	      { ASSERT_OK(low_power(c->device, EXIT, -1));
		ASSERT_EQ(awake, awake_count(&c->func));
		ASSERT_NE(ONES, bar_read32(c, 0, 0));
		event_wait(self->events[0], 0); });
}

/* ---- resets of several functions ---- */

/* Two functions that share a group. */
FIXTURE(pair_fault)
{
	struct client c[2];
	long awake[2];
};

FIXTURE_VARIANT(pair_fault)
{
	const char *nth;
};

FIXTURE_VARIANT_ADD(pair_fault, ours) { .nth = FAIL_NTH };
FIXTURE_VARIANT_ADD(pair_fault, allocations) { .nth = TASK_FAIL_NTH };

FIXTURE_SETUP(pair_fault)
{
	struct client *second = &self->c[1];

	self->c[0] = (struct client)CLIENT_NONE;
	self->c[1] = (struct client)CLIENT_NONE;
	if (!prepare(_metadata, variant->nth) ||
	    !open_or_skip(_metadata, &self->c[0], E1000, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(pci_find(E1000, 1, &second->func));
	second->device = group_get_device(self->c[0].group, second->func.bdf);
	ASSERT_LE(0, second->device);
	ASSERT_OK(client_read_regions(second));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(config_command(&self->c[i], PCI_COMMAND_MEMORY, 0));
		ASSERT_OK(bar_write32(&self->c[i], 0, E1000_RING, MARK));
		self->awake[i] = awake_count(&self->c[i].func);
	}
}

FIXTURE_TEARDOWN(pair_fault)
{
	client_close(&self->c[1]);
	client_close(&self->c[0]);
}

TEST_F(pair_fault, hot_reset_info)
{
	struct hot_info info;

	SWEEP(hot_info(self->c[0].device, &info, ARRAY_SIZE(info.devices)),
	      (void)0,
	      ASSERT_LE(2, info.head.count));
}

/* The register of both functions, and as many who hold them awake as before. */
#define EXPECT_PAIR(ring) do {						\
	for (int _i = 0; _i < 2; _i++) {				\
		ASSERT_EQ(ring, bar_read32(&self->c[_i], 0, E1000_RING));	\
		ASSERT_EQ(self->awake[_i], awake_count(&self->c[_i].func));	\
		ASSERT_OK(bar_write32(&self->c[_i], 0, E1000_RING, MARK)); \
	}								\
} while (0)

/* All functions are reset, or none is; a reset that fails, with our EIO, is an event of each. */
TEST_F_TIMEOUT(pair_fault, hot_reset, 900)
{
	char text[128];

	ASSERT_OK(trace_open());
	ASSERT_OK(trace_listen(true));
	SWEEP(hot_reset_by(self->c[0].device, 1, &self->c[0].group),
	      { EXPECT_EQ(errno == EIO ? 2 : 0,
			  trace_get("reset", "kind=hot ret=-5", 0, text, sizeof(text)));
		EXPECT_PAIR(MARK);
		trace_reset(); },
	      { EXPECT_PAIR(0);
		trace_reset(); });
	trace_close();
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000, E1000E, XHCI };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole machine sleeps while a program has a device. A debug build rehearses that for one
 * device, since the test machine would not survive it.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define INTX		VFIO_PCI_INTX_IRQ_INDEX

FIXTURE(machine_sleep)
{
	struct client edu;
	struct client card;
	__s32 event;
	__s32 other;
	int log;
	__u8 *memory;
};

/* To sleep and awake again, with the machine. */
static int sleep_with_machine(const struct pci_func *func)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/pci/rehearse_sleep", func->bdf);
	return file_write(path, "1");
}

FIXTURE_SETUP(machine_sleep)
{
	self->edu = (struct client)CLIENT_NONE;
	self->card = self->edu;
	self->event = event_new();
	self->other = event_new();
	self->log = log_open();
	if (!open_or_skip(_metadata, &self->edu, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = (__u8 *)memory_new(2 * PAGE);
	ASSERT_OK(edu_start(&self->edu));
	if (sleep_with_machine(&self->edu.func))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
}

FIXTURE_TEARDOWN(machine_sleep)
{
	client_close(&self->card);
	client_close(&self->edu);
	fd_close(&self->event);
	fd_close(&self->other);
	fd_close(&self->log);
}

static bool log_says(int log, const struct client *c, const char *what)
{
	const char * const texts[] = { c->func.bdf, what };

	return log_find(log, texts, ARRAY_SIZE(texts), NULL, 0);
}

/* Config space as the user sees it. */
static int config_all(const struct client *c, __u8 *bytes)
{
	return pread(c->device, bytes, 256, c->region[VFIO_PCI_CONFIG_REGION_INDEX].offset) == 256 ?
		0 : -1;
}

/* Mappings, views of BARs, config space and interrupts are as before, and the log says what was. */
TEST_F(machine_sleep, goes_on)
{
	struct client *edu = &self->edu;
	__u8 before[256], after[256];
	__u32 *view;

	ASSERT_OK(dma_map_rw(edu->container, self->memory, IOVA, 2 * PAGE));
	ASSERT_OK(irq_events(edu->device, MSI, 0, 1, &self->event));
	view = region_map(edu, 0, 0, PAGE);
	ASSERT_NE(MAP_FAILED, view);
	EXPECT_EQ(0xed, bar_look(view) & EDU_IDENTITY_MASK);
	EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 1));
	ASSERT_OK(config_all(edu, before));
	for (int round = 0; round < 2; round++) {
		ASSERT_OK(sleep_with_machine(&edu->func));
		EXPECT_TRUE(log_says(self->log, edu, "has slept with the machine while in use"));
		ASSERT_OK(config_all(edu, after));
		EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
		EXPECT_EQ(0xed, bar_look(view) & EDU_IDENTITY_MASK);
		EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 2 + round));
		EXPECT_EQ(0, event_wait(self->event, 0));
		ASSERT_OK(edu_raise(edu));
		EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
		ASSERT_OK(edu_lower(edu));
	}
	munmap(view, PAGE);
}

/* A line that the user has masked is masked, one that he has not is not. */
TEST_F(machine_sleep, line)
{
	struct client *edu = &self->edu;

	ASSERT_OK(irq_events(edu->device, INTX, 0, 1, &self->event));
	ASSERT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(edu_raise(edu));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	/* The interrupt has masked it. */
	ASSERT_OK(sleep_with_machine(&edu->func));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(irq_none(edu->device, VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(edu));
}

/* The same for the vectors of MSI-X, of a device that the user's driver let sleep before. */
TEST_F(machine_sleep, vectors)
{
	struct client *card = &self->card;
	__s32 events[2] = { self->event, self->other };
	__u32 pmcsr;

	if (!join_or_skip(_metadata, card, &self->edu, E1000E, 0))
		return;
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, MSIX, 0, 2, events));
	ASSERT_OK(irq_none(card->device, VFIO_IRQ_SET_ACTION_MASK, MSIX, 1, 1));
	pmcsr = pci_config_cap(&card->func, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	ASSERT_LT((__u32)PCI_PM_CTRL, pmcsr);
	ASSERT_OK(sleep_with_machine(&card->func));
	EXPECT_TRUE(log_says(self->log, card, "has slept with the machine while in use"));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(e1000e_lower(card));
	ASSERT_OK(e1000e_route(card, 1));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_EQ(0, event_wait(self->other, QUIET_MS));
	ASSERT_OK(irq_none(card->device, VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 1, 1));
	EXPECT_LT(0, event_wait(self->other, PATIENCE_MS));
	ASSERT_OK(e1000e_lower(card));

	ASSERT_OK(config_write(card, pmcsr, 2, 3));
	ASSERT_OK(sleep_with_machine(&card->func));
	ASSERT_OK(config_write(card, pmcsr, 2, 0));
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

/* A device that sleeps by itself is put to sleep with the machine: it may do so at work, in D0. */
TEST_F(machine_sleep, asleep_already)
{
	struct client *edu = &self->edu;
	char status[16] = "";

	ASSERT_OK(feature(edu->device, VFIO_DEVICE_FEATURE_SET |
			  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0));
	for (int tries = 0; strcmp(status, "suspended") && tries < PATIENCE_MS / 5; tries++) {
		usleep(5000);
		ASSERT_OK(pci_read(&edu->func, "power/runtime_status", status, sizeof(status)));
	}
	ASSERT_STREQ("suspended", status);
	ASSERT_OK(sleep_with_machine(&edu->func));
	EXPECT_TRUE(log_says(self->log, edu, "has slept with the machine while in use"));
	ASSERT_OK(dma_map_rw(edu->container, self->memory, IOVA, 2 * PAGE));
	EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 7));
}

/* Who let it sleep by himself, and asked for that, is woken up. */
TEST_F(machine_sleep, low_power)
{
	struct client *card = &self->card;

	if (!join_or_skip(_metadata, card, &self->edu, E1000E, 0))
		return;
	ASSERT_OK(low_power(card->device, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, self->other));
	ASSERT_OK(sleep_with_machine(&card->func));
	EXPECT_EQ(1, event_wait(self->other, PATIENCE_MS));
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, MSIX, 0, 1, &self->event));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

/* Who insists on it is not put to sleep; the log says who has it. Closed, it sleeps. */
TEST_F(machine_sleep, refused)
{
	struct client *edu = &self->edu;

	client_close(edu);
	ASSERT_OK(param_bool("keep_awake", true));
	ASSERT_OK(pci_unbind(&edu->func));
	ASSERT_OK(pci_bind(&edu->func, "vfio-pci"));
	ASSERT_OK(param_bool("keep_awake", false));
	EXPECT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(client_open(edu, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(edu));
	ASSERT_OK(irq_events(edu->device, MSI, 0, 1, &self->event));
	EXPECT_ERRNO(EBUSY, sleep_with_machine(&edu->func));
	EXPECT_TRUE(log_says(self->log, edu, "keeps the machine awake, in use by"));
	ASSERT_OK(edu_raise(edu));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(edu));
	client_close(edu);
	EXPECT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(pci_unbind(&edu->func));
	ASSERT_OK(pci_bind(&edu->func, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

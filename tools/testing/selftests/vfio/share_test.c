// SPDX-License-Identifier: GPL-2.0-only
/*
 * An INTx line that two functions share: each user gets the interrupts of his own function and no
 * other, whatever the neighbour does with its own; and who must have a line alone does not get it.
 * In the test bed a card behind the bridge shares the line of the first edu.
 */
#include <dirent.h>
#include <kselftest_harness.h>
#include <limits.h>
#include <linux/pci_regs.h>

#include "lib/check.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MASK	VFIO_IRQ_SET_ACTION_MASK
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK

#define E1000_ICR	0xc0	/* causes, cleared by a read */
#define E1000_ICS	0xc8	/* sets causes */
#define E1000_IMS	0xd0	/* lets causes through */
#define E1000_CAUSE	0x02

#define ROUNDS		50

static int line_of(enum test_device kind, int nth)
{
	struct pci_func func;
	char text[16];

	if (pci_find(kind, nth, &func) || pci_get(&func, "irq", text, sizeof(text)))
		return -1;
	return atoi(text);
}

/* The card on the line of the edu of this number, -1 if there is none. */
static int neighbour_of(int edu)
{
	for (int card = 0; card < 2; card++)
		if (line_of(E1000, card) > 0 && line_of(E1000, card) == line_of(EDU, edu))
			return card;
	return -1;
}

static int rebind(enum test_device kind, int nth, const char *driver)
{
	struct pci_func func;

	if (pci_find(kind, nth, &func) || pci_unbind(&func))
		return -1;
	return pci_bind(&func, driver);
}

static int card_raise(const struct client *c)
{
	return bar_write32(c, 0, E1000_IMS, E1000_CAUSE) ?:
	       bar_write32(c, 0, E1000_ICS, E1000_CAUSE);
}

static void card_lower(const struct client *c)
{
	bar_read32(c, 0, E1000_ICR);
}

FIXTURE(shared)
{
	struct client edu, card;
	__s32 of_edu, of_card;
};

FIXTURE_SETUP(shared)
{
	int card = neighbour_of(0);

	if (card < 0)
		SKIP(return, "nobody shares the line of edu");
	if (!open_or_skip(_metadata, &self->edu, EDU, 0, VFIO_TYPE1v2_IOMMU) ||
	    !open_or_skip(_metadata, &self->card, E1000, card, VFIO_TYPE1v2_IOMMU))
		return;
	self->of_edu = event_new();
	self->of_card = event_new();
	ASSERT_OK(edu_start(&self->edu));
	ASSERT_OK(config_command(&self->card, PCI_COMMAND_MEMORY, 0));
}

FIXTURE_TEARDOWN(shared)
{
	edu_lower(&self->edu);
	client_close(&self->card);
	client_close(&self->edu);
}

/* Each function's interrupts arrive at its user and at nobody else. */
TEST_F(shared, both_ours)
{
	ASSERT_OK(irq_events(self->edu.device, INTX, 0, 1, &self->of_edu));
	ASSERT_OK(irq_events(self->card.device, INTX, 0, 1, &self->of_card));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(edu_raise(&self->edu));
		EXPECT_EQ(1, event_wait(self->of_edu, PATIENCE_MS));
		EXPECT_EQ(0, event_wait(self->of_card, QUIET_MS));

		/* The edu is not served yet, and masked by its interrupt: the line is free. */
		ASSERT_OK(card_raise(&self->card));
		EXPECT_EQ(1, event_wait(self->of_card, PATIENCE_MS));
		EXPECT_EQ(0, event_wait(self->of_edu, QUIET_MS));
		card_lower(&self->card);
		ASSERT_OK(edu_lower(&self->edu));
		ASSERT_OK(irq_none(self->edu.device, UNMASK, INTX, 0, 1));
		ASSERT_OK(irq_none(self->card.device, UNMASK, INTX, 0, 1));
	}
	EXPECT_EQ(0, event_wait(self->of_edu, QUIET_MS));
}

/* A neighbour that raises its interrupt and has nobody to hear it does not keep the line busy. */
TEST_F(shared, deaf_neighbour)
{
	ASSERT_OK(irq_events(self->edu.device, INTX, 0, 1, &self->of_edu));
	ASSERT_OK(card_raise(&self->card));
	EXPECT_EQ(0, event_wait(self->of_edu, QUIET_MS));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_OK(edu_raise(&self->edu));
		ASSERT_EQ(1, event_wait(self->of_edu, PATIENCE_MS));
		ASSERT_OK(edu_lower(&self->edu));
		ASSERT_OK(irq_none(self->edu.device, UNMASK, INTX, 0, 1));
	}
}

/* One masks, disables by command and tears down while the other's interrupts arrive: all do. */
TEST_F(shared, neighbour_changes)
{
	int card = self->card.device;

	ASSERT_OK(irq_events(self->edu.device, INTX, 0, 1, &self->of_edu));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_OK(irq_events(card, INTX, 0, 1, &self->of_card));
		ASSERT_OK(edu_raise(&self->edu));
		ASSERT_OK(card_raise(&self->card));
		ASSERT_OK(irq_none(card, i & 1 ? MASK : UNMASK, INTX, 0, 1));
		ASSERT_OK(config_command(&self->card, PCI_COMMAND_INTX_DISABLE, 0));
		ASSERT_EQ(1, event_wait(self->of_edu, PATIENCE_MS));
		ASSERT_OK(edu_lower(&self->edu));
		card_lower(&self->card);
		ASSERT_OK(config_command(&self->card, 0, PCI_COMMAND_INTX_DISABLE));
		ASSERT_OK(irq_disable(card, INTX));
		ASSERT_OK(irq_none(self->edu.device, UNMASK, INTX, 0, 1));
	}
}

/* Without a working INTx Disable a line is had alone: EBUSY for whoever comes second. */
TEST_F(shared, alone)
{
	int edu = self->edu.device;

	client_close(&self->edu);
	ASSERT_OK(param_bool("nointxmask", true));
	EXPECT_OK(rebind(EDU, 0, "vfio-pci"));
	ASSERT_OK(param_bool("nointxmask", false));
	ASSERT_OK(client_open(&self->edu, EDU, 0, VFIO_TYPE1v2_IOMMU));
	edu = self->edu.device;
	ASSERT_OK(edu_start(&self->edu));

	ASSERT_OK(irq_events(self->card.device, INTX, 0, 1, &self->of_card));
	EXPECT_ERRNO(EBUSY, irq_events(edu, INTX, 0, 1, &self->of_edu));
	EXPECT_ERRNO(EINVAL, irq_disable(edu, INTX));
	ASSERT_OK(irq_disable(self->card.device, INTX));

	/* Other kinds of kernel users may have the line as well. */
	if (ERRNO_OF(irq_events(edu, INTX, 0, 1, &self->of_edu)) != EBUSY) {
		EXPECT_ERRNO(EBUSY, irq_events(self->card.device, INTX, 0, 1, &self->of_card));
		for (int i = 0; i < 3; i++) {
			ASSERT_OK(edu_raise(&self->edu));
			EXPECT_EQ(1, event_wait(self->of_edu, PATIENCE_MS));
			EXPECT_EQ(0, event_wait(self->of_edu, QUIET_MS));
			ASSERT_OK(edu_lower(&self->edu));
			ASSERT_OK(irq_none(edu, UNMASK, INTX, 0, 1));
		}
		ASSERT_OK(irq_disable(edu, INTX));
	}
	EXPECT_OK(irq_events(self->card.device, INTX, 0, 1, &self->of_card));
	ASSERT_OK(card_raise(&self->card));
	EXPECT_EQ(1, event_wait(self->of_card, PATIENCE_MS));
	client_close(&self->edu);
	EXPECT_OK(rebind(EDU, 0, "vfio-pci"));
}

/* Brings the first network interface of a function up; its driver then has the line. */
static bool interface_up(const struct pci_func *func)
{
	char path[PATH_MAX], command[PATH_MAX], carrier[8];
	struct dirent *entry;
	bool up = false;
	DIR *folder;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", func->bdf);
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(command, sizeof(command), "ip link set %s up", entry->d_name);
		if (system(command))
			break;
		snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", entry->d_name);
		for (int tries = 0; tries < PATIENCE_MS / 20 && !up; tries++) {
			up = !file_read(path, carrier, sizeof(carrier)) && carrier[0] == '1';
			usleep(20000);
		}
	}
	if (folder)
		closedir(folder);
	return up;
}

/* The host's driver has the neighbour: its interrupts and the user's arrive side by side. */
TEST(host_has_neighbour)
{
	int card = neighbour_of(0);
	struct pci_func func;
	struct client edu;
	__s32 event = event_new();

	if (card < 0)
		SKIP(return, "nobody shares the line of edu");
	ASSERT_OK(pci_find(E1000, card, &func));
	if (system("modprobe -q e1000") || rebind(E1000, 0, "e1000") || rebind(E1000, 1, "e1000"))
		SKIP(goto out, "no driver e1000");
	if (!open_or_skip(_metadata, &edu, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	EXPECT_OK(edu_start(&edu));
	EXPECT_OK(irq_events(edu.device, INTX, 0, 1, &event));
	EXPECT_TRUE(interface_up(&func));
	for (int i = 0; i < ROUNDS; i++) {
		EXPECT_OK(edu_raise(&edu));
		EXPECT_EQ(1, event_wait(event, PATIENCE_MS));
		EXPECT_OK(edu_lower(&edu));
		EXPECT_OK(irq_none(edu.device, UNMASK, INTX, 0, 1));
	}
	client_close(&edu);
out:
	EXPECT_OK(rebind(E1000, 0, "vfio-pci"));
	EXPECT_OK(rebind(E1000, 1, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Power: states that the user chooses by config space, sleep that he allows by the low-power
 * features, sleep of what nobody uses, and who wakes a function up.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define SET	VFIO_DEVICE_FEATURE_SET
#define ENTRY	(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | SET)
#define WAKEUP	(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET)
#define EXIT	(VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET)

#define D0	0
#define D3HOT	3
#define MARK	0x5a
#define PORTS	2	/* of the card: the number of a register, and the register */

static int rebind(enum test_device kind)
{
	struct pci_func func;

	if (pci_find(kind, 0, &func) || pci_unbind(&func))
		return -1;
	return pci_bind(&func, "vfio-pci");
}

FIXTURE(power)
{
	struct client c;
	char *bar;
	int sink;
	__u32 pm;
};

FIXTURE_VARIANT(power)
{
	enum test_device kind;
};

FIXTURE_VARIANT_ADD(power, nvme) { .kind = NVME };
FIXTURE_VARIANT_ADD(power, e1000e) { .kind = E1000E };

/* A mapping holds the device as an fd does. */
static void close_all(char *bar, struct client *c)
{
	munmap(bar, PAGE);
	client_close(c);
}

FIXTURE_SETUP(power)
{
	if (!open_or_skip(_metadata, &self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->pm = config_find_cap(&self->c, PCI_CAP_ID_PM);
	if (!self->pm) {
		client_close(&self->c);
		SKIP(return, "no power management");
	}
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, MARK));
	self->sink = memfd_create("sink", MFD_CLOEXEC);
	self->bar = region_map(&self->c, 0, 0, PAGE);
	ASSERT_NE(MAP_FAILED, self->bar);
}

FIXTURE_TEARDOWN(power)
{
	close_all(self->bar, &self->c);
	close(self->sink);
}

/* True if the page is there: the kernel touches it for us, so that there is no signal. */
static bool page_answers(int sink, const char *at)
{
	return pwrite(sink, at, 1, 0) == 1;
}

static __u32 power_state(const struct client *c, __u32 pm)
{
	return config_read(c, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK;
}

/* In D3hot memory does not answer, config space does; back in D0 all is as it was. */
TEST_F(power, d3hot)
{
	__u16 command = config_read(&self->c, PCI_COMMAND, 2);
	char state[16];
	__u32 value;

	for (int round = 0; round < 3; round++) {
		EXPECT_TRUE(page_answers(self->sink, self->bar));
		ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D3HOT));
		ASSERT_OK(pci_get(&self->c.func, "power_state", state, sizeof(state)));
		EXPECT_STREQ("D3hot", state);
		EXPECT_EQ(D3HOT, power_state(&self->c, self->pm));
		EXPECT_FALSE(page_answers(self->sink, self->bar));
		EXPECT_ERRNO(EIO, region_read(&self->c, 0, 0, &value, 4));
		EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
		ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D0));
		EXPECT_EQ(D0, power_state(&self->c, self->pm));
		EXPECT_TRUE(page_answers(self->sink, self->bar));
		EXPECT_EQ(command, config_read(&self->c, PCI_COMMAND, 2));
	}
}

/* An eventfd that would write to I/O ports leaves those of a function in D3hot alone. */
TEST(ports_in_d3hot)
{
	__s32 event = event_new();
	struct client c;
	__u32 pm;

	if (!open_or_skip(_metadata, &c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	pm = config_find_cap(&c, PCI_CAP_ID_PM);
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
	ASSERT_OK(bar_write32(&c, PORTS, 0, E1000E_FILTER));
	ASSERT_OK(region_ioeventfd(&c, PORTS, 4, VFIO_DEVICE_IOEVENTFD_32, MARK, event));
	ASSERT_OK(event_signal(event));
	EXPECT_TRUE(bar_becomes(&c, 0, E1000E_FILTER, MARK));
	ASSERT_OK(bar_write32(&c, PORTS, 4, ~MARK));
	ASSERT_OK(config_write(&c, pm + PCI_PM_CTRL, 2, D3HOT));
	ASSERT_OK(event_signal(event));
	ASSERT_OK(config_write(&c, pm + PCI_PM_CTRL, 2, D0));
	EXPECT_EQ(~MARK, (int)bar_read32(&c, 0, E1000E_FILTER));
	client_close(&c);
}

/* A state that the function does not know is none that it goes to. */
TEST_F(power, no_such_state)
{
	__u16 can = config_read(&self->c, self->pm + PCI_PM_PMC, 2);

	if ((can & PCI_PM_CAP_D1) && (can & PCI_PM_CAP_D2))
		SKIP(return, "the function knows them all");
	for (__u16 state = 1; state <= 2; state++) {
		if (can & (state == 1 ? PCI_PM_CAP_D1 : PCI_PM_CAP_D2))
			continue;
		config_write(&self->c, self->pm + PCI_PM_CTRL, 2, state);
		EXPECT_EQ(D0, power_state(&self->c, self->pm));
		EXPECT_TRUE(page_answers(self->sink, self->bar));
	}
}

/* A reset, an interrupt to be set up and a close find a function that was left in D3hot awake. */
TEST_F(power, woken_for_work)
{
	__s32 event = event_new();

	ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D3HOT));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &event));
	EXPECT_EQ(D0, power_state(&self->c, self->pm));
	ASSERT_OK(irq_disable(self->c.device, VFIO_PCI_MSIX_IRQ_INDEX));
	ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D3HOT));
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
	EXPECT_EQ(D0, power_state(&self->c, self->pm));
	ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D3HOT));
	close_all(self->bar, &self->c);
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(D0, power_state(&self->c, self->pm));
}

/* Allowed to sleep it does; calls wake it, and it sleeps again; its pages are gone meanwhile. */
TEST_F(power, low_power)
{
	__u32 id = config_read(&self->c, 0, 4), value;

	ASSERT_TRUE(page_answers(self->sink, self->bar));
	ASSERT_OK(low_power(self->c.device, ENTRY, -1));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	EXPECT_FALSE(page_answers(self->sink, self->bar));
	for (int round = 0; round < 3; round++) {
		EXPECT_EQ(id, config_read(&self->c, 0, 4));
		EXPECT_EQ(4, region_read(&self->c, 0, 0, &value, 4));
		EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	}
	EXPECT_ERRNO(EINVAL, low_power(self->c.device, ENTRY, -1));
	ASSERT_OK(low_power(self->c.device, EXIT, -1));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "active"));
	EXPECT_TRUE(page_answers(self->sink, self->bar));
	EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
}

/* The host wakes it: without an eventfd it sleeps again; with one, that is told and it stays. */
TEST_F(power, woken_by_host)
{
	__s32 event = event_new();

	ASSERT_OK(low_power(self->c.device, ENTRY, -1));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	ASSERT_OK(pci_write(&self->c.func, "power/control", "on"));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "active"));
	ASSERT_OK(pci_write(&self->c.func, "power/control", "auto"));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	ASSERT_OK(low_power(self->c.device, EXIT, -1));

	ASSERT_OK(low_power(self->c.device, WAKEUP, event));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	EXPECT_EQ(0, event_wait(event, 0));
	ASSERT_OK(pci_write(&self->c.func, "power/control", "on"));
	EXPECT_EQ(1, event_wait(event, PATIENCE_MS));
	ASSERT_OK(pci_write(&self->c.func, "power/control", "auto"));
	usleep(QUIET_MS * 1000);
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "active"));
	EXPECT_TRUE(page_answers(self->sink, self->bar));
	/* It has left low power, so it can enter again. */
	EXPECT_OK(low_power(self->c.device, ENTRY, -1));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
}

/* A reset by the host reaches a function that sleeps as well, and lets it sleep again. */
TEST_F(power, reset_while_asleep)
{
	ASSERT_OK(low_power(self->c.device, ENTRY, -1));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	ASSERT_OK(pci_reset(&self->c.func));
	EXPECT_TRUE(pci_power_becomes(&self->c.func, "suspended"));
	ASSERT_OK(low_power(self->c.device, EXIT, -1));
	EXPECT_TRUE(page_answers(self->sink, self->bar));
	EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
}

/* However it sleeps, it is taken from its user, and the next one has it awake. */
TEST_F(power, taken_while_asleep)
{
	static const __u32 ways[] = { 0, ENTRY, WAKEUP };
	struct pci_func func = self->c.func;
	__s32 event = event_new();

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (ways[i]) {
			ASSERT_OK(low_power(self->c.device, ways[i],
					    ways[i] == WAKEUP ? event : -1));
			EXPECT_TRUE(pci_power_becomes(&func, "suspended"));
		} else {
			ASSERT_OK(config_write(&self->c, self->pm + PCI_PM_CTRL, 2, D3HOT));
		}
		ASSERT_OK(take_back(&func));
		EXPECT_TRUE(is_dead(self->c.device));
		EXPECT_TRUE(becomes_ones((const __u32 *)self->bar));
		close_all(self->bar, &self->c);

		ASSERT_OK(pci_bind(&func, "vfio-pci"));
		EXPECT_TRUE(pci_power_becomes(&func, "suspended"));
		ASSERT_OK(client_open_func(&self->c, &func, NULL, VFIO_TYPE1v2_IOMMU));
		EXPECT_TRUE(pci_power_becomes(&func, "active"));
		EXPECT_EQ(D0, power_state(&self->c, self->pm));
		ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
		self->bar = region_map(&self->c, 0, 0, PAGE);
		ASSERT_NE(MAP_FAILED, self->bar);
		EXPECT_TRUE(page_answers(self->sink, self->bar));
		EXPECT_NE(ONES, bar_look((const __u32 *)self->bar));
	}
	close(event);
}

/* What nobody uses sleeps, unless the parameter said no when it was bound; later is too late. */
TEST_F(power, idle)
{
	struct pci_func func = self->c.func;

	close_all(self->bar, &self->c);
	EXPECT_TRUE(pci_power_becomes(&func, "suspended"));
	ASSERT_OK(param_bool("disable_idle_d3", true));
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(pci_power_becomes(&func, "active"));
	client_close(&self->c);
	EXPECT_TRUE(pci_power_becomes(&func, "suspended"));
	ASSERT_OK(rebind(variant->kind));
	EXPECT_TRUE(pci_power_becomes(&func, "active"));
	ASSERT_OK(param_bool("disable_idle_d3", false));
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
	client_close(&self->c);
	usleep(QUIET_MS * 1000);
	EXPECT_TRUE(pci_power_becomes(&func, "active"));
	ASSERT_OK(rebind(variant->kind));
	EXPECT_TRUE(pci_power_becomes(&func, "suspended"));
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { NVME, E1000E };

	log_announce("Device is taken back|No device request channel");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that go while a program uses them: ejected in good order, pulled out, removed in sysfs;
 * and what comes in their place. QEMU's monitor plugs them in behind a port of the test bed.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)

/* The third one of the machine. */
static const struct plug edu = { .device = "edu", .kind = EDU, .nth = 2 };

/* ---- a user who is busy ---- */

FIXTURE(busy)
{
	struct pci_func func;
	int ready[2];
};

FIXTURE_VARIANT(busy)
{
	int (*go)(const struct pci_func *func);
	int after_ms;	/* that the user has to let go, but not of what was pulled out */
};

FIXTURE_VARIANT_ADD(busy, ejected_at_once) { .go = plug_eject };
FIXTURE_VARIANT_ADD(busy, switched_off_at_once) { .go = plug_switch_off };
FIXTURE_VARIANT_ADD(busy, switched_off) { .go = plug_switch_off, .after_ms = 500 };
FIXTURE_VARIANT_ADD(busy, removed_at_once) { .go = plug_forget };
FIXTURE_VARIANT_ADD(busy, removed) { .go = plug_forget, .after_ms = 500 };
FIXTURE_VARIANT_ADD(busy, pulled) { .go = plug_pull, .after_ms = -1 };

FIXTURE_SETUP(busy)
{
	if (!plug_or_skip(_metadata, &edu, variant->go, &self->func))
		return;
	ASSERT_EQ(0, pipe(self->ready));
}

FIXTURE_TEARDOWN(busy)
{
	EXPECT_EQ(0, plug_clear(&edu));
}

/* The user's process: opens all, is busy until the device is gone, and looks what it sees then. */
static void user(const int *ready, const struct pci_func *func, int (*habit)(struct client *c))
{
	struct client c;
	__u32 *bar;
	int ret;

	if (client_open_func(&c, func, NULL, VFIO_TYPE1v2_IOMMU) || edu_start(&c))
		_exit(30);
	bar = region_map(&c, 0, 0, PAGE);
	if (bar == MAP_FAILED || bar_look(bar) == ONES)
		_exit(31);
	if (write(ready[1], "", 1) != 1)
		_exit(32);
	ret = habit(&c);
	if (ret)
		_exit(ret);
	if (!is_dead(c.device))
		_exit(33);
	/* Calls fail first. */
	if (!becomes_ones(bar))
		_exit(34);
	if (!group_goes(&c))
		_exit(35);
	client_close(&c);
	_exit(bar_look(bar + 1) == ONES ? 0 : 36);
}

static int habit_asks(struct client *c)
{
	struct vfio_region_info info;
	__u32 index = 0;

	while (!region_info(c->device, index++ % VFIO_PCI_NUM_REGIONS, &info) || errno == EINVAL)
		;
	return errno == ENODEV ? 0 : 40;
}

static int habit_writes_config(struct client *c)
{
	while (!config_command(c, 0, PCI_COMMAND_MEMORY) &&
	       !config_command(c, PCI_COMMAND_MEMORY, 0))
		;
	return errno == ENODEV ? 0 : 41;
}

static const struct {
	const char *name;
	int (*habit)(struct client *c);
} habits[] = {
	{ "sleeps", habit_waits },
	{ "polls a BAR", habit_polls_bar },
	{ "asks", habit_asks },
	{ "takes interrupts", habit_takes_interrupts },
	{ "does DMA", habit_does_dma },
	{ "writes config space", habit_writes_config },
};

/* The removal ends, the user sees it, and the next device works. */
TEST_F(busy, goes)
{
	char byte;
	pid_t pid;

	for (size_t i = 0; i < ARRAY_SIZE(habits); i++) {
		/* Each takes seconds: some do, but of what is pulled out. */
		if (!getenv("HOTPLUG_ALL") && variant->go != plug_pull &&
		    (i % 3 != !!variant->after_ms || (variant->go == plug_eject && i)))
			continue;
		pid = fork();
		if (!pid)
			user(self->ready, &self->func, habits[i].habit);
		close(self->ready[1]);
		ASSERT_EQ(1, read(self->ready[0], &byte, 1))
			TH_LOG("%s: ended with %d", habits[i].name, child_end(pid, PATIENCE_MS));
		if (variant->go != plug_pull)
			ASSERT_OK(revoke_after(&self->func, variant->after_ms));
		EXPECT_EQ(0, plug_out(variant->go, &self->func))
			TH_LOG("%s", habits[i].name);
		EXPECT_EQ(0, child_end(pid, PATIENCE_MS))
			TH_LOG("%s", habits[i].name);
		close(self->ready[0]);
		ASSERT_EQ(0, pipe(self->ready));
		ASSERT_OK(plug_in_after(variant->go, &edu, &self->func));
	}
}

/* ---- what comes in its place ---- */

FIXTURE(again)
{
	struct client c;
	char *memory;
};

FIXTURE_SETUP(again)
{
	struct pci_func func;

	if (!plug_or_skip(_metadata, &edu, NULL, &func))
		return;
	self->memory = memory_new(PAGE);
	ASSERT_OK(client_open_func(&self->c, &func, NULL, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
}

FIXTURE_TEARDOWN(again)
{
	client_close(&self->c);
	EXPECT_EQ(0, plug_clear(&edu));
	EXPECT_TRUE(locked_becomes(0));
}

static bool works(const struct client *c, char *memory)
{
	__s32 event = event_new();
	bool right;

	memset(memory, 0, 64);
	snprintf(memory, 16, "%s", "hello");
	right = !edu_start(c) && !dma_map_rw(c->container, memory, IOVA, PAGE) &&
		!edu_from_memory(c, IOVA, 0, 16) && !edu_to_memory(c, IOVA + 32, 0, 16) &&
		!strcmp(memory + 32, "hello") &&
		!irq_events(c->device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event) && !edu_raise(c) &&
		event_wait(event, PATIENCE_MS) == 1;
	close(event);
	return right;
}

/* A new device, while the dead fds of the old one are still open: neither knows the other. */
static void check_new(struct __test_metadata *_metadata, FIXTURE_DATA(again) * self,
		      int (*go)(const struct pci_func *func))
{
	__u32 *bar = region_map(&self->c, 0, 0, PAGE);
	struct pci_func func;
	struct client other;

	ASSERT_NE(MAP_FAILED, (void *)bar);
	if (go != plug_pull)
		ASSERT_OK(revoke_after(&self->c.func, 0));
	ASSERT_EQ(0, plug_out(go, &self->c.func));
	ASSERT_OK(plug_in(&edu, &func));
	ASSERT_OK(client_open_func(&other, &func, NULL, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(works(&other, self->memory));
	EXPECT_TRUE(is_dead(self->c.device));
	EXPECT_EQ(ONES, bar_look(bar));
	client_close(&self->c);
	EXPECT_OK(edu_lower(&other));
	munmap(bar, PAGE);
	client_close(&other);
	ASSERT_OK(client_open_func(&other, &func, NULL, VFIO_TYPE1v2_IOMMU));
	EXPECT_TRUE(works(&other, self->memory));
	client_close(&other);
}

TEST_F(again, after_switching_off)
{
	check_new(_metadata, self, plug_switch_off);
}

TEST_F(again, after_pulling)
{
	if (!ports_listen())
		SKIP(return, "the ports have no driver that hears it");
	check_new(_metadata, self, plug_pull);
}

/* Whoever waits for a user whose device is pulled out waits no more, nor does the port. */
TEST_F(again, pulled_while_wanted_back)
{
	pid_t pid;

	if (!ports_listen())
		SKIP(return, "the ports have no driver that hears it");
	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	EXPECT_EQ(124, child_end(pid, QUIET_MS));
	EXPECT_EQ(0, plug_out(plug_pull, &self->c.func));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	EXPECT_TRUE(is_dead(self->c.device));
}

/* Other groups of the container go on: their memory stays mapped. */
TEST_F(again, others_go_on)
{
	struct client other;

	if (!join_or_skip(_metadata, &other, &self->c, EDU, 0))
		return;
	ASSERT_OK(edu_start(&other));
	snprintf(self->memory, 16, "before");
	ASSERT_OK(edu_from_memory(&other, IOVA, 0, 16));
	if (!ports_listen())
		ASSERT_OK(revoke_after(&self->c.func, 0));
	ASSERT_EQ(0, plug_out(ports_listen() ? plug_pull : plug_switch_off, &self->c.func));
	EXPECT_OK(edu_to_memory(&other, IOVA + 64, 0, 16));
	EXPECT_STREQ("before", self->memory + 64);
	EXPECT_TRUE(is_dead(self->c.device));
	client_close(&other);
}

/* Closed a moment before, or never opened: it goes as well, and nobody is asked. */
TEST_F(again, unused)
{
	client_close(&self->c);
	EXPECT_EQ(0, plug_out(ports_listen() ? plug_pull : plug_switch_off, &self->c.func));
	EXPECT_ERRNO(ENOENT, group_open(self->c.func.group));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("Device is taken back|No device request channel|in use: .* is removed");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

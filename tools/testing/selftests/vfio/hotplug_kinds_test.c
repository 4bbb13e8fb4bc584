// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that go while they are used in a way that takes more to undo: with many vectors, asleep,
 * or with functions of their own. However they go, they do at once, their users' fds say so, and
 * the next one is as good as new.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define TYPE	VFIO_TYPE1v2_IOMMU

#define SET	VFIO_DEVICE_FEATURE_SET
#define ENTRY	(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | SET)
#define WAKEUP	(VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET)

#define D3HOT	3

#define WITH_VFS ",sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2"

/* Behind those that the machine begins with. A disk without anything on it does. */
static const struct plug disk = { .device = "nvme,serial=plugged", .kind = NVME, .nth = 2 };
static const struct plug card = { .device = "e1000e", .kind = E1000E, .nth = 1 };
/* Controllers of one subsystem have one serial number. */
static const struct plug pf = {
	.device = "nvme,subsys=subsys1,serial=sriov" WITH_VFS,
	.kind = NVME,
	.nth = 2,
};

/* Asked, its user has no time; of what was pulled out nobody asks. */
static int leaves_no_time(int (*way)(const struct pci_func *func), const struct pci_func *func)
{
	return way == plug_pull ? 0 : revoke_after(func, 0);
}

/* ---- vectors ---- */

/* A queue for each vector but the first, which is the admin queue's. */
#define VECTORS		NVME_QUEUES

FIXTURE(vectors)
{
	struct pci_func func;
	struct client c;
	struct nvme n;
	__s32 event[VECTORS];
};

/* Opens the function with an eventfd for each vector, and makes the queues. */
static int vectors_open(struct _test_data_vectors *self)
{
	if (client_open_func(&self->c, &self->func, NULL, TYPE) ||
	    irq_events(self->c.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, VECTORS, self->event) ||
	    nvme_start(&self->n, &self->c, IOVA))
		return -1;
	for (unsigned int i = 1; i < VECTORS; i++)
		if (nvme_queue(&self->n, i))
			return -1;
	/* Making them had answers, too, and their interrupts may be late. */
	while (event_wait(self->event[0], QUIET_MS))
		;
	return 0;
}

/* One round: the vector that is raised comes once, and no other. */
static bool vectors_work(struct _test_data_vectors *self)
{
	bool right = true;

	for (int i = 1; i < VECTORS; i++) {
		right &= !nvme_raise(&self->n, i);
		for (int k = 0; k < VECTORS; k++) {
			int nth = (i + k) % VECTORS;

			right &= event_wait(self->event[nth], k ? 0 : PATIENCE_MS) == !k;
		}
	}
	return right;
}

FIXTURE_SETUP(vectors)
{
	self->c = (struct client)CLIENT_NONE;
	for (int i = 0; i < VECTORS; i++)
		self->event[i] = event_new();
	if (!plug_or_skip(_metadata, &disk, NULL, &self->func))
		return;
	ASSERT_OK(vectors_open(self));
	ASSERT_TRUE(vectors_work(self));
}

FIXTURE_TEARDOWN(vectors)
{
	client_close(&self->c);
	EXPECT_EQ(0, plug_clear(&disk));
}

/* Raises one after the other until there is nothing to raise; each comes but perhaps the last. */
static bool vectors_come_until_dead(struct _test_data_vectors *self)
{
	struct pollfd fds[] = { { .events = POLLIN }, { .fd = self->c.device } };
	long came;

	for (unsigned int i = 0;; i++) {
		unsigned int nth = i % (VECTORS - 1) + 1;

		fds[0].fd = self->event[nth];
		if (nvme_raise(&self->n, nth))
			return errno == ENODEV;
		if (poll(fds, ARRAY_SIZE(fds), PATIENCE_MS) <= 0)
			return false;
		came = event_wait(fds[0].fd, 0);
		if (fds[1].revents)
			return came + event_wait(fds[0].fd, QUIET_MS) <= 1;
		if (came != 1)
			return false;
	}
}

static bool vectors_are_quiet(const struct _test_data_vectors *self)
{
	bool quiet = true;

	for (int i = 0; i < VECTORS; i++)
		quiet &= !event_wait(self->event[i], 0);
	return quiet;
}

static void check_way(struct __test_metadata *_metadata, struct _test_data_vectors *self,
		      int (*way)(const struct pci_func *func))
{
	struct client old = self->c;
	struct leaving l;

	ASSERT_OK(leaves_no_time(way, &self->func));
	ASSERT_OK(leave_begin(&l, way, &self->func));
	EXPECT_TRUE(vectors_come_until_dead(self));
	EXPECT_EQ(0, leave_end(&l));
	EXPECT_TRUE(is_dead(old.device));
	EXPECT_ERRNO(ENODEV, irq_disable(old.device, VFIO_PCI_MSIX_IRQ_INDEX));
	EXPECT_TRUE(vectors_are_quiet(self));
	EXPECT_TRUE(group_goes(&old));
	EXPECT_EQ(0, interrupts_named("vfio", old.func.bdf));

	/* The next device has the same eventfds, and may have the same name. */
	ASSERT_OK(plug_in_after(way, &disk, &self->func));
	ASSERT_OK(vectors_open(self));
	EXPECT_TRUE(vectors_work(self));
	EXPECT_TRUE(is_dead(old.device));
	client_close(&old);
	EXPECT_TRUE(vectors_work(self));
}

/* No vector of a device that went comes any more, and those of the next one do. */
TEST_F(vectors, go)
{
	static const struct {
		const char *name;
		int (*way)(const struct pci_func *func);
	} ways[] = {
		{ "ejected", plug_eject },
		{ "switched off", plug_switch_off },
		{ "removed", plug_forget },
		{ "pulled", plug_pull },
	};

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		/* A button of a port is the switch, five seconds later. */
		if (ways[i].way == (ports_listen() ? plug_eject : plug_pull))
			continue;
		TH_LOG("%s", ways[i].name);
		check_way(_metadata, self, ways[i].way);
	}
}

/* ---- asleep ---- */

static int sleeps_at_will(struct client *c, __s32 event)
{
	(void)event;
	return low_power(c->device, ENTRY, -1);
}

static int sleeps_until_told(struct client *c, __s32 event)
{
	return low_power(c->device, WAKEUP, event);
}

static int sleeps_by_register(struct client *c, __s32 event)
{
	(void)event;
	return config_write(c, config_find_cap(c, PCI_CAP_ID_PM) + PCI_PM_CTRL, 2, D3HOT);
}

FIXTURE(asleep)
{
	struct pci_func func;
	struct client c;
	__u32 *bar;
	__s32 event;
};

FIXTURE_VARIANT(asleep)
{
	const struct plug *plug;
	int (*sleep)(struct client *c, __s32 event);
	int (*way)(const struct pci_func *func);
};

FIXTURE_VARIANT_ADD(asleep, at_will_disk_pulled) {
	.plug = &disk, .sleep = sleeps_at_will, .way = plug_pull,
};

FIXTURE_VARIANT_ADD(asleep, d3hot_card_pulled) {
	.plug = &card, .sleep = sleeps_by_register, .way = plug_pull,
};

FIXTURE_VARIANT_ADD(asleep, d3hot_disk_switched_off) {
	.plug = &disk, .sleep = sleeps_by_register, .way = plug_switch_off,
};

FIXTURE_VARIANT_ADD(asleep, until_told_card_removed) {
	.plug = &card, .sleep = sleeps_until_told, .way = plug_forget,
};

static int asleep_open(struct _test_data_asleep *self)
{
	if (client_open_func(&self->c, &self->func, NULL, TYPE) ||
	    config_command(&self->c, PCI_COMMAND_MEMORY, 0))
		return -1;
	self->bar = region_map(&self->c, 0, 0, PAGE);
	return self->bar == MAP_FAILED || bar_look(self->bar) == ONES ? -1 : 0;
}

FIXTURE_SETUP(asleep)
{
	self->c = (struct client)CLIENT_NONE;
	self->bar = MAP_FAILED;
	self->event = event_new();
	if (!plug_or_skip(_metadata, variant->plug, variant->way, &self->func))
		return;
	ASSERT_OK(asleep_open(self));
	ASSERT_OK(variant->sleep(&self->c, self->event));
	if (variant->sleep == sleeps_by_register)
		return;
	ASSERT_TRUE(pci_power_becomes(&self->func, "suspended"));
}

static void asleep_close(struct _test_data_asleep *self)
{
	munmap(self->bar, PAGE);
	self->bar = MAP_FAILED;
	client_close(&self->c);
}

FIXTURE_TEARDOWN(asleep)
{
	asleep_close(self);
	EXPECT_EQ(0, plug_clear(variant->plug));
}

/* What sleeps goes as what is awake does. */
TEST_F(asleep, goes)
{
	__u32 pm;

	ASSERT_OK(leaves_no_time(variant->way, &self->func));
	EXPECT_EQ(0, plug_out(variant->way, &self->func));
	EXPECT_TRUE(is_dead(self->c.device));
	EXPECT_TRUE(becomes_ones(self->bar));
	EXPECT_TRUE(group_goes(&self->c));
	EXPECT_GE(1, event_wait(self->event, 0));
	asleep_close(self);
	if (variant->way != plug_forget)
		return;

	/* It is found again, awake. */
	ASSERT_OK(plug_in_after(variant->way, variant->plug, &self->func));
	ASSERT_OK(asleep_open(self));
	pm = config_find_cap(&self->c, PCI_CAP_ID_PM);
	EXPECT_EQ(0, config_read(&self->c, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
}

/* ---- functions of a function ---- */

/* The PF and one of its VFs, each with a user. */
FIXTURE(family)
{
	struct pci_func pf;
	struct pci_func vf;
	struct client parent;
	struct client child;
};

FIXTURE_VARIANT(family)
{
	int (*way)(const struct pci_func *func);
};

FIXTURE_VARIANT_ADD(family, switched_off) { .way = plug_switch_off };
FIXTURE_VARIANT_ADD(family, pulled) { .way = plug_pull };
FIXTURE_VARIANT_ADD(family, removed) { .way = plug_forget };

/* A reset of the PF would cost its VFs (see sriov_test.c). */
static int family_open(struct _test_data_family *self)
{
	struct nvme n;

	if (pci_set(&self->pf, "reset_method", "\n") || pf_set_vfs(&self->pf, NR_VFS) ||
	    pf_vf(&self->pf, 0, &self->vf) ||
	    client_open_func(&self->parent, &self->pf, TOKEN, TYPE) ||
	    nvme_start(&n, &self->parent, IOVA) || nvme_vf_on(&n, 0))
		return -1;
	return client_open_func(&self->child, &self->vf, TOKEN, TYPE);
}

/* The VF's controller answers, with what a program has: memory, a vector, and a BAR to look at. */
static __u32 *child_works(struct client *child, __s32 event)
{
	char serial[32] = "";
	struct nvme n;

	if (irq_events(child->device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &event) ||
	    nvme_start(&n, child, IOVA) || nvme_serial(&n, serial, sizeof(serial)) ||
	    strcmp(serial, "sriov"))
		return MAP_FAILED;
	return region_map(child, 0, 0, PAGE);
}

FIXTURE_SETUP(family)
{
	self->parent = (struct client)CLIENT_NONE;
	self->child = (struct client)CLIENT_NONE;
	if (!plug_or_skip(_metadata, &pf, variant->way, &self->pf))
		return;
	ASSERT_OK(param_bool("enable_sriov", true));
	ASSERT_OK(family_open(self));
}

static void family_close(struct _test_data_family *self)
{
	client_close(&self->child);
	client_close(&self->parent);
}

FIXTURE_TEARDOWN(family)
{
	family_close(self);
	EXPECT_EQ(0, plug_clear(&pf));
	EXPECT_OK(param_bool("enable_sriov", false));
}

/* The PF goes with its VFs, and the users of both see it. */
TEST_F(family, goes)
{
	__s32 event = event_new();
	__u32 *bar = child_works(&self->child, event);

	ASSERT_NE(MAP_FAILED, (void *)bar);
	EXPECT_NE(ONES, bar_look(bar));
	EXPECT_LE(1, event_wait(event, PATIENCE_MS));
	ASSERT_OK(leaves_no_time(variant->way, &self->pf));
	ASSERT_OK(leaves_no_time(variant->way, &self->vf));
	EXPECT_EQ(0, plug_out(variant->way, &self->pf));
	EXPECT_TRUE(pci_wait_gone(&self->vf));
	EXPECT_TRUE(is_dead(self->child.device));
	EXPECT_TRUE(is_dead(self->parent.device));
	EXPECT_TRUE(becomes_ones(bar));
	EXPECT_EQ(0, event_wait(event, 0));
	EXPECT_TRUE(group_goes(&self->child));
	EXPECT_TRUE(group_goes(&self->parent));
	munmap(bar, PAGE);

	family_close(self);
	if (variant->way == plug_forget) {
		ASSERT_OK(plug_in_after(variant->way, &pf, &self->pf));
		ASSERT_OK(family_open(self));
		bar = child_works(&self->child, event);
		EXPECT_NE(MAP_FAILED, (void *)bar);
		munmap(bar, PAGE);
	}
	close(event);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { NVME, E1000E };

	/* The PCI core's, and ours, about what these tests do on purpose. */
	log_announce("Device is taken back|No device request channel|in use: .* is removed");
	log_announce("reset methods disabled");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

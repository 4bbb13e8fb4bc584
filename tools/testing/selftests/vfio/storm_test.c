// SPDX-License-Identifier: GPL-2.0-only
/*
 * INTx storms: a line that stays asserted while nobody serves the device. The host may not be kept
 * busy by it, and a user who unmasks as fast as he can must not be slowed down.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>

#include "lib/check.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define EVENTFD	VFIO_IRQ_SET_DATA_EVENTFD
#define UNMASK	VFIO_IRQ_SET_ACTION_UNMASK

#define FAST	5000		/* unmasks by a program, more than others may make in a second */

FIXTURE(storm)
{
	struct client c;
	__s32 event;
	int kmsg;
};

/* A line that is masked by the command register, or at the interrupt controller. */
FIXTURE_VARIANT(storm)
{
	bool nointxmask;
};

FIXTURE_VARIANT_ADD(storm, command) { .nointxmask = false };
FIXTURE_VARIANT_ADD(storm, controller) { .nointxmask = true };

static int rebind(enum test_device kind)
{
	struct pci_func func;

	if (pci_find(kind, 0, &func) || pci_unbind(&func))
		return -1;
	return pci_bind(&func, "vfio-pci");
}

FIXTURE_SETUP(storm)
{
	int error;

	ASSERT_OK(param_bool("nointxmask", variant->nointxmask));
	ASSERT_OK(rebind(EDU));
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	self->event = event_new();
	self->kmsg = log_open();
	error = ERRNO_OF(irq_events(self->c.device, INTX, 0, 1, &self->event));
	if (error == EBUSY && variant->nointxmask) {
		client_close(&self->c);
		SKIP(return, "others share the line of edu");
	}
	ASSERT_EQ(0, error);
}

FIXTURE_TEARDOWN(storm)
{
	edu_lower(&self->c);
	client_close(&self->c);
	close(self->kmsg);
	EXPECT_OK(param_bool("nointxmask", false));
	EXPECT_OK(rebind(EDU));
}

/* How often the line has fired, summed over the processors. */
static long line_count(const char *bdf)
{
	FILE *file = fopen("/proc/interrupts", "r");
	char line[1024], *at;
	long count = -1;

	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "vfio-intx(") || !strstr(line, bdf))
			continue;
		count = 0;
		at = strchr(line, ':') + 1;
		for (char *end; ; at = end) {
			long part = strtol(at, &end, 10);

			if (end == at)
				break;
			count += part;
		}
	}
	if (file)
		fclose(file);
	return count;
}

/* Waits until the kernel says that it has left the line masked. */
static bool storm_is_told(int kmsg, const char *bdf)
{
	const char * const texts[] = { bdf, "fires again and again" };
	char message[512];

	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (log_find(kmsg, texts, ARRAY_SIZE(texts), message, sizeof(message)))
			return true;
		usleep(20000);
	}
	return false;
}

/* A line that unmasks itself goes round without any program: it ends, and the log tells. */
TEST_F(storm, ends)
{
	__s32 loop = event_new(), other = event_new();
	long before;

	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &loop, 4));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &loop));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_TRUE(storm_is_told(self->kmsg, self->c.func.bdf));
	before = line_count(self->c.func.bdf);
	ASSERT_LE(0, before);
	usleep(3 * 1000 * 1000);
	EXPECT_EQ(before, line_count(self->c.func.bdf));

	/* The user comes back to it: he unmasks the line, and each interrupt is one event. */
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &other));
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
		EXPECT_EQ(1, event_wait(other, PATIENCE_MS));
	}
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_none(self->c.device, UNMASK, INTX, 0, 1));
	EXPECT_EQ(0, event_wait(other, QUIET_MS));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(other, PATIENCE_MS));
}

/* The same by an eventfd that a program signals. */
TEST_F(storm, program_revives)
{
	__s32 loop = event_new(), other = event_new();
	const __u64 one = 1;

	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &loop, 4));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &loop));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_TRUE(storm_is_told(self->kmsg, self->c.func.bdf));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &other));
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(8, write(loop, &one, 8));
		EXPECT_EQ(1, event_wait(other, PATIENCE_MS));
	}
}

/* A program that unmasks as fast as it can gets each interrupt. */
TEST_F(storm, fast_user)
{
	__s32 unmask = event_new();
	const __u64 one = 1;
	long got = 0;

	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &unmask, 4));
	ASSERT_OK(edu_raise(&self->c));
	ASSERT_EQ(1, event_wait(self->event, PATIENCE_MS));
	for (int i = 0; i < FAST; i++) {
		ASSERT_EQ(8, write(unmask, &one, 8));
		got += event_wait(self->event, PATIENCE_MS);
	}
	EXPECT_EQ(FAST, got);
}

/* Storms for as long as the soak lasts: each is ended, and the machine stays at work. */
TEST_F_TIMEOUT(storm, soak, 3600)
{
	__s32 loop = event_new();
	const __u64 one = 1;
	double until = seconds_now() + soak_seconds() / 2;
	long before, storms = 0;

	ASSERT_OK(irq_set(self->c.device, EVENTFD | UNMASK, INTX, 0, 1, &loop, 4));
	ASSERT_OK(irq_events(self->c.device, INTX, 0, 1, &loop));
	ASSERT_OK(edu_raise(&self->c));
	before = line_count(self->c.func.bdf);
	do {
		ASSERT_EQ(8, write(loop, &one, 8));
		usleep(100000);
		storms++;
	} while (seconds_now() < until);
	TH_LOG("%ld restarts, the line fired %ld times", storms,
	       line_count(self->c.func.bdf) - before);
	/* The kernel limits its message to ten in five seconds: the next test waits for one. */
	sleep(5);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE and VFIO_DEVICE_IOEVENTFD. A module that has one of the two not at all says
 * ENOTTY, and its tests are skipped; half of it is a failure.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/check.h"

#define GET	VFIO_DEVICE_FEATURE_GET
#define SET	VFIO_DEVICE_FEATURE_SET
#define PROBE	VFIO_DEVICE_FEATURE_PROBE

FIXTURE(feature)
{
	struct client c;
};

FIXTURE_VARIANT(feature)
{
	enum test_device kind;
};

FIXTURE_VARIANT_ADD(feature, edu) { .kind = EDU };
FIXTURE_VARIANT_ADD(feature, e1000e) { .kind = E1000E };

FIXTURE_SETUP(feature)
{
	struct vfio_device_feature none = { 0 };

	if (!open_or_skip(_metadata, &self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (ERRNO_OF(ioctl(self->c.device, VFIO_DEVICE_FEATURE, &none)) == ENOTTY) {
		client_close(&self->c);
		SKIP(return, "VFIO_DEVICE_FEATURE is not offered");
	}
}

FIXTURE_TEARDOWN(feature)
{
	client_close(&self->c);
}

/* Features that a device of this kind has not, and numbers that nobody has: ENOTTY. */
TEST_F(feature, unknown)
{
	static const __u32 ids[] = {
		VFIO_DEVICE_FEATURE_PCI_VF_TOKEN, VFIO_DEVICE_FEATURE_MIGRATION,
		VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, VFIO_DEVICE_FEATURE_DMA_LOGGING_START,
		VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT,
		VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, VFIO_DEVICE_FEATURE_BUS_MASTER,
		VFIO_DEVICE_FEATURE_DMA_BUF, 12, VFIO_DEVICE_FEATURE_ZPCI_ERROR, 1000,
		VFIO_DEVICE_FEATURE_MASK,
	};
	char data[64] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		EXPECT_ERRNO(ENOTTY, feature(self->c.device, ids[i] | GET, data, sizeof(data)));
		EXPECT_ERRNO(ENOTTY, feature(self->c.device, ids[i] | SET, data, sizeof(data)));
		EXPECT_ERRNO(ENOTTY, feature(self->c.device, ids[i] | PROBE, NULL, 0));
	}
}

/* GET, SET or PROBE; the first two together only as a question. Else: EINVAL. */
TEST_F(feature, operations)
{
	const __u32 id = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT;

	if (ERRNO_OF(feature(self->c.device, id | PROBE, NULL, 0)) == ENOTTY)
		SKIP(return, "no power management of the device");
	EXPECT_ERRNO(EINVAL, feature(self->c.device, id, NULL, 0));
	EXPECT_ERRNO(EINVAL, feature(self->c.device, id | GET | SET, NULL, 0));
	for (int bit = 19; bit < 32; bit++)
		EXPECT_ERRNO(EINVAL, feature(self->c.device, id | SET | 1U << bit, NULL, 0));
	EXPECT_OK(feature(self->c.device, id | PROBE | SET, NULL, 0));
	/* What cannot be done is not promised. */
	EXPECT_ERRNO(EINVAL, feature(self->c.device, id | PROBE | GET, NULL, 0));
	EXPECT_ERRNO(EINVAL, feature(self->c.device, id | PROBE | GET | SET, NULL, 0));
	EXPECT_ERRNO(EINVAL, feature(self->c.device, id | GET, NULL, 0));
}

/* Low power: entered once, left as often as one likes; an access in between works. */
TEST_F(feature, low_power)
{
	const __u32 entry = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY | SET;
	const __u32 leave = VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET;
	__u32 id;

	if (ERRNO_OF(feature(self->c.device, entry | PROBE, NULL, 0)) == ENOTTY)
		SKIP(return, "no low power feature");
	id = config_read(&self->c, 0, 4);
	EXPECT_OK(feature(self->c.device, leave, NULL, 0));
	ASSERT_OK(feature(self->c.device, entry, NULL, 0));
	EXPECT_ERRNO(EINVAL, feature(self->c.device, entry, NULL, 0));
	EXPECT_EQ(id, config_read(&self->c, 0, 4));
	EXPECT_OK(feature(self->c.device, leave, NULL, 0));
	EXPECT_OK(feature(self->c.device, leave, NULL, 0));
	EXPECT_EQ(id, config_read(&self->c, 0, 4));
	/* Closing while it sleeps. */
	ASSERT_OK(feature(self->c.device, entry, NULL, 0));
	client_close(&self->c);
	ASSERT_OK(client_open(&self->c, variant->kind, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(id, config_read(&self->c, 0, 4));
}

/* Low power with an eventfd wants one: EINVAL for none, or for too little data. */
TEST_F(feature, low_power_wakeup)
{
	const __u32 entry = VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP | SET;
	struct vfio_device_low_power_entry_with_wakeup data = { .wakeup_eventfd = -1 };

	if (ERRNO_OF(feature(self->c.device, entry | PROBE, NULL, 0)) == ENOTTY)
		SKIP(return, "no low power feature");
	EXPECT_ERRNO(EINVAL, feature(self->c.device, entry, &data, sizeof(data)));
	EXPECT_ERRNO(EINVAL, feature(self->c.device, entry, &data, 4));
	data.wakeup_eventfd = event_new();
	for (int round = 0; round < 3; round++) {
		ASSERT_OK(feature(self->c.device, entry, &data, sizeof(data)));
		EXPECT_NE(~0U, config_read(&self->c, 0, 4));
		EXPECT_OK(feature(self->c.device, VFIO_DEVICE_FEATURE_LOW_POWER_EXIT | SET, NULL,
				  0));
	}
}

FIXTURE(ioeventfd)
{
	struct client c;
	int event;
};

/* The edu device stores the inverse of what is written to its liveness register. */
FIXTURE_SETUP(ioeventfd)
{
	struct vfio_device_ioeventfd none = { 0 };

	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (ERRNO_OF(ioctl(self->c.device, VFIO_DEVICE_IOEVENTFD, &none)) == ENOTTY) {
		client_close(&self->c);
		SKIP(return, "VFIO_DEVICE_IOEVENTFD is not offered");
	}
	ASSERT_OK(edu_start(&self->c));
	self->event = event_new();
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(ioeventfd)
{
	client_close(&self->c);
}

static int ioeventfd(const struct client *c, __u32 flags, __u64 offset, __u32 data, __s32 fd)
{
	return region_ioeventfd(c, 0, offset, flags, data, fd);
}

/* A signal has the kernel write the value, until the pair is taken away by fd -1. */
TEST_F(ioeventfd, writes)
{
	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0));
	ASSERT_OK(ioeventfd(&self->c, VFIO_DEVICE_IOEVENTFD_32, EDU_LIVENESS, 0x1234567,
			    self->event));
	ASSERT_OK(event_signal(self->event));
	EXPECT_TRUE(bar_becomes(&self->c, 0, EDU_LIVENESS, ~0x1234567U));
	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0));
	ASSERT_OK(event_signal(self->event));
	EXPECT_TRUE(bar_becomes(&self->c, 0, EDU_LIVENESS, ~0x1234567U));
	EXPECT_OK(ioeventfd(&self->c, VFIO_DEVICE_IOEVENTFD_32, EDU_LIVENESS, 0x1234567, -1));
	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0));
	ASSERT_OK(event_signal(self->event));
	EXPECT_EQ(1, event_wait(self->event, QUIET_MS));
	EXPECT_EQ(~0U, bar_read32(&self->c, 0, EDU_LIVENESS));
}

/* The same place, value and size twice: EEXIST. What is not there cannot go: ENODEV. */
TEST_F(ioeventfd, twice)
{
	const __u32 size = VFIO_DEVICE_IOEVENTFD_32;

	EXPECT_ERRNO(ENODEV, ioeventfd(&self->c, size, EDU_LIVENESS, 1, -1));
	ASSERT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 1, self->event));
	EXPECT_ERRNO(EEXIST, ioeventfd(&self->c, size, EDU_LIVENESS, 1, self->event));
	EXPECT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 2, event_new()));
	EXPECT_ERRNO(ENODEV, ioeventfd(&self->c, size, EDU_LIVENESS + 4, 1, -1));
	EXPECT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 1, -1));
	EXPECT_ERRNO(ENODEV, ioeventfd(&self->c, size, EDU_LIVENESS, 1, -1));
}

/* No size, two sizes, places outside of a BAR, fds below -1: EINVAL; no eventfd: EBADF, EINVAL. */
TEST_F(ioeventfd, errors)
{
	const __u32 size = VFIO_DEVICE_IOEVENTFD_32;
	__u64 config = self->c.region[VFIO_PCI_CONFIG_REGION_INDEX].offset;
	__u64 end = self->c.region[0].size;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, 0, EDU_LIVENESS, 1, self->event));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size | VFIO_DEVICE_IOEVENTFD_16, EDU_LIVENESS, 1,
				       self->event));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size, end, 1, self->event));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size, end - 2, 1, self->event));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size, config, 1, self->event));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size, EDU_LIVENESS, 1, -2));
	EXPECT_ERRNO(EBADF, ioeventfd(&self->c, size, EDU_LIVENESS, 1, 1000));
	EXPECT_ERRNO(EINVAL, ioeventfd(&self->c, size, EDU_LIVENESS, 1, null));
	EXPECT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 1, self->event));
}

/* What is read of a BAR when it has become @want, or after so many milliseconds. */
static __u32 bar_read_until(const struct client *c, __u32 index, __u64 at, __u32 want,
			    int milliseconds)
{
	__u32 value = bar_read32(c, index, at);

	for (int tries = 0; value != want && tries < milliseconds; tries++) {
		usleep(1000);
		value = bar_read32(c, index, at);
	}
	return value;
}

/* Each width writes as many bytes as it says, and leaves its neighbours. */
TEST(ioeventfd_widths)
{
	const __u64 value = 0x1122334455667788, ones = ~0ULL;
	__s32 event = event_new();
	struct client c;

	if (!open_or_skip(_metadata, &c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	for (__u32 size = 1; size <= 8; size *= 2) {
		__u64 want = size == 8 ? value :
			     (ones << 8 * size) | (value & ~(ones << 8 * size)), got[2];

		ASSERT_EQ(8, region_write(&c, 2, 0, &ones, 8));
		ASSERT_EQ(8, region_write(&c, 2, 8, &ones, 8));
		ASSERT_OK(region_ioeventfd(&c, 2, 0, size, value, event));
		ASSERT_OK(event_signal(event));
		for (int tries = 0; tries < PATIENCE_MS; tries++) {
			ASSERT_EQ(16, region_read(&c, 2, 0, got, 16));
			if (got[0] != ones)
				break;
			usleep(1000);
		}
		EXPECT_EQ(want, got[0])
			TH_LOG("%u bytes", size);
		EXPECT_EQ(ones, got[1]);
		ASSERT_OK(region_ioeventfd(&c, 2, 0, size, value, -1));
	}
	client_close(&c);
	close(event);
}

/* Ports of an I/O BAR are written as well: the card keeps the address that its window shows. */
TEST(ioeventfd_ports)
{
	__s32 event = event_new();
	struct client c;

	if (!open_or_skip(_metadata, &c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
	ASSERT_TRUE(config_read(&c, PCI_BASE_ADDRESS_2, 4) & PCI_BASE_ADDRESS_SPACE_IO);
	ASSERT_OK(bar_write32(&c, 2, 0, 0));
	ASSERT_OK(region_ioeventfd(&c, 2, 0, VFIO_DEVICE_IOEVENTFD_32, 0x3800, event));
	ASSERT_OK(event_signal(event));
	EXPECT_EQ(0x3800, bar_read_until(&c, 2, 0, 0x3800, PATIENCE_MS));
	client_close(&c);
	close(event);
}

/* A device has up to 1000: one more is ENOSPC, until one goes. */
TEST_F(ioeventfd, limit)
{
	const __u32 size = VFIO_DEVICE_IOEVENTFD_32;

	for (__u32 i = 0; i < 1000; i++)
		ASSERT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, i, self->event));
	EXPECT_ERRNO(ENOSPC, ioeventfd(&self->c, size, EDU_LIVENESS, 1000, self->event));
	EXPECT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 500, -1));
	EXPECT_OK(ioeventfd(&self->c, size, EDU_LIVENESS, 1000, self->event));
	EXPECT_ERRNO(ENOSPC, ioeventfd(&self->c, size, EDU_LIVENESS, 500, self->event));
}

#define NVME_CC		0x14		/* configuration of the controller: 0 by a reset */
#define NVME_SIZES	0x00460000	/* of entries of queues; not enabled */
#define LATE_ROUNDS	50

/* Resets once; @done when it is over. */
struct resetter {
	pthread_t thread;
	int device;
	bool done;
};

static void *reset_once(void *data)
{
	struct resetter *resetter = data;
	int ret = ioctl(resetter->device, VFIO_DEVICE_RESET);

	__atomic_store_n(&resetter->done, true, __ATOMIC_RELEASE);
	return ret ? resetter : NULL;
}

/* Signals while a reset goes on; whether what it writes came after that. */
static bool late_write_comes(const struct client *c, __s32 event)
{
	struct resetter resetter = { .device = c->device };
	void *failed = &resetter;
	bool during;

	if (bar_write32(c, 0, NVME_CC, 0) ||
	    pthread_create(&resetter.thread, NULL, reset_once, &resetter))
		return false;
	usleep(20000);
	during = !event_signal(event) && !__atomic_load_n(&resetter.done, __ATOMIC_ACQUIRE);
	pthread_join(resetter.thread, &failed);
	if (failed || !during)
		return false;
	return bar_read_until(c, 0, NVME_CC, NVME_SIZES, QUIET_MS) == NVME_SIZES;
}

/*
 * A device that is being reset cannot be written to: the write waits, and whoever signals does not.
 * A round in which the signal came too early, and the reset undid its write, shows nothing.
 */
TEST(ioeventfd_late)
{
	__s32 event = event_new();
	struct client c;
	int rounds = 0;

	if (!open_or_skip(_metadata, &c, NVME, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(region_ioeventfd(&c, 0, NVME_CC, VFIO_DEVICE_IOEVENTFD_32, NVME_SIZES, event));
	while (rounds < LATE_ROUNDS && !late_write_comes(&c, event))
		rounds++;
	EXPECT_GT(LATE_ROUNDS, rounds);
	client_close(&c);
	close(event);
}

/* The MSI-X table is not written for anybody: EINVAL. */
TEST_F(ioeventfd, msix_table)
{
	struct vfio_device_ioeventfd argument = {
		.argsz = sizeof(argument),
		.flags = VFIO_DEVICE_IOEVENTFD_32,
		.fd = self->event,
	};
	struct client card;
	__u32 table;

	if (!open_or_skip(_metadata, &card, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	table = config_read(&card, config_find_cap(&card, PCI_CAP_ID_MSIX) + PCI_MSIX_TABLE, 4);
	argument.offset = card.region[table & PCI_MSIX_TABLE_BIR].offset +
			  (table & PCI_MSIX_TABLE_OFFSET);
	EXPECT_ERRNO(EINVAL, ioctl(card.device, VFIO_DEVICE_IOEVENTFD, &argument));
	client_close(&card);
}

/* Closing the eventfd or the device first: nothing is left behind. */
TEST_F(ioeventfd, close)
{
	int other = event_new();

	ASSERT_OK(ioeventfd(&self->c, VFIO_DEVICE_IOEVENTFD_32, EDU_LIVENESS, 1, self->event));
	ASSERT_OK(ioeventfd(&self->c, VFIO_DEVICE_IOEVENTFD_32, EDU_LIVENESS, 2, other));
	close(other);
	client_close(&self->c);
	EXPECT_OK(event_signal(self->event));
	EXPECT_EQ(1, event_wait(self->event, 0));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E, IVSHMEM };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

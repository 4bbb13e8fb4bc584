// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user who means harm, or has gone wrong: four threads make random calls with random arguments on
 * the same devices, and the host resets one of them now and then. Each call may be refused or do
 * what it says; afterwards the devices serve a client who behaves, and the kernel has nothing to
 * complain about.
 *
 * The seed is printed; VFIO_SEED sets it.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/check.h"

#define THREADS	4
#define TARGETS	6
#define EVENTS	8

#define IOVA	(16 * MIB)

/*
 * Where a write to BAR 0 hurts the device and not the emulator, which stops for some values; and a
 * prefetchable BAR, which can have an alias, where there is one.
 */
static const struct {
	enum test_device kind;
	int nth;
	__u32 first;
	__u32 size;
	__u32 memory;
} targets[TARGETS] = {
	{ EDU, 0, 0, 0x80, 0 },
	{ NVME, 0, 0, 0x2000, 0 },
	{ E1000, 0, 0xc0, 0x20, 0 },
	{ E1000, 1, 0xc0, 0x20, 0 },
	{ IVSHMEM, 0, 0, 0x10, 2 },
	{ VGA, 0, 0, 0x10000, 0 },
};

static struct {
	struct client client[TARGETS];
	__s32 event[EVENTS];
	int sink;
	double until;
} shared;

/* One thread's dice, and how many calls it made. */
struct attacker {
	pthread_t thread;
	__u64 state;
	unsigned long calls;
	unsigned long successes;
};

static __u32 roll(struct attacker *a, __u32 sides)
{
	return random_next(&a->state) % sides;
}

static bool flip(struct attacker *a)
{
	return roll(a, 2);
}

/* Numbers that are at home in limits, and sometimes any. */
static __u32 odd_number(struct attacker *a)
{
	static const __u32 edges[] = {
		0, 1, 2, 4, 5, 8, 31, 32, 255, 256, 4095, 4096, 1U << 31, ~0U
	};

	return roll(a, 3) ? edges[roll(a, ARRAY_SIZE(edges))] : random_next(&a->state);
}

static __s32 odd_fd(struct attacker *a)
{
	if (roll(a, 4))
		return shared.event[roll(a, EVENTS)];
	return flip(a) ? -1 : (__s32)odd_number(a);
}

static int attack_irqs(struct attacker *a, int target)
{
	__s32 data[8];
	__u32 flags = 1U << roll(a, 3) | 8U << roll(a, 3);

	for (size_t i = 0; i < ARRAY_SIZE(data); i++)
		data[i] = odd_fd(a);
	if (!roll(a, 10))
		flags = odd_number(a);
	return irq_set(shared.client[target].device, flags, roll(a, 6),
		       roll(a, 4) ? roll(a, 6) : odd_number(a),
		       roll(a, 4) ? roll(a, 6) : odd_number(a), data, roll(a, sizeof(data) + 1));
}

static int attack_config(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	__u32 value = odd_number(a);
	int size = 1 << roll(a, 3);
	__u32 at = roll(a, 8) ? roll(a, 256) : roll(a, 4200);

	if (flip(a))
		return region_read(c, VFIO_PCI_CONFIG_REGION_INDEX, at, &value, size) < 0 ? -1 : 0;
	return config_write(c, at, size, value);
}

/* Decoding is off after some writes; without it most other calls fail early. */
static int attack_command(struct attacker *a, int target)
{
	const __u16 on = PCI_COMMAND_MEMORY | PCI_COMMAND_IO | PCI_COMMAND_MASTER;

	return config_command(&shared.client[target], on, roll(a, 4) ? 0 : roll(a, 0x800));
}

static int attack_bar(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	__u64 at = targets[target].first + roll(a, targets[target].size);
	char bytes[64];

	if (!flip(a)) {
		memset(bytes, random_next(&a->state), sizeof(bytes));
		return region_write(c, 0, at & ~3ULL, bytes, 4) < 0 ? -1 : 0;
	}
	if (!roll(a, 4))
		at = odd_number(a) | (__u64)odd_number(a) << 32;
	return region_read(c, roll(a, VFIO_PCI_NUM_REGIONS), at, bytes,
			   1 + roll(a, sizeof(bytes))) < 0 ? -1 : 0;
}

/* The kernel touches the memory for us: a page that is not there is an error and no signal. */
static int attack_mmap(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	size_t size = PAGE << roll(a, 5);
	char *at = region_map(c, roll(a, 8) ? 0 : roll(a, VFIO_PCI_NUM_REGIONS),
			      PAGE * (roll(a, 8) ? roll(a, 4) : odd_number(a)), size);
	int ret;

	if (at == MAP_FAILED)
		return -1;
	ret = pwrite(shared.sink, at + roll(a, size), 1, 0);
	munmap(at, size);
	return ret < 0 ? -1 : 0;
}

static int attack_feature(struct attacker *a, int target)
{
	union {
		struct vfio_device_feature head;
		__u32 words[16];
	} argument;

	for (size_t i = 0; i < ARRAY_SIZE(argument.words); i++)
		argument.words[i] = odd_number(a);
	argument.head.argsz = roll(a, 4) ? sizeof(argument) : roll(a, sizeof(argument));
	argument.head.flags = 1U << (16 + roll(a, 3)) |
			      (!roll(a, 8) ? VFIO_DEVICE_FEATURE_REGION_ALIAS :
			       roll(a, 4) ? 3 + roll(a, 3) : roll(a, 20));
	argument.words[2] = odd_fd(a);
	return ioctl(shared.client[target].device, VFIO_DEVICE_FEATURE, &argument);
}

/* Aliases that are right more often than not; then their region is looked at and mapped. */
static int attack_alias(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	__u32 index = roll(a, 4) ? targets[target].memory : odd_number(a), alias;
	struct vfio_region_info info;
	size_t size = PAGE << roll(a, 5);
	char *at;
	int ret;

	if (region_alias(c->device, index, roll(a, 8) ? VFIO_REGION_ALIAS_WC : odd_number(a),
			 &alias) || region_info(c->device, alias, &info))
		return -1;
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		  info.offset + PAGE * roll(a, 16));
	if (at == MAP_FAILED)
		return -1;
	ret = pwrite(shared.sink, at, 1, 0);
	munmap(at, size);
	return ret < 0 ? -1 : 0;
}

static int attack_ioeventfd(struct attacker *a, int target)
{
	struct vfio_device_ioeventfd argument = {
		.argsz = sizeof(argument),
		.flags = roll(a, 4) ? VFIO_DEVICE_IOEVENTFD_32 : odd_number(a),
		.offset = targets[target].first + roll(a, targets[target].size / 4) * 4,
		.data = roll(a, 4),
		.fd = odd_fd(a),
	};

	return ioctl(shared.client[target].device, VFIO_DEVICE_IOEVENTFD, &argument);
}

static int attack_event(struct attacker *a, int target)
{
	__s32 event = shared.event[roll(a, EVENTS)];

	(void)target;
	if (flip(a))
		return event_wait(event, 0) ? 0 : -1;
	return event_signal(event);
}

/* Resets take long: seldom. */
static int attack_reset(struct attacker *a, int target)
{
	struct {
		struct vfio_pci_hot_reset head;
		__s32 groups[4];
	} argument = { .head = { .argsz = sizeof(argument), .count = roll(a, 4) } };

	if (roll(a, 20))
		return 0;
	if (flip(a))
		return ioctl(shared.client[target].device, VFIO_DEVICE_RESET);
	for (int i = 0; i < 4; i++)
		argument.groups[i] = roll(a, 4) ? shared.client[2].group : odd_fd(a);
	return ioctl(shared.client[target].device, VFIO_DEVICE_PCI_HOT_RESET, &argument);
}

static int attack_open(struct attacker *a, int target)
{
	int group = shared.client[target].group;
	int device;

	if (roll(a, 20) || group < 0)
		return 0;
	device = group_get_device(group, shared.client[target].func.bdf);
	if (device < 0)
		return -1;
	close(device);
	return 0;
}

static int (* const attacks[])(struct attacker *a, int target) = {
	attack_irqs, attack_irqs, attack_config, attack_command, attack_bar, attack_mmap,
	attack_feature, attack_alias, attack_ioeventfd, attack_event, attack_reset, attack_open,
};

static void *attack(void *data)
{
	struct attacker *a = data;

	while (seconds_now() < shared.until) {
		int target = roll(a, TARGETS);

		a->calls++;
		a->successes += attacks[roll(a, ARRAY_SIZE(attacks))](a, target) >= 0;
	}
	return NULL;
}

/* The host's administrator, who resets the disk now and then; some resets are refused. */
static void *administrate(void *data)
{
	unsigned long *resets = data;

	while (seconds_now() < shared.until) {
		*resets += !pci_reset(&shared.client[1].func);
		usleep(50000);
	}
	return NULL;
}

/* Opens all targets; the two functions of one group share its fd. */
static int open_all(void)
{
	for (int i = 0; i < TARGETS; i++) {
		struct client *c = &shared.client[i];

		if (!targets[i].nth && client_open(c, targets[i].kind, 0, VFIO_TYPE1v2_IOMMU))
			return -1;
		if (!targets[i].nth)
			continue;
		if (pci_find(targets[i].kind, targets[i].nth, &c->func))
			return -1;
		c->device = group_get_device(shared.client[i - 1].group, c->func.bdf);
		if (c->device < 0 || client_read_regions(c))
			return -1;
	}
	return 0;
}

/* Those not opened yet have all fds 0, which is not theirs to close. */
static void forget_all(void)
{
	for (int i = 0; i < TARGETS; i++)
		shared.client[i] = (struct client){ .container = -1, .group = -1, .device = -1 };
}

static void close_all(void)
{
	for (int i = TARGETS; i--; )
		client_close(&shared.client[i]);
}

/* The functions answer as after power-on, edu moves data, and interrupts arrive. */
static void check_devices(struct __test_metadata *_metadata)
{
	const struct client *edu = &shared.client[0];
	char *memory = memory_new(2 * PAGE);
	__s32 event = event_new();

	for (int i = 0; i < TARGETS; i++) {
		char vendor[16];

		ASSERT_OK(pci_read(&shared.client[i].func, "vendor", vendor, sizeof(vendor)));
		EXPECT_EQ(strtoul(vendor, NULL, 16), config_read(&shared.client[i], 0, 2));
		EXPECT_OK(config_command(&shared.client[i], PCI_COMMAND_MEMORY, 0));
		/* What is memory, or like it, keeps what was written into it. */
		if (targets[i].kind == IVSHMEM || targets[i].kind == VGA)
			EXPECT_OK(bar_write32(&shared.client[i], 0, 0, 0));
		EXPECT_NE(~0U, bar_read32(&shared.client[i], 0, 0));
	}
	ASSERT_OK(edu_start(edu));
	ASSERT_OK(dma_map_rw(edu->container, memory, IOVA, 2 * PAGE));
	memset(memory, 0x5a, 64);
	ASSERT_OK(edu_from_memory(edu, IOVA, 0, 64));
	ASSERT_OK(edu_to_memory(edu, IOVA + PAGE, 0, 64));
	EXPECT_EQ(0, memcmp(memory, memory + PAGE, 64));
	edu_lower(edu);
	for (__u32 index = VFIO_PCI_INTX_IRQ_INDEX; index <= VFIO_PCI_MSI_IRQ_INDEX; index++) {
		ASSERT_OK(irq_events(edu->device, index, 0, 1, &event));
		ASSERT_OK(edu_raise(edu));
		EXPECT_LT(0, event_wait(event, PATIENCE_MS));
		ASSERT_OK(edu_lower(edu));
		ASSERT_OK(irq_disable(edu->device, index));
	}
}

FIXTURE(hostile)
{
};

FIXTURE_SETUP(hostile)
{
	forget_all();
}

FIXTURE_TEARDOWN(hostile)
{
	close_all();
}

TEST_F_TIMEOUT(hostile, random_calls, 3600)
{
	const char *text = getenv("VFIO_SEED");
	__u64 seed = text ? strtoull(text, NULL, 0) : 20260101;
	struct attacker attackers[THREADS] = { 0 };
	unsigned long calls = 0, successes = 0, resets = 0;
	pthread_t administrator;

	if (open_all())
		SKIP(return, "a device is missing");
	shared.sink = memfd_create("sink", MFD_CLOEXEC);
	for (int i = 0; i < EVENTS; i++)
		shared.event[i] = event_new();
	TH_LOG("seed %llu, %d s", (unsigned long long)seed, soak_seconds());
	shared.until = seconds_now() + soak_seconds();
	for (int i = 0; i < THREADS; i++) {
		attackers[i].state = seed * (i + 1) + 1;
		ASSERT_EQ(0, pthread_create(&attackers[i].thread, NULL, attack, &attackers[i]));
	}
	ASSERT_EQ(0, pthread_create(&administrator, NULL, administrate, &resets));
	for (int i = 0; i < THREADS; i++) {
		ASSERT_EQ(0, pthread_join(attackers[i].thread, NULL));
		calls += attackers[i].calls;
		successes += attackers[i].successes;
	}
	ASSERT_EQ(0, pthread_join(administrator, NULL));
	TH_LOG("%lu calls, of which %lu succeeded; the host made %lu resets", calls, successes,
	       resets);
	EXPECT_LT(0, successes);
	EXPECT_LT(0, resets);
	close_all();
	ASSERT_OK(open_all());
	check_devices(_metadata);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000, IVSHMEM, VGA };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

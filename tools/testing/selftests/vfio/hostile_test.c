// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user who means harm, or has gone wrong: four threads make random calls with random arguments
 * on the same functions, a PF and its VF among them, and the host resets one of them now and then,
 * or takes one after the other from its user and gives it back. Each call may be refused or do what
 * it says; afterwards the functions serve a client who behaves, and the kernel has nothing to
 * complain about.
 *
 * The seed is printed; SEED sets it.
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
#define EVENTS	8
#define WINDOWS	2

#define IOVA	(16 * MIB)
#define PARAMETER	"/sys/module/vfio_pci/parameters/enable_sriov"

#define E1000E_VECTORS	5

enum target_name {
	T_EDU, T_DISK, T_E1000, T_E1000_TWIN, T_IVSHMEM, T_VGA, T_E1000E, T_XHCI, T_PF, T_VF,
	TARGETS
};

static struct {
	struct client client[TARGETS];
	__s32 event[EVENTS];
	int sink;
	double until;
} shared;

/* ---- does a function serve a client who behaves? ---- */

typedef int action(const struct client *c);

/* What is raised arrives; afterwards the kind is off. */
static bool interrupt_arrives(const struct client *c, __u32 index, __u32 vector, action *raise,
			      action *lower)
{
	__s32 event = event_new();
	bool arrives;

	arrives = !irq_events(c->device, index, vector, 1, &event) && !raise(c) &&
		  event_wait(event, PATIENCE_MS) > 0;
	arrives &= !lower(c) && !irq_disable(c->device, index);
	close(event);
	return arrives;
}

static bool edu_works(const struct client *c)
{
	char *memory = memory_new(2 * PAGE);

	if (edu_start(c) || dma_map_rw(c->container, memory, IOVA, 2 * PAGE))
		return false;
	memset(memory, 0x5a, 64);
	return !edu_from_memory(c, IOVA, 0, 64) && !edu_to_memory(c, IOVA + PAGE, 0, 64) &&
	       !memcmp(memory, memory + PAGE, 64) && !edu_lower(c) &&
	       interrupt_arrives(c, VFIO_PCI_INTX_IRQ_INDEX, 0, edu_raise, edu_lower) &&
	       interrupt_arrives(c, VFIO_PCI_MSI_IRQ_INDEX, 0, edu_raise, edu_lower);
}

static bool answers_as(struct nvme *nvme, const struct client *c, const char *wanted)
{
	char serial[32];

	return !nvme_start(nvme, c, IOVA) && !nvme_serial(nvme, serial, sizeof(serial)) &&
	       !strcmp(wanted, serial);
}

static bool nvme_works(const struct client *c)
{
	struct nvme disk;

	return answers_as(&disk, c, "testbed");
}

/* A VF is turned on by its PF. */
static bool vf_works(const struct client *c)
{
	struct nvme pf, vf;

	return answers_as(&pf, &shared.client[T_PF], "sriov") && !nvme_vf_on(&pf, 0) &&
	       answers_as(&vf, c, "sriov");
}

static bool keeps(const struct client *c, __u32 index, __u64 at)
{
	return !bar_write32(c, index, at, 0x12345670) && bar_read32(c, index, at) == 0x12345670 &&
	       !bar_write32(c, index, at, 0) && !bar_read32(c, index, at);
}

static bool e1000_works(const struct client *c)
{
	return keeps(c, 0, E1000_RING);
}

static bool ivshmem_works(const struct client *c)
{
	return keeps(c, 2, c->region[2].size - 4);
}

static bool vga_works(const struct client *c)
{
	return keeps(c, 0, c->region[0].size - 4);
}

/* The I/O ports name a register, and are it. */
static bool e1000e_ports_work(const struct client *c)
{
	return !config_command(c, PCI_COMMAND_IO, 0) && !bar_write32(c, 2, 0, E1000E_FILTER) &&
	       keeps(c, 2, 4) && !bar_write32(c, 2, 4, 0x5a5a) &&
	       bar_read32(c, 0, E1000E_FILTER) == 0x5a5a;
}

static bool rom_is_there(const struct client *c)
{
	__u16 mark = 0;

	return !config_write(c, PCI_ROM_ADDRESS, 4, PCI_ROM_ADDRESS_ENABLE) &&
	       region_read(c, VFIO_PCI_ROM_REGION_INDEX, 0, &mark, 2) == 2 && mark == 0xaa55;
}

static bool e1000e_works(const struct client *c)
{
	for (__u32 vector = 0; vector < E1000E_VECTORS; vector++)
		if (e1000e_start(c) || e1000e_route(c, vector) ||
		    !interrupt_arrives(c, VFIO_PCI_MSIX_IRQ_INDEX, vector, e1000e_raise,
				       e1000e_stop))
			return false;
	for (__u32 index = VFIO_PCI_INTX_IRQ_INDEX; index <= VFIO_PCI_MSI_IRQ_INDEX; index++)
		if (e1000e_start(c) ||
		    !interrupt_arrives(c, index, 0, e1000e_raise, e1000e_stop))
			return false;
	return e1000e_ports_work(c) && rom_is_there(c);
}

static bool xhci_works(const struct client *c)
{
	__s32 events[XHCI_MESSAGES];
	bool arrive;

	for (int i = 0; i < XHCI_MESSAGES; i++)
		events[i] = event_new();
	arrive = !xhci_start(c) &&
		 !irq_events(c->device, VFIO_PCI_MSI_IRQ_INDEX, 0, XHCI_MESSAGES, events);
	for (int i = 0; i < XHCI_MESSAGES; i++) {
		arrive = arrive && !xhci_raise(c, i) && event_wait(events[i], PATIENCE_MS) == 1;
		close(events[i]);
	}
	return arrive;
}

/* ---- what is attacked ---- */

/* A part of a region. */
struct window {
	__u32 index;
	__u32 first;
	__u32 size;
};

/**
 * struct target - a function that is attacked
 * @kind: its kind
 * @nth: which one of these
 * @windows: where a write hurts the device and not the emulator, which stops for some values; one
 *	at least
 * @memory: a prefetchable BAR, which can have an alias, where there is one
 * @options: what its name is followed by when it is opened
 * @works: does it serve a client who behaves, once it was opened anew?
 *
 * While it is attacked the e1000e raises no interrupt: QEMU stops by an assertion if the kind of
 * interrupt changes within a moment after one. Its first I/O port only says which register the
 * second is.
 */
static const struct target {
	enum test_device kind;
	int nth;
	struct window windows[WINDOWS];
	__u32 memory;
	const char *options;
	bool (*works)(const struct client *c);
} targets[TARGETS] = {
	[T_EDU] = { EDU, 0, { { 0, 0, 0x80 } }, 0, "", edu_works },
	[T_DISK] = { NVME, 0, { { 0, 0, 0x2000 } }, 0, "", nvme_works },
	[T_E1000] = { E1000, 0, { { 0, 0xc0, 0x20 } }, 0, "", e1000_works },
	[T_E1000_TWIN] = { E1000, 1, { { 0, 0xc0, 0x20 } }, 0, "", e1000_works },
	[T_IVSHMEM] = { IVSHMEM, 0, { { 0, 0, 0x10 } }, 2, "", ivshmem_works },
	[T_VGA] = { VGA, 0, { { 0, 0, 0x10000 } }, 0, "", vga_works },
	[T_E1000E] = { E1000E, 0, { { 0, E1000E_FILTER, 0x200 }, { 2, 0, 4 } }, 0, "",
		       e1000e_works },
	[T_XHCI] = { XHCI, 0, { { 0, 0x40, 4 }, { 0, 0x1000, 0x220 } }, 0, "", xhci_works },
	[T_PF] = { NVME, 1, { { 0, 0, 0x2000 } }, 0, TOKEN, NULL },
	[T_VF] = { NVME, 2, { { 0, 0, 0x2000 } }, 0, TOKEN, vf_works },
};

/* ---- attacks ---- */

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

static const struct window *some_window(struct attacker *a, int target)
{
	const struct window *window = &targets[target].windows[roll(a, WINDOWS)];

	return window->size ? window : &targets[target].windows[0];
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
	const struct window *window = some_window(a, target);
	const struct client *c = &shared.client[target];
	__u64 at = window->first + roll(a, window->size);
	char bytes[64];

	if (!flip(a)) {
		memset(bytes, random_next(&a->state), sizeof(bytes));
		return region_write(c, window->index, at & ~3ULL, bytes, 4) < 0 ? -1 : 0;
	}
	if (!roll(a, 4))
		at = odd_number(a) | (__u64)odd_number(a) << 32;
	return region_read(c, roll(a, VFIO_PCI_NUM_REGIONS), at, bytes,
			   1 + roll(a, sizeof(bytes))) < 0 ? -1 : 0;
}

/* The ROM is there while the lowest bit of its address is set. */
static int attack_rom(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	char bytes[64];
	__u32 at = flip(a) ? roll(a, 4096) : odd_number(a);

	if (config_write(c, PCI_ROM_ADDRESS, 4, odd_number(a) | flip(a)))
		return -1;
	return region_read(c, VFIO_PCI_ROM_REGION_INDEX, at, bytes,
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
	const struct window *window = some_window(a, target);
	__u64 at = window->first + roll(a, window->size / 4) * 4;

	return region_ioeventfd(&shared.client[target], window->index, at,
				roll(a, 4) ? VFIO_DEVICE_IOEVENTFD_32 : odd_number(a), roll(a, 4),
				odd_fd(a));
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
		argument.groups[i] = roll(a, 4) ? shared.client[target].group : odd_fd(a);
	return ioctl(shared.client[target].device, VFIO_DEVICE_PCI_HOT_RESET, &argument);
}

/* Sometimes without the token that may be needed. */
static int attack_open(struct attacker *a, int target)
{
	const struct client *c = &shared.client[target];
	const char *options = roll(a, 4) ? targets[target].options : "";
	char name[128];
	int device;

	if (roll(a, 20))
		return 0;
	snprintf(name, sizeof(name), "%s%s", c->func.bdf, options);
	device = group_get_device(c->group, name);
	if (device < 0)
		return -1;
	close(device);
	return 0;
}

static int (* const attacks[])(struct attacker *a, int target) = {
	attack_irqs, attack_irqs, attack_config, attack_command, attack_bar, attack_rom,
	attack_mmap, attack_feature, attack_alias, attack_ioeventfd, attack_event, attack_reset,
	attack_open,
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
		*resets += !pci_reset(&shared.client[T_DISK].func);
		usleep(50000);
	}
	return NULL;
}

/* The second of two functions of one group has the group and the container of the first. */
static int open_in_group(struct client *c, const struct pci_func *func,
			 const struct client *first)
{
	c->func = *func;
	c->group = dup(first->group);
	c->container = dup(first->container);
	c->device = group_get_device(c->group, c->func.bdf);
	return c->device < 0 ? -1 : client_read_regions(c);
}

/* Does a function share the group of the one before it? */
static bool is_twin(int target, const struct pci_func *func)
{
	return target && func->group == shared.client[target - 1].func.group;
}

static int open_target(int target)
{
	struct client *c = &shared.client[target];
	struct pci_func func;

	if (pci_find(targets[target].kind, targets[target].nth, &func))
		return -1;
	if (is_twin(target, &func))
		return open_in_group(c, &func, c - 1);
	return client_open_func(c, &func, targets[target].options, VFIO_TYPE1v2_IOMMU);
}

/* Those not opened yet have all fds 0, which is not theirs to close. */
static void forget_all(void)
{
	for (int i = 0; i < TARGETS; i++)
		shared.client[i] = (struct client)CLIENT_NONE;
}

static void close_all(void)
{
	for (int i = TARGETS; i--; )
		client_close(&shared.client[i]);
}

/* The functions answer as after power-on, move data, and interrupt. */
static void check_devices(struct __test_metadata *_metadata)
{
	for (int i = 0; i < TARGETS; i++) {
		const struct client *c = &shared.client[i];
		char vendor[16];

		ASSERT_OK(pci_read(&c->func, "vendor", vendor, sizeof(vendor)));
		EXPECT_EQ(strtoul(vendor, NULL, 16), config_read(c, 0, 2));
		EXPECT_OK(config_command(c, PCI_COMMAND_MEMORY, 0));
		EXPECT_TRUE(!targets[i].works || targets[i].works(c))
			TH_LOG("%s number %d", test_device_name(targets[i].kind), targets[i].nth);
	}
}

FIXTURE(hostile)
{
	struct pci_func pf;
};

/* Nobody resets the PF, which would cost QEMU 7.2 its VFs: see sriov_test. */
FIXTURE_SETUP(hostile)
{
	forget_all();
	if (!pf_find(&self->pf))
		SKIP(return, "no SR-IOV device");
	ASSERT_OK(file_write(PARAMETER, "Y"));
	ASSERT_OK(pci_set(&self->pf, "reset_method", "\n"));
	ASSERT_OK(pf_set_vfs(&self->pf, 1));
	for (int i = 0; i < EVENTS; i++)
		shared.event[i] = event_new();
	shared.sink = memfd_create("sink", MFD_CLOEXEC);
}

FIXTURE_TEARDOWN(hostile)
{
	close_all();
	EXPECT_OK(pf_set_vfs(&self->pf, 0));
	EXPECT_OK(pci_set(&self->pf, "reset_method", "default"));
	EXPECT_OK(file_write(PARAMETER, "N"));
}

/* The same fd is from now on the other's, whoever uses it. */
static int fd_becomes(int fd, int other)
{
	return fd >= 0 && other >= 0 && dup2(other, fd) == fd ? 0 : -1;
}

/* Of two functions in one group the user keeps the group, and opens the device again. */
static int give_back_twin(struct client *c)
{
	int device = group_get_device(c->group, c->func.bdf);
	int ret = fd_becomes(c->device, device);

	fd_close(&device);
	return ret;
}

static int give_back(int target)
{
	struct client *c = &shared.client[target], fresh;
	int ret;

	if (pci_bind(&c->func, "vfio-pci"))
		return -1;
	if (is_twin(target, &c->func))
		return give_back_twin(c);
	/* The group is another now. */
	if (pci_find(targets[target].kind, targets[target].nth, &c->func) ||
	    client_open_func(&fresh, &c->func, targets[target].options, VFIO_TYPE1v2_IOMMU))
		return -1;
	ret = fd_becomes(c->container, fresh.container) | fd_becomes(c->group, fresh.group) |
	      fd_becomes(c->device, fresh.device);
	client_close(&fresh);
	return ret;
}

/*
 * The host takes one after the other. A PF would take its VFs along, and the first twin keeps the
 * group for both.
 */
static void *take_in_turn(void *data)
{
	unsigned long *taken = data;

	for (int target = 0; seconds_now() < shared.until; target = (target + 1) % TARGETS) {
		if (target == T_PF || target == T_E1000)
			continue;
		/* The attackers may have changed the token of the VF, which then stays dead. */
		if (take_back(&shared.client[target].func) ||
		    (give_back(target) && !(target == T_VF && errno == EACCES))) {
			printf("# %s number %d is not given back, error %d\n",
			       test_device_name(targets[target].kind), targets[target].nth, errno);
			*taken = 0;
			break;
		}
		++*taken;
	}
	return NULL;
}

static bool open_all(struct __test_metadata *_metadata)
{
	for (int i = 0; i < TARGETS; i++)
		if (!client_is_open(_metadata, open_target(i), targets[i].kind, targets[i].nth))
			return false;
	return true;
}

/* Returns how often the host did what it does meanwhile. */
static unsigned long attack_beside(struct __test_metadata *_metadata, void *(*host)(void *data))
{
	__u64 seed = soak_seed(20260101);
	struct attacker attackers[THREADS] = { 0 };
	unsigned long calls = 0, successes = 0, done = 0;
	pthread_t thread;

	TH_LOG("seed %llu, %d s", (unsigned long long)seed, soak_seconds());
	shared.until = seconds_now() + soak_seconds();
	for (int i = 0; i < THREADS; i++) {
		attackers[i].state = seed * (i + 1) + 1;
		if (pthread_create(&attackers[i].thread, NULL, attack, &attackers[i]))
			abort();
	}
	if (pthread_create(&thread, NULL, host, &done))
		abort();
	for (int i = 0; i < THREADS; i++) {
		pthread_join(attackers[i].thread, NULL);
		calls += attackers[i].calls;
		successes += attackers[i].successes;
	}
	pthread_join(thread, NULL);
	TH_LOG("%lu calls, of which %lu succeeded; the host: %lu", calls, successes, done);
	EXPECT_LT(0, successes);
	return done;
}

static void check_reopened(struct __test_metadata *_metadata)
{
	close_all();
	for (int i = 0; i < TARGETS; i++)
		ASSERT_OK(open_target(i));
	check_devices(_metadata);
}

TEST_F_TIMEOUT(hostile, random_calls, 3600)
{
	if (!open_all(_metadata))
		return;
	EXPECT_LT(0, attack_beside(_metadata, administrate));
	check_reopened(_metadata);
}

/* Who attacks while his devices are taken has dead ones; who comes next has them whole. */
TEST_F_TIMEOUT(hostile, devices_are_taken, 3600)
{
	if (!open_all(_metadata))
		return;
	EXPECT_LT(0, attack_beside(_metadata, take_in_turn));
	check_reopened(_metadata);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000, IVSHMEM, VGA, E1000E, XHCI };

	log_announce("reset methods disabled");
	log_announce("Device is taken back|No device request channel|Device is wanted back");

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device is taken back, again and again, in the midst of all that its user does with it: whatever
 * call is under way, it ends as on a living device or says that the device is gone, and the next
 * user has a device that works.
 *
 * SOAK_SECONDS in the environment is the time of each test [lib/soak.c], SEED the beginning of the
 * random numbers [1].
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"
#include "lib/jobs.h"

#define IOVA		(16 * MIB)
#define TYPE		VFIO_TYPE1v2_IOMMU
#define OPEN_MS		10000
#define FD_CONTAINER	500
#define FD_GROUP	501
#define FD_DEVICE	502

/**
 * struct arena - what the workers share
 * @func: the device
 * @c: what its user has to know of it; the fds are FD_...
 * @memory: a page
 * @had: the user has it
 * @taken: how often it was taken while it had a user
 */
struct arena {
	struct pci_func func;
	struct client c;
	char *memory;
	bool had;
	unsigned long taken;
};

static struct arena *arena_of(const struct worker *worker)
{
	return worker->arena;
}

/* Has the device until it is taken, and leaves the fds open for a while: they are dead. */
static int once_have(struct worker *w)
{
	struct pollfd poll_fd = { .fd = FD_DEVICE };
	struct client c;

	worker_pauses(w, 1000);
	if (client_open_func(&c, &arena_of(w)->func, NULL, TYPE)) {
		int error = errno;

		client_close(&c);
		return error;
	}
	fd_publish(&c.container, FD_CONTAINER);
	fd_publish(&c.group, FD_GROUP);
	fd_publish(&c.device, FD_DEVICE);
	__atomic_store_n(&arena_of(w)->had, true, __ATOMIC_RELAXED);
	while (!poll(&poll_fd, 1, 100) && !worker_is_stopped(w))
		;
	if (poll_fd.revents & POLLHUP)
		__atomic_fetch_add(&arena_of(w)->taken, 1, __ATOMIC_RELAXED);
	worker_pauses(w, 3000);
	for (unsigned int first = dice(w, 3), i = 0; i < 3; i++)
		close(FD_CONTAINER + (first + i) % 3);
	return 0;
}

/* Mostly from one who has it; else whatever the opener is at, which may take him long. */
static int once_take(struct worker *w)
{
	const struct pci_func *func = &arena_of(w)->func;
	bool *had = &arena_of(w)->had;

	for (int left = dice(w, 4) ? OPEN_MS : 0; left && !worker_is_stopped(w); left--) {
		if (__atomic_exchange_n(had, false, __ATOMIC_RELAXED))
			break;
		usleep(1000);
	}
	worker_pauses(w, 100000);
	if (revoke_after(func, 0) || pci_unbind(func))
		return errno;
	worker_pauses(w, 3000);
	return to_errno(pci_bind(func, "vfio-pci"));
}

static int once_interrupts(struct worker *w)
{
	static const __u32 indexes[] = {
		VFIO_PCI_INTX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_MSIX_IRQ_INDEX,
		VFIO_PCI_ERR_IRQ_INDEX, VFIO_PCI_REQ_IRQ_INDEX,
	};
	__u32 index = indexes[dice(w, ARRAY_SIZE(indexes))];
	__s32 event;
	int error;

	worker_pauses(w, 500);
	if (!dice(w, 3))
		return to_errno(irq_disable(FD_DEVICE, index));
	event = event_new();
	error = to_errno(irq_events(FD_DEVICE, index, 0, 1, &event));
	close(event);
	return error;
}

static int once_reset(struct worker *w)
{
	worker_pauses(w, 5000);
	return to_errno(ioctl(FD_DEVICE, VFIO_DEVICE_RESET));
}

/* ENOTTY: it was reset, by a port that does not say when its link is up again. */
static int once_hot_reset(struct worker *w)
{
	struct {
		struct vfio_pci_hot_reset head;
		__s32 group;
	} reset = { .head = { .argsz = sizeof(reset), .count = 1 }, .group = FD_GROUP };

	worker_pauses(w, 5000);
	if (!ioctl(FD_DEVICE, VFIO_DEVICE_PCI_HOT_RESET, &reset) || errno == ENOTTY)
		return 0;
	return errno;
}

/* The BAR of a device that one has, or all ones: nothing else is ever seen there. */
static int once_map_bar(struct worker *w)
{
	struct client c = arena_of(w)->c;
	__u32 *bar, seen;

	worker_pauses(w, 500);
	c.device = FD_DEVICE;
	bar = region_map(&c, VFIO_PCI_BAR0_REGION_INDEX, 0, PAGE);
	if (bar == MAP_FAILED)
		return errno;
	seen = bar_look(bar);
	worker_pauses(w, 2000);
	seen = bar_look(bar) == ONES ? ONES : seen;
	munmap(bar, PAGE);
	return seen ? 0 : EPROTO;
}

static int once_config(struct worker *w)
{
	__u16 command = PCI_COMMAND_MEMORY | (dice(w, 2) ? PCI_COMMAND_MASTER : 0);
	__u64 config = arena_of(w)->c.region[VFIO_PCI_CONFIG_REGION_INDEX].offset;

	worker_pauses(w, 500);
	if (dice(w, 2))
		return to_errno(pread(FD_DEVICE, &command, sizeof(command), config));
	return to_errno(pwrite(FD_DEVICE, &command, sizeof(command), config + PCI_COMMAND));
}

static int once_open_again(struct worker *w)
{
	int fd;

	worker_pauses(w, 3000);
	fd = group_get_device(FD_GROUP, arena_of(w)->func.bdf);
	if (fd < 0)
		return errno;
	worker_pauses(w, 3000);
	close(fd);
	return 0;
}

static int once_map_memory(struct worker *w)
{
	worker_pauses(w, 1000);
	if (dice(w, 2))
		return to_errno(dma_map_rw(FD_CONTAINER, arena_of(w)->memory, IOVA, PAGE));
	return to_errno(dma_unmap(FD_CONTAINER, 0, IOVA, PAGE));
}

/*
 * EBADF everywhere: the user has just closed. ENODEV: the device was taken. EAGAIN here: who takes
 * the device keeps its reset from being made; else as for any opener of a group.
 */
static const struct job have = {
	"have", once_have, { ENOENT, ENODEV, ENXIO, EINVAL, EBUSY, EAGAIN }
};

static const struct job take = { "take", once_take, { 0 } };
/* EINVAL: another interrupt is set up. */
static const struct job interrupts = {
	"interrupts", once_interrupts, { EBADF, ENODEV, EINVAL }
};

/* EAGAIN: others reset all the time. */
static const struct job reset = { "reset", once_reset, { EBADF, ENODEV, EAGAIN } };
/* EINVAL: the group's fd is none of this device's group, any more. */
static const struct job hot_reset = {
	"hot reset", once_hot_reset, { EBADF, ENODEV, EAGAIN, EINVAL }
};

static const struct job map_bar = { "map a BAR", once_map_bar, { EBADF, ENODEV } };
static const struct job config = { "config space", once_config, { EBADF, ENODEV } };
/* EINVAL: the group is in no container; its last device, or its user, has just left. */
static const struct job open_again = { "open again", once_open_again, { EBADF, ENODEV, EINVAL } };
static const struct job map_memory = {
	"map memory", once_map_memory, { EBADF, EINVAL, EEXIST }
};

FIXTURE(taken)
{
	struct arena arena;
	__u64 identity;
};

FIXTURE_VARIANT(taken)
{
	enum test_device device;
};

FIXTURE_VARIANT_ADD(taken, nvme) { .device = NVME };
FIXTURE_VARIANT_ADD(taken, e1000e) { .device = E1000E };

FIXTURE_SETUP(taken)
{
	struct arena *arena = &self->arena;
	struct client *c = &arena->c;

	open_or_skip(_metadata, c, variant->device, 0, TYPE);
	arena->func = c->func;
	self->identity = config_read(c, 0, 4);
	arena->memory = memory_new(PAGE);
	ASSERT_NE(NULL, arena->memory);
	client_close(c);
}

/* Nothing is left, and the next user has all of the device. */
FIXTURE_TEARDOWN(taken)
{
	struct client c;
	__s32 event = event_new();

	EXPECT_TRUE(locked_becomes(0));
	ASSERT_OK(client_open_func(&c, &self->arena.func, NULL, TYPE));
	EXPECT_OK(dma_map_rw(c.container, self->arena.memory, IOVA, PAGE));
	EXPECT_OK(irq_events(c.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 1, &event));
	EXPECT_EQ(self->identity, config_read(&c, 0, 4));
	client_close(&c);
	close(event);
}

TEST_F_TIMEOUT(taken, in_the_midst, 3600)
{
	EXPECT_TRUE(RUN_JOBS(&self->arena, soak_seconds(), &have, &take, &interrupts, &interrupts,
			     &reset, &hot_reset, &map_bar, &map_bar, &config, &open_again,
			     &map_memory));
	EXPECT_LT(0, self->arena.taken);
	ksft_print_msg("taken %lu times\n", self->arena.taken);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { NVME, E1000E };

	log_announce("Device is taken back|No device request channel|Device is wanted back");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

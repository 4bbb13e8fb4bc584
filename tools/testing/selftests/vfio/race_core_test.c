// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: container, group and device opened, used and closed by many threads and
 * processes, while groups leave their container and devices their driver. Whatever comes first,
 * each call ends with one of the errors that it may end with, and afterwards all is as it was.
 *
 * SOAK_SECONDS in the environment is the length of the test of neighbours, and of all others
 * together [lib/soak.c], SEED the beginning of the random numbers [1].
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/check.h"
#include "lib/jobs.h"

#define IOVA		(16 * MIB)
#define NR_TESTS	4
#define FD_CONTAINER	500
#define FD_GROUP	501
#define FD_DEVICE	502

/* What the workers of a test share. Some close and open its fds while others use them. */
struct arena {
	struct client c;	/* of EDU 0; fds may be -1 or stale at any time */
	struct client other;	/* of EDU 1 */
	char *memory;
	const char *host_driver; /* of other, where that is a neighbour of c */
	unsigned long lent;	/* how often the host had that device */
};

static struct arena *arena_of(const struct worker *worker)
{
	return worker->arena;
}

/* One of several tests' share of the time. */
static int share_of_time(void)
{
	return soak_seconds() / NR_TESTS + 1;
}

/* ---- the jobs ---- */

static int once_map(struct worker *w)
{
	__u64 page = dice(w, 4);

	return to_errno(dma_map_rw(arena_of(w)->c.container, arena_of(w)->memory + page * PAGE,
				   IOVA + page * PAGE, PAGE));
}

static int once_unmap(struct worker *w)
{
	return to_errno(dma_unmap(arena_of(w)->c.container, 0, IOVA, (1 + dice(w, 4)) * PAGE));
}

static int once_ask(struct worker *w)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = dice(w, 2) ? VFIO_IOMMU_DIRTY_PAGES_FLAG_START :
				      VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
	};
	struct iommu_info info;
	int container = arena_of(w)->c.container;

	switch (dice(w, 3)) {
	case 0:
		return to_errno(iommu_info(container, &info));
	case 1:
		return to_errno(ioctl(container, VFIO_CHECK_EXTENSION, dice(w, 12)));
	default:
		return to_errno(ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty));
	}
}

static int once_set_iommu(struct worker *w)
{
	return to_errno(ioctl(arena_of(w)->c.container, VFIO_SET_IOMMU,
			      dice(w, 2) ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU));
}

static int join_and_leave(struct worker *w, int group)
{
	if (dice(w, 2))
		return to_errno(group_set_container(group, arena_of(w)->c.container));
	return to_errno(ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
}

static int once_join_and_leave(struct worker *w)
{
	return join_and_leave(w, arena_of(w)->c.group);
}

static int once_other_joins(struct worker *w)
{
	return join_and_leave(w, arena_of(w)->other.group);
}

/* The last close of a group takes it out of the container. The new fd takes the old one's place. */
static int once_reopen_group(struct worker *w)
{
	struct client *c = &arena_of(w)->other;
	int fd;

	fd = __atomic_exchange_n(&c->group, -1, __ATOMIC_RELAXED);
	fd_close(&fd);
	fd = group_open(c->func.group);
	if (fd < 0)
		return errno;
	__atomic_store_n(&c->group, fd, __ATOMIC_RELAXED);
	return to_errno(group_set_container(fd, arena_of(w)->c.container));
}

static int once_open_device(struct worker *w)
{
	const struct client *c = &arena_of(w)->c;
	int fd = group_get_device(c->group, c->func.bdf);
	int error = to_errno(fd);

	if (fd >= 0)
		close(fd);
	return error;
}

/* An open of its own, with some use of it. */
static int once_use_device(struct worker *w)
{
	struct client c = arena_of(w)->c;
	__s32 event;
	void *bar;

	c.device = group_get_device(c.group, c.func.bdf);
	if (c.device < 0)
		return errno;
	client_read_regions(&c);
	switch (dice(w, 4)) {
	case 0:
		event = event_new();
		irq_events(c.device, VFIO_PCI_INTX_IRQ_INDEX + dice(w, 2), 0, 1, &event);
		close(event);
		break;
	case 1:
		bar = region_map(&c, VFIO_PCI_BAR0_REGION_INDEX, 0, PAGE);
		if (bar != MAP_FAILED) {
			edu_start(&c);
			munmap(bar, PAGE);
		}
		break;
	case 2:
		ioctl(c.device, VFIO_DEVICE_RESET);
		break;
	}
	config_read(&c, 4 * dice(w, 16), 4);
	close(c.device);
	return 0;
}

/* The whole way from nothing, beside others who try the same. */
static int once_whole_client(struct worker *w)
{
	struct client c;
	int error = 0;

	if (client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return errno;
	if (dma_map_rw(c.container, arena_of(w)->memory, IOVA, PAGE))
		error = errno;
	client_close(&c);
	return error;
}

static int once_rebind(struct worker *w)
{
	if (pci_unbind(&arena_of(w)->c.func) || pci_bind(&arena_of(w)->c.func, "vfio-pci"))
		return errno;
	return 0;
}

static int once_look(struct worker *w)
{
	static const char * const names[] = { "state", "holder", "devices", "blockers" };
	char path[64], text[256];

	snprintf(path, sizeof(path), "/sys/class/vfio/%d/%s", arena_of(w)->c.func.group,
		 names[dice(w, ARRAY_SIZE(names))]);
	return to_errno(file_read(path, text, sizeof(text)));
}

/* EINVAL is a group that is not attached, a container that has no backend, and the like. */
static const struct job map = { "map", once_map, { EINVAL, EEXIST } };
static const struct job unmap = { "unmap", once_unmap, { EINVAL } };
/* EACCES: no dirty tracking with the first version of the backend. */
static const struct job ask = { "ask", once_ask, { EINVAL, EACCES } };
static const struct job set_iommu = { "set iommu", once_set_iommu, { EINVAL } };
static const struct job join = { "join and leave", once_join_and_leave, { EINVAL, EBUSY } };
static const struct job other = { "other joins", once_other_joins, { EINVAL, EBADF } };
static const struct job reopen = { "reopen group", once_reopen_group, { EINVAL, EBUSY } };
static const struct job open_device = { "open device", once_open_device, { EINVAL } };
static const struct job use_device = { "use device", once_use_device, { EINVAL } };
static const struct job rebind = { "rebind", once_rebind, { 0 } };
static const struct job look = { "look", once_look, { ENOENT, ENODEV } };

/* No node, a node that goes, or another opener; a device that leaves between two steps. */
static const struct job whole_client = {
	"whole client", once_whole_client, { ENOENT, ENXIO, ENODEV, EBUSY, EINVAL }
};

FIXTURE(race)
{
	struct arena arena;
};

FIXTURE_SETUP(race)
{
	struct arena *arena = &self->arena;

	if (!client_is_open(_metadata, client_open_group(&arena->c, EDU, 0), EDU, 0) ||
	    !client_is_open(_metadata, client_open_group(&arena->other, EDU, 1), EDU, 1))
		return;
	arena->memory = memory_new(4 * PAGE);
	ASSERT_NE(NULL, arena->memory);
}

/*
 * Whatever happened: nothing is mapped or charged, and everything works from the start. What a
 * group left behind while other threads used the memory management may be counted back later.
 */
FIXTURE_TEARDOWN(race)
{
	struct client c;

	client_close(&self->arena.c);
	client_close(&self->arena.other);
	EXPECT_TRUE(locked_becomes(0));
	for (int nth = 0; nth < 2; nth++) {
		ASSERT_OK(client_open(&c, EDU, nth, VFIO_TYPE1v2_IOMMU));
		EXPECT_OK(dma_map_rw(c.container, self->arena.memory, IOVA, PAGE));
		EXPECT_EQ(0x1234, config_read(&c, 0, 2));
		client_close(&c);
	}
}

/*
 * The backend's ioctls while the last group leaves and comes back, by UNSET_CONTAINER and by its
 * last close, and SET_IOMMU besides: no call may see a backend that was released under it.
 */
TEST_F_TIMEOUT(race, container, 3600)
{
	EXPECT_TRUE(RUN_JOBS(&self->arena, share_of_time(), &map, &map, &unmap, &ask, &set_iommu,
			     &set_iommu, &join, &other, &reopen));
}

/* Devices opened, used and closed while their group tries to leave its container. */
TEST_F_TIMEOUT(race, device, 3600)
{
	EXPECT_TRUE(RUN_JOBS(&self->arena, share_of_time(), &open_device, &open_device,
			     &use_device, &use_device, &join, &set_iommu, &map, &unmap, &look));
}

/* Openers while the device goes from its driver and comes back. */
TEST_F_TIMEOUT(race, bind, 3600)
{
	fd_close(&self->arena.c.group);
	EXPECT_TRUE(RUN_JOBS(&self->arena, share_of_time(), &rebind, &whole_client, &whole_client,
			     &whole_client, &look, &look));
}

/* ---- neighbours ---- */

/* Opens all but perhaps the device, lets others use it, and closes it in any order. */
static int once_open_and_close(struct worker *w)
{
	struct client c;

	worker_pauses(w, 10000);
	if (client_open_group(&c, E1000, 0) || group_set_container(c.group, c.container) ||
	    ioctl(c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		client_close(&c);
		return errno;
	}
	/* Its last close resets it, which takes a second where the whole bus has to be reset. */
	if (!dice(w, 8))
		c.device = group_get_device(c.group, c.func.bdf);
	fd_publish(&c.container, FD_CONTAINER);
	fd_publish(&c.group, FD_GROUP);
	fd_publish(&c.device, FD_DEVICE);
	usleep(dice(w, 50000));
	for (unsigned int first = dice(w, 3), i = 0; i < 3; i++)
		close(FD_CONTAINER + (first + i) % 3);
	return 0;
}

static int once_group_comes_and_goes(struct worker *w)
{
	int container = FD_CONTAINER;
	__u32 flags;

	usleep(dice(w, 500));
	switch (dice(w, 3)) {
	case 0:
		return to_errno(group_status(FD_GROUP, &flags));
	case 1:
		return to_errno(ioctl(FD_GROUP, VFIO_GROUP_SET_CONTAINER, &container));
	default:
		return to_errno(ioctl(FD_GROUP, VFIO_GROUP_UNSET_CONTAINER));
	}
}

static int open_through_group(const struct pci_func *func)
{
	struct client c = { .device = group_get_device(FD_GROUP, func->bdf) };

	if (c.device < 0)
		return errno;
	client_read_regions(&c);
	config_read(&c, 0, 4);
	close(c.device);
	return 0;
}

static int once_get_device(struct worker *w)
{
	worker_pauses(w, 10000);
	return open_through_group(&arena_of(w)->c.func);
}

static int once_get_neighbour(struct worker *w)
{
	worker_pauses(w, 10000);
	return open_through_group(&arena_of(w)->other.func);
}

/*
 * From VFIO to nobody, to the host, or to its driver that does nothing, which blocks nobody and is
 * quick, and back. The way back is always open.
 */
static int once_neighbour(struct worker *w)
{
	static const char * const quick[] = { NULL, "pci-stub" };
	struct arena *arena = arena_of(w);
	const char *driver = arena->lent % 8 == 4 ? arena->host_driver : quick[dice(w, 2)];
	const struct pci_func *func = &arena->other.func;
	int error;

	worker_pauses(w, 10000);
	error = to_errno(driver ? pci_bind(func, driver) : pci_unbind(func));
	if (!error)
		arena->lent++;
	worker_pauses(w, 10000);
	return pci_bind(func, "vfio-pci") ? ECANCELED : error;
}

/* What fdinfo tells of an fd is of this fd: EPROTO if not. */
static int once_fdinfo(struct worker *w)
{
	const struct client *c = &arena_of(w)->c;
	char text[64] = "";

	usleep(dice(w, 500));
	switch (dice(w, 3)) {
	case 0:
		if (fdinfo_get(FD_CONTAINER, "vfio-container-number", text, sizeof(text)))
			return errno;
		return atoi(text) > 0 ? 0 : EPROTO;
	case 1:
		if (fdinfo_get(FD_GROUP, "vfio-group", text, sizeof(text)))
			return errno;
		return atoi(text) == c->func.group ? 0 : EPROTO;
	default:
		if (fdinfo_get(FD_DEVICE, "vfio-device-name", text, sizeof(text)))
			return errno;
		return strcmp(text, c->func.bdf) ? EPROTO : 0;
	}
}

/* EBUSY: another has the group. EPERM (or EBUSY): the host has the neighbour. EBADF: closed. */
static const struct job open_close = {
	"open and close", once_open_and_close, { EBUSY, EPERM }
};

static const struct job come_and_go = {
	"come and go", once_group_comes_and_goes, { EBADF, EINVAL, EBUSY, EPERM }
};

static const struct job get_device = { "get device", once_get_device, { EBADF, EINVAL } };

/* ENODEV: VFIO has not got it. */
static const struct job get_neighbour = {
	"get neighbour", once_get_neighbour, { EBADF, EINVAL, ENODEV }
};

/* EINVAL: the driver core keeps the host out of a group that is in use. */
static const struct job neighbour = { "neighbour", once_neighbour, { EINVAL } };

static const struct job fdinfo = { "fdinfo", once_fdinfo, { ENOENT } };
static const struct job look_at_it = { "look", once_look, { 0 } };

FIXTURE(beside)
{
	struct arena arena;
};

FIXTURE_SETUP(beside)
{
	struct arena *arena = &self->arena;

	if (pci_find(E1000, 0, &arena->c.func) || pci_find(E1000, 1, &arena->other.func))
		SKIP(return, "no two devices %s", test_device_name(E1000));
	ASSERT_EQ(arena->c.func.group, arena->other.func.group);
	if (!driver_is_there("pci-stub"))
		SKIP(return, "the kernel has no driver pci-stub");
	arena->host_driver = driver_is_there("e1000") ? "e1000" : "pci-stub";
	arena->memory = memory_new(PAGE);
	ASSERT_NE(NULL, arena->memory);
}

/* The group is free and usable, with both of its devices. */
FIXTURE_TEARDOWN(beside)
{
	struct client c;
	int other;

	EXPECT_TRUE(locked_becomes(0));
	EXPECT_OK(pci_bind(&self->arena.other.func, "vfio-pci"));
	ASSERT_OK(client_open(&c, E1000, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(dma_map_rw(c.container, self->arena.memory, IOVA, PAGE));
	EXPECT_EQ(0x8086, config_read(&c, 0, 2));
	other = group_get_device(c.group, self->arena.other.func.bdf);
	EXPECT_LE(0, other);
	close(other);
	client_close(&c);
}

/*
 * A group is opened, used, looked at and closed while its other device goes to a driver of the host
 * and comes back. Each step works, or says that the other one has the device.
 */
TEST_F_TIMEOUT(beside, neighbour, 3600)
{
	EXPECT_TRUE(RUN_JOBS(&self->arena, soak_seconds(), &open_close, &open_close, &come_and_go,
			     &get_device, &get_neighbour, &neighbour, &fdinfo, &fdinfo,
			     &look_at_it));
	EXPECT_LT(0, self->arena.lent);
}

/* ---- processes ---- */

/* A child that uses what it inherited and what it is sent, until it is killed. */
static void child_life(const struct client *parents, int socket, char *memory)
{
	struct client c = *parents;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		config_read(&c, 0, 4);
		dma_map_rw(c.container, memory, IOVA + getpid() * PAGE, PAGE);
		close(group_get_device(c.group, c.func.bdf));
		close(fd_receive(socket));
	}
}

/*
 * A process and its children share fds by fork and by sockets; each may be killed at any time. The
 * last one that goes takes everything with it.
 */
TEST_F_TIMEOUT(race, processes, 3600)
{
	struct arena *arena = &self->arena;
	time_t end = time(NULL) + share_of_time();
	struct worker w = { .arena = arena, .seed = soak_seed(1) };
	struct client *c = &arena->c;
	pid_t children[4];
	unsigned long rounds = 0;
	int sockets[2];

	fd_close(&c->group);
	while (time(NULL) < end) {
		ASSERT_OK(client_open(c, EDU, 0, VFIO_TYPE1v2_IOMMU));
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
			children[i] = fork();
			if (!children[i])
				child_life(c, sockets[1], arena->memory);
		}
		for (unsigned int n = dice(&w, 20); n; n--)
			fd_send(sockets[0], dice(&w, 2) ? c->device : c->group,
				MSG_DONTWAIT);
		client_close(c);
		for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
			usleep(dice(&w, 10000));
			kill(children[i], SIGKILL);
		}
		for (size_t i = 0; i < ARRAY_SIZE(children); i++)
			waitpid(children[i], NULL, 0);
		close(sockets[0]);
		close(sockets[1]);
		rounds++;
	}
	ksft_print_msg("seed %u, %lu rounds\n", soak_seed(1), rounds);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	log_announce("No device request channel registered");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

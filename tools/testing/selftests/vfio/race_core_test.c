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

#define IOVA		(16 * MIB)
#define NR_TESTS	4
#define MAX_WORKERS	12
#define OVERTIME	200	/* seconds, for jobs that have not succeeded yet */
#define OUTCOMES	256
#define FD_CONTAINER	500
#define FD_GROUP	501
#define FD_DEVICE	502

/* ---- workers: threads that do one thing over and over ---- */

/* What the workers of a test share. Some close and open its fds while others use them. */
struct arena {
	struct client c;	/* of EDU 0; fds may be -1 or stale at any time */
	struct client other;	/* of EDU 1 */
	char *memory;
	const char *host_driver; /* of other, where that is a neighbour of c */
	unsigned long lent;	/* how often the host had that device */
	unsigned int seed;
	bool stop;
};

struct worker;

/**
 * struct job - something to do over and over
 * @name: for the report
 * @once: does it once; returns 0 or the errno it ended with
 * @may: the errnos that are no failure, 0 for the end of the list
 */
struct job {
	const char *name;
	int (*once)(struct worker *worker);
	int may[12];
};

struct worker {
	pthread_t thread;
	const struct job *job;
	struct arena *arena;
	unsigned int seed;
	unsigned long times[OUTCOMES];	/* by errno */
};

static unsigned int dice(struct worker *worker, unsigned int sides)
{
	return rand_r(&worker->seed) % sides;
}

static bool stopped(const struct arena *arena)
{
	return __atomic_load_n(&arena->stop, __ATOMIC_RELAXED);
}

static void *work(void *data)
{
	struct worker *worker = data;

	while (!stopped(worker->arena)) {
		int error = worker->job->once(worker);

		__atomic_fetch_add(&worker->times[error & (OUTCOMES - 1)], 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static bool may_end_with(const struct job *job, int error)
{
	for (const int *may = job->may; *may; may++)
		if (*may == error)
			return true;
	return !error;
}

/* How often each errno came; false if one came that may not. */
static bool report(const struct worker *worker)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%-16s", worker->job->name);
	bool good = true;

	for (int error = 0; error < OUTCOMES; error++) {
		if (!worker->times[error])
			continue;
		length += snprintf(line + length, sizeof(line) - length, " %s%s %lu",
				   may_end_with(worker->job, error) ? "" : "NOT EXPECTED: ",
				   errno_name(error), worker->times[error]);
		good = good && may_end_with(worker->job, error);
	}
	ksft_print_msg("%s\n", line);
	return good;
}

static unsigned int first_seed(void)
{
	const char *text = getenv("SEED");

	return text ? atoi(text) : 1;
}

/* The first job that none of its workers has done with success; NULL if there is none. */
static const struct job *job_in_vain(const struct worker *workers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned long successes = 0;

		for (size_t k = 0; k < count; k++)
			if (workers[k].job == workers[i].job)
				successes += __atomic_load_n(&workers[k].times[0],
							     __ATOMIC_RELAXED);
		if (!successes)
			return workers[i].job;
	}
	return NULL;
}

/*
 * Runs a worker for each job, all at once, for that many seconds. A race with a job that never
 * gets to its end shows little, so it goes on until each has succeeded once, and fails if one
 * cannot.
 */
static bool run_jobs(struct arena *arena, int seconds, const struct job * const *jobs,
		     size_t count)
{
	struct worker workers[MAX_WORKERS] = {};
	struct timespec length = { .tv_sec = seconds };
	bool good = true;

	ksft_print_msg("seed %u, %ld s\n", arena->seed, (long)length.tv_sec);
	for (size_t i = 0; i < count; i++) {
		workers[i].job = jobs[i];
		workers[i].arena = arena;
		workers[i].seed = arena->seed + i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return false;
	}
	nanosleep(&length, NULL);
	for (int more = 10 * OVERTIME; more && job_in_vain(workers, count); more--)
		usleep(100000);
	__atomic_store_n(&arena->stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < count; i++) {
		pthread_join(workers[i].thread, NULL);
		good = report(&workers[i]) && good;
	}
	if (job_in_vain(workers, count)) {
		ksft_print_msg("%s never succeeded\n", job_in_vain(workers, count)->name);
		return false;
	}
	return good;
}

#define RUN_JOBS(arena, seconds, ...) ({				\
	static const struct job * const _jobs[] = { __VA_ARGS__ };	\
									\
	run_jobs(arena, seconds, _jobs, ARRAY_SIZE(_jobs));		\
})

/* One of several tests' share of the time. */
static int share_of_time(void)
{
	return soak_seconds() / NR_TESTS + 1;
}

/* ---- the jobs ---- */

static int to_errno(long long result)
{
	return result < 0 ? errno : 0;
}

static int once_map(struct worker *w)
{
	__u64 page = dice(w, 4);

	return to_errno(dma_map_rw(w->arena->c.container, w->arena->memory + page * PAGE,
				   IOVA + page * PAGE, PAGE));
}

static int once_unmap(struct worker *w)
{
	return to_errno(dma_unmap(w->arena->c.container, 0, IOVA, (1 + dice(w, 4)) * PAGE));
}

static int once_ask(struct worker *w)
{
	struct vfio_iommu_type1_dirty_bitmap dirty = {
		.argsz = sizeof(dirty),
		.flags = dice(w, 2) ? VFIO_IOMMU_DIRTY_PAGES_FLAG_START :
				      VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP,
	};
	struct iommu_info info;
	int container = w->arena->c.container;

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
	return to_errno(ioctl(w->arena->c.container, VFIO_SET_IOMMU,
			      dice(w, 2) ? VFIO_TYPE1_IOMMU : VFIO_TYPE1v2_IOMMU));
}

static int join_and_leave(struct worker *w, int group)
{
	if (dice(w, 2))
		return to_errno(group_set_container(group, w->arena->c.container));
	return to_errno(ioctl(group, VFIO_GROUP_UNSET_CONTAINER));
}

static int once_join_and_leave(struct worker *w)
{
	return join_and_leave(w, w->arena->c.group);
}

static int once_other_joins(struct worker *w)
{
	return join_and_leave(w, w->arena->other.group);
}

/* The last close of a group takes it out of the container. The new fd takes the old one's place. */
static int once_reopen_group(struct worker *w)
{
	struct client *c = &w->arena->other;
	int fd;

	fd = __atomic_exchange_n(&c->group, -1, __ATOMIC_RELAXED);
	fd_close(&fd);
	fd = group_open(c->func.group);
	if (fd < 0)
		return errno;
	__atomic_store_n(&c->group, fd, __ATOMIC_RELAXED);
	return to_errno(group_set_container(fd, w->arena->c.container));
}

static int once_open_device(struct worker *w)
{
	const struct client *c = &w->arena->c;
	int fd = group_get_device(c->group, c->func.bdf);
	int error = to_errno(fd);

	if (fd >= 0)
		close(fd);
	return error;
}

/* An open of its own, with some use of it. */
static int once_use_device(struct worker *w)
{
	struct client c = w->arena->c;
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
	if (dma_map_rw(c.container, w->arena->memory, IOVA, PAGE))
		error = errno;
	client_close(&c);
	return error;
}

static int once_rebind(struct worker *w)
{
	if (pci_unbind(&w->arena->c.func) || pci_bind(&w->arena->c.func, "vfio-pci"))
		return errno;
	return 0;
}

static int once_look(struct worker *w)
{
	static const char * const names[] = { "state", "holder", "devices", "blockers" };
	char path[64], text[256];

	snprintf(path, sizeof(path), "/sys/class/vfio/%d/%s", w->arena->c.func.group,
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
	arena->seed = first_seed();
}

/* Whatever happened: nothing is mapped or charged, and everything works from the start. */
FIXTURE_TEARDOWN(race)
{
	struct client c;

	client_close(&self->arena.c);
	client_close(&self->arena.other);
	EXPECT_EQ(0, locked_kib());
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

/* An fd moves to a number of its own, where nobody else's fd can be taken for it. */
static void publish(int *fd, int number)
{
	if (*fd >= 0)
		dup3(*fd, number, O_CLOEXEC);
	fd_close(fd);
}

/* The others would leave no processor to those whose steps take their time. */
static void pause_for_others(struct worker *w)
{
	usleep(dice(w, 10000));
}

/* Opens all but perhaps the device, lets others use it, and closes it in any order. */
static int once_open_and_close(struct worker *w)
{
	struct client c;

	pause_for_others(w);
	if (client_open_group(&c, E1000, 0) || group_set_container(c.group, c.container) ||
	    ioctl(c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU)) {
		client_close(&c);
		return errno;
	}
	/* Its last close resets it, which takes a second where the whole bus has to be reset. */
	if (!dice(w, 8))
		c.device = group_get_device(c.group, c.func.bdf);
	publish(&c.container, FD_CONTAINER);
	publish(&c.group, FD_GROUP);
	publish(&c.device, FD_DEVICE);
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
	pause_for_others(w);
	return open_through_group(&w->arena->c.func);
}

static int once_get_neighbour(struct worker *w)
{
	pause_for_others(w);
	return open_through_group(&w->arena->other.func);
}

/*
 * From VFIO to nobody, to the host, or to its driver that does nothing, which blocks nobody and is
 * quick, and back. The way back is always open.
 */
static int once_neighbour(struct worker *w)
{
	static const char * const quick[] = { NULL, "pci-stub" };
	const char *driver = w->arena->lent % 8 == 4 ? w->arena->host_driver : quick[dice(w, 2)];
	const struct pci_func *func = &w->arena->other.func;
	int error;

	pause_for_others(w);
	error = to_errno(driver ? pci_bind(func, driver) : pci_unbind(func));
	if (!error)
		w->arena->lent++;
	pause_for_others(w);
	return pci_bind(func, "vfio-pci") ? ECANCELED : error;
}

/* What fdinfo tells of an fd is of this fd: EPROTO if not. */
static int once_fdinfo(struct worker *w)
{
	const struct client *c = &w->arena->c;
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
	arena->seed = first_seed();
}

/* The group is free and usable, with both of its devices. */
FIXTURE_TEARDOWN(beside)
{
	struct client c;
	int other;

	EXPECT_EQ(0, locked_kib());
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
	struct worker w = { .arena = arena, .seed = arena->seed };
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
	ksft_print_msg("seed %u, %lu rounds\n", arena->seed, rounds);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000 };

	log_announce("No device request channel registered");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device can be taken back from any user, whatever he is doing, and the user sees what he would
 * see if the hardware were pulled out.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)

/* ---- one process ---- */

FIXTURE(owner)
{
	struct client c;
	char *memory;
};

FIXTURE_SETUP(owner)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = memory_new(4 * PAGE);
	ASSERT_NE(NULL, self->memory);
	ASSERT_OK(edu_start(&self->c));
}

FIXTURE_TEARDOWN(owner)
{
	if (!access(LINGER_MS, W_OK))
		file_write(LINGER_MS, "0");
	client_close(&self->c);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
	EXPECT_TRUE(locked_becomes(0));
}

/* All calls answer ENODEV, and poll() says ERR and HUP; before, it says that all can be done. */
TEST_F(owner, calls)
{
	struct pollfd poll_fd = { .fd = self->c.device, .events = POLLIN | POLLOUT };

	EXPECT_EQ(1, poll(&poll_fd, 1, 0));
	EXPECT_EQ(POLLIN | POLLOUT, poll_fd.revents);
	EXPECT_FALSE(is_dead(self->c.device));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_TRUE(is_dead(self->c.device));
}

/* The group is gone with its last device: its calls answer ENODEV, its node is not there. */
TEST_F(owner, group)
{
	__u32 flags;

	ASSERT_OK(take_back(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->c.func.bdf));
	EXPECT_ERRNO(ENOENT, group_open(self->c.func.group));
}

/* The container is as new: no backend, no memory locked. */
TEST_F(owner, container)
{
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 4 * PAGE));
	EXPECT_EQ(16, locked_kib());
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(0, locked_kib());
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, 4 * PAGE));
	EXPECT_EQ(1, ioctl(self->c.container, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
}

/* Mappings, touched before or not, read ones, take writes without harm, and raise no signal. */
TEST_F(owner, mapping)
{
	__u32 *bar = region_map(&self->c, 0, 0, 2 * PAGE);

	ASSERT_NE(MAP_FAILED, (void *)bar);
	EXPECT_NE(ONES, bar_look(bar));
	ASSERT_OK(take_back(&self->c.func));
	for (unsigned int i = 0; i < 2 * PAGE / sizeof(*bar); i++)
		ASSERT_EQ(ONES, bar_look(bar + i));
	bar[0] = 0;
	bar[PAGE / sizeof(*bar) + 5] = 12345;
	EXPECT_TRUE(becomes_ones(&bar[0]));
	EXPECT_TRUE(becomes_ones(&bar[PAGE / sizeof(*bar) + 5]));
	client_close(&self->c);
	EXPECT_EQ(ONES, bar_look(bar + 1));
	munmap(bar, 2 * PAGE);
}

/* So do those of a child. */
TEST_F(owner, mapping_of_child)
{
	__u32 *bar = region_map(&self->c, 0, 0, PAGE);
	int ready[2], go[2];
	char byte = 0;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, (void *)bar);
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		byte = bar_look(bar) != ONES ? 'y' : 'n';
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(2);
		_exit(bar_look(bar) == ONES && bar_look(bar + 1) == ONES ? 0 : 1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ('y', byte);
	ASSERT_OK(take_back(&self->c.func));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
}

/* So does every view of a BAR, in this process and in a child. */
TEST(alias_is_dead)
{
	__u32 *plain, *combining, alias;
	struct vfio_region_info info;
	struct client c;
	int ready[2], go[2];
	char byte = 0;
	pid_t pid;

	if (!open_or_skip(_metadata, &c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(region_alias(c.device, 2, VFIO_REGION_ALIAS_WC, &alias));
	ASSERT_OK(region_info(c.device, alias, &info));
	plain = region_map(&c, 2, 0, PAGE);
	combining = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, c.device, info.offset);
	ASSERT_NE(MAP_FAILED, (void *)plain);
	ASSERT_NE(MAP_FAILED, (void *)combining);
	*combining = 12345;
	__sync_synchronize();
	EXPECT_EQ(12345, bar_look(plain));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		byte = bar_look(combining) == 12345 && bar_look(plain) == 12345 ? 'y' : 'n';
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(2);
		*combining = 54321;
		_exit(becomes_ones(combining) && becomes_ones(plain) &&
		      bar_look(combining + PAGE / sizeof(*combining)) == ONES ? 0 : 1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_EQ('y', byte);
	ASSERT_OK(take_back(&c.func));
	EXPECT_EQ(ONES, bar_look(combining));
	EXPECT_EQ(ONES, bar_look(plain));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	client_close(&c);

	/* Nobody wrote into the memory of the next user, with the dead view still mapped. */
	ASSERT_OK(pci_bind(&c.func, "vfio-pci"));
	ASSERT_OK(client_open(&c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(12345, bar_read32(&c, 2, 0));
	*combining = 4711;
	EXPECT_EQ(12345, bar_read32(&c, 2, 0));
	munmap(plain, PAGE);
	munmap(combining, 2 * PAGE);
	client_close(&c);
}

/* Mappings that are large enough for the largest entries of page tables go in the same way. */
TEST(huge_mapping_is_dead)
{
	const size_t step = 2 * MIB / sizeof(__u32), steps = 16;
	struct client c;
	__u32 *bar;

	if (!open_or_skip(_metadata, &c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (c.region[2].size < steps * 2 * MIB) {
		client_close(&c);
		SKIP(return, "no BAR of 32 MiB");
	}
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	bar = region_map(&c, 2, 0, steps * 2 * MIB);
	ASSERT_NE(MAP_FAILED, (void *)bar);
	for (size_t i = 0; i < steps; i += 2)
		bar[i * step] = i;
	ASSERT_OK(take_back(&c.func));

	/* Those that were touched, and those that were not. */
	for (size_t i = 0; i < steps; i++) {
		EXPECT_EQ(ONES, bar_look(&bar[i * step]));
		EXPECT_EQ(ONES, bar_look(&bar[i * step + step - 1]));
		bar[i * step] = 12345;
		EXPECT_TRUE(becomes_ones(&bar[i * step]));
	}
	munmap(bar, steps * 2 * MIB);
	client_close(&c);
	ASSERT_OK(pci_bind(&c.func, "vfio-pci"));
	ASSERT_OK(client_open(&c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
	for (size_t i = 0; i < steps; i += 2)
		EXPECT_EQ(i, bar_read32(&c, 2, i * 2 * MIB));
	client_close(&c);
}

/* Device memory that is dead is no memory that a device may be given. */
TEST_F(owner, dead_memory_is_not_mapped)
{
	__u32 *bar = region_map(&self->c, 0, 0, PAGE);
	struct client other;

	ASSERT_NE(MAP_FAILED, (void *)bar);
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(ONES, bar_look(bar));
	if (!open_or_skip(_metadata, &other, EDU, 1, VFIO_TYPE1v2_IOMMU))
		return;
	EXPECT_ERRNO(EFAULT, dma_map_rw(other.container, bar, IOVA, PAGE));
	client_close(&other);
}

/* The device does no more DMA: its bus mastering is off. */
TEST_F(owner, bus_master_is_off)
{
	char path[PATH_MAX];
	__u16 command = 0;
	int fd;

	ASSERT_OK(take_back(&self->c.func));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", self->c.func.bdf);
	fd = open(path, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2, pread(fd, &command, 2, PCI_COMMAND));
	EXPECT_EQ(0, command & PCI_COMMAND_MASTER);
	close(fd);
}

/* Eventfds get no more interrupts, and one can be closed like any other. */
TEST_F(owner, eventfds)
{
	__s32 fd = event_new();

	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &fd));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(fd, PATIENCE_MS));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(0, event_wait(fd, QUIET_MS));
	/* The interrupt is nobody's any more. */
	EXPECT_NE(0, system("grep vfio-msi /proc/interrupts"));
	close(fd);
}

/* Neither does the line of INTx come through, nor is its unmask eventfd listened to. */
TEST_F(owner, eventfds_of_intx)
{
	__s32 fd = event_new(), unmask = event_new();

	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &fd));
	ASSERT_OK(irq_set(self->c.device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
			  VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &unmask, sizeof(unmask)));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_EQ(1, event_wait(fd, PATIENCE_MS));
	ASSERT_OK(take_back(&self->c.func));

	/* The line is still high, and whoever unmasked it would have it come again. */
	EXPECT_OK(event_signal(unmask));
	EXPECT_EQ(0, event_wait(fd, QUIET_MS));
	EXPECT_EQ(1, event_wait(unmask, QUIET_MS));
	EXPECT_NE(0, system("grep vfio-intx /proc/interrupts"));
	close(unmask);
	close(fd);
}

/* An ioeventfd writes to the device no more. */
TEST_F(owner, ioeventfds)
{
	struct client other;
	__s32 fd = event_new();

	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0));
	ASSERT_OK(region_ioeventfd(&self->c, 0, EDU_LIVENESS, VFIO_DEVICE_IOEVENTFD_32, 1, fd));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_OK(event_signal(fd));
	EXPECT_EQ(1, event_wait(fd, QUIET_MS));

	/* Nor to that of the next user, who has it hear what is written. */
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	ASSERT_OK(client_open(&other, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(&other));
	EXPECT_OK(event_signal(fd));
	EXPECT_EQ(1, event_wait(fd, QUIET_MS));
	EXPECT_EQ(~0U, bar_read32(&other, 0, EDU_LIVENESS));
	client_close(&other);
	close(fd);
}

/* A transfer that is under way reaches memory before the unbind ends, or never. */
TEST_F(owner, memory_is_left_alone)
{
	char *same = memory_new(4 * PAGE);

	memset(same, 0x5a, 4 * PAGE);
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 4 * PAGE));
	ASSERT_OK(edu_begin_to_memory(&self->c, IOVA, 0, EDU_MAX));
	ASSERT_OK(take_back(&self->c.func));
	memset(self->memory, 0x5a, 4 * PAGE);
	usleep(QUIET_MS * 1000);
	EXPECT_EQ(0, memcmp(self->memory, same, 4 * PAGE));
}

/* The user is asked before, also if there is no time for an answer. */
TEST_F(owner, is_asked)
{
	__s32 fd = event_new();
	int log = log_open();

	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(1, event_wait(fd, QUIET_MS));
	/* In the words that administrators look for. */
	EXPECT_TRUE(log_has(log, "Relaying device request to user (#0)"));
	EXPECT_FALSE(log_has(log, "No device request channel registered"));
	close(log);
	close(fd);
}

/*
 * A user who lets go when he is asked is waited for, and asked again every ten seconds until then:
 * not before, for who has begun to let go may begin anew.
 */
TEST_F(owner, lets_go)
{
	__s32 fd = event_new();
	pid_t pid;

	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd));
	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	EXPECT_EQ(1, event_wait(fd, PATIENCE_MS));
	EXPECT_EQ(0, event_wait(fd, 5000));
	EXPECT_EQ(1, event_wait(fd, PATIENCE_MS));
	EXPECT_EQ(124, child_end(pid, QUIET_MS));
	EXPECT_FALSE(is_dead(self->c.device));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->c.func.bdf));
	client_close(&self->c);
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	close(fd);
}

/* Whether the log has a line about the function that names this process as who has it. */
static bool log_names_us(int log, const struct pci_func *func, const char *what)
{
	char holder[64];
	const char * const texts[] = { func->bdf, what, holder };

	snprintf(holder, sizeof(holder), " %d revoke_test", getpid());
	return log_find(log, texts, sizeof(texts) / sizeof(*texts), NULL, 0);
}

/* The log says who has a device that is wanted back, and who had one that is taken. */
TEST_F(owner, is_named)
{
	int log = log_open();

	ASSERT_LE(0, log);
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_TRUE(log_names_us(log, &self->c.func, "wanted back from"));
	EXPECT_TRUE(log_has(log, "No device request channel registered, blocked until released"));
	EXPECT_TRUE(log_names_us(log, &self->c.func, "taken back from"));
	close(log);
}

/* A signal to who unbinds ends no wait: it has the log say whom he waits for. */
TEST_F(owner, signal_to_the_unbind)
{
	int log = log_open();
	bool asked = false;
	pid_t pid;

	ASSERT_LE(0, log);
	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	for (int waited = 0; !asked && waited < PATIENCE_MS; waited += 10) {
		asked = log_names_us(log, &self->c.func, "wanted back from");
		usleep(10000);
	}
	EXPECT_TRUE(asked);
	EXPECT_EQ(0, kill(pid, SIGINT));
	EXPECT_EQ(124, child_end(pid, QUIET_MS));
	EXPECT_TRUE(log_names_us(log, &self->c.func, "Device is currently in use, task "));
	EXPECT_FALSE(is_dead(self->c.device));
	EXPECT_OK(revoke_after(&self->c.func, 0));
	EXPECT_EQ(128 + SIGINT, child_end(pid, PATIENCE_MS));
	EXPECT_TRUE(is_dead(self->c.device));
	close(log);
}

/* A thread of the owner's, who says who it is when it begins. */
struct owner_thread {
	pthread_t thread;
	const struct client *c;
	pid_t tid;
};

static pid_t owner_thread_start(struct owner_thread *t, const struct client *c,
				void *(*does)(void *data))
{
	pid_t tid;

	t->c = c;
	t->tid = 0;
	if (pthread_create(&t->thread, NULL, does, t))
		return -1;
	while (!(tid = __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE)))
		sched_yield();
	return tid;
}

static void *wants_the_lock(void *data)
{
	struct owner_thread *t = data;
	char control[16];
	int ret;

	ret = pci_get(&t->c->func, "power/control", control, sizeof(control));
	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	return (void *)(intptr_t)(ret ? ret : pci_set(&t->c->func, "power/control", control));
}

/* A user who waits himself for the lock of who unbinds holds nobody up. */
TEST_F(owner, waits_for_the_lock)
{
	__s32 fd = event_new();
	struct owner_thread t;
	pid_t pid, tid;

	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &fd));
	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	ASSERT_EQ(1, event_wait(fd, PATIENCE_MS));
	tid = owner_thread_start(&t, &self->c, wants_the_lock);
	ASSERT_LT(0, tid);
	EXPECT_TRUE(sleeps_in(getpid(), tid, SYS_write));
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(t.thread, NULL));
	EXPECT_OK(revoke_after(&self->c.func, 0));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	EXPECT_EQ(0, pthread_join(t.thread, NULL));
	EXPECT_TRUE(is_dead(self->c.device));
	close(fd);
}

static void *visits(void *data)
{
	struct owner_thread *t = data;
	struct vfio_device_info info = { .argsz = sizeof(info) };

	__atomic_store_n(&t->tid, gettid(), __ATOMIC_RELEASE);
	return (void *)(intptr_t)ioctl(t->c->device, VFIO_DEVICE_GET_INFO, &info);
}

/* Who is inside a call is not pulled away: the device is taken when he has left. */
TEST_F(owner, visitor_is_waited_for)
{
	struct owner_thread t;
	void *result;
	pid_t tid;

	if (access(LINGER_MS, W_OK))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(file_write(LINGER_MS, "10000"));
	tid = owner_thread_start(&t, &self->c, visits);
	ASSERT_LT(0, tid);
	EXPECT_TRUE(sleeps_in(getpid(), tid, SYS_ioctl));
	EXPECT_OK(file_write(LINGER_MS, "0"));
	EXPECT_OK(take_back(&self->c.func));
	/* Perhaps he is on his way back, but he sleeps in there no more. */
	EXPECT_NE('D', task_state(getpid(), tid));
	ASSERT_EQ(0, pthread_join(t.thread, &result));
	EXPECT_EQ(0, (long)(intptr_t)result);
	EXPECT_TRUE(is_dead(self->c.device));
}

/* Bad times are refused and change nothing. */
TEST_F(owner, bad_times)
{
	ASSERT_OK(revoke_after(&self->c.func, 500));
	EXPECT_ERRNO(EINVAL, revoke_after(&self->c.func, -2));
	EXPECT_OK(take_back(&self->c.func));
}

/* A new user gets a new device, and the dead one stays dead. */
TEST_F(owner, again)
{
	struct client other;

	ASSERT_OK(take_back(&self->c.func));
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	ASSERT_OK(client_open(&other, EDU, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(edu_start(&other));
	EXPECT_OK(dma_map_rw(other.container, self->memory, IOVA, PAGE));
	snprintf(self->memory, 64, "hello");
	EXPECT_OK(edu_from_memory(&other, IOVA, 0, 64));
	memset(self->memory, 0, 64);
	EXPECT_OK(edu_to_memory(&other, IOVA, 0, 64));
	EXPECT_STREQ("hello", self->memory);
	EXPECT_TRUE(is_dead(self->c.device));
	client_close(&self->c);
	EXPECT_OK(edu_to_memory(&other, IOVA + 64, 0, 64));
	EXPECT_STREQ("hello", self->memory + 64);
	client_close(&other);
}

/* Dead fds are closed in any order, with a new user beside them. */
TEST_F(owner, close_orders)
{
	static const char orders[][4] = { "cgd", "cdg", "gcd", "gdc", "dcg", "dgc" };

	for (unsigned int i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		ASSERT_OK(take_back(&self->c.func));
		ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
		for (const char *which = orders[i]; *which; which++)
			fd_close(*which == 'c' ? &self->c.container :
				 *which == 'g' ? &self->c.group : &self->c.device);
		ASSERT_OK(client_open(&self->c, EDU, 0, VFIO_TYPE1v2_IOMMU));
	}
}

/* A group whose fd was closed before, and lives by its device only, is left as well. */
TEST_F(owner, group_closed_before)
{
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	fd_close(&self->c.group);
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(0, locked_kib());
	EXPECT_TRUE(is_dead(self->c.device));
}

/* Another group of the container goes on: its memory stays mapped, its DMA arrives. */
TEST_F(owner, other_group_goes_on)
{
	struct client other;

	if (!join_or_skip(_metadata, &other, &self->c, EDU, 1))
		return;
	ASSERT_OK(edu_start(&other));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 4 * PAGE));
	snprintf(self->memory, 64, "before");
	ASSERT_OK(edu_from_memory(&other, IOVA, 0, 64));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EQ(16, locked_kib());
	EXPECT_OK(edu_to_memory(&other, IOVA + PAGE, 0, 64));
	EXPECT_STREQ("before", self->memory + PAGE);
	EXPECT_EQ(4 * PAGE, dma_unmap(other.container, 0, IOVA, 4 * PAGE));
	client_close(&other);
}

/* What a thread does with a device until told to stop: memory goes in, and has to come out. */
struct copier {
	pthread_t thread;
	const struct client *c;
	char *memory;
	bool stop;
	long copies;
	const char *error;
};

static void *copy_until_stopped(void *data)
{
	struct copier *cp = data;
	char *source = cp->memory, *target = cp->memory + PAGE;

	while (!__atomic_load_n(&cp->stop, __ATOMIC_RELAXED) && !cp->error) {
		memset(source, 1 + cp->copies % 255, EDU_MAX);
		memset(target, 0, EDU_MAX);
		if (edu_from_memory(cp->c, IOVA, 0, EDU_MAX) ||
		    edu_to_memory(cp->c, IOVA + PAGE, 0, EDU_MAX))
			cp->error = "a transfer failed";
		else if (memcmp(source, target, EDU_MAX))
			cp->error = "other data came than went";
		__atomic_fetch_add(&cp->copies, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* It does so while the first is taken and comes back, time after time. */
TEST_F(owner, other_group_meanwhile)
{
	struct copier copier = { .memory = self->memory };
	struct client other;
	long before;

	if (!join_or_skip(_metadata, &other, &self->c, EDU, 1))
		return;
	copier.c = &other;
	ASSERT_OK(edu_start(&other));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, 4 * PAGE));
	ASSERT_EQ(0, pthread_create(&copier.thread, NULL, copy_until_stopped, &copier));
	for (int round = 0; round < 10; round++) {
		before = __atomic_load_n(&copier.copies, __ATOMIC_RELAXED);
		EXPECT_OK(take_back(&self->c.func));
		fd_close(&self->c.device);
		fd_close(&self->c.group);
		EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
		self->c.group = group_open(self->c.func.group);
		EXPECT_LE(0, self->c.group);
		EXPECT_OK(group_set_container(self->c.group, self->c.container));
		self->c.device = group_get_device(self->c.group, self->c.func.bdf);
		EXPECT_LE(0, self->c.device);
		while (before == __atomic_load_n(&copier.copies, __ATOMIC_RELAXED))
			usleep(1000);
	}
	__atomic_store_n(&copier.stop, true, __ATOMIC_RELAXED);
	pthread_join(copier.thread, NULL);
	EXPECT_EQ(NULL, copier.error)
		TH_LOG("after %ld copies: %s", copier.copies, copier.error);
	EXPECT_EQ(16, locked_kib());
	client_close(&other);
}

/* A file that the user passed on and then died is as dead as any. */
TEST_F(owner, second_fd)
{
	int second = group_get_device(self->c.group, self->c.func.bdf);

	ASSERT_LE(0, second);
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_TRUE(is_dead(self->c.device));
	EXPECT_TRUE(is_dead(second));
	close(second);
}

/* ---- two functions in a group ---- */

/* One function is taken; the other stays its user's, and so does the group. */
TEST(one_of_a_group)
{
	struct client first;
	struct pci_func func;
	int second;

	if (pci_find(E1000, 1, &func))
		SKIP(return, "no group with two functions");
	if (!open_or_skip(_metadata, &first, E1000, 0, VFIO_TYPE1v2_IOMMU))
		return;
	second = group_get_device(first.group, func.bdf);
	ASSERT_LE(0, second);
	ASSERT_OK(take_back(&func));
	EXPECT_TRUE(is_dead(second));
	EXPECT_FALSE(is_dead(first.device));
	EXPECT_EQ(0x8086, config_read(&first, PCI_VENDOR_ID, 2));
	EXPECT_ERRNO(ENODEV, group_get_device(first.group, func.bdf));

	/* Back again, in the same group. */
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	close(second);
	second = group_get_device(first.group, func.bdf);
	EXPECT_LE(0, second);
	EXPECT_FALSE(is_dead(second));
	close(second);
	client_close(&first);
}

/* ---- users who make a page fault last for ever ---- */

struct stalled_call {
	struct client *c;
	char *memory;
};

static void *stalled_read(void *argument)
{
	struct stalled_call *call = argument;

	return (void *)(intptr_t)pread(call->c->device, call->memory, 4,
				       call->c->region[VFIO_PCI_CONFIG_REGION_INDEX].offset);
}

static void *stalled_write(void *argument)
{
	struct stalled_call *call = argument;

	return (void *)(intptr_t)pwrite(call->c->device, call->memory, 4,
					call->c->region[VFIO_PCI_BAR0_REGION_INDEX].offset);
}

static void *stalled_ioctl(void *argument)
{
	struct stalled_call *call = argument;

	return (void *)(intptr_t)ioctl(call->c->device, VFIO_DEVICE_GET_INFO, call->memory);
}

/* The struct's head is there, the eventfds behind it are not. */
static void *stalled_irqs(void *argument)
{
	struct stalled_call *call = argument;
	struct vfio_irq_set *set = (void *)(call->memory - sizeof(*set));

	return (void *)(intptr_t)ioctl(call->c->device, VFIO_DEVICE_SET_IRQS, set);
}

static void *stalled_name(void *argument)
{
	struct stalled_call *call = argument;

	return (void *)(intptr_t)ioctl(call->c->group, VFIO_GROUP_GET_DEVICE_FD, call->memory);
}

static void *stalled_map(void *argument)
{
	struct stalled_call *call = argument;

	return (void *)(intptr_t)dma_map_rw(call->c->container, call->memory, IOVA, PAGE);
}

static void *stalled_bitmap(void *argument)
{
	struct stalled_call *call = argument;
	struct {
		struct vfio_iommu_type1_dirty_bitmap head;
		struct vfio_iommu_type1_dirty_bitmap_get get;
	} dirty = {
		.head = {
			.argsz = sizeof(dirty),
			.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		},
		.get = {
			.iova = IOVA,
			.size = 64 * PAGE,
			.bitmap = { .pgsize = PAGE, .size = 8, .data = (void *)call->memory },
		},
	};

	return (void *)(intptr_t)ioctl(call->c->container, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

FIXTURE(stalled)
{
	struct client c;
	struct stall stall;
	char *memory;
	char *mapped;
};

FIXTURE_VARIANT(stalled)
{
	void *(*call)(void *argument);
	long result;	/* a read was done before its data was stored; the others come too late */
};

FIXTURE_VARIANT_ADD(stalled, read) { .call = stalled_read, .result = 4 };
FIXTURE_VARIANT_ADD(stalled, write) { .call = stalled_write, .result = -1 };
FIXTURE_VARIANT_ADD(stalled, ioctl) { .call = stalled_ioctl, .result = -1 };
FIXTURE_VARIANT_ADD(stalled, irqs) { .call = stalled_irqs, .result = -1 };
FIXTURE_VARIANT_ADD(stalled, name) { .call = stalled_name, .result = -1 };
FIXTURE_VARIANT_ADD(stalled, map) { .call = stalled_map, .result = -1 };
FIXTURE_VARIANT_ADD(stalled, bitmap) { .call = stalled_bitmap, .result = 0 };

FIXTURE_SETUP(stalled)
{
	const struct vfio_irq_set head = {
		.argsz = sizeof(head) + sizeof(__s32),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = VFIO_PCI_MSI_IRQ_INDEX,
		.count = 1,
	};
	struct vfio_iommu_type1_dirty_bitmap start = {
		.argsz = sizeof(start),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};

	self->stall.fd = -1;
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	/* One page that is there, so that a struct can begin in it, in front of one that stalls. */
	ASSERT_EQ(0, stall_open(&self->stall, 2 * PAGE));
	self->memory = self->stall.at + PAGE;
	ASSERT_EQ(0, stall_fill(&self->stall, PAGE));
	memcpy(self->memory - sizeof(head), &head, sizeof(head));
	ASSERT_OK(edu_start(&self->c));
	if (variant->call == stalled_bitmap) {
		self->mapped = memory_new(64 * PAGE);
		ASSERT_OK(dma_map_rw(self->c.container, self->mapped, IOVA, 64 * PAGE));
		ASSERT_OK(ioctl(self->c.container, VFIO_IOMMU_DIRTY_PAGES, &start));
	}
}

FIXTURE_TEARDOWN(stalled)
{
	client_close(&self->c);
	stall_close(&self->stall);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
	EXPECT_TRUE(locked_becomes(0));
}

/* The device is taken all the same, and the call ends when the fault does. */
TEST_F(stalled, is_taken)
{
	struct stalled_call call = { .c = &self->c, .memory = self->memory };
	pthread_t thread;
	void *result;

	ASSERT_EQ(0, pthread_create(&thread, NULL, variant->call, &call));
	if (!stall_wait(&self->stall, PATIENCE_MS)) {
		pthread_join(thread, NULL);
		SKIP(return, "this kernel does not let this fault wait");
	}
	EXPECT_OK(take_back(&self->c.func));
	EXPECT_TRUE(is_dead(self->c.device));

	/* A new user is not kept waiting either. */
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
	EXPECT_EQ(EBUSY, pthread_tryjoin_np(thread, &result));
	ASSERT_EQ(0, stall_release(&self->stall));
	ASSERT_EQ(0, pthread_join(thread, &result));
	EXPECT_EQ(variant->result, (long)(intptr_t)result);
}

/* ---- users who are busy ---- */

FIXTURE(busy)
{
	struct pci_func func;
	char driver[64];
	int ready[2];
};

FIXTURE_VARIANT(busy)
{
	enum test_device kind;
	int (*habit)(struct client *c);
	bool stopped;
	bool passed;
};

FIXTURE_VARIANT_ADD(busy, sleeping) { .kind = NVME, .habit = habit_sleeps };
FIXTURE_VARIANT_ADD(busy, stopped) { .kind = NVME, .habit = habit_sleeps, .stopped = true };
FIXTURE_VARIANT_ADD(busy, dma) { .kind = EDU, .habit = habit_does_dma };
FIXTURE_VARIANT_ADD(busy, polling) { .kind = E1000E, .habit = habit_polls_bar };
FIXTURE_VARIANT_ADD(busy, interrupts) { .kind = EDU, .habit = habit_takes_interrupts };
FIXTURE_VARIANT_ADD(busy, storm) { .kind = EDU, .habit = habit_takes_storm };
FIXTURE_VARIANT_ADD(busy, resetting) { .kind = NVME, .habit = habit_resets };
FIXTURE_VARIANT_ADD(busy, passed) { .kind = E1000E, .habit = habit_waits, .passed = true };

FIXTURE_SETUP(busy)
{
	if (pci_find(variant->kind, 0, &self->func))
		SKIP(return, "no device %s", test_device_name(variant->kind));
	ASSERT_EQ(0, pipe(self->ready));
}

FIXTURE_TEARDOWN(busy)
{
	EXPECT_OK(pci_bind(&self->func, "vfio-pci"));
}

static void tell_ready(const int *ready)
{
	if (write(ready[1], "", 1) != 1)
		_exit(20);
}

/* The user's process: opens all, and does what it does. */
static void user(const int *ready, enum test_device kind, int (*habit)(struct client *c))
{
	struct client c;
	int ret;

	if (client_open(&c, kind, 0, VFIO_TYPE1v2_IOMMU) ||
	    config_command(&c, PCI_COMMAND_MEMORY, 0))
		_exit(21);
	tell_ready(ready);
	ret = habit(&c);
	_exit(ret ? ret : is_dead(c.device) ? 0 : 22);
}

/* The user's process: has a device fd that somebody opened who does not live any more. */
static void heir(const int *ready, enum test_device kind,
		 int (*habit)(struct client *c))
{
	struct client c = CLIENT_NONE;
	int sockets[2], ret;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets))
		_exit(23);
	pid = fork();
	if (!pid) {
		if (client_open(&c, kind, 0, VFIO_TYPE1v2_IOMMU))
			_exit(24);
		_exit(fd_send(sockets[0], c.device, 0) ? 25 : 0);
	}
	c.device = fd_receive(sockets[1]);
	if (c.device < 0 || child_end(pid, PATIENCE_MS))
		_exit(26);
	tell_ready(ready);
	ret = habit(&c);
	_exit(ret ? ret : is_dead(c.device) ? 0 : 27);
}

/* A process that has the device and uses it. */
static pid_t user_start(const int *ready, FIXTURE_VARIANT(busy) const *variant)
{
	pid_t pid = fork();
	char byte;

	if (!pid && variant->passed)
		heir(ready, variant->kind, variant->habit);
	if (!pid)
		user(ready, variant->kind, variant->habit);
	if (read(ready[0], &byte, 1) != 1)
		return -1;
	if (variant->stopped)
		kill(pid, SIGSTOP);
	return pid;
}

/* The host's driver takes the device, and serves by it. */
static void host_uses(struct __test_metadata *_metadata, const struct pci_func *func,
		      enum test_device kind)
{
	const char *driver = kind == NVME ? "nvme" : kind == E1000E ? "e1000e" : NULL;

	if (!driver)
		return;
	if (!driver_is_there(driver)) {
		TH_LOG("this kernel has no driver %s: not seen in the host's hands", driver);
		return;
	}
	ASSERT_OK(pci_bind(func, driver));
	EXPECT_TRUE(kind == NVME ? disk_works() : card_works(func));
}

/* The unbind ends, the user sees it, and the host's driver can have the device at once. */
TEST_F_TIMEOUT(busy, is_taken, 3600)
{
	static const int times_ms[] = { 0, 500, -1 };
	const char *rounds = getenv("REVOKE_ROUNDS");
	int nr_rounds = 3 * (rounds ? atoi(rounds) : 1);
	pid_t pid;

	for (int round = 0; round < nr_rounds; round++) {
		pid = user_start(self->ready, variant);
		ASSERT_LT(0, pid);
		ASSERT_TRUE(unbind_ends(&self->func, times_ms[round % 3]));

		/* The host's driver, while the user has perhaps not even seen it yet. */
		host_uses(_metadata, &self->func, variant->kind);
		if (variant->stopped)
			kill(pid, SIGCONT);
		EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
		ASSERT_OK(pci_bind(&self->func, "vfio-pci"));
	}
	TH_LOG("%d rounds, the longest unbind took %lld ms", nr_rounds, unbind_longest_ms());
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E, E1000, IVSHMEM };

	log_announce("Device is taken back|No device request channel|waits for its holder");
	log_announce("fires again and again");
	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets: by the administrator while a program uses the function, by errors, and of all functions
 * of a slot or a bus; and that a device is not handed on as its last user left it.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX

#define MARK	0x5a		/* in a register that config space only keeps */

FIXTURE(host)
{
	struct client c;
	__s32 event;
	char *bar;
	int sink;
};

FIXTURE_SETUP(host)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(config_write(&self->c, PCI_INTERRUPT_LINE, 1, MARK));
	self->event = event_new();
	self->sink = memfd_create("sink", MFD_CLOEXEC);
	self->bar = region_map(&self->c, 0, 0, PAGE);
	ASSERT_NE(MAP_FAILED, self->bar);
}

FIXTURE_TEARDOWN(host)
{
	munmap(self->bar, PAGE);
	e1000e_stop(&self->c);
	client_close(&self->c);
	close(self->sink);
}

/* True if the page is there: the kernel touches it for us, so that there is no signal. */
static bool page_answers(int sink, const char *at)
{
	return pwrite(sink, at, 1, 0) == 1;
}

static bool interrupt_arrives(const struct client *c, int event)
{
	return !e1000e_start(c) && !e1000e_route(c, 0) && !e1000e_raise(c) &&
	       event_wait(event, PATIENCE_MS) > 0;
}

/* What the user set up in config space, his interrupts and mappings are as before the reset. */
TEST_F(host, reset_while_open)
{
	__u16 command = config_read(&self->c, PCI_COMMAND, 2);

	ASSERT_TRUE(page_answers(self->sink, self->bar));
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, 1, &self->event));
	ASSERT_TRUE(interrupt_arrives(&self->c, self->event));
	for (int round = 0; round < 3; round++) {
		e1000e_lower(&self->c);
		ASSERT_OK(pci_reset(&self->c.func));
		EXPECT_EQ(command, config_read(&self->c, PCI_COMMAND, 2));
		EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
		EXPECT_TRUE(page_answers(self->sink, self->bar));
		event_wait(self->event, 0);
		EXPECT_TRUE(interrupt_arrives(&self->c, self->event));
	}
}

/* A line that the user masked stays masked over the reset, one that he did not works on. */
TEST_F(host, intx_over_reset)
{
	int device = self->c.device;

	ASSERT_OK(irq_events(device, INTX, 0, 1, &self->event));
	ASSERT_OK(irq_none(device, VFIO_IRQ_SET_ACTION_MASK, INTX, 0, 1));
	ASSERT_OK(pci_reset(&self->c.func));
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(e1000e_raise(&self->c));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(irq_none(device, VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(pci_reset(&self->c.func));
	ASSERT_OK(irq_none(device, VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1));
	ASSERT_OK(e1000e_start(&self->c));
	ASSERT_OK(e1000e_raise(&self->c));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

/* A function that the user put to sleep is awake after it, and not a mix of both. */
TEST_F(host, reset_in_d3)
{
	__u32 pm = config_find_cap(&self->c, PCI_CAP_ID_PM);

	ASSERT_NE(0, pm);
	ASSERT_OK(config_write(&self->c, pm + PCI_PM_CTRL, 2, 3));
	EXPECT_FALSE(page_answers(self->sink, self->bar));
	ASSERT_OK(pci_reset(&self->c.func));
	EXPECT_EQ(0, config_read(&self->c, pm + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	EXPECT_TRUE(page_answers(self->sink, self->bar));
	EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
}

/* A line without a handler is closed, whatever config space a reset brings back. */
TEST_F(host, line_stays_closed)
{
	__u32 command;

	for (int by_host = 0; by_host < 2; by_host++) {
		ASSERT_OK(pci_config_read(&self->c.func, PCI_COMMAND, 2, &command));
		ASSERT_NE(0, command & PCI_COMMAND_INTX_DISABLE);
		/* As the PCI core does in the midst of an end of MSI. */
		ASSERT_OK(pci_config_write(&self->c.func, PCI_COMMAND, 2,
					   command & ~PCI_COMMAND_INTX_DISABLE));
		if (by_host)
			ASSERT_OK(pci_reset(&self->c.func));
		else
			ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
		ASSERT_OK(pci_config_read(&self->c.func, PCI_COMMAND, 2, &command));
		EXPECT_NE(0, command & PCI_COMMAND_INTX_DISABLE);
	}
}

/*
 * Resets a function until told to stop. Between two resets the device's lock is free for a moment,
 * for a user who tries for it for a second: to one who meets a lock held without end the ioctl may
 * say EAGAIN.
 */
#define RESETS_APART_MS	20

struct resetter {
	struct pci_func func;
	pthread_t thread;
	bool stop;
	int resets;
};

static void *reset_until_stopped(void *data)
{
	struct resetter *r = data;

	while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
		r->resets += !pci_reset(&r->func);
		usleep(RESETS_APART_MS * 1000);
	}
	return NULL;
}

static int resetter_start(struct resetter *r, const struct pci_func *func)
{
	*r = (struct resetter){ .func = *func };
	return pthread_create(&r->thread, NULL, reset_until_stopped, r);
}

static int resetter_stop(struct resetter *r)
{
	__atomic_store_n(&r->stop, true, __ATOMIC_RELAXED);
	return pthread_join(r->thread, NULL);
}

/* Accesses wait for the end of a reset; none of them fails. */
TEST_F_TIMEOUT(host, use_during_resets, 3600)
{
	double until = seconds_now() + soak_seconds() / 2;
	struct resetter r;
	long rounds = 0;
	__u32 value;

	ASSERT_EQ(0, resetter_start(&r, &self->c.func));
	while (seconds_now() < until) {
		rounds++;
		EXPECT_EQ(4, region_read(&self->c, 0, 0, &value, 4));
		EXPECT_TRUE(page_answers(self->sink, self->bar));
		EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
		EXPECT_OK(irq_events(self->c.device, MSIX, 0, 1, &self->event));
		EXPECT_OK(irq_disable(self->c.device, MSIX));
		if (rounds % 8)
			continue;
		EXPECT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
		EXPECT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	}
	ASSERT_EQ(0, resetter_stop(&r));
	EXPECT_LT(0, r.resets);
	TH_LOG("%ld rounds, %d resets by the host", rounds, r.resets);
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, 1, &self->event));
	EXPECT_TRUE(interrupt_arrives(&self->c, self->event));
}

/* Nor does an open, while others reset the function. */
TEST_F(host, open_during_resets)
{
	struct resetter r;

	ASSERT_EQ(0, resetter_start(&r, &self->c.func));
	for (int round = 0; __atomic_load_n(&r.resets, __ATOMIC_RELAXED) < 5; round++) {
		fd_close(&self->c.device);
		self->c.device = group_get_device(self->c.group, self->c.func.bdf);
		ASSERT_LE(0, self->c.device)
			TH_LOG("round %d: %s", round, errno_name(errno));
	}
	ASSERT_EQ(0, resetter_stop(&r));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	EXPECT_NE(~0U, bar_read32(&self->c, 0, 0));
}

/* The user is told; when recovery is over his function is as he set it up. */
static void check_recovery(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self,
			   __s32 told, __u16 command)
{
	ASSERT_LT(0, event_wait(told, PATIENCE_MS));
	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (page_answers(self->sink, self->bar))
			break;
		usleep(20000);
	}
	EXPECT_TRUE(page_answers(self->sink, self->bar));
	EXPECT_EQ(MARK, config_read(&self->c, PCI_INTERRUPT_LINE, 1));
	EXPECT_EQ(command, config_read(&self->c, PCI_COMMAND, 2));
	e1000e_lower(&self->c);
	event_wait(self->event, 0);
	EXPECT_TRUE(interrupt_arrives(&self->c, self->event));
}

/* Adds bits to a register of 16. */
static int config_set(const struct pci_func *func, __u32 at, __u32 bits)
{
	__u32 value;

	return pci_config_read(func, at, 2, &value) ? -1 :
	       pci_config_write(func, at, 2, value | bits);
}

/* Errors find their way from the function to the port, as firmware sees to it elsewhere. */
static int errors_reported(const struct pci_func *func)
{
	struct pci_func port;

	if (pci_port(func, &port))
		return -1;
	return config_set(&port, PCI_BRIDGE_CONTROL, PCI_BRIDGE_CTL_SERR) ?:
	       config_set(&port, PCI_COMMAND, PCI_COMMAND_SERR) ?:
	       config_set(&port, pci_config_cap(&port, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, 7) ?:
	       config_set(func, pci_config_cap(func, PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL, 7);
}

/* The kernel's injector says what the hardware does not, QEMU's has the hardware say it. */
static void check_error(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self, __u32 status,
			const char *hardware)
{
	__u16 command = config_read(&self->c, PCI_COMMAND, 2);
	__s32 told = event_new();
	char answer[512];
	int error;

	if (hardware && !getenv("VFIO_PENDING"))
		SKIP(return, "the errors of QEMU's hardware were not seen to arrive yet");
	ASSERT_OK(irq_events(self->c.device, ERR, 0, 1, &told));
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, 1, &self->event));
	ASSERT_OK(log_announce("vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device |\\[)"));
	ASSERT_OK(errors_reported(&self->c.func));
	error = ERRNO_OF(hardware ? monitor_say(hardware, answer, sizeof(answer)) :
				    aer_inject(&self->c.func, status));
	if (error)
		SKIP(return, "errors cannot be injected: %s", errno_name(error));
	check_recovery(_metadata, self, told, command);
}

/* These two first: the kernel's injector hides from then on what the hardware says. */
TEST_F(host, error_of_hardware)
{
	check_error(_metadata, self, 0, "pcie_aer_inject_error e1000e COMP_ABORT");
}

TEST_F(host, fatal_error_of_hardware)
{
	if (!link_is_up(&self->c.func))
		SKIP(return, "the port above does not say that its link is up");
	check_error(_metadata, self, 0, "pcie_aer_inject_error e1000e MALF_TLP");
}

TEST_F(host, error)
{
	check_error(_metadata, self, PCI_ERR_UNC_COMP_ABORT, NULL);
}

TEST_F(host, fatal_error)
{
	if (!link_is_up(&self->c.func))
		SKIP(return, "the port above does not say that its link is up");
	check_error(_metadata, self, PCI_ERR_UNC_MALF_TLP, NULL);
}

/* A user who does something as long as he is not told to stop. */
struct meddler {
	pthread_t thread;
	struct client *c;
	bool stop;
	int error;	/* another one than EAGAIN */
};

static void *reset_again_and_again(void *data)
{
	struct meddler *m = data;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		if (ioctl(m->c->device, VFIO_DEVICE_RESET) && errno != EAGAIN)
			m->error = errno;
	}
	return NULL;
}

static void *host_resets_again_and_again(void *data)
{
	struct meddler *m = data;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		if (pci_reset(&m->c->func) && errno != EAGAIN && errno != ENOTTY)
			m->error = errno;
	}
	return NULL;
}

/* Resets in the middle of a recovery: they take away neither its end nor the function's state. */
static void check_meddling(struct __test_metadata *_metadata, FIXTURE_DATA(host) * self,
			   void *(*meddle)(void *data))
{
	struct meddler m = { .c = &self->c };
	__u16 command = config_read(&self->c, PCI_COMMAND, 2);
	__s32 told = event_new();

	if (!link_is_up(&self->c.func))
		SKIP(return, "the port above does not say that its link is up");
	ASSERT_OK(irq_events(self->c.device, ERR, 0, 1, &told));
	ASSERT_OK(irq_events(self->c.device, MSIX, 0, 1, &self->event));
	ASSERT_OK(log_announce("vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device |\\[)"));
	if (!fatal_error_or_skip(_metadata, &self->c.func))
		return;
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, meddle, &m));
	usleep(3000000);
	__atomic_store_n(&m.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(m.thread, NULL));
	EXPECT_EQ(0, m.error)
		TH_LOG("%s", errno_name(m.error));
	check_recovery(_metadata, self, told, command);
	EXPECT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
}

TEST_F(host, user_resets_during_recovery)
{
	check_meddling(_metadata, self, reset_again_and_again);
}

TEST_F(host, host_resets_during_recovery)
{
	check_meddling(_metadata, self, host_resets_again_and_again);
}

/* ---- several functions at once ---- */

/* Two functions of one bus, in one group; the second is opened through the first one's group. */
FIXTURE(pair)
{
	struct client first;
	struct client second;
};

/* Conventional cards behind a bridge; two functions of a card in a PCI Express slot. */
FIXTURE_VARIANT(pair)
{
	enum test_device kind;
	int first;	/* of its kind; the second follows */
};

FIXTURE_VARIANT_ADD(pair, bridge) { .kind = E1000, .first = 0 };
FIXTURE_VARIANT_ADD(pair, slot) { .kind = E1000E, .first = 1 };

static int open_second(struct client *second, const struct client *first,
		       FIXTURE_VARIANT(pair) const *variant)
{
	*second = (struct client)CLIENT_NONE;
	if (pci_find(variant->kind, variant->first + 1, &second->func))
		return -1;
	second->device = group_get_device(first->group, second->func.bdf);
	return second->device < 0 || client_read_regions(second) ? -1 : 0;
}

FIXTURE_SETUP(pair)
{
	self->second.device = -1;
	self->second.container = -1;
	self->second.group = -1;
	if (!open_or_skip(_metadata, &self->first, variant->kind, variant->first,
			  VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(open_second(&self->second, &self->first, variant));
}

FIXTURE_TEARDOWN(pair)
{
	client_close(&self->second);
	client_close(&self->first);
}

/* Too little room: ENOSPC and the count; enough of it: each function and its group. */
TEST_F(pair, info)
{
	struct hot_info info;
	__u32 count;

	EXPECT_ERRNO(ENOSPC, hot_info(self->first.device, &info, 0));
	count = info.head.count;
	ASSERT_LE(2, count);
	ASSERT_GE(8, count);
	EXPECT_ERRNO(ENOSPC, hot_info(self->first.device, &info, count - 1));
	EXPECT_EQ(count, info.head.count);
	ASSERT_OK(hot_info(self->first.device, &info, 8));
	EXPECT_EQ(count, info.head.count);
	for (__u32 i = 0; i < count; i++)
		EXPECT_EQ(self->first.func.group, (int)info.devices[i].group_id);
}

/* Programs differ on whether argsz covers the groups; they have to be in memory. */
TEST_F(pair, argsz_without_groups)
{
	struct vfio_pci_hot_reset *reset;
	char *pages = memory_new(2 * PAGE);

	ASSERT_NE(NULL, pages);
	ASSERT_OK(mprotect(pages + PAGE, PAGE, PROT_NONE));
	reset = (void *)(pages + PAGE - sizeof(*reset) - sizeof(reset->group_fds[0]));
	*reset = (struct vfio_pci_hot_reset){ .argsz = sizeof(*reset), .count = 1 };
	reset->group_fds[0] = self->first.group;
	EXPECT_OK(ioctl(self->first.device, VFIO_DEVICE_PCI_HOT_RESET, reset));
	reset = memmove(pages + PAGE - sizeof(*reset), reset, sizeof(*reset));
	EXPECT_ERRNO(EFAULT, ioctl(self->first.device, VFIO_DEVICE_PCI_HOT_RESET, reset));
	munmap(pages, 2 * PAGE);
}

/* No group, too many, none that is open, none that is a group, a foreign one. */
TEST_F(pair, errors)
{
	int device = self->first.device, other;
	__s32 groups[8] = { self->first.group };
	struct hot_info info;
	struct pci_func edu;

	ASSERT_OK(hot_info(device, &info, 8));
	EXPECT_ERRNO(EINVAL, hot_reset_by(device, 0, groups));
	EXPECT_ERRNO(EINVAL, hot_reset_by(device, info.head.count + 1, groups));
	EXPECT_ERRNO(EINVAL, hot_reset_by(device, ~0U, groups));
	groups[0] = 1000;
	EXPECT_ERRNO(EBADF, hot_reset_by(device, 1, groups));
	groups[0] = self->first.container;
	EXPECT_ERRNO(EINVAL, hot_reset_by(device, 1, groups));
	groups[0] = device;
	EXPECT_ERRNO(EINVAL, hot_reset_by(device, 1, groups));
	if (!pci_find(EDU, 0, &edu)) {
		other = group_open(edu.group);
		groups[0] = other;
		EXPECT_ERRNO(EINVAL, hot_reset_by(device, 1, groups));
		groups[1] = self->first.group;
		EXPECT_OK(hot_reset_by(device, 2, groups));
		close(other);
	}
}

static int mark(const struct client *c)
{
	return config_command(c, PCI_COMMAND_MEMORY, 0) ? : bar_write32(c, 0, E1000_RING, 0x12340);
}

static bool is_marked(const struct client *c)
{
	return !config_command(c, PCI_COMMAND_MEMORY, 0) &&
	       bar_read32(c, 0, E1000_RING) == 0x12340;
}

/* A hot reset reaches both, is an event of each, and leaves config space as it was. */
TEST_F(pair, reset)
{
	char part[64], text[256];

	ASSERT_OK(mark(&self->first));
	ASSERT_OK(mark(&self->second));
	EXPECT_TRUE(is_marked(&self->first));
	EXPECT_TRUE(is_marked(&self->second));
	ASSERT_OK(trace_open());
	ASSERT_OK(trace_listen(true));
	ASSERT_OK(hot_reset_by(self->second.device, 1, &self->first.group));
	snprintf(part, sizeof(part), "device=%s kind=hot ret=0", self->first.func.bdf);
	EXPECT_EQ(1, trace_get("reset", part, 0, text, sizeof(text)));
	snprintf(part, sizeof(part), "device=%s kind=hot ret=0", self->second.func.bdf);
	EXPECT_EQ(1, trace_get("reset", part, 0, text, sizeof(text)));
	trace_close();
	EXPECT_EQ(0, bar_read32(&self->first, 0, E1000_RING));
	EXPECT_EQ(0, bar_read32(&self->second, 0, E1000_RING));
}

/*
 * Functions that know no reset of their own: while one is in use its neighbour is handed on as it
 * is, and when the last one is closed both are reset.
 */
TEST_F(pair, last_close_resets)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };

	ASSERT_OK(ioctl(self->first.device, VFIO_DEVICE_GET_INFO, &info));
	if (info.flags & VFIO_DEVICE_FLAGS_RESET)
		SKIP(return, "the functions can be reset one by one");
	EXPECT_ERRNO(EINVAL, ioctl(self->first.device, VFIO_DEVICE_RESET));
	ASSERT_OK(mark(&self->second));
	client_close(&self->second);
	ASSERT_OK(open_second(&self->second, &self->first, variant));
	EXPECT_TRUE(is_marked(&self->second));
	client_close(&self->second);
	client_close(&self->first);
	ASSERT_OK(client_open(&self->first, variant->kind, variant->first, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(open_second(&self->second, &self->first, variant));
	EXPECT_FALSE(is_marked(&self->second));
}

/* Opens and closes one function again and again. */
struct opener {
	pthread_t thread;
	int group;
	const char *bdf;
	int error;
};

static void *open_and_close(void *data)
{
	struct opener *o = data;

	for (int round = 0; round < 20 && !o->error; round++) {
		int device = group_get_device(o->group, o->bdf);

		if (device < 0)
			o->error = errno;
		else
			close(device);
	}
	return NULL;
}

/* Neighbours that are opened and closed at the same time do not get in each other's way. */
TEST_F(pair, open_in_parallel)
{
	struct opener openers[2] = {
		{ .group = self->first.group, .bdf = self->first.func.bdf },
		{ .group = self->first.group, .bdf = self->second.func.bdf },
	};

	fd_close(&self->first.device);
	fd_close(&self->second.device);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&openers[i].thread, NULL, open_and_close, &openers[i]));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(openers[i].thread, NULL));
		EXPECT_EQ(0, openers[i].error)
			TH_LOG("%s", errno_name(openers[i].error));
	}
}

/* Opens the first function, as often as it takes while the answer is EAGAIN. */
static int open_first_again(struct client *first)
{
	double until = seconds_now() + PATIENCE_MS / 1000;

	do {
		first->device = group_get_device(first->group, first->func.bdf);
	} while (first->device < 0 && errno == EAGAIN && seconds_now() < until);
	return first->device < 0 ? -1 : 0;
}

static bool memory_answers(const struct client *c)
{
	return !config_command(c, PCI_COMMAND_MEMORY, 0) && bar_read32(c, 0, 0) != ~0U;
}

/* What the kernel says of functions that may have no driver at that time. */
#define ERROR_OF_ANY	" [0-9a-f:.]+: +(AER: |PCIe Bus Error|device |\\[)"

/* An open in the midst of a recovery waits, or fails with EAGAIN: the link is reset first. */
TEST_F(pair, open_during_recovery)
{
	struct client *first = &self->first, *second = &self->second;
	__s32 told = event_new();
	char part[64], text[256];

	if (!link_is_up(&first->func))
		SKIP(return, "the port above does not say that its link is up");
	ASSERT_OK(irq_events(second->device, ERR, 0, 1, &told));
	fd_close(&first->device);
	ASSERT_OK(trace_open());
	ASSERT_OK(trace_listen(true));
	ASSERT_OK(log_announce(ERROR_OF_ANY));
	if (!fatal_error_or_skip(_metadata, &first->func))
		return;
	ASSERT_LT(0, event_wait(told, PATIENCE_MS));
	ASSERT_OK(open_first_again(first));
	snprintf(part, sizeof(part), "device=%s kind=recovery", first->func.bdf);
	EXPECT_EQ(1, trace_get("reset", part, 0, text, sizeof(text)));
	trace_close();
	EXPECT_TRUE(memory_answers(first));
	for (int tries = 0; tries < PATIENCE_MS / 20 && !memory_answers(second); tries++)
		usleep(20000);
	EXPECT_TRUE(memory_answers(second));
}

/*
 * A recovery that stands still before the reset of the link, at a neighbour that is being unbound:
 * until it goes on nobody opens the first function. It fails then, since the neighbour has no
 * driver, and says so to nobody, but the function can be opened again.
 */
TEST_F(pair, open_before_recovery)
{
	struct client *first = &self->first, *second = &self->second;
	__s32 told = event_new(), wanted = event_new();
	bool injected;
	pid_t unbind;

	if (!link_is_up(&first->func))
		SKIP(return, "the port above does not say that its link is up");
	ASSERT_OK(irq_events(first->device, ERR, 0, 1, &told));
	ASSERT_OK(irq_events(second->device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &wanted));
	ASSERT_OK(revoke_after(&second->func, -1));
	unbind = unbind_start(&second->func);
	EXPECT_LT(0, event_wait(wanted, PATIENCE_MS));

	EXPECT_OK(log_announce(ERROR_OF_ANY));
	injected = fatal_error_or_skip(_metadata, &first->func);
	if (injected) {
		EXPECT_LT(0, event_wait(told, PATIENCE_MS));
		fd_close(&first->device);
		EXPECT_ERRNO(EAGAIN, group_get_device(first->group, first->func.bdf));
	}
	fd_close(&second->device);
	EXPECT_EQ(0, child_end(unbind, PATIENCE_MS));
	if (injected) {
		EXPECT_OK(open_first_again(first));
		EXPECT_TRUE(memory_answers(first));
		EXPECT_OK(ioctl(first->device, VFIO_DEVICE_RESET));
	}
	client_close(first);
	ASSERT_OK(pci_bind(&second->func, "vfio-pci"));
}

/* A function in a slot of its own can be reset with it; one on the root bus cannot: ENODEV. */
TEST(slot_and_root_bus)
{
	struct hot_info info;
	struct client c;

	if (!open_or_skip(_metadata, &c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(hot_info(c.device, &info, 8));
	EXPECT_EQ(1, info.head.count);
	if (link_is_up(&c.func)) {
		ASSERT_OK(config_command(&c, PCI_COMMAND_MEMORY, 0));
		ASSERT_OK(bar_write32(&c, 0, E1000_RING, 0x12340));
		ASSERT_OK(hot_reset_by(c.device, 1, &c.group));
		EXPECT_EQ(0, bar_read32(&c, 0, E1000_RING));
	}
	client_close(&c);
	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	EXPECT_ERRNO(ENODEV, hot_info(c.device, &info, 8));
	EXPECT_ERRNO(ENODEV, hot_reset_by(c.device, 1, &c.group));
	EXPECT_ERRNO(EINVAL, ioctl(c.device, VFIO_DEVICE_RESET));
	client_close(&c);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, E1000 };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that no IOMMU watches: offered only where the administrator insists, to those who may do
 * anything already, with a warning, and never together with devices that are watched.
 *
 * To be run on a machine without an IOMMU, and on one with an edu device that its IOMMU does not
 * see.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/capability.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/check.h"

#define ALLOWED		"/sys/module/vfio/parameters/enable_unsafe_noiommu_mode"
#define TAINT_USER	0x40
#define NOT_SUPPORTED	524 /* the kernel's ENOTSUPP, which has no name here */

/* The first device of a kind that is in no group, or in one that was made up. */
static int find_unwatched(enum test_device kind, struct pci_func *func)
{
	char path[128], name[32] = "";

	for (int nth = 0; !pci_find(kind, nth, func); nth++) {
		snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/name", func->group);
		if (func->group < 0 || (!file_read(path, name, sizeof(name)) &&
					!strcmp(name, "vfio-noiommu")))
			return 0;
	}
	errno = ENOENT;
	return -1;
}

static int unwatched_open(const struct pci_func *func)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", func->group);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* Gives one capability up for good. */
static int drop_rawio(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -1;
	data[0].effective &= ~(1U << CAP_SYS_RAWIO);
	data[0].permitted &= ~(1U << CAP_SYS_RAWIO);
	return syscall(SYS_capset, &head, data);
}

static unsigned long taint(void)
{
	char text[32] = "0";

	file_read("/proc/sys/kernel/tainted", text, sizeof(text));
	return strtoul(text, NULL, 10);
}

/* The device is bound to nothing, and the parameter is as it is when the module is loaded. */
FIXTURE(noiommu)
{
	struct client c;
};

FIXTURE_SETUP(noiommu)
{
	self->c.container = -1;
	self->c.group = -1;
	self->c.device = -1;
	if (find_unwatched(EDU, &self->c.func))
		SKIP(return, "every device %s is watched by an IOMMU", test_device_name(EDU));
	ASSERT_OK(pci_unbind(&self->c.func));
	ASSERT_OK(file_write(ALLOWED, "N"));
}

FIXTURE_TEARDOWN(noiommu)
{
	client_close(&self->c);
	pci_unbind(&self->c.func);
	file_write(ALLOWED, "N");
}

/* Binds the device with the administrator's consent and opens an empty container and the group. */
static int bind_and_open(struct client *c)
{
	const struct pci_func func = c->func;

	if (file_write(ALLOWED, "Y") || pci_bind(&c->func, "vfio-pci") ||
	    pci_at(func.bdf, &c->func))
		return -1;
	c->container = container_open();
	c->group = unwatched_open(&c->func);
	return c->container < 0 || c->group < 0 ? -1 : 0;
}

static int open_whole(struct client *c)
{
	if (bind_and_open(c) || group_set_container(c->group, c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU))
		return -1;
	c->device = group_get_device(c->group, c->func.bdf);
	return c->device < 0 ? -1 : client_read_regions(c);
}

/* What /proc tells of its fds is what it tells of any. */
TEST_F(noiommu, fdinfo)
{
	char text[128];

	ASSERT_OK(open_whole(&self->c));
	ASSERT_OK(fdinfo_get(self->c.container, "vfio-container-backend", text, sizeof(text)));
	EXPECT_STREQ("noiommu", text);
	EXPECT_EQ(self->c.func.group, fdinfo_number(self->c.container, "vfio-container-groups"));
	EXPECT_EQ(self->c.func.group, fdinfo_number(self->c.group, "vfio-group"));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-container"));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-viable"));
	ASSERT_OK(fdinfo_get(self->c.device, "vfio-device-name", text, sizeof(text)));
	EXPECT_STREQ(self->c.func.bdf, text);
}

/* Without the parameter nothing of it is there: the device is refused, and the extension is 0. */
TEST_F(noiommu, off_by_default)
{
	int container = container_open(), log = log_open();
	char wanted[64];

	EXPECT_ERRNO(ENODEV, pci_bind(&self->c.func, "vfio-pci"));
	snprintf(wanted, sizeof(wanted), "%s: refused, no IOMMU watches its DMA", self->c.func.bdf);
	EXPECT_TRUE(log_has(log, wanted));
	close(log);
	ASSERT_OK(find_unwatched(EDU, &self->c.func));
	EXPECT_EQ(-1, self->c.func.group);
	EXPECT_EQ(0, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	ASSERT_OK(file_write(ALLOWED, "Y"));
	EXPECT_EQ(1, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	close(container);
}

/* Binding makes a group up, says so in the log and taints the kernel; unbinding takes it away. */
TEST_F(noiommu, group)
{
	int log = log_open(), number;
	char path[128], wanted[128];
	struct stat node;

	ASSERT_OK(file_write(ALLOWED, "Y"));
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	ASSERT_OK(find_unwatched(EDU, &self->c.func));
	number = self->c.func.group;
	ASSERT_LE(0, number);
	snprintf(wanted, sizeof(wanted), "%s: given to users without an IOMMU", self->c.func.bdf);
	EXPECT_TRUE(log_has(log, wanted));
	EXPECT_EQ(TAINT_USER, taint() & TAINT_USER);

	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", number);
	ASSERT_EQ(0, stat(path, &node));
	EXPECT_TRUE(S_ISCHR(node.st_mode));
	EXPECT_EQ(0600, node.st_mode & 07777);
	snprintf(path, sizeof(path), "/dev/vfio/%d", number);
	EXPECT_ERRNO(ENOENT, stat(path, &node));
	snprintf(path, sizeof(path), "/sys/class/vfio/noiommu-%d/state", number);
	EXPECT_OK(file_read(path, wanted, sizeof(wanted)));
	EXPECT_STREQ("free", wanted);

	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_ERRNO(ENOENT, stat(path, &node));
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", number);
	EXPECT_ERRNO(ENOENT, stat(path, &node));
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d", number);
	EXPECT_ERRNO(ENOENT, stat(path, &node));
	ASSERT_OK(find_unwatched(EDU, &self->c.func));
	EXPECT_EQ(-1, self->c.func.group);
	close(log);
}

/* Every step needs CAP_SYS_RAWIO: EPERM. */
TEST_F(noiommu, needs_rawio_to_open)
{
	ASSERT_OK(bind_and_open(&self->c));
	fd_close(&self->c.group);
	ASSERT_OK(drop_rawio());
	EXPECT_ERRNO(EPERM, unwatched_open(&self->c.func));
}

TEST_F(noiommu, needs_rawio_to_set_container)
{
	ASSERT_OK(bind_and_open(&self->c));
	ASSERT_OK(drop_rawio());
	EXPECT_ERRNO(EPERM, group_set_container(self->c.group, self->c.container));
}

TEST_F(noiommu, needs_rawio_to_set_iommu)
{
	ASSERT_OK(bind_and_open(&self->c));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(drop_rawio());
	EXPECT_ERRNO(EPERM, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, self->c.func.bdf));
}

/* And to whom somebody else hands the group, ready to use, the device is not given. */
TEST_F(noiommu, needs_rawio_to_open_device)
{
	ASSERT_OK(bind_and_open(&self->c));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	ASSERT_OK(drop_rawio());
	EXPECT_ERRNO(EPERM, group_get_device(self->c.group, self->c.func.bdf));
	EXPECT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
}

/* A group has one opener, is viable, and says when it is in a container. */
TEST_F(noiommu, status)
{
	__u32 flags = 0;

	ASSERT_OK(bind_and_open(&self->c));
	EXPECT_ERRNO(EBUSY, unwatched_open(&self->c.func));
	EXPECT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE, flags);
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET, flags);
	EXPECT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
}

/* Its container has no other backend, and that maps nothing: its ioctls are all ENOTTY. */
TEST_F(noiommu, backend)
{
	static const int others[] = { VFIO_TYPE1_IOMMU, VFIO_TYPE1v2_IOMMU, VFIO_UNMAP_ALL,
				      VFIO_DMA_CC_IOMMU, VFIO_UPDATE_VADDR };
	int container;
	char page;

	ASSERT_OK(bind_and_open(&self->c));
	container = self->c.container;
	ASSERT_OK(group_set_container(self->c.group, container));
	EXPECT_EQ(1, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		EXPECT_EQ(0, ioctl(container, VFIO_CHECK_EXTENSION, others[i]));
		EXPECT_ERRNO(ENODEV, ioctl(container, VFIO_SET_IOMMU, others[i]));
	}
	EXPECT_ERRNO(EINVAL, group_get_device(self->c.group, self->c.func.bdf));
	EXPECT_ERRNO(EINVAL, dma_map_rw(container, &page, 0, PAGE));

	ASSERT_OK(ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(EINVAL, ioctl(container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(VFIO_API_VERSION, ioctl(container, VFIO_GET_API_VERSION));
	EXPECT_EQ(1, ioctl(container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		EXPECT_EQ(0, ioctl(container, VFIO_CHECK_EXTENSION, others[i]));
	EXPECT_ERRNO(ENOTTY, dma_map_rw(container, &page, 0, PAGE));
	EXPECT_ERRNO(ENOTTY, dma_unmap(container, 0, 0, PAGE));
	EXPECT_ERRNO(ENOTTY, ioctl(container, VFIO_IOMMU_GET_INFO, &page));
	EXPECT_ERRNO(ENOTTY, ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &page));
}

/* The parameter taken back: what is bound stays, but no container gets the backend any more. */
TEST_F(noiommu, parameter_taken_back)
{
	ASSERT_OK(bind_and_open(&self->c));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(file_write(ALLOWED, "N"));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
}

/* Each open of the device is told, with the process that did it. */
TEST_F(noiommu, open_is_told)
{
	int log = log_open();
	char wanted[128];

	ASSERT_EQ(0, prctl(PR_SET_NAME, "daredevil"));
	ASSERT_OK(open_whole(&self->c));
	snprintf(wanted, sizeof(wanted), "%s: opened without an IOMMU by %d daredevil",
		 self->c.func.bdf, getpid());
	EXPECT_TRUE(log_has(log, wanted));
	close(log);
}

/* Registers work, and the device's interrupt arrives: by message and by its line. */
TEST_F(noiommu, registers_and_interrupts)
{
	static const __u32 kinds[] = { VFIO_PCI_MSI_IRQ_INDEX, VFIO_PCI_INTX_IRQ_INDEX };
	__s32 event = event_new();
	int error;

	ASSERT_OK(open_whole(&self->c));
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0x12345678));
	EXPECT_EQ(~0x12345678U, bar_read32(&self->c, 0, EDU_LIVENESS));
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		error = ERRNO_OF(irq_events(self->c.device, kinds[i], 0, 1, &event));
		/* ENODEV is what 6.1 says. */
		if (error == NOT_SUPPORTED || error == ENODEV)
			SKIP(return, "the interrupt remapping does not know the device either");
		ASSERT_EQ(0, error);
		ASSERT_OK(edu_raise(&self->c));
		EXPECT_EQ(1, event_wait(event, PATIENCE_MS));
		ASSERT_OK(edu_lower(&self->c));
		ASSERT_OK(irq_disable(self->c.device, kinds[i]));
	}
}

/* While a device is open the group stays in its container, whatever is closed first. */
TEST_F(noiommu, order_of_closing)
{
	ASSERT_OK(open_whole(&self->c));
	EXPECT_ERRNO(EBUSY, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	fd_close(&self->c.container);
	fd_close(&self->c.group);
	EXPECT_ERRNO(EBUSY, unwatched_open(&self->c.func));
	EXPECT_EQ(0x1234, config_read(&self->c, 0, 2));
	fd_close(&self->c.device);
	self->c.group = unwatched_open(&self->c.func);
	EXPECT_LE(0, self->c.group);
}

/* The group's fd outlives the device's binding: ENODEV. */
TEST_F(noiommu, dead)
{
	__u32 flags;

	ASSERT_OK(bind_and_open(&self->c));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
}

/* Watched and unwatched groups are in no container together: EPERM, whichever comes first. */
TEST_F(noiommu, never_mixed)
{
	struct client watched;

	ASSERT_OK(bind_and_open(&self->c));
	if (pci_find(EDU, 0, &watched.func) || !strcmp(watched.func.bdf, self->c.func.bdf))
		SKIP(return, "no device %s that an IOMMU watches", test_device_name(EDU));
	ASSERT_OK(pci_bind(&watched.func, "vfio-pci"));
	ASSERT_OK(client_open_group(&watched, EDU, 0));

	ASSERT_OK(group_set_container(watched.group, self->c.container));
	EXPECT_EQ(0, ioctl(self->c.container, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(ENODEV, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(EPERM, group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EPERM, group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(watched.group, VFIO_GROUP_UNSET_CONTAINER));

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EPERM, group_set_container(watched.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_NOIOMMU_IOMMU));
	EXPECT_ERRNO(EPERM, group_set_container(watched.group, self->c.container));
	EXPECT_OK(group_set_container(watched.group, watched.container));
	client_close(&watched);
	EXPECT_OK(pci_unbind(&watched.func));
}

/* ---- two groups behind one bridge ---- */

#define MARK	0x12340

/* Both cards have a group, a container and a device fd each. */
FIXTURE(neighbours)
{
	struct client c[2];
};

FIXTURE_SETUP(neighbours)
{
	for (int i = 0; i < 2; i++)
		self->c[i] = (struct client)CLIENT_NONE;
	if (find_unwatched(E1000, &self->c[0].func))
		SKIP(return, "every device %s is watched by an IOMMU", test_device_name(E1000));
	ASSERT_OK(file_write(ALLOWED, "Y"));
	ASSERT_OK(pci_take(E1000));
	for (int i = 0; i < 2; i++) {
		ASSERT_OK(pci_find(E1000, i, &self->c[i].func));
		ASSERT_OK(open_whole(&self->c[i]));
		ASSERT_OK(config_command(&self->c[i], PCI_COMMAND_MEMORY, 0));
		ASSERT_OK(config_write(&self->c[i], PCI_INTERRUPT_LINE, 1, 0x50 + i));
		ASSERT_OK(bar_write32(&self->c[i], 0, E1000_RING, MARK));
		ASSERT_EQ(MARK, bar_read32(&self->c[i], 0, E1000_RING));
	}
	ASSERT_NE(self->c[0].func.group, self->c[1].func.group);
}

FIXTURE_TEARDOWN(neighbours)
{
	for (int i = 0; i < 2; i++)
		client_close(&self->c[i]);
	pci_give_back();
	file_write(ALLOWED, "N");
}

/* What a reset reaches is told with the group of each. */
TEST_F(neighbours, info)
{
	struct hot_info info;

	for (int i = 0; i < 2; i++) {
		ASSERT_OK(hot_info(self->c[i].device, &info, 8));
		ASSERT_EQ(2, info.head.count);
		for (int j = 0; j < 2; j++)
			EXPECT_EQ(self->c[j].func.group, (int)info.devices[j].group_id);
	}
}

/* Who shows one group only does not own all that is reached: EINVAL, and nothing is reset. */
TEST_F(neighbours, one_group)
{
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 2; j++) {
			const __s32 twice[] = { self->c[j].group, self->c[j].group };

			EXPECT_ERRNO(EINVAL, hot_reset_by(self->c[i].device, 1, twice));
			EXPECT_ERRNO(EINVAL, hot_reset_by(self->c[i].device, 2, twice));
		}
	}
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(MARK, bar_read32(&self->c[i], 0, E1000_RING));
}

/* Who shows both resets both, through either; config space is as it was. */
TEST_F(neighbours, both_groups)
{
	const __s32 groups[][2] = {
		{ self->c[0].group, self->c[1].group },
		{ self->c[1].group, self->c[0].group },
	};

	for (size_t round = 0; round < ARRAY_SIZE(groups); round++) {
		ASSERT_OK(hot_reset_by(self->c[0].device, 2, groups[round]));
		for (int i = 0; i < 2; i++) {
			EXPECT_EQ(0, bar_read32(&self->c[i], 0, E1000_RING));
			EXPECT_EQ(0x50 + i, config_read(&self->c[i], PCI_INTERRUPT_LINE, 1));
			ASSERT_OK(bar_write32(&self->c[i], 0, E1000_RING, MARK));
		}
	}
	ASSERT_OK(hot_reset_by(self->c[1].device, 2, groups[0]));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, bar_read32(&self->c[i], 0, E1000_RING));
}

/* A group counts that is open, whether its device is or not: that one is reset as well. */
TEST_F(neighbours, other_device_closed)
{
	const __s32 groups[] = { self->c[0].group, self->c[1].group };

	fd_close(&self->c[1].device);
	ASSERT_OK(hot_reset_by(self->c[0].device, 2, groups));
	EXPECT_EQ(0, bar_read32(&self->c[0], 0, E1000_RING));
	self->c[1].device = group_get_device(self->c[1].group, self->c[1].func.bdf);
	ASSERT_LE(0, self->c[1].device);
	ASSERT_OK(config_command(&self->c[1], PCI_COMMAND_MEMORY, 0));
	EXPECT_EQ(0, bar_read32(&self->c[1], 0, E1000_RING));
}

/* A neighbour that vfio-pci has not is in no group: EPERM to ask, EINVAL to reset. */
TEST_F(neighbours, other_is_not_bound)
{
	struct hot_info info;

	client_close(&self->c[1]);
	ASSERT_OK(pci_unbind(&self->c[1].func));
	EXPECT_ERRNO(EPERM, hot_info(self->c[0].device, &info, 8));
	EXPECT_ERRNO(EINVAL, hot_reset_by(self->c[0].device, 1, &self->c[0].group));
	EXPECT_EQ(MARK, bar_read32(&self->c[0], 0, E1000_RING));
}

/* ---- a device that is taken back ---- */

/* A thread that opens the device through a group fd, over and over, until it cannot. */
struct opener {
	pthread_t thread;
	const struct client *c;
	unsigned long times;
	int error;
};

static void *open_until_error(void *data)
{
	struct opener *opener = data;
	int device;

	while ((device = group_get_device(opener->c->group, opener->c->func.bdf)) >= 0) {
		close(device);
		__atomic_fetch_add(&opener->times, 1, __ATOMIC_RELEASE);
	}
	opener->error = errno;
	return NULL;
}

static bool opener_start(struct opener *opener, const struct client *c)
{
	*opener = (struct opener){ .c = c };
	if (pthread_create(&opener->thread, NULL, open_until_error, opener))
		return false;
	for (int tries = 0; tries < PATIENCE_MS; tries++, usleep(1000))
		if (__atomic_load_n(&opener->times, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

FIXTURE(taken)
{
	struct client c;
};

FIXTURE_VARIANT(taken)
{
	enum test_device kind;
	const char *host_driver;
};

FIXTURE_VARIANT_ADD(taken, edu) { .kind = EDU, .host_driver = "pci-stub" };
FIXTURE_VARIANT_ADD(taken, e1000e) { .kind = E1000E, .host_driver = "e1000e" };

FIXTURE_SETUP(taken)
{
	self->c.container = -1;
	self->c.group = -1;
	self->c.device = -1;
	if (find_unwatched(variant->kind, &self->c.func))
		SKIP(return, "every device %s is watched by an IOMMU",
		     test_device_name(variant->kind));
	if (!driver_is_there(variant->host_driver))
		SKIP(return, "the kernel has no driver %s", variant->host_driver);
	ASSERT_OK(file_write(ALLOWED, "Y"));
	ASSERT_OK(pci_take(variant->kind));
}

FIXTURE_TEARDOWN(taken)
{
	client_close(&self->c);
	pci_give_back();
	file_write(ALLOWED, "N");
}

/*
 * Unbinding ends although a program has the group and the device open and goes on opening it. All
 * that its fds say from then on is ENODEV; the node is gone, and the host's driver has the device.
 * A user to come is none the worse for the fds that the program keeps.
 */
TEST_F(taken, while_it_is_opened)
{
	static struct opener opener; /* its thread outlives a failed assertion */
	struct client next;
	char path[64];
	__u32 flags;

	ASSERT_OK(open_whole(&self->c));
	snprintf(path, sizeof(path), "/dev/vfio/noiommu-%d", self->c.func.group);
	ASSERT_TRUE(opener_start(&opener, &self->c));
	ASSERT_OK(take_back(&self->c.func));
	pthread_join(opener.thread, NULL);
	EXPECT_EQ(ENODEV, opener.error)
		TH_LOG("%s", errno_name(opener.error));
	EXPECT_TRUE(is_dead(self->c.device));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_ERRNO(ENODEV, group_get_device(self->c.group, self->c.func.bdf));
	EXPECT_ERRNO(ENOENT, access(path, F_OK));

	ASSERT_OK(pci_bind(&self->c.func, variant->host_driver));
	if (variant->kind == E1000E)
		EXPECT_TRUE(card_works(&self->c.func));
	next.func = self->c.func;
	ASSERT_OK(open_whole(&next));
	EXPECT_NE(0xffff, config_read(&next, 0, 2));
	EXPECT_TRUE(is_dead(self->c.device));
	client_close(&next);
}

/*
 * Where only this device is not watched it stands behind a host bridge of its own, and firmware
 * code finds the interrupts of that: half a minute of work for a debug kernel under emulation, each
 * time that the device is enabled. So keep it enabled.
 */
static void enable_once(void)
{
	struct pci_func func;

	if (!access("/sys/class/iommu/dmar0", F_OK) && !find_unwatched(EDU, &func))
		pci_write(&func, "enable", "1");
}

int main(int argc, char **argv)
{
	enable_once();
	/* The second is the driver core's: that a device was refused. */
	log_announce("without an IOMMU|probe .*failed with error -22|PCI INT .: no GSI");
	log_announce("Device is taken back|No device request channel|callbacks suppressed");
	return test_harness_run(argc, argv);
}

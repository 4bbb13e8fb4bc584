// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of every ioctl: bad pointers, sizes that are too short, exact and too long, unknown
 * flags, unknown numbers, and fds of the wrong kind.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define UNKNOWN	_IO(VFIO_TYPE, VFIO_BASE + 77)
#define BAD	((void *)16)

/* Which fd a row is about. */
enum fd_kind { CONTAINER, GROUP, DEVICE };

/*
 * One ioctl whose argument begins with argsz and flags. @words are the 32-bit words of an argument
 * with which the call succeeds; @error, or @or_error, is what it answers where it cannot succeed.
 * @bad_flag is a flag that it must refuse, 0 where flags are an answer only.
 */
struct row {
	const char *name;
	enum fd_kind fd;
	unsigned int cmd;
	__u32 min;
	__u32 bad_flag;
	int error;
	int or_error;
	bool optional;
	__u32 words[8];
};

#define ROW(kind, ioctl_name)	.name = #ioctl_name, .fd = kind, .cmd = ioctl_name

static const struct row rows[] = {
	{ ROW(GROUP, VFIO_GROUP_GET_STATUS), .min = 8 },
	{ ROW(DEVICE, VFIO_DEVICE_GET_INFO), .min = 16 },
	{ ROW(DEVICE, VFIO_DEVICE_GET_REGION_INFO), .min = 32, .words[2] = 7 },
	{ ROW(DEVICE, VFIO_DEVICE_GET_IRQ_INFO), .min = 16, .words[2] = VFIO_PCI_REQ_IRQ_INDEX },
	/* Fire the eventfd that the setup gave to it. */
	{ ROW(DEVICE, VFIO_DEVICE_SET_IRQS), .min = 20, .bad_flag = 1 << 6,
	  .words[1] = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
	  .words[2] = VFIO_PCI_REQ_IRQ_INDEX, .words[4] = 1 },
	/* The device stands on the root bus, which cannot be reset: ENODEV. */
	{ ROW(DEVICE, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO), .min = 12, .error = ENODEV,
	  .optional = true },
	/* The same, or no group was given: EINVAL. Kernels differ in what they look at first. */
	{ ROW(DEVICE, VFIO_DEVICE_PCI_HOT_RESET), .min = 12, .bad_flag = 1, .error = ENODEV,
	  .or_error = EINVAL, .optional = true },
	/* To take away what was never set: ENODEV. BAR 0, offset 8, four bytes, fd -1. */
	{ ROW(DEVICE, VFIO_DEVICE_IOEVENTFD), .min = 28, .bad_flag = 1 << 4, .error = ENODEV,
	  .optional = true, .words = { 0, VFIO_DEVICE_IOEVENTFD_32, 8, 0, 0, 0, ~0U } },
	{ ROW(DEVICE, VFIO_DEVICE_FEATURE), .min = 8, .bad_flag = 1 << 19, .error = ENOTTY,
	  .optional = true, .words[1] = VFIO_DEVICE_FEATURE_GET | 0xfffe },
	{ ROW(CONTAINER, VFIO_IOMMU_GET_INFO), .min = 16 },
	/* No memory at address 0: EFAULT, but only after all that is checked here. */
	{ ROW(CONTAINER, VFIO_IOMMU_MAP_DMA), .min = 32, .bad_flag = 1 << 3, .error = EFAULT,
	  .words = { 0, VFIO_DMA_MAP_FLAG_READ, 0, 0, IOVA, 0, PAGE } },
	{ ROW(CONTAINER, VFIO_IOMMU_UNMAP_DMA), .min = 24, .bad_flag = 1 << 3,
	  .words = { 0, 0, IOVA, 0, PAGE } },
	{ ROW(CONTAINER, VFIO_IOMMU_DIRTY_PAGES), .min = 8, .bad_flag = 1 << 3,
	  .optional = true, .words[1] = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP },
};

FIXTURE(uapi)
{
	struct client c;
	char *page;
	const struct row *row;
};

FIXTURE_SETUP(uapi)
{
	__s32 event = event_new();

	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	/* Two pages, of which the second cannot be touched. */
	self->page = memory_new(2 * PAGE);
	ASSERT_NE(NULL, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event));
}

FIXTURE_TEARDOWN(uapi)
{
	client_close(&self->c);
}

static int row_fd(const struct client *c, const struct row *row)
{
	const int fds[] = { [CONTAINER] = c->container, [GROUP] = c->group, [DEVICE] = c->device };

	return fds[row->fd];
}

/* The row's call with an argument that ends where the page ends, @there bytes before. */
static int row_call(const struct client *c, char *page, const struct row *row, __u32 argsz,
		    __u32 there, __u32 flag)
{
	char *argument = page + PAGE - there;
	__u32 words[8];

	memcpy(words, row->words, sizeof(words));
	words[0] = argsz;
	words[1] |= flag;
	memset(page, 0, PAGE);
	memcpy(argument, words, there < sizeof(words) ? there : sizeof(words));
	return ioctl(row_fd(c, row), row->cmd, argument);
}

/*
 * The row after @row, NULL after the last. A call that the module does not have at all (it says
 * ENOTTY even to an empty argument) is left out, if it is optional.
 */
static const struct row *next_row(const struct client *c, char *page, const struct row *row)
{
	for (row = row ? row + 1 : rows; row < rows + ARRAY_SIZE(rows); row++)
		if (!row->optional || ERRNO_OF(row_call(c, page, row, 0, row->min, 0)) != ENOTTY)
			return row;
	return NULL;
}

/* True if the call with a good argument of a given size answers as its row says. */
static bool row_answers(const struct client *c, char *page, const struct row *row, __u32 size)
{
	int got = ERRNO_OF(row_call(c, page, row, size, size, 0));

	if (got == row->error || (row->or_error && got == row->or_error))
		return true;
	ksft_print_msg("%s: %s, must be %s\n", row->name, errno_name(got), errno_name(row->error));
	return false;
}

#define EXPECT_ROW(error_wanted, argsz, there, flag) do {		\
	int _want = (error_wanted);					\
	int _got = ERRNO_OF(row_call(&self->c, self->page, self->row, argsz, there, flag)); \
									\
	EXPECT_EQ(_want, _got)						\
		TH_LOG("%s: %s, must be %s", self->row->name, errno_name(_got), \
		       errno_name(_want));				\
} while (0)

/* A pointer to nothing: EFAULT. */
TEST_F(uapi, bad_pointer)
{
	while ((self->row = next_row(&self->c, self->page, self->row))) {
		int got = ERRNO_OF(ioctl(row_fd(&self->c, self->row), self->row->cmd, BAD));

		EXPECT_EQ(EFAULT, got)
			TH_LOG("%s: %s", self->row->name, errno_name(got));
	}
}

/* The least size may not be cut by the end of memory: EFAULT. */
TEST_F(uapi, half_a_struct)
{
	while ((self->row = next_row(&self->c, self->page, self->row)))
		EXPECT_ROW(EFAULT, self->row->min, self->row->min - 4, 0);
}

/* argsz too short by one, or nothing at all: EINVAL. */
TEST_F(uapi, argsz_too_short)
{
	while ((self->row = next_row(&self->c, self->page, self->row))) {
		EXPECT_ROW(EINVAL, self->row->min - 1, self->row->min, 0);
		EXPECT_ROW(EINVAL, 0, self->row->min, 0);
	}
}

/* The least size, with no byte of memory behind it: works. */
TEST_F(uapi, argsz_exact)
{
	while ((self->row = next_row(&self->c, self->page, self->row)))
		EXPECT_TRUE(row_answers(&self->c, self->page, self->row, self->row->min));
}

/* A program of tomorrow has larger structs: works. */
TEST_F(uapi, argsz_too_long)
{
	while ((self->row = next_row(&self->c, self->page, self->row)))
		EXPECT_TRUE(row_answers(&self->c, self->page, self->row, 1024));
}

/* Unknown flags: EINVAL. */
TEST_F(uapi, unknown_flag)
{
	while ((self->row = next_row(&self->c, self->page, self->row)))
		if (self->row->bad_flag)
			EXPECT_ROW(EINVAL, self->row->min, self->row->min, self->row->bad_flag);
}

/* Unknown numbers: ENOTTY, from each kind of fd. */
TEST_F(uapi, unknown_ioctl)
{
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.container, UNKNOWN, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.group, UNKNOWN, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.device, UNKNOWN, NULL));
	/* Of another fd. */
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.group, VFIO_GET_API_VERSION, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.device, VFIO_GROUP_GET_STATUS, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.container, VFIO_DEVICE_GET_REGION_INFO, NULL));
	/* Known, but of other backends and other kinds of devices. */
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.container, VFIO_IOMMU_ENABLE, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.container, VFIO_IOMMU_DISABLE, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.device, VFIO_DEVICE_QUERY_GFX_PLANE, NULL));
	EXPECT_ERRNO(ENOTTY, ioctl(self->c.device, VFIO_DEVICE_GET_GFX_DMABUF, NULL));
}

/* A container without a backend: EINVAL for all that it would pass on. */
TEST(container_without_backend)
{
	int fd = container_open();

	ASSERT_LE(0, fd);
	EXPECT_ERRNO(EINVAL, ioctl(fd, UNKNOWN, NULL));
	EXPECT_ERRNO(EINVAL, ioctl(fd, VFIO_IOMMU_GET_INFO, NULL));
	EXPECT_ERRNO(EINVAL, dma_map_rw(fd, NULL, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, dma_unmap(fd, 0, IOVA, PAGE));
}

/* What a container can be asked before it has anything. */
TEST(container_extensions)
{
	int fd = container_open();

	ASSERT_LE(0, fd);
	EXPECT_EQ(VFIO_API_VERSION, ioctl(fd, VFIO_GET_API_VERSION, NULL));
	EXPECT_EQ(VFIO_API_VERSION, ioctl(fd, VFIO_GET_API_VERSION, BAD));
	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_SPAPR_TCE_v2_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_EEH));
	/* Nesting was given up in 7.x; older kernels answer 1. */
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_NESTING_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, 0));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, 12345));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, -1L));
}

/* With a backend, it alone is asked. */
TEST_F(uapi, backend_extensions)
{
	int fd = self->c.container;

	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU));
	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_UNMAP_ALL));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_NOIOMMU_IOMMU));
	EXPECT_EQ(0, ioctl(fd, VFIO_CHECK_EXTENSION, 12345));
}

/* SET_CONTAINER takes a container's fd: EBADF for none, EBADFD for another kind (6.1: EINVAL). */
TEST_F(uapi, wrong_fds)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), event = event_new();
	struct client other;

	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ERRNO(EFAULT, ioctl(self->c.group, VFIO_GROUP_SET_CONTAINER, BAD));
	EXPECT_ERRNO(EBADF, group_set_container(self->c.group, -1));
	EXPECT_ERRNO(EBADF, group_set_container(self->c.group, 1000));
	EXPECT_ERRNO(EBADFD, group_set_container(self->c.group, null));
	EXPECT_ERRNO(EBADFD, group_set_container(self->c.group, self->c.group));
	EXPECT_ERRNO(EBADFD, group_set_container(self->c.group, event));
	if (!client_open(&other, EDU, 1, VFIO_TYPE1v2_IOMMU))
		EXPECT_ERRNO(EBADFD, group_set_container(self->c.group, other.device));
	client_close(&other);
	EXPECT_OK(group_set_container(self->c.group, self->c.container));
}

/* A device's name must be readable, and not longer than a page: EFAULT, EINVAL. */
TEST_F(uapi, device_name)
{
	EXPECT_ERRNO(EFAULT, ioctl(self->c.group, VFIO_GROUP_GET_DEVICE_FD, BAD));
	/* No end before the memory ends. */
	memset(self->page, 'x', PAGE);
	EXPECT_ERRNO(EFAULT, ioctl(self->c.group, VFIO_GROUP_GET_DEVICE_FD,
				   self->page + PAGE - 100));
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_READ | PROT_WRITE));
	memset(self->page, 'x', 2 * PAGE);
	EXPECT_ERRNO(EINVAL, ioctl(self->c.group, VFIO_GROUP_GET_DEVICE_FD, self->page));
}

/* Indices that are not there: EINVAL. */
TEST_F(uapi, bad_index)
{
	struct vfio_region_info region;
	struct vfio_irq_info irq;

	/* A VGA region has a VGA device only. */
	EXPECT_ERRNO(EINVAL, region_info(self->c.device, VFIO_PCI_VGA_REGION_INDEX, &region));
	EXPECT_ERRNO(EINVAL, region_info(self->c.device, VFIO_PCI_NUM_REGIONS, &region));
	EXPECT_ERRNO(EINVAL, region_info(self->c.device, ~0U, &region));
	EXPECT_ERRNO(EINVAL, irq_info(self->c.device, VFIO_PCI_NUM_IRQS, &irq));
	EXPECT_ERRNO(EINVAL, irq_info(self->c.device, ~0U, &irq));
}

/* GET_INFO: a PCI device, 9 regions, 5 interrupt indices; no byte is written beyond argsz. */
TEST_F(uapi, device_info)
{
	union {
		struct vfio_device_info info;
		__u8 bytes[64];
	} reply;

	memset(&reply, 0xaa, sizeof(reply));
	reply.info.argsz = 16;
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_GET_INFO, &reply));
	EXPECT_TRUE(reply.info.flags & VFIO_DEVICE_FLAGS_PCI);
	EXPECT_FALSE(reply.info.flags & (VFIO_DEVICE_FLAGS_PLATFORM | VFIO_DEVICE_FLAGS_CCW));
	EXPECT_LE(VFIO_PCI_NUM_REGIONS, reply.info.num_regions);
	EXPECT_LE(VFIO_PCI_NUM_IRQS, reply.info.num_irqs);
	for (size_t at = 16; at < sizeof(reply); at++)
		EXPECT_EQ(0xaa, reply.bytes[at]);

	memset(&reply, 0xaa, sizeof(reply));
	reply.info.argsz = sizeof(reply.info);
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_GET_INFO, &reply));
	if (!(reply.info.flags & VFIO_DEVICE_FLAGS_CAPS))
		EXPECT_EQ(0, reply.info.cap_offset);
	for (size_t at = sizeof(reply.info); at < sizeof(reply); at++)
		EXPECT_EQ(0xaa, reply.bytes[at]);
}

/* The RESET flag tells whether RESET works; it changes nothing that a client set up. */
TEST_F(uapi, device_reset)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct client nvme;

	if (!open_or_skip(_metadata, &nvme, NVME, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(ioctl(nvme.device, VFIO_DEVICE_GET_INFO, &info));
	EXPECT_TRUE(info.flags & VFIO_DEVICE_FLAGS_RESET);
	EXPECT_OK(ioctl(nvme.device, VFIO_DEVICE_RESET));
	EXPECT_OK(ioctl(nvme.device, VFIO_DEVICE_RESET));
	EXPECT_EQ(0x1b36, config_read(&nvme, 0, 2));
	client_close(&nvme);

	info.argsz = sizeof(info);
	ASSERT_OK(ioctl(self->c.device, VFIO_DEVICE_GET_INFO, &info));
	if (info.flags & VFIO_DEVICE_FLAGS_RESET)
		EXPECT_OK(ioctl(self->c.device, VFIO_DEVICE_RESET));
	else
		EXPECT_ERRNO(EINVAL, ioctl(self->c.device, VFIO_DEVICE_RESET));
}

/* Containers and groups are no files to read, write or map. */
TEST_F(uapi, no_data)
{
	char byte = 0;

	EXPECT_ERRNO(EINVAL, read(self->c.container, &byte, 1));
	EXPECT_ERRNO(EINVAL, write(self->c.container, &byte, 1));
	EXPECT_ERRNO(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->c.container, 0));
	EXPECT_ERRNO(EINVAL, read(self->c.group, &byte, 1));
	EXPECT_ERRNO(EINVAL, write(self->c.group, &byte, 1));
	EXPECT_ERRNO(ENODEV, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, self->c.group, 0));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

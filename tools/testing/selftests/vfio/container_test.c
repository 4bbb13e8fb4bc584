// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a container promises: the extensions it answers for, when it has a backend and when it is as
 * new again, and who pays for it.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define CGROUP	"/sys/fs/cgroup/vfio-container-test"

static int extension(int container, unsigned long number)
{
	return ioctl(container, VFIO_CHECK_EXTENSION, number);
}

/*
 * The numbers that a container answers for with 1, in their order: all others give 0. DMA_CC
 * depends on the IOMMU and has a test of its own.
 */
static const char *extensions(int container)
{
	static char text[1024];
	size_t length = 0;
	int answer;

	text[0] = 0;
	for (int number = -4096; number < 4096; number++) {
		answer = number == VFIO_DMA_CC_IOMMU ? 0 : extension(container, number);
		if (answer && length < sizeof(text) - 32)
			length += sprintf(text + length, answer == 1 ? " %d" : " %d=%d", number,
					  answer);
	}
	return text;
}

/* TYPE1, TYPE1v2 and UNMAP_ALL are always there; UPDATE_VADDR is with a backend. */
#define BEFORE	" 1 3 9"
#define AFTER	" 1 3 9 10"

/* A container and two groups that do not know each other. */
FIXTURE(container)
{
	struct client c;
	struct client other;
	char *memory;
};

FIXTURE_SETUP(container)
{
	self->c.container = -1;
	self->other.container = -1;
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0) ||
	    !client_is_open(_metadata, client_open_group(&self->other, EDU, 1), EDU, 1))
		return;
	self->memory = memory_new(PAGE);
	ASSERT_NE(NULL, self->memory);
}

FIXTURE_TEARDOWN(container)
{
	client_close(&self->c);
	client_close(&self->other);
}

static int set_iommu(const struct client *c, int type)
{
	return ioctl(c->container, VFIO_SET_IOMMU, type);
}

static int unset(const struct client *c)
{
	return ioctl(c->group, VFIO_GROUP_UNSET_CONTAINER);
}

/*
 * Without a backend all backends are asked, with one it alone. A group alone changes nothing. After
 * the last one has left all is as before.
 */
TEST_F(container, extensions)
{
	EXPECT_STREQ(BEFORE, extensions(self->c.container));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_STREQ(BEFORE, extensions(self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_STREQ(AFTER, extensions(self->c.container));
	ASSERT_OK(unset(&self->c));
	EXPECT_STREQ(BEFORE, extensions(self->c.container));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1_IOMMU));
	EXPECT_STREQ(AFTER, extensions(self->c.container));
}

/* A failed SET_IOMMU leaves the container without a backend, so another type may follow. */
TEST_F(container, refused_types)
{
	static const int refused[] = { 0, VFIO_SPAPR_TCE_IOMMU, VFIO_DMA_CC_IOMMU, VFIO_EEH,
				       VFIO_TYPE1_NESTING_IOMMU, VFIO_SPAPR_TCE_v2_IOMMU,
				       VFIO_NOIOMMU_IOMMU, VFIO_UPDATE_VADDR, 11, -1 };

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_ERRNO(ENODEV, set_iommu(&self->c, refused[i]));
		EXPECT_ERRNO(EINVAL, dma_unmap(self->c.container, 0, IOVA, PAGE));
		EXPECT_STREQ(BEFORE, extensions(self->c.container));
	}
	EXPECT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
}

/*
 * An extension that is no IOMMU is no type for SET_IOMMU: EINVAL from the backend, which is asked
 * as its CHECK_EXTENSION says 1.
 */
TEST_F(container, extension_is_no_type)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_ERRNO(EINVAL, set_iommu(&self->c, VFIO_UNMAP_ALL));
	EXPECT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
}

/* Mappings stay as long as one group does. With the last one they go, and the backend with them. */
TEST_F(container, last_group)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	ASSERT_OK(group_set_container(self->other.group, self->c.container));
	ASSERT_OK(unset(&self->c));
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	EXPECT_ERRNO(EINVAL, set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(unset(&self->other));
	EXPECT_EQ(0, locked_kib());
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, self->memory, IOVA, PAGE));

	/* As new: no mapping of old stands in the way. */
	ASSERT_OK(group_set_container(self->other.group, self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
}

/* Groups that come before SET_IOMMU are all attached by it. */
TEST_F(container, groups_first)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(group_set_container(self->other.group, self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	EXPECT_LE(0, self->c.device);
	self->other.device = group_get_device(self->other.group, self->other.func.bdf);
	EXPECT_LE(0, self->other.device);
	EXPECT_ERRNO(EBUSY, unset(&self->c));
	EXPECT_ERRNO(EBUSY, unset(&self->other));
	/* Each group counts its own devices. */
	fd_close(&self->other.device);
	EXPECT_OK(unset(&self->other));
	EXPECT_ERRNO(EBUSY, unset(&self->c));
}

/* A container may be left by its last group when its own fd has long been closed. */
TEST_F(container, group_outlives_container_fd)
{
	__u32 flags = 0;

	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(self->c.container, self->memory, IOVA, PAGE));
	fd_close(&self->c.container);
	EXPECT_EQ((long)(PAGE / KIB), locked_kib());
	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET, flags);
	ASSERT_OK(unset(&self->c));
	EXPECT_EQ(0, locked_kib());
}

static long module_users(const char *module)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", module);
	return file_read(path, text, sizeof(text)) ? -1 : atol(text);
}

/* The backend's module is pinned from SET_IOMMU until the last group leaves, and no longer. */
TEST_F(container, backend_is_pinned)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_EQ(0, module_users("vfio_iommu_type1"));
	EXPECT_ERRNO(ENODEV, set_iommu(&self->c, VFIO_TYPE1_NESTING_IOMMU));
	EXPECT_EQ(0, module_users("vfio_iommu_type1"));
	ASSERT_OK(set_iommu(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, module_users("vfio_iommu_type1"));
	EXPECT_NE(0, system("rmmod vfio_iommu_type1 2>/dev/null"));
	ASSERT_OK(unset(&self->c));
	EXPECT_EQ(0, module_users("vfio_iommu_type1"));
}

/* Kernel memory that this cgroup pays for, in bytes, after all that waits to be freed is. */
static long charged(void)
{
	FILE *stat = fopen(CGROUP "/memory.stat", "r");
	char line[128];
	long bytes, sum = 0;

	while (stat && fgets(line, sizeof(line), stat))
		if (sscanf(line, "slab_unreclaimable %ld", &bytes) == 1)
			sum = bytes;
	if (stat)
		fclose(stat);
	return sum;
}

#define MANY 8000

/* Opens a node many times and says what that charged to the cgroup. */
static long cost_of(const char *node)
{
	static int fds[MANY];
	long before = charged();

	for (int i = 0; i < MANY; i++)
		fds[i] = open(node, O_RDWR | O_CLOEXEC);
	before = charged() - before;
	for (int i = 0; i < MANY; i++)
		fd_close(&fds[i]);
	return before;
}

/* Anybody may open containers, so whoever does pays: their memory is charged to his cgroup. */
TEST(charged_to_opener)
{
	const struct rlimit limit = { .rlim_cur = 2 * MANY, .rlim_max = 2 * MANY };
	long null, containers;
	char pid[16];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	file_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(CGROUP, 0755);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (file_write(CGROUP "/cgroup.procs", pid) || access(CGROUP "/memory.stat", R_OK))
		SKIP(return, "no memory cgroup");
	cost_of("/dev/null");
	null = cost_of("/dev/null");
	containers = cost_of("/dev/vfio/vfio");
	file_write("/sys/fs/cgroup/cgroup.procs", pid);
	rmdir(CGROUP);
	/* One takes 64 bytes at least; the statistics lag by some pages for each processor. */
	EXPECT_LE(MANY * 32L, containers - null)
		TH_LOG("%ld bytes for files, %ld for containers", null, containers);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

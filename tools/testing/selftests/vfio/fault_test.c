// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each call that can fail inside of an ioctl fails once: the n-th of them, for n from 1 on until
 * the ioctl gets through without a failure. After each one the container works, nothing is pinned,
 * charged or mapped, and what takes things away has taken them away in spite of it.
 *
 * lib/fault.c says what makes calls fail.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/check.h"
#include "lib/sweep.h"

#define IOVA		(16 * MIB)
#define SIZE		(64 * PAGE)
#define EDGE		(18 * MIB - SIZE / 2)	/* in two page tables of the IOMMU */
#define SPARE		(64 * MIB)

FIXTURE(fault)
{
	struct client c;
	struct client other;
	int fd;
	char *memory;
	long available;
	long pins;
};

FIXTURE_VARIANT(fault)
{
	const char *nth;
};

FIXTURE_VARIANT_ADD(fault, ours)
{
	.nth = FAIL_NTH,
};

FIXTURE_VARIANT_ADD(fault, allocations)
{
	.nth = TASK_FAIL_NTH,
};

FIXTURE_SETUP(fault)
{
	self->pins = pins_held();
	self->c = (struct client)CLIENT_NONE;
	self->other = (struct client)CLIENT_NONE;
	if (access(variant->nth, W_OK))
		SKIP(return, "no %s: not made for debugging", variant->nth);
	if (!strcmp(variant->nth, TASK_FAIL_NTH) && fault_prepare())
		SKIP(return, "the kernel cannot make its allocations fail: %s", strerror(errno));
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(2 * SIZE);
	/* There before a page fault could fail; neighbours seldom lie next to each other. */
	for (int page = 2 * SIZE / PAGE - 1; page >= 0; page--)
		self->memory[page * PAGE] = page;
	self->available = dma_available(self->fd);
}

FIXTURE_TEARDOWN(fault)
{
	client_close(&self->other);
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/* As before, and a mapping can be made and taken away. */
#define EXPECT_WORKS() do {						\
	ASSERT_EQ(self->available, dma_available(self->fd));		\
	ASSERT_TRUE(locked_becomes(0));					\
	ASSERT_TRUE(pins_become(self->pins));				\
	ASSERT_OK(dma_map_rw(self->fd, self->memory, SPARE, PAGE));	\
	ASSERT_EQ((long long)PAGE, dma_unmap(self->fd, 0, SPARE, PAGE));	\
} while (0)

/* A map that fails leaves nothing: neither a pin nor a charge nor an entry in a page table. */
#define SWEEP_MAP(memory, iova, size) do {				\
	__u64 _iova = (iova), _size = (size);				\
									\
	SWEEP(dma_map_rw(self->fd, memory, _iova, _size),		\
	      { ASSERT_EQ(0, locked_kib()); EXPECT_WORKS(); },		\
	      ASSERT_EQ(_size, dma_unmap(self->fd, 0, _iova, _size)));	\
	EXPECT_WORKS();							\
} while (0)

TEST_F(fault, map)
{
	SWEEP_MAP(self->memory, IOVA, SIZE);
	SWEEP_MAP(self->memory, EDGE, SIZE);
}

TEST_F(fault, map_by_page)
{
	char before[8];

	ASSERT_OK(file_read(DISABLE_HUGEPAGES, before, sizeof(before)));
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "Y"));
	SWEEP_MAP(self->memory, EDGE, SIZE);
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, before));
}

/* The same for memory of hugetlbfs, as pages of 2 MiB and as small ones. */
TEST_F(fault, map_huge)
{
	struct memory m = { };
	char before[8];

	if (memory_open(&m, HUGETLB, 4 * MIB, NULL))
		SKIP(return, "no huge pages");
	SWEEP_MAP(m.at, IOVA, m.size);
	ASSERT_OK(file_read(DISABLE_HUGEPAGES, before, sizeof(before)));
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, "Y"));
	SWEEP_MAP(m.at, IOVA, m.size);
	ASSERT_OK(file_write(DISABLE_HUGEPAGES, before));
	memory_free(&m);
}

/* The same for a BAR with memory before and behind it. */
TEST_F(fault, map_bar)
{
	const __u64 size = SIZE + 2 * PAGE;
	char *memory = memory_new(size);

	if (!join_or_skip(_metadata, &self->other, &self->c, IVSHMEM, 0))
		return;
	ASSERT_OK(config_command(&self->other, PCI_COMMAND_MEMORY, 0));
	memory[0] = 1;
	memory[size - PAGE] = 1;
	ASSERT_NE(MAP_FAILED, mmap(memory + PAGE, SIZE, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_FIXED, self->other.device,
				   self->other.region[2].offset));
	SWEEP_MAP(memory, EDGE, size);
	munmap(memory, size);
}

/* What the first domain has already when the second one fails goes as well. */
TEST_F(fault, two_domains)
{
	if (!fault_possible())
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(client_join_apart(&self->other, self->fd, EDU, 1));
	SWEEP_MAP(self->memory, EDGE, SIZE);
	ASSERT_OK(dma_map_rw(self->fd, self->memory, EDGE, SIZE));
	SWEEP(dma_unmap(self->fd, 0, EDGE, SIZE),
	      ASSERT_TRUE(false),
	      { EXPECT_WORKS(); ASSERT_OK(dma_map_rw(self->fd, self->memory, EDGE, SIZE)); });
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, EDGE, SIZE));
}

/* A process that makes a mapping and takes its user address back. It lives until it is killed. */
static pid_t mapper_start(int container, const char *memory)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready))
		return -1;
	pid = fork();
	if (!pid) {
		close(ready[0]);
		if (dma_map_rw(container, memory, IOVA, SIZE) ||
		    dma_unmap(container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, SIZE) != SIZE ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

static void mapper_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* Who fails to take a mapping over has nothing of it: it is still charged to the other. */
TEST_F(fault, take_over)
{
	const long kib = SIZE / KIB;
	pid_t mapper = mapper_start(self->fd, self->memory);

	ASSERT_LT(0, mapper);
	ASSERT_EQ(kib, locked_kib_of(mapper));
	SWEEP(dma_map(self->fd, VFIO_DMA_MAP_FLAG_VADDR, self->memory, IOVA, SIZE),
	      { ASSERT_EQ(0, locked_kib());
		ASSERT_EQ(kib, locked_kib_of(mapper)); },
	      { ASSERT_EQ(kib, locked_kib());
		ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
		mapper_end(mapper);
		EXPECT_WORKS();
		mapper = mapper_start(self->fd, self->memory);
		ASSERT_LT(0, mapper); });
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	mapper_end(mapper);
	EXPECT_WORKS();
}

/* An unmap cannot fail, and needs no memory. */
TEST_F(fault, unmap)
{
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	SWEEP(dma_unmap(self->fd, 0, IOVA, SIZE),
	      ASSERT_TRUE(false),
	      { EXPECT_WORKS(); ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE)); });
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
}

/* Information that cannot be given is an error and no more. */
TEST_F(fault, information)
{
	SWEEP(dma_available(self->fd), EXPECT_WORKS(), (void)0);
}

/*
 * A group that fails to join leaves the container as it was, DMA of those that are there included,
 * and can try again.
 */
TEST_F(fault, attach)
{
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	self->available--;
	self->pins += SIZE / PAGE;
	ASSERT_OK(client_open_group(&self->other, EDU, 1));
	SWEEP(group_set_container(self->other.group, self->fd),
	      { ASSERT_EQ(self->available, dma_available(self->fd));
		ASSERT_EQ((long)(SIZE / KIB), locked_kib());
		ASSERT_TRUE(pins_become(self->pins));
		ASSERT_TRUE(edu_copies(&self->c, self->memory + _n % 8 * PAGE,
				       IOVA + _n % 8 * PAGE, _n)); },
	      { ASSERT_OK(dma_map_rw(self->fd, self->memory, SPARE, PAGE));
		ASSERT_OK(ioctl(self->other.group, VFIO_GROUP_UNSET_CONTAINER));
		ASSERT_EQ((long long)PAGE, dma_unmap(self->fd, 0, SPARE, PAGE)); });
	self->pins -= SIZE / PAGE;
	self->available++;
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_WORKS();
}

/* A group can always leave; with the last one the mappings go. */
TEST_F(fault, detach)
{
	struct client *o = &self->other;

	/* The IOMMU core gives the devices back to the host, and warns if it has no memory. */
	if (!strcmp(variant->nth, TASK_FAIL_NTH))
		ASSERT_OK(fault_spare("iommu_group_release_dma_owner"));
	ASSERT_OK(client_open_group(o, EDU, 1));
	ASSERT_OK(group_set_container(o->group, o->container));
	ASSERT_OK(ioctl(o->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(o->container, self->memory, IOVA, SIZE));
	SWEEP(ioctl(o->group, VFIO_GROUP_UNSET_CONTAINER),
	      ASSERT_TRUE(false),
	      { EXPECT_WORKS();
		ASSERT_OK(group_set_container(o->group, o->container));
		ASSERT_OK(ioctl(o->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
		ASSERT_OK(dma_map_rw(o->container, self->memory, IOVA, SIZE)); });
}

/* No backend: neither what an instance offers nor what it answers. */
#define EXPECT_NO_BACKEND(container) do {				\
	struct iommu_info _info;					\
	int _fd = (container);						\
									\
	ASSERT_EQ(1, ioctl(_fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU)); \
	ASSERT_EQ(0, ioctl(_fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR)); \
	ASSERT_ERRNO(EINVAL, iommu_info(_fd, &_info));			\
} while (0)

/* A group can always leave others, and what they can map is the same when it has come back. */
TEST_F(fault, detach_of_two)
{
	struct client *o = &self->other;
	struct iommu_info before, after;

	if (!strcmp(variant->nth, TASK_FAIL_NTH))
		ASSERT_OK(fault_spare("iommu_group_release_dma_owner"));
	ASSERT_OK(iommu_info(self->fd, &before));
	ASSERT_OK(client_open_group(o, EDU, 1));
	ASSERT_OK(group_set_container(o->group, self->fd));
	SWEEP(ioctl(o->group, VFIO_GROUP_UNSET_CONTAINER),
	      ASSERT_TRUE(false),
	      { EXPECT_WORKS();
		ASSERT_OK(group_set_container(o->group, self->fd)); });
	ASSERT_OK(ioctl(o->group, VFIO_GROUP_UNSET_CONTAINER));
	ASSERT_OK(iommu_info(self->fd, &after));
	EXPECT_EQ(0, memcmp(before.data, after.data, sizeof(before.data)));
	EXPECT_WORKS();
}

/* A container that did not get its backend can ask again. */
TEST_F(fault, set_iommu)
{
	struct client *o = &self->other;

	ASSERT_OK(client_open_group(o, EDU, 1));
	ASSERT_OK(group_set_container(o->group, o->container));
	SWEEP(ioctl(o->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
	      { EXPECT_NO_BACKEND(o->container);
		EXPECT_WORKS(); },
	      { ASSERT_OK(dma_map_rw(o->container, self->memory, IOVA, SIZE));
		ASSERT_OK(ioctl(o->group, VFIO_GROUP_UNSET_CONTAINER));
		ASSERT_OK(group_set_container(o->group, o->container)); });
	EXPECT_WORKS();
}

/* Leaves the container and joins it again. */
#define EXPECT_REJOINS(client) do {					\
	int _group = (client)->group;					\
	__u32 _flags = 0;						\
									\
	ASSERT_OK(group_status(_group, &_flags));			\
	ASSERT_EQ(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET, _flags); \
	ASSERT_OK(ioctl(_group, VFIO_GROUP_UNSET_CONTAINER));		\
	ASSERT_OK(group_set_container(_group, self->fd));		\
} while (0)

/*
 * All groups of a container get the backend or none does. Those that had it already are as before;
 * each of them can leave, and the container can ask again.
 */
TEST_F(fault, set_iommu_of_two)
{
	client_close(&self->c);
	ASSERT_OK(client_open_group(&self->c, EDU, 0));
	self->fd = self->c.container;
	ASSERT_OK(client_open_group(&self->other, EDU, 1));
	ASSERT_OK(group_set_container(self->c.group, self->fd));
	ASSERT_OK(group_set_container(self->other.group, self->fd));
	SWEEP(ioctl(self->fd, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU),
	      { EXPECT_NO_BACKEND(self->fd);
		EXPECT_REJOINS(&self->c); },
	      { EXPECT_WORKS();
		ASSERT_OK(ioctl(self->other.group, VFIO_GROUP_UNSET_CONTAINER));
		EXPECT_REJOINS(&self->c);
		EXPECT_NO_BACKEND(self->fd);
		ASSERT_OK(group_set_container(self->other.group, self->fd)); });
}

/* A device that could not be opened is not half open. It is reset each time, which takes long. */
TEST_F_TIMEOUT(fault, open_device, 900)
{
	struct client *o = &self->other;

	/* The interpreter of ACPI loses count of an object when it has no memory for one. */
	if (!strcmp(variant->nth, TASK_FAIL_NTH))
		ASSERT_OK(fault_spare("acpi_pci_irq_lookup"));
	ASSERT_OK(client_open_group(o, E1000E, 0));
	ASSERT_OK(group_set_container(o->group, self->fd));
	SWEEP(o->device = group_get_device(o->group, o->func.bdf),
	      EXPECT_WORKS(),
	      { ASSERT_OK(client_read_regions(o)); fd_close(&o->device); });
	ASSERT_OK(ioctl(o->group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_WORKS();
}

/* A device that did not come to vfio-pci is nobody's, keeps nothing of it, and can come again. */
TEST_F(fault, probe)
{
	struct pci_func func;
	int log = log_open();
	char driver[64];

	if (!strcmp(variant->nth, TASK_FAIL_NTH))
		SKIP(return, "without memory the driver core goes on, and makes no node");
	ASSERT_OK(pci_find(EDU, 1, &func));
	ASSERT_OK(pci_unbind(&func));
	SWEEP(file_write("/sys/bus/pci/drivers/vfio-pci/bind", func.bdf),
	      { ASSERT_OK(pci_driver(&func, driver, sizeof(driver)));
		ASSERT_STREQ("", driver);
		ASSERT_ERRNO(ENOENT, group_open(func.group));
		EXPECT_TRUE(log_has(log, "refused, the IOMMU cannot keep its DMA coherent"));
		EXPECT_WORKS(); },
	      { ASSERT_OK(client_open_group(&self->other, EDU, 1));
		client_close(&self->other);
		ASSERT_OK(pci_unbind(&func)); });
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	fd_close(&log);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, IVSHMEM };

	log_announce("can't reserve|RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

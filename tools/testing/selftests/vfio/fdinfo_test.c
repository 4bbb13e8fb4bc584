// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/PID/fdinfo of containers, groups and devices: true at any time, for the owner of the
 * process, and without waiting for what others do with the same fd.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define PAGES	16
#define LOOKS	1000

FIXTURE(fdinfo)
{
	struct client c;
	char text[256];
};

FIXTURE_SETUP(fdinfo)
{
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
}

FIXTURE_TEARDOWN(fdinfo)
{
	client_close(&self->c);
}

#define EXPECT_INFO(value, fd, key) do {				\
	EXPECT_OK(fdinfo_get(fd, key, self->text, sizeof(self->text)));	\
	EXPECT_STREQ(value, self->text);				\
} while (0)

#define EXPECT_NO_INFO(fd, key)	\
	EXPECT_ERRNO(ENOENT, fdinfo_get(fd, key, self->text, sizeof(self->text)))

static int attach(struct client *c, int type)
{
	if (group_set_container(c->group, c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, type))
		return -1;
	c->device = group_get_device(c->group, c->func.bdf);
	return c->device < 0 ? -1 : 0;
}

/* Which backend, and which groups: none at first. */
TEST_F(fdinfo, container_backend)
{
	char group[16];

	snprintf(group, sizeof(group), "%d", self->c.func.group);
	EXPECT_INFO("none", self->c.container, "vfio-container-backend");
	EXPECT_INFO("", self->c.container, "vfio-container-groups");
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	EXPECT_INFO("none", self->c.container, "vfio-container-backend");
	EXPECT_INFO(group, self->c.container, "vfio-container-groups");
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	EXPECT_INFO("type1", self->c.container, "vfio-container-backend");

	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_INFO("none", self->c.container, "vfio-container-backend");
	EXPECT_INFO("", self->c.container, "vfio-container-groups");
	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_INFO("type1v2", self->c.container, "vfio-container-backend");
}

/* Mappings and memory add up, and agree with GET_INFO and with the locked memory of the process. */
TEST_F(fdinfo, container_memory)
{
	int container = self->c.container;
	char *memory = memory_new(PAGES * PAGE);
	long available;

	ASSERT_NE(NULL, memory);
	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	available = dma_available(container);
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings"));
	EXPECT_EQ(available, fdinfo_number(container, "vfio-container-mappings-left"));
	EXPECT_LT(0, fdinfo_number(container, "vfio-container-apertures"));

	ASSERT_OK(dma_map_rw(container, memory, IOVA, 4 * PAGE));
	ASSERT_OK(dma_map_rw(container, memory + 4 * PAGE, IOVA + MIB, 12 * PAGE));
	EXPECT_EQ(2, fdinfo_number(container, "vfio-container-mappings"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings-filling"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings-draining"));
	EXPECT_EQ(available - 2, fdinfo_number(container, "vfio-container-mappings-left"));
	EXPECT_EQ(dma_available(container),
		  fdinfo_number(container, "vfio-container-mappings-left"));
	EXPECT_EQ(16 * PAGE, fdinfo_number(container, "vfio-container-mapped-bytes"));
	EXPECT_EQ(16, fdinfo_number(container, "vfio-container-pinned-pages"));
	EXPECT_EQ(locked_kib() * 1024, fdinfo_number(container, "vfio-container-locked-bytes"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-lent-bytes"));

	ASSERT_EQ(4 * PAGE, dma_unmap(container, 0, IOVA, 4 * PAGE));
	EXPECT_EQ(1, fdinfo_number(container, "vfio-container-mappings"));
	EXPECT_EQ(12, fdinfo_number(container, "vfio-container-pinned-pages"));
}

/* A device's memory that is mapped for other devices is lent, and neither pinned nor locked. */
TEST_F(fdinfo, container_lent)
{
	int container = self->c.container;
	const __u32 index = VFIO_PCI_BAR0_REGION_INDEX;
	void *bar;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_LE(0, client_read_regions(&self->c));
	ASSERT_OK(config_command(&self->c, 2, 0));
	bar = region_map(&self->c, index, 0, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_OK(dma_map_rw(container, bar, IOVA, 2 * PAGE));
	EXPECT_EQ(2 * PAGE, fdinfo_number(container, "vfio-container-mapped-bytes"));
	EXPECT_EQ(2 * PAGE, fdinfo_number(container, "vfio-container-lent-bytes"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-pinned-pages"));
	munmap(bar, 2 * PAGE);
}

struct map {
	int container;
	const struct stall *stall;
	int error;
	bool ended;
};

static void *map_stalled(void *data)
{
	struct map *map = data;

	map->error = ERRNO_OF(dma_map_rw(map->container, map->stall->at, IOVA, map->stall->size));
	__atomic_store_n(&map->ended, true, __ATOMIC_RELEASE);
	return NULL;
}

/* A map that waits for a page of its user's does not hold up who looks. */
TEST_F(fdinfo, no_waiting)
{
	struct map map = { .container = self->c.container };
	struct stall stall;
	pthread_t thread;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	if (stall_open(&stall, PAGES * PAGE))
		SKIP(return, "no userfaultfd: %s", strerror(errno));
	map.stall = &stall;
	ASSERT_EQ(0, pthread_create(&thread, NULL, map_stalled, &map));
	while (!stall_wait(&stall, 50)) {
		if (!__atomic_load_n(&map.ended, __ATOMIC_ACQUIRE))
			continue;
		pthread_join(thread, NULL);
		ASSERT_EQ(EFAULT, map.error);
		SKIP(goto out, "the kernel does not wait for userfaultfd when it pins");
	}
	EXPECT_EQ(1, fdinfo_number(map.container, "vfio-container-mappings-filling"));
	EXPECT_EQ(1, fdinfo_number(map.container, "vfio-container-mappings"));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-viable"));
	EXPECT_INFO(self->c.func.bdf, self->c.device, "vfio-device-name");
	ASSERT_OK(stall_release(&stall));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, map.error);
	EXPECT_EQ(0, fdinfo_number(map.container, "vfio-container-mappings-filling"));
	ASSERT_EQ(stall.size, dma_unmap(map.container, 0, IOVA, stall.size));
out:
	stall_close(&stall);
}

/* What a reader and somebody who maps share. */
struct crowd {
	const struct client *c;
	char *memory;
	bool stop;
	unsigned long rounds;
};

static void *map_all_the_time(void *data)
{
	struct crowd *crowd = data;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_RELAXED)) {
		if (dma_map_rw(crowd->c->container, crowd->memory, IOVA, PAGE) ||
		    dma_unmap(crowd->c->container, 0, IOVA, PAGE) != (long long)PAGE)
			break;
		crowd->rounds++;
	}
	return NULL;
}

static void *ask_all_the_time(void *data)
{
	struct crowd *crowd = data;
	__u32 flags;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_RELAXED) &&
	       !group_status(crowd->c->group, &flags))
		crowd->rounds++;
	return NULL;
}

/* Who looks gets numbers, whatever others do and however many look; and true ones in the end. */
TEST_F(fdinfo, numbers_in_a_crowd)
{
	struct crowd map = { .c = &self->c, .memory = memory_new(PAGES * PAGE) };
	struct crowd ask = { .c = &self->c };
	int container = self->c.container;
	pthread_t mapper, asker;

	ASSERT_NE(NULL, map.memory);
	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(dma_map_rw(container, map.memory, IOVA + MIB, PAGES * PAGE));
	ASSERT_EQ(0, pthread_create(&mapper, NULL, map_all_the_time, &map));
	ASSERT_EQ(0, pthread_create(&asker, NULL, ask_all_the_time, &ask));
	for (int i = 0; i < LOOKS; i++) {
		long long pinned = fdinfo_number(container, "vfio-container-pinned-pages");
		long long bytes = fdinfo_number(container, "vfio-container-mapped-bytes");

		ASSERT_TRUE(pinned == PAGES || pinned == PAGES + 1) TH_LOG("%lld", pinned);
		ASSERT_TRUE(bytes == PAGES * PAGE || bytes == (PAGES + 1) * PAGE)
			TH_LOG("%lld", bytes);
		ASSERT_EQ(1, fdinfo_number(self->c.group, "vfio-group-viable"));
	}
	__atomic_store_n(&map.stop, true, __ATOMIC_RELAXED);
	__atomic_store_n(&ask.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(mapper, NULL));
	ASSERT_EQ(0, pthread_join(asker, NULL));
	EXPECT_LT(0, map.rounds);
	EXPECT_EQ(1, fdinfo_number(container, "vfio-container-mappings"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings-draining"));
	EXPECT_EQ(PAGES, fdinfo_number(container, "vfio-container-pinned-pages"));
	EXPECT_EQ(PAGES * PAGE, fdinfo_number(container, "vfio-container-mapped-bytes"));

	ASSERT_EQ(PAGES * PAGE, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mappings-draining"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-pinned-pages"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-mapped-bytes"));
}

/* A group: its number, whether it is in a container, and its open devices. */
TEST_F(fdinfo, group)
{
	char device[32];

	EXPECT_EQ(self->c.func.group, fdinfo_number(self->c.group, "vfio-group"));
	EXPECT_EQ(0, fdinfo_number(self->c.group, "vfio-group-container"));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-viable"));
	EXPECT_NO_INFO(self->c.group, "vfio-group-blockers");
	snprintf(device, sizeof(device), "%s 0", self->c.func.bdf);
	EXPECT_INFO(device, self->c.group, "vfio-group-device");

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-container"));
	EXPECT_EQ(1, fdinfo_number(self->c.group, "vfio-group-viable"));
	snprintf(device, sizeof(device), "%s 1", self->c.func.bdf);
	EXPECT_INFO(device, self->c.group, "vfio-group-device");

	ASSERT_OK(take_back(&self->c.func));
	EXPECT_INFO("none", self->c.group, "vfio-group");
	EXPECT_INFO("1", self->c.device, "vfio-device-revoked");
	EXPECT_NO_INFO(self->c.device, "vfio-device-name");
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* A group with a driver of the host in it is not viable, and tells which. */
TEST_F(fdinfo, blockers)
{
	struct pci_func func;
	struct client other;
	char wanted[64];

	if (!client_is_open(_metadata, client_open_group(&other, E1000, 0), E1000, 0))
		return;
	ASSERT_OK(pci_find(E1000, 1, &func));
	ASSERT_EQ(other.func.group, func.group);
	EXPECT_EQ(1, fdinfo_number(other.group, "vfio-group-viable"));
	system("modprobe -q e1000");
	if (pci_bind(&func, "e1000"))
		SKIP(goto out, "the kernel has no driver e1000");
	EXPECT_EQ(0, fdinfo_number(other.group, "vfio-group-viable"));
	snprintf(wanted, sizeof(wanted), "%s e1000", func.bdf);
	EXPECT_INFO(wanted, other.group, "vfio-group-blockers");
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	EXPECT_EQ(1, fdinfo_number(other.group, "vfio-group-viable"));
out:
	client_close(&other);
}

/* Who looks at a process sees what the fd is; at the machine's addresses, who has them. */
TEST_F(fdinfo, device_is_seen)
{
	char path[64], target[64] = "";
	struct client nic;

	if (!open_or_skip(_metadata, &nic, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", nic.device);
	ASSERT_LT(0, readlink(path, target, sizeof(target) - 1));
	EXPECT_STREQ("anon_inode:[vfio-device]", target);
	EXPECT_EQ(0, system("grep -q ' : vfio$' /proc/iomem"));
	EXPECT_EQ(0, system("grep -q ' : vfio$' /proc/ioports"));
	client_close(&nic);
	EXPECT_NE(0, system("grep -q ' : vfio$' /proc/iomem"));
}

/* A device: its name, which kind of interrupt is set up, and the vectors with an eventfd. */
TEST_F(fdinfo, device)
{
	__s32 events[3] = { -1, -1, -1 }, none = -1;
	struct client nic;

	if (!open_or_skip(_metadata, &nic, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	EXPECT_INFO(nic.func.bdf, nic.device, "vfio-device-name");
	EXPECT_INFO("none", nic.device, "vfio-device-interrupts");
	EXPECT_EQ(0, fdinfo_number(nic.device, "vfio-device-vectors"));

	events[0] = event_new();
	events[2] = event_new();
	ASSERT_OK(irq_events(nic.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, events));
	EXPECT_INFO("MSI-X", nic.device, "vfio-device-interrupts");
	EXPECT_EQ(2, fdinfo_number(nic.device, "vfio-device-vectors"));
	ASSERT_OK(irq_disable(nic.device, VFIO_PCI_MSIX_IRQ_INDEX));
	EXPECT_INFO("none", nic.device, "vfio-device-interrupts");

	ASSERT_OK(irq_events(nic.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, events));
	EXPECT_INFO("MSI", nic.device, "vfio-device-interrupts");
	ASSERT_OK(irq_disable(nic.device, VFIO_PCI_MSI_IRQ_INDEX));
	ASSERT_OK(irq_events(nic.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, events));
	EXPECT_INFO("INTx", nic.device, "vfio-device-interrupts");
	EXPECT_EQ(1, fdinfo_number(nic.device, "vfio-device-vectors"));
	/* Without one it is set up still. */
	ASSERT_OK(irq_events(nic.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &none));
	EXPECT_INFO("INTx", nic.device, "vfio-device-interrupts");
	EXPECT_EQ(0, fdinfo_number(nic.device, "vfio-device-vectors"));
	close(events[0]);
	close(events[2]);
	client_close(&nic);
}

/* Whoever owns the process may read it, without any privilege. */
TEST_F(fdinfo, unprivileged)
{
	int status;
	pid_t child;

	ASSERT_OK(attach(&self->c, VFIO_TYPE1v2_IOMMU));
	child = fork();
	if (!child) {
		bool seen;

		if (become_nobody(0, 0) || prctl(PR_SET_DUMPABLE, 1))
			_exit(2);
		seen = fdinfo_number(self->c.container, "vfio-container-mappings") == 0 &&
		       fdinfo_number(self->c.group, "vfio-group") == self->c.func.group &&
		       !fdinfo_get(self->c.device, "vfio-device-name", self->text,
				   sizeof(self->text));
		_exit(!seen);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, E1000 };

	log_announce("Device is taken back|No device request channel");
	return vfio_test_main(argc, argv, needs, 3);
}

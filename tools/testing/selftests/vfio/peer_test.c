// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user may lend memory of one device (a BAR that he has mapped) to another, which reaches it by
 * DMA. When he loses the first device, by closing it or because it is taken back, nobody reaches
 * that memory any more: it is the next user's, or the host's. All else that he mapped stays.
 *
 * The lender is a device whose BAR is memory and keeps what is in it, the peer one that copies.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)	/* a page of memory, the lender's, a page of memory */
#define LENT	(IOVA + PAGE)
#define BEHIND	(LENT + SIZE)
#define SCRATCH	(32 * MIB)
#define SIZE	(4 * PAGE)
#define TOTAL	(SIZE + 2 * PAGE)
#define BLOCK	64U		/* bytes of a copy */
#define BAR2	2

FIXTURE(lent)
{
	struct client peer;
	struct client lender;
	char *memory;	/* what is mapped at IOVA */
	char *scratch;
};

FIXTURE_VARIANT(lent)
{
	bool elsewhere;	/* the peer is in another container */
	bool closed;	/* the user closes the lender; else it is taken back */
};

FIXTURE_VARIANT_ADD(lent, here_taken) { };
FIXTURE_VARIANT_ADD(lent, here_closed) { .closed = true };
FIXTURE_VARIANT_ADD(lent, elsewhere_taken) { .elsewhere = true };
FIXTURE_VARIANT_ADD(lent, elsewhere_closed) { .elsewhere = true, .closed = true };

/* The last bytes of the lender's BAR, at an address or anywhere. */
static char *lender_map(const struct client *lender, char *at)
{
	const struct vfio_region_info *bar = &lender->region[BAR2];

	return mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | (at ? MAP_FIXED : 0),
		    lender->device, bar->offset + bar->size - SIZE);
}

FIXTURE_SETUP(lent)
{
	self->lender.device = -1;
	if (!open_or_skip(_metadata, &self->peer, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (variant->elsewhere &&
	    !open_or_skip(_metadata, &self->lender, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (!variant->elsewhere &&
	    !join_or_skip(_metadata, &self->lender, &self->peer, IVSHMEM, 0))
		return;
	ASSERT_OK(edu_start(&self->peer));
	ASSERT_OK(config_command(&self->lender, PCI_COMMAND_MEMORY, 0));
	self->scratch = memory_new(PAGE);
	self->memory = memory_new(TOTAL);
	ASSERT_NE(MAP_FAILED, (void *)lender_map(&self->lender, self->memory + PAGE));
	ASSERT_OK(dma_map_rw(self->peer.container, self->scratch, SCRATCH, PAGE));
}

FIXTURE_TEARDOWN(lent)
{
	client_close(&self->peer);
	munmap(self->memory, TOTAL);
	client_close(&self->lender);
	EXPECT_OK(pci_bind(&self->lender.func, "vfio-pci"));
	EXPECT_TRUE(locked_becomes(0));
}

/* What the peer reads at @iova is @text. Its buffer held something else before. */
static bool peer_reads(const struct client *peer, char *scratch, __u32 iova, const char *text)
{
	memset(scratch, '-', BLOCK);
	if (edu_from_memory(peer, SCRATCH, 0, BLOCK) || edu_from_memory(peer, iova, 0, BLOCK) ||
	    edu_to_memory(peer, SCRATCH, 0, BLOCK))
		return false;
	return !strncmp(scratch, text, BLOCK);
}

/* The peer writes @text at @iova, whatever comes of it. */
static int peer_writes(const struct client *peer, char *scratch, __u32 iova, const char *text)
{
	snprintf(scratch, BLOCK, "%s", text);
	if (edu_from_memory(peer, SCRATCH, 0, BLOCK))
		return -1;
	return edu_to_memory(peer, iova, 0, BLOCK);
}

static int lose(struct client *lender, char *view, bool closed)
{
	if (!closed)
		return take_back(&lender->func);
	mmap(view, SIZE, PROT_NONE, MAP_FIXED | MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	client_close(lender);
	return 0;
}

/* What the next user finds at the start of what was lent. */
static bool next_user_finds(const struct pci_func *func, const char *text)
{
	struct client next;
	bool found = false;
	char *view;

	if (pci_bind(func, "vfio-pci") || client_open(&next, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return false;
	if (!config_command(&next, PCI_COMMAND_MEMORY, 0)) {
		view = lender_map(&next, NULL);
		found = view != MAP_FAILED && !strncmp(view, text, BLOCK);
		munmap(view, SIZE);
	}
	client_close(&next);
	return found;
}

/* The peer neither reads nor writes what is not its user's any more, but all the rest. */
TEST_F(lent, is_out_of_reach)
{
	int container = self->peer.container;
	struct client third;

	ASSERT_OK(dma_map_rw(container, self->memory, IOVA, TOTAL));
	snprintf(self->memory + PAGE, BLOCK, "lent");
	ASSERT_TRUE(peer_reads(&self->peer, self->scratch, LENT, "lent"));
	ASSERT_OK(peer_writes(&self->peer, self->scratch, LENT, "written"));
	ASSERT_STREQ("written", self->memory + PAGE);
	EXPECT_EQ(12, locked_kib());
	EXPECT_EQ((long long)SIZE, fdinfo_number(container, "vfio-container-lent-bytes"));

	ASSERT_OK(lose(&self->lender, self->memory + PAGE, variant->closed));
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, LENT, "written"));
	peer_writes(&self->peer, self->scratch, LENT, "stray");
	peer_writes(&self->peer, self->scratch, LENT + SIZE - BLOCK, "stray");
	EXPECT_TRUE(next_user_finds(&self->lender.func, "written"));
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, LENT, "written"));

	/* The mapping is there, and the memory on both sides; another group may come to see it. */
	EXPECT_EQ(12, locked_kib());
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-lent-bytes"));
	EXPECT_EQ((long long)(TOTAL + PAGE),
		  fdinfo_number(container, "vfio-container-mapped-bytes"));
	EXPECT_ERRNO(EEXIST, dma_map_rw(container, self->scratch, LENT, PAGE));
	if (!client_join(&third, &self->peer, EDU, 1))
		client_close(&third);
	ASSERT_OK(peer_writes(&self->peer, self->scratch, IOVA, "before"));
	ASSERT_OK(peer_writes(&self->peer, self->scratch, BEHIND, "behind"));
	EXPECT_STREQ("before", self->memory);
	EXPECT_STREQ("behind", self->memory + PAGE + SIZE);

	/* It goes as ever, and leaves nothing behind. */
	EXPECT_EQ((long long)TOTAL, dma_unmap(container, 0, IOVA, TOTAL));
	EXPECT_EQ(4, locked_kib());
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, IOVA, "before"));
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, BEHIND, "behind"));
	EXPECT_OK(dma_map_rw(container, self->scratch, LENT, PAGE));
	EXPECT_TRUE(peer_writes(&self->peer, self->scratch, LENT, "anew") == 0);
}

/* Memory that does not answer cannot be lent, and the try touches no mapping behind. */
TEST(silent_memory)
{
	struct client c;
	char *memory, *view;

	if (!open_or_skip(_metadata, &c, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
		return;
	memory = memory_new(PAGE);
	ASSERT_OK(config_command(&c, 0, PCI_COMMAND_MEMORY));
	view = lender_map(&c, NULL);
	ASSERT_NE(MAP_FAILED, (void *)view);
	ASSERT_OK(dma_map_rw(c.container, memory, IOVA + SIZE, PAGE));
	EXPECT_ERRNO(EFAULT, dma_map_rw(c.container, view, IOVA, SIZE));
	EXPECT_EQ((long long)PAGE, dma_unmap(c.container, 0, IOVA + SIZE, PAGE));
	munmap(view, SIZE);
	client_close(&c);
}

/* ---- memory of a device that is not the user's by VFIO ---- */

FIXTURE(foreign)
{
	struct client peer;
	struct pci_func lender;	/* no driver has it */
	char *scratch;
	int file;
	off_t offset;
};

FIXTURE_SETUP(foreign)
{
	char path[128];
	struct stat st;

	self->file = -1;
	if (pci_find(IVSHMEM, 0, &self->lender))
		SKIP(return, "no device %s", test_device_name(IVSHMEM));
	if (!open_or_skip(_metadata, &self->peer, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->peer));
	self->scratch = memory_new(PAGE);
	ASSERT_OK(dma_map_rw(self->peer.container, self->scratch, SCRATCH, PAGE));
	ASSERT_OK(pci_unbind(&self->lender));
	ASSERT_OK(pci_set(&self->lender, "enable", "1"));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", self->lender.bdf);
	self->file = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, fstat(self->file, &st));
	self->offset = st.st_size - SIZE;
}

FIXTURE_TEARDOWN(foreign)
{
	fd_close(&self->file);
	client_close(&self->peer);
	pci_set(&self->lender, "enable", "0"); /* refused if a test did that */
	EXPECT_OK(pci_bind(&self->lender, "vfio-pci"));
	EXPECT_TRUE(locked_becomes(0));
}

static char *foreign_map(int file, off_t offset, char *at, int prot)
{
	return mmap(at, SIZE, prot, MAP_SHARED | (at ? MAP_FIXED : 0), file, offset);
}

/*
 * A BAR that sysfs shows can be lent as well, and is not charged. As soon as the device has
 * a user, and that one leaves it, nobody reaches it any more.
 */
TEST_F(foreign, is_lent_and_withdrawn)
{
	const int container = self->peer.container;
	char *memory = memory_new(TOTAL);

	ASSERT_NE(MAP_FAILED, (void *)foreign_map(self->file, self->offset, memory + PAGE,
						  PROT_READ | PROT_WRITE));
	ASSERT_OK(dma_map_rw(container, memory, IOVA, TOTAL));
	EXPECT_EQ(12, locked_kib());
	EXPECT_EQ((long long)SIZE, fdinfo_number(container, "vfio-container-lent-bytes"));
	for (unsigned int page = 0; page < SIZE / PAGE; page++) {
		snprintf(memory + PAGE * (page + 1), BLOCK, "page %u", page);
		EXPECT_TRUE(peer_reads(&self->peer, self->scratch, LENT + page * PAGE,
				       memory + PAGE * (page + 1)));
	}
	ASSERT_OK(peer_writes(&self->peer, self->scratch, LENT, "written"));
	EXPECT_STREQ("written", memory + PAGE);

	/* The kernel takes the page table entries when a driver asks for the BAR: no more looks. */
	ASSERT_OK(pci_set(&self->lender, "enable", "0"));
	EXPECT_TRUE(next_user_finds(&self->lender, "written"));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-lent-bytes"));
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, LENT, "written"));
	peer_writes(&self->peer, self->scratch, LENT, "stray");
	EXPECT_TRUE(next_user_finds(&self->lender, "written"));
	ASSERT_OK(peer_writes(&self->peer, self->scratch, BEHIND, "behind"));
	EXPECT_STREQ("behind", memory + PAGE + SIZE);
	EXPECT_EQ((long long)TOTAL, dma_unmap(container, 0, IOVA, TOTAL));
	munmap(memory, TOTAL);
}

/* What the process may not write a device may not write for it. */
TEST_F(foreign, read_only)
{
	char *view = foreign_map(self->file, self->offset, NULL, PROT_READ);

	ASSERT_NE(MAP_FAILED, (void *)view);
	EXPECT_ERRNO(EFAULT, dma_map_rw(self->peer.container, view, IOVA, SIZE));
	EXPECT_ERRNO(EFAULT, dma_map(self->peer.container, VFIO_DMA_MAP_FLAG_WRITE, view, IOVA,
				     SIZE));
	EXPECT_OK(dma_map(self->peer.container, VFIO_DMA_MAP_FLAG_READ, view, IOVA, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->peer.container, 0, IOVA, SIZE));
	munmap(view, SIZE);
}

/* Where the memory ends too early nothing is mapped. */
TEST_F(foreign, with_a_hole)
{
	const int container = self->peer.container;
	long available = dma_available(container);
	char *view = foreign_map(self->file, self->offset, NULL, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, (void *)view);
	snprintf(view, BLOCK, "half");
	munmap(view + SIZE / 2, SIZE / 2);
	EXPECT_ERRNO(EFAULT, dma_map_rw(container, view, IOVA, SIZE));
	EXPECT_FALSE(peer_reads(&self->peer, self->scratch, IOVA, "half"));
	EXPECT_EQ(available, dma_available(container));
	EXPECT_EQ(0, fdinfo_number(container, "vfio-container-lent-bytes"));
	EXPECT_OK(dma_map_rw(container, view, IOVA, SIZE / 2));
	EXPECT_TRUE(peer_reads(&self->peer, self->scratch, IOVA, "half"));
	EXPECT_EQ((long long)SIZE / 2, dma_unmap(container, 0, IOVA, SIZE / 2));
	munmap(view, SIZE / 2);
}

/* One device's memory goes; what the user has of another, right beside it, stays. */
TEST(neighbour_stays)
{
	struct client peer, lender, other;
	char *memory, *scratch;

	if (!open_or_skip(_metadata, &peer, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	if (!join_or_skip(_metadata, &lender, &peer, TESTDEV, 0))
		return;
	if (!join_or_skip(_metadata, &other, &peer, IVSHMEM, 0))
		return;
	ASSERT_OK(edu_start(&peer));
	ASSERT_OK(config_command(&lender, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(config_command(&other, PCI_COMMAND_MEMORY, 0));
	scratch = memory_new(PAGE);
	memory = memory_new(PAGE + SIZE);
	ASSERT_NE(MAP_FAILED, mmap(memory, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				   lender.device, lender.region[0].offset));
	ASSERT_NE(MAP_FAILED, (void *)lender_map(&other, memory + PAGE));
	ASSERT_OK(dma_map_rw(peer.container, scratch, SCRATCH, PAGE));
	ASSERT_OK(dma_map_rw(peer.container, memory, IOVA, PAGE + SIZE));
	ASSERT_OK(take_back(&lender.func));
	ASSERT_OK(peer_writes(&peer, scratch, LENT, "neighbour"));
	EXPECT_STREQ("neighbour", memory + PAGE);
	EXPECT_EQ((long long)(PAGE + SIZE), dma_unmap(peer.container, 0, IOVA, PAGE + SIZE));
	munmap(memory, PAGE + SIZE);
	client_close(&lender);
	client_close(&other);
	client_close(&peer);
	EXPECT_OK(pci_bind(&lender.func, "vfio-pci"));
}

/* ---- maps that are under way ---- */

struct mapper {
	int container;
	char *memory;
	bool stop;
	unsigned long maps;
};

/* Maps and unmaps until it is told to stop, and leaves what is mapped then. */
static void *map_and_unmap(void *argument)
{
	struct mapper *mapper = argument;

	for (;;) {
		if (!dma_map_rw(mapper->container, mapper->memory, IOVA, TOTAL))
			mapper->maps++;
		if (__atomic_load_n(&mapper->stop, __ATOMIC_RELAXED))
			return NULL;
		dma_unmap(mapper->container, 0, IOVA, TOTAL);
	}
}

/* Whenever the lender is taken back, what is mapped then or after is out of reach. */
TEST(race_of_map_and_revocation)
{
	struct mapper mapper = { };
	double end = seconds_now() + soak_seconds() / 2.0;
	struct client peer, lender;
	unsigned long maps = 0;
	unsigned int rounds;
	pthread_t thread;
	char *scratch;

	for (rounds = 0; !rounds || seconds_now() < end; rounds++) {
		if (!open_or_skip(_metadata, &peer, EDU, 0, VFIO_TYPE1v2_IOMMU))
			return;
		if (!open_or_skip(_metadata, &lender, IVSHMEM, 0, VFIO_TYPE1v2_IOMMU))
			return;
		ASSERT_OK(edu_start(&peer));
		ASSERT_OK(config_command(&lender, PCI_COMMAND_MEMORY, 0));
		scratch = memory_new(PAGE);
		ASSERT_OK(dma_map_rw(peer.container, scratch, SCRATCH, PAGE));
		mapper = (struct mapper){ .container = peer.container,
					  .memory = memory_new(TOTAL) };
		ASSERT_NE(MAP_FAILED, (void *)lender_map(&lender, mapper.memory + PAGE));
		snprintf(mapper.memory + PAGE, BLOCK, "lent");
		ASSERT_EQ(0, pthread_create(&thread, NULL, map_and_unmap, &mapper));
		ASSERT_OK(take_back(&lender.func));

		/* While the thread goes on, and after it has left its last mapping. */
		peer_writes(&peer, scratch, LENT, "stray");
		__atomic_store_n(&mapper.stop, true, __ATOMIC_RELAXED);
		pthread_join(thread, NULL);
		peer_writes(&peer, scratch, LENT, "stray");
		client_close(&lender);
		EXPECT_TRUE(next_user_finds(&lender.func, "lent"));
		maps += mapper.maps;
		client_close(&peer);
		munmap(mapper.memory, TOTAL);
		munmap(scratch, PAGE);
	}
	TH_LOG("%u rounds, %lu maps", rounds, maps);
	EXPECT_EQ(0, locked_kib());
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, IVSHMEM, TESTDEV };

	log_announce("Device is taken back|No device request channel");
	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/vfio/: for root only; true, whole and in order, whatever is done meanwhile to
 * what it tells of; and in nobody's way.
 */
#include <dirent.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/check.h"

#define ROOT	"/sys/kernel/debug/vfio"
#define IOVA	(16 * MIB)
#define PAGES	16
#define MANY	3000
#define ROUNDS	8
#define TEXT	(512 * KIB)

FIXTURE(debugfs)
{
	struct client c;
	char *text;		/* of the file that was read last */
	char path[128];
};

FIXTURE_SETUP(debugfs)
{
	if (access(ROOT, F_OK))
		SKIP(return, "the kernel has no debugfs, or it is not mounted");
	self->text = malloc(TEXT);
	ASSERT_NE(NULL, self->text);
	open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU);
}

FIXTURE_TEARDOWN(debugfs)
{
	client_close(&self->c);
	free(self->text);
}

static void container_path(const struct client *c, const char *name, char *path, size_t size)
{
	snprintf(path, size, ROOT "/containers/%lld/%s",
		 fdinfo_number(c->container, "vfio-container-number"), name);
}

static void device_path(const struct client *c, const char *name, char *path, size_t size)
{
	snprintf(path, size, ROOT "/%s/%s", c->func.bdf, name);
}

/* All of a file, in pieces of @piece bytes. */
static ssize_t read_whole(const char *path, char *text, size_t piece)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t got;

	text[0] = 0;
	if (fd < 0)
		return -1;
	do {
		if (piece > TEXT - 1 - length)
			piece = TEXT - 1 - length;
		got = read(fd, text + length, piece);
		length += got > 0 ? got : 0;
	} while (got > 0);
	close(fd);
	text[length] = 0;
	return got < 0 ? -1 : (ssize_t)length;
}

/* The same again while somebody is at it. */
static ssize_t read_calm(const char *path, char *text)
{
	ssize_t length;

	for (int i = 0; i < 1000; i++) {
		length = read_whole(path, text, PAGE);
		if (length < 0 || strcmp(text, "busy\n"))
			return length;
		usleep(1000);
	}
	return length;
}

/* Does the text have this line? */
static bool has_line(const char *text, const char *line)
{
	size_t length = strlen(line);
	const char *at = text;

	while ((at = strstr(at, line))) {
		if ((at == text || at[-1] == '\n') && (at[length] == '\n' || !at[length]))
			return true;
		at++;
	}
	return false;
}

#define EXPECT_LINE(format, ...) do {					\
	char _line[160];						\
	snprintf(_line, sizeof(_line), format, ##__VA_ARGS__);		\
	EXPECT_TRUE(has_line(self->text, _line))			\
		TH_LOG("no line '%s' in:\n%s", _line, self->text);	\
} while (0)

#define READ_CONTAINER(name) do {						\
	container_path(&self->c, name, self->path, sizeof(self->path));		\
	ASSERT_LT(0, read_whole(self->path, self->text, PAGE));			\
} while (0)

#define READ_DEVICE(client, name) do {						\
	device_path(client, name, self->path, sizeof(self->path));		\
	ASSERT_LT(0, read_calm(self->path, self->text));			\
} while (0)

static unsigned int count_lines(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

static bool has_mapping(const char *text, __u64 iova, __u64 size, const char *access,
			const void *vaddr)
{
	char line[160];

	snprintf(line, sizeof(line), "\n0x%llx 0x%llx %llu %s live 0x%lx ", iova, iova + size - 1,
		 size, access, (unsigned long)vaddr);
	return strstr(text, line);
}

/* A mapping is a line as long as it is there. */
TEST_F(debugfs, mappings)
{
	int container = self->c.container;
	char *memory = memory_new(PAGES * PAGE);

	ASSERT_NE(NULL, memory);
	READ_CONTAINER("mappings");
	EXPECT_EQ(1, count_lines(self->text));

	ASSERT_OK(dma_map_rw(container, memory, IOVA, 4 * PAGE));
	ASSERT_OK(dma_map(container, VFIO_DMA_MAP_FLAG_READ, memory + 4 * PAGE, 0, 12 * PAGE));
	READ_CONTAINER("mappings");
	EXPECT_EQ(3, count_lines(self->text)) TH_LOG("%s", self->text);
	EXPECT_TRUE(has_mapping(self->text, 0, 12 * PAGE, "r-", memory + 4 * PAGE))
		TH_LOG("%s", self->text);
	EXPECT_TRUE(has_mapping(self->text, IOVA, 4 * PAGE, "rw", memory))
		TH_LOG("%s", self->text);
	READ_CONTAINER("summary");
	EXPECT_LINE("vfio-container-mappings: 2");
	EXPECT_LINE("vfio-container-pinned-pages: 16");
	EXPECT_LINE("vfio-container-mappings-left: %ld", dma_available(container));

	ASSERT_OK(dma_unmap(container, VFIO_DMA_UNMAP_FLAG_VADDR, IOVA, 4 * PAGE) < 0 ? -1 : 0);
	READ_CONTAINER("mappings");
	EXPECT_NE(NULL, strstr(self->text, " rw live none 4 0 ")) TH_LOG("%s", self->text);

	ASSERT_EQ(4 * PAGE, dma_unmap(container, 0, IOVA, 4 * PAGE));
	READ_CONTAINER("mappings");
	EXPECT_EQ(2, count_lines(self->text)) TH_LOG("%s", self->text);
	EXPECT_FALSE(has_mapping(self->text, IOVA, 4 * PAGE, "rw", memory));
	ASSERT_EQ(12 * PAGE, dma_unmap(container, 0, 0, 12 * PAGE));
	munmap(memory, PAGES * PAGE);
}

/* A mapping whose memory was withdrawn with its device is told as one that shows none. */
TEST_F(debugfs, withdrawn)
{
	char *bar;

	ASSERT_LE(0, client_read_regions(&self->c));
	ASSERT_OK(config_command(&self->c, 2, 0));
	bar = region_map(&self->c, VFIO_PCI_BAR0_REGION_INDEX, 0, PAGES * PAGE);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_OK(dma_map_rw(self->c.container, bar, IOVA, PAGES * PAGE));
	READ_CONTAINER("mappings");
	EXPECT_NE(NULL, strstr(self->text, " 0 16 1\n")) TH_LOG("%s", self->text);
	READ_CONTAINER("runs");
	EXPECT_LINE("65536 0 1");

	munmap(bar, PAGES * PAGE);
	fd_close(&self->c.device);
	READ_CONTAINER("mappings");
	EXPECT_NE(NULL, strstr(self->text, " 0 0 0\n")) TH_LOG("%s", self->text);
	READ_CONTAINER("runs");
	EXPECT_EQ(1, count_lines(self->text)) TH_LOG("%s", self->text);
}

/* A read of a few bytes at a time ends, and sees the same: also a large mapping only once. */
TEST_F(debugfs, small_reads)
{
	char *memory = memory_new(2 * PAGES * PAGE), *whole;
	int fd;

	ASSERT_NE(NULL, memory);
	for (int i = 0; i < 16; i++)
		ASSERT_OK(dma_map_rw(self->c.container, memory + i * 2 * PAGE, IOVA + i * 2 * PAGE,
				     2 * PAGE));
	READ_CONTAINER("mappings");
	whole = strdup(self->text);
	ASSERT_NE(NULL, whole);
	EXPECT_EQ(17, count_lines(whole)) TH_LOG("%s", whole);
	ASSERT_LT(0, read_whole(self->path, self->text, 7));
	EXPECT_STREQ(whole, self->text);
	/* From a place in the middle of the last line, too. */
	fd = open(self->path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(5, pread(fd, self->text, PAGE, strlen(whole) - 5));
	EXPECT_EQ(0, memcmp(whole + strlen(whole) - 5, self->text, 5));
	close(fd);
	free(whole);
	ASSERT_LT(0, dma_unmap(self->c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	munmap(memory, 2 * PAGES * PAGE);
}

/* The domain has the group; its page sizes and the IOVAs are those of GET_INFO. */
TEST_F(debugfs, domains)
{
	const struct vfio_iommu_type1_info_cap_iova_range *ranges;
	struct iommu_info info;
	char group[32];

	READ_CONTAINER("domains");
	EXPECT_EQ(0, strncmp(self->text, "domain 0: pgsizes 0x", 20)) TH_LOG("%s", self->text);
	snprintf(group, sizeof(group), " groups %d\n", self->c.func.group);
	EXPECT_NE(NULL, strstr(self->text, group)) TH_LOG("%s", self->text);
	ASSERT_OK(iommu_info(self->c.container, &info));
	EXPECT_LINE("pgsizes 0x%llx", (unsigned long long)info.head.iova_pgsizes);
	ranges = chain_find(info.data, info.size, info.head.cap_offset,
			    VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE);
	ASSERT_NE(NULL, ranges);
	for (__u32 i = 0; i < ranges->nr_iovas; i++)
		EXPECT_LINE("iovas 0x%llx-0x%llx", (unsigned long long)ranges->iova_ranges[i].start,
			    (unsigned long long)ranges->iova_ranges[i].end);
}

/* A second group that can shares the domain; one that cannot has its own. */
TEST_F(debugfs, shared_domain)
{
	struct client second;
	char groups[64];

	if (!join_or_skip(_metadata, &second, &self->c, EDU, 1))
		return;
	READ_CONTAINER("domains");
	snprintf(groups, sizeof(groups), " groups %d %d\n", self->c.func.group,
		 second.func.group);
	EXPECT_NE(NULL, strstr(self->text, groups)) TH_LOG("%s", self->text);
	EXPECT_EQ(NULL, strstr(self->text, "domain 1:")) TH_LOG("%s", self->text);
	client_close(&second);
	if (!fault_possible())
		return;
	ASSERT_OK(client_join_apart(&second, self->c.container, EDU, 1));
	READ_CONTAINER("domains");
	EXPECT_EQ(NULL, strstr(self->text, groups)) TH_LOG("%s", self->text);
	EXPECT_NE(NULL, strstr(self->text, "domain 1:")) TH_LOG("%s", self->text);
	client_close(&second);
}

/* All runs of all mappings are counted once: as many as the lines of the mappings say. */
TEST_F(debugfs, runs)
{
	const size_t size = 64 * MIB;
	unsigned long long least, pinned, lent, counted = 0, pages = 0, wanted = 0;
	int container = self->c.container, read;
	char *memory = memory_new(size), *line;

	ASSERT_NE(NULL, memory);
	/* No page beside the next, so that there are more runs than one piece of work. */
	for (size_t i = 0; i < size; i += 2 * PAGE)
		memory[i] = 1;
	for (size_t i = PAGE; i < size; i += 2 * PAGE)
		memory[i] = 1;
	ASSERT_OK(dma_map_rw(container, memory, IOVA, size / 2));
	ASSERT_OK(dma_map_rw(container, memory + size / 2, IOVA + size, size / 2));

	READ_CONTAINER("mappings");
	for (line = strchr(self->text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		read = sscanf(line + 1, "%*s %*s %*s %*s %*s %*s %llu %llu %llu", &pinned,
			      &lent, &least);
		ASSERT_EQ(3, read)
			TH_LOG("%s", self->text);
		pages += pinned;
		wanted += least;
	}
	EXPECT_EQ(size / PAGE, pages);
	READ_CONTAINER("runs");
	for (line = strchr(self->text, '\n'); line && line[1]; line = strchr(line + 1, '\n')) {
		read = sscanf(line + 1, "%llu %llu %llu", &least, &pinned, &lent);
		ASSERT_EQ(3, read);
		EXPECT_LE(PAGE, least);
		EXPECT_EQ(0, lent);
		counted += pinned;
	}
	EXPECT_EQ(wanted, counted) TH_LOG("%s", self->text);
	TH_LOG("%llu runs", wanted);
	ASSERT_LT(0, dma_unmap(container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	munmap(memory, size);
}

struct churn {
	int container;
	char *memory;
	bool stop;
	int error;
	unsigned long rounds;
};

/* Maps and unmaps between the mappings that stay, which are of even pages. */
static void *churn(void *data)
{
	struct churn *churn = data;
	__u64 seed = 1;

	while (!__atomic_load_n(&churn->stop, __ATOMIC_RELAXED) && !churn->error) {
		__u64 iova = IOVA + (2 * (random_next(&seed) % MANY) + 1) * PAGE;

		if (dma_map_rw(churn->container, churn->memory, iova, PAGE) ||
		    dma_unmap(churn->container, 0, iova, PAGE) != (long long)PAGE)
			churn->error = errno ? errno : EIO;
		churn->rounds++;
	}
	return NULL;
}

/* What is there all the time is told once, whatever comes and goes beside it. */
TEST_F(debugfs, mappings_while_others_change)
{
	struct churn other = { .container = self->c.container };
	unsigned long long first, last, previous;
	pthread_t thread;
	char *line;
	int read;

	other.memory = memory_new(PAGE);
	ASSERT_NE(NULL, other.memory);
	for (int i = 0; i < MANY; i++)
		ASSERT_OK(dma_map_rw(self->c.container, other.memory, IOVA + 2 * i * PAGE, PAGE));
	ASSERT_EQ(0, pthread_create(&thread, NULL, churn, &other));
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int stayed = 0;

		previous = 0;
		READ_CONTAINER("mappings");
		for (line = strchr(self->text, '\n'); line && line[1];
		     line = strchr(line + 1, '\n')) {
			read = sscanf(line + 1, "%llx %llx", &first, &last);
			ASSERT_EQ(2, read);
			ASSERT_LT(previous, first);
			ASSERT_EQ(PAGE - 1, last - first);
			previous = first;
			stayed += !((first - IOVA) / PAGE % 2);
		}
		ASSERT_EQ(MANY, stayed);
	}
	__atomic_store_n(&other.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, other.error);
	EXPECT_LT(0, other.rounds);
	ASSERT_LT(0, dma_unmap(self->c.container, VFIO_DMA_UNMAP_FLAG_ALL, 0, 0));
	munmap(other.memory, PAGE);
}

struct masks {
	char owner[16];
	__u32 virt;
	__u32 write;
};

/* The masks of the dword at @pos. */
static bool masks_at(const char *text, __u32 pos, struct masks *masks)
{
	unsigned int first, last;

	for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		if (sscanf(text, "%x-%x %15s virtual %x %*s writable %x", &first, &last,
			   masks->owner, &masks->virt, &masks->write) == 5 &&
		    pos >= first && pos <= last)
			return true;
	}
	return false;
}

/* The ranges follow each other from the first byte to the last. */
static unsigned int config_covered(const char *text)
{
	unsigned int first, last, covered = 0;

	for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL) {
		if (sscanf(text, "%x-%x", &first, &last) != 2 || first != covered)
			return 0;
		covered = last + 1;
	}
	return covered;
}

/* Ids are read-only, BARs and MSI are not the hardware's, vendors' bytes are. */
TEST_F(debugfs, config)
{
	static const enum test_device kinds[] = { EDU, NVME };
	struct client second, *c = &self->c;
	struct vfio_region_info region;
	struct masks masks;
	__u32 msi;

	for (size_t i = 0; i < 2; i++) {
		if (i) {
			if (!open_or_skip(_metadata, &second, kinds[i], 0, VFIO_TYPE1v2_IOMMU))
				return;
			c = &second;
		}
		READ_DEVICE(c, "pci/config");
		ASSERT_OK(region_info(c->device, VFIO_PCI_CONFIG_REGION_INDEX, &region));
		EXPECT_EQ(region.size, config_covered(self->text)) TH_LOG("%s", self->text);
		ASSERT_TRUE(masks_at(self->text, 0, &masks));
		EXPECT_STREQ("header", masks.owner);
		EXPECT_EQ(0, masks.write);
		ASSERT_TRUE(masks_at(self->text, 0x10, &masks));
		EXPECT_EQ(~0U, masks.virt);
		EXPECT_LT(0, region_info(c->device, VFIO_PCI_BAR0_REGION_INDEX, &region) ? 0 :
			  region.size);
		/* A BAR takes the bits above its size. */
		EXPECT_EQ(0, masks.write & (region.size - 1));
		EXPECT_EQ((__u32)-region.size, masks.write);
		if (!i) {
			ASSERT_OK(client_read_regions(c) < 0 ? -1 : 0);
			msi = config_find_cap(c, 5);
			ASSERT_NE(0, msi);
			ASSERT_TRUE(masks_at(self->text, msi + 4, &masks));
			EXPECT_STREQ("cap-05", masks.owner);
			EXPECT_EQ(~0U, masks.virt);
			/* The address is a multiple of 4. */
			EXPECT_EQ(~3U, masks.write);
		}
	}
	client_close(&second);
	READ_DEVICE(&second, "pci/config");
	EXPECT_STREQ("closed\n", self->text);
}

/* Which kind, which vectors have a number of the host's, which are masked. */
TEST_F(debugfs, interrupts)
{
	__s32 events[3] = { -1, -1, -1 };
	struct client nic;

	if (!open_or_skip(_metadata, &nic, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	READ_DEVICE(&nic, "pci/interrupts");
	EXPECT_LINE("vfio-device-interrupts: none");
	EXPECT_LINE("error eventfd 0");
	EXPECT_LINE("request eventfd 0");

	events[0] = event_new();
	events[2] = event_new();
	ASSERT_OK(irq_events(nic.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, events));
	ASSERT_OK(irq_none(nic.device, VFIO_IRQ_SET_ACTION_MASK, VFIO_PCI_MSIX_IRQ_INDEX, 2, 1));
	ASSERT_OK(irq_events(nic.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, events));
	READ_DEVICE(&nic, "pci/interrupts");
	EXPECT_LINE("vfio-device-interrupts: MSI-X");
	EXPECT_LINE("vfio-device-vectors: 2");
	EXPECT_LINE("offered 5");
	EXPECT_LINE("request eventfd 1");
	EXPECT_NE(NULL, strstr(self->text, "vector 0 irq ")) TH_LOG("%s", self->text);
	EXPECT_EQ(NULL, strstr(self->text, "vector 1 irq "));
	EXPECT_NE(NULL, strstr(self->text, "vector 2 irq "));
	EXPECT_NE(NULL, strstr(self->text, " masked 0 "));
	EXPECT_NE(NULL, strstr(self->text, " masked 1 "));
	TH_LOG("%s", self->text);
	ASSERT_OK(irq_disable(nic.device, VFIO_PCI_MSIX_IRQ_INDEX));

	ASSERT_OK(irq_events(nic.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, events));
	READ_DEVICE(&nic, "pci/interrupts");
	EXPECT_LINE("vfio-device-interrupts: INTx");
	EXPECT_NE(NULL, strstr(self->text, " masked 0 disabled 0 held 0 unmask-eventfd 0\n"))
		TH_LOG("%s", self->text);
	ASSERT_OK(irq_none(nic.device, VFIO_IRQ_SET_ACTION_MASK, VFIO_PCI_INTX_IRQ_INDEX, 0, 1));
	READ_DEVICE(&nic, "pci/interrupts");
	EXPECT_NE(NULL, strstr(self->text, " masked 1 disabled 0 held 0 unmask-eventfd 0\n"))
		TH_LOG("%s", self->text);
	close(events[0]);
	close(events[2]);
	client_close(&nic);
}

/* The mode of everything below, and that nobody but root gets in. */
static bool is_private(const char *path, mode_t mode)
{
	struct stat st;

	return !stat(path, &st) && (st.st_mode & 07777) == mode && !st.st_uid && !st.st_gid;
}

TEST_F(debugfs, root_only)
{
	static const char * const files[] = { "config", "interrupts", "nointxmask",
					      "disable_idle_d3", "hide_config_gaps", "keep_awake" };
	static const char * const of_container[] = { "summary", "mappings", "domains", "runs" };
	char name[64];
	int status;
	pid_t child;

	EXPECT_TRUE(is_private(ROOT, 0700));
	EXPECT_TRUE(is_private(ROOT "/containers", 0700));
	container_path(&self->c, "", self->path, sizeof(self->path));
	EXPECT_TRUE(is_private(self->path, 0700));
	device_path(&self->c, "pci", self->path, sizeof(self->path));
	EXPECT_TRUE(is_private(self->path, 0700));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(name, sizeof(name), "pci/%s", files[i]);
		device_path(&self->c, name, self->path, sizeof(self->path));
		EXPECT_TRUE(is_private(self->path, 0400)) TH_LOG("%s", self->path);
	}
	for (size_t i = 0; i < 4; i++) {
		container_path(&self->c, of_container[i], self->path, sizeof(self->path));
		EXPECT_TRUE(is_private(self->path, 0400)) TH_LOG("%s", self->path);
	}
	/* /sys/kernel/debug itself may be closed, too; here the last step is what counts. */
	int folder = open(ROOT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int file = open(self->path, O_PATH | O_CLOEXEC);

	ASSERT_LE(0, folder);
	ASSERT_LE(0, file);
	child = fork();
	if (!child) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
		if (become_nobody(0, 0))
			_exit(2);
		_exit(openat(folder, "containers", O_RDONLY) >= 0 || errno != EACCES ||
		      open(path, O_RDONLY) >= 0 || errno != EACCES);
	}
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	close(folder);
	close(file);
}

/* A container's folder goes with its last group, a device's with its driver; open files die. */
TEST_F(debugfs, folders_go)
{
	char buf[16];
	int fd;

	container_path(&self->c, "mappings", self->path, sizeof(self->path));
	fd = open(self->path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	fd_close(&self->c.device);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_ERRNO(ENOENT, access(self->path, F_OK));
	EXPECT_ERRNO(EIO, read(fd, buf, sizeof(buf)));
	close(fd);

	device_path(&self->c, "pci/config", self->path, sizeof(self->path));
	fd = open(self->path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_ERRNO(ENOENT, access(self->path, F_OK));
	EXPECT_ERRNO(EIO, read(fd, buf, sizeof(buf)));
	close(fd);
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	EXPECT_OK(access(self->path, F_OK));
}

/* What a slow reader reads, and what came of it. */
struct slow_read {
	const char *path;
	char *at;
	ssize_t got;
};

static void *slow_read(void *data)
{
	struct slow_read *slow = data;
	int fd = open(slow->path, O_RDONLY | O_CLOEXEC);

	slow->got = read(fd, slow->at, PAGE);
	close(fd);
	return NULL;
}

/* Nobody who takes a device back waits for the memory of one who reads of it. */
TEST_F(debugfs, memory_that_does_not_come)
{
	static const char * const names[] = { "pci/config", "pci/interrupts", "mappings" };
	struct slow_read slow[ARRAY_SIZE(names)];
	struct stall stalls[ARRAY_SIZE(names)];
	pthread_t threads[ARRAY_SIZE(names)];
	char paths[ARRAY_SIZE(names)][128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (stall_open(&stalls[i], PAGE))
			SKIP(return, "no userfaultfd: %s", strerror(errno));
		if (i < 2)
			device_path(&self->c, names[i], paths[i], sizeof(paths[i]));
		else
			container_path(&self->c, names[i], paths[i], sizeof(paths[i]));
		slow[i] = (struct slow_read){ .path = paths[i], .at = stalls[i].at };
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, slow_read, &slow[i]));
		EXPECT_TRUE(stall_wait(&stalls[i], 10000));
	}
	EXPECT_OK(take_back(&self->c.func));
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_OK(stall_release(&stalls[i]));
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
		EXPECT_LT(0, slow[i].got);
		stall_close(&stalls[i]);
	}
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

struct look {
	bool stop;
	unsigned long files;
};

static void look_into(struct look *look, const char *path, int depth)
{
	char below[512], *text;
	struct dirent *entry;
	DIR *folder = opendir(path);

	if (!folder) {
		text = malloc(TEXT);
		if (text && read_whole(path, text, PAGE) > 0)
			__atomic_fetch_add(&look->files, 1, __ATOMIC_RELAXED);
		free(text);
		return;
	}
	while ((entry = readdir(folder)) && depth < 4) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(below, sizeof(below), "%s/%.200s", path, entry->d_name);
		look_into(look, below, depth + 1);
	}
	closedir(folder);
}

static void *look(void *data)
{
	struct look *look = data;

	while (!__atomic_load_n(&look->stop, __ATOMIC_RELAXED))
		look_into(look, ROOT, 0);
	return NULL;
}

/* Readers of everything, while containers are made and closed and devices are taken back. */
TEST_F(debugfs, readers_while_things_go)
{
	struct pci_func func = self->c.func;
	struct look readers = {};
	pthread_t threads[2];
	char *memory = memory_new(PAGES * PAGE);
	__s32 event = event_new();

	ASSERT_NE(NULL, memory);
	client_close(&self->c);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, look, &readers));
	for (int round = 0; round < ROUNDS; round++) {
		ASSERT_OK(client_open(&self->c, EDU, 0, VFIO_TYPE1v2_IOMMU));
		ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, PAGES * PAGE));
		ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event));
		if (round % 4 == 0) {
			ASSERT_OK(take_back(&func));
			ASSERT_OK(pci_bind(&func, "vfio-pci"));
		} else if (round % 4 == 1) {
			/* The other way: the container's fd goes first, its group last. */
			fd_close(&self->c.container);
			fd_close(&self->c.group);
			fd_close(&self->c.device);
		}
		client_close(&self->c);
	}
	__atomic_store_n(&readers.stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_join(threads[i], NULL));
	EXPECT_LT(0, readers.files);
	TH_LOG("%lu files read", readers.files);
	close(event);
	munmap(memory, PAGES * PAGE);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME, E1000E };

	log_announce("Device is taken back|No device request channel|Device is wanted back");
	return vfio_test_main(argc, argv, needs, 3);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints vfio:*: each event comes when what it tells of happens, as often as that, with true
 * fields and no address of the kernel; and while nobody listens nothing is recorded.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA	(16 * MIB)
#define PAGES	700

FIXTURE(trace)
{
	struct client c;
	struct client disk;
	char text[512];
	char want[512];
};

FIXTURE_SETUP(trace)
{
	self->disk = (struct client)CLIENT_NONE;
	self->c = self->disk;
	if (trace_open())
		SKIP(return, "no tracefs, or no instances: %s", strerror(errno));
	if (trace_listen(true))
		SKIP(return, "the kernel has no events of vfio: %s", strerror(errno));
	client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0);
}

FIXTURE_TEARDOWN(trace)
{
	client_close(&self->disk);
	client_close(&self->c);
	trace_close();
}

/* One event of this name, with exactly this text. */
#define EXPECT_EVENT(event, ...) do {						\
	snprintf(self->want, sizeof(self->want), __VA_ARGS__);			\
	self->text[0] = 0;							\
	EXPECT_EQ(1, trace_get(event, "", 0, self->text, sizeof(self->text)));	\
	EXPECT_STREQ(self->want, self->text);					\
} while (0)

/* So many events of this name with this part. */
#define EXPECT_EVENTS(count, event, part) do {					\
	const char *_event = (event), *_part = (part);				\
	int _count = trace_get(_event, _part, 0, self->text, sizeof(self->text));	\
										\
	EXPECT_EQ(count, _count)						\
		TH_LOG("%s with \"%s\"", _event, _part);			\
} while (0)

static int attach(struct client *c)
{
	if (group_set_container(c->group, c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -1;
	c->device = group_get_device(c->group, c->func.bdf);
	return c->device < 0 ? -1 : client_read_regions(c);
}

/* What the container is called in events, by its fdinfo. */
static long long number_of(const struct client *c)
{
	return fdinfo_number(c->container, "vfio-container-number");
}

/* A group joins, the container gets its backend, the device is opened; and back. */
TEST_F(trace, transitions)
{
	int group = self->c.func.group;
	long long container = number_of(&self->c);
	__u32 flags;

	ASSERT_LT(0, container);
	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EVENT("group_status", "group=%d container=0 viable=1", group);
	ASSERT_OK(attach(&self->c));
	EXPECT_EVENT("group_attach", "group=%d container=%lld noiommu=0 ret=0", group, container);
	EXPECT_EVENT("container_backend", "container=%lld type=type1v2 ret=0", container);
	EXPECT_EVENT("device_open", "device=%s fds=1 ret=0", self->c.func.bdf);
	EXPECT_EVENTS(0, "group_detach", "");

	trace_reset();
	EXPECT_ERRNO(EINVAL, ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1_IOMMU));
	EXPECT_EVENT("container_backend", "container=%lld type=type1 ret=-22", container);
	ASSERT_OK(group_status(self->c.group, &flags));
	EXPECT_EVENT("group_status", "group=%d container=%lld viable=1", group, container);
	fd_close(&self->c.device);
	EXPECT_EVENT("device_close", "device=%s fds=0 ret=0", self->c.func.bdf);
	ASSERT_OK(ioctl(self->c.group, VFIO_GROUP_UNSET_CONTAINER));
	EXPECT_EVENT("group_detach", "group=%d container=%lld", group, container);
}

/* Who opens a group: one at a time. */
TEST_F(trace, group_node)
{
	int group = self->c.func.group;

	trace_reset();
	EXPECT_ERRNO(EBUSY, group_open(group));
	EXPECT_EVENT("group_open", "group=%d ret=-16", group);
	fd_close(&self->c.group);
	EXPECT_EVENT("group_release", "group=%d ret=0", group);
	trace_reset();
	self->c.group = group_open(group);
	ASSERT_LE(0, self->c.group);
	EXPECT_EVENT("group_open", "group=%d ret=0", group);
}

/* No container has the number of another. */
TEST_F(trace, container_numbers)
{
	long long first = number_of(&self->c);
	int other = container_open();

	ASSERT_LE(0, other);
	EXPECT_LT(first, fdinfo_number(other, "vfio-container-number"));
	fd_close(&other);
}

/* The sum of a field over the events of a name. */
static long long sum_of(const char *event, const char *field)
{
	char text[512];
	long long sum = 0;

	for (int nth = 0; trace_get(event, "", nth, text, sizeof(text)) > nth; nth++)
		sum += trace_number(text, field);
	return sum;
}

/* One map is one event; its chunks add up to it. So is its unmap, with the same pages and runs. */
TEST_F(trace, map_and_unmap)
{
	long long container = number_of(&self->c), pages, runs;
	char *memory = memory_new(PAGES * PAGE);

	ASSERT_NE(NULL, memory);
	ASSERT_OK(attach(&self->c));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, PAGES * PAGE));
	ASSERT_EQ(1, trace_get("dma_map", "", 0, self->text, sizeof(self->text)));
	snprintf(self->want, sizeof(self->want), "container=%lld iova=%#llx bytes=%llu pages=%d ",
		 container, IOVA, PAGES * PAGE, PAGES);
	EXPECT_EQ(0, strncmp(self->want, self->text, strlen(self->want)))
		TH_LOG("%s", self->text);
	pages = trace_number(self->text, "pages");
	runs = trace_number(self->text, "runs");
	EXPECT_LE(1, runs);
	EXPECT_GE(PAGES, runs);
	EXPECT_LT(0, trace_number(self->text, "ns"));
	EXPECT_EQ(0, trace_number(self->text, "ret"));

	/* 512 pages and the rest. */
	EXPECT_LE(2, trace_get("dma_pin", "kind=pages", 0, self->text, sizeof(self->text)));
	EXPECT_EQ(PAGES, sum_of("dma_pin", "pages"));
	EXPECT_EQ(IOVA, (__u64)trace_number(self->text, "iova"));
	EXPECT_EQ(PAGES - trace_number(self->text, "pages"), trace_number(self->text, "left"));
	EXPECT_EVENTS(1, "dma_pin", "left=0 ");

	ASSERT_EQ(PAGES * PAGE, dma_unmap(self->c.container, 0, IOVA, PAGES * PAGE));
	ASSERT_EQ(1, trace_get("dma_unmap", "", 0, self->text, sizeof(self->text)));
	snprintf(self->want, sizeof(self->want),
		 "container=%lld iova=%#llx last=%#llx bytes=%llu mappings=1 pages=%lld runs=%lld ",
		 container, IOVA, IOVA + PAGES * PAGE - 1, PAGES * PAGE, pages, runs);
	EXPECT_EQ(0, strncmp(self->want, self->text, strlen(self->want)))
		TH_LOG("%s", self->text);
	EXPECT_LT(0, trace_number(self->text, "ns"));
	munmap(memory, PAGES * PAGE);
}

/* What kind of memory a chunk is. */
TEST_F(trace, kinds_of_pins)
{
	const size_t size = 4 * MIB;
	struct memory huge = {};
	char *bar;

	ASSERT_OK(attach(&self->c));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	ASSERT_OK(memory_open(&huge, HUGETLB, size, NULL));
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, huge.at, IOVA, size));
	EXPECT_EQ(size / PAGE, (__u64)sum_of("dma_pin", "pages"));
	EXPECT_EVENTS(0, "dma_pin", "kind=pages");
	EXPECT_LE(1, trace_get("dma_pin", "kind=huge", 0, self->text, sizeof(self->text)));

	bar = region_map(&self->c, 0, 0, 16 * PAGE);
	ASSERT_NE(MAP_FAILED, bar);
	trace_reset();
	ASSERT_OK(dma_map_rw(self->c.container, bar, 2 * IOVA, 16 * PAGE));
	EXPECT_EVENT("dma_pin", "container=%lld iova=%#llx pages=16 left=0 kind=lent",
		     number_of(&self->c), 2 * IOVA);
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_EQ(16 * PAGE, dma_unmap(self->c.container, 0, 2 * IOVA, 16 * PAGE));
	munmap(bar, 16 * PAGE);
	memory_free(&huge);
}

/* A map that fails says with what; mappings that the last group takes away are an unmap. */
TEST_F(trace, map_ends_otherwise)
{
	char *memory = memory_new(4 * PAGE);

	ASSERT_NE(NULL, memory);
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, 2 * PAGE));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA + MIB, 2 * PAGE));
	trace_reset();
	EXPECT_ERRNO(EEXIST, dma_map_rw(self->c.container, memory, IOVA, PAGE));
	ASSERT_EQ(1, trace_get("dma_map", "", 0, self->text, sizeof(self->text)));
	EXPECT_EQ(0, trace_number(self->text, "pages"));
	EXPECT_EQ(-EEXIST, trace_number(self->text, "ret"));
	trace_reset();
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, memory, IOVA + 1, PAGE));
	EXPECT_EVENT("dma_map",
		     "container=%lld iova=%#llx bytes=4096 pages=0 runs=0 ns=0 ret=-22",
		     number_of(&self->c), IOVA + 1);
	trace_reset();
	EXPECT_ERRNO(EINVAL, dma_map_rw(self->c.container, memory, IOVA, 0));
	EXPECT_EVENTS(1, "dma_map", " bytes=0 pages=0 runs=0 ns=0 ret=-22");

	client_close(&self->c);
	ASSERT_EQ(1, trace_get("dma_unmap", "mappings=2 pages=4 ", 0, self->text,
			       sizeof(self->text)));
	EXPECT_EQ(4 * PAGE, (__u64)trace_number(self->text, "bytes"));
	munmap(memory, 4 * PAGE);
}

/* Memory that a device lent is withdrawn with it: nothing of it is left to be unmapped. */
TEST_F(trace, withdrawal)
{
	const __u64 size = 16 * PAGE;
	char *bar;

	ASSERT_OK(attach(&self->c));
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY, 0));
	bar = region_map(&self->c, 0, 0, size);
	ASSERT_NE(MAP_FAILED, bar);
	ASSERT_OK(dma_map_rw(self->c.container, bar, IOVA, size));
	EXPECT_EVENTS(0, "dma_withdraw", "");
	munmap(bar, size);
	fd_close(&self->c.device);
	EXPECT_EVENT("dma_withdraw", "container=%lld iova=%#llx pages=16", number_of(&self->c),
		     IOVA);
	EXPECT_EQ((long long)size, dma_unmap(self->c.container, 0, IOVA, size));
	EXPECT_EVENTS(1, "dma_unmap", " bytes=65536 mappings=1 pages=0 runs=0 ");
}

/* An interrupt is set up, and fires: by the device, and by its user. */
TEST_F(trace, interrupts)
{
	const char *bdf = self->c.func.bdf;
	__s32 event = event_new();

	ASSERT_OK(attach(&self->c));
	ASSERT_OK(edu_start(&self->c));
	trace_reset();
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event));
	EXPECT_EVENT("irq_set", "device=%s index=msi action=eventfd|trigger start=0 count=1 ret=0",
		     bdf);
	EXPECT_EVENTS(0, "irq_fire", "");
	ASSERT_OK(edu_raise(&self->c));
	ASSERT_EQ(1, event_wait(event, PATIENCE_MS));
	EXPECT_EVENT("irq_fire", "device=%s index=msi vector=0", bdf);
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_disable(self->c.device, VFIO_PCI_MSI_IRQ_INDEX));

	trace_reset();
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &event));
	ASSERT_OK(edu_raise(&self->c));
	ASSERT_EQ(1, event_wait(event, PATIENCE_MS));
	EXPECT_EVENT("irq_fire", "device=%s index=intx vector=0", bdf);
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(irq_disable(self->c.device, VFIO_PCI_INTX_IRQ_INDEX));

	trace_reset();
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event));
	ASSERT_OK(irq_none(self->c.device, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_REQ_IRQ_INDEX, 0,
			   1));
	EXPECT_EVENT("irq_fire", "device=%s index=req vector=0", bdf);
	trace_reset();
	EXPECT_ERRNO(EINVAL, irq_disable(self->c.device, VFIO_PCI_ERR_IRQ_INDEX));
	EXPECT_EVENT("irq_set", "device=%s index=err action=none|trigger start=0 count=0 ret=-22",
		     bdf);
	fd_close(&event);
}

/* What a close, or a device's being taken, gives up is as if its user had disabled it. */
TEST_F(trace, interrupts_given_up)
{
	const char *given_up = "action=none|trigger start=0 count=0 ret=0";
	__s32 event = event_new();

	log_announce("Device is taken back from");
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event));
	trace_reset();
	fd_close(&self->c.device);
	EXPECT_EVENT("irq_set", "device=%s index=msi %s", self->c.func.bdf, given_up);

	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &event));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event));
	trace_reset();
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_EVENTS(2, "irq_set", given_up);
	EXPECT_EVENTS(1, "irq_set", "index=intx ");
	EXPECT_EVENTS(1, "irq_set", "index=req ");
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
	fd_close(&event);
}

/* Which vector of a table it was. */
TEST_F(trace, vectors)
{
	__s32 events[3] = { event_new(), event_new(), event_new() };

	if (!open_or_skip(_metadata, &self->disk, NVME, 0, VFIO_TYPE1v2_IOMMU))
		return;
	trace_reset();
	ASSERT_OK(irq_events(self->disk.device, VFIO_PCI_MSIX_IRQ_INDEX, 0, 3, events));
	EXPECT_EVENT("irq_set", "device=%s index=msix action=eventfd|trigger start=0 count=3 ret=0",
		     self->disk.func.bdf);
	ASSERT_OK(irq_none(self->disk.device, VFIO_IRQ_SET_ACTION_TRIGGER, VFIO_PCI_MSIX_IRQ_INDEX,
			   2, 1));
	EXPECT_EVENT("irq_fire", "device=%s index=msix vector=2", self->disk.func.bdf);
	for (int i = 0; i < 3; i++)
		fd_close(&events[i]);
}

/* A BAR is ours and a latency timer is dropped; a cache line size is the hardware's. */
TEST_F(trace, config)
{
	const char *bdf = self->c.func.bdf;
	__u32 bar, line;

	ASSERT_OK(attach(&self->c));
	bar = config_read(&self->c, PCI_BASE_ADDRESS_0, 4);
	line = config_read(&self->c, PCI_CACHE_LINE_SIZE, 1);
	trace_reset();
	ASSERT_OK(config_write(&self->c, PCI_CACHE_LINE_SIZE, 1, line));
	EXPECT_EVENTS(0, "config_trap", "");
	ASSERT_OK(config_write(&self->c, PCI_BASE_ADDRESS_0, 4, 0xfeed0000));
	EXPECT_EVENT("config_trap", "device=%s pos=%#x width=4 value=0xfeed0000 hardware=0x0", bdf,
		     PCI_BASE_ADDRESS_0);
	ASSERT_OK(config_write(&self->c, PCI_BASE_ADDRESS_0, 4, bar));

	trace_reset();
	ASSERT_OK(config_write(&self->c, PCI_BASE_ADDRESS_0 + 2, 2, bar >> 16));
	EXPECT_EVENT("config_trap", "device=%s pos=%#x width=2 value=%#x hardware=0x0", bdf,
		     PCI_BASE_ADDRESS_0 + 2, bar >> 16);
	trace_reset();
	ASSERT_OK(config_write(&self->c, PCI_VENDOR_ID, 2, 0x4711));
	EXPECT_EVENT("config_trap", "device=%s pos=0x0 width=2 value=0x4711 hardware=0x0", bdf);
}

/* The user's reset of a function, and the host's. Others: reset_test. */
TEST_F(trace, resets)
{
	if (!open_or_skip(_metadata, &self->disk, NVME, 0, VFIO_TYPE1v2_IOMMU))
		return;
	trace_reset();
	ASSERT_OK(ioctl(self->disk.device, VFIO_DEVICE_RESET));
	EXPECT_EVENT("reset", "device=%s kind=function ret=0", self->disk.func.bdf);
	trace_reset();
	ASSERT_OK(pci_reset(&self->disk.func));
	EXPECT_EVENT("host_reset", "device=%s", self->disk.func.bdf);
	EXPECT_EVENTS(0, "reset", "");
}

/* All steps of a device that is taken at once, in their order; and of one that nobody has: none. */
TEST_F(trace, revocation)
{
	static const char * const steps[] = {
		"wanted", "asked", "taken", "shut", "unmapped", "closed", "done",
	};
	const int nr = sizeof(steps) / sizeof(*steps);

	log_announce("No device request channel registered");
	log_announce("Device is taken back from");
	ASSERT_OK(attach(&self->c));
	trace_reset();
	ASSERT_OK(take_back(&self->c.func));
	for (int i = 0; i < nr; i++) {
		EXPECT_EQ(nr, trace_get("device_revoke", "", i, self->text, sizeof(self->text)));
		snprintf(self->want, sizeof(self->want), "device=%s step=%s after_ms=0",
			 self->c.func.bdf, steps[i]);
		EXPECT_STREQ(self->want, self->text);
	}
	EXPECT_EVENTS(1, "device_close", self->c.func.bdf);
	EXPECT_ERRNO(ENODEV, group_set_container(self->c.group, self->c.container));
	EXPECT_EVENT("group_attach", "group=-1 container=%lld noiommu=0 ret=-19",
		     number_of(&self->c));
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));

	trace_reset();
	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_EVENTS(0, "device_revoke", "");
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* A user who lets go when he is asked: nothing is taken. */
TEST_F(trace, revocation_returned)
{
	int event = event_new(), returned = 0;
	pid_t pid;

	log_announce("Blocked by the users of");
	ASSERT_OK(attach(&self->c));
	ASSERT_LE(0, irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event));
	trace_reset();
	pid = unbind_start(&self->c.func);
	EXPECT_LT(0, event_wait(event, PATIENCE_MS));
	client_close(&self->c);
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	returned = trace_get("device_revoke", "step=returned", 0, self->text, sizeof(self->text));
	EXPECT_EQ(1, returned);
	EXPECT_EVENTS(0, "device_revoke", "step=taken");
	close(event);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/* The time of the first event of a name that has @part in its text; -1: there is none. */
static double time_of(const char *event, const char *part)
{
	FILE *trace = fopen(TRACE_INSTANCE "/trace", "re");
	char line[512], mark[80];
	double seconds = -1;

	snprintf(mark, sizeof(mark), ": %s: ", event);
	while (trace && seconds < 0 && fgets(line, sizeof(line), trace)) {
		char *found = strstr(line, mark);

		if (!found || !strstr(found, part))
			continue;
		*found = 0;
		seconds = atof(strrchr(line, ' '));
	}
	if (trace)
		fclose(trace);
	return seconds;
}

/*
 * A function that was taken back is reset, while nothing but the memory of its user is mapped for
 * it: its group leaves the container after that.
 */
TEST_F(trace, revocation_resets)
{
	double closed, reset, left;

	log_announce("No device request channel registered");
	log_announce("Device is taken back from");
	if (!client_is_open(_metadata, client_open_group(&self->disk, NVME, 0), NVME, 0))
		return;
	ASSERT_OK(attach(&self->disk));
	trace_reset();
	ASSERT_OK(take_back(&self->disk.func));
	closed = time_of("device_close", self->disk.func.bdf);
	snprintf(self->want, sizeof(self->want), "%s kind=function ret=0", self->disk.func.bdf);
	reset = time_of("reset", self->want);
	EXPECT_EVENTS(0, "host_reset", "");
	EXPECT_EQ(1, trace_get("group_detach", "", 0, self->text, sizeof(self->text)));
	left = time_of("group_detach", "");
	EXPECT_LT(0, closed);
	EXPECT_LE(closed, reset);
	EXPECT_LE(reset, left);
	client_close(&self->disk);
	ASSERT_OK(pci_bind(&self->disk.func, "vfio-pci"));
}

/* Nobody listens: nothing is recorded. */
TEST_F(trace, off)
{
	char *memory = memory_new(4 * PAGE);

	ASSERT_NE(NULL, memory);
	ASSERT_OK(trace_listen(false));
	trace_reset();
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, 4 * PAGE));
	ASSERT_EQ(4 * PAGE, dma_unmap(self->c.container, 0, IOVA, 4 * PAGE));
	ASSERT_OK(config_write(&self->c, PCI_VENDOR_ID, 2, 0x4711));
	EXPECT_EQ(0, trace_count());
	munmap(memory, 4 * PAGE);
}

/* A value in the kernel's half of the addresses, with four or five levels of page tables. */
static bool has_kernel_address(const char *text)
{
	char *end;

	while ((text = strchr(text, '='))) {
		text++;
		if (*text == '-')
			continue;
		if (strtoull(text, NULL, 0) >> 56 == 0xff)
			return true;
		if (strtoull(text, &end, 16) >> 56 == 0xff && end - text == 16)
			return true;
	}
	return false;
}

/* No event has an address of the kernel, however it is written. */
TEST_F(trace, no_kernel_address)
{
	static const char * const events[] = {
		"group_attach", "group_detach", "container_backend", "device_open",
		"device_close", "dma_map", "dma_pin", "dma_unmap",
	};
	char *memory = memory_new(4 * PAGE);

	ASSERT_NE(NULL, memory);
	ASSERT_OK(attach(&self->c));
	ASSERT_OK(dma_map_rw(self->c.container, memory, IOVA, 4 * PAGE));
	ASSERT_EQ(4 * PAGE, dma_unmap(self->c.container, 0, IOVA, 4 * PAGE));
	client_close(&self->c);
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		EXPECT_EVENTS(1, events[i], "");
		EXPECT_FALSE(has_kernel_address(self->text)) TH_LOG("%s", self->text);
	}
	munmap(memory, 4 * PAGE);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, NVME };

	return vfio_test_main(argc, argv, needs, sizeof(needs) / sizeof(*needs));
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole machine sleeps while a program has a device. A debug build rehearses that for one
 * device, since the test machine would not survive it.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define ERR		VFIO_PCI_ERR_IRQ_INDEX
#define MSI		VFIO_PCI_MSI_IRQ_INDEX
#define MSIX		VFIO_PCI_MSIX_IRQ_INDEX
#define INTX		VFIO_PCI_INTX_IRQ_INDEX

FIXTURE(machine_sleep)
{
	struct client edu;
	struct client card;
	__s32 event;
	__s32 other;
	int log;
	__u8 *memory;
};

/* To sleep and awake again, with the machine. */
static int sleep_with_machine(const struct pci_func *func)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/kernel/debug/vfio/%s/pci/rehearse_sleep", func->bdf);
	return file_write(path, "1");
}

FIXTURE_SETUP(machine_sleep)
{
	self->edu = (struct client)CLIENT_NONE;
	self->card = self->edu;
	self->event = event_new();
	self->other = event_new();
	self->log = log_open();
	if (!open_or_skip(_metadata, &self->edu, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->memory = (__u8 *)memory_new(2 * PAGE);
	ASSERT_OK(edu_start(&self->edu));
	if (sleep_with_machine(&self->edu.func))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
}

FIXTURE_TEARDOWN(machine_sleep)
{
	client_close(&self->card);
	client_close(&self->edu);
	fd_close(&self->event);
	fd_close(&self->other);
	fd_close(&self->log);
}

static bool log_says(int log, const struct client *c, const char *what)
{
	const char * const texts[] = { c->func.bdf, what };

	return log_find(log, texts, ARRAY_SIZE(texts), NULL, 0);
}

/* Config space as the user sees it. */
static int config_all(const struct client *c, __u8 *bytes)
{
	return pread(c->device, bytes, 256, c->region[VFIO_PCI_CONFIG_REGION_INDEX].offset) == 256 ?
		0 : -1;
}

/* Mappings, views of BARs, config space and interrupts are as before, and the log says what was. */
TEST_F(machine_sleep, goes_on)
{
	struct client *edu = &self->edu;
	__u8 before[256], after[256];
	__u32 *view;

	ASSERT_OK(dma_map_rw(edu->container, self->memory, IOVA, 2 * PAGE));
	ASSERT_OK(irq_events(edu->device, MSI, 0, 1, &self->event));
	view = region_map(edu, 0, 0, PAGE);
	ASSERT_NE(MAP_FAILED, view);
	EXPECT_EQ(0xed, bar_look(view) & EDU_IDENTITY_MASK);
	EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 1));
	ASSERT_OK(config_all(edu, before));
	for (int round = 0; round < 2; round++) {
		ASSERT_OK(sleep_with_machine(&edu->func));
		EXPECT_TRUE(log_says(self->log, edu, "has slept with the machine while in use"));
		ASSERT_OK(config_all(edu, after));
		EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
		EXPECT_EQ(0xed, bar_look(view) & EDU_IDENTITY_MASK);
		EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 2 + round));
		EXPECT_EQ(0, event_wait(self->event, 0));
		ASSERT_OK(edu_raise(edu));
		EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
		ASSERT_OK(edu_lower(edu));
	}
	munmap(view, PAGE);
}

/* Binds a function anew while a parameter is on; NULL: none. */
static int bind_anew(const struct pci_func *func, const char *parameter)
{
	if (parameter && param_bool(parameter, true))
		return -1;
	if (pci_unbind(func) || pci_bind(func, "vfio-pci"))
		return -1;
	return parameter ? param_bool(parameter, false) : 0;
}

/* A line that the user has masked is masked, one that he has not is not. */
static void check_line(struct __test_metadata *_metadata, FIXTURE_DATA(machine_sleep) * self)
{
	struct client *edu = &self->edu;

	ASSERT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(edu_raise(edu));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	/* The interrupt has masked it. */
	ASSERT_OK(sleep_with_machine(&edu->func));
	EXPECT_EQ(0, event_wait(self->event, QUIET_MS));
	ASSERT_OK(irq_none(edu->device, VFIO_IRQ_SET_ACTION_UNMASK, INTX, 0, 1));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(edu));
}

TEST_F(machine_sleep, line)
{
	ASSERT_OK(irq_events(self->edu.device, INTX, 0, 1, &self->event));
	check_line(_metadata, self);
}

/* The same for one that is not masked by the command register. */
TEST_F(machine_sleep, line_at_controller)
{
	struct client *edu = &self->edu;
	int error;

	client_close(edu);
	ASSERT_OK(bind_anew(&edu->func, "nointxmask"));
	ASSERT_OK(client_open(edu, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(edu));
	error = ERRNO_OF(irq_events(edu->device, INTX, 0, 1, &self->event));
	if (!error)
		check_line(_metadata, self);
	client_close(edu);
	EXPECT_OK(bind_anew(&edu->func, NULL));
	if (error == EBUSY)
		SKIP(return, "others share the line of edu");
	EXPECT_EQ(0, error);
}

/* The same for the vectors of MSI-X, of a device that the user's driver let sleep before. */
TEST_F(machine_sleep, vectors)
{
	struct client *card = &self->card;
	__s32 events[2] = { self->event, self->other };
	__u32 pmcsr;

	if (!join_or_skip(_metadata, card, &self->edu, E1000E, 0))
		return;
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, MSIX, 0, 2, events));
	ASSERT_OK(irq_none(card->device, VFIO_IRQ_SET_ACTION_MASK, MSIX, 1, 1));
	pmcsr = pci_config_cap(&card->func, PCI_CAP_ID_PM) + PCI_PM_CTRL;
	ASSERT_LT((__u32)PCI_PM_CTRL, pmcsr);
	ASSERT_OK(sleep_with_machine(&card->func));
	EXPECT_TRUE(log_says(self->log, card, "has slept with the machine while in use"));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(e1000e_lower(card));
	ASSERT_OK(e1000e_route(card, 1));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_EQ(0, event_wait(self->other, QUIET_MS));
	ASSERT_OK(irq_none(card->device, VFIO_IRQ_SET_ACTION_UNMASK, MSIX, 1, 1));
	EXPECT_LT(0, event_wait(self->other, PATIENCE_MS));
	ASSERT_OK(e1000e_lower(card));

	ASSERT_OK(config_write(card, pmcsr, 2, 3));
	ASSERT_OK(sleep_with_machine(&card->func));
	ASSERT_OK(config_write(card, pmcsr, 2, 0));
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

/* A device that sleeps by itself is put to sleep with the machine: it may do so at work, in D0. */
TEST_F(machine_sleep, asleep_already)
{
	struct client *edu = &self->edu;
	char status[16] = "";

	ASSERT_OK(feature(edu->device, VFIO_DEVICE_FEATURE_SET |
			  VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY, NULL, 0));
	for (int tries = 0; strcmp(status, "suspended") && tries < PATIENCE_MS / 5; tries++) {
		usleep(5000);
		ASSERT_OK(pci_read(&edu->func, "power/runtime_status", status, sizeof(status)));
	}
	ASSERT_STREQ("suspended", status);
	ASSERT_OK(sleep_with_machine(&edu->func));
	EXPECT_TRUE(log_says(self->log, edu, "has slept with the machine while in use"));
	ASSERT_OK(dma_map_rw(edu->container, self->memory, IOVA, 2 * PAGE));
	EXPECT_TRUE(edu_copies(edu, self->memory, IOVA, 7));
}

/* Who let it sleep by himself, and asked for that, is woken up. */
TEST_F(machine_sleep, low_power)
{
	struct client *card = &self->card;

	if (!join_or_skip(_metadata, card, &self->edu, E1000E, 0))
		return;
	ASSERT_OK(low_power(card->device, VFIO_DEVICE_FEATURE_SET |
			    VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP, self->other));
	ASSERT_OK(sleep_with_machine(&card->func));
	EXPECT_EQ(1, event_wait(self->other, PATIENCE_MS));
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, MSIX, 0, 1, &self->event));
	ASSERT_OK(e1000e_route(card, 0));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

/* Who insists on it is not put to sleep; the log says who has it. Closed, it sleeps. */
TEST_F(machine_sleep, refused)
{
	struct client *edu = &self->edu;

	client_close(edu);
	ASSERT_OK(bind_anew(&edu->func, "keep_awake"));
	EXPECT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(client_open(edu, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(edu));
	ASSERT_OK(irq_events(edu->device, MSI, 0, 1, &self->event));
	EXPECT_ERRNO(EBUSY, sleep_with_machine(&edu->func));
	EXPECT_TRUE(log_says(self->log, edu, "keeps the machine awake, in use by"));
	ASSERT_OK(edu_raise(edu));
	EXPECT_EQ(1, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(edu));
	client_close(edu);
	EXPECT_OK(sleep_with_machine(&edu->func));
	ASSERT_OK(bind_anew(&edu->func, NULL));
}

/* The kernel has the device's lock while it recovers: EBUSY so long. */
static int sleep_during_error(const struct pci_func *func)
{
	int ret = -1;

	errno = EBUSY;
	for (int tries = 0; ret && errno == EBUSY && tries < PATIENCE_MS / 5; tries++) {
		ret = sleep_with_machine(func);
		if (ret)
			usleep(5000);
	}
	return ret;
}

/*
 * One whose link has failed, and whose recovery did not end well: it goes to sleep and stays as it
 * is. Closed and opened again it works.
 */
TEST_F(machine_sleep, frozen)
{
	struct client *card = &self->card;
	__u32 value;

	if (!join_or_skip(_metadata, card, &self->edu, E1000E, 0))
		return;
	if (link_is_up(&card->func))
		SKIP(return, "the port above says that its link is up: recovery ends well");
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, ERR, 0, 1, &self->other));
	ASSERT_OK(irq_events(card->device, INTX, 0, 1, &self->event));
	ASSERT_OK(log_announce("vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device |\\[)"));
	if (!fatal_error_or_skip(_metadata, &card->func))
		return;
	ASSERT_LT(0, event_wait(self->other, PATIENCE_MS));
	EXPECT_ERRNO(EIO, region_read(card, 0, 0, &value, 4));
	for (int round = 0; round < 2; round++) {
		ASSERT_OK(sleep_during_error(&card->func));
		EXPECT_TRUE(log_says(self->log, card, "has slept with the machine while in use"));
		EXPECT_ERRNO(EIO, region_read(card, 0, 0, &value, 4));
		EXPECT_ERRNO(EAGAIN, ioctl(card->device, VFIO_DEVICE_RESET));
		EXPECT_EQ(0, event_wait(self->event, 0));
	}

	client_close(card);
	ASSERT_TRUE(join_or_skip(_metadata, card, &self->edu, E1000E, 0));
	ASSERT_OK(e1000e_start(card));
	ASSERT_OK(irq_events(card->device, INTX, 0, 1, &self->event));
	ASSERT_OK(e1000e_raise(card));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));

	/* The kernel takes the link for broken until it has recovered from another error. */
	ASSERT_OK(irq_events(card->device, ERR, 0, 1, &self->other));
	ASSERT_OK(aer_inject(&card->func, PCI_ERR_UNC_COMP_ABORT));
	EXPECT_LT(0, event_wait(self->other, PATIENCE_MS));
}

/* A PF and a VF of it, both at work. */
FIXTURE(sriov_sleep)
{
	struct pci_func pf_func;
	struct client pf;
	struct client vf;
	struct nvme pf_disk;
	struct nvme vf_disk;
	__s32 event;
	int log;
};

/* A reset of the PF would take its VFs away, which QEMU does not give back: so there is none. */
FIXTURE_SETUP(sriov_sleep)
{
	struct pci_func vf;

	self->pf = (struct client)CLIENT_NONE;
	self->vf = self->pf;
	self->event = event_new();
	self->log = log_open();
	if (!pf_find(&self->pf_func))
		SKIP(return, "no SR-IOV device");
	ASSERT_OK(pci_bind(&self->pf_func, "vfio-pci"));
	if (sleep_with_machine(&self->pf_func))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(param_bool("enable_sriov", true));
	ASSERT_OK(pci_set(&self->pf_func, "reset_method", "\n"));
	ASSERT_OK(pf_set_vfs(&self->pf_func, NR_VFS));
	ASSERT_OK(pf_vf(&self->pf_func, 0, &vf));
	ASSERT_OK(client_open_func(&self->pf, &self->pf_func, TOKEN, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(client_open_func(&self->vf, &vf, TOKEN, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(nvme_start(&self->pf_disk, &self->pf, IOVA));
	ASSERT_OK(nvme_vf_on(&self->pf_disk, 0));
	/* Before it starts: QEMU asks only once. */
	ASSERT_OK(irq_events(self->vf.device, MSIX, 0, 1, &self->event));
	ASSERT_OK(nvme_start(&self->vf_disk, &self->vf, IOVA));
}

FIXTURE_TEARDOWN(sriov_sleep)
{
	client_close(&self->vf);
	client_close(&self->pf);
	pf_set_vfs(&self->pf_func, 0);
	pci_set(&self->pf_func, "reset_method", "default");
	param_bool("enable_sriov", false);
	fd_close(&self->event);
	fd_close(&self->log);
}

/* It does DMA: what it is asked for it writes to memory. */
static bool disk_answers(struct nvme *disk)
{
	char serial[32];

	return !nvme_serial(disk, serial, sizeof(serial)) && !strcmp("sriov", serial);
}

/* Each sleeps and is at work again; the PF has not lost its VFs. */
TEST_F(sriov_sleep, goes_on)
{
	const struct client * const both[] = { &self->vf, &self->pf };

	EXPECT_TRUE(disk_answers(&self->vf_disk));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
	for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
		ASSERT_OK(sleep_with_machine(&both[i]->func));
		EXPECT_TRUE(log_says(self->log, both[i],
				     "has slept with the machine while in use"));
		EXPECT_EQ(NR_VFS, pf_vfs(&self->pf_func));
		EXPECT_TRUE(disk_answers(&self->pf_disk));
		event_wait(self->event, 0);
		EXPECT_TRUE(disk_answers(&self->vf_disk));
		EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
	}
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E, NVME };

	/* The PCI core's, about what these tests do on purpose. */
	log_announce("reset methods disabled");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

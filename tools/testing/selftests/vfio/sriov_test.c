// SPDX-License-Identifier: GPL-2.0-only
/*
 * SR-IOV: a PF bound to vfio-pci, its VFs, and the token without which nobody opens a VF. The
 * device is the PF of the test bed, an NVMe controller with two VFs.
 *
 * A function reset of a PF takes its VFs away for a moment; the kernel puts them back. QEMU 7.2
 * does not let it: the enable bit stays, the VFs are gone. So the PF is not reset here: the kernel
 * is told that it knows no way.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/check.h"

#define PARAMETER	"/sys/module/vfio_pci/parameters/enable_sriov"
#define TYPE		VFIO_TYPE1v2_IOMMU

#define TOKEN_A		" vf_token=8ba1e8f1-a6dc-4a2e-9a3c-5f1c1f2d3e4a"
#define TOKEN_B		" vf_token=11111111-2222-4333-8444-555555555555"
#define TOKEN_ZERO	" vf_token=00000000-0000-0000-0000-000000000000"

static const __u8 token_b[16] = {
	0x11, 0x11, 0x11, 0x11, 0x22, 0x22, 0x43, 0x33, 0x84, 0x44, 0x55, 0x55, 0x55, 0x55, 0x55,
	0x55,
};

FIXTURE(sriov)
{
	struct pci_func pf;
	struct pci_func vf[NR_VFS];
	struct client pf_client;
	struct client client[NR_VFS];
};

static bool is_bound(const struct pci_func *func, const char *driver)
{
	char name[64];

	return !pci_driver(func, name, sizeof(name)) && !strcmp(name, driver);
}

static void client_init(struct client *c)
{
	c->container = -1;
	c->group = -1;
	c->device = -1;
}

FIXTURE_SETUP(sriov)
{
	client_init(&self->pf_client);
	for (int i = 0; i < NR_VFS; i++)
		client_init(&self->client[i]);
	if (!pf_find(&self->pf))
		SKIP(return, "no SR-IOV device");
	ASSERT_OK(file_write(PARAMETER, "Y"));
	ASSERT_OK(pci_set(&self->pf, "reset_method", "\n"));
	ASSERT_OK(pci_bind(&self->pf, "vfio-pci"));
	ASSERT_OK(pf_set_vfs(&self->pf, NR_VFS));
	for (int i = 0; i < NR_VFS; i++)
		ASSERT_OK(pf_vf(&self->pf, i, &self->vf[i]));
}

FIXTURE_TEARDOWN(sriov)
{
	for (int i = 0; i < NR_VFS; i++)
		client_close(&self->client[i]);
	client_close(&self->pf_client);
	pf_set_vfs(&self->pf, 0);
	pci_set(&self->pf, "reset_method", "default");
	file_write(PARAMETER, "N");
}

static int open_pf(struct _test_data_sriov *self, const char *options)
{
	client_close(&self->pf_client);
	return client_open_func(&self->pf_client, &self->pf, options, TYPE);
}

static int open_vf(struct _test_data_sriov *self, int nth, const char *options)
{
	client_close(&self->client[nth]);
	return client_open_func(&self->client[nth], &self->vf[nth], options, TYPE);
}

/* One more fd of a device that is open. */
static int open_again(const struct client *c, const char *options)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", c->func.bdf, options);
	return group_get_device(c->group, name);
}

static int set_token(int device, const void *token, size_t size)
{
	union {
		struct vfio_device_feature head;
		char bytes[64];
	} argument = {
		.head.argsz = sizeof(argument.head) + size,
		.head.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
	};

	memcpy(argument.head.data, token, size);
	return ioctl(device, VFIO_DEVICE_FEATURE, &argument);
}

static int feature_probe(int device, __u32 ops)
{
	struct vfio_device_feature head = {
		.argsz = sizeof(head),
		.flags = ops | VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_PCI_VF_TOKEN,
	};

	return ioctl(device, VFIO_DEVICE_FEATURE, &head);
}

/* ---- VFs come and go ---- */

/* ENOENT unless the parameter allows it; EBUSY for another number; ERANGE for too many. */
TEST_F(sriov, numvfs)
{
	EXPECT_ERRNO(EBUSY, pf_set_vfs(&self->pf, 1));
	EXPECT_ERRNO(ERANGE, pf_set_vfs(&self->pf, 1000));
	EXPECT_OK(pf_set_vfs(&self->pf, NR_VFS));
	ASSERT_OK(pf_set_vfs(&self->pf, 0));
	EXPECT_EQ(0, pf_vfs(&self->pf));
	EXPECT_OK(pf_set_vfs(&self->pf, 1));
	/* What was allowed can be undone. */
	ASSERT_OK(file_write(PARAMETER, "N"));
	EXPECT_OK(pf_set_vfs(&self->pf, 0));
	EXPECT_ERRNO(ENOENT, pf_set_vfs(&self->pf, 1));
	EXPECT_EQ(0, pf_vfs(&self->pf));
}

/* A VF is kept for vfio-pci, and has a group of its own. */
TEST_F(sriov, captured)
{
	char override[64];

	for (int i = 0; i < NR_VFS; i++) {
		ASSERT_OK(pci_get(&self->vf[i], "driver_override", override, sizeof(override)));
		EXPECT_STREQ("vfio-pci", override);
		EXPECT_TRUE(is_bound(&self->vf[i], "vfio-pci"));
		EXPECT_NE(self->pf.group, self->vf[i].group);
	}
	EXPECT_NE(self->vf[0].group, self->vf[1].group);
}

/* The administrator may give a VF to another driver; the log warns. */
TEST_F(sriov, other_driver)
{
	struct pci_func *vf = &self->vf[0];
	int log = log_open();

	if (system("modprobe -q pci-stub"))
		SKIP(return, "no pci-stub driver");
	ASSERT_OK(log_announce("VF bound to driver pci-stub"));
	ASSERT_OK(pci_bind(vf, "pci-stub"));
	EXPECT_TRUE(log_has(log, "VF bound to driver pci-stub"));
	close(log);
	ASSERT_OK(pci_bind(vf, "vfio-pci"));
}

/* What a VF's hardware leaves to its PF is there all the same. */
TEST_F(sriov, vf_config)
{
	struct client *c = &self->client[0];
	__u32 value, low, high;

	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 0, TOKEN_A));
	EXPECT_EQ(config_read(&self->pf_client, PCI_VENDOR_ID, 2),
		  config_read(c, PCI_VENDOR_ID, 2));
	EXPECT_NE(0xffff, config_read(c, PCI_DEVICE_ID, 2));
	EXPECT_EQ(0, config_read(c, PCI_INTERRUPT_PIN, 1));

	/* A VF has no decode bit of its own, and the user a switch all the same. */
	ASSERT_OK(config_command(c, PCI_COMMAND_MEMORY, 0));
	EXPECT_TRUE(config_read(c, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_EQ(4, region_read(c, 0, 0, &value, 4));
	ASSERT_OK(config_command(c, 0, PCI_COMMAND_MEMORY));
	EXPECT_FALSE(config_read(c, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY);
	EXPECT_ERRNO(EIO, region_read(c, 0, 0, &value, 4));

	/* Its BARs begin at 0 and size as their regions. */
	EXPECT_EQ(0, config_read(c, PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_MEM_MASK);
	config_write(c, PCI_BASE_ADDRESS_0, 4, ~0U);
	config_write(c, PCI_BASE_ADDRESS_1, 4, ~0U);
	low = config_read(c, PCI_BASE_ADDRESS_0, 4) & PCI_BASE_ADDRESS_MEM_MASK;
	high = config_read(c, PCI_BASE_ADDRESS_1, 4);
	EXPECT_EQ(c->region[0].size, ~((__u64)high << 32 | low) + 1);
}

/* While it has VFs the PF does not sleep: not unused, and not at its user's wish. */
TEST_F(sriov, pf_stays_awake)
{
	char status[32];
	__u32 cap;

	ASSERT_OK(pci_get(&self->pf, "power/runtime_status", status, sizeof(status)));
	EXPECT_STREQ("active", status);
	ASSERT_OK(open_pf(self, TOKEN_A));
	cap = config_find_cap(&self->pf_client, PCI_CAP_ID_PM);
	ASSERT_NE(0, cap);
	EXPECT_OK(config_write(&self->pf_client, cap + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(0, config_read(&self->pf_client, cap + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	ASSERT_OK(pf_set_vfs(&self->pf, 0));
	EXPECT_OK(config_write(&self->pf_client, cap + PCI_PM_CTRL, 2, 3));
	EXPECT_EQ(3, config_read(&self->pf_client, cap + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
	/* VFs want it awake: its user finds it in D0. */
	ASSERT_OK(pf_set_vfs(&self->pf, NR_VFS));
	EXPECT_EQ(0, config_read(&self->pf_client, cap + PCI_PM_CTRL, 2) & PCI_PM_CTRL_STATE_MASK);
}

/* The PF's SR-IOV capability can be read, not written, and has no address of the host. */
TEST_F(sriov, capability)
{
	struct client *c = &self->pf_client;
	__u32 at = PCI_CFG_SPACE_SIZE, head;

	ASSERT_OK(open_pf(self, TOKEN_A));
	for (; at; at = PCI_EXT_CAP_NEXT(head)) {
		head = config_read(c, at, 4);
		if (PCI_EXT_CAP_ID(head) == PCI_EXT_CAP_ID_SRIOV)
			break;
	}
	ASSERT_NE(0, at);
	EXPECT_EQ(NR_VFS, config_read(c, at + PCI_SRIOV_TOTAL_VF, 2));
	EXPECT_EQ(NR_VFS, config_read(c, at + PCI_SRIOV_NUM_VF, 2));
	for (__u32 bar = 0; bar < 6; bar++) {
		EXPECT_OK(config_write(c, at + PCI_SRIOV_BAR + 4 * bar, 4, ~0U));
		EXPECT_EQ(0, config_read(c, at + PCI_SRIOV_BAR + 4 * bar, 4));
	}
	EXPECT_OK(config_write(c, at + PCI_SRIOV_CTRL, 2, 0));
	EXPECT_TRUE(config_read(c, at + PCI_SRIOV_CTRL, 2) & PCI_SRIOV_CTRL_VFE);
}

/* ---- tokens ---- */

/* Binds the PF anew, and makes its VFs. */
static void rebind(struct __test_metadata *_metadata, struct _test_data_sriov *self)
{
	ASSERT_OK(pci_unbind(&self->pf));
	EXPECT_ERRNO(ENOENT, pf_vf(&self->pf, 0, &self->vf[0]));
	ASSERT_OK(pci_bind(&self->pf, "vfio-pci"));
	ASSERT_OK(pf_set_vfs(&self->pf, NR_VFS));
	for (int i = 0; i < NR_VFS; i++)
		ASSERT_OK(pf_vf(&self->pf, i, &self->vf[i]));
}

/* A VF needs its PF's token: EACCES for none and for another. */
TEST_F(sriov, vf_needs_token)
{
	ASSERT_OK(open_pf(self, TOKEN_A));
	client_close(&self->pf_client);
	rebind(_metadata, self);
	EXPECT_ERRNO(EACCES, open_vf(self, 0, ""));
	EXPECT_ERRNO(EACCES, open_vf(self, 0, TOKEN_A));
	/* Not even nothing is the first token. */
	EXPECT_ERRNO(EACCES, open_vf(self, 0, TOKEN_ZERO));
	ASSERT_OK(open_pf(self, TOKEN_A));
	EXPECT_ERRNO(EACCES, open_vf(self, 0, ""));
	EXPECT_ERRNO(EACCES, open_vf(self, 0, TOKEN_B));
	EXPECT_OK(open_vf(self, 0, TOKEN_A));
	EXPECT_OK(open_vf(self, 1, "  \t" TOKEN_A " "));
}

/* What is no token: EINVAL. */
TEST_F(sriov, bad_options)
{
	static const char * const bad[] = {
		" vf_token=", " vf_token=8ba1e8f1", TOKEN_A "0", TOKEN_A TOKEN_A, TOKEN_A " x=y",
		" token=8ba1e8f1-a6dc-4a2e-9a3c-5f1c1f2d3e4a", " vf_token",
		" vf_token=8ba1e8f1-a6dc-4a2e-9a3c-5f1c1f2d3eXX",
		" vf_token=8ba1e8f1 a6dc-4a2e-9a3c-5f1c1f2d3e4a",
	};

	ASSERT_OK(open_pf(self, TOKEN_A));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_ERRNO(EINVAL, open_vf(self, 0, bad[i]));
		EXPECT_ERRNO(EINVAL, open_again(&self->pf_client, bad[i]));
	}
	/* Another name is another device. */
	EXPECT_ERRNO(ENODEV, open_vf(self, 0, "0"));
	EXPECT_ERRNO(ENODEV, open_vf(self, 0, "x" TOKEN_A));
}

/* While a VF is open the PF's users must know the token, too, and cannot change it by opening. */
TEST_F(sriov, pf_needs_token)
{
	int again;

	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 0, TOKEN_A));
	client_close(&self->pf_client);
	EXPECT_ERRNO(EACCES, open_pf(self, ""));
	EXPECT_ERRNO(EACCES, open_pf(self, TOKEN_B));
	ASSERT_OK(open_pf(self, TOKEN_A));
	EXPECT_ERRNO(EACCES, open_again(&self->pf_client, ""));
	again = open_again(&self->pf_client, TOKEN_A);
	EXPECT_LE(0, again);
	close(again);
	client_close(&self->pf_client);

	/* No VF is open: all are welcome. */
	client_close(&self->client[0]);
	ASSERT_OK(open_pf(self, ""));
	EXPECT_OK(open_vf(self, 0, TOKEN_A));
	client_close(&self->client[0]);
	client_close(&self->pf_client);
	ASSERT_OK(open_pf(self, TOKEN_B));
	EXPECT_ERRNO(EACCES, open_vf(self, 0, TOKEN_A));
	EXPECT_OK(open_vf(self, 0, TOKEN_B));
}

/* The PF's user sets the token by a feature, which cannot be read; it holds for later opens. */
TEST_F(sriov, feature)
{
	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 0, TOKEN_A));
	EXPECT_OK(feature_probe(self->pf_client.device, VFIO_DEVICE_FEATURE_SET));
	EXPECT_ERRNO(EINVAL, feature_probe(self->pf_client.device, VFIO_DEVICE_FEATURE_GET));
	EXPECT_ERRNO(ENOTTY, feature_probe(self->client[0].device, VFIO_DEVICE_FEATURE_SET));
	EXPECT_ERRNO(EINVAL, set_token(self->pf_client.device, token_b, 15));
	EXPECT_OK(set_token(self->pf_client.device, token_b, 16));
	EXPECT_ERRNO(EACCES, open_vf(self, 1, TOKEN_A));
	EXPECT_OK(open_vf(self, 1, TOKEN_B));
	/* Whoever was let in stays. */
	EXPECT_NE(~0U, config_read(&self->client[0], PCI_VENDOR_ID, 4));
}

/* A device that has to do with no PF of ours takes no token. */
TEST_F(sriov, token_for_others)
{
	struct pci_func edu;
	struct client c;

	if (pci_find(EDU, 0, &edu))
		SKIP(return, "no edu device");
	EXPECT_ERRNO(EINVAL, client_open_func(&c, &edu, TOKEN_A, TYPE));
	EXPECT_OK(client_open_func(&c, &edu, " ", TYPE));
	client_close(&c);
}

/* ---- several users ---- */

#define ROUNDS 5

static int open_and_close(struct _test_data_sriov *self, int nth)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (open_vf(self, nth, TOKEN_A))
			return errno;
		client_close(&self->client[nth]);
	}
	return 0;
}

/* VFs are opened by several processes at once, each at its own pace. */
TEST_F(sriov, parallel)
{
	pid_t child[NR_VFS];
	int status;

	ASSERT_OK(open_pf(self, TOKEN_A));
	for (int i = 0; i < NR_VFS; i++) {
		child[i] = fork();
		if (!child[i])
			_exit(open_and_close(self, i));
	}
	for (int i = 0; i < NR_VFS; i++) {
		ASSERT_EQ(child[i], waitpid(child[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status))
			TH_LOG("VF %d: %s", i, errno_name(WEXITSTATUS(status)));
	}
}

/* ---- at the same time ---- */

#define FLR_BEGINS	"p:vfio_calls/flr_begins pcie_reset_flr\n"
#define FLR_ENDS	"r:vfio_calls/flr_ends pcie_reset_flr\n"

static int resets_trace(void)
{
	return file_write(TRACING "/kprobe_events", FLR_BEGINS) ||
	       file_write(TRACING "/kprobe_events", FLR_ENDS) || trace_open() ||
	       file_write(TRACE_INSTANCE "/events/vfio_calls/enable", "1") ? -1 : 0;
}

static void resets_forget(void)
{
	trace_close();
	file_write(TRACING "/kprobe_events", "-:vfio_calls/flr_begins\n");
	file_write(TRACING "/kprobe_events", "-:vfio_calls/flr_ends\n");
}

/* The most resets of functions that were under way at a time. */
static int resets_at_once(void)
{
	FILE *trace = fopen(TRACE_INSTANCE "/trace", "re");
	int now = 0, most = 0;
	char line[512];

	if (!trace)
		return -1;
	while (fgets(line, sizeof(line), trace)) {
		now += !!strstr(line, ": flr_begins:") - !!strstr(line, ": flr_ends:");
		most = now > most ? now : most;
	}
	fclose(trace);
	return most;
}

static int open_and_reset(struct _test_data_sriov *self, int nth)
{
	if (open_vf(self, nth, TOKEN_A))
		return errno;
	for (int i = 0; i < 10; i++)
		if (ioctl(self->client[nth].device, VFIO_DEVICE_RESET))
			return errno;
	return 0;
}

/* A function's reset takes a tenth of a second; those of others do not wait for it. */
TEST_F(sriov, resets_do_not_wait)
{
	pid_t child[NR_VFS];

	resets_forget();
	if (resets_trace())
		SKIP(return, "no kprobe events here: %s", strerror(errno));
	ASSERT_OK(open_pf(self, TOKEN_A));
	for (int i = 0; i < NR_VFS; i++) {
		child[i] = fork();
		if (!child[i])
			_exit(open_and_reset(self, i));
	}
	for (int i = 0; i < NR_VFS; i++)
		EXPECT_EQ(0, child_end(child[i], 3 * PATIENCE_MS));
	EXPECT_EQ(NR_VFS, resets_at_once());
	resets_forget();
}

/* A VF is the consumer of its PF, as long as it is ours: the machine puts it to sleep first. */
TEST_F(sriov, sleeps_before_its_pf)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/supplier:pci:%s", self->vf[0].bdf,
		 self->pf.bdf);
	EXPECT_EQ(0, access(path, F_OK));
	ASSERT_OK(pci_unbind(&self->vf[0]));
	EXPECT_EQ(-1, access(path, F_OK));
	ASSERT_OK(pci_bind(&self->vf[0], "vfio-pci"));
	EXPECT_EQ(0, access(path, F_OK));
}

/*
 * While a PF is reset its VFs do not answer: no page of theirs stays in a page table. They go
 * before the kernel looks for a way to reset.
 */
TEST_F(sriov, pf_reset_takes_pages_of_vfs)
{
	struct client *pf = &self->pf_client;
	void *bar[NR_VFS];
	__u32 cap;

	ASSERT_OK(open_pf(self, TOKEN_A));
	for (int i = 0; i < NR_VFS; i++) {
		ASSERT_OK(open_vf(self, i, TOKEN_A));
		ASSERT_OK(config_command(&self->client[i], PCI_COMMAND_MEMORY, 0));
		bar[i] = region_map(&self->client[i], 0, 0, PAGE);
		ASSERT_NE(MAP_FAILED, bar[i]);
		EXPECT_LT(0, faults_of_looks(bar[i], PAGE));
		EXPECT_EQ(0, faults_of_looks(bar[i], PAGE));
	}
	cap = config_find_cap(pf, PCI_CAP_ID_EXP);
	ASSERT_NE(0, cap);
	if (!(config_read(pf, cap + PCI_EXP_DEVCAP, 4) & PCI_EXP_DEVCAP_FLR))
		SKIP(return, "the PF cannot be reset by a write");
	EXPECT_OK(config_write(pf, cap + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR));
	for (int i = 0; i < NR_VFS; i++) {
		EXPECT_LT(0, faults_of_looks(bar[i], PAGE));
		EXPECT_EQ(0, faults_of_looks(bar[i], PAGE));
		munmap(bar[i], PAGE);
	}
}

static void *take_vfs_away(void *data)
{
	struct _test_data_sriov *self = data;

	return (void *)(intptr_t)ERRNO_OF(pf_set_vfs(&self->pf, 0));
}

static void *unbind_pf(void *data)
{
	struct _test_data_sriov *self = data;

	return (void *)(intptr_t)ERRNO_OF(pci_unbind(&self->pf));
}

/* To take a VF away asks its user, and waits for him. */
static void goes_with_user(struct __test_metadata *_metadata, struct _test_data_sriov *self,
			   void *(*action)(void *self))
{
	int request = event_new();
	pthread_t thread;
	void *error;

	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 1, TOKEN_A));
	client_close(&self->pf_client);
	ASSERT_OK(irq_events(self->client[1].device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &request));
	ASSERT_EQ(0, pthread_create(&thread, NULL, action, self));
	EXPECT_LT(0, event_wait(request, PATIENCE_MS));
	EXPECT_NE(~0U, config_read(&self->client[1], PCI_VENDOR_ID, 4));
	client_close(&self->client[1]);
	ASSERT_EQ(0, pthread_join(thread, &error));
	EXPECT_EQ(0, (intptr_t)error);
	EXPECT_EQ(0, pf_vfs(&self->pf));
	EXPECT_ERRNO(ENOENT, pf_vf(&self->pf, 1, &self->vf[1]));
}

TEST_F(sriov, numvfs_waits_for_user)
{
	goes_with_user(_metadata, self, take_vfs_away);
}

TEST_F(sriov, unbind_waits_for_user)
{
	goes_with_user(_metadata, self, unbind_pf);
	EXPECT_FALSE(is_bound(&self->pf, "vfio-pci"));
	ASSERT_OK(pci_bind(&self->pf, "vfio-pci"));
}

/*
 * A user who lets go while the first VF, whose turn it is, is waited for: events tell of all of it.
 * Of a device that nobody has they tell nothing.
 */
static void goes_before_its_turn(struct __test_metadata *_metadata, struct _test_data_sriov *self,
				 struct client *early, void *(*action)(void *self))
{
	int request = event_new(), first = event_new(), steps, asked;
	char device[48], part[64], text[128] = "";
	pthread_t thread;
	void *error;

	ASSERT_OK(irq_events(early->device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &request));
	ASSERT_OK(irq_events(self->client[0].device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &first));
	ASSERT_OK(trace_open());
	ASSERT_OK(trace_listen(true));
	ASSERT_EQ(0, pthread_create(&thread, NULL, action, self));
	EXPECT_LT(0, event_wait(request, PATIENCE_MS));
	client_close(early);
	client_close(&self->client[0]);
	ASSERT_EQ(0, pthread_join(thread, &error));
	EXPECT_EQ(0, (intptr_t)error);

	snprintf(device, sizeof(device), "device=%s ", early->func.bdf);
	steps = trace_get("device_revoke", device, 0, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "step=wanted"));
	snprintf(part, sizeof(part), "%sstep=asked", device);
	asked = trace_get("device_revoke", part, 0, text, sizeof(text));
	EXPECT_LE(1, asked);
	EXPECT_EQ(asked + 2, steps);
	trace_get("device_revoke", device, steps - 1, text, sizeof(text));
	EXPECT_NE(NULL, strstr(text, "step=returned"));
	if (early != &self->client[1])
		EXPECT_EQ(0, trace_get("device_revoke", self->vf[1].bdf, 0, text, sizeof(text)));
	trace_close();
	fd_close(&first);
	fd_close(&request);
}

TEST_F(sriov, vf_goes_before_its_turn)
{
	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 0, TOKEN_A));
	ASSERT_OK(open_vf(self, 1, TOKEN_A));
	goes_before_its_turn(_metadata, self, &self->client[1], take_vfs_away);
}

TEST_F(sriov, pf_goes_before_its_turn)
{
	ASSERT_OK(open_pf(self, TOKEN_A));
	ASSERT_OK(open_vf(self, 0, TOKEN_A));
	goes_before_its_turn(_metadata, self, &self->pf_client, unbind_pf);
	ASSERT_OK(pci_bind(&self->pf, "vfio-pci"));
}

/* A PF whose VFs another driver made is not taken: EBUSY. */
TEST_F(sriov, pf_with_foreign_vfs)
{
	struct pci_func *pf = &self->pf;

	ASSERT_OK(pf_set_vfs(pf, 0));
	if (system("modprobe -q nvme") || pci_bind(pf, "nvme"))
		SKIP(return, "no nvme driver");
	ASSERT_OK(pci_set(pf, "sriov_drivers_autoprobe", "0"));
	EXPECT_OK(pf_set_vfs(pf, 1));
	ASSERT_OK(pf_vf(pf, 0, &self->vf[0]));
	EXPECT_FALSE(is_bound(&self->vf[0], "vfio-pci"));
	ASSERT_OK(pci_unbind(pf));
	ASSERT_OK(pci_set(pf, "driver_override", "vfio-pci"));
	EXPECT_ERRNO(EBUSY, file_write("/sys/bus/pci/drivers/vfio-pci/bind", pf->bdf));

	/* A VF of a PF that is not ours needs no token, and takes none. */
	ASSERT_OK(pci_bind(&self->vf[0], "vfio-pci"));
	EXPECT_ERRNO(EINVAL, open_vf(self, 0, TOKEN_A));
	EXPECT_OK(open_vf(self, 0, ""));
	client_close(&self->client[0]);

	ASSERT_OK(pci_bind(pf, "nvme"));
	EXPECT_OK(pf_set_vfs(pf, 0));
	ASSERT_OK(pci_set(pf, "sriov_drivers_autoprobe", "1"));
	ASSERT_OK(pci_bind(pf, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { NVME, EDU };

	/* The PCI core's, and ours, about what these tests do on purpose. */
	log_announce("reset methods disabled|VFs already enabled|SR-IOV enabled after");
	log_announce("VF bound to driver|probe .*failed with error -16|No device request channel");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

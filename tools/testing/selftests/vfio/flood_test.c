// SPDX-License-Identifier: GPL-2.0-only
/*
 * A user who is refused time and again is told why, and cannot flood the log.
 */
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <time.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define MSI_WINDOW	0xfee00000ULL
#define REFUSALS	300
#define LIMIT_SECONDS	5
#define ENTRY_LIMIT	"/sys/module/vfio_iommu_type1/parameters/dma_entry_limit"
#define RESERVE		"/sys/module/vfio_iommu_type1/parameters/reserve"

FIXTURE(flood)
{
	struct client c;
	struct client other;
	int fd;
	int log;
	char *memory;
	double since;
};

FIXTURE_SETUP(flood)
{
	self->other = (struct client)CLIENT_NONE;
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->memory = memory_new(4 * PAGE);
	ASSERT_NE(NULL, self->memory);
	self->log = log_open();
	ASSERT_LE(0, self->log);
	self->since = seconds_now();
}

FIXTURE_TEARDOWN(flood)
{
	client_close(&self->other);
	client_close(&self->c);
	fd_close(&self->log);
}

/* What the kernel lets through of one message: ten lines in five seconds from the first on. */
static int most_lines(double since)
{
	return 10 * ((int)(seconds_now() - since) / LIMIT_SECONDS + 2);
}

/* One line at least has all of these texts, and no more than the limit lets through. */
#define EXPECT_LIMITED(...) do {						\
	const char * const _texts[] = { __VA_ARGS__ };				\
	int _lines = 0;								\
									\
	while (log_find(self->log, _texts, ARRAY_SIZE(_texts), NULL, 0))	\
		_lines++;							\
	EXPECT_LT(0, _lines);							\
	EXPECT_GE(most_lines(self->since), _lines);				\
	EXPECT_GT(REFUSALS, _lines);						\
} while (0)

/* A group that another one has. */
TEST_F(flood, busy)
{
	for (int i = 0; i < REFUSALS; i++)
		ASSERT_ERRNO(EBUSY, group_open(self->c.func.group));
	EXPECT_LIMITED("group is busy");
}

/* A range that nobody can have. */
TEST_F(flood, reserved)
{
	for (int i = 0; i < REFUSALS; i++)
		ASSERT_ERRNO(EINVAL, dma_map_rw(self->fd, self->memory, MSI_WINDOW, PAGE));
	EXPECT_LIMITED("flood_test", "out of reach of the IOMMU");
}

/* As many mappings as the administrator allows. */
TEST_F(flood, entries)
{
	char before[32];

	ASSERT_OK(file_read(ENTRY_LIMIT, before, sizeof(before)));
	ASSERT_OK(file_write(ENTRY_LIMIT, "0"));
	for (int i = 0; i < REFUSALS; i++)
		ASSERT_ERRNO(ENOSPC, dma_map_rw(self->fd, self->memory, IOVA, PAGE));
	EXPECT_LIMITED("flood_test", "dma_entry_limit");
	ASSERT_OK(file_write(ENTRY_LIMIT, before));
}

/* As much memory as a user may lock. */
TEST_F(flood, memory)
{
	pid_t child = fork();

	if (!child) {
		if (become_nobody(PAGE, PAGE))
			_exit(1);
		for (int i = 0; i < REFUSALS; i++)
			if (!dma_map_rw(self->fd, self->memory, IOVA, 2 * PAGE) || errno != ENOMEM)
				_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, child_end(child, 6 * PATIENCE_MS));
	EXPECT_LIMITED("flood_test", "RLIMIT_MEMLOCK");
}

/* A group that others of the container cannot be with. Debug builds can make one. */
TEST_F(flood, cannot_join)
{
	if (file_write(RESERVE, "0x1000000,0x1000fff"))
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, PAGE));
	ASSERT_OK(client_open_group(&self->other, EDU, 1));
	for (int i = 0; i < REFUSALS; i++)
		ASSERT_ERRNO(EINVAL, group_set_container(self->other.group, self->fd));
	EXPECT_LIMITED("flood_test", "cannot join");
	ASSERT_OK(file_write(RESERVE, "0,0"));
}

/* A group with a device that the host uses. */
TEST_F(flood, not_viable)
{
	struct pci_func blocker;
	__u32 flags;

	if (system("modprobe -q e1000"))
		SKIP(return, "the kernel has no driver e1000");
	ASSERT_OK(client_open_group(&self->other, E1000, 0));
	ASSERT_OK(pci_find(E1000, 1, &blocker));
	ASSERT_OK(pci_bind(&blocker, "e1000"));
	for (int i = 0; i < REFUSALS; i++)
		ASSERT_OK(group_status(self->other.group, &flags));
	EXPECT_EQ(0, flags);
	EXPECT_LIMITED("group is not viable");
	ASSERT_OK(pci_bind(&blocker, "vfio-pci"));
}

/* A device that needs a token. */
TEST_F(flood, token)
{
	static const char * const missing[] = {
		"", " vf_token=11111111-2222-4333-8444-555555555555",
	};
	static const char * const said[] = { "VF token required", "VF token given" };
	struct pci_func pf, vf;
	char name[128];

	if (!pf_find(&pf))
		SKIP(return, "no function with SR-IOV");
	ASSERT_OK(param_bool("enable_sriov", true));
	ASSERT_OK(pci_bind(&pf, "vfio-pci"));
	ASSERT_OK(pf_set_vfs(&pf, 1));
	ASSERT_OK(pf_vf(&pf, 0, &vf));
	self->other.group = group_open(vf.group);
	ASSERT_LE(0, self->other.group);
	ASSERT_OK(group_set_container(self->other.group, self->fd));
	for (size_t which = 0; which < ARRAY_SIZE(missing); which++) {
		snprintf(name, sizeof(name), "%s%s", vf.bdf, missing[which]);
		for (int i = 0; i < REFUSALS; i++)
			ASSERT_ERRNO(EACCES, group_get_device(self->other.group, name));
		EXPECT_LIMITED(said[which]);
	}
	client_close(&self->other);
	ASSERT_OK(pf_set_vfs(&pf, 0));
	ASSERT_OK(param_bool("enable_sriov", false));
}

/* Other programs look for the same lines: until the limits are over there would be none. */
static void wait_for_limits(void)
{
	if (getpid() == test_program)
		sleep(LIMIT_SECONDS + 1);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000, NVME };

	atexit(wait_for_limits);
	log_announce("dma_entry_limit allows no more|RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

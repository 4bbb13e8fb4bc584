// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, as modprobe and the kernel do it. The modules are loaded when it ends, as
 * they were when it began.
 *
 * VFIO_TEST_LONG in the environment, or a kernel with kmemleak, asks for 200 rounds in place of 5.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/check.h"

#define NODE	"/dev/vfio/vfio"

static int rounds(void)
{
	if (getenv("VFIO_TEST_LONG") || !access("/sys/kernel/debug/kmemleak", F_OK))
		return 200;
	return 5;
}

static bool is_loaded(const char *module)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", module);
	return !access(path, F_OK);
}

/* How many of our three are there. */
static int nr_loaded(void)
{
	return is_loaded("vfio") + is_loaded("vfio_iommu_type1") + is_loaded("vfio_pci");
}

static int load(void)
{
	return system("modprobe vfio-pci");
}

static int unload(void)
{
	return system("modprobe -r vfio-pci vfio_iommu_type1 vfio");
}

FIXTURE(modules)
{
};

FIXTURE_SETUP(modules)
{
	ASSERT_EQ(0, unload());
}

FIXTURE_TEARDOWN(modules)
{
	EXPECT_EQ(0, load());
}

/* modprobe vfio-pci brings all three, modprobe -r takes all three out, again and again. */
TEST_F_TIMEOUT(modules, rounds, 900)
{
	for (int round = 0; round < rounds(); round++) {
		ASSERT_EQ(0, nr_loaded());
		ASSERT_EQ(0, load());
		ASSERT_EQ(3, nr_loaded());
		ASSERT_EQ(0, access(NODE, F_OK));
		ASSERT_EQ(0, unload());
	}
	EXPECT_EQ(0, nr_loaded());
}

/* Opening the node loads vfio and, by its soft dependency, the backend; nothing else. */
TEST_F(modules, autoload)
{
	int fd;

	ASSERT_EQ(0, nr_loaded());
	/* Made at boot by those who read modules.devname. */
	mkdir("/dev/vfio", 0755);
	if (access(NODE, F_OK))
		ASSERT_EQ(0, mknod(NODE, S_IFCHR | 0666, makedev(10, 196)));
	fd = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd)
		TH_LOG("%s", strerror(errno));
	EXPECT_TRUE(is_loaded("vfio"));
	EXPECT_TRUE(is_loaded("vfio_iommu_type1"));
	EXPECT_FALSE(is_loaded("vfio_pci"));
	close(fd);
}

/* An open container keeps the module: it cannot be taken out, and goes on working. */
TEST_F(modules, in_use)
{
	int fd;

	ASSERT_EQ(0, load());
	fd = container_open();
	ASSERT_LE(0, fd);
	EXPECT_NE(0, system("rmmod vfio 2>/dev/null"));
	EXPECT_TRUE(is_loaded("vfio"));
	close(fd);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, nr_loaded());
}

/* A bound device does not keep the module: it loses its driver, the group its node. */
TEST_F(modules, bound_device)
{
	struct pci_func func;
	char driver[64], path[32];

	if (pci_find(EDU, 0, &func))
		SKIP(return, "no device %s", test_device_name(EDU));
	ASSERT_EQ(0, load());
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	snprintf(path, sizeof(path), "/dev/vfio/%d", func.group);
	EXPECT_EQ(0, access(path, F_OK));
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, nr_loaded());
	EXPECT_OK(pci_driver(&func, driver, sizeof(driver)));
	EXPECT_STREQ("", driver);
	EXPECT_ERRNO(ENOENT, access(path, F_OK));
}

/* An open device keeps vfio-pci. */
TEST_F(modules, open_device)
{
	struct pci_func func;
	struct client c;

	if (pci_find(EDU, 0, &func))
		SKIP(return, "no device %s", test_device_name(EDU));
	ASSERT_EQ(0, load());
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	ASSERT_OK(client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_NE(0, system("rmmod vfio_pci 2>/dev/null"));
	EXPECT_NE(0, system("rmmod vfio_iommu_type1 2>/dev/null"));
	EXPECT_EQ(3, nr_loaded());
	EXPECT_EQ(0x1234, config_read(&c, 0, 2));
	client_close(&c);
	EXPECT_EQ(0, unload());
}

/* What the kernel and udev look for in the modules: who serves the node, and with whom. */
TEST_F(modules, aliases)
{
	EXPECT_EQ(0, system("modinfo -F alias vfio | grep -qx char-major-10-196"));
	EXPECT_EQ(0, system("modinfo -F alias vfio | grep -qx devname:vfio/vfio"));
	EXPECT_EQ(0, system("modinfo -F softdep vfio | grep -qw vfio_iommu_type1"));
}

TEST_HARNESS_MAIN

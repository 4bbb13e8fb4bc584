// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, as modprobe and the kernel do it. The modules are loaded when it ends, as
 * they were when it began.
 *
 * There are 5 rounds, 20 on a kernel with kmemleak, or 200 with VFIO_TEST_LONG in the environment.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "lib/check.h"

#define NODE	"/dev/vfio/vfio"

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define FEW	5

static int rounds(void)
{
	if (getenv("VFIO_TEST_LONG"))
		return 200;
	return access(KMEMLEAK, F_OK) ? FEW : 20;
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
	for (int round = 0; round < FEW; round++) {
		ASSERT_EQ(0, nr_loaded());
		ASSERT_EQ(0, load());
		ASSERT_EQ(3, nr_loaded());
		ASSERT_EQ(0, access(NODE, F_OK));
		ASSERT_EQ(0, unload());
	}
	EXPECT_EQ(0, nr_loaded());
}

/* What modprobe says it would load, in memory; the caller closes it. */
static int module_image(const char *name)
{
	char command[128], path[256] = "", buffer[65536];
	FILE *pipe;
	ssize_t n;
	int from, to;

	snprintf(command, sizeof(command), "modinfo -n %s", name);
	pipe = popen(command, "r");
	if (!pipe)
		return -1;
	if (fgets(path, sizeof(path), pipe))
		path[strcspn(path, "\n")] = '\0';
	pclose(pipe);

	from = open(path, O_RDONLY | O_CLOEXEC);
	to = memfd_create(name, 0);
	while (from >= 0 && to >= 0 && (n = read(from, buffer, sizeof(buffer))) > 0)
		if (write(to, buffer, n) != n)
			break;
	close(from);
	return to;
}

static int load_image(int image, const char *parameters)
{
	struct stat st;
	void *bytes;
	int ret;

	if (fstat(image, &st))
		return -1;
	bytes = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, image, 0);
	if (bytes == MAP_FAILED)
		return -1;
	ret = syscall(SYS_init_module, bytes, st.st_size, parameters);
	munmap(bytes, st.st_size);
	return ret;
}

/* The same without modprobe, so that many rounds are soon done: nothing may be left behind. */
TEST_F_TIMEOUT(modules, many_rounds, 1700)
{
	static const char * const names[] = { "vfio", "vfio_iommu_type1", "vfio_pci" };
	int images[3];

	/* What ours depend on stays loaded meanwhile. */
	ASSERT_EQ(0, load());
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, system("modprobe -q irqbypass || true"));
	for (int i = 0; i < 3; i++) {
		images[i] = module_image(names[i]);
		ASSERT_LE(0, images[i]);
	}
	for (int round = 0; round < rounds(); round++) {
		for (int i = 0; i < 3; i++) {
			ASSERT_EQ(0, load_image(images[i], ""))
				TH_LOG("%s: %s", names[i], strerror(errno));
		}
		ASSERT_EQ(3, nr_loaded());
		for (int i = 3; i--; ) {
			ASSERT_EQ(0, syscall(SYS_delete_module, names[i], O_NONBLOCK))
				TH_LOG("%s: %s", names[i], strerror(errno));
		}
	}
	EXPECT_EQ(0, nr_loaded());
	for (int i = 0; i < 3; i++)
		close(images[i]);
}

/* Opening the node loads vfio and, by its soft dependency, the backend; nothing else. */
TEST_F(modules, autoload)
{
	bool made = false;
	int fd;

	ASSERT_EQ(0, nr_loaded());
	/* Whoever read modules.devname made it at boot; else it is made for a while. */
	mkdir("/dev/vfio", 0755);
	if (access(NODE, F_OK)) {
		ASSERT_EQ(0, mknod(NODE, S_IFCHR | 0600, makedev(10, 196)));
		made = true;
	}
	fd = open(NODE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd)
		TH_LOG("%s", strerror(errno));
	EXPECT_TRUE(is_loaded("vfio"));
	EXPECT_TRUE(is_loaded("vfio_iommu_type1"));
	EXPECT_FALSE(is_loaded("vfio_pci"));
	close(fd);
	EXPECT_EQ(0, unload());
	if (made)
		EXPECT_EQ(0, unlink(NODE));
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
	/* By which libvirt and others find the driver for a device. */
	EXPECT_EQ(0, system("modinfo -F alias vfio-pci | grep -q '^vfio_pci:v'"));
	EXPECT_EQ(0, system("modinfo -F softdep vfio | grep -qw vfio_iommu_type1"));
}

/* Parameters, the kernel's and ours: who may see and change them, and what they are. */
TEST_F(modules, parameters)
{
	static const struct {
		const char *name;
		mode_t mode;
		const char *value;
	} rows[] = {
		{ "vfio/parameters/enable_unsafe_noiommu_mode", 0644, "N" },
		{ "vfio/parameters/revoke_after_ms", 0644, "30000" },
		{ "vfio_iommu_type1/parameters/allow_unsafe_interrupts", 0644, "N" },
		{ "vfio_iommu_type1/parameters/disable_hugepages", 0644, "N" },
		{ "vfio_iommu_type1/parameters/dma_entry_limit", 0644, "65535" },
		{ "vfio_iommu_type1/parameters/pin_threads", 0644, "0" },
		{ "vfio_pci/parameters/nointxmask", 0644, "N" },
		{ "vfio_pci/parameters/disable_vga", 0444, "N" },
		{ "vfio_pci/parameters/disable_idle_d3", 0644, "N" },
		{ "vfio_pci/parameters/enable_sriov", 0644, "N" },
		{ "vfio_pci/parameters/disable_denylist", 0444, "N" },
		{ "vfio_pci/parameters/hide_config_gaps", 0644, "N" },
		{ "vfio_pci/parameters/keep_awake", 0644, "N" },
	};
	char path[128], value[32];
	struct stat st;

	ASSERT_EQ(0, load());
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", rows[i].name);
		ASSERT_EQ(0, stat(path, &st))
			TH_LOG("%s: %s", path, strerror(errno));
		EXPECT_EQ(rows[i].mode, st.st_mode & 07777)
			TH_LOG("%s", path);
		ASSERT_OK(file_read(path, value, sizeof(value)));
		EXPECT_STREQ(rows[i].value, value);
	}
	/* Ids are taken when the module is loaded, and tell nothing later. */
	EXPECT_NE(0, access("/sys/module/vfio_pci/parameters/ids", F_OK));
	EXPECT_EQ(0, unload());
}

/* ---- ids ---- */

#define NO_ID	"is no id"

/* A function that no driver has and that is kept for none, so that it goes by its ids. */
static int func_free(const struct pci_func *func)
{
	return pci_unbind(func) || pci_set(func, "driver_override", "\n") ? -1 : 0;
}

/* Lines about vfio-pci's ids that have come and are of this level of the kernel's. */
static int count_lines(int log, const char *text, int level)
{
	const char * const texts[] = { "vfio_pci: ", text };
	char line[256];
	int count = 0;

	while (log_find(log, texts, ARRAY_SIZE(texts), line, sizeof(line)))
		count += (strtol(line, NULL, 10) & 7) == level;
	return count;
}

/*
 * What a list of ids takes: the device of the test bed is 1b36:0005 of subsystem 1af4:1100 and
 * class 00ff00. Fields are hexadecimal, those left out match anything, and so does a class without
 * a mask. Each id is told to the log. What is no id is warned about, and the rest holds; an empty
 * item is nothing.
 */
static const struct {
	const char *ids;
	bool taken;
	int told;
	int warned;
} lists[] = {
	{ "", false, 0, 0 },
	{ "1b36:0005", true, 1, 0 },
	{ "1B36:5", true, 1, 0 },
	{ "1b36:0006", false, 1, 0 },
	{ "1b37:0005", false, 1, 0 },
	{ "1b36:0005:1af4", true, 1, 0 },
	{ "1b36:0005:1af5", false, 1, 0 },
	{ "1b36:0005:1af4:1100", true, 1, 0 },
	{ "1b36:0005:1af4:1101", false, 1, 0 },
	{ "1b36:0005:ffffffff:1100", true, 1, 0 },
	{ "1b36:0005:1af4:1100:020000", true, 1, 0 },
	{ "1b36:0005:1af4:1100:00ff00:ffffff", true, 1, 0 },
	{ "1b36:0005:1af4:1100:00ff01:ffffff", false, 1, 0 },
	{ "1b36:0005:1af4:1100:00ff01:ffff00", true, 1, 0 },
	{ "1b36:0005:ffffffff:ffffffff:020000:ff0000", false, 1, 0 },
	{ "1b36:0006,1b36:0005", true, 2, 0 },
	{ "1b36:0005,1b36:0006,1b36:0007", true, 3, 0 },
	{ "1b36:0005,1b36:0005", true, 2, 0 },
	{ ",", false, 0, 0 },
	{ ",,1b36:0005,,", true, 1, 0 },
	{ "nonsense", false, 0, 1 },
	{ "1b36,:0005,1b36:,1b36:x,1b36-0005", false, 0, 5 },
	{ "nonsense,1b36:0005", true, 1, 1 },
	{ "1b36:0005,nonsense", true, 1, 1 },
};

TEST_F(modules, ids)
{
	/* With kmemleak it takes seconds to load a module, and the lists are read as elsewhere. */
	const size_t step = access(KMEMLEAK, F_OK) ? 1 : 5;
	char parameters[128], driver[64];
	struct pci_func func;
	int image, told, warned;

	if (pci_find(TESTDEV, 0, &func))
		SKIP(return, "no device %s", test_device_name(TESTDEV));
	ASSERT_OK(log_announce("vfio_pci: .* " NO_ID));
	ASSERT_OK(func_free(&func));
	ASSERT_EQ(0, load());
	image = module_image("vfio_pci");
	ASSERT_LE(0, image);
	for (size_t i = 0; i < ARRAY_SIZE(lists); i += step) {
		ASSERT_OK(syscall(SYS_delete_module, "vfio_pci", O_NONBLOCK));
		told = log_open();
		warned = log_open();
		snprintf(parameters, sizeof(parameters), "ids=%s", lists[i].ids);
		ASSERT_OK(load_image(image, parameters));
		ASSERT_OK(pci_driver(&func, driver, sizeof(driver)));
		EXPECT_STREQ(lists[i].taken ? "vfio-pci" : "", driver)
			TH_LOG("%s", parameters);
		EXPECT_EQ(lists[i].told, count_lines(told, "add [", 6))
			TH_LOG("%s", parameters);
		EXPECT_EQ(lists[i].warned, count_lines(warned, NO_ID, 4))
			TH_LOG("%s", parameters);
		close(told);
		close(warned);
	}
	close(image);
	EXPECT_EQ(0, unload());
}

/* ---- other parameters ---- */

/* What the arbiter believes that a card decodes, "?" if it does not say. */
static const char *arbiter_decodes(const struct pci_func *func, char *line, size_t size)
{
	int arbiter = open("/dev/vga_arbiter", O_RDWR | O_CLOEXEC);
	int length = snprintf(line, size, "target PCI:%s", func->bdf);
	char *found = NULL;
	ssize_t got;

	if (arbiter >= 0 && write(arbiter, line, length) == length) {
		got = read(arbiter, line, size - 1);
		line[got < 0 ? 0 : got] = 0;
		found = strstr(line, "decodes=");
	}
	fd_close(&arbiter);
	return found ? strtok(found, ",") : "?";
}

/*
 * disable_vga: the VGA device has no such region, and works otherwise. Afterwards the arbiter takes
 * it for what it did before.
 */
TEST_F(modules, disable_vga)
{
	struct vfio_region_info info;
	char before[256], after[256];
	struct pci_func func;
	const char *decodes;
	struct client c;

	if (pci_find(VGA, 0, &func))
		SKIP(return, "no device %s", test_device_name(VGA));
	decodes = arbiter_decodes(&func, before, sizeof(before));
	ASSERT_EQ(0, system("modprobe vfio-pci disable_vga=1"));
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	ASSERT_OK(client_open(&c, VGA, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_ERRNO(EINVAL, region_info(c.device, VFIO_PCI_VGA_REGION_INDEX, &info));
	EXPECT_EQ(0x1234, config_read(&c, 0, 2));
	client_close(&c);
	EXPECT_EQ(0, unload());
	EXPECT_STREQ(decodes, arbiter_decodes(&func, after, sizeof(after)));
	ASSERT_EQ(0, load());
	ASSERT_OK(pci_bind(&func, "vfio-pci"));
	ASSERT_OK(client_open(&c, VGA, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(region_info(c.device, VFIO_PCI_VGA_REGION_INDEX, &info));
	client_close(&c);
	EXPECT_EQ(0, unload());
}

/* disable_denylist: whoever gives up the protection is told so at once. */
TEST_F(modules, disable_denylist)
{
	char value[8];
	int log;

	ASSERT_OK(log_announce("the denylist is not in force"));
	log = log_open();
	ASSERT_EQ(0, load());
	EXPECT_FALSE(log_has(log, "denylist is not in force"));
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, system("modprobe vfio-pci disable_denylist=1"));
	EXPECT_TRUE(log_has(log, "vfio_pci: the denylist is not in force"));
	EXPECT_OK(file_read("/sys/module/vfio_pci/parameters/disable_denylist", value,
			    sizeof(value)));
	EXPECT_STREQ("Y", value);
	EXPECT_NE(0, param_bool("disable_denylist", false));
	close(log);
	EXPECT_EQ(0, unload());
}

#define ALSO_DENIED		"/sys/module/vfio_pci/parameters/also_denied"
#define NOINTXMASK		"/sys/module/vfio_pci/parameters/nointxmask"
#define ALSO_WITHOUT_INTX	"/sys/module/vfio_pci/parameters/also_without_intx"

/*
 * A device that is known to be unsafe is refused, and taken by whoever gave up the protection; the
 * log says both. None of them can be emulated, so a debug build takes another for one.
 */
TEST_F(modules, denylist)
{
	struct pci_func func;
	int log;

	ASSERT_OK(log_announce("denylist"));
	ASSERT_OK(pci_find(TESTDEV, 0, &func));
	log = log_open();
	ASSERT_EQ(0, load());
	if (file_write(ALSO_DENIED, "1b36:0005")) {
		EXPECT_EQ(0, unload());
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	}
	ASSERT_OK(pci_unbind(&func));
	EXPECT_ERRNO(ENODEV, pci_bind(&func, "vfio-pci"));
	EXPECT_TRUE(log_has(log, "1b36:0005 is in vfio-pci's denylist, not taken"));
	ASSERT_EQ(0, unload());
	ASSERT_EQ(0, system("modprobe vfio-pci disable_denylist=1 also_denied=1b36:0005"));
	ASSERT_OK(pci_unbind(&func));
	EXPECT_OK(pci_bind(&func, "vfio-pci"));
	EXPECT_TRUE(log_has(log, "1b36:0005 is in vfio-pci's denylist, taken nevertheless"));
	close(log);
	EXPECT_EQ(0, unload());
}

/*
 * A device whose INTx cannot be masked has none: no pin, no interrupt, and the line stays off. Who
 * wants nothing masked by the command register has its INTx.
 */
TEST_F(modules, without_intx)
{
	struct vfio_irq_info info = { .argsz = sizeof(info) };
	__s32 event = event_new();
	struct client c;
	__u32 command;

	ASSERT_EQ(0, load());
	if (file_write(ALSO_WITHOUT_INTX, "8086:10d3")) {
		EXPECT_EQ(0, unload());
		SKIP(return, "not a debug build of the modules (VFIO_DEBUG)");
	}
	ASSERT_OK(pci_find(E1000E, 0, &c.func));
	ASSERT_OK(pci_unbind(&c.func));
	ASSERT_OK(pci_bind(&c.func, "vfio-pci"));
	ASSERT_OK(client_open(&c, E1000E, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(0, config_read(&c, PCI_INTERRUPT_PIN, 1));
	EXPECT_OK(irq_info(c.device, VFIO_PCI_INTX_IRQ_INDEX, &info));
	EXPECT_EQ(0, info.count);
	EXPECT_ERRNO(EINVAL, irq_events(c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &event));
	EXPECT_OK(config_command(&c, 0, PCI_COMMAND_INTX_DISABLE));
	EXPECT_OK(pci_config_read(&c.func, PCI_COMMAND, 2, &command));
	EXPECT_EQ(PCI_COMMAND_INTX_DISABLE, command & PCI_COMMAND_INTX_DISABLE);
	/* Messages go their way. */
	EXPECT_OK(irq_events(c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &event));
	EXPECT_OK(e1000e_start(&c));
	EXPECT_OK(e1000e_raise(&c));
	EXPECT_LT(0, event_wait(event, PATIENCE_MS));
	client_close(&c);

	ASSERT_OK(pci_unbind(&c.func));
	ASSERT_OK(file_write(NOINTXMASK, "Y"));
	ASSERT_OK(pci_bind(&c.func, "vfio-pci"));
	ASSERT_OK(client_open(&c, E1000E, 0, VFIO_TYPE1v2_IOMMU));
	EXPECT_EQ(1, config_read(&c, PCI_INTERRUPT_PIN, 1));
	EXPECT_OK(irq_events(c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &event));
	client_close(&c);
	close(event);
	EXPECT_EQ(0, unload());
}

TEST_HARNESS_MAIN

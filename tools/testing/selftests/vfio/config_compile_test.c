// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compile step of vfio-pci's config space (drivers/vfio/pci/config_map.c and its tables), built
 * into this program and fed with config spaces that no honest device has: from a table, and at
 * random. Needs no device. VFIO_CONFIG_IMAGES says how many random ones; the arrays are exactly as
 * large as the module's, so that a program built with -fsanitize=address,undefined sees a step
 * beside them.
 *
 * A debug build of the module compiles what it is told to (config_debug.c). It gets the same config
 * spaces then, and must come to the same result without a report by the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

static inline u16 min(u16 a, u16 b)
{
	return a < b ? a : b;
}

static inline u16 max(u16 a, u16 b)
{
	return a > b ? a : b;
}

static inline u32 DIV_ROUND_UP(u32 n, u32 d)
{
	return (n + d - 1) / d;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#include "../../../../drivers/vfio/pci/config_map.c"
#include "../../../../drivers/vfio/pci/config_caps.c"
#include "../../../../drivers/vfio/pci/config_invention.h"
#include "../../../../drivers/vfio/pci/config_ecaps.c"
#pragma GCC diagnostic pop

/* The tables point at the module's hooks, which need a device. */
const struct vfio_pci_config_hook vfio_pci_command_hook = { .offset = PCI_COMMAND };
const struct vfio_pci_config_hook vfio_pci_power_hook = { .offset = PCI_PM_CTRL };
const struct vfio_pci_config_hook vfio_pci_vpd_hook = { .offset = 0 };
const struct vfio_pci_config_hook vfio_pci_msi_hook = { .offset = 0 };
const struct vfio_pci_config_hook vfio_pci_express_hook = { .offset = PCI_EXP_DEVCTL };
const struct vfio_pci_config_hook vfio_pci_af_hook = { .offset = PCI_AF_CTRL };

#define SPACE PCI_CFG_SPACE_EXP_SIZE

/* ---- devices ---- */

static void put32(u8 *image, u16 pos, u32 value)
{
	vfio_pci_put_le32(image + pos, value);
}

/* A standard capability: id, next, and the 16 bits behind them. */
static void put_cap(u8 *image, u16 pos, u8 id, u8 next, u16 more)
{
	put32(image, pos, id | next << 8 | (u32)more << 16);
}

static void put_ext(u8 *image, u16 pos, u16 id, u16 next)
{
	put32(image, pos, id | 1U << 16 | (u32)next << 20);
}

FIXTURE(compile)
{
	u8 *image;
	struct vfio_pci_config config;
};

static u8 *bytes_new(size_t size)
{
	u8 *bytes = malloc(size);

	if (!bytes)
		abort();
	return bytes;
}

static void config_new(struct vfio_pci_config *config, u16 size)
{
	config->size = size;
	config->shadow = bytes_new(size);
	config->virt = bytes_new(size);
	config->write = bytes_new(size);
	config->owner = bytes_new(size);
	config->instances = (void *)bytes_new(VFIO_PCI_CONFIG_MAX * sizeof(*config->instances));
}

static void config_free(struct vfio_pci_config *config)
{
	free(config->shadow);
	free(config->virt);
	free(config->write);
	free(config->owner);
	free(config->instances);
}

/* ---- the module in the kernel ---- */

#define MODULE_FILE "/sys/kernel/debug/vfio-pci/config_compile"

/* fd: of MODULE_FILE, -1 without it. agrees: it made of the last config space what we did. */
static struct {
	int fd;
	bool agrees;
} module = { .fd = -1, .agrees = true };

static bool module_makes(const struct invention *device, const struct vfio_pci_config *config)
{
	const u8 *arrays[] = { config->shadow, config->virt, config->write, config->owner };
	ssize_t length = device->nr_images * device->size;
	u8 result[ARRAY_SIZE(arrays) * SPACE];

	if (pwrite(module.fd, device->images, length, 0) != length ||
	    pread(module.fd, result, sizeof(result), 0) !=
	    (ssize_t)ARRAY_SIZE(arrays) * device->size)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(arrays); i++)
		if (memcmp(result + i * device->size, arrays[i], device->size))
			return false;
	return true;
}

static void compile_images(struct vfio_pci_config *config, const u8 *images, int nr_images)
{
	struct invention device = {
		.images = images,
		.nr_images = nr_images,
		.size = config->size,
	};
	const struct vfio_pci_config_source source = { .read = invention_read, .context = &device };

	vfio_pci_config_compile(config, &source);
	if (module.fd >= 0)
		module.agrees = module_makes(&device, config);
}

static void config_compile(struct vfio_pci_config *config, const u8 *image)
{
	compile_images(config, image, 1);
}

FIXTURE_SETUP(compile)
{
	/* A second one for a device that has two. */
	self->image = bytes_new(2 * SPACE);
	memset(self->image, 0, 2 * SPACE);
	put32(self->image, PCI_COMMAND, (u32)PCI_STATUS_CAP_LIST << 16);
	self->image[PCI_CAPABILITY_LIST] = 0x40;
	config_new(&self->config, SPACE);
}

FIXTURE_TEARDOWN(compile)
{
	config_free(&self->config);
	free(self->image);
}

/* ---- what holds for every device ---- */

static const struct vfio_pci_config_instance *owner_of(const struct vfio_pci_config *config,
						       u16 pos)
{
	return &config->instances[config->owner[pos]];
}

/* What an instance owns: all of its bytes, which lie in its space, behind the header. */
static bool instances_ok(const struct vfio_pci_config *config)
{
	unsigned int i;
	u16 pos, end;

	if (config->nr_instances > VFIO_PCI_CONFIG_MAX)
		return false;
	for (i = VFIO_PCI_CONFIG_HEADER + 1; i < config->nr_instances; i++) {
		const struct vfio_pci_config_instance *instance = &config->instances[i];

		end = instance->pos < PCI_CFG_SPACE_SIZE ? PCI_CFG_SPACE_SIZE : config->size;
		if (instance->pos < PCI_STD_HEADER_SIZEOF || instance->pos % 4 ||
		    instance->pos + instance->length > end)
			return false;
		for (pos = 0; pos < instance->length; pos++)
			if (config->owner[instance->pos + pos] != i)
				return false;
	}
	return true;
}

/* Every byte has an owner that knows of it; gaps are raw; a hook has all of its dword. */
static bool owners_ok(const struct vfio_pci_config *config)
{
	u16 pos;

	for (pos = 0; pos < config->size; pos++) {
		const struct vfio_pci_config_instance *owner = owner_of(config, pos);
		bool is_header = config->owner[pos] == VFIO_PCI_CONFIG_HEADER;
		bool in_header = pos < PCI_STD_HEADER_SIZEOF;

		if (is_header != in_header)
			return false;
		if (config->owner[pos] == VFIO_PCI_CONFIG_GAP) {
			if (config->virt[pos] || config->write[pos] != 0xff)
				return false;
			continue;
		}
		if (config->owner[pos] >= config->nr_instances || !owner->capability)
			return false;
	}
	return true;
}

static bool hooks_ok(const struct vfio_pci_config *config)
{
	unsigned int i;

	for (i = 0; i < config->nr_instances; i++) {
		const struct vfio_pci_config_instance *instance = &config->instances[i];
		const struct vfio_pci_capability *capability = instance->capability;

		/* The last register with a hook, in AF, is two bytes long. */
		if (capability && capability->hook &&
		    capability->hook->offset + 2 > instance->length)
			return false;
	}
	return true;
}

/* Follow the lists as a user does: they end, and have only what is shown, linked in the shadow. */
static bool lists_ok(const struct vfio_pci_config *config)
{
	u16 pos = config->shadow[PCI_CAPABILITY_LIST];
	unsigned int steps = 0;

	if (!pos != !(config->shadow[PCI_STATUS] & PCI_STATUS_CAP_LIST))
		return false;
	for (; pos; pos = config->shadow[pos + 1]) {
		if (++steps > 48 || pos < PCI_STD_HEADER_SIZEOF ||
		    owner_of(config, pos)->pos != pos)
			return false;
		if (config->virt[pos] != 0xff || config->virt[pos + 1] != 0xff ||
		    config->write[pos] || config->write[pos + 1])
			return false;
	}

	if (config->size == PCI_CFG_SPACE_SIZE ||
	    config->owner[PCI_CFG_SPACE_SIZE] == VFIO_PCI_CONFIG_GAP)
		return true;
	for (pos = PCI_CFG_SPACE_SIZE, steps = 0; pos; steps++) {
		if (steps > 960 || pos < PCI_CFG_SPACE_SIZE || owner_of(config, pos)->pos != pos)
			return false;
		if (~vfio_pci_get_le32(config->virt + pos) ||
		    vfio_pci_get_le32(config->write + pos))
			return false;
		pos = PCI_EXT_CAP_NEXT(vfio_pci_get_le32(config->shadow + pos));
	}
	return true;
}

static bool module_ok(const struct vfio_pci_config *config)
{
	(void)config;
	return module.agrees;
}

static bool sane(const struct vfio_pci_config *config)
{
	static const struct {
		const char *name;
		bool (*holds)(const struct vfio_pci_config *config);
	} rules[] = {
		{ "instances", instances_ok },
		{ "owners", owners_ok },
		{ "hooks", hooks_ok },
		{ "lists", lists_ok },
		{ "the module comes to the same", module_ok },
	};
	bool all = true;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (rules[i].holds(config))
			continue;
		printf("# does not hold: %s\n", rules[i].name);
		all = false;
	}
	return all;
}

static bool shows_none(const struct vfio_pci_config *config)
{
	return !config->shadow[PCI_CAPABILITY_LIST] &&
	       !(config->shadow[PCI_STATUS] & PCI_STATUS_CAP_LIST);
}

/* ---- lists that lie ---- */

TEST_F(compile, pointer_into_header)
{
	self->image[PCI_CAPABILITY_LIST] = PCI_BASE_ADDRESS_0;
	put_cap(self->image, PCI_BASE_ADDRESS_0, PCI_CAP_ID_VNDR, 0, 0xff);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_TRUE(shows_none(&self->config));
}

TEST_F(compile, link_into_header)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0x3c, 0);
	put_cap(self->image, 0x3c, PCI_CAP_ID_VNDR, 0, 0xff);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0, self->config.shadow[0x41]);
}

TEST_F(compile, no_list_bit)
{
	put32(self->image, PCI_COMMAND, 0);
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0, 0);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_TRUE(shows_none(&self->config));
}

/* The low bits of a position are reserved. */
TEST_F(compile, unaligned)
{
	self->image[PCI_CAPABILITY_LIST] = 0x43;
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0x52, 0);
	put_cap(self->image, 0x50, PCI_CAP_ID_AGP, 0, 0);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0x40, self->config.shadow[PCI_CAPABILITY_LIST]);
	EXPECT_EQ(0x50, self->config.shadow[0x41]);
}

TEST_F(compile, loop)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0x50, 0);
	put_cap(self->image, 0x50, PCI_CAP_ID_AGP, 0x40, 0);
	put_ext(self->image, 0x100, PCI_EXT_CAP_ID_DSN, 0x100);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0x50, self->config.shadow[0x41]);
	EXPECT_EQ(0, self->config.shadow[0x51]);
	EXPECT_EQ(0, PCI_EXT_CAP_NEXT(vfio_pci_get_le32(self->config.shadow + 0x100)));
}

/* All ones: nobody answers. What came before stays. */
TEST_F(compile, truncated)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0x50, 0);
	put32(self->image, 0x50, ~0U);
	put_ext(self->image, 0x100, PCI_EXT_CAP_ID_DSN, 0x200);
	put32(self->image, 0x200, ~0U);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0, self->config.shadow[0x41]);
	EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[0x50]);
	EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[0x200]);
}

/* More members than there are owners: the rest is a gap. */
TEST_F(compile, crowded)
{
	for (u16 pos = 0x100; pos < SPACE; pos += 4)
		put_ext(self->image, pos, PCI_EXT_CAP_ID_DSN, (pos + 4) % SPACE);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(VFIO_PCI_CONFIG_MAX, self->config.nr_instances);
	EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[SPACE - 4]);
}

/* ---- capabilities that lie ---- */

TEST_F(compile, vendor_past_end)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_VNDR, 0xf0, 0x08);
	put_cap(self->image, 0xf0, PCI_CAP_ID_VNDR, 0, 0xff);
	put_ext(self->image, 0x100, PCI_EXT_CAP_ID_VNDR, 0xff0);
	put32(self->image, 0x104, 0x10U << 20);
	put_ext(self->image, 0xff0, PCI_EXT_CAP_ID_DVSEC, 0);
	put32(self->image, 0xff4, 0xfffU << 20);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(8, owner_of(&self->config, 0x40)->length);
	EXPECT_EQ(16, owner_of(&self->config, 0xf0)->length);
	EXPECT_EQ(16, owner_of(&self->config, 0x100)->length);
	EXPECT_EQ(16, owner_of(&self->config, 0xff0)->length);
}

/* MSI needs all of its registers: without them it is not shown, and cannot be written. */
TEST_F(compile, msi_does_not_fit)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0xf8, 0);
	put_cap(self->image, 0xf8, PCI_CAP_ID_MSI, 0x50, PCI_MSI_FLAGS_64BIT);
	put_cap(self->image, 0x50, PCI_CAP_ID_AGP, 0, 0);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0x50, self->config.shadow[0x41]);
	for (u16 pos = 0xf8; pos < 0x100; pos++) {
		EXPECT_EQ(0, self->config.virt[pos]);
		EXPECT_EQ(0, self->config.write[pos]);
	}
}

/* A capability that measures itself is asked only if what it is asked for is there. */
TEST_F(compile, measured_at_end)
{
	put_ext(self->image, 0x100, PCI_EXT_CAP_ID_VC, 0xffc);
	put_ext(self->image, 0xffc, PCI_EXT_CAP_ID_REBAR, 0);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0, PCI_EXT_CAP_NEXT(vfio_pci_get_le32(self->config.shadow + 0x100)));
}

TEST_F(compile, overlap)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_AGP, 0x44, 0);
	put_cap(self->image, 0x44, PCI_CAP_ID_VNDR, 0, 0x10);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(4, owner_of(&self->config, 0x40)->length);
	EXPECT_EQ(16, owner_of(&self->config, 0x44)->length);
}

/* Neighbours of one id are two: each has its own registers. */
TEST_F(compile, neighbours)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_PM, 0x48, 0xffff);
	put_cap(self->image, 0x48, PCI_CAP_ID_PM, 0, 0xffff);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_NE(self->config.owner[0x47], self->config.owner[0x48]);
	EXPECT_EQ(8, owner_of(&self->config, 0x40)->length);
	EXPECT_EQ(8, owner_of(&self->config, 0x48)->length);
	EXPECT_EQ(0xf8, self->config.virt[0x43]);
	EXPECT_EQ(0xf8, self->config.virt[0x4b]);
}

/* ---- what is hidden ---- */

TEST_F(compile, hidden)
{
	put_cap(self->image, 0x40, PCI_CAP_ID_SHPC, 0x60, 0);
	put_cap(self->image, 0x60, PCI_CAP_ID_AGP, 0x80, 0);
	put_cap(self->image, 0x80, 0xee, 0, 0);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	EXPECT_EQ(0x60, self->config.shadow[PCI_CAPABILITY_LIST]);
	EXPECT_EQ(0, self->config.shadow[0x61]);
	EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[0x40]);
	EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[0x80]);
}

/* The first extended capability keeps its place: id 0, version 0, and the way to the next. */
TEST_F(compile, hidden_first)
{
	static const u16 ids[] = { PCI_EXT_CAP_ID_PASID, 0x7ff, 0xffff };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		put_ext(self->image, 0x100, ids[i], 0x200);
		put_ext(self->image, 0x200, PCI_EXT_CAP_ID_DSN, 0);
		config_compile(&self->config, self->image);
		ASSERT_TRUE(sane(&self->config));
		EXPECT_EQ(0x200U << 20, vfio_pci_get_le32(self->config.shadow + 0x100));
		EXPECT_EQ(~0U, vfio_pci_get_le32(self->config.virt + 0x100));
		EXPECT_EQ(0, vfio_pci_get_le32(self->config.write + 0x100));
		EXPECT_EQ(VFIO_PCI_CONFIG_GAP, self->config.owner[0x104]);
	}
}

TEST_F(compile, sriov_addresses)
{
	put_ext(self->image, 0x100, PCI_EXT_CAP_ID_SRIOV, 0);
	for (u16 pos = 0x104; pos < 0x140; pos += 4)
		put32(self->image, pos, 0xa5a5a5a5);
	config_compile(&self->config, self->image);
	ASSERT_TRUE(sane(&self->config));
	for (u16 pos = 0x104; pos < 0x140; pos += 4) {
		bool bar = pos >= 0x124 && pos < 0x13c;

		EXPECT_EQ(bar ? ~0U : 0, vfio_pci_get_le32(self->config.virt + pos));
		EXPECT_EQ(0, vfio_pci_get_le32(self->config.write + pos));
		EXPECT_EQ(0, vfio_pci_get_le32(self->config.shadow + pos));
	}
}

/* ---- at random ---- */

static u64 random_state;

static u32 random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state >> 16;
}

static u32 noise_read(void *context, u16 pos)
{
	(void)context;
	(void)pos;
	return random_u32();
}

/* Mostly what a walk goes on from: ids that exist, links that lead somewhere. */
static void random_image(u8 *image)
{
	bool plausible = random_u32() & 1;
	u32 pos;

	for (pos = 0; pos < SPACE; pos += 4) {
		u32 value = random_u32();

		if (plausible && pos >= 0x100)
			value = (value & 0xfff0003f) | 1 << 16;
		else if (plausible && pos >= 0x40)
			value &= 0xffffff1f;
		put32(image, pos, value);
	}
	image[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	if (plausible)
		image[PCI_CAPABILITY_LIST] |= 0x40;
}

static unsigned long random_count(void)
{
	const char *text = getenv("VFIO_CONFIG_IMAGES");

	if (text)
		return strtoul(text, NULL, 0);
	return module.fd < 0 ? 10000 : 1000;
}

TEST_F_TIMEOUT(compile, random, 3600)
{
	unsigned long count = random_count(), shown = 0, i;
	const struct vfio_pci_config_source noise = { .read = noise_read };
	struct vfio_pci_config small;

	config_new(&small, PCI_CFG_SPACE_SIZE);
	random_state = 0x9e3779b97f4a7c15;
	TH_LOG("%lu images%s, seed 0x%llx", count, module.fd < 0 ? "" : ", in the module too",
	       (unsigned long long)random_state);
	for (i = 0; i < count; i++) {
		random_image(self->image + SPACE);
		/* One that says something else each other time */
		compile_images(&self->config, self->image, 2);
		ASSERT_TRUE(sane(&self->config));

		random_image(self->image);
		config_compile(&self->config, self->image);
		ASSERT_TRUE(sane(&self->config));
		shown += self->config.nr_instances;

		config_compile(&small, self->image);
		ASSERT_TRUE(sane(&small));
		/* One that says something else each time */
		vfio_pci_config_compile(&self->config, &noise);
		ASSERT_TRUE(sane(&self->config));
	}
	TH_LOG("%lu capabilities found", shown);
	config_free(&small);
}

/* What the module takes: one or two images of either size, and nothing before the first. */
TEST_F(compile, module)
{
	static const size_t wrong[] = { 1, 255, 257, 511, 513, 768, 4095, 4097, 8191, 3 * SPACE };
	u8 bytes[3 * SPACE] = { };
	int fd;

	if (module.fd < 0)
		SKIP(return, "no debug build of the module");
	fd = open(MODULE_FILE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, pread(fd, bytes, sizeof(bytes), 0));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		EXPECT_EQ(-1, pwrite(fd, bytes, wrong[i], 0));
		EXPECT_EQ(EINVAL, errno);
	}
	for (size_t size = PCI_CFG_SPACE_SIZE; size <= SPACE; size *= SPACE / PCI_CFG_SPACE_SIZE) {
		for (size_t images = 1; images <= 2; images++) {
			EXPECT_EQ((ssize_t)(images * size), pwrite(fd, bytes, images * size, 0));
			EXPECT_EQ(0, pread(fd, bytes, 1, 4 * size));
			EXPECT_EQ(1, pread(fd, bytes, 1, 4 * size - 1));
		}
	}
	close(fd);
}

int main(int argc, char **argv)
{
	module.fd = open(MODULE_FILE, O_RDWR | O_CLOEXEC);
	return test_harness_run(argc, argv);
}

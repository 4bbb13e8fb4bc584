// SPDX-License-Identifier: GPL-2.0-only
/*
 * The compile step of vfio-pci's config space, fed with config spaces that no honest device has:
 * from a table, and at random. Needs no device. VFIO_CONFIG_IMAGES says how many random ones. What
 * it makes of honest ones is in config_rules_test.c.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib/compile.h"

FIXTURE(compile)
{
	u8 *image;
	struct vfio_pci_config config;
};

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

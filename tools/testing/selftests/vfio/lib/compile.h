/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The compile step of vfio-pci's config space (drivers/vfio/pci/config_map.c and its tables), built
 * into a test, and what holds for every config space that it makes arrays of. The arrays are as
 * large as the module's to the byte, so that a program built with -fsanitize=address,undefined sees
 * a step beside them. To be included after kselftest_harness.h.
 *
 * A debug build of the module compiles what it is told to (config_debug.c). It gets the same config
 * spaces then, and must come to the same result without a report by the kernel.
 */
#ifndef SELFTEST_VFIO_COMPILE_H
#define SELFTEST_VFIO_COMPILE_H

#include <fcntl.h>
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
#include "../../../../../drivers/vfio/pci/config_map.c"
#include "../../../../../drivers/vfio/pci/config_caps.c"
#include "../../../../../drivers/vfio/pci/config_invention.h"
#include "../../../../../drivers/vfio/pci/config_ecaps.c"
#pragma GCC diagnostic pop

/* The tables point at the module's hooks, which need a device. */
const struct vfio_pci_config_hook vfio_pci_command_hook = { .offset = PCI_COMMAND };
const struct vfio_pci_config_hook vfio_pci_power_hook = { .offset = PCI_PM_CTRL };
const struct vfio_pci_config_hook vfio_pci_vpd_hook = { .offset = 0 };
const struct vfio_pci_config_hook vfio_pci_msi_hook = { .offset = 0 };
const struct vfio_pci_config_hook vfio_pci_express_hook = { .offset = PCI_EXP_DEVCTL };
const struct vfio_pci_config_hook vfio_pci_af_hook = { .offset = PCI_AF_CTRL };

#define SPACE PCI_CFG_SPACE_EXP_SIZE

/* ---- images of devices, and what is made of them ---- */

static inline void put32(u8 *image, u16 pos, u32 value)
{
	vfio_pci_put_le32(image + pos, value);
}

/* A standard capability: id, next, and the 16 bits behind them. */
static inline void put_cap(u8 *image, u16 pos, u8 id, u8 next, u16 more)
{
	put32(image, pos, id | next << 8 | (u32)more << 16);
}

static inline void put_ext(u8 *image, u16 pos, u16 id, u16 next)
{
	put32(image, pos, id | 1U << 16 | (u32)next << 20);
}

static inline u8 *bytes_new(size_t size)
{
	u8 *bytes = malloc(size);

	if (!bytes)
		abort();
	return bytes;
}

static inline void config_new(struct vfio_pci_config *config, u16 size)
{
	config->size = size;
	config->shadow = bytes_new(size);
	config->virt = bytes_new(size);
	config->write = bytes_new(size);
	config->owner = bytes_new(size);
	config->instances = (void *)bytes_new(VFIO_PCI_CONFIG_MAX * sizeof(*config->instances));
}

static inline void config_free(struct vfio_pci_config *config)
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

static inline bool module_makes(const struct invention *device,
				const struct vfio_pci_config *config)
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

static inline void compile_images(struct vfio_pci_config *config, const u8 *images, int nr_images)
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

static inline void config_compile(struct vfio_pci_config *config, const u8 *image)
{
	compile_images(config, image, 1);
}

/* ---- what holds for every device ---- */

static inline const struct vfio_pci_config_instance *
owner_of(const struct vfio_pci_config *config, u16 pos)
{
	return &config->instances[config->owner[pos]];
}

/* What an instance owns: all of its bytes, which lie in its space, behind the header. */
static inline bool instances_ok(const struct vfio_pci_config *config)
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
static inline bool owners_ok(const struct vfio_pci_config *config)
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

static inline bool hooks_ok(const struct vfio_pci_config *config)
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
static inline bool lists_ok(const struct vfio_pci_config *config)
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

static inline bool module_ok(const struct vfio_pci_config *config)
{
	(void)config;
	return module.agrees;
}

static inline bool sane(const struct vfio_pci_config *config)
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

#endif

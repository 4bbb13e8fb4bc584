// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regions of a device fd: what they are, BAR and config access, mmap.
 *
 * A read that fails gives all ones, as hardware does; tests that care use region_read().
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

int region_info(int device, __u32 index, struct vfio_region_info *info)
{
	memset(info, 0, sizeof(*info));
	info->argsz = sizeof(*info);
	info->index = index;
	return ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info);
}

/* Fills c->region; a region that the device has not (VGA) stays zero. */
int client_read_regions(struct client *c)
{
	for (__u32 i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		if (!region_info(c->device, i, &c->region[i]))
			continue;
		memset(&c->region[i], 0, sizeof(c->region[i]));
		if (i != VFIO_PCI_VGA_REGION_INDEX)
			return -1;
	}
	return 0;
}

ssize_t region_read(const struct client *c, __u32 index, __u64 at, void *data, size_t size)
{
	return pread(c->device, data, size, c->region[index].offset + at);
}

ssize_t region_write(const struct client *c, __u32 index, __u64 at, const void *data, size_t size)
{
	return pwrite(c->device, data, size, c->region[index].offset + at);
}

void *region_map(const struct client *c, __u32 index, __u64 at, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, c->device,
		    c->region[index].offset + at);
}

/* Writes @data there whenever @fd is signalled; -1: not any more. @flags: of how many bytes. */
int region_ioeventfd(const struct client *c, __u32 index, __u64 at, __u32 flags, __u64 data,
		     __s32 fd)
{
	struct vfio_device_ioeventfd argument = {
		.argsz = sizeof(argument),
		.flags = flags,
		.offset = c->region[index].offset + at,
		.data = data,
		.fd = fd,
	};

	return ioctl(c->device, VFIO_DEVICE_IOEVENTFD, &argument);
}

__u32 bar_read32(const struct client *c, __u32 index, __u64 at)
{
	__u32 value = ~0U;

	if (region_read(c, index, at, &value, sizeof(value)) != sizeof(value))
		return ~0U;
	return value;
}

int bar_write32(const struct client *c, __u32 index, __u64 at, __u32 value)
{
	return region_write(c, index, at, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}

/* Waits until a register has a value. */
bool bar_becomes(const struct client *c, __u32 index, __u64 at, __u32 value)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	for (int tries = 0; tries < PATIENCE_MS / 5; tries++) {
		if (bar_read32(c, index, at) == value)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

__u32 config_read(const struct client *c, __u32 at, int size)
{
	__u32 value = 0;

	if (region_read(c, VFIO_PCI_CONFIG_REGION_INDEX, at, &value, size) != size)
		return ~0U;
	return value;
}

int config_write(const struct client *c, __u32 at, int size, __u32 value)
{
	return region_write(c, VFIO_PCI_CONFIG_REGION_INDEX, at, &value, size) == size ? 0 : -1;
}

/* Sets and clears bits of the COMMAND register. */
int config_command(const struct client *c, __u16 set, __u16 clear)
{
	__u16 command = config_read(c, PCI_COMMAND, 2);

	return config_write(c, PCI_COMMAND, 2, (command | set) & ~clear);
}

/* Where a standard capability lies, 0 if there is none. */
__u32 config_find_cap(const struct client *c, __u8 id)
{
	__u32 at = config_read(c, PCI_CAPABILITY_LIST, 1) & ~3U;

	for (int links = 0; at && links < 48; links++) {
		if (config_read(c, at, 1) == id)
			return at;
		at = config_read(c, at + 1, 1) & ~3U;
	}
	return 0;
}

/* Asks for another view of a region, which is a region of its own. */
int region_alias(int device, __u32 index, __u32 flags, __u32 *alias)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_feature_region_alias data;
	} call = {
		.head.argsz = sizeof(call),
		.head.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_REGION_ALIAS,
		.data = { .index = index, .flags = flags },
	};
	int ret = ioctl(device, VFIO_DEVICE_FEATURE, &call);

	*alias = call.data.alias;
	return ret;
}

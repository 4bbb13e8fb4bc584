// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resets of all functions of a slot or a bus.
 */
#include <string.h>
#include <sys/ioctl.h>

#include "vfio.h"

struct hot_reset {
	struct vfio_pci_hot_reset head;
	__s32 groups[8];
};

/* Which functions a reset reaches; there is room for so many of them. */
int hot_info(int device, struct hot_info *info, size_t room)
{
	memset(info, 0, sizeof(*info));
	info->head.argsz = sizeof(info->head) + room * sizeof(info->devices[0]);
	return ioctl(device, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
}

/* Resets them; the groups are those of the caller. */
int hot_reset_by(int device, __u32 count, const __s32 *groups)
{
	struct hot_reset reset = { .head = { .argsz = sizeof(reset), .count = count } };

	memcpy(reset.groups, groups, (count < 8 ? count : 8) * sizeof(*groups));
	return ioctl(device, VFIO_DEVICE_PCI_HOT_RESET, &reset);
}

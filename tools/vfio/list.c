// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl list: the IOMMU groups with their devices, or one of them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vfioctl.h"

static void show(const struct group *group, bool json)
{
	if (json)
		json_group(NULL, group);
	else
		print_group(group);
}

static void list_groups(bool json)
{
	size_t count, i;
	int *ids;

	group_all(&ids, &count);
	for (i = 0; i < count; i++) {
		struct group group;

		if (group_load(&group, ids[i]))
			show(&group, json);
		group_free(&group);
	}
	free(ids);
}

/* Devices that no IOMMU watches. */
static void list_ungrouped(bool json)
{
	struct names names = tree_names("/sys/bus/pci/devices");
	bool any = false;
	size_t i;

	for (i = 0; i < names.count; i++) {
		struct device device;

		if (!device_load(&device, names.name[i]) || device.group >= 0)
			continue;
		if (json) {
			json_device(NULL, &device);
			continue;
		}
		if (!any)
			puts("no group  no IOMMU watches these");
		any = true;
		print_device(&device);
	}
	names_free(&names);
}

static int list_one(const struct options *options)
{
	struct target target;
	int status = target_load(&target, options->target);

	if (!status)
		show(&target.group, options->json);
	group_free(&target.group);
	return status;
}

int command_list(const struct options *options)
{
	int status = STATUS_OK;

	if (!options->json) {
		if (options->target)
			return list_one(options);
		list_groups(false);
		list_ungrouped(false);
		return STATUS_OK;
	}
	json_open(NULL, '{');
	json_module("vfio");
	json_open("groups", '[');
	if (options->target)
		status = list_one(options);
	else
		list_groups(true);
	json_close(']');
	json_open("ungrouped", '[');
	if (!options->target)
		list_ungrouped(true);
	json_close(']');
	json_close('}');
	json_end();
	return status;
}

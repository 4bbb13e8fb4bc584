// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices and groups, for people and as JSON. The JSON keys are an interface: they are in the
 * manual page, and none goes away.
 */
#include <stdio.h>

#include "vfioctl.h"

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

void print_device(const struct device *device)
{
	printf("  %-12s  %-10s  %s\n", device->name, device->driver[0] ? device->driver : "-",
	       device->label);
}

static const char *viability(const struct group *group)
{
	if (!group->node[0])
		return group_is_viable(group) ? "unused" : "host";
	return group_is_viable(group) ? "viable" : "not viable";
}

void print_group(const struct group *group)
{
	struct text holders = {};
	size_t i;

	if (group->id < 0)
		printf("no group");
	else
		printf("group %d  %s", group->id, viability(group));
	if (group->node[0])
		printf(", %s", group->state);
	holders_text(&group->holders, &holders);
	if (holders.length)
		printf(" by %s", holders.bytes);
	if (group->noiommu)
		printf(", WITHOUT IOMMU");
	putchar('\n');
	text_free(&holders);
	for (i = 0; i < group->count; i++)
		print_device(&group->devices[i]);
}

void json_holders(const char *key, const struct holders *holders)
{
	size_t i;

	json_open(key, '[');
	for (i = 0; i < holders->count; i++) {
		json_open(NULL, '{');
		json_number("pid", holders->holder[i].pid);
		json_text("command", holders->holder[i].command);
		json_close('}');
	}
	json_close(']');
}

void json_names(const char *key, const struct names *names)
{
	size_t i;

	json_open(key, '[');
	for (i = 0; i < names->count; i++)
		json_text(NULL, names->name[i]);
	json_close(']');
}

void json_device(const char *key, const struct device *device)
{
	char number[16];

	json_open(key, '{');
	json_text("device", device->name);
	snprintf(number, sizeof(number), "%04x:%04x", device->vendor, device->device);
	json_text("id", number);
	snprintf(number, sizeof(number), "%06x", device->class);
	json_text("class", number);
	json_text("name", device->label);
	json_text("driver", or_null(device->driver));
	json_text("driver_override", or_null(device->override));
	json_text("vfio_device", or_null(device->vfio));
	json_bool("bridge", device_is_bridge(device));
	json_close('}');
}

void json_group(const char *key, const struct group *group)
{
	size_t i;

	json_open(key, '{');
	if (group->id < 0)
		json_null("group");
	else
		json_number("group", group->id);
	json_text("node", or_null(group->node));
	json_bool("noiommu", group->noiommu);
	json_bool("viable", group->id >= 0 && group_is_viable(group));
	json_names("blockers", &group->blockers);
	json_text("state", group->state);
	json_holders("holders", &group->holders);
	json_open("devices", '[');
	for (i = 0; i < group->count; i++)
		json_device(NULL, &group->devices[i]);
	json_close(']');
	json_close('}');
}

void json_module(const char *key)
{
	struct module module;

	module_load(&module);
	json_open(key, '{');
	json_text("modules", flavour_name(module.flavour));
	json_text("version", or_null(module.version));
	json_close('}');
}

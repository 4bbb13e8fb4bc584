// SPDX-License-Identifier: GPL-2.0-only
/*
 * An IOMMU group with its devices, what VFIO says of it, and what a user may call one: BDF or
 * number.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

static void add_device(struct group *group, const char *name)
{
	group->devices = realloc(group->devices, (group->count + 1) * sizeof(*group->devices));
	if (!group->devices)
		abort();
	if (device_load(&group->devices[group->count], name))
		group->count++;
}

static void find_node(struct group *group)
{
	char name[NAME_SIZE];

	tree_line(name, sizeof(name), "/sys/kernel/iommu_groups/%d/name", group->id);
	group->noiommu = !strcmp(name, "vfio-noiommu");
	snprintf(name, sizeof(name), "%s%d", group->noiommu ? "noiommu-" : "", group->id);
	group->node[0] = '\0';
	if (tree_has("/sys/class/vfio/%s", name))
		snprintf(group->node, sizeof(group->node), "/dev/vfio/%.40s", name);
}

/* The distribution's modules have no attributes; there the processes tell. */
static void find_holders(struct group *group)
{
	const char *name = strrchr(group->node, '/');
	char *lines;

	snprintf(group->state, sizeof(group->state), "none");
	if (!name)
		return;
	lines = tree_read("/sys/class/vfio%s/holder", name);
	if (lines)
		holders_parse(&group->holders, lines);
	else
		holders_find(&group->holders, group->node);
	free(lines);
	if (!tree_line(group->state, sizeof(group->state), "/sys/class/vfio%s/state", name))
		snprintf(group->state, sizeof(group->state),
			 group->holders.count ? "open" : "free");
}

static void split(const char *lines, struct names *names)
{
	while (*lines) {
		size_t length = strcspn(lines, "\n");
		char line[256];

		snprintf(line, sizeof(line), "%.*s", (int)length, lines);
		names_add(names, line);
		lines += length + (lines[length] == '\n');
	}
}

/* The modules know drivers that leave DMA alone; without them the best known ones have to do. */
static void find_blockers(struct group *group)
{
	const char *name = strrchr(group->node, '/');
	char *lines = name ? tree_read("/sys/class/vfio%s/blockers", name) : NULL;
	size_t i;

	if (lines) {
		split(lines, &group->blockers);
		free(lines);
		return;
	}
	for (i = 0; i < group->count; i++) {
		char line[2 * NAME_SIZE + 1];

		if (!device_hinders(&group->devices[i]))
			continue;
		snprintf(line, sizeof(line), "%s %s", group->devices[i].name,
			 group->devices[i].driver);
		names_add(&group->blockers, line);
	}
}

/* False when there is no such group. group_free() in any case. */
bool group_load(struct group *group, int id)
{
	struct names names;
	size_t i;

	memset(group, 0, sizeof(*group));
	group->id = id;
	if (!tree_has("/sys/kernel/iommu_groups/%d", id))
		return false;
	names = tree_names("/sys/kernel/iommu_groups/%d/devices", id);
	for (i = 0; i < names.count; i++)
		add_device(group, names.name[i]);
	names_free(&names);
	find_node(group);
	find_holders(group);
	find_blockers(group);
	return true;
}

void group_free(struct group *group)
{
	holders_free(&group->holders);
	names_free(&group->blockers);
	free(group->devices);
	group->devices = NULL;
	group->count = 0;
}

/* Could a program use the group, if a device of it were VFIO's? */
bool group_is_viable(const struct group *group)
{
	return group->count > 0 && !group->blockers.count;
}

static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

/*
 * A bridge that keeps the group from being used, such as that of a chipset to its ISA bus: bridges
 * are not bound with their group. NULL: there is none.
 */
const struct device *group_blocking_bridge(const struct group *group)
{
	size_t i;

	for (i = 0; i < group->count; i++)
		if (device_is_bridge(&group->devices[i]) && device_hinders(&group->devices[i]))
			return &group->devices[i];
	return NULL;
}

/* The numbers of all groups, in order. The caller frees @ids. False where there is none. */
bool group_all(int **ids, size_t *count)
{
	struct names names = tree_names("/sys/kernel/iommu_groups");
	size_t i;

	*count = names.count;
	*ids = calloc(names.count + 1, sizeof(**ids));
	for (i = 0; i < names.count; i++)
		(*ids)[i] = atoi(names.name[i]);
	qsort(*ids, *count, sizeof(**ids), compare);
	names_free(&names);
	return *count > 0;
}

/* A device that no IOMMU watches stands alone. */
static int load_device(struct target *target, const char *text)
{
	struct device device;

	if (!device_load(&device, target->device))
		return failure(STATUS_NOT_FOUND, "no device %s; vfioctl list shows all", text);
	if (device.group < 0) {
		target->group.id = -1;
		snprintf(target->group.state, sizeof(target->group.state), "none");
		add_device(&target->group, target->device);
	} else {
		group_load(&target->group, device.group);
	}
	return STATUS_OK;
}

/* By its number, which is behind "noiommu-" in the name of the node where there is no IOMMU. */
static int load_group(struct target *target, int id, bool noiommu, const char *text)
{
	if (group_load(&target->group, id) && (target->group.noiommu || !noiommu))
		return STATUS_OK;
	return failure(STATUS_NOT_FOUND, "no group %s; vfioctl list shows all", text);
}

/*
 * What @text names: a device, with its group, or a group. A status; the caller frees
 * @target->group in any case.
 */
int target_load(struct target *target, const char *text)
{
	static const char prefix[] = "noiommu-";
	bool noiommu = !strncmp(text, prefix, strlen(prefix));
	const char *digits = noiommu ? text + strlen(prefix) : text;
	int id;

	memset(target, 0, sizeof(*target));
	if (strspn(digits, "0123456789") == strlen(digits) && text_number(digits, 0, &id))
		return load_group(target, id, noiommu, text);
	if (!device_parse(text, target->device, sizeof(target->device)))
		return failure(STATUS_USAGE, "%s is no device (06:0d.0) and no group (26)", text);
	return load_device(target, text);
}

/* Is all of the group meant? */
bool target_is_group(const struct target *target, bool whole_group)
{
	return whole_group || !target->device[0];
}

/* Is @device meant? Bridges only where they are named. */
bool target_has(const struct target *target, const struct device *device, bool whole_group)
{
	if (!strcmp(target->device, device->name))
		return true;
	return target_is_group(target, whole_group) && !device_is_bridge(device);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl bind: devices to vfio-pci.
 */
#include <string.h>

#include "vfioctl.h"

/* All of a group is bound for a program to use it, and not where the host keeps a part. */
static int check_target(const struct target *target, const struct options *options)
{
	const struct device *bridge = group_blocking_bridge(&target->group);

	if (!bridge || options->force || !target_is_group(target, options->group))
		return STATUS_OK;
	return failure(STATUS_BUSY,
		       "group %d is the chipset's: %s, a bridge, stays with %s; --force takes the rest",
		       target->group.id, bridge->name, bridge->driver);
}

static int check(const struct device *device, const struct options *options)
{
	struct text what = {};
	int status = STATUS_OK;

	if (!options->force && use_by_host(device, &what))
		status = failure(STATUS_BUSY, "%s: the host uses it: %s; --force takes it",
				 device->name, what.bytes);
	text_free(&what);
	return status;
}

static int prepare(const struct steps *steps)
{
	int error = step_load(steps, VFIO_DRIVER);

	if (!error)
		return STATUS_OK;
	if (status_of(error) == STATUS_DENIED)
		return failure_of(error, "modprobe %s", VFIO_DRIVER);
	return failure(STATUS_FAILED, "modprobe %s failed; vfioctl doctor may know why",
		       VFIO_DRIVER);
}

static int take(const struct steps *steps, const struct device *device,
		const struct options *options)
{
	int status = binding_take(steps, device);
	int error;

	if (status && device->group < 0 &&
	    !module_parameter_is_on("vfio", "enable_unsafe_noiommu_mode"))
		message("%s: no IOMMU watches it; see vfioctl doctor", device->name);
	if (status || !options->persist)
		return status;
	error = persist_set(steps, device);
	if (error)
		return failure_of(error, "%s: writing its udev rule", device->name);
	return STATUS_OK;
}

/* Nothing is wrong, but a program could not use it yet. */
static void hint_viable(const struct group *group)
{
	const struct device *bridge = group_blocking_bridge(group);

	if (bridge)
		message("group %d is not viable because of %s %s, a bridge", group->id,
			bridge->name, bridge->driver);
	else if (group->blockers.count)
		message("group %d is not viable because of %s; vfioctl bind %d binds all of it",
			group->id, group->blockers.name[0], group->id);
}

/* VFIO makes a group for a device that has none, if it may. */
static void hint_group(const struct target *target)
{
	struct device device;
	struct group group;
	int id = target->group.id;

	if (id < 0 && device_load(&device, target->device))
		id = device.group;
	if (id < 0)
		return;
	if (group_load(&group, id) && group.noiommu)
		message("%s is used without an IOMMU, by %s: who opens it reaches all memory",
			target->device, group.node);
	else
		hint_viable(&group);
	group_free(&group);
}

/* No image has the rule yet that was written just now. */
static void hint(const struct target *target, const struct options *options)
{
	hint_group(target);
	if (!options->persist || !persist_needs_initramfs())
		return;
	message("an initramfs may bind the host's driver first: update-initramfs -u -k all");
}

int command_bind(const struct options *options)
{
	static const struct action bind = {
		.verb = "bind",
		.in_turn = true,
		.check_target = check_target,
		.check = check,
		.prepare = prepare,
		.one = take,
		.hint = hint,
	};

	return action_run(&bind, options);
}

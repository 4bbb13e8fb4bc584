// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl bind: devices to vfio-pci.
 */
#include <string.h>

#include "vfioctl.h"

static int check(const struct device *device, const struct options *options)
{
	struct text what = {};
	int status = STATUS_OK;

	if (!options->force && use_by_host(device, &what))
		status = failure(STATUS_BUSY, "%s: the host uses it: %s (--force takes it)",
				 device->name, what.bytes);
	text_free(&what);
	return status;
}

static int prepare(const struct steps *steps)
{
	if (step_load(steps, VFIO_DRIVER) < 0)
		return failure(STATUS_FAILED, "modprobe %s failed; vfioctl doctor may know why",
			       VFIO_DRIVER);
	return STATUS_OK;
}

static int take(const struct steps *steps, const struct device *device,
		const struct options *options)
{
	int status = binding_take(steps, device);
	int error;

	if (status || !options->persist)
		return status;
	error = persist_set(steps, device);
	if (error)
		return failure(status_of(error), "%s: writing its udev rule: %s", device->name,
			       strerror(-error));
	return STATUS_OK;
}

/* Nothing is wrong, but a program could not use it yet. */
static void hint(const struct target *target)
{
	struct group group;

	if (target->group.id < 0) {
		message("no IOMMU watches %s: programs cannot use it; see vfioctl doctor",
			target->device);
		return;
	}
	if (group_load(&group, target->group.id) && group.blockers.count)
		message("group %d is not viable because of %s; vfioctl bind %d binds all of it",
			group.id, group.blockers.name[0], group.id);
	group_free(&group);
}

int command_bind(const struct options *options)
{
	static const struct action bind = { check, prepare, take, hint };

	return action_run(&bind, options);
}

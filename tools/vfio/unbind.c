// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl unbind: devices back to the host.
 */
#include <string.h>

#include "vfioctl.h"

static int check(const struct device *device, const struct options *options)
{
	struct module module;

	if (options->after == AFTER_UNSET || strcmp(device->driver, VFIO_DRIVER))
		return STATUS_OK;
	module_load(&module);
	if (module.flavour == VFIO_STANDALONE)
		return STATUS_OK;
	return failure(STATUS_FAILED,
		       "the %s VFIO has no --after: unbind waits for the program that has %s",
		       flavour_name(module.flavour), device->name);
}

static int forget(const struct steps *steps, const struct device *device)
{
	bool stale = persist_is_in_initramfs(device);
	int error = persist_clear(steps, device);

	if (error)
		return failure_of(error, "%s: removing its udev rule", device->name);
	if (stale && !steps->dry)
		message("%s: the initramfs has the rule yet: update-initramfs -u -k all",
			device->name);
	return STATUS_OK;
}

static int give(const struct steps *steps, const struct device *device,
		const struct options *options)
{
	int status = binding_give(steps, device, options->after);

	return status || !options->persist ? status : forget(steps, device);
}

/* A device that is gone, or that has another address now, may have a rule yet. */
static bool has_only_rule(const char *text, struct device *device)
{
	return device_parse(text, device->name, sizeof(device->name)) &&
	       !tree_has("/sys/bus/pci/devices/%s", device->name) && persist_has(device);
}

int command_unbind(const struct options *options)
{
	static const struct action unbind = { .verb = "unbind", .check = check, .one = give };
	struct device device = {};

	if (options->persist && has_only_rule(options->target, &device))
		return action_without_device(forget, &device, options);
	return action_run(&unbind, options);
}

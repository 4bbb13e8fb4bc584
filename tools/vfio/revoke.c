// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl revoke: take devices from the programs that have them. They stay with vfio-pci.
 */
#include <string.h>

#include "vfioctl.h"

static bool is_others(const struct device *device)
{
	return strcmp(device->driver, VFIO_DRIVER);
}

static int check(const struct device *device, const struct options *options)
{
	struct module module;

	(void)options;
	if (is_others(device))
		return failure(STATUS_FAILED, "%s: not bound to %s", device->name, VFIO_DRIVER);
	module_load(&module);
	if (module.flavour != VFIO_STANDALONE)
		return failure(STATUS_FAILED, "the %s VFIO cannot take %s from a program; end it",
			       flavour_name(module.flavour), device->name);
	return STATUS_OK;
}

static int renew(const struct steps *steps, const struct device *device,
		 const struct options *options)
{
	return binding_renew(steps, device, options->after == AFTER_UNSET ? 0 : options->after);
}

int command_revoke(const struct options *options)
{
	static const struct action revoke = {
		.verb = "revoke",
		.passes = is_others,
		.check = check,
		.one = renew,
	};

	return action_run(&revoke, options);
}

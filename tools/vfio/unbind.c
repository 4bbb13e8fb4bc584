// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl unbind: devices back to the host.
 */
#include <string.h>

#include "vfioctl.h"

static int give(const struct steps *steps, const struct device *device,
		const struct options *options)
{
	int status = binding_give(steps, device, options->after);
	int error;

	if (status || !options->persist)
		return status;
	error = persist_clear(steps, device);
	if (error)
		return failure(status_of(error), "%s: removing its udev rule: %s", device->name,
			       strerror(-error));
	return STATUS_OK;
}

int command_unbind(const struct options *options)
{
	static const struct action unbind = { .one = give };

	return action_run(&unbind, options);
}

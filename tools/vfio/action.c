// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bind, unbind and revoke have in common: they look at all devices that are meant, then change
 * one after the other until one fails, and answer with what they did, or would do, and how the
 * devices are now.
 */
#include "vfioctl.h"

/* What was done before a device failed stays done: which devices, and whose they are now. */
static void say_done(const struct target *target, bool whole_group, const struct device *failed)
{
	const struct device *one = target->group.devices;
	struct text done = {};

	for (; one < failed; one++) {
		struct device now;

		if (!target_has(target, one, whole_group) || !device_load(&now, one->name))
			continue;
		text_add(&done, "%s%s (%s now)", done.length ? ", " : "", now.name,
			 now.driver[0] ? now.driver : "no driver");
	}
	if (done.length)
		message("done before that: %s", done.bytes);
	text_free(&done);
}

static int each(const struct action *action, const struct target *target,
		const struct options *options, const struct steps *steps, bool check)
{
	size_t i;

	for (i = 0; i < target->group.count; i++) {
		const struct device *device = &target->group.devices[i];
		int status = STATUS_OK;

		if (!target_has(target, device, options->group))
			continue;
		if (!check)
			status = action->one(steps, device, options);
		else if (action->check)
			status = action->check(device, options);
		if (status && !check && !options->dry)
			say_done(target, options->group, device);
		if (status)
			return status;
	}
	return STATUS_OK;
}

static void report(const struct target *target, bool whole_group)
{
	size_t i;

	json_open("devices", '[');
	for (i = 0; i < target->group.count; i++) {
		struct device device;

		if (target_has(target, &target->group.devices[i], whole_group) &&
		    device_load(&device, target->group.devices[i].name))
			json_device(NULL, &device);
	}
	json_close(']');
}

static int change(const struct action *action, const struct target *target,
		  const struct options *options)
{
	struct steps steps = { .dry = options->dry, .json = options->json };
	int status = STATUS_OK;

	if (options->json) {
		json_open(NULL, '{');
		json_open("steps", '[');
	}
	if (action->prepare)
		status = action->prepare(&steps);
	if (!status)
		status = each(action, target, options, &steps, false);
	if (options->json) {
		json_close(']');
		report(target, options->group);
		json_close('}');
		json_end();
	}
	if (!status && !options->dry && action->hint)
		action->hint(target, options);
	return status;
}

/* Run an action on what the options name. A status. */
int action_run(const struct action *action, const struct options *options)
{
	struct target target;
	int status = target_load(&target, options->target);

	if (!status && action->check_target)
		status = action->check_target(&target, options);
	if (!status)
		status = each(action, &target, options, NULL, true);
	if (!status)
		status = change(action, &target, options);
	group_free(&target.group);
	return status;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What bind, unbind and revoke have in common: they look at all devices that are meant, then change
 * one after the other until one fails, and answer with what they did, or would do, and how the
 * devices are now.
 */
#include <errno.h>
#include <sys/file.h>

#include "vfioctl.h"

/* Of a group an action may pass over a device; who names it means it. */
static bool is_meant(const struct action *action, const struct target *target,
		     const struct device *device, const struct options *options)
{
	if (!target_has(target, device, options->group))
		return false;
	return !action->passes || !target_is_group(target, options->group) ||
	       !action->passes(device);
}

static int check_any(const struct action *action, const struct target *target,
		     const struct options *options)
{
	size_t i;

	for (i = 0; i < target->group.count; i++)
		if (is_meant(action, target, &target->group.devices[i], options))
			return STATUS_OK;
	return failure(STATUS_FAILED, "group %d has no device to %s", target->group.id,
		       action->verb);
}

/* What was done before a device failed stays done: which devices, and whose they are now. */
static void say_done(const struct action *action, const struct target *target,
		     const struct options *options, const struct device *failed)
{
	const struct device *one = target->group.devices;
	struct text done = {};

	for (; one < failed; one++) {
		struct device now;

		if (!is_meant(action, target, one, options) || !device_load(&now, one->name))
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

		if (!is_meant(action, target, device, options))
			continue;
		if (!check)
			status = action->one(steps, device, options);
		else if (action->check)
			status = action->check(device, options);
		if (status && !check && !options->dry)
			say_done(action, target, options, device);
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

/* As JSON: "steps" is open until the answer is closed. */
static void open_answer(const struct options *options)
{
	if (!options->json)
		return;
	json_open(NULL, '{');
	json_open("steps", '[');
}

static void close_answer(const struct target *target, const struct options *options)
{
	if (!options->json)
		return;
	json_close(']');
	report(target, options->group);
	json_close('}');
	json_end();
}

static int change(const struct action *action, const struct target *target,
		  const struct options *options)
{
	struct steps steps = { .dry = options->dry, .json = options->json };
	int status = STATUS_OK;

	open_answer(options);
	if (action->prepare)
		status = action->prepare(&steps);
	if (!status)
		status = each(action, target, options, &steps, false);
	close_answer(target, options);
	if (!status && !options->dry && action->hint)
		action->hint(target, options);
	return status;
}

/*
 * Waits for another that is at it, before it looks at anything: of two that take a device from its
 * driver, one would undo what the other did. Who may not make the file may change nothing either.
 */
static void wait_for_turn(void)
{
	int fd = tree_open_private("/run/vfioctl.lock");

	if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
		return;
	message("waiting for another vfioctl, which has /run/vfioctl.lock");
	flock(fd, LOCK_EX);
}

/* Run an action on what the options name. A status. */
int action_run(const struct action *action, const struct options *options)
{
	struct target target;
	int status;

	if (action->in_turn && !options->dry)
		wait_for_turn();
	status = target_load(&target, options->target);
	if (!status)
		status = check_any(action, &target, options);
	if (!status && action->check_target)
		status = action->check_target(&target, options);
	if (!status)
		status = each(action, &target, options, NULL, true);
	if (!status)
		status = change(action, &target, options);
	group_free(&target.group);
	return status;
}

/* What there is to do for a device that is not there; @device has its name alone. A status. */
int action_without_device(int (*one)(const struct steps *steps, const struct device *device),
			  const struct device *device, const struct options *options)
{
	struct steps steps = { .dry = options->dry, .json = options->json };
	const struct target nothing = {};
	int status;

	open_answer(options);
	status = one(&steps, device);
	close_answer(&nothing, options);
	return status;
}

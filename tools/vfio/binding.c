// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of a device: from the host's to vfio-pci, back, and vfio-pci's once more. What fails
 * is undone as far as it goes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

static int write_to(const struct steps *steps, const char *content, const char *folder,
		    const char *name, const char *attribute)
{
	char path[256];

	snprintf(path, sizeof(path), "/sys/bus/pci/%s/%s/%s", folder, name, attribute);
	return step_write(steps, content, path);
}

static int set_override(const struct steps *steps, const struct device *device, const char *driver)
{
	char line[NAME_SIZE + 1];

	snprintf(line, sizeof(line), "%s\n", driver);
	return write_to(steps, line, "devices", device->name, "driver_override");
}

static int detach(const struct steps *steps, const struct device *device)
{
	if (!device->driver[0])
		return 0;
	return write_to(steps, device->name, "drivers", device->driver, "unbind");
}

static bool may_detach(const struct device *device)
{
	return tree_may_write("/sys/bus/pci/drivers/%s/unbind", device->driver);
}

static int probe(const struct steps *steps, const struct device *device)
{
	return step_write(steps, device->name, "/sys/bus/pci/drivers_probe");
}

static bool has_driver(const struct device *device, const char *driver)
{
	char now[NAME_SIZE];

	return tree_link(now, sizeof(now), "/sys/bus/pci/devices/%s/driver", device->name) &&
	       !strcmp(now, driver);
}

static bool is_loaded(const char *driver)
{
	return driver[0] && tree_has("/sys/bus/pci/drivers/%s", driver);
}

static int not_taken(const struct device *device, const char *driver)
{
	return failure(STATUS_FAILED, "%s: %s did not take it; the kernel's log says why (dmesg)",
		       device->name, driver);
}

/*
 * A device that had a driver before has one again, and nobody needs to remember which it was; or
 * people learn why not, and can try again.
 */
static void settle(const struct steps *steps, const struct device *device, const char *former)
{
	if (steps->dry || !former[0] || tree_has("/sys/bus/pci/devices/%s/driver", device->name))
		former_forget(steps, device);
	else if (is_loaded(former))
		not_taken(device, former);
	else
		message("%s: no driver took it: modprobe %s", device->name, former);
}

/* The host's driver first: a mark for vfio-pci, if that was there, would keep it away. */
static void undo_take(const struct steps *steps, const struct device *device)
{
	set_override(steps, device, "");
	if (device->driver[0]) {
		write_to(steps, device->name, "drivers", device->driver, "bind");
		settle(steps, device, device->driver);
	}
	if (device->override[0])
		set_override(steps, device, device->override);
}

/* Give a device to vfio-pci. A status. */
int binding_take(const struct steps *steps, const struct device *device)
{
	int error, status;

	if (!strcmp(device->driver, VFIO_DRIVER))
		return STATUS_OK;
	error = set_override(steps, device, VFIO_DRIVER);
	if (error)
		return failure_of(error, "%s: driver_override", device->name);
	former_remember(steps, device);
	error = detach(steps, device);
	if (!error)
		error = probe(steps, device);
	if (!error && (steps->dry || has_driver(device, VFIO_DRIVER)))
		return STATUS_OK;

	status = error ? failure_of(error, "%s: taking it from its driver", device->name) :
		 not_taken(device, VFIO_DRIVER);
	undo_take(steps, device);
	return status;
}

static int set_deadline(const struct steps *steps, const struct device *device, int after)
{
	char path[256], number[16];

	if (after == AFTER_UNSET || !device->vfio[0])
		return 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vfio-dev/%s/revoke_after_ms",
		 device->name, device->vfio);
	snprintf(number, sizeof(number), "%d", after);
	return step_write(steps, number, path);
}

static void say_who_has_it(const struct device *device)
{
	char *lines = tree_read("/sys/bus/pci/devices/%s/vfio-dev/%s/holders", device->name,
				device->vfio);
	struct holders holders = {};
	struct text text = {};

	holders_parse(&holders, lines);
	holders_text(&holders, &text);
	if (text.length)
		message("%s: asking for it: %s", device->name, text.bytes);
	text_free(&text);
	holders_free(&holders);
	free(lines);
}

static int release(const struct steps *steps, const struct device *device, int after)
{
	int error = set_deadline(steps, device, after);

	if (error)
		return failure_of(error, "%s: revoke_after_ms", device->name);
	if (device->vfio[0] && !steps->dry && may_detach(device))
		say_who_has_it(device);
	error = detach(steps, device);
	return error ? failure_of(error, "%s: unbind", device->name) : STATUS_OK;
}

/* The former driver, if it is known and takes it; else whichever does. */
static void attach_former(const struct steps *steps, const struct device *device)
{
	char former[NAME_SIZE];

	former_recall(device, former, sizeof(former));
	if (!is_loaded(former) || write_to(steps, device->name, "drivers", former, "bind"))
		probe(steps, device);
	settle(steps, device, former);
}

/* Has an unbind left the device without the driver that it had? */
static bool is_lost(const struct device *device)
{
	char former[NAME_SIZE];

	return !device->driver[0] && former_recall(device, former, sizeof(former));
}

/*
 * Give a device back to the host, whose users lose it after @after milliseconds. One that a driver
 * of the host has only loses the mark that it was meant for vfio-pci. The mark goes when vfio-pci
 * has let go: what is interrupted before that, or fails, can be done again. A status.
 */
int binding_give(const struct steps *steps, const struct device *device, int after)
{
	bool ours = !strcmp(device->driver, VFIO_DRIVER);
	bool meant = ours || !strcmp(device->override, VFIO_DRIVER);
	int status = STATUS_OK, error = 0;

	if (!meant && !is_lost(device))
		return STATUS_OK;
	if (ours)
		status = release(steps, device, after);
	if (status)
		return status;
	if (meant)
		error = set_override(steps, device, "");
	if (error)
		return failure_of(error, "%s: driver_override", device->name);
	if (ours || !device->driver[0])
		attach_former(steps, device);
	else
		former_forget(steps, device);
	return STATUS_OK;
}

/* Take a device from its users; it stays with vfio-pci, for the next one. A status. */
int binding_renew(const struct steps *steps, const struct device *device, int after)
{
	int status = release(steps, device, after);
	int error;

	if (status)
		return status;
	error = write_to(steps, device->name, "drivers", VFIO_DRIVER, "bind");
	return error ? failure_of(error, "%s: binding it again", device->name) : STATUS_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is to be bound at each boot: one udev rule for each device, by its address. It comes before
 * the rule that loads the device's own driver. That is no promise: each device has its own event,
 * and a driver that is there already, or was loaded for another device, may have this one before
 * its rule runs. The rule takes it from nobody; who must be first sets driver_override before udev
 * begins, as the initramfs of vfio-dkms does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

static void file_of(const struct device *device, char *path, size_t size)
{
	snprintf(path, size, "/etc/udev/rules.d/60-vfioctl-%s.rules", device->name);
}

static bool is_in_file(const char *path, const char *rule)
{
	char *content = tree_read("%s", path);
	bool is = content && !strcmp(content, rule);

	free(content);
	return is;
}

/* A rule that is there keeps its time, by which an image that has it is known. 0 or -errno. */
int persist_set(const struct steps *steps, const struct device *device)
{
	struct text rule = {};
	char path[128];
	int error = 0;

	file_of(device, path, sizeof(path));
	text_add(&rule, "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"%s\"", device->name);
	text_add(&rule, ", ATTR{vendor}==\"0x%04x\"", device->vendor);
	text_add(&rule, ", ATTR{device}==\"0x%04x\"", device->device);
	text_add(&rule, ", ATTR{driver_override}=\"%s\"", VFIO_DRIVER);
	/* A driver that is there already does not look at the device again by itself. */
	text_add(&rule, ", ATTR{[subsystem/pci]drivers_probe}=\"%s\"", device->name);
	text_add(&rule, ", RUN{builtin}+=\"kmod load %s\"\n", VFIO_DRIVER);
	if (!is_in_file(path, rule.bytes))
		error = step_create(steps, rule.bytes, path);
	text_free(&rule);
	return error;
}

/* Does this machine make initramfs images that take along all rules that are there by then? */
bool persist_needs_initramfs(void)
{
	return tree_has("/usr/share/initramfs-tools/hooks/udev");
}

/* An image that is older than the rule has not got it. */
bool persist_is_in_initramfs(const struct device *device)
{
	struct names files = tree_names("/boot");
	char path[128];
	bool has = false;
	long long made;
	size_t i;

	file_of(device, path, sizeof(path));
	made = tree_time("%s", path);
	if (made >= 0 && persist_needs_initramfs())
		for (i = 0; i < files.count && !has; i++)
			has = !strncmp(files.name[i], "initrd.img-", 11) &&
			      tree_time("/boot/%s", files.name[i]) >= made;
	names_free(&files);
	return has;
}

bool persist_has(const struct device *device)
{
	char path[128];

	file_of(device, path, sizeof(path));
	return tree_has("%s", path);
}

/* 0 or -errno. */
int persist_clear(const struct steps *steps, const struct device *device)
{
	char path[128];

	if (!persist_has(device))
		return 0;
	file_of(device, path, sizeof(path));
	return step_remove(steps, path);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PCI function, as /sys/bus/pci/devices/BDF has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

#define CLASS_BRIDGE 0x06

/* Drivers that leave DMA to whoever owns the group: they hinder nobody. */
static const char * const harmless[] = { VFIO_DRIVER, "pcieport", "pci-stub", "shpchp" };

/*
 * "6:d.0", "06:0d.0" or "0000:06:0d.0" → the kernel's name. False where it is none of these. A
 * number that is too large for any type is the largest of its own.
 */
bool device_parse(const char *text, char *name, size_t size)
{
	unsigned long domain = 0, bus, slot, function;
	int end = 0;

	if (text[strspn(text, "0123456789abcdefABCDEF:.")])
		return false;
	if (sscanf(text, "%lx:%lx:%lx.%lx%n", &domain, &bus, &slot, &function, &end) != 4 ||
	    text[end]) {
		domain = 0;
		end = 0;
		if (sscanf(text, "%lx:%lx.%lx%n", &bus, &slot, &function, &end) != 3 || text[end])
			return false;
	}
	if (domain > 0xffffffff || bus > 0xff || slot > 0x1f || function > 7)
		return false;
	snprintf(name, size, "%04lx:%02lx:%02lx.%lx", domain, bus, slot, function);
	return true;
}

static unsigned int number(const char *name, const char *attribute)
{
	char line[NAME_SIZE];

	tree_line(line, sizeof(line), "/sys/bus/pci/devices/%s/%s", name, attribute);
	return strtoul(line, NULL, 16);
}

static void find_vfio(struct device *device)
{
	struct names names = tree_names("/sys/bus/pci/devices/%s/vfio-dev", device->name);

	device->vfio[0] = '\0';
	if (names.count)
		snprintf(device->vfio, sizeof(device->vfio), "%s", names.name[0]);
	names_free(&names);
}

/* False when there is no such device. */
bool device_load(struct device *device, const char *name)
{
	char group[NAME_SIZE];

	if (!tree_has("/sys/bus/pci/devices/%s", name))
		return false;
	snprintf(device->name, sizeof(device->name), "%s", name);
	tree_link(device->driver, sizeof(device->driver), "/sys/bus/pci/devices/%s/driver", name);
	tree_line(device->override, sizeof(device->override),
		  "/sys/bus/pci/devices/%s/driver_override", name);
	if (!strcmp(device->override, "(null)"))
		device->override[0] = '\0';
	device->vendor = number(name, "vendor");
	device->device = number(name, "device");
	device->class = number(name, "class");
	names_of_device(device->vendor, device->device, device->label, sizeof(device->label));
	find_vfio(device);
	device->group = -1;
	if (tree_link(group, sizeof(group), "/sys/bus/pci/devices/%s/iommu_group", name))
		device->group = atoi(group);
	return true;
}

/* PCI-to-PCI and host bridges, which are never given to a program. */
bool device_is_bridge(const struct device *device)
{
	return device->class >> 16 == CLASS_BRIDGE;
}

/* Does the device's driver keep its group from being used? */
bool device_hinders(const struct device *device)
{
	size_t i;

	if (!device->driver[0] || device->vfio[0])
		return false;
	for (i = 0; i < ARRAY_SIZE(harmless); i++)
		if (!strcmp(device->driver, harmless[i]))
			return false;
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Why do devices share a group? Either a conventional bus is between them and the IOMMU, or a port,
 * or a device of several functions, does not promise to keep them apart (PCIe Access Control
 * Services). Root alone may read as much of config space as tells.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

#define CLASS_PCI_BRIDGE	0x0604
#define CONFIG_SIZE	4096
#define CAP_EXPRESS	0x10
#define ECAP_ACS	0x000d
#define EXPRESS_TYPE_TO_PCI	7
/* Source validation, request and completion redirection, upstream forwarding. */
#define ACS_ISOLATING	0x1d

struct config {
	unsigned char bytes[CONFIG_SIZE];
	size_t size;
};

static unsigned int word(const struct config *config, size_t at)
{
	return at + 1 < config->size ? config->bytes[at] | config->bytes[at + 1] << 8 : 0;
}

static void load(struct config *config, const char *device)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", device);
	config->size = tree_bytes(config->bytes, sizeof(config->bytes), path);
}

/* Where the PCI Express capability is; 0: there is none. Lists of a broken device end, too. */
static size_t express(const struct config *config)
{
	bool has_list = word(config, 0x06) & 0x10 && config->size > 0x34;
	size_t at = has_list ? config->bytes[0x34] & 0xfc : 0;
	int limit = 48;

	while (at && limit-- && (word(config, at) & 0xff) != CAP_EXPRESS)
		at = word(config, at) >> 8 & 0xfc;
	return limit > 0 ? at : 0;
}

static bool is_conventional_bridge(const struct config *config)
{
	size_t at = express(config);

	return !at || (word(config, at + 2) >> 4 & 0xf) == EXPRESS_TYPE_TO_PCI;
}

static bool isolates(const struct config *config)
{
	size_t at = 0x100;
	int limit = 512;

	while (at && limit-- && at + 7 < config->size) {
		if (word(config, at) == ECAP_ACS) {
			unsigned int wanted = word(config, at + 4) & ACS_ISOLATING;

			return (word(config, at + 6) & wanted) == wanted;
		}
		at = word(config, at + 2) >> 4 & 0xffc;
	}
	return false;
}

/* Other bridges, to the processor or to the ISA bus, have no PCI devices below them. */
static bool is_pci_bridge(const struct device *device)
{
	return device->class >> 8 == CLASS_PCI_BRIDGE;
}

/* True when the bridge is the reason. */
static bool explain_bridge(const char *name, struct text *why)
{
	size_t before = why->length;
	struct config config;

	load(&config, name);
	if (config.size < 256)
		text_add(why, "below bridge %s (run as root to see more)", name);
	else if (is_conventional_bridge(&config))
		text_add(why, "behind the conventional PCI bridge %s", name);
	else if (config.size < CONFIG_SIZE)
		text_add(why, "below port %s (run as root to see more)", name);
	else if (!isolates(&config))
		text_add(why, "port %s has no ACS", name);
	return why->length > before;
}

/* The bridges above a device, from the nearest up; stops at the first that is the reason. */
static bool explain_parents(const char *device, struct text *why)
{
	char *path = tree_resolve("/sys/bus/pci/devices/%s", device);
	char *slash, name[NAME_SIZE];
	bool found = false;

	while (path && !found) {
		slash = strrchr(path, '/');
		if (!slash)
			break;
		*slash = '\0';
		slash = strrchr(path, '/');
		if (!slash || !device_parse(slash + 1, name, sizeof(name)))
			break;
		found = explain_bridge(name, why);
	}
	free(path);
	return found;
}

static bool share_slot(const struct group *group)
{
	size_t length, i;

	for (i = 1; i < group->count; i++) {
		length = strcspn(group->devices[0].name, ".");
		if (strncmp(group->devices[0].name, group->devices[i].name, length + 1))
			return false;
	}
	return true;
}

/* Adds to @why the reason, as half a sentence; a group of one device has none. */
void acs_explain(const struct group *group, struct text *why)
{
	size_t i;

	if (group->count < 2)
		return;
	if (share_slot(group)) {
		text_add(why, "functions of one device without ACS");
		return;
	}
	for (i = 0; i < group->count; i++)
		if (is_pci_bridge(&group->devices[i]) &&
		    explain_bridge(group->devices[i].name, why))
			return;
	for (i = 0; i < group->count; i++)
		if (explain_parents(group->devices[i].name, why))
			return;
	text_add(why, "the IOMMU cannot tell them apart");
}

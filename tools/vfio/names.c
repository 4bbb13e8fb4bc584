// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of PCI devices, from the pci.ids file where the distribution has it. A vendor is a line
 * "8086  Intel Corporation"; its devices follow, each a line with a tab before.
 */
#include <stdio.h>
#include <string.h>

#include "vfioctl.h"

static const char *file(void)
{
	static char *content;
	static bool asked;

	if (!asked) {
		content = tree_read("/usr/share/misc/pci.ids");
		asked = true;
	}
	return content;
}

/* The name on the line that begins with @prefix, from @from on, before a line of a higher level. */
static const char *entry(const char *from, const char *prefix, size_t *length)
{
	size_t size = strlen(prefix);
	const char *line = from;

	while (line && *line) {
		if (prefix[0] == '\t' && line[0] != '\t' && line[0] != '#' && line[0] != '\n')
			return NULL;
		if (!strncmp(line, prefix, size)) {
			line += size;
			line += strspn(line, " ");
			*length = strcspn(line, "\n");
			return line;
		}
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return NULL;
}

/* "Vendor Device"; numbers for what has no name. */
void names_of_device(unsigned int vendor, unsigned int device, char *buf, size_t size)
{
	const char *vendor_name, *device_name = NULL;
	size_t vendor_length = 0, device_length = 0;
	char prefix[16];

	snprintf(prefix, sizeof(prefix), "%04x ", vendor & 0xffff);
	vendor_name = entry(file(), prefix, &vendor_length);
	if (vendor_name) {
		const char *next = vendor_name + vendor_length;

		snprintf(prefix, sizeof(prefix), "\t%04x ", device & 0xffff);
		device_name = entry(*next ? next + 1 : next, prefix, &device_length);
	}
	if (!vendor_name)
		snprintf(buf, size, "%04x:%04x", vendor, device);
	else if (!device_name)
		snprintf(buf, size, "%.*s %04x", (int)vendor_length, vendor_name, device);
	else
		snprintf(buf, size, "%.*s %.*s", (int)vendor_length, vendor_name,
			 (int)device_length, device_name);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VFIO the kernel has loaded: the standalone modules, which know how long they wait for who
 * has a device, or the distribution's own.
 */

#include "vfioctl.h"

void module_load(struct module *module)
{
	module->flavour = VFIO_NONE;
	tree_line(module->version, sizeof(module->version), "/sys/module/vfio/version");
	if (tree_has("/sys/module/vfio/parameters/revoke_after_ms"))
		module->flavour = VFIO_STANDALONE;
	else if (tree_has("/sys/module/vfio"))
		module->flavour = VFIO_IN_TREE;
}

const char *flavour_name(enum flavour flavour)
{
	static const char * const names[] = {
		[VFIO_NONE] = "none",
		[VFIO_STANDALONE] = "standalone",
		[VFIO_IN_TREE] = "in-tree",
	};

	return names[flavour];
}

bool module_parameter_is_on(const char *module, const char *parameter)
{
	char line[NAME_SIZE];

	return tree_line(line, sizeof(line), "/sys/module/%s/parameters/%s", module, parameter) &&
	       (line[0] == 'Y' || line[0] == '1');
}

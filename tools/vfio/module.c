// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VFIO the kernel has loaded: the standalone modules, which know how long they wait for who
 * has a device, or the distribution's own.
 */

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "vfioctl.h"

/* Where .modinfo is in a module's file. */
#define MODULE_BYTES (4 << 20)

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

/* The version that a module's file says it is; empty where it does not. */
static void file_version(const char *path, char *version, size_t size)
{
	static const char mark[] = "\0version=";
	unsigned char *bytes = calloc(1, MODULE_BYTES + 1);
	size_t length = bytes ? tree_bytes(bytes, MODULE_BYTES, path) : 0;
	const char *found = memmem(bytes, length, mark, sizeof(mark) - 1);

	if (found)
		snprintf(version, size, "%s", found + sizeof(mark) - 1);
	free(bytes);
}

/*
 * The version that DKMS has installed for a kernel; empty where it is not DKMS's. It has a link by
 * the kernel's name to the folder VERSION/KERNEL/MACHINE.
 */
static void dkms_version(const struct utsname *kernel, char *version, size_t size)
{
	char *folder = tree_resolve("/var/lib/dkms/vfio/kernel-%s-%s", kernel->release,
				    kernel->machine);

	if (!folder)
		return;
	snprintf(version, size, "%s", basename(dirname(dirname(folder))));
	free(folder);
}

/*
 * Is there a file of ours for the running kernel, and of which version? One that is compressed, as
 * the modules of newer kernels are, cannot be asked: only what DKMS installed has a version then.
 */
bool module_installed(char *version, size_t size)
{
	static const char * const folders[] = { "updates/dkms", "updates" };
	static const char * const suffixes[] = { "", ".xz", ".zst", ".gz" };
	struct utsname name;
	size_t i;

	version[0] = '\0';
	uname(&name);
	for (i = 0; i < ARRAY_SIZE(folders) * ARRAY_SIZE(suffixes); i++) {
		const char *suffix = suffixes[i % ARRAY_SIZE(suffixes)];
		char path[256];

		snprintf(path, sizeof(path), "/lib/modules/%s/%s/vfio.ko%s", name.release,
			 folders[i / ARRAY_SIZE(suffixes)], suffix);
		if (!tree_has("%s", path))
			continue;
		if (!suffix[0])
			file_version(path, version, size);
		else if (strstr(path, "/dkms/"))
			dkms_version(&name, version, size);
		return true;
	}
	return false;
}

/* The other modules that are loaded in another version than vfio, "vfio_pci 0.2" each. */
void module_strangers(const struct module *module, struct text *strangers)
{
	static const char * const others[] = { "vfio_iommu_type1", "vfio_pci" };
	char version[NAME_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (tree_line(version, sizeof(version), "/sys/module/%s/version", others[i]) &&
		    strcmp(version, module->version))
			text_add(strangers, ", %s %s", others[i], version);
	}
}

bool module_parameter_is_on(const char *module, const char *parameter)
{
	char line[NAME_SIZE];

	return tree_line(line, sizeof(line), "/sys/module/%s/parameters/%s", module, parameter) &&
	       (line[0] == 'Y' || line[0] == '1');
}

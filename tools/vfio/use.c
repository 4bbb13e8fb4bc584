// SPDX-License-Identifier: GPL-2.0-only
/*
 * Does the host use a device that is about to be taken from it? A disk is used when it, or a part
 * of it, is mounted, swapped to, one of a mounted btrfs, below another disk, claimed by whatever
 * else in the kernel, or open by a process, be it past the block layer; also when it is one path of
 * an NVMe disk of several. A
 * network interface is used when it is part of another, has a route, is up with an address that
 * somebody gave it, or belongs to another network namespace, where nothing of it can be seen. A
 * physical function is used while it has virtual ones, which may be anybody's.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <net/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfioctl.h"

/* Says how the host uses what has this name; false where it does not. */
typedef bool (*rule)(const char *name, struct text *how);

static bool is_below(const char *class, const char *name, const char *folder)
{
	char *path = tree_resolve("/sys/class/%s/%s", class, name);
	size_t length = strlen(folder);
	bool below = path && !strncmp(path, folder, length) && path[length] == '/';

	free(path);
	return below;
}

static bool file_says(const char *path, const char *word)
{
	char *content = tree_read("%s", path);
	bool says = content && strstr(content, word);

	free(content);
	return says;
}

static bool say_if(bool used, const char *words, struct text *how)
{
	if (used)
		text_add(how, "%s", words);
	return used;
}

/* "below A B", of the names in a folder that begin with @prefix. */
static bool say_below(const struct names *names, const char *prefix, struct text *how)
{
	size_t length = strlen(prefix), i;

	for (i = 0; i < names->count; i++)
		if (!strncmp(names->name[i], prefix, length))
			text_add(how, "%s%s", how->length ? " " : "below ",
				 names->name[i] + length);
	return how->length > 0;
}

static bool disk_is_mounted(const char *name, struct text *how)
{
	char number[NAME_SIZE], word[NAME_SIZE + 8];

	tree_line(number, sizeof(number), "/sys/class/block/%s/dev", name);
	snprintf(word, sizeof(word), " %s ", number);
	return say_if(number[0] && file_says("/proc/self/mountinfo", word), "mounted", how);
}

static bool disk_is_swap(const char *name, struct text *how)
{
	char word[NAME_SIZE + 8];

	snprintf(word, sizeof(word), "/dev/%.50s ", name);
	return say_if(file_says("/proc/swaps", word), "swap", how);
}

/* A btrfs has a number of its own in the list of mounts, and may be on several disks. */
static bool disk_is_in_btrfs(const char *name, struct text *how)
{
	struct names mounted = tree_names("/sys/fs/btrfs");
	bool used = false;
	size_t i;

	for (i = 0; i < mounted.count && !used; i++)
		used = tree_has("/sys/fs/btrfs/%s/devices/%s", mounted.name[i], name);
	names_free(&mounted);
	return say_if(used, "btrfs", how);
}

/* Device mapper (LVM, multipath, crypt) and md. */
static bool disk_has_holders(const char *name, struct text *how)
{
	struct names above = tree_names("/sys/class/block/%s/holders", name);
	bool used = say_below(&above, "", how);

	names_free(&above);
	return used;
}

/* sysfs writes the slash of a name as "!". */
static void node_of(const char *name, char *node, size_t size)
{
	char *mark = node;

	snprintf(node, size, "/dev/%s", name);
	while ((mark = strchr(mark, '!')))
		*mark = '/';
}

/* What claims a disk without a word in sysfs, and mounts of other namespaces. Root may ask. */
static bool disk_is_claimed(const char *name, struct text *how)
{
	char node[NAME_SIZE], *path;
	bool used;
	int fd;

	node_of(name, node, sizeof(node));
	path = tree_path("%s", node);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	used = fd < 0 && errno == EBUSY;
	if (fd >= 0)
		close(fd);
	free(path);
	return say_if(used, "in use", how);
}

/* A process need not claim what it reads and writes: a virtual machine on a disk does not. */
static bool disk_is_open(const char *name, struct text *how)
{
	struct holders holders = {};
	char node[NAME_SIZE];

	node_of(name, node, sizeof(node));
	holders_find(&holders, node);
	if (holders.count) {
		text_add(how, "open by ");
		holders_text(&holders, how);
	}
	holders_free(&holders);
	return how->length > 0;
}

/* VLANs, bridges, bonds and the like. */
static bool interface_has_uppers(const char *name, struct text *how)
{
	struct names links = tree_names("/sys/class/net/%s", name);
	bool used = say_below(&links, "upper_", how);

	names_free(&links);
	return used;
}

/* Those of its own addresses, its link and multicast the kernel makes for each that is up. */
static bool is_ipv6_route(unsigned int prefix, unsigned long flags)
{
	return flags & RTF_UP && !(flags & RTF_LOCAL) && (prefix & 0xffc0) != 0xfe80 &&
	       (prefix & 0xff00) != 0xff00;
}

/* The first 16 bits of where it goes tell enough. */
static bool has_ipv6_route(const char *name)
{
	char *table = tree_read("/proc/net/ipv6_route"), *line, *rest = table;
	bool has = false;

	while (table && !has && (line = strsep(&rest, "\n"))) {
		unsigned int prefix, flags;
		char owner[NAME_SIZE];

		has = sscanf(line, "%4x%*s %*x %*s %*x %*s %*x %*x %*x %x %63s", &prefix, &flags,
			     owner) == 3 && !strcmp(owner, name) && is_ipv6_route(prefix, flags);
	}
	free(table);
	return has;
}

static bool interface_has_route(const char *name, struct text *how)
{
	char word[NAME_SIZE + 8];

	snprintf(word, sizeof(word), "\n%.50s\t", name);
	return say_if(file_says("/proc/net/route", word) || has_ipv6_route(name), "a route", how);
}

/* The kernel itself gives each interface that is up an address of the link: it does not count. */
static bool has_ipv6(const char *name)
{
	char *table = tree_read("/proc/net/if_inet6"), *line, *rest = table;
	const unsigned int of_the_link = 0x20;
	bool has = false;

	while (table && !has && (line = strsep(&rest, "\n"))) {
		char owner[NAME_SIZE];
		unsigned int scope;

		has = sscanf(line, "%*s %*x %*x %x %*x %63s", &scope, owner) == 2 &&
		      scope != of_the_link && !strcmp(owner, name);
	}
	free(table);
	return has;
}

/* A second address may have a label of its own, "eth0:1". */
static bool has_ipv4(const char *name)
{
	struct ifaddrs *all, *one;
	size_t length = strlen(name);
	bool has = false;

	if (!tree_is_real() || getifaddrs(&all))
		return false;
	for (one = all; one && !has; one = one->ifa_next)
		has = one->ifa_addr && one->ifa_addr->sa_family == AF_INET &&
		      !strncmp(one->ifa_name, name, length) &&
		      (!one->ifa_name[length] || one->ifa_name[length] == ':');
	freeifaddrs(all);
	return has;
}

static bool interface_has_address(const char *name, struct text *how)
{
	char flags[NAME_SIZE];

	return tree_line(flags, sizeof(flags), "/sys/class/net/%s/flags", name) &&
	       strtoul(flags, NULL, 16) & IFF_UP &&
	       say_if(has_ipv4(name) || has_ipv6(name), "up, with an address", how);
}

static const rule disk_rules[] = {
	disk_is_mounted, disk_is_swap, disk_is_in_btrfs, disk_has_holders, NULL
};

static const rule claim_rules[] = { disk_is_claimed, disk_is_open, NULL };
static const rule open_rules[] = { disk_is_open, NULL };

static const rule interface_rules[] = {
	interface_has_uppers, interface_has_route, interface_has_address, NULL
};

/* The first rule that holds tells. */
static void judge(const char *name, const rule *rules, struct text *what)
{
	struct text how = {};

	for (; *rules; rules++) {
		if (!(*rules)(name, &how))
			continue;
		text_add(what, "%s%s (%s)", what->length ? ", " : "", name, how.bytes);
		break;
	}
	text_free(&how);
}

/* nvme0c1n2 is the path by controller 1 to the disk nvme0n2, which is below no controller. */
static bool is_path_to(const char *path, const char *name)
{
	unsigned int subsystem, controller, number;
	char disk[NAME_SIZE];
	int end = 0;

	if (sscanf(path, "nvme%uc%un%u%n", &subsystem, &controller, &number, &end) != 3 ||
	    path[end])
		return false;
	snprintf(disk, sizeof(disk), "nvme%un%u", subsystem, number);
	return !strcmp(disk, name) || tree_has("/sys/class/block/%s/%s", disk, name);
}

static bool has_path_below(const struct names *names, const char *name, const char *folder)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (is_path_to(names->name[i], name) && is_below("block", names->name[i], folder))
			return true;
	return false;
}

static void look(const char *class, const rule *rules, const char *folder, struct text *what)
{
	struct names names = tree_names("/sys/class/%s", class);
	size_t i;

	for (i = 0; i < names.count; i++)
		if (is_below(class, names.name[i], folder) ||
		    has_path_below(&names, names.name[i], folder))
			judge(names.name[i], rules, what);
	names_free(&names);
}

/* What is open counts where nothing else does: all processes have to be searched. */
static void look_for_claims(const char *folder, struct text *what)
{
	static const struct {
		const char *class;
		const rule *rules;
	} classes[] = {
		{ "block", claim_rules },
		{ "scsi_generic", open_rules },
		{ "nvme-generic", open_rules },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(classes) && !what->length; i++)
		look(classes[i].class, classes[i].rules, folder, what);
}

static bool is_empty(const char *folder)
{
	struct names names = tree_names("%s", folder);
	bool empty = !names.count;

	names_free(&names);
	return empty;
}

/* The folder of its interfaces is there, but sysfs shows only those of its own namespace. */
static bool interface_is_elsewhere(const char *folder)
{
	struct names below = tree_folders("%s", folder);
	bool elsewhere = false;
	size_t i;

	for (i = 0; i < below.count && !elsewhere; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", folder, below.name[i]);
		elsewhere = strcmp(below.name[i], "net") ? interface_is_elsewhere(path) :
							   is_empty(path);
	}
	names_free(&below);
	return elsewhere;
}

static void count_functions(const struct device *device, struct text *what)
{
	char line[NAME_SIZE];

	if (tree_line(line, sizeof(line), "/sys/bus/pci/devices/%s/sriov_numvfs", device->name) &&
	    atoi(line) > 0)
		text_add(what, "%s%d virtual function%s", what->length ? ", " : "", atoi(line),
			 atoi(line) > 1 ? "s" : "");
}

/* Adds the names of what is in use to @what, and how; false when nothing is. */
bool use_by_host(const struct device *device, struct text *what)
{
	char path[PATH_MAX], *folder;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", device->name);
	folder = strcmp(device->driver, VFIO_DRIVER) ? tree_resolve("%s", path) : NULL;
	if (folder) {
		look("block", disk_rules, folder, what);
		look_for_claims(folder, what);
		look("net", interface_rules, folder, what);
		if (interface_is_elsewhere(path))
			text_add(what, "%san interface in another network namespace",
				 what->length ? ", " : "");
		count_functions(device, what);
	}
	free(folder);
	return what->length > 0;
}

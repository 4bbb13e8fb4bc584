// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl status: all there is to see of a group or a device.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

/* Attributes of a device that are shown as they are: key, words for people, file. */
static const struct attribute {
	const char *key;
	const char *words;
	const char *file;
} attributes[] = {
	{ "reset_methods", "reset methods", "reset_method" },
	{ "power_state", "power state", "power_state" },
	{ "runtime_status", "runtime power", "power/runtime_status" },
	{ "d3cold_allowed", "D3cold allowed", "d3cold_allowed" },
	{ "numa_node", "NUMA node", "numa_node" },
	{ "sriov_numvfs", "VFs", "sriov_numvfs" },
	{ "sriov_totalvfs", "VFs at most", "sriov_totalvfs" },
};

static bool attribute_of(const struct device *device, const char *file, char *line, size_t size)
{
	return tree_line(line, size, "/sys/bus/pci/devices/%s/%s", device->name, file) && line[0];
}

static char *vfio_attribute(const struct device *device, const char *file)
{
	if (!device->vfio[0])
		return NULL;
	return tree_read("/sys/bus/pci/devices/%s/vfio-dev/%s/%s", device->name, device->vfio,
			 file);
}

/* The interrupts of a device that VFIO has requested: the number and the name of each. */
static void find_interrupts(const struct device *device, struct names *found)
{
	char *table = tree_read("/proc/interrupts"), *line, *rest = table;
	char wanted[NAME_SIZE + 2];

	snprintf(wanted, sizeof(wanted), "(%s", device->name);
	while (table && (line = strsep(&rest, "\n"))) {
		char *name = strstr(line, "vfio-"), text[NAME_SIZE * 2];

		if (!name || !strstr(name, wanted))
			continue;
		line += strspn(line, " ");
		snprintf(text, sizeof(text), "%.*s %s", (int)strcspn(line, ":"), line, name);
		names_add(found, text);
	}
	free(table);
}

static long kib_of(const char *status, const char *key)
{
	const char *line = status ? strstr(status, key) : NULL;

	return line ? atol(line + strlen(key)) : -1;
}

/*
 * Who opened the group, and who has it open. The kernel knows the former by a number, and a process
 * may pass on what it opened and go: then the number is nobody's or a stranger's, of whom nothing
 * is to be said.
 */
struct process {
	const struct holder *holder;
	enum fds fds;
	char *status;		/* NULL: not known */
	char limit[32];		/* empty: not known */
};

/* CAP_IPC_LOCK is no limit either, whatever the number says. */
static void json_process(const struct process *process)
{
	json_open(NULL, '{');
	json_number("pid", process->holder->pid);
	json_text("command", process->holder->command);
	if (process->fds == FDS_HIDDEN)
		json_null("holds");
	else
		json_bool("holds", process->fds == FDS_OF_VFIO);
	json_number("locked_kib", kib_of(process->status, "\nVmLck:"));
	json_number("pinned_kib", kib_of(process->status, "\nVmPin:"));
	if (!strcmp(process->limit, "unlimited"))
		json_null("locked_limit_kib");
	else
		json_number("locked_limit_kib",
			    process->limit[0] ? atoll(process->limit) / 1024 : -1);
	json_fds("fds", process->holder->pid);
	json_close('}');
}

static void print_memory(const struct process *process)
{
	long locked = kib_of(process->status, "\nVmLck:");

	if (locked < 0)
		return;
	printf(": %ld KiB locked", locked);
	if (!strcmp(process->limit, "unlimited"))
		printf(" (no limit)");
	else if (process->limit[0])
		printf(" (limit %lld KiB)", atoll(process->limit) / 1024);
	printf(", %ld KiB pinned", kib_of(process->status, "\nVmPin:"));
}

static void print_process(const struct process *process)
{
	static const char * const words[] = {
		[FDS_HIDDEN] = " (run as root to see more)",
		[FDS_OTHERS] = " opened it and has passed it on",
		[FDS_OF_VFIO] = "",
	};
	struct text command = {};

	text_add_printable(&command, process->holder->command);
	printf("  process %ld %s%s", process->holder->pid, text_or_empty(&command),
	       words[process->fds]);
	text_free(&command);
	print_memory(process);
	putchar('\n');
	print_fds(process->holder->pid);
}

static void show_process(const struct holder *holder, void (*show)(const struct process *process))
{
	struct process process = { .holder = holder, .fds = fds_of(holder->pid) };
	char pid[24];

	if (process.fds == FDS_OF_VFIO) {
		process.status = tree_read("/proc/%ld/status", holder->pid);
		snprintf(pid, sizeof(pid), "%ld", holder->pid);
		holder_memlock(pid, process.limit, sizeof(process.limit));
	}
	show(&process);
	free(process.status);
}

static void each_process(const struct group *group, void (*show)(const struct process *process))
{
	struct holders holders = {};
	size_t i;

	for (i = 0; i < group->holders.count; i++)
		holders_add(&holders, group->holders.holder[i].pid,
			    group->holders.holder[i].command);
	if (group->node[0])
		holders_find(&holders, group->node);
	for (i = 0; i < holders.count; i++)
		show_process(&holders.holder[i], show);
	holders_free(&holders);
}

static void json_details(const struct device *device)
{
	struct holders holders = {};
	struct names names = {};
	char line[256], *text;
	size_t i;

	json_open(NULL, '{');
	json_text("device", device->name);
	text = vfio_attribute(device, "holders");
	holders_parse(&holders, text);
	json_holders("holders", &holders);
	free(text);
	text = vfio_attribute(device, "revoke_after_ms");
	if (text)
		json_number("revoke_after_ms", atol(text));
	else
		json_null("revoke_after_ms");
	free(text);
	find_interrupts(device, &names);
	json_names("interrupts", &names);
	for (i = 0; i < ARRAY_SIZE(attributes); i++) {
		bool known = attribute_of(device, attributes[i].file, line, sizeof(line));

		json_text(attributes[i].key, known ? line : NULL);
	}
	json_close('}');
	names_free(&names);
	holders_free(&holders);
}

static void print_details(const struct device *device)
{
	char line[256], *text = vfio_attribute(device, "holders");
	struct holders holders = {};
	struct names names = {};
	struct text who = {};
	size_t i;

	printf("  %s\n", device->name);
	holders_parse(&holders, text);
	holders_text(&holders, &who);
	if (who.length)
		printf("    open: %s\n", who.bytes);
	free(text);
	text = vfio_attribute(device, "revoke_after_ms");
	if (text)
		printf("    taken back after: %ld ms\n", atol(text));
	free(text);
	find_interrupts(device, &names);
	for (i = 0; i < names.count; i++)
		printf("    interrupt: %s\n", names.name[i]);
	for (i = 0; i < ARRAY_SIZE(attributes); i++)
		if (attribute_of(device, attributes[i].file, line, sizeof(line)))
			printf("    %s: %s\n", attributes[i].words, line);
	names_free(&names);
	text_free(&who);
	holders_free(&holders);
}

static void each_device(const struct target *target, void (*show)(const struct device *device))
{
	size_t i;

	for (i = 0; i < target->group.count; i++)
		if (target_has(target, &target->group.devices[i], false))
			show(&target->group.devices[i]);
}

static void json_status(const struct target *target)
{
	struct text why = {};

	json_open(NULL, '{');
	json_module("vfio");
	json_group("group", &target->group);
	acs_explain(&target->group, &why);
	json_text("shared_because", why.bytes);
	json_open("processes", '[');
	each_process(&target->group, json_process);
	json_close(']');
	json_open("devices", '[');
	each_device(target, json_details);
	json_close(']');
	json_close('}');
	json_end();
	text_free(&why);
}

static void print_status(const struct target *target)
{
	const struct group *group = &target->group;
	struct module module;
	struct text why = {};
	size_t i;

	module_load(&module);
	printf("VFIO: %s %s\n", flavour_name(module.flavour), module.version);
	print_group(group);
	for (i = 0; i < group->blockers.count; i++)
		printf("  not viable because of: %s\n", group->blockers.name[i]);
	acs_explain(group, &why);
	if (why.length)
		printf("  one group because: %s\n", why.bytes);
	each_process(group, print_process);
	each_device(target, print_details);
	text_free(&why);
}

int command_status(const struct options *options)
{
	struct target target;
	int status = target_load(&target, options->target);

	if (!status && options->json)
		json_status(&target);
	else if (!status)
		print_status(&target);
	group_free(&target.group);
	return status;
}

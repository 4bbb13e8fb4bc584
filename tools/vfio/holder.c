// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has something open: the modules' own word where there is one, else a search of /proc, which
 * shows a user only the user's own processes. And how much memory one may lock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

void holders_add(struct holders *holders, long pid, const char *command)
{
	struct holder *holder;

	holders->holder = realloc(holders->holder,
				  (holders->count + 1) * sizeof(*holders->holder));
	if (!holders->holder)
		abort();
	holder = &holders->holder[holders->count++];
	holder->pid = pid;
	snprintf(holder->command, sizeof(holder->command), "%s", command);
}

/* Lines "PID COMMAND", as holder and holders in sysfs have them. NULL is none. */
void holders_parse(struct holders *holders, const char *lines)
{
	while (lines && *lines) {
		size_t length = strcspn(lines, "\n");
		char line[128], *command;
		long pid;

		snprintf(line, sizeof(line), "%.*s", (int)length, lines);
		pid = strtol(line, &command, 10);
		if (pid > 0)
			holders_add(holders, pid, command + strspn(command, " "));
		lines += length + (lines[length] == '\n');
	}
}

/* A process may know a device by a name of its own, and call something else by the device's. */
static bool has_open(const char *pid, const char *opened)
{
	struct names fds = tree_names("/proc/%s/fd", pid);
	bool has = false;
	size_t i;

	for (i = 0; i < fds.count && !has; i++)
		has = tree_is_same(opened, "/proc/%s/fd/%s", pid, fds.name[i]);
	names_free(&fds);
	return has;
}

static bool is_among(const struct holders *holders, long pid)
{
	size_t i;

	for (i = 0; i < holders->count; i++)
		if (holders->holder[i].pid == pid)
			return true;
	return false;
}

/* Adds the processes that have the file @opened open, but for those that are known already. */
void holders_find(struct holders *holders, const char *opened)
{
	struct names processes = tree_names("/proc");
	size_t i;

	for (i = 0; i < processes.count; i++) {
		const char *pid = processes.name[i];
		char command[NAME_SIZE];

		if (strspn(pid, "0123456789") != strlen(pid) || is_among(holders, atol(pid)) ||
		    !has_open(pid, opened))
			continue;
		tree_line(command, sizeof(command), "/proc/%s/comm", pid);
		holders_add(holders, atol(pid), command);
	}
	names_free(&processes);
}

/* RLIMIT_MEMLOCK of a process, or of "self", as the kernel says it: in bytes, or "unlimited". */
bool holder_memlock(const char *process, char *limit, size_t size)
{
	static const char key[] = "Max locked memory";
	char *limits = tree_read("/proc/%s/limits", process);
	const char *line = limits ? strstr(limits, key) : NULL;

	limit[0] = '\0';
	if (line) {
		line += strlen(key);
		line += strspn(line, " ");
		snprintf(limit, size, "%.*s", (int)strcspn(line, "\n "), line);
	}
	free(limits);
	return limit[0];
}

/* "1234 qemu, 99 dpdk". A command is what its user made it. */
void holders_text(const struct holders *holders, struct text *text)
{
	size_t i;

	for (i = 0; i < holders->count; i++) {
		text_add(text, "%s%ld ", i ? ", " : "", holders->holder[i].pid);
		text_add_printable(text, holders->holder[i].command);
	}
}

void holders_free(struct holders *holders)
{
	free(holders->holder);
	holders->holder = NULL;
	holders->count = 0;
}

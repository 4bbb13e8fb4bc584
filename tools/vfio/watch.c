// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl watch: what changes, a line for each change. It looks at all groups again whenever the
 * kernel announces something, and at least once an interval, since nobody announces an open.
 */
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vfioctl.h"

struct fact {
	char subject[NAME_SIZE];	/* a device, or "group N" */
	char value[2 * NAME_SIZE + 32];
};

struct facts {
	struct fact *fact;
	size_t count;
};

static void add(struct facts *facts, const char *subject, const char *value)
{
	struct fact *fact;

	facts->fact = realloc(facts->fact, (facts->count + 1) * sizeof(*facts->fact));
	if (!facts->fact)
		abort();
	fact = &facts->fact[facts->count++];
	snprintf(fact->subject, sizeof(fact->subject), "%s", subject);
	snprintf(fact->value, sizeof(fact->value), "%s", value);
}

static void add_group(struct facts *facts, int id)
{
	char subject[NAME_SIZE];
	struct text value = {};
	struct group group;

	if (group_load(&group, id) && group.node[0]) {
		text_add(&value, "%s", group.state);
		if (group.holders.count) {
			text_add(&value, " by ");
			holders_text(&group.holders, &value);
		}
		snprintf(subject, sizeof(subject), "group %d", id);
		add(facts, subject, value.bytes);
	}
	group_free(&group);
	text_free(&value);
}

static struct facts look(void)
{
	struct names names = tree_names("/sys/bus/pci/devices");
	struct facts facts = {};
	size_t count, i;
	int *ids;

	for (i = 0; i < names.count; i++) {
		char driver[NAME_SIZE];

		tree_link(driver, sizeof(driver), "/sys/bus/pci/devices/%s/driver", names.name[i]);
		add(&facts, names.name[i], driver[0] ? driver : "no driver");
	}
	names_free(&names);
	group_all(&ids, &count);
	for (i = 0; i < count; i++)
		add_group(&facts, ids[i]);
	free(ids);
	return facts;
}

static const char *value_of(const struct facts *facts, const char *subject)
{
	size_t i;

	for (i = 0; i < facts->count; i++)
		if (!strcmp(facts->fact[i].subject, subject))
			return facts->fact[i].value;
	return NULL;
}

static void show(const char *subject, const char *before, const char *now, bool json)
{
	char clock[16];
	time_t seconds = time(NULL);

	if (json) {
		json_open(NULL, '{');
		json_number("time", seconds);
		json_text("subject", subject);
		json_text("before", before);
		json_text("now", now);
		json_close('}');
		json_end();
		return;
	}
	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&seconds));
	printf("%s %s: %s -> %s\n", clock, subject, before ? before : "not there",
	       now ? now : "gone");
	fflush(stdout);
}

static void compare(const struct facts *before, const struct facts *now, bool json)
{
	size_t i;

	for (i = 0; i < now->count; i++) {
		const char *old = value_of(before, now->fact[i].subject);

		if (!old || strcmp(old, now->fact[i].value))
			show(now->fact[i].subject, old, now->fact[i].value, json);
	}
	for (i = 0; i < before->count; i++)
		if (!value_of(now, before->fact[i].subject))
			show(before->fact[i].subject, before->fact[i].value, NULL, json);
}

/* A socket by which the kernel announces devices and drivers; -1: then the interval has to do. */
static int announcements(void)
{
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void wait_for(int fd, int milliseconds)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char event[4096];

	if (poll(&poller, 1, milliseconds) > 0)
		while (recv(fd, event, sizeof(event), 0) > 0)
			;
}

int command_watch(const struct options *options)
{
	int fd = announcements(), left = options->times;
	struct facts before = look();

	while (!options->times || left-- > 0) {
		struct facts now;

		wait_for(fd, options->interval);
		now = look();
		compare(&before, &now, options->json);
		free(before.fact);
		before = now;
	}
	free(before.fact);
	if (fd >= 0)
		close(fd);
	return STATUS_OK;
}

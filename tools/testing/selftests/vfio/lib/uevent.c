// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the kernel tells udev.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vfio.h"

/* A socket that gets every uevent from here on. */
int uevent_open(void)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Whether a message, a row of strings, has this one. */
static bool has_string(const char *message, size_t size, const char *string)
{
	for (size_t at = 0; at < size; at += strlen(message + at) + 1)
		if (!strcmp(message + at, string))
			return true;
	return false;
}

/*
 * Waits for a uevent that has all of @strings, a list that ends with NULL. The first string of a
 * uevent is ACTION@PATH, the others are NAME=VALUE.
 */
int uevent_wait(int socket, const char * const *strings)
{
	struct pollfd poll_fd = { .fd = socket, .events = POLLIN };
	const char * const *string;
	char message[4096];
	ssize_t got;

	while (poll(&poll_fd, 1, PATIENCE_MS) > 0) {
		got = recv(socket, message, sizeof(message) - 1, 0);
		if (got <= 0)
			return -1;
		message[got] = 0;
		for (string = strings; *string && has_string(message, got, *string); string++)
			;
		if (!*string)
			return 0;
	}
	errno = ETIMEDOUT;
	return -1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fds from one process to another, over a socket.
 */
#include <string.h>
#include <sys/socket.h>

#include "vfio.h"

union fd_control {
	struct cmsghdr head;
	char space[CMSG_SPACE(sizeof(int))];
};

/* Sends one fd; @flags as for sendmsg(). */
int fd_send(int socket, int fd, int flags)
{
	union fd_control control = {
		.head.cmsg_len = CMSG_LEN(sizeof(int)),
		.head.cmsg_level = SOL_SOCKET,
		.head.cmsg_type = SCM_RIGHTS,
	};
	struct iovec byte = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &byte,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return sendmsg(socket, &message, flags) == 1 ? 0 : -1;
}

/* Waits for an fd, which becomes the caller's. */
int fd_receive(int socket)
{
	union fd_control control;
	char byte;
	struct iovec buffer = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &buffer,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(socket, &message, 0) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

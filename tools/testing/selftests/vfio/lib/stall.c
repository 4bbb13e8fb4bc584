// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory whose first touch waits, until the test says otherwise: userfaultfd.
 *
 * So a test can stop a map in the middle of its work and see what others can do meanwhile, without
 * a guess about time. Kernels that pin for long without ever giving up mmap_lock (6.1) do not wait
 * for userfaultfd: there the map fails with EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vfio.h"

/* Makes @size bytes; the touch of any page that was not released waits. */
int stall_open(struct stall *s, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	s->size = size;
	s->at = memory_new(size);
	s->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (!s->at || s->fd < 0)
		return -1;
	range.range.start = (uintptr_t)s->at;
	range.range.len = size;
	return ioctl(s->fd, UFFDIO_API, &api) || ioctl(s->fd, UFFDIO_REGISTER, &range) ? -1 : 0;
}

/* Makes the first @size bytes memory like any other. */
int stall_fill(const struct stall *s, size_t size)
{
	struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)s->at, .len = size } };

	return ioctl(s->fd, UFFDIO_ZEROPAGE, &zero);
}

/* Waits until somebody waits; false if nobody does in that time. */
bool stall_wait(const struct stall *s, int milliseconds)
{
	struct pollfd poll_fd = { .fd = s->fd, .events = POLLIN };
	struct uffd_msg message;

	return poll(&poll_fd, 1, milliseconds) == 1 &&
	       read(s->fd, &message, sizeof(message)) == sizeof(message) &&
	       message.event == UFFD_EVENT_PAGEFAULT;
}

/* Lets everybody on, at all pages, which are zero. */
int stall_release(const struct stall *s)
{
	struct uffdio_range range = { .start = (uintptr_t)s->at, .len = s->size };

	return ioctl(s->fd, UFFDIO_UNREGISTER, &range) ||
	       ioctl(s->fd, UFFDIO_WAKE, &range) ? -1 : 0;
}

void stall_close(struct stall *s)
{
	if (s->at)
		munmap(s->at, s->size);
	fd_close(&s->fd);
	s->at = NULL;
}

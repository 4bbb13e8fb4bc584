// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file whose first read waits, until the test says otherwise: a file system of one file, FUSE.
 *
 * Unlike the memory of lib/stall.c it also stops kernels that pin for long without ever giving up
 * mmap_lock. There, who touches a mapping of it waits with the lock held, so that has to be a
 * process of its own.
 *
 * The file system is a child. A test that hangs would never say so: after PATIENCE_MS the child
 * lets everybody on, and slow_file_waits() is false.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vfio.h"

#define ROOM	(1 * MIB)	/* for a request, and for what is read */

/* ---- the file system ---- */

/* An answer that comes too late is no error. */
static void answer(int fuse, const struct fuse_in_header *request, int error, const void *data,
		   size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size,
		.error = -error,
		.unique = request->unique,
	};
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, size } };

	if (writev(fuse, parts, size ? 2 : 1) < 0 && errno != ENOENT)
		_exit(1);
}

static void answer_init(int fuse, const struct fuse_in_header *request)
{
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = 31,
		.max_write = PAGE,
	};

	answer(fuse, request, 0, &init, sizeof(init));
}

static void answer_attributes(int fuse, const struct fuse_in_header *request, size_t size)
{
	const struct fuse_attr_out attributes = {
		.attr_valid = 3600,
		.attr = { .ino = 1, .size = size, .mode = S_IFREG | 0600, .nlink = 1 },
	};

	answer(fuse, request, 0, &attributes, sizeof(attributes));
}

/* Zeros, when it is time. On @told, "w" says that somebody waits, "g" that he need not any more. */
static void answer_read(int fuse, const struct fuse_in_header *request, int told, int go)
{
	const struct fuse_read_in *wanted = (const void *)(request + 1);
	struct pollfd poll_fd = { .fd = go, .events = POLLIN };
	static const char zeros[ROOM];
	static bool gone_on;

	if (!gone_on) {
		if (write(told, "w", 1) != 1 ||
		    (poll(&poll_fd, 1, PATIENCE_MS) != 1 && write(told, "g", 1) != 1))
			_exit(1);
		gone_on = true;
	}
	answer(fuse, request, 0, zeros, wanted->size);
}

static void serve_one(int fuse, const struct fuse_in_header *request, size_t size, int told,
		      int go)
{
	const struct fuse_open_out open = { .open_flags = FOPEN_KEEP_CACHE };

	switch (request->opcode) {
	case FUSE_INIT:
		answer_init(fuse, request);
		break;
	case FUSE_GETATTR:
		answer_attributes(fuse, request, size);
		break;
	case FUSE_OPEN:
		answer(fuse, request, 0, &open, sizeof(open));
		break;
	case FUSE_READ:
		answer_read(fuse, request, told, go);
		break;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		break; /* nobody waits for an answer */
	default:
		answer(fuse, request, EOPNOTSUPP, NULL, 0);
	}
}

/* Until it is unmounted, or the test is over. */
static void serve(int fuse, size_t size, int told, int go)
{
	static char request[ROOM];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (read(fuse, request, sizeof(request)) > 0)
			serve_one(fuse, (void *)request, size, told, go);
		else if (errno != EINTR && errno != EAGAIN && errno != ENOENT)
			_exit(errno != ENODEV);
	}
}

/* ---- its user ---- */

static int slow_file_mount(struct slow_file *s, int fuse)
{
	static int number;
	char options[64];
	int file;

	snprintf(s->path, sizeof(s->path), "/dev/shm/slow-%d-%d", getpid(), number++);
	file = open(s->path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0)
		return -1;
	close(file);
	snprintf(options, sizeof(options), "fd=%d,rootmode=%o,user_id=0,group_id=0", fuse,
		 S_IFREG | 0600);
	return mount("slow", s->path, "fuse", MS_NOSUID | MS_NODEV, options);
}

/*
 * Makes a file of @size bytes, any read of which waits. ENODEV where the kernel has no FUSE. The
 * child keeps what is open: a client is to be opened later.
 */
int slow_file_open(struct slow_file *s, size_t size)
{
	int fuse, told[2], go[2];

	*s = (struct slow_file){ .told = -1, .go = -1, .server = -1 };
	fuse = system("modprobe -q fuse") ? -1 : open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fuse < 0) {
		errno = ENODEV;
		return -1;
	}
	if (slow_file_mount(s, fuse) || pipe2(told, O_CLOEXEC) || pipe2(go, O_CLOEXEC))
		return -1;
	s->server = fork();
	if (!s->server)
		serve(fuse, size, told[1], go[0]);
	close(fuse);
	close(told[1]);
	close(go[0]);
	s->told = told[0];
	s->go = go[1];
	return s->server < 0 ? -1 : 0;
}

/* Its bytes, for the caller alone, in place of what is at @place, or anywhere; NULL if not. */
void *slow_file_map(const struct slow_file *s, void *place)
{
	int file = open(s->path, O_RDWR | O_CLOEXEC);
	void *at = MAP_FAILED;
	struct stat stat;

	/* Without the look the kernel would not know its size. */
	if (file >= 0 && !fstat(file, &stat))
		at = mmap(place, stat.st_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | (place ? MAP_FIXED : 0), file, 0);
	fd_close(&file);
	return at == MAP_FAILED ? NULL : at;
}

static char slow_file_told(const struct slow_file *s, int milliseconds)
{
	struct pollfd poll_fd = { .fd = s->told, .events = POLLIN };
	char letter = 0;

	if (poll(&poll_fd, 1, milliseconds) != 1 || read(s->told, &letter, 1) != 1)
		return 0;
	return letter;
}

/* Waits until somebody waits; false if nobody does in that time. */
bool slow_file_wait(const struct slow_file *s, int milliseconds)
{
	return slow_file_told(s, milliseconds) == 'w';
}

/* Whether he does still. */
bool slow_file_waits(const struct slow_file *s)
{
	return !slow_file_told(s, 0);
}

/* Lets everybody on, from now on. */
int slow_file_release(const struct slow_file *s)
{
	return write(s->go, "g", 1) == 1 ? 0 : -1;
}

/* Nobody may have it mapped any more. */
void slow_file_close(struct slow_file *s)
{
	if (s->server > 0) {
		slow_file_release(s);
		umount2(s->path, MNT_DETACH);
		waitpid(s->server, NULL, 0);
		s->server = -1;
	}
	unlink(s->path);
	fd_close(&s->told);
	fd_close(&s->go);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that lies where nothing may stay: mapping it moves it first, and is patient with whoever
 * holds it for a moment. There is such memory where the kernel was booted with movablecore=256M.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define MOMENT_US	50000
#define GIVES_UP	"cannot move to where it can stay"

/* The frame of a page that is there; 0 if there is none. */
static __u64 frame_of(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/* Is a frame in a zone of which all can be moved? */
static bool is_movable(__u64 frame)
{
	unsigned long long number, spanned = 0, start = 0;
	FILE *zones = fopen("/proc/zoneinfo", "re");
	bool movable = false, found = false;
	char line[128];

	while (zones && !found && fgets(line, sizeof(line), zones)) {
		if (!strncmp(line, "Node", 4))
			movable = strstr(line, "Movable");
		if (sscanf(line, " spanned %llu", &number) == 1)
			spanned = number;
		if (movable && sscanf(line, " start_pfn: %llu", &start) == 1)
			found = frame >= start && frame - start < spanned;
	}
	if (zones)
		fclose(zones);
	return found;
}

FIXTURE(movable)
{
	struct client c;
	char *page;
	int pipe[2];
};

FIXTURE_SETUP(movable)
{
	self->page = memory_new(PAGE);
	ASSERT_NE(NULL, self->page);
	memset(self->page, 0x5a, PAGE);
	if (!is_movable(frame_of(self->page)))
		SKIP(return, "no memory lies in a zone of which all can be moved");
	ASSERT_EQ(0, pipe(self->pipe));
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
}

FIXTURE_TEARDOWN(movable)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
}

/* Somebody else holds the page: a pipe, until it is read. */
static bool pipe_take(const int *pipe, char *page)
{
	struct iovec all = { .iov_base = page, .iov_len = PAGE };

	return vmsplice(pipe[1], &all, 1, 0) == PAGE;
}

static bool pipe_let_go(const int *pipe)
{
	char page[PAGE];

	return read(pipe[0], page, PAGE) == PAGE;
}

static bool device_reads(const struct client *c, char *page)
{
	snprintf(page, 8, "moved");
	return !edu_from_memory(c, IOVA, 0, 8) && !edu_to_memory(c, IOVA + 64, 0, 8) &&
	       !strcmp(page + 64, "moved");
}

/* What the device uses has left the zone, with what was in it. */
TEST_F(movable, leaves_the_zone)
{
	ASSERT_OK(dma_map_rw(self->c.container, self->page, IOVA, PAGE));
	EXPECT_FALSE(is_movable(frame_of(self->page)));
	EXPECT_EQ(0x5a, self->page[PAGE - 1]);
	EXPECT_TRUE(device_reads(&self->c, self->page));
	EXPECT_EQ(PAGE, dma_unmap(self->c.container, 0, IOVA, PAGE));
}

static void *let_go_in_a_moment(void *data)
{
	usleep(MOMENT_US);
	return (void *)(uintptr_t)pipe_let_go(data);
}

/* A page that cannot move for a moment is waited for. */
TEST_F(movable, is_held_for_a_moment)
{
	pthread_t thread;
	void *done;

	ASSERT_TRUE(pipe_take(self->pipe, self->page));
	ASSERT_EQ(0, pthread_create(&thread, NULL, let_go_in_a_moment, self->pipe));
	EXPECT_OK(dma_map_rw(self->c.container, self->page, IOVA, PAGE));
	ASSERT_EQ(0, pthread_join(thread, &done));
	EXPECT_NE(NULL, done);
	EXPECT_FALSE(is_movable(frame_of(self->page)));
	EXPECT_TRUE(device_reads(&self->c, self->page));
}

/* But not for ever: ENOMEM, the log and the container say why, and nothing is left. */
TEST_F(movable, is_held)
{
	int log = log_open();
	char reason[256];

	log_announce(GIVES_UP);
	ASSERT_TRUE(pipe_take(self->pipe, self->page));
	EXPECT_ERRNO(ENOMEM, dma_map_rw(self->c.container, self->page, IOVA, PAGE));
	EXPECT_TRUE(log_has(log, GIVES_UP));
	EXPECT_OK(fdinfo_get(self->c.container, "vfio-last-error", reason, sizeof(reason)));
	EXPECT_NE(NULL, strstr(reason, GIVES_UP));
	EXPECT_EQ(0, locked_kib());
	EXPECT_EQ(0, dma_unmap(self->c.container, 0, IOVA, PAGE));

	ASSERT_TRUE(pipe_let_go(self->pipe));
	EXPECT_OK(dma_map_rw(self->c.container, self->page, IOVA, PAGE));
	EXPECT_TRUE(device_reads(&self->c, self->page));
	close(log);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	return vfio_test_main(argc, argv, needs, 1);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that change hands: the user address is taken back (UNMAP with VADDR), the memory stays
 * mapped, and a process, the same or another, gives a new address for it (MAP with VADDR). That is
 * how a virtual machine monitor replaces itself by a newer one while its guest's devices work on.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "lib/check.h"

#define IOVA		(16 * MIB)
#define SIZE		(16 * PAGE)
#define KIBS(bytes)	((long)((bytes) / KIB))
#define BYTES		256
#define MAP_VADDR	VFIO_DMA_MAP_FLAG_VADDR
#define UNMAP_VADDR	VFIO_DMA_UNMAP_FLAG_VADDR
#define UNMAP_ALL	VFIO_DMA_UNMAP_FLAG_ALL

FIXTURE(vaddr)
{
	struct client c;
	int fd;
	int file;
	__u8 *memory;
	long pins;
};

/* Three mappings of SIZE, the first two next to each other, of a file that anybody can map. */
FIXTURE_SETUP(vaddr)
{
	self->pins = pins_held();
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	self->fd = self->c.container;
	self->file = memfd_create("vaddr", 0);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, ftruncate(self->file, 3 * SIZE));
	self->memory = mmap(NULL, 3 * SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->file, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_OK(dma_map_rw(self->fd, self->memory, IOVA, SIZE));
	ASSERT_OK(dma_map_rw(self->fd, self->memory + SIZE, IOVA + SIZE, SIZE));
	ASSERT_OK(dma_map_rw(self->fd, self->memory + 2 * SIZE, IOVA + 3 * SIZE, SIZE));
	ASSERT_EQ(KIBS(3 * SIZE), locked_kib());
}

FIXTURE_TEARDOWN(vaddr)
{
	client_close(&self->c);
	EXPECT_TRUE(locked_becomes(0));
	EXPECT_TRUE(pins_become(self->pins));
}

/* UPDATE_VADDR is offered by a container that has its backend. */
TEST_F(vaddr, extension)
{
	EXPECT_EQ(1, ioctl(self->fd, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR));
}

/* Taken back and given again, each mapping for itself or many with one call; the charge stays. */
TEST_F(vaddr, back_and_again)
{
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
	EXPECT_EQ((long long)(2 * SIZE), dma_unmap(self->fd, UNMAP_VADDR, IOVA, 2 * SIZE));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory + SIZE, IOVA + SIZE, SIZE));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
	EXPECT_EQ((long long)(3 * SIZE), dma_unmap(self->fd, UNMAP_VADDR | UNMAP_ALL, 0, 0));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA + 3 * SIZE, SIZE));
	EXPECT_EQ(KIBS(3 * SIZE), locked_kib());
}

/* Of version 1 as well. */
TEST(vaddr_of_version_1)
{
	char *memory = memory_new(SIZE);
	struct client c;

	if (!open_or_skip(_metadata, &c, EDU, 0, VFIO_TYPE1_IOMMU))
		return;
	ASSERT_OK(edu_start(&c));
	ASSERT_OK(dma_map_rw(c.container, memory, IOVA, SIZE));
	EXPECT_EQ(1, ioctl(c.container, VFIO_CHECK_EXTENSION, VFIO_UPDATE_VADDR));
	EXPECT_EQ((long long)SIZE, dma_unmap(c.container, UNMAP_VADDR | UNMAP_ALL, 0, 0));
	snprintf(memory, BYTES, "works on");
	ASSERT_OK(edu_from_memory(&c, IOVA, 0, BYTES));
	ASSERT_OK(edu_to_memory(&c, IOVA + PAGE, 0, BYTES));
	EXPECT_STREQ("works on", memory + PAGE);
	EXPECT_ERRNO(EINVAL, dma_map(c.container, MAP_VADDR, memory, IOVA, PAGE));
	EXPECT_OK(dma_map(c.container, MAP_VADDR, memory, IOVA, SIZE));
	EXPECT_EQ(KIBS(SIZE), locked_kib());
	EXPECT_EQ((long long)SIZE, dma_unmap(c.container, 0, IOVA, SIZE));
	client_close(&c);
}

/* Nothing there: success, size 0; a mapping that would be cut: EINVAL. */
TEST_F(vaddr, ranges)
{
	EXPECT_EQ(0, dma_unmap(self->fd, UNMAP_VADDR, IOVA + 2 * SIZE, SIZE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR, IOVA + PAGE, SIZE - PAGE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE - PAGE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR | UNMAP_ALL, IOVA, SIZE));
	/* All are still valid. */
	EXPECT_EQ((long long)(3 * SIZE), dma_unmap(self->fd, UNMAP_VADDR, IOVA, 4 * SIZE));
}

/* One that was taken back already: EINVAL, and the others of the range stay valid. */
TEST_F(vaddr, not_twice)
{
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA + SIZE, SIZE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR, IOVA + SIZE, SIZE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR, IOVA, 2 * SIZE));
	EXPECT_ERRNO(EINVAL, dma_unmap(self->fd, UNMAP_VADDR | UNMAP_ALL, 0, 0));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA + 3 * SIZE, SIZE));
}

/* A new address is for a mapping without one, whole: else EINVAL; no mapping there: ENOENT. */
TEST_F(vaddr, whom_it_is_for)
{
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_ERRNO(ENOENT, dma_map(self->fd, MAP_VADDR, self->memory, IOVA + 2 * SIZE, SIZE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE - PAGE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory, IOVA, 2 * SIZE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory, IOVA + PAGE, PAGE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory, IOVA - PAGE, SIZE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR | VFIO_DMA_MAP_FLAG_READ, self->memory,
				     IOVA, SIZE));
	EXPECT_ERRNO(EINVAL, dma_map(self->fd, MAP_VADDR, self->memory + 1, IOVA, SIZE));
	EXPECT_ERRNO(EOVERFLOW, dma_map(self->fd, MAP_VADDR, (void *)(0 - PAGE), IOVA, SIZE));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
}

/* The device works on meanwhile: the memory is as mapped as before. */
TEST_F(vaddr, device_works_on)
{
	ASSERT_OK(edu_start(&self->c));
	ASSERT_EQ((long long)(3 * SIZE), dma_unmap(self->fd, UNMAP_VADDR | UNMAP_ALL, 0, 0));
	memset(self->memory, 0x5a, BYTES);
	ASSERT_OK(edu_from_memory(&self->c, IOVA, 0, BYTES));
	ASSERT_OK(edu_to_memory(&self->c, IOVA + 3 * SIZE, 0, BYTES));
	EXPECT_EQ(0, memcmp(self->memory, self->memory + 2 * SIZE, BYTES));
}

/* A mapping without address can be unmapped, and new ones can be made meanwhile. */
TEST_F(vaddr, unmap_and_map_meanwhile)
{
	ASSERT_EQ((long long)(2 * SIZE), dma_unmap(self->fd, UNMAP_VADDR, IOVA, 2 * SIZE));
	EXPECT_OK(dma_map_rw(self->fd, self->memory, IOVA + 2 * SIZE, SIZE));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_EQ(KIBS(3 * SIZE), locked_kib());
	EXPECT_ERRNO(ENOENT, dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
}

/* No group may join while a mapping is without address (EBUSY); afterwards it may. */
TEST_F(vaddr, no_group_joins)
{
	struct client other;

	if (client_open_group(&other, EDU, 1))
		SKIP(return, "no second edu");
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_ERRNO(EBUSY, group_set_container(other.group, self->fd));
	ASSERT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
	EXPECT_OK(group_set_container(other.group, self->fd));
	client_close(&other);

	/* One that is unmapped is in nobody's way. */
	ASSERT_OK(client_open_group(&other, EDU, 1));
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
	EXPECT_OK(group_set_container(other.group, self->fd));
	client_close(&other);
}

/* ---- another process takes over ---- */

/* The other's part. Its exit status tells the first thing that was wrong. */
static int take_over(int socket, rlim_t limit)
{
	const struct rlimit enough = { .rlim_cur = SIZE, .rlim_max = SIZE };
	int container = fd_receive(socket), file = fd_receive(socket);
	__u8 *memory;

	if (container < 0 || file < 0)
		return 1;
	memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED || locked_kib() != 0)
		return 2;
	if (become_nobody(limit, SIZE))
		return 3;
	if (limit < SIZE) {
		if (!dma_map(container, MAP_VADDR, memory, IOVA, SIZE) || errno != ENOMEM)
			return 4;
		if (locked_kib() != 0 || setrlimit(RLIMIT_MEMLOCK, &enough))
			return 5;
	}
	if (dma_map(container, MAP_VADDR, memory, IOVA, SIZE))
		return 6;
	if (locked_kib() != KIBS(SIZE))
		return 7;
	/* The limit is exact: not one page more. */
	if (!dma_map_rw(container, memory, 2 * IOVA, PAGE) || errno != ENOMEM)
		return 8;
	if (send(socket, "y", 1, 0) != 1 || recv(socket, &limit, 1, 0) != 1)
		return 9;
	return 0;
}

/*
 * A process that was there before the container takes over with fds that it was sent: the charge
 * moves to it, within its own limit, and ends with the unmap, whoever calls it.
 */
TEST_F(vaddr, other_process)
{
	int sockets[2], status;
	pid_t child;
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	child = fork();
	if (!child) {
		/* What fork() left here is not needed: the fds come by mail. */
		client_close(&self->c);
		close(self->file);
		_exit(take_over(sockets[1], SIZE - PAGE));
	}
	close(sockets[1]);
	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_EQ(KIBS(3 * SIZE), locked_kib());
	ASSERT_OK(fd_send(sockets[0], self->fd, 0));
	ASSERT_OK(fd_send(sockets[0], self->file, 0));
	if (recv(sockets[0], &byte, 1, 0) == 1) {
		/* It is theirs now; what they have not is still ours. */
		EXPECT_TRUE(locked_becomes(KIBS(2 * SIZE)));
		EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, 0, IOVA, SIZE));
		EXPECT_EQ(KIBS(2 * SIZE), locked_kib());
		send(sockets[0], "z", 1, 0);
	}
	close(sockets[0]);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d of take_over()", WEXITSTATUS(status));
}

/* The new owner ends without a word: the mapping stays, charged to nobody. */
TEST_F(vaddr, new_owner_exits)
{
	pid_t child;
	int status;

	ASSERT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	child = fork();
	if (!child)
		_exit(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE) ? errno : 0);
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status);
	/* It waited for none of our page faults, so our count may have followed a little later. */
	EXPECT_TRUE(locked_becomes(KIBS(2 * SIZE)));
	EXPECT_EQ((long long)SIZE, dma_unmap(self->fd, UNMAP_VADDR, IOVA, SIZE));
	EXPECT_OK(dma_map(self->fd, MAP_VADDR, self->memory, IOVA, SIZE));
	EXPECT_EQ(KIBS(3 * SIZE), locked_kib());
}

/* ---- exec ---- */

/* What the program does after exec, with fds that it inherited. */
static int after_exec(int container, int file)
{
	__u8 *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

	if (memory == MAP_FAILED || memory[0] != 0x77)
		return 1;
	if (locked_kib() != 0)
		return 2;
	if (dma_map(container, MAP_VADDR, memory, IOVA, SIZE) || locked_kib() != KIBS(SIZE))
		return 3;
	if (dma_unmap(container, 0, IOVA, SIZE) != (long long)SIZE || locked_kib() != 0)
		return 4;
	/* What the old program mapped and did not take back is charged to nobody any more. */
	if (dma_unmap(container, 0, IOVA + SIZE, SIZE) != (long long)SIZE || locked_kib() != 0)
		return 5;
	return 0;
}

static int exec_myself(struct client *c, int file, __u8 *memory)
{
	char container_text[16], file_text[16];

	memory[0] = 0x77;
	if (dma_unmap(c->container, UNMAP_VADDR | UNMAP_ALL, 0, 0) != 3 * SIZE ||
	    dma_map(c->container, MAP_VADDR, memory, IOVA, SIZE) ||
	    dma_map(c->container, MAP_VADDR, memory + SIZE, IOVA + SIZE, SIZE) ||
	    locked_kib() != KIBS(2 * SIZE) ||
	    dma_unmap(c->container, UNMAP_VADDR, IOVA, SIZE) != SIZE)
		return 10;
	fcntl(c->container, F_SETFD, 0);
	snprintf(container_text, sizeof(container_text), "%d", c->container);
	snprintf(file_text, sizeof(file_text), "%d", file);
	execl("/proc/self/exe", "vaddr_test", "after-exec", container_text, file_text, NULL);
	return 11;
}

/* The program replaces itself: same process, new memory, and the charge comes along on demand. */
TEST_F(vaddr, exec)
{
	pid_t child;
	int status;

	child = fork();
	if (!child)
		_exit(exec_myself(&self->c, self->file, self->memory));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("step %d of after_exec()", WEXITSTATUS(status));
	EXPECT_EQ(KIBS(SIZE), locked_kib());
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	if (argc == 4 && !strcmp(argv[1], "after-exec"))
		return after_exec(atoi(argv[2]), atoi(argv[3]));
	log_announce("RLIMIT_MEMLOCK");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

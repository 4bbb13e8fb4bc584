// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of each kind that can be mapped for devices, and what the kernel counts of pinned pages.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define ALIGNMENT (2 * MIB)

/* A file of @size bytes of 'f' on the root file system, without a name. */
static int file_new(size_t size)
{
	char path[] = "/var/tmp/vfio-test-XXXXXX";
	int fd = mkstemp(path);
	char block[4096];

	if (fd < 0)
		return -1;
	unlink(path);
	memset(block, 'f', sizeof(block));
	for (size_t done = 0; done < size; done += sizeof(block)) {
		if (write(fd, block, sizeof(block)) != sizeof(block)) {
			close(fd);
			return -1;
		}
	}
	return fd;
}

static int shared_new(size_t size)
{
	int fd = memfd_create("vfio-test", MFD_CLOEXEC);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Aligned addresses for @size bytes with a hole behind them. */
static void *addresses_new(size_t size)
{
	char *start = mmap(NULL, size + 2 * ALIGNMENT, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		return NULL;
	return start + (-(uintptr_t)start & (ALIGNMENT - 1));
}

const char *memory_name(enum memory_kind kind)
{
	static const char * const names[MEMORY_KINDS] = {
		[ANONYMOUS] = "small pages",
		[TRANSPARENT] = "transparent huge pages",
		[HUGETLB] = "pages of 2 MiB",
		[SHARED_FILE] = "a shared memfd",
		[PRIVATE_FILE] = "a private file",
		[READ_ONLY_FILE] = "a read-only file",
		[BAR] = "a BAR",
	};

	return names[kind];
}

/* Takes the place of @at; -1 if there is none of that kind. */
static int memory_place(struct memory *m, enum memory_kind kind, const struct client *owner)
{
	int prot = PROT_READ | (kind == READ_ONLY_FILE ? 0 : PROT_WRITE);
	int flags = MAP_FIXED | MAP_PRIVATE;
	off_t offset = 0;
	int fd = -1;
	void *at;

	if (kind == ANONYMOUS || kind == TRANSPARENT)
		flags |= MAP_ANONYMOUS;
	if (kind == HUGETLB) {
		file_write("/proc/sys/vm/nr_hugepages", "16");
		flags |= MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE;
	}
	if (kind == SHARED_FILE || kind == BAR)
		flags = MAP_FIXED | MAP_SHARED;
	if (kind == SHARED_FILE)
		fd = shared_new(m->size);
	if (kind == PRIVATE_FILE || kind == READ_ONLY_FILE)
		fd = file_new(m->size);
	if (kind == BAR) {
		fd = dup(owner->device);
		offset = owner->region[2].offset;
	}

	at = mmap(m->at, m->size, prot, flags, fd, offset);
	fd_close(&fd);
	if (at == MAP_FAILED)
		return -1;
	if (kind == TRANSPARENT)
		madvise(at, m->size, MADV_HUGEPAGE);
	if (kind == ANONYMOUS)
		madvise(at, m->size, MADV_NOHUGEPAGE);
	return 0;
}

/*
 * Makes memory, with a hole behind it that no process can touch. BAR 2 of @owner is what BAR means;
 * it decodes. To be freed by memory_free().
 */
int memory_open(struct memory *m, enum memory_kind kind, size_t size, const struct client *owner)
{
	m->size = size;
	m->writable = kind != READ_ONLY_FILE;
	m->charged = kind != BAR;
	m->at = addresses_new(size);
	return m->at ? memory_place(m, kind, owner) : -1;
}

void memory_free(struct memory *m)
{
	if (m->at)
		munmap(m->at, m->size + ALIGNMENT);
	m->at = NULL;
}

static long counter_read(const char *name)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char line[128], key[64];
	long value, found = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", key, &value) == 2 && !strcmp(key, name))
			found = value;
	if (file)
		fclose(file);
	return found;
}

/* Pages that are pinned for devices, in the whole machine; -1 if the kernel does not tell. */
long pins_held(void)
{
	long acquired, released;

	/* Each CPU counts for itself; this adds them up. */
	file_write("/proc/sys/vm/stat_refresh", "1");
	acquired = counter_read("nr_foll_pin_acquired");
	released = counter_read("nr_foll_pin_released");
	return acquired < 0 || released < 0 ? -1 : acquired - released;
}

/* Waits until @pins pages are pinned, as what was closed last may end a little later. */
bool pins_become(long pins)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (pins_held() == pins)
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* So many pages, of which none is beside another: all are the same one of a file. NULL: error. */
void *memory_apart(size_t count)
{
	int file = memfd_create("apart", 0);
	char *at = mmap(NULL, count * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (file < 0 || at == MAP_FAILED || ftruncate(file, PAGE))
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (mmap(at + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0) == MAP_FAILED)
			return NULL;
	close(file);
	return at;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls that are made to fail, which needs a kernel or modules made for debugging: the parameter
 * fail_nth of vfio.ko knows places of ours, and /proc/thread-self/fail-nth knows the allocations of
 * the whole kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

#define DEBUGFS	"/sys/kernel/debug/"

bool fault_possible(void)
{
	return !access(FAIL_NTH, W_OK);
}

/* True if a call failed since fail_nth was set; none does any more. */
static bool fault_fired(void)
{
	char text[32];
	bool fired = !file_read(FAIL_NTH, text, sizeof(text)) && atoi(text) == 0;

	file_write(FAIL_NTH, "0");
	return fired;
}

/* The group joins while the n-th call fails; @fired: there were as many. */
static int join_with_failure(int group, int container, int nth, bool *fired)
{
	char text[16];
	int ret;

	snprintf(text, sizeof(text), "%d", nth);
	if (file_write(FAIL_NTH, text))
		return -1;
	ret = group_set_container(group, container);
	*fired = fault_fired();
	return ret;
}

/*
 * The function's group joins a container, and gets a domain of its own there. One IOMMU has no
 * groups that cannot share, so the sharing is made to fail: it is the one call of those that can
 * whose failure does not keep the group out. @c has no device yet.
 */
int client_join_apart(struct client *c, int container, enum test_device kind, int nth)
{
	bool fired = true;

	for (int call = 1; fired; call++) {
		if (client_open_group(c, kind, nth))
			break;
		if (!join_with_failure(c->group, container, call, &fired) && fired)
			return 0;
		client_close(c);
	}
	client_close(c);
	return -1;
}

/* All allocations that may sleep count, silently; copies from and to the user do not. */
int fault_prepare(void)
{
	return file_write(DEBUGFS "failslab/ignore-gfp-wait", "N") ||
	       file_write(DEBUGFS "failslab/verbose", "0") ||
	       file_write(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N") ||
	       file_write(DEBUGFS "fail_page_alloc/min-order", "0") ||
	       file_write(DEBUGFS "fail_page_alloc/verbose", "0") ||
	       file_write(DEBUGFS "fail_usercopy/require-start", "1") ||
	       file_write(DEBUGFS "fail_usercopy/require-end", "2") ||
	       file_write(DEBUGFS "fail_usercopy/stacktrace-depth", "0") ? -1 : 0;
}

/*
 * Allocations of pages do not count. Where nobody needs whole pages they only refill what smaller
 * allocations are taken from, now and then, and each one has another allocation missed out.
 */
int fault_spare_pages(void)
{
	return file_write(DEBUGFS "fail_page_alloc/min-order", "16");
}

/* Where a function of the kernel begins, and the next one. */
static int kernel_function(const char *name, unsigned long *start, unsigned long *end)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	unsigned long address;
	char line[512], symbol[256];

	*start = 0;
	*end = 0;
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %255s", &address, symbol) != 2)
			continue;
		if (*start && address > *start) {
			*end = address;
			break;
		}
		if (!strcmp(symbol, name))
			*start = address;
	}
	if (file)
		fclose(file);
	return *end ? 0 : -1;
}

/*
 * Spares what a function of the kernel calls, where the kernel itself does not stand a failure.
 * That is not what is tested here.
 */
int fault_spare(const char *function)
{
	static const char * const files[] = {
		DEBUGFS "failslab/reject-start", DEBUGFS "fail_page_alloc/reject-start",
		DEBUGFS "failslab/reject-end", DEBUGFS "fail_page_alloc/reject-end",
	};
	unsigned long start, end;
	char text[32];

	if (kernel_function(function, &start, &end))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(text, sizeof(text), "%#lx", i < 2 ? start : end);
		if (file_write(files[i], text))
			return -1;
	}
	return 0;
}

/*
 * The file stays open over the call that is to fail: opening it would allocate, and count. Returns
 * its fd.
 */
int fault_arm(const char *path, int nth)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	if (write(fd, text, length) != length) {
		close(fd);
		return -1;
	}
	return fd;
}

/* True if a call failed since. */
bool fault_disarm(const char *path, int fd)
{
	char text[16] = "";
	int error = errno;
	bool fired;

	fired = pread(fd, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;
	if (pwrite(fd, "0", 1, 0) != 1)
		file_write(path, "0");
	close(fd);
	errno = error;
	return fired;
}

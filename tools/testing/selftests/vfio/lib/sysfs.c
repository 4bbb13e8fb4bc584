// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function as the administrator sees it: its attributes, the port above it, config space behind
 * the driver's back.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define DEVICES "/sys/bus/pci/devices"

int pci_read(const struct pci_func *func, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", func->bdf, name);
	return file_read(path, text, size);
}

int pci_write(const struct pci_func *func, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", func->bdf, name);
	return file_write(path, text);
}

/* Resets the function behind its user's back. */
int pci_reset(const struct pci_func *func)
{
	return pci_write(func, "reset", "1");
}

/* The bridge above a function; ENOENT on the root bus. */
int pci_port(const struct pci_func *func, struct pci_func *port)
{
	char path[PATH_MAX], real[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s", func->bdf);
	if (!realpath(path, real))
		return -1;
	snprintf(port->bdf, sizeof(port->bdf), "%.12s", basename(dirname(real)));
	port->group = -1;
	if (strchr(port->bdf, '.'))
		return 0;
	errno = ENOENT;
	return -1;
}

static int config_open(const struct pci_func *func, int flags)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/config", func->bdf);
	return open(path, flags | O_CLOEXEC);
}

int pci_config_read(const struct pci_func *func, __u32 at, int size, __u32 *value)
{
	int fd = config_open(func, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return -1;
	*value = 0;
	got = pread(fd, value, size, at);
	close(fd);
	return got == size ? 0 : -1;
}

int pci_config_write(const struct pci_func *func, __u32 at, int size, __u32 value)
{
	int fd = config_open(func, O_WRONLY);
	ssize_t put;

	if (fd < 0)
		return -1;
	put = pwrite(fd, &value, size, at);
	close(fd);
	return put == size ? 0 : -1;
}

/* Where a standard capability lies, 0 if there is none. */
__u32 pci_config_cap(const struct pci_func *func, __u8 id)
{
	__u32 at, header;

	if (pci_config_read(func, PCI_CAPABILITY_LIST, 1, &at))
		return 0;
	for (int links = 0; at && links < 48; links++) {
		if (pci_config_read(func, at & ~3U, 2, &header))
			return 0;
		if ((header & 0xff) == id)
			return at & ~3U;
		at = header >> 8;
	}
	return 0;
}

static void pause_a_moment(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	nanosleep(&pause, NULL);
}

/* Waits until a function is there. */
bool pci_wait(enum test_device kind, int nth, struct pci_func *func)
{
	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (!pci_find(kind, nth, func) && func->group >= 0)
			return true;
		pause_a_moment();
	}
	return false;
}

bool pci_wait_gone(const struct pci_func *func)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s", func->bdf);
	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (access(path, F_OK))
			return true;
		pause_a_moment();
	}
	return false;
}

/* Waits until the function's runtime power management is there: "active" or "suspended". */
bool pci_power_becomes(const struct pci_func *func, const char *wanted)
{
	char status[32] = "";

	for (int tries = 0; tries < PATIENCE_MS / 20; tries++) {
		if (!pci_read(func, "power/runtime_status", status, sizeof(status)) &&
		    !strcmp(status, wanted))
			return true;
		pause_a_moment();
	}
	return false;
}

/* Sets a parameter of vfio-pci. */
int param_bool(const char *name, bool value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/module/vfio_pci/parameters/%s", name);
	return file_write(path, value ? "1" : "0");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions in sysfs: found by vendor and device, bound through driver_override.
 *
 * pci_take() binds devices of the test bed to vfio-pci and remembers what they had before;
 * pci_give_back() restores that: override first, then the driver.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

#define DEVICES "/sys/bus/pci/devices"

static const struct {
	const char *name;
	__u16 vendor;
	__u16 device;
} known[TEST_DEVICES] = {
	[EDU]		= { "edu",		0x1234, 0x11e8 },
	[NVME]		= { "nvme",		0x1b36, 0x0010 },
	[E1000E]	= { "e1000e",		0x8086, 0x10d3 },
	[TESTDEV]	= { "pci-testdev",	0x1b36, 0x0005 },
	[IVSHMEM]	= { "ivshmem",		0x1af4, 0x1110 },
	[E1000]		= { "e1000",		0x8086, 0x100e },
	[VGA]		= { "VGA",		0x1234, 0x1111 },
	[XHCI]		= { "xHCI",		0x1033, 0x0194 },
};

#define MAX_TAKEN 16

/* What a function had before it was taken. */
static struct {
	struct pci_func func;
	char driver[64];
	char override[64];
} taken[MAX_TAKEN];
static int nr_taken;

const char *test_device_name(enum test_device kind)
{
	return known[kind].name;
}

/* Reads a small file as a string without the newline at its end. */
int file_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, text, size - 1);
	close(fd);
	if (got < 0)
		return -1;
	text[got] = 0;
	text[strcspn(text, "\n")] = 0;
	return 0;
}

int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t put;

	if (fd < 0)
		return -1;
	put = write(fd, text, strlen(text));
	close(fd);
	return put < 0 ? -1 : 0;
}

static int attribute_read(const char *bdf, const char *name, char *text, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	return file_read(path, text, size);
}

static int attribute_write(const char *bdf, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, name);
	return file_write(path, text);
}

/* The last part of what a link of a function points to. */
static int link_name(const char *bdf, const char *link, char *name, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t got;

	snprintf(path, sizeof(path), DEVICES "/%s/%s", bdf, link);
	got = readlink(path, target, sizeof(target) - 1);
	if (got < 0)
		return -1;
	target[got] = 0;
	snprintf(name, size, "%s", basename(target));
	return 0;
}

/* Reads an attribute of a function as a string. */
int pci_get(const struct pci_func *func, const char *name, char *text, size_t size)
{
	return attribute_read(func->bdf, name, text, size);
}

int pci_set(const struct pci_func *func, const char *name, const char *text)
{
	return attribute_write(func->bdf, name, text);
}

/* The name of what a link of the function points to. */
int pci_link(const struct pci_func *func, const char *link, char *name, size_t size)
{
	return link_name(func->bdf, link, name, size);
}

/* The function of this name; ENOENT if there is none. */
int pci_at(const char *bdf, struct pci_func *func)
{
	char vendor[16], group[16];

	if (attribute_read(bdf, "vendor", vendor, sizeof(vendor)))
		return -1;
	snprintf(func->bdf, sizeof(func->bdf), "%.12s", bdf);
	func->group = -1;
	if (!link_name(bdf, "iommu_group", group, sizeof(group)))
		func->group = atoi(group);
	return 0;
}

static bool is_kind(const char *bdf, enum test_device kind)
{
	char vendor[16], device[16];

	if (attribute_read(bdf, "vendor", vendor, sizeof(vendor)) ||
	    attribute_read(bdf, "device", device, sizeof(device)))
		return false;
	return strtoul(vendor, NULL, 16) == known[kind].vendor &&
	       strtoul(device, NULL, 16) == known[kind].device;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Finds the nth function of a kind, in the order of names; ENOENT if there is none. */
int pci_find(enum test_device kind, int nth, struct pci_func *func)
{
	struct dirent **entries;
	int count = scandir(DEVICES, &entries, not_hidden, alphasort);
	bool found = false;

	for (int i = 0; i < count; i++) {
		const char *bdf = entries[i]->d_name;

		if (!found && is_kind(bdf, kind) && nth-- == 0) {
			pci_at(bdf, func);
			found = true;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	if (!found)
		errno = ENOENT;
	return found ? 0 : -1;
}

/* The name of the function's driver, empty if it has none. */
int pci_driver(const struct pci_func *func, char *name, size_t size)
{
	name[0] = 0;
	if (link_name(func->bdf, "driver", name, size) && errno != ENOENT)
		return -1;
	return 0;
}

int pci_unbind(const struct pci_func *func)
{
	char driver[64];

	if (pci_driver(func, driver, sizeof(driver)))
		return -1;
	if (!driver[0])
		return 0;
	return attribute_write(func->bdf, "driver/unbind", func->bdf);
}

/* Takes the function from its driver and gives it to another one, by driver_override. */
int pci_bind(const struct pci_func *func, const char *driver)
{
	char now[64];

	if (pci_driver(func, now, sizeof(now)))
		return -1;
	if (strcmp(now, driver) &&
	    (attribute_write(func->bdf, "driver_override", driver) || pci_unbind(func)))
		return -1;
	/* The link is there as soon as a probe begins: this waits for one that goes on. */
	if (file_write("/sys/bus/pci/drivers_probe", func->bdf) ||
	    pci_driver(func, now, sizeof(now)))
		return -1;
	if (!strcmp(now, driver))
		return 0;
	errno = ENODEV;
	return -1;
}

static int take(const struct pci_func *func)
{
	int slot = nr_taken;

	if (slot == MAX_TAKEN) {
		errno = ENOSPC;
		return -1;
	}
	taken[slot].func = *func;
	if (pci_driver(func, taken[slot].driver, sizeof(taken[slot].driver)) ||
	    attribute_read(func->bdf, "driver_override", taken[slot].override,
			   sizeof(taken[slot].override)))
		return -1;
	nr_taken++;
	return pci_bind(func, "vfio-pci");
}

/* Binds every function of a kind to vfio-pci. */
int pci_take(enum test_device kind)
{
	struct pci_func func;

	for (int nth = 0; !pci_find(kind, nth, &func); nth++)
		if (take(&func))
			return -1;
	return 0;
}

/* Restores the drivers from before pci_take(). */
void pci_give_back(void)
{
	while (nr_taken) {
		const char *bdf = taken[--nr_taken].func.bdf;
		const char *override = taken[nr_taken].override;

		if (!strcmp(override, "(null)"))
			override = "\n";
		attribute_write(bdf, "driver_override", override);
		if (!strcmp(taken[nr_taken].driver, "vfio-pci"))
			continue;
		pci_unbind(&taken[nr_taken].func);
		if (taken[nr_taken].driver[0])
			file_write("/sys/bus/pci/drivers_probe", bdf);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A function in the hands of the host's driver: whether there is one, and the network card by it.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

/* Whether this kernel has a PCI driver, which is loaded if need be. */
bool driver_is_there(const char *driver)
{
	char text[PATH_MAX];

	snprintf(text, sizeof(text), "modprobe -q %s 2>/dev/null", driver);
	if (system(text))
		return false;
	snprintf(text, sizeof(text), "/sys/bus/pci/drivers/%s", driver);
	return !access(text, F_OK);
}

/* The name of a card's network interface. */
static bool interface_name(const struct pci_func *func, char *name, size_t size)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *folder;

	name[0] = 0;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/net", func->bdf);
	folder = opendir(path);
	if (!folder)
		return false;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.')
			snprintf(name, size, "%.15s", entry->d_name);
	closedir(folder);
	return name[0];
}

static bool interface_up(const char *name)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool up;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	up = fd >= 0 && !ioctl(fd, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	up = up && !ioctl(fd, SIOCSIFFLAGS, &request);
	fd_close(&fd);
	return up;
}

/* The card by its driver: it takes interrupts and has a link. */
bool card_works(const struct pci_func *func)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	char name[IFNAMSIZ], path[PATH_MAX], carrier[8];

	if (!interface_name(func, name, sizeof(name)) || !interface_up(name))
		return false;
	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	for (int waited = 0; waited < PATIENCE_MS; waited += 20) {
		if (!file_read(path, carrier, sizeof(carrier)) && carrier[0] == '1')
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

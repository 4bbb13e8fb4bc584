// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errors of PCI Express that did not happen: the kernel's injector has the port above a function
 * report them. And whether the kernel can recover from fatal ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vfio.h"

#define INJECTOR	"/dev/aer_inject"

/* What the injector takes. */
struct aer_error {
	__u8 bus, device, function;
	__u32 uncorrectable, correctable, log[4], domain;
};

/* @status: bits of the register of uncorrectable errors. */
int aer_inject(const struct pci_func *func, __u32 status)
{
	unsigned int domain, bus, device, function;
	struct aer_error error = { .uncorrectable = status };
	int fd, ret;

	if (sscanf(func->bdf, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) {
		errno = EINVAL;
		return -1;
	}
	if (system("modprobe -q aer-inject")) {
		errno = ENOENT;
		return -1;
	}
	fd = open(INJECTOR, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	error.domain = domain;
	error.bus = bus;
	error.device = device;
	error.function = function;
	ret = write(fd, &error, sizeof(error));
	close(fd);
	return ret < 0 ? -1 : 0;
}

/* After a reset of the link the kernel waits for the port to say that it is up; QEMU's may not. */
bool link_is_up(const struct pci_func *func)
{
	struct pci_func port;
	__u32 cap, status;

	if (pci_port(func, &port))
		return false;
	cap = pci_config_cap(&port, PCI_CAP_ID_EXP);
	return cap && !pci_config_read(&port, cap + PCI_EXP_LNKSTA, 2, &status) &&
	       status & PCI_EXP_LNKSTA_DLLLA;
}

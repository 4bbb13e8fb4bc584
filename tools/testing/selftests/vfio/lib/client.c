// SPDX-License-Identifier: GPL-2.0-only
/*
 * The three fds of a client, opened in the order that the ABI asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vfio.h"

void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

int container_open(void)
{
	return open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
}

int group_open(int group)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/vfio/%d", group);
	return open(path, O_RDWR | O_CLOEXEC);
}

int group_status(int group, __u32 *flags)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };

	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status))
		return -1;
	*flags = status.flags;
	return 0;
}

int group_set_container(int group, int container)
{
	return ioctl(group, VFIO_GROUP_SET_CONTAINER, &container);
}

int group_get_device(int group, const char *name)
{
	return ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
}

/* Opens an empty container and the function's group; neither knows the other yet. */
static int client_open_fds(struct client *c, const struct pci_func *func)
{
	memset(c, 0, sizeof(*c));
	c->func = *func;
	c->device = -1;
	c->container = container_open();
	c->group = group_open(func->group);
	return c->container < 0 || c->group < 0 ? -1 : 0;
}

/* The same for a function that is to be found. */
int client_open_group(struct client *c, enum test_device kind, int nth)
{
	struct pci_func func;

	c->container = -1;
	c->group = -1;
	c->device = -1;
	if (pci_find(kind, nth, &func))
		return -1;
	return client_open_fds(c, &func);
}

/* @options: what the name of the device is followed by, NULL for nothing. */
static int client_open_device(struct client *c, const char *options)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", c->func.bdf, options ? options : "");
	c->device = group_get_device(c->group, name);
	return c->device < 0 ? -1 : client_read_regions(c);
}

/* Opens a function that was found, with a backend of the given type. */
int client_open_func(struct client *c, const struct pci_func *func, const char *options, int type)
{
	if (client_open_fds(c, func) || group_set_container(c->group, c->container) ||
	    ioctl(c->container, VFIO_SET_IOMMU, type) || client_open_device(c, options)) {
		client_close(c);
		return -1;
	}
	return 0;
}

/* Opens everything, with a backend of the given type. */
int client_open(struct client *c, enum test_device kind, int nth, int type)
{
	struct pci_func func;

	c->container = -1;
	c->group = -1;
	c->device = -1;
	return pci_find(kind, nth, &func) ? -1 : client_open_func(c, &func, NULL, type);
}

/* Opens a further function in the container of another client. */
int client_join(struct client *c, const struct client *first, enum test_device kind, int nth)
{
	if (client_open_group(c, kind, nth))
		goto err_close;
	fd_close(&c->container);
	c->container = dup(first->container);
	if (group_set_container(c->group, c->container) || client_open_device(c, NULL))
		goto err_close;
	return 0;

err_close:
	client_close(c);
	return -1;
}

/* Closes what is open; keeps errno for those who clean up after a failure. */
void client_close(struct client *c)
{
	int error = errno;

	fd_close(&c->device);
	fd_close(&c->group);
	fd_close(&c->container);
	errno = error;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/vfio/, for root's eyes only:
 *
 *   containers/N/	a container that has a backend; the files are the backend's. N is what
 *			vfio-container-number says in the fdinfo of the container
 *   BDF/		a device; the files are its driver's
 *
 * This file owns the folders. A kernel may have no debugfs, or not let anybody in: then there are
 * none, and nobody notices.
 *
 * To take a file away is to wait for those who read it. So a reader waits for no lock under which
 * that is done, and the lock order in vfio.h has a place for it. Nor does he wait for his own
 * memory: what he reads is told into the kernel's first.
 */
#include <linux/debugfs.h>
#include <linux/export.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "vfio.h"

/* Most bytes that are told at once. */
#define READ_MAX SZ_16K

/* An error where there is no debugfs, which is as good as a folder to all who get it. */
static struct dentry *root;
static struct dentry *containers;

/**
 * vfio_debugfs_folder_add - make a folder that is root's alone
 * @name: of the new one
 * @parent: of the old one, which may be an error; NULL: debugfs itself
 *
 * Context: process context; may sleep.
 * Return: the folder, which goes with @parent, or an ERR_PTR that debugfs takes for one.
 */
struct dentry *vfio_debugfs_folder_add(const char *name, struct dentry *parent)
{
	struct dentry *folder = debugfs_create_dir(name, parent);

	/* The rest of the world may look into what debugfs makes. */
	if (!IS_ERR_OR_NULL(folder))
		d_inode(folder)->i_mode = S_IFDIR | 0700;
	return folder;
}
EXPORT_SYMBOL_NS_GPL(vfio_debugfs_folder_add, VFIO_NS);

/**
 * vfio_debugfs_read_iter - read a seq_file in debugfs, and let it be removed meanwhile
 * @iocb: the file, of debugfs_create_file_unsafe(), and the place in it
 * @to: the reader's memory
 *
 * Context: process context; may sleep.
 * Return: bytes that were read, 0 at the end; -EIO if the file was removed; -ENOMEM, -EFAULT, or
 * what the file's own functions say.
 */
ssize_t vfio_debugfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct kvec told = { .iov_len = min_t(size_t, iov_iter_count(to), READ_MAX) };
	struct dentry *dentry = iocb->ki_filp->f_path.dentry;
	loff_t pos = iocb->ki_pos;
	struct iov_iter text;
	ssize_t ret;

	if (!told.iov_len)
		return 0;
	told.iov_base = kmalloc(told.iov_len, GFP_KERNEL);
	if (!told.iov_base)
		return -ENOMEM;
	iov_iter_kvec(&text, ITER_DEST, &told, 1, told.iov_len);

	ret = debugfs_file_get(dentry);
	if (!ret) {
		ret = seq_read_iter(iocb, &text);
		debugfs_file_put(dentry);
	}
	if (ret > 0 && copy_to_iter(told.iov_base, ret, to) != ret) {
		iocb->ki_pos = pos;
		ret = -EFAULT;
	}
	kfree(told.iov_base);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(vfio_debugfs_read_iter, VFIO_NS);

/**
 * vfio_debugfs_container_add - make the folder of a container
 * @number: what no other container has
 *
 * A backend of the same container that is on its way out may still have that folder: then the new
 * one has none, and debugfs has no cause to complain.
 *
 * Context: process context; may sleep; one caller for each container at a time.
 * Return: the folder, or an ERR_PTR that debugfs takes for one; for debugfs_remove().
 */
struct dentry *vfio_debugfs_container_add(u64 number)
{
	struct dentry *old;
	char name[24];

	snprintf(name, sizeof(name), "%llu", number);
	old = debugfs_lookup(name, containers);
	if (IS_ERR(old))
		return old;
	if (old) {
		dput(old);
		return ERR_PTR(-EEXIST);
	}
	return vfio_debugfs_folder_add(name, containers);
}
EXPORT_SYMBOL_NS_GPL(vfio_debugfs_container_add, VFIO_NS);

/**
 * vfio_debugfs_device_add - make the folder of a device, and what its driver has for it
 * @device: on its way to be registered
 *
 * Context: process context; may sleep.
 */
void vfio_debugfs_device_add(struct vfio_device *device)
{
	if (!device->ops->debugfs)
		return;
	device->debugfs = vfio_debugfs_folder_add(dev_name(device->dev), root);
	device->ops->debugfs(device, device->debugfs);
}

/**
 * vfio_debugfs_device_remove - take the folder of a device away
 * @device: registered
 *
 * Context: process context; waits for readers.
 */
void vfio_debugfs_device_remove(struct vfio_device *device)
{
	debugfs_remove(device->debugfs);
	device->debugfs = NULL;
}

void vfio_debugfs_init(void)
{
	root = vfio_debugfs_folder_add("vfio", NULL);
	containers = vfio_debugfs_folder_add("containers", root);
}

void vfio_debugfs_exit(void)
{
	debugfs_remove(root);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/vfio-pci/config_compile, in debug builds: the compile step of config_map.c for
 * config spaces that a test invents, in a kernel that sees every step beside an array.
 *
 * Write an image of 256 or 4096 bytes, the whole at once; or two of them, one behind the other, and
 * the device that is made believe answers from one and from the other in turn. Then read shadow,
 * virt, write and owner, which have an image's size each.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "config_invention.h"
#include "pci.h"

#define NR_ARRAYS 4

/**
 * struct trial - what an open file has
 * @lock: for what follows
 * @result: the arrays, one behind the other; NULL before the first write
 * @size: bytes of @result
 */
struct trial {
	struct mutex lock; /* the two below */
	u8 *result;
	size_t size;
};

/* Each array is an allocation of its own, of no byte more than it needs. */
static bool arrays_new(struct vfio_pci_config *config)
{
	config->shadow = kmalloc(config->size, GFP_KERNEL);
	config->virt = kmalloc(config->size, GFP_KERNEL);
	config->write = kmalloc(config->size, GFP_KERNEL);
	config->owner = kmalloc(config->size, GFP_KERNEL);
	config->instances = kmalloc_array(VFIO_PCI_CONFIG_MAX, sizeof(*config->instances),
					  GFP_KERNEL);
	return config->shadow && config->virt && config->write && config->owner &&
	       config->instances;
}

static void arrays_free(const struct vfio_pci_config *config)
{
	kfree(config->instances);
	kfree(config->owner);
	kfree(config->write);
	kfree(config->virt);
	kfree(config->shadow);
}

/* Returns the arrays in one, or NULL without memory. */
static u8 *compile(struct invention *device)
{
	const struct vfio_pci_config_source source = {
		.read = invention_read,
		.context = device,
	};
	struct vfio_pci_config config = { .size = device->size };
	u8 *result = kmalloc_array(NR_ARRAYS, config.size, GFP_KERNEL);

	if (!arrays_new(&config) || !result) {
		kfree(result);
		result = NULL;
		goto out;
	}
	vfio_pci_config_compile(&config, &source);
	memcpy(result, config.shadow, config.size);
	memcpy(result + config.size, config.virt, config.size);
	memcpy(result + 2 * config.size, config.write, config.size);
	memcpy(result + 3 * config.size, config.owner, config.size);
out:
	arrays_free(&config);
	return result;
}

static ssize_t trial_write(struct file *file, const char __user *buffer, size_t count,
			   loff_t *ppos)
{
	struct trial *trial = file->private_data;
	struct invention device = {
		.size = count < PCI_CFG_SPACE_EXP_SIZE ? PCI_CFG_SPACE_SIZE :
							 PCI_CFG_SPACE_EXP_SIZE,
	};
	u8 *images, *result;

	if (count != device.size && count != 2 * device.size)
		return -EINVAL;
	images = memdup_user(buffer, count);
	if (IS_ERR(images))
		return PTR_ERR(images);
	device.images = images;
	device.nr_images = count / device.size;
	result = compile(&device);
	kfree(images);
	if (!result)
		return -ENOMEM;

	mutex_lock(&trial->lock);
	swap(trial->result, result);
	trial->size = NR_ARRAYS * device.size;
	mutex_unlock(&trial->lock);
	kfree(result);
	return count;
}

static ssize_t trial_read(struct file *file, char __user *buffer, size_t count, loff_t *ppos)
{
	struct trial *trial = file->private_data;
	ssize_t ret;

	mutex_lock(&trial->lock);
	ret = simple_read_from_buffer(buffer, count, ppos, trial->result, trial->size);
	mutex_unlock(&trial->lock);
	return ret;
}

static int trial_open(struct inode *inode, struct file *file)
{
	struct trial *trial = kzalloc(sizeof(*trial), GFP_KERNEL);

	if (!trial)
		return -ENOMEM;
	mutex_init(&trial->lock);
	file->private_data = trial;
	return 0;
}

static int trial_release(struct inode *inode, struct file *file)
{
	struct trial *trial = file->private_data;

	kfree(trial->result);
	kfree(trial);
	return 0;
}

static const struct file_operations trial_fops = {
	.owner = THIS_MODULE,
	.open = trial_open,
	.read = trial_read,
	.write = trial_write,
	.llseek = default_llseek,
	.release = trial_release,
};

static struct dentry *folder;

/**
 * vfio_pci_config_debug_init - make the file
 *
 * Context: process context; module init.
 */
void vfio_pci_config_debug_init(void)
{
	folder = vfio_debugfs_folder_add("vfio-pci", NULL);
	debugfs_create_file("config_compile", 0600, folder, NULL, &trial_fops);
}

/**
 * vfio_pci_config_debug_exit - undo vfio_pci_config_debug_init()
 *
 * Context: process context; waits for those who use the file.
 */
void vfio_pci_config_debug_exit(void)
{
	debugfs_remove(folder);
}

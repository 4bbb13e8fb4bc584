// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/vfio/BDF/pci/rehearse_sleep, in debug builds: a write takes this one device
 * through what the kernel does with every device when the machine goes to sleep and wakes up, and
 * ends with the error that would have kept the machine awake; with -EIO if the device could have
 * written to memory meanwhile. The machine that tests run in does not survive the loss of its own
 * devices.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/pm.h>
#include <linux/pm_runtime.h>

#include "pci.h"

/* The steps of the bus, each with the one that undoes it. */
static int sleep_and_wake(struct device *dev)
{
	const struct dev_pm_ops *bus = dev->bus->pm;
	u16 command;
	int ret;

	device_lock_assert(dev);

	ret = bus->suspend(dev);
	if (ret)
		return ret;
	/* The IOMMU would sleep next. */
	pci_read_config_word(to_pci_dev(dev), PCI_COMMAND, &command);
	if (command & PCI_COMMAND_MASTER)
		ret = -EIO;
	else
		ret = bus->suspend_late(dev);
	if (ret)
		goto resume;
	ret = bus->suspend_noirq(dev);
	if (!ret)
		bus->resume_noirq(dev);
	bus->resume_early(dev);
resume:
	bus->resume(dev);
	return ret;
}

static ssize_t rehearse_sleep_write(struct file *file, const char __user *buffer, size_t count,
				    loff_t *ppos)
{
	struct vfio_pci_device *vpci = file->private_data;
	struct device *dev = &vpci->pdev->dev;
	int ret;

	/* Whoever unbinds the driver waits for us with that lock. */
	if (!device_trylock(dev))
		return -EBUSY;
	pm_runtime_get_noresume(dev);
	ret = dev->bus->pm->prepare(dev);
	/* One that sleeps already would be left as it is. */
	if (ret > 0 && !dev_pm_test_driver_flags(dev, DPM_FLAG_NO_DIRECT_COMPLETE))
		ret = -EIO;
	if (ret >= 0) {
		ret = sleep_and_wake(dev);
		dev->bus->pm->complete(dev);
	}
	pm_runtime_put(dev);
	device_unlock(dev);
	return ret ?: count;
}

static const struct file_operations rehearse_sleep_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = rehearse_sleep_write,
};

/**
 * vfio_pci_sleep_debug - make the file
 * @vpci: the device
 * @folder: where, in debugfs
 *
 * Context: process context; the driver's probe.
 */
void vfio_pci_sleep_debug(struct vfio_pci_device *vpci, struct dentry *folder)
{
	debugfs_create_file("rehearse_sleep", 0200, folder, vpci, &rehearse_sleep_fops);
}

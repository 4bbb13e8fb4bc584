// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.ko comes and goes. Every file that has something to set up has an init and an exit; this
 * file owns their order.
 */
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include "vfio.h"

static int __init vfio_init(void)
{
	int ret;

	vfio_debugfs_init();
	ret = vfio_virqfd_init();
	if (ret)
		goto err_debugfs;
	ret = vfio_device_init();
	if (ret)
		goto err_virqfd;
	ret = vfio_group_init();
	if (ret)
		goto err_device;
	ret = vfio_group_events_init();
	if (ret)
		goto err_group;
	vfio_noiommu_init();
	/* The node that users begin with, last. */
	ret = vfio_container_init();
	if (ret)
		goto err_events;
	return 0;

err_events:
	vfio_noiommu_exit();
	vfio_group_events_exit();
err_group:
	vfio_group_exit();
err_device:
	vfio_device_exit();
err_virqfd:
	vfio_virqfd_exit();
err_debugfs:
	vfio_debugfs_exit();
	return ret;
}

static void __exit vfio_exit(void)
{
	vfio_container_exit();
	vfio_noiommu_exit();
	vfio_group_events_exit();
	vfio_group_exit();
	vfio_device_exit();
	vfio_virqfd_exit();
	vfio_debugfs_exit();
}

module_init(vfio_init);
module_exit(vfio_exit);

MODULE_DESCRIPTION("VFIO: devices for user space, safely");
MODULE_AUTHOR("The VFIO Standalone maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_VERSION);
MODULE_ALIAS_MISCDEV(VFIO_MINOR);
MODULE_ALIAS("devname:vfio/vfio");
MODULE_SOFTDEP("post: vfio_iommu_type1");

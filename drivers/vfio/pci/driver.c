// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI driver: which functions it takes, and what it does when they come and go.
 *
 * Nothing is taken by itself: the administrator names a function by driver_override, or an id by
 * new_id or the parameter ids. A function that must not be in a user's hands is refused.
 */
#define pr_fmt(fmt) "vfio_pci: " fmt

#include <linux/module.h>
#include <linux/pm_runtime.h>

#include "pci.h"

static char ids[1024];
module_param_string(ids, ids, sizeof(ids), 0);
MODULE_PARM_DESC(ids, "Ids to take at load: vendor:device[:subvendor[:subdevice[:class[:class_mask]]]], separated by commas");

static bool nointxmask;
module_param(nointxmask, bool, 0644);
MODULE_PARM_DESC(nointxmask, "Do not mask INTx by the command register; the line is then not shared. Counts when a device is bound");

static bool disable_idle_d3;
module_param(disable_idle_d3, bool, 0644);
MODULE_PARM_DESC(disable_idle_d3, "Keep unused devices in D0. Counts when a device is bound");

static bool disable_vga;
module_param(disable_vga, bool, 0444);
MODULE_PARM_DESC(disable_vga, "No VGA region, and no part for the devices in the arbitration of VGA addresses");

static bool enable_sriov;
module_param(enable_sriov, bool, 0644);
MODULE_PARM_DESC(enable_sriov, "Let VFs be made of PFs that are bound to this driver; their users need the PF's token");

static bool hide_config_gaps;
module_param(hide_config_gaps, bool, 0644);
MODULE_PARM_DESC(hide_config_gaps, "Bytes of config space that belong to no known capability read 0 and take no write. Counts when a device is bound");

static bool keep_awake;
module_param(keep_awake, bool, 0644);
MODULE_PARM_DESC(keep_awake, "The machine cannot be put to sleep while the device is open. Counts when a device is bound");

static bool disable_denylist;
module_param(disable_denylist, bool, 0444);
MODULE_PARM_DESC(disable_denylist, "Take devices known to be unsafe in a user's hands");

/* A user of these can stop the machine (QAT) or get at memory it does not own (DSA, IAX). */
static const struct pci_device_id denied[] = {
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C3XXX_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_C62X_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_QAT_DH895XCC_VF) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_DSA_SPR0) },
	{ PCI_VDEVICE(INTEL, PCI_DEVICE_ID_INTEL_IAX_SPR0) },
	{}
};

/* XL710, X722 and X550: INTx can neither be masked nor seen in the status register. */
static const struct pci_device_id without_intx[] = {
	{ PCI_VDEVICE(INTEL, 0x1572) },
	{ PCI_VDEVICE(INTEL, 0x1574) },
	{ PCI_VDEVICE(INTEL, 0x1580) },
	{ PCI_VDEVICE(INTEL, 0x1581) },
	{ PCI_VDEVICE(INTEL, 0x1583) },
	{ PCI_VDEVICE(INTEL, 0x1584) },
	{ PCI_VDEVICE(INTEL, 0x1585) },
	{ PCI_VDEVICE(INTEL, 0x1586) },
	{ PCI_VDEVICE(INTEL, 0x1587) },
	{ PCI_VDEVICE(INTEL, 0x1588) },
	{ PCI_VDEVICE(INTEL, 0x1589) },
	{ PCI_VDEVICE(INTEL, 0x158a) },
	{ PCI_VDEVICE(INTEL, 0x158b) },
	{ PCI_VDEVICE(INTEL, 0x37d0) },
	{ PCI_VDEVICE(INTEL, 0x37d1) },
	{ PCI_VDEVICE(INTEL, 0x37d2) },
	{ PCI_VDEVICE(INTEL, 0x1563) },
	{}
};

#ifdef VFIO_DEBUG
static char also_denied[sizeof("1234:abcd\n")];
module_param_string(also_denied, also_denied, sizeof(also_denied), 0644);
MODULE_PARM_DESC(also_denied, "An id that is treated as if it were in the denylist: vendor:device");

static char also_without_intx[sizeof("1234:abcd\n")];
module_param_string(also_without_intx, also_without_intx, sizeof(also_without_intx), 0644);
MODULE_PARM_DESC(also_without_intx, "An id whose INTx is treated as if it could not be masked: vendor:device");
#else
#define also_denied		""
#define also_without_intx	""
#endif

static bool is_listed(const struct pci_device_id *list, const char *also, struct pci_dev *pdev)
{
	unsigned int vendor, device;

	if (pci_match_id(list, pdev))
		return true;
	return sscanf(also, "%x:%x", &vendor, &device) == 2 && vendor == pdev->vendor &&
	       device == pdev->device;
}

static int driver_refuses(struct pci_dev *pdev)
{
	if (pdev->hdr_type != PCI_HEADER_TYPE_NORMAL)
		return -EINVAL;
	if (is_listed(denied, also_denied, pdev)) {
		if (!disable_denylist) {
			pci_warn(pdev, "%04x:%04x is in vfio-pci's denylist, not taken\n",
				 pdev->vendor, pdev->device);
			return -EINVAL;
		}
		pci_warn(pdev, "%04x:%04x is in vfio-pci's denylist, taken nevertheless\n",
			 pdev->vendor, pdev->device);
	}
	/* The VFs' users must not lose their PF's driver. */
	if (pci_num_vf(pdev))
		return -EBUSY;
	return 0;
}

/* ---- devices come and go ---- */

/* Functions on a root bus and VFs are reset by themselves; others with their slot, or their bus. */
static void *set_id(struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;

	if (pdev->is_virtfn || pci_is_root_bus(pdev->bus))
		return vpci;
	return pci_probe_reset_slot(pdev->slot) ? (void *)pdev->bus : pdev->slot;
}

/* From here on no common reset counts on the device, whoever may still hold its memory. */
static void set_leave(struct vfio_pci_device *vpci)
{
	mutex_lock(&vpci->vdev.set->lock);
	list_del_init(&vpci->vdev.set_node);
	mutex_unlock(&vpci->vdev.set->lock);
}

static int vfio_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vfio_pci_device *vpci;
	int ret;

	ret = driver_refuses(pdev);
	if (ret)
		return ret;
	vpci = vfio_alloc_device(vfio_pci_device, vdev, &pdev->dev, &vfio_pci_device_ops);
	if (IS_ERR(vpci))
		return PTR_ERR(vpci);
	vpci->intx.hidden = !nointxmask && is_listed(without_intx, also_without_intx, pdev);
	vpci->no_command_mask = nointxmask;
	vpci->hide_gaps = hide_config_gaps;
	vpci->keeps_awake = keep_awake;
	pci_set_drvdata(pdev, vpci);

	ret = vfio_pci_vga_probe(vpci, !disable_vga);
	if (ret)
		goto err_put;
	ret = vfio_assign_device_set(&vpci->vdev, set_id(vpci));
	if (ret)
		goto err_vga;
	vfio_pci_power_probe(vpci, disable_idle_d3);
	vfio_pci_sriov_probe(vpci);
	vfio_pci_bars_probe(vpci);
	ret = vfio_register_group_dev(&vpci->vdev);
	if (!ret)
		return 0;

	vfio_pci_sriov_forget(vpci);
	vfio_pci_power_remove(vpci);
	set_leave(vpci);
err_vga:
	vfio_pci_vga_remove(vpci);
err_put:
	pci_set_drvdata(pdev, NULL);
	vfio_put_device(&vpci->vdev);
	return ret;
}

static void vfio_pci_remove(struct pci_dev *pdev)
{
	struct vfio_pci_device *vpci = pci_get_drvdata(pdev);

	/* A close does not wait for the device's lock: it is ours, and we wait for the close. */
	WRITE_ONCE(vpci->leaving, true);
	vfio_pci_sriov_remove(vpci);
	vfio_unregister_group_dev(&vpci->vdev);
	vfio_pci_sriov_forget(vpci);
	set_leave(vpci);
	vfio_pci_power_remove(vpci);
	vfio_pci_errors_end(vpci);
	pci_clear_master(pdev);
	vfio_pci_vga_remove(vpci);
	pci_set_drvdata(pdev, NULL);
	vfio_put_device(&vpci->vdev);
}

/* VFs can be taken away in any case. */
static int vfio_pci_configure_vfs(struct pci_dev *pdev, int nr_vfs)
{
	if (nr_vfs && !enable_sriov)
		return -ENOENT;
	return vfio_pci_sriov_configure(pci_get_drvdata(pdev), nr_vfs);
}

/* Matches everything, but only by driver_override: user space finds us by the alias it makes. */
static const struct pci_device_id vfio_pci_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(PCI_ANY_ID, PCI_ANY_ID) },
	{}
};
MODULE_DEVICE_TABLE(pci, vfio_pci_table);

static struct pci_driver vfio_pci_driver = {
	.name = "vfio-pci",
	.id_table = vfio_pci_table,
	.probe = vfio_pci_probe,
	.remove = vfio_pci_remove,
	.sriov_configure = vfio_pci_configure_vfs,
	.err_handler = &vfio_pci_error_handlers,
	.driver.pm = &vfio_pci_pm_ops,
	.driver_managed_dma = true,
};

/* ---- ids= ---- */

static void id_add(const char *text)
{
	unsigned int subvendor = PCI_ANY_ID, subdevice = PCI_ANY_ID, class = 0, class_mask = 0;
	unsigned int vendor, device;
	int ret;

	ret = sscanf(text, "%x:%x:%x:%x:%x:%x", &vendor, &device, &subvendor, &subdevice, &class,
		     &class_mask);
	if (ret < 2) {
		pr_warn("\"%s\" is no id\n", text);
		return;
	}
	ret = pci_add_dynid(&vfio_pci_driver, vendor, device, subvendor, subdevice, class,
			    class_mask, 0);
	if (ret)
		pr_warn("cannot add [%04x:%04x]: %d\n", vendor, device, ret);
	else
		pr_info("add [%04x:%04x[%04x:%04x]] class %#08x/%08x\n", vendor, device,
			subvendor, subdevice, class, class_mask);
}

static void ids_add(void)
{
	char *rest = ids, *text;

	while ((text = strsep(&rest, ","))) {
		if (*text)
			id_add(text);
	}
}

static int __init vfio_pci_init(void)
{
	int ret;

	ret = vfio_pci_sriov_init();
	if (ret)
		return ret;
	ret = pci_register_driver(&vfio_pci_driver);
	if (ret) {
		vfio_pci_sriov_exit();
		return ret;
	}
	vfio_pci_config_debug_init();
	ids_add();
	if (disable_denylist)
		pr_warn("the denylist is not in force\n");
	return 0;
}

static void __exit vfio_pci_exit(void)
{
	vfio_pci_config_debug_exit();
	pci_unregister_driver(&vfio_pci_driver);
	vfio_pci_sriov_exit();
}

module_init(vfio_pci_init);
module_exit(vfio_pci_exit);

MODULE_DESCRIPTION("VFIO: PCI functions for user space");
MODULE_AUTHOR("The VFIO Standalone maintainers");
MODULE_LICENSE("GPL");
MODULE_VERSION(VFIO_VERSION);
MODULE_IMPORT_NS(VFIO_NS);

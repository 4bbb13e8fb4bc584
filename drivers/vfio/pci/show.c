// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one can see of an open device: the lines of its fd's fdinfo.
 *
 *   vfio-device-interrupts:	none, INTx, MSI or MSI-X: which kind is set up
 *   vfio-device-vectors:	how many of its vectors have an eventfd
 *
 * Nobody here waits for a lock.
 */
#include <linux/seq_file.h>

#include "pci.h"

static const char *const irq_names[] = {
	[VFIO_PCI_INTX_IRQ_INDEX] = "INTx",
	[VFIO_PCI_MSI_IRQ_INDEX] = "MSI",
	[VFIO_PCI_MSIX_IRQ_INDEX] = "MSI-X",
};

static const char *irq_name(const struct vfio_pci_device *vpci)
{
	return vpci->irq_index < ARRAY_SIZE(irq_names) ? irq_names[vpci->irq_index] : "none";
}

static unsigned int vectors_in_use(struct vfio_pci_device *vpci)
{
	if (vpci->irq_index == VFIO_PCI_INTX_IRQ_INDEX)
		return !!rcu_access_pointer(vpci->intx.trigger);
	return vfio_pci_msi_count(vpci);
}

/**
 * vfio_pci_irqs_show - lines about the interrupts of a device
 * @vpci: the device
 * @seq: gets the lines
 *
 * Context: holds irq_lock.
 */
void vfio_pci_irqs_show(struct vfio_pci_device *vpci, struct seq_file *seq)
{
	seq_printf(seq, "vfio-device-interrupts: %s\n", irq_name(vpci));
	seq_printf(seq, "vfio-device-vectors: %u\n", vectors_in_use(vpci));
}

/**
 * vfio_pci_fdinfo - lines about an open device
 * @device: the device
 * @seq: gets the lines
 *
 * Context: process context; inside the gate; tries for irq_lock.
 */
void vfio_pci_fdinfo(struct vfio_device *device, struct seq_file *seq)
{
	struct vfio_pci_device *vpci = to_vfio_pci(device);

	if (!mutex_trylock(&vpci->irq_lock)) {
		seq_puts(seq, "vfio-device-busy: 1\n");
		return;
	}
	vfio_pci_irqs_show(vpci, seq);
	mutex_unlock(&vpci->irq_lock);
}

/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _COMPAT_LINUX_PCI_H
#define _COMPAT_LINUX_PCI_H

#include_next <linux/pci.h>

/* Vectors cannot be added to enabled MSI-X before 6.2. */
#ifndef COMPAT_HAS_MSIX_DYNAMIC
struct msi_map {
	int index;
	int virq;
};

static inline bool pci_msix_can_alloc_dyn(struct pci_dev *pdev)
{
	return false;
}

static inline struct msi_map pci_msix_alloc_irq_at(struct pci_dev *pdev, unsigned int index,
						   const struct irq_affinity_desc *affinity)
{
	return (struct msi_map){ .index = -EOPNOTSUPP };
}

static inline void pci_msix_free_irq(struct pci_dev *pdev, struct msi_map map)
{
}
#endif

/* The driver that a function must have was the bus's own affair before 7.0 (or a backport). */
#ifndef COMPAT_HAS_DRIVER_OVERRIDE
static inline int device_set_driver_override(struct device *dev, const char *name)
{
	return driver_set_override(dev, &to_pci_dev(dev)->driver_override, name, strlen(name));
}
#endif

/* Since 6.7. Before, the arbiter knew no cards of the old class PCI_CLASS_NOT_DEFINED_VGA. */
#ifndef COMPAT_HAS_PCI_IS_VGA
static inline bool pci_is_vga(struct pci_dev *pdev)
{
	return pdev->class >> 8 == PCI_CLASS_DISPLAY_VGA;
}
#endif

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI and MSI-X.
 *
 * A kind is enabled with a number of vectors; a vector with an eventfd has a handler, the others
 * are allocated and silent. With MSI-X, where the kernel can, vectors beyond those allocated at
 * first are added later without disturbing the others. A vector whose eventfd is taken away stays
 * allocated until the kind is disabled.
 *
 * A vector's handler needs no lock: its eventfd is exchanged only while the handler is removed, or
 * behind synchronize_irq(). Each vector with an eventfd is offered as a producer to KVM, which may
 * have the hardware deliver it straight into a guest; if that fails, interrupts take the long way.
 *
 * The MSI-X table is in the device's memory, where a device that resets itself may lose it, and
 * where it cannot be reached while the user has decoding off. So the message is written anew before
 * a handler is installed, and decoding is on around whatever touches the table. Whether the user
 * sees MSI enabled in config space is config.c's.
 *
 * All of this is under irq_lock.
 */
#include <linux/bitfield.h>
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irqbypass.h>
#include <linux/msi.h>
#include <linux/slab.h>

#include "pci.h"

/**
 * struct msi_vector - a vector with an eventfd
 * @eventfd: signalled by the handler
 * @producer: for KVM
 * @paired: @producer is registered
 * @irq: its number
 * @name: in /proc/interrupts
 */
struct msi_vector {
	struct eventfd_ctx *eventfd;
	struct irq_bypass_producer producer;
	bool paired;
	int irq;
	char *name;
};

static irqreturn_t msi_handler(int irq, void *data)
{
	struct msi_vector *vector = data;

	eventfd_signal(READ_ONCE(vector->eventfd));
	return IRQ_HANDLED;
}

/**
 * vfio_pci_msi_open - read how many vectors there are and where the MSI-X table is
 * @vpci: the device, being opened
 *
 * Context: process context.
 */
void vfio_pci_msi_open(struct vfio_pci_device *vpci)
{
	struct vfio_pci_msi *msi = &vpci->msi;
	struct pci_dev *pdev = vpci->pdev;
	u32 table = 0;
	u16 flags = 0;

	msi->max_msi = 0;
	msi->max_msix = 0;
	msi->table_size = 0;

	if (pdev->msi_cap) {
		pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &flags);
		msi->max_msi = 1 << FIELD_GET(PCI_MSI_FLAGS_QMASK, flags);
	}
	if (!pdev->msix_cap)
		return;

	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, &table);
	msi->max_msix = FIELD_GET(PCI_MSIX_FLAGS_QSIZE, flags) + 1;
	msi->table_bar = FIELD_GET(PCI_MSIX_TABLE_BIR, table);
	msi->table_offset = table & PCI_MSIX_TABLE_OFFSET;
	msi->table_size = msi->max_msix * PCI_MSIX_ENTRY_SIZE;

	/* The PCI core would map what lies behind the BAR, and write to it. */
	if (msi->table_bar >= PCI_STD_NUM_BARS ||
	    msi->table_offset + (u64)msi->table_size > pci_resource_len(pdev, msi->table_bar)) {
		pci_warn_once(pdev, "MSI-X table lies outside its BAR: no MSI-X\n");
		msi->max_msix = 0;
		msi->table_size = 0;
	}
}

/* ---- one vector ---- */

static void vector_pair(struct vfio_pci_device *vpci, struct msi_vector *vector)
{
	int ret = irq_bypass_register_producer(&vector->producer, vector->eventfd, vector->irq);

	vector->paired = !ret;
	if (ret)
		dev_dbg(&vpci->pdev->dev, "%s cannot bypass the host: %d\n", vector->name, ret);
}

static void vector_unpair(struct msi_vector *vector)
{
	if (vector->paired)
		irq_bypass_unregister_producer(&vector->producer);
	vector->paired = false;
}

static int vector_start(struct vfio_pci_device *vpci, struct msi_vector *vector)
{
	struct msi_msg message;
	u16 command;
	int ret;

	command = vfio_pci_decode_begin(vpci);
	if (vpci->msi.msix) {
		get_cached_msi_msg(vector->irq, &message);
		pci_write_msi_msg(vector->irq, &message);
	}
	ret = request_irq(vector->irq, msi_handler, 0, vector->name, vector);
	vfio_pci_decode_end(vpci, command);

	if (!ret)
		vector_pair(vpci, vector);
	return ret;
}

static void vector_stop(struct vfio_pci_device *vpci, struct msi_vector *vector)
{
	u16 command;

	vector_unpair(vector);
	command = vfio_pci_decode_begin(vpci);
	free_irq(vector->irq, vector);
	vfio_pci_decode_end(vpci, command);
}

static void vector_free(struct msi_vector *vector)
{
	kfree(vector->name);
	kfree(vector);
}

/* The number of an allocated vector, or of one allocated now. */
static int vector_number(struct vfio_pci_device *vpci, unsigned int index)
{
	struct msi_map map;
	u16 command;
	int irq;

	irq = pci_irq_vector(vpci->pdev, index);
	if (irq >= 0 || !vpci->msi.msix || !pci_msix_can_alloc_dyn(vpci->pdev))
		return irq;

	command = vfio_pci_decode_begin(vpci);
	map = pci_msix_alloc_irq_at(vpci->pdev, index, NULL);
	vfio_pci_decode_end(vpci, command);
	return map.index < 0 ? map.index : map.virq;
}

static int vector_add(struct vfio_pci_device *vpci, unsigned int index,
		      struct eventfd_ctx *eventfd)
{
	struct msi_vector *vector;
	int ret = -ENOMEM;

	vector = kzalloc(sizeof(*vector), GFP_KERNEL_ACCOUNT);
	if (!vector)
		return -ENOMEM;
	vector->eventfd = eventfd;
	vector->name = kasprintf(GFP_KERNEL_ACCOUNT, "vfio-msi%s[%u](%s)",
				 vpci->msi.msix ? "x" : "", index, pci_name(vpci->pdev));
	if (!vector->name)
		goto err_free;

	ret = vector_number(vpci, index);
	if (ret < 0)
		goto err_free;
	vector->irq = ret;

	ret = xa_insert(&vpci->msi.vectors, index, vector, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	ret = vector_start(vpci, vector);
	if (!ret)
		return 0;

	xa_erase(&vpci->msi.vectors, index);
err_free:
	vector_free(vector);
	return ret;
}

static void vector_remove(struct vfio_pci_device *vpci, unsigned int index)
{
	struct msi_vector *vector = xa_erase(&vpci->msi.vectors, index);

	if (!vector)
		return;
	vector_stop(vpci, vector);
	eventfd_ctx_put(vector->eventfd);
	vector_free(vector);
}

/*
 * MSI-X: remove the handler and install it again, so that the message is restored. The vector is
 * masked in between, and what the device sends then is delivered afterwards.
 */
static int vector_restart(struct vfio_pci_device *vpci, unsigned int index,
			  struct eventfd_ctx *eventfd)
{
	struct msi_vector *vector = xa_load(&vpci->msi.vectors, index);
	struct eventfd_ctx *old = vector->eventfd;
	int ret;

	vector_stop(vpci, vector);
	vector->eventfd = eventfd;
	ret = vector_start(vpci, vector);
	eventfd_ctx_put(old);
	if (ret) {
		xa_erase(&vpci->msi.vectors, index);
		vector_free(vector);
	}
	return ret;
}

/* MSI need not be maskable, so the handler stays where it is. */
static void vector_exchange(struct vfio_pci_device *vpci, struct msi_vector *vector,
			    struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old = vector->eventfd;

	vector_unpair(vector);
	WRITE_ONCE(vector->eventfd, eventfd);
	synchronize_irq(vector->irq);
	eventfd_ctx_put(old);
	vector_pair(vpci, vector);
}

/**
 * vfio_pci_msi_set - give a vector an eventfd, or take it away
 * @vpci: the device; MSI or MSI-X is enabled
 * @index: the vector
 * @eventfd: on success the reference moves to the vector; NULL to take the eventfd away, which
 *	cannot fail
 *
 * On failure the vector has no eventfd.
 *
 * Context: process context, irq_lock held.
 * Return: 0, -EINVAL for a vector that was not allocated and cannot be now, -ENOMEM, -ENOSPC.
 */
int vfio_pci_msi_set(struct vfio_pci_device *vpci, unsigned int index,
		     struct eventfd_ctx *eventfd)
{
	struct msi_vector *vector;

	lockdep_assert_held(&vpci->irq_lock);

	if (!eventfd) {
		vector_remove(vpci, index);
		return 0;
	}
	vector = xa_load(&vpci->msi.vectors, index);
	if (!vector)
		return vector_add(vpci, index, eventfd);
	if (vpci->msi.msix)
		return vector_restart(vpci, index, eventfd);
	vector_exchange(vpci, vector, eventfd);
	return 0;
}

/**
 * vfio_pci_msi_fire - signal a vector's eventfd, if it has one
 * @vpci: the device
 * @index: the vector
 *
 * Context: process context, irq_lock held.
 */
void vfio_pci_msi_fire(struct vfio_pci_device *vpci, unsigned int index)
{
	struct msi_vector *vector;

	lockdep_assert_held(&vpci->irq_lock);

	vector = xa_load(&vpci->msi.vectors, index);
	if (vector)
		eventfd_signal(vector->eventfd);
}

/* ---- the kind ---- */

/**
 * vfio_pci_msi_enable - enable MSI or MSI-X and allocate vectors
 * @vpci: the device; no interrupts are set up
 * @nr_vectors: how many, from 0 up
 * @msix: which kind
 *
 * Context: process context, irq_lock held.
 * Return: 0; how many vectors there are, if less than @nr_vectors; a negative errno.
 */
int vfio_pci_msi_enable(struct vfio_pci_device *vpci, unsigned int nr_vectors, bool msix)
{
	struct pci_dev *pdev = vpci->pdev;
	u16 command;
	int ret;

	lockdep_assert_held(&vpci->irq_lock);

	command = vfio_pci_decode_begin(vpci);
	ret = pci_alloc_irq_vectors(pdev, 1, nr_vectors, msix ? PCI_IRQ_MSIX : PCI_IRQ_MSI);
	if (ret > 0 && ret < nr_vectors)
		pci_free_irq_vectors(pdev);
	vfio_pci_decode_end(vpci, command);

	if (ret < 0 || ret < nr_vectors) {
		vfio_pci_intx_quiet(vpci);
		return ret;
	}
	vpci->msi.nr_vectors = nr_vectors;
	vpci->msi.msix = msix;
	vpci->irq_index = msix ? VFIO_PCI_MSIX_IRQ_INDEX : VFIO_PCI_MSI_IRQ_INDEX;
	return 0;
}

/**
 * vfio_pci_msi_disable - remove all handlers and disable the kind
 * @vpci: the device; MSI or MSI-X is enabled
 *
 * Context: process context, irq_lock held.
 */
void vfio_pci_msi_disable(struct vfio_pci_device *vpci)
{
	struct msi_vector *vector;
	unsigned long index;
	u16 command;

	lockdep_assert_held(&vpci->irq_lock);

	xa_for_each(&vpci->msi.vectors, index, vector)
		vector_remove(vpci, index);

	command = vfio_pci_decode_begin(vpci);
	pci_free_irq_vectors(vpci->pdev);
	vfio_pci_decode_end(vpci, command);
	vfio_pci_intx_quiet(vpci);

	vpci->msi.nr_vectors = 0;
	vpci->irq_index = VFIO_PCI_NUM_IRQS;
}

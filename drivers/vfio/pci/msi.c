// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSI and MSI-X.
 *
 * A vector has a handler, and so takes up an interrupt of the host's processors, while it has an
 * eventfd. What else it costs is a number:
 *
 * - MSI-X where the kernel can allocate vectors one by one: none without an eventfd.
 * - MSI-X elsewhere: the whole table is allocated when the kind is enabled, since it could not grow
 *   later without losing the interrupts of vectors at work. A large table costs numbers, and
 *   entries of the IOMMU's remapping table, that may never be used.
 * - MSI: as many as were asked for when it was enabled, because its vectors are one block.
 *
 * All vectors of MSI have one message in the device, which the kernel makes 0 when the first of
 * them loses its handler: what the others send meanwhile would be lost, and written to the user's
 * memory at 0. So the first of several keeps its handler, without an eventfd, as long as MSI is on.
 *
 * A vector's handler needs no lock: its eventfd is exchanged behind synchronize_irq(). Each vector
 * with an eventfd is offered as a producer to KVM, which may have the hardware deliver it straight
 * into a guest; if that fails, interrupts take the long way.
 *
 * The user may mask vectors. The mask is that of the hardware, so what the device wants to send
 * meanwhile is pending there and comes, once, when the vector is unmasked. A mask outlives the
 * eventfd: a masked vector that is given one stays masked.
 *
 * The MSI-X table is in the device's memory, where a device that resets itself may lose it, and
 * where it cannot be reached while the user has decoding off. So the message is written anew before
 * a handler is installed or if it was lost, and decoding is on around whatever touches the table.
 * Whether the user sees MSI enabled in config space is config_hooks.c's.
 *
 * All of this is under irq_lock.
 */
#include <linux/bitfield.h>
#include <linux/bitmap.h>
#include <linux/eventfd.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqbypass.h>
#include <linux/msi.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "pci.h"
#include "trace.h"

/**
 * struct msi_vector - a vector with a handler
 * @vpci: the device
 * @index: in the table
 * @eventfd: signalled by the handler; NULL: a first vector of MSI that lost its eventfd
 * @producer: for KVM
 * @paired: @producer is registered
 * @irq: its number
 * @name: in /proc/interrupts
 */
struct msi_vector {
	struct vfio_pci_device *vpci;
	unsigned int index;
	struct eventfd_ctx *eventfd;
	struct irq_bypass_producer producer;
	bool paired;
	int irq;
	char *name;
};

/* While there is a vector its kind is set up. */
static void vector_fire(struct msi_vector *vector)
{
	struct eventfd_ctx *eventfd = READ_ONCE(vector->eventfd);

	if (!eventfd)
		return;
	if (trace_irq_fire_enabled())
		trace_irq_fire(vector->vpci, vector->vpci->irq_index, vector->index);
	eventfd_signal(eventfd);
}

static irqreturn_t msi_handler(int irq, void *data)
{
	vector_fire(data);
	return IRQ_HANDLED;
}

static void msix_table_read(struct pci_dev *pdev, u16 *flags, u32 *table)
{
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, flags);
	pci_read_config_dword(pdev, pdev->msix_cap + PCI_MSIX_TABLE, table);
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
	msi->can_mask_msi = false;
	msi->max_msix = 0;
	msi->table_size = 0;

	if (pdev->msi_cap) {
		pci_read_config_word(pdev, pdev->msi_cap + PCI_MSI_FLAGS, &flags);
		msi->max_msi = 1 << FIELD_GET(PCI_MSI_FLAGS_QMASK, flags);
		msi->can_mask_msi = flags & PCI_MSI_FLAGS_MASKBIT;
	}
	if (!pdev->msix_cap)
		return;

	msix_table_read(pdev, &flags, &table);
	msi->max_msix = FIELD_GET(PCI_MSIX_FLAGS_QSIZE, flags) + 1;
	msi->table_bar = FIELD_GET(PCI_MSIX_TABLE_BIR, table);
	msi->table_offset = table & PCI_MSIX_TABLE_OFFSET;
	msi->table_size = msi->max_msix * PCI_MSIX_ENTRY_SIZE;

	/* The PCI core would map what lies behind the BAR, and write to it. */
	if (msi->table_bar >= PCI_STD_NUM_BARS ||
	    !(pci_resource_flags(pdev, msi->table_bar) & IORESOURCE_MEM) ||
	    msi->table_offset + (u64)msi->table_size > pci_resource_len(pdev, msi->table_bar)) {
		pci_warn_once(pdev, "MSI-X table lies in no BAR of memory: no MSI-X\n");
		msi->max_msix = 0;
		msi->table_size = 0;
	}
}

/* ---- one vector ---- */

static void vector_pair(struct vfio_pci_device *vpci, struct msi_vector *vector)
{
	int ret;

	if (!vector->eventfd)
		return;
	ret = irq_bypass_register_producer(&vector->producer, vector->eventfd, vector->irq);
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
	bool masked = test_bit(vector->index, vpci->msi.masked);
	struct msi_msg message;
	u16 command;
	int ret;

	command = vfio_pci_decode_begin(vpci);
	if (vpci->msi.msix) {
		get_cached_msi_msg(vector->irq, &message);
		pci_write_msi_msg(vector->irq, &message);
	}
	/* Masked for real when it is disabled. */
	irq_set_status_flags(vector->irq, IRQ_DISABLE_UNLAZY);
	ret = request_irq(vector->irq, msi_handler, masked ? IRQF_NO_AUTOEN : 0, vector->name,
			  vector);
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
static int number_get(struct vfio_pci_device *vpci, unsigned int index)
{
	struct msi_map map;
	u16 command;
	int irq;

	if (!vpci->msi.one_by_one) {
		irq = pci_irq_vector(vpci->pdev, index);
		return irq < 0 && vpci->msi.msix ? -ENOSPC : irq;
	}
	command = vfio_pci_decode_begin(vpci);
	map = pci_msix_alloc_irq_at(vpci->pdev, index, NULL);
	vfio_pci_decode_end(vpci, command);
	return map.index < 0 ? map.index : map.virq;
}

static void number_put(struct vfio_pci_device *vpci, unsigned int index, int irq)
{
	u16 command;

	if (!vpci->msi.one_by_one)
		return;
	command = vfio_pci_decode_begin(vpci);
	pci_msix_free_irq(vpci->pdev, (struct msi_map){ .index = index, .virq = irq });
	vfio_pci_decode_end(vpci, command);
}

static int vector_add(struct vfio_pci_device *vpci, unsigned int index,
		      struct eventfd_ctx *eventfd)
{
	struct msi_vector *vector;
	int ret = -ENOMEM;

	vector = kzalloc(sizeof(*vector), GFP_KERNEL_ACCOUNT);
	if (!vector)
		return -ENOMEM;
	vector->vpci = vpci;
	vector->index = index;
	vector->eventfd = eventfd;
	vector->name = kasprintf(GFP_KERNEL_ACCOUNT, "vfio-msi%s[%u](%s)",
				 vpci->msi.msix ? "x" : "", index, pci_name(vpci->pdev));
	if (!vector->name)
		goto err_free;

	ret = number_get(vpci, index);
	if (ret < 0)
		goto err_free;
	vector->irq = ret;

	ret = xa_insert(&vpci->msi.vectors, index, vector, GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_number;
	ret = vector_start(vpci, vector);
	if (!ret)
		return 0;

	xa_erase(&vpci->msi.vectors, index);
err_number:
	number_put(vpci, index, vector->irq);
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
	number_put(vpci, index, vector->irq);
	if (vector->eventfd)
		eventfd_ctx_put(vector->eventfd);
	vector_free(vector);
}

/* Do others need the vector's handler? */
static bool vector_is_shared(const struct vfio_pci_device *vpci, unsigned int index)
{
	return !vpci->msi.msix && vpci->msi.nr_vectors > 1 && !index;
}

/* Does the device still have the message that belongs to the vector? */
static bool vector_is_lost(struct vfio_pci_device *vpci, const struct msi_vector *vector)
{
	const struct msi_desc *desc = irq_get_msi_desc(vector->irq);
	struct msi_msg message;
	void __iomem *entry;
	u16 command;
	bool lost;

	if (!vpci->msi.msix)
		return false;

	command = vfio_pci_decode_begin(vpci);
	get_cached_msi_msg(vector->irq, &message);
	entry = desc->pci.mask_base + vector->index * PCI_MSIX_ENTRY_SIZE;
	lost = readl(entry + PCI_MSIX_ENTRY_LOWER_ADDR) != message.address_lo ||
	       readl(entry + PCI_MSIX_ENTRY_UPPER_ADDR) != message.address_hi ||
	       readl(entry + PCI_MSIX_ENTRY_DATA) != message.data;
	vfio_pci_decode_end(vpci, command);
	return lost;
}

/* The handler stays where it is, so no interrupt is lost. */
static void vector_exchange(struct vfio_pci_device *vpci, struct msi_vector *vector,
			    struct eventfd_ctx *eventfd)
{
	struct eventfd_ctx *old = vector->eventfd;

	vector_unpair(vector);
	WRITE_ONCE(vector->eventfd, eventfd);
	synchronize_irq(vector->irq);
	if (old)
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
 * Return: 0, -EINVAL for an MSI that was not allocated, -ENOSPC if the host has no vector left,
 * -ENOMEM.
 */
int vfio_pci_msi_set(struct vfio_pci_device *vpci, unsigned int index,
		     struct eventfd_ctx *eventfd)
{
	struct msi_vector *vector;

	lockdep_assert_held(&vpci->irq_lock);

	vector = xa_load(&vpci->msi.vectors, index);
	if (!eventfd && !(vector && vector_is_shared(vpci, index))) {
		vector_remove(vpci, index);
		return 0;
	}
	if (vector && !vector_is_lost(vpci, vector)) {
		vector_exchange(vpci, vector, eventfd);
		return 0;
	}
	vector_remove(vpci, index);
	return vector_add(vpci, index, eventfd);
}

/**
 * vfio_pci_msi_mask - mask or unmask a vector
 * @vpci: the device; MSI or MSI-X is enabled, and can mask
 * @index: the vector, with or without an eventfd
 * @mask: mask it
 *
 * When this returns a masked vector's eventfd is no longer signalled by the device.
 *
 * Context: process context, irq_lock held; may sleep.
 */
void vfio_pci_msi_mask(struct vfio_pci_device *vpci, unsigned int index, bool mask)
{
	struct msi_vector *vector;
	u16 command;

	lockdep_assert_held(&vpci->irq_lock);

	if (test_bit(index, vpci->msi.masked) == mask)
		return;
	__assign_bit(index, vpci->msi.masked, mask);
	vector = xa_load(&vpci->msi.vectors, index);
	if (!vector)
		return;

	command = vfio_pci_decode_begin(vpci);
	if (mask)
		disable_irq(vector->irq);
	else
		enable_irq(vector->irq);
	vfio_pci_decode_end(vpci, command);
}

/**
 * vfio_pci_msi_count - how many vectors have an eventfd
 * @vpci: the device
 *
 * Context: holds irq_lock.
 * Return: their number.
 */
unsigned int vfio_pci_msi_count(struct vfio_pci_device *vpci)
{
	struct msi_vector *vector;
	unsigned int count = 0;
	unsigned long index;

	lockdep_assert_held(&vpci->irq_lock);

	xa_for_each(&vpci->msi.vectors, index, vector)
		count += !!vector->eventfd;
	return count;
}

/**
 * vfio_pci_msi_show - lines about the vectors
 * @vpci: the device; MSI or MSI-X is enabled
 * @seq: gets a line for each that has an eventfd or is masked
 *
 * Context: holds irq_lock.
 */
void vfio_pci_msi_show(struct vfio_pci_device *vpci, struct seq_file *seq)
{
	struct vfio_pci_msi *msi = &vpci->msi;
	unsigned int index, offered = msi->msix ? msi->max_msix : msi->max_msi;
	struct msi_vector *vector;

	lockdep_assert_held(&vpci->irq_lock);

	seq_printf(seq, "offered %u\n", offered);
	if (msi->one_by_one)
		seq_puts(seq, "allocated one by one\n");
	else
		seq_printf(seq, "allocated %u\n", msi->nr_vectors);
	for (index = 0; index < offered && !seq_has_overflowed(seq); index++) {
		bool masked = test_bit(index, msi->masked);

		vector = xa_load(&msi->vectors, index);
		if (vector && vector->eventfd)
			seq_printf(seq, "vector %u irq %d masked %d bypass-offered %d\n", index,
				   vector->irq, masked, vector->paired);
		else if (masked)
			seq_printf(seq, "vector %u irq none masked 1 bypass-offered 0\n", index);
	}
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
		vector_fire(vector);
}

/* ---- the kind ---- */

/*
 * The PCI core reads anew where the table is. Some devices can be taught to say something else than
 * when it was checked; one that does so between this look and the core's is not found out.
 */
static bool msix_table_moved(struct vfio_pci_device *vpci)
{
	const struct vfio_pci_msi *msi = &vpci->msi;
	u32 table = 0;
	u16 flags = 0;

	msix_table_read(vpci->pdev, &flags, &table);
	return FIELD_GET(PCI_MSIX_FLAGS_QSIZE, flags) + 1 != msi->max_msix ||
	       FIELD_GET(PCI_MSIX_TABLE_BIR, table) != msi->table_bar ||
	       (table & PCI_MSIX_TABLE_OFFSET) != msi->table_offset;
}

/*
 * Enable the kind in hardware, with at least @nr_vectors vectors, or with none where they come one
 * by one. Returns how many there can be, or an error.
 */
static int kind_allocate(struct vfio_pci_device *vpci, unsigned int nr_vectors, bool msix,
			 bool one_by_one)
{
	struct pci_dev *pdev = vpci->pdev;
	unsigned int wanted = one_by_one ? 1 : msix ? vpci->msi.max_msix : nr_vectors;
	u16 command;
	int ret;

	if (msix && msix_table_moved(vpci))
		return -EIO;
	command = vfio_pci_decode_begin(vpci);
	ret = pci_alloc_irq_vectors(pdev, 1, wanted, msix ? PCI_IRQ_MSIX : PCI_IRQ_MSI);
	if (ret > 0 && one_by_one) {
		pci_msix_free_irq(pdev, (struct msi_map){ .virq = pci_irq_vector(pdev, 0) });
		ret = vpci->msi.max_msix;
	} else if (ret > 0 && ret < nr_vectors) {
		pci_free_irq_vectors(pdev);
	}
	/* Before the window ends: a reset in the next one keeps what it finds. */
	if (ret < (int)nr_vectors)
		vfio_pci_intx_quiet(vpci);
	vfio_pci_decode_end(vpci, command);
	return ret;
}

/**
 * vfio_pci_msi_enable - enable MSI or MSI-X and allocate vectors
 * @vpci: the device; no interrupts are set up
 * @nr_vectors: how many, from 0 up, are needed now
 * @msix: which kind
 *
 * Context: process context, irq_lock held.
 * Return: 0; how many vectors there are, if less than @nr_vectors; a negative errno.
 */
int vfio_pci_msi_enable(struct vfio_pci_device *vpci, unsigned int nr_vectors, bool msix)
{
	bool one_by_one = msix && pci_msix_can_alloc_dyn(vpci->pdev);
	struct vfio_pci_msi *msi = &vpci->msi;
	int ret;

	lockdep_assert_held(&vpci->irq_lock);

	msi->masked = bitmap_zalloc(msix ? msi->max_msix : msi->max_msi, GFP_KERNEL_ACCOUNT);
	if (!msi->masked)
		return -ENOMEM;
	ret = kind_allocate(vpci, nr_vectors, msix, one_by_one);
	if (ret < 0 || ret < nr_vectors) {
		bitmap_free(msi->masked);
		msi->masked = NULL;
		return ret;
	}
	msi->nr_vectors = ret;
	msi->msix = msix;
	msi->one_by_one = one_by_one;
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
	struct vfio_pci_msi *msi = &vpci->msi;
	struct msi_vector *vector;
	unsigned long index;
	u16 command;

	lockdep_assert_held(&vpci->irq_lock);

	/* The first of MSI is the last: until then the others' messages arrive. */
	xa_for_each_start(&msi->vectors, index, vector, 1)
		vector_remove(vpci, index);
	vector_remove(vpci, 0);

	command = vfio_pci_decode_begin(vpci);
	pci_free_irq_vectors(vpci->pdev);
	vfio_pci_intx_quiet(vpci);
	vfio_pci_decode_end(vpci, command);

	bitmap_free(msi->masked);
	msi->masked = NULL;
	msi->nr_vectors = 0;
	vpci->irq_index = VFIO_PCI_NUM_IRQS;
}

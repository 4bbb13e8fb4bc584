// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a client sees of each kind of capability, well formed: how many bytes it has, which of its
 * bits are the client's own and which reach the hardware. The expectations are written from the PCI
 * specifications and the ABI; what they do not name is read from the hardware and takes no write.
 * Needs no device.
 */
#include <kselftest_harness.h>

#include "lib/compile.h"

/**
 * struct bits - what is expected of a register
 * @offset: from the start of the capability
 * @width: bytes
 * @copy: the client sees what it wrote, the hardware does not
 * @fixed: shown from memory, takes no write
 * @zero: bits of those two that start as 0; the others start as the hardware has them
 * @pass: written to the hardware
 */
struct bits {
	u16 offset;
	u8 width;
	u32 copy;
	u32 fixed;
	u32 zero;
	u32 pass;
};

/**
 * struct form - a form of a capability
 * @name: for the log
 * @id: of the capability
 * @length: bytes it must have, 0 if it is hidden and they are a gap
 * @hidden: it is in no list, though its bytes are its own
 * @raw: all behind the first dword's id and link is passed on
 * @says: bits of a dword of the device that make it this form, those of @mask
 * @bits: registers that are not just read from the hardware
 */
struct form {
	const char *name;
	u16 id;
	u16 length;
	bool raw;
	bool hidden;
	struct {
		u16 offset;
		u32 mask;
		u32 value;
	} says[4];
	const struct bits *bits;
};

/* ---- the header ---- */

/* Where a BAR can be moved to depends on the function; until that is known it takes no write. */
static const struct bits header_bits[] = {
	{ PCI_VENDOR_ID, 2, .fixed = 0xffff },
	{ PCI_DEVICE_ID, 2, .fixed = 0xffff },
	{ PCI_COMMAND, 2, .copy = PCI_COMMAND_INTX_DISABLE,
	  .pass = 0xffff & ~PCI_COMMAND_INTX_DISABLE },
	{ PCI_STATUS, 2, .fixed = PCI_STATUS_CAP_LIST },
	{ PCI_CACHE_LINE_SIZE, 1, .pass = 0xff },
	{ PCI_LATENCY_TIMER, 1, .pass = 0xff },
	{ PCI_BIST, 1, .pass = 0xff },
	{ PCI_BASE_ADDRESS_0, 4, .fixed = ~0U },
	{ PCI_BASE_ADDRESS_1, 4, .fixed = ~0U },
	{ PCI_BASE_ADDRESS_2, 4, .fixed = ~0U },
	{ PCI_BASE_ADDRESS_3, 4, .fixed = ~0U },
	{ PCI_BASE_ADDRESS_4, 4, .fixed = ~0U },
	{ PCI_BASE_ADDRESS_5, 4, .fixed = ~0U },
	{ PCI_ROM_ADDRESS, 4, .fixed = ~0U },
	{ PCI_CAPABILITY_LIST, 1, .fixed = 0xff },
	{ PCI_INTERRUPT_LINE, 1, .copy = 0xff },
	{ PCI_INTERRUPT_PIN, 1, .fixed = 0xff },
	{ }
};

static const struct form header_form = { "header", .length = 64, .bits = header_bits };

/* ---- standard capabilities ---- */

/* Wake-up is the host's. The power state is trapped. */
static const struct bits pm_bits[] = {
	{ 2, 2, .fixed = 0xf800, .zero = 0xf800 },
	{ 4, 2, .fixed = 0x8100, .zero = 0x8100, .pass = 0x1e00 },
	{ }
};

static const struct bits vpd_bits[] = {
	{ 2, 2, .copy = 0xffff, .zero = 0xffff },
	{ 4, 4, .copy = ~0U, .zero = ~0U },
	{ }
};

/* Enable and the number of messages start as after a reset, and so do address and data. */
#define MSI_CONTROL	{ 2, 2, .copy = 0x0071, .fixed = 0xff8e, .zero = 0x0071 }
#define MSI_ADDRESS	{ 4, 4, .copy = ~3U, .fixed = 3, .zero = ~0U }

static const struct bits msi_bits[] = {
	MSI_CONTROL,
	MSI_ADDRESS,
	{ 8, 2, .copy = 0xffff, .zero = 0xffff },
	{ }
};

static const struct bits msi_64_bits[] = {
	MSI_CONTROL,
	MSI_ADDRESS,
	{ 8, 4, .copy = ~0U, .zero = ~0U },
	{ 12, 2, .copy = 0xffff, .zero = 0xffff },
	{ }
};

/* Mask bits are written, pending bits are the device's. */
static const struct bits msi_mask_bits[] = {
	MSI_CONTROL,
	MSI_ADDRESS,
	{ 8, 2, .copy = 0xffff, .zero = 0xffff },
	{ 12, 4, .pass = ~0U },
	{ }
};

static const struct bits msi_64_mask_bits[] = {
	MSI_CONTROL,
	MSI_ADDRESS,
	{ 8, 4, .copy = ~0U, .zero = ~0U },
	{ 12, 2, .copy = 0xffff, .zero = 0xffff },
	{ 16, 4, .pass = ~0U },
	{ }
};

static const struct bits pcix_bits[] = {
	{ 2, 2, .pass = 0xffff },
	{ }
};

/* Error correction exists since version 1. */
static const struct bits pcix_ecc_bits[] = {
	{ 2, 2, .pass = 0xffff },
	{ 8, 4, .pass = ~0U },
	{ }
};

/*
 * Payload and read request are the client's to see. Phantom functions, alternative routing ids,
 * latency tolerance and 10-bit tags are the host's; function level reset is trapped.
 */
#define EXP_CONTROL	{ 8, 2, .copy = 0x70e0, .pass = 0x0d1f }

static const struct bits exp_v1_bits[] = {
	EXP_CONTROL,
	{ }
};

static const struct bits exp_v2_bits[] = {
	EXP_CONTROL,
	{ 0x28, 2, .pass = 0xebdf },
	{ }
};

/* Bits of the 16-bit register behind id and link, and of the byte there and the one after it */
#define SAYS_16(mask, value)	{ { 0, (u32)(mask) << 16, (u32)(value) << 16 } }
#define SAYS_LENGTH(length)	SAYS_16(0x00ff, length)
#define SAYS_TYPE(mask, type)	SAYS_16((mask) << 8, (type) << 8)
/* Type and version of PCI Express */
#define SAYS_EXP(type, version)	SAYS_16(0x00ff, (type) << 4 | (version))
#define SAYS_MSI(value)		SAYS_16(0x0180, value)
/* Where SATA's index and data are: in a BAR, or behind the register that says so */
#define SAYS_SATA(where)	{ { 4, 0xf, where } }

static const struct form standard[] = {
	{ "power management", 0x01, 8, .bits = pm_bits },
	{ "AGP", 0x02, .length = 12 },
	{ "vital product data", 0x03, 8, .bits = vpd_bits },
	{ "slot numbering", 0x04, .length = 0 },
	{ "MSI", 0x05, 10, .says = SAYS_MSI(0), .bits = msi_bits },
	{ "MSI, 64 bits", 0x05, 14, .says = SAYS_MSI(0x80), .bits = msi_64_bits },
	{ "MSI, mask", 0x05, 20, .says = SAYS_MSI(0x100), .bits = msi_mask_bits },
	{ "MSI, 64 bits, mask", 0x05, 24, .says = SAYS_MSI(0x180), .bits = msi_64_mask_bits },
	{ "CompactPCI hot swap", 0x06, .length = 0 },
	{ "PCI-X version 0", 0x07, 8, .says = { { 0, 3U << 28, 0U << 28 } }, .bits = pcix_bits },
	{ "PCI-X version 1", 0x07, 24, .says = { { 0, 3U << 28, 1U << 28 } },
	  .bits = pcix_ecc_bits },
	{ "PCI-X version 2", 0x07, 24, .says = { { 0, 3U << 28, 2U << 28 } },
	  .bits = pcix_ecc_bits },
	{ "HyperTransport slave", 0x08, 28, .says = SAYS_TYPE(0xe0, 0x00) },
	{ "HyperTransport host", 0x08, 24, .says = SAYS_TYPE(0xe0, 0x20) },
	{ "HyperTransport interrupts", 0x08, 24, .says = SAYS_TYPE(0xf8, 0x80) },
	{ "HyperTransport MSI mapping", 0x08, 24, .says = SAYS_TYPE(0xf8, 0xa8) },
	{ "vendor, just its length", 0x09, 3, .says = SAYS_LENGTH(3), .raw = true },
	{ "vendor, one dword", 0x09, 4, .says = SAYS_LENGTH(4), .raw = true },
	{ "vendor, some", 0x09, 0x15, .says = SAYS_LENGTH(0x15), .raw = true },
	{ "vendor, all there is", 0x09, 0xc0, .says = SAYS_LENGTH(0xc0), .raw = true },
	{ "debug port", 0x0a, .length = 0 },
	{ "CompactPCI resource control", 0x0b, .length = 0 },
	{ "hot-plug controller", 0x0c, .length = 0 },
	{ "bridge subsystem", 0x0d, .length = 0 },
	{ "AGP 8x", 0x0e, .length = 0 },
	{ "secure device", 0x0f, .length = 0 },
	{ "PCI Express 1 endpoint", 0x10, 20, .says = SAYS_EXP(0, 1), .bits = exp_v1_bits },
	{ "PCI Express 1 legacy", 0x10, 20, .says = SAYS_EXP(1, 1), .bits = exp_v1_bits },
	{ "PCI Express 1 integrated", 0x10, 12, .says = SAYS_EXP(9, 1), .bits = exp_v1_bits },
	{ "PCI Express 2 endpoint", 0x10, 52, .says = SAYS_EXP(0, 2), .bits = exp_v2_bits },
	{ "PCI Express 2 legacy", 0x10, 52, .says = SAYS_EXP(1, 2), .bits = exp_v2_bits },
	{ "PCI Express 2 integrated", 0x10, 44, .says = SAYS_EXP(9, 2), .bits = exp_v2_bits },
	{ "MSI-X", 0x11, .length = 12 },
	{ "SATA in a BAR", 0x12, 8, .says = SAYS_SATA(4) },
	{ "SATA inline", 0x12, 16, .says = SAYS_SATA(0xf) },
	{ "advanced features", 0x13, .length = 6 },
	{ "enhanced allocation", 0x14, 36, .hidden = true,
	  .says = { { 0, 0x3f << 16, 2 << 16 }, { 4, 7, 2 }, { 16, 7, 4 } } },
};

/* ---- extended capabilities ---- */

/* All errors that have a name in PCI Express 6 */
#define UNCORRECTABLE	0xfffff030U
#define CORRECTABLE	0x0000f1c1

static const struct bits aer_bits[] = {
	{ 0x04, 4, .pass = UNCORRECTABLE },
	{ 0x08, 4, .pass = UNCORRECTABLE },
	{ 0x0c, 4, .pass = UNCORRECTABLE },
	{ 0x10, 4, .pass = CORRECTABLE },
	{ 0x14, 4, .pass = CORRECTABLE },
	{ 0x18, 4, .pass = 0x0140 },
	{ }
};

static const struct bits power_budget_bits[] = {
	{ 4, 1, .pass = 0xff },
	{ }
};

/* The BARs of VFs are addresses of the host. */
#define VF_BAR(nth)	{ 0x24 + 4 * (nth), 4, .fixed = ~0U, .zero = ~0U }

static const struct bits sriov_bits[] = {
	VF_BAR(0), VF_BAR(1), VF_BAR(2), VF_BAR(3), VF_BAR(4), VF_BAR(5),
	{ }
};

/*
 * Virtual channels beside the first, 12 bytes each, behind 16; and the table for arbitration among
 * them: where it is, in units of 16 bytes, and for which numbers of phases, 4 bits each.
 */
#define SAYS_CHANNELS(more)	{ 4, 0x7, more }
#define SAYS_TABLE(at, phases)	{ 8, 0xff0000fe, (u32)((at) / 16) << 24 | (phases) }
#define SAYS_NO_TABLE		{ 8, 0xff000000, 0 }
#define FIXED_ORDER	0x01
#define PHASES_32	0x02
#define PHASES_64	0x04
#define PHASES_128	0x08
#define PHASES_128_TIME	0x10
#define PHASES_256	0x20

/* The same for channels of functions: how many bits each phase has, and a channel's own table. */
#define SAYS_FUNCTIONS(more, bits)	{ 4, 0xc07, (more) | (bits) << 10 }
#define SAYS_OWN_TABLE(nth, at, phases)	\
	{ 0x10 + 12 * (nth), 0xff0000ff, (u32)((at) / 16) << 24 | (phases) }
#define SAYS_NO_OWN_TABLE(nth)		{ 0x10 + 12 * (nth), 0xff000000, 0 }
#define BITS_1		0
#define BITS_4		2
#define BITS_8		3

/* A length in the upper bits of the second dword */
#define SAYS_EXT_LENGTH(length)		{ { 4, 0xfff00000, (u32)(length) << 20 } }
/* Egress control, and how many ports it is for */
#define SAYS_ACS(control, ports)	{ { 4, 0xff20, (control) | (ports) << 8 } }
#define SAYS_BARS(count)		{ { 8, 0xe0, (count) << 5 } }
#define SAYS_SUBSTATES(most)		{ { 4, 0x1f, most } }
/* Where the steering tags are, and how many */
#define SAYS_TAGS(where, count)		{ { 4, 0x07ff0600, (where) | ((count) - 1U) << 16 } }
#define TAGS_NOWHERE	0x000
#define TAGS_HERE	0x200
#define TAGS_IN_MSIX	0x400

static const struct form extended[] = {
	{ "error reporting", 0x01, 0x2c, .bits = aer_bits },
	{ "virtual channel, one", 0x02, 0x1c, .says = { SAYS_CHANNELS(0), SAYS_NO_TABLE } },
	{ "virtual channel, eight", 0x02, 0x70, .says = { SAYS_CHANNELS(7), SAYS_NO_TABLE } },
	{ "virtual channel, 32 phases", 0x02, 0x40,
	  .says = { SAYS_CHANNELS(1), SAYS_TABLE(0x30, PHASES_32) } },
	{ "virtual channel, 64 phases", 0x02, 0x50,
	  .says = { SAYS_CHANNELS(1), SAYS_TABLE(0x30, PHASES_64 | PHASES_32) } },
	{ "virtual channel, 128 phases", 0x02, 0x70,
	  .says = { SAYS_CHANNELS(1), SAYS_TABLE(0x30, PHASES_128 | PHASES_32) } },
	{ "virtual channel, table further on", 0x02, 0x150,
	  .says = { SAYS_CHANNELS(3), SAYS_TABLE(0x140, PHASES_32) } },
	{ "serial number", 0x03, .length = 12 },
	{ "power budget", 0x04, 16, .bits = power_budget_bits },
	{ "links of a root complex", 0x05, .length = 0 },
	{ "internal link control", 0x06, .length = 0 },
	{ "event collector", 0x07, .length = 0 },
	{ "channels of functions, one", 0x08, 0x1c,
	  .says = { SAYS_FUNCTIONS(0, BITS_1), SAYS_NO_TABLE, SAYS_NO_OWN_TABLE(0) } },
	{ "channels of functions, 64 phases", 0x08, 0x50,
	  .says = { SAYS_FUNCTIONS(1, BITS_1), SAYS_TABLE(0x30, PHASES_64),
		    SAYS_NO_OWN_TABLE(0), SAYS_NO_OWN_TABLE(1) } },
	{ "channels of functions, an order without table", 0x08, 0x1c,
	  .says = { SAYS_FUNCTIONS(0, BITS_8), SAYS_NO_TABLE,
		    SAYS_OWN_TABLE(0, 0, FIXED_ORDER) } },
	{ "channels of functions, table of 1 bit", 0x08, 0x24,
	  .says = { SAYS_FUNCTIONS(0, BITS_1), SAYS_NO_TABLE,
		    SAYS_OWN_TABLE(0, 0x20, PHASES_32) } },
	{ "channels of functions, table of 4 bits", 0x08, 0x60,
	  .says = { SAYS_FUNCTIONS(0, BITS_4), SAYS_NO_TABLE,
		    SAYS_OWN_TABLE(0, 0x20, PHASES_128_TIME | PHASES_32) } },
	{ "channels of functions, two tables", 0x08, 0x190,
	  .says = { SAYS_FUNCTIONS(1, BITS_8), SAYS_NO_TABLE,
		    SAYS_OWN_TABLE(0, 0x30, PHASES_64), SAYS_OWN_TABLE(1, 0x90, PHASES_256) } },
	{ "virtual channel 9, two", 0x09, 0x28, .says = { SAYS_CHANNELS(1), SAYS_NO_TABLE } },
	{ "virtual channel 9, 128 phases", 0x09, 0x60,
	  .says = { SAYS_CHANNELS(0), SAYS_TABLE(0x20, PHASES_128) } },
	{ "register block of a root complex", 0x0a, .length = 0 },
	{ "vendor, no registers", 0x0b, 8, .says = SAYS_EXT_LENGTH(8), .raw = true },
	{ "vendor, some", 0x0b, 0x22, .says = SAYS_EXT_LENGTH(0x22), .raw = true },
	{ "vendor, all there is", 0x0b, 0xf00, .says = SAYS_EXT_LENGTH(0xf00), .raw = true },
	{ "config access correlation", 0x0c, .length = 0 },
	{ "access control", 0x0d, 8, .says = SAYS_ACS(0, 9) },
	{ "access control, 1 port", 0x0d, 12, .says = SAYS_ACS(0x20, 1) },
	{ "access control, 32 ports", 0x0d, 12, .says = SAYS_ACS(0x20, 32) },
	{ "access control, 33 ports", 0x0d, 16, .says = SAYS_ACS(0x20, 33) },
	{ "access control, 256 ports", 0x0d, 40, .says = SAYS_ACS(0x20, 0) },
	{ "alternative routing ids", 0x0e, .length = 8 },
	{ "address translation", 0x0f, .length = 8 },
	{ "SR-IOV", 0x10, 64, .bits = sriov_bits },
	{ "MR-IOV", 0x11, .length = 0 },
	{ "multicast", 0x12, .length = 40 },
	{ "page requests", 0x13, .length = 16 },
	{ "AMD's own", 0x14, .length = 0 },
	{ "resizable BAR, one", 0x15, 12, .says = SAYS_BARS(1) },
	{ "resizable BAR, six", 0x15, 52, .says = SAYS_BARS(6) },
	{ "power allocation, one substate", 0x16, 17, .says = SAYS_SUBSTATES(0) },
	{ "power allocation, 32 substates", 0x16, 48, .says = SAYS_SUBSTATES(31) },
	{ "TLP hints", 0x17, 12, .says = SAYS_TAGS(TAGS_NOWHERE, 64) },
	{ "TLP hints, one tag", 0x17, 16, .says = SAYS_TAGS(TAGS_HERE, 1) },
	{ "TLP hints, 64 tags", 0x17, 140, .says = SAYS_TAGS(TAGS_HERE, 64) },
	{ "TLP hints, tags in MSI-X", 0x17, 12, .says = SAYS_TAGS(TAGS_IN_MSIX, 64) },
	{ "latency tolerance", 0x18, .length = 8 },
	{ "secondary PCI Express", 0x19, .length = 0 },
	{ "multiplexing", 0x1a, .length = 0 },
	{ "PASID", 0x1b, .length = 0 },
	{ "LN requester", 0x1c, .length = 0 },
	{ "port containment", 0x1d, .length = 0 },
	{ "L1 substates", 0x1e, .length = 0 },
	{ "time measurement", 0x1f, .length = 0 },
	{ "M-PHY", 0x20, .length = 0 },
	{ "function readiness", 0x21, .length = 0 },
	{ "readiness time", 0x22, .length = 0 },
	{ "designated vendor, no registers", 0x23, 10, .says = SAYS_EXT_LENGTH(10), .raw = true },
	{ "designated vendor, some", 0x23, 0x3c, .says = SAYS_EXT_LENGTH(0x3c), .raw = true },
	{ "resizable BAR of VFs", 0x24, 20, .says = SAYS_BARS(2), .hidden = true },
	{ "data link feature", 0x25, .length = 0 },
	{ "16 GT/s", 0x26, .length = 0 },
	{ "lane margining", 0x27, .length = 0 },
	{ "hierarchy id", 0x28, .length = 0 },
	{ "enclosure management", 0x29, .length = 0 },
	{ "32 GT/s", 0x2a, .length = 0 },
	{ "alternate protocol", 0x2b, .length = 0 },
	{ "system firmware intermediary", 0x2c, .length = 0 },
	{ "shadow functions", 0x2d, .length = 0 },
	{ "data object exchange", 0x2e, .length = 0 },
	{ "device 3", 0x2f, .length = 0 },
	{ "link encryption", 0x30, .length = 0 },
	{ "64 GT/s", 0x31, .length = 0 },
};

/**
 * struct list - one of the two lists of capabilities
 * @start: where it may start
 * @end: of its space
 * @forms: its capabilities
 * @nr_forms: number of @forms
 * @extended: a link has more bits, and the list has no pointer to its start
 */
struct list {
	u16 start;
	u16 end;
	const struct form *forms;
	size_t nr_forms;
	bool extended;
};

static const struct list lists[] = {
	{ PCI_STD_HEADER_SIZEOF, PCI_CFG_SPACE_SIZE, standard, ARRAY_SIZE(standard), false },
	{ PCI_CFG_SPACE_SIZE, SPACE, extended, ARRAY_SIZE(extended), true },
};

/* ---- devices that have one of them ---- */

/* What a device has wherever nothing is said. */
static const u32 fills[] = { 0, ~0U, 0xa55a3cc3 };

FIXTURE(rules)
{
	u8 *image;
	struct vfio_pci_config config;
};

FIXTURE_VARIANT(rules)
{
	const struct list *list;
};

FIXTURE_VARIANT_ADD(rules, standard) { .list = &lists[0] };
FIXTURE_VARIANT_ADD(rules, extended) { .list = &lists[1] };

FIXTURE_SETUP(rules)
{
	self->image = bytes_new(SPACE);
	config_new(&self->config, SPACE);
}

FIXTURE_TEARDOWN(rules)
{
	config_free(&self->config);
	free(self->image);
}

static void image_fill(u8 *image, u32 fill)
{
	for (u16 pos = 0; pos < SPACE; pos += 4)
		put32(image, pos, fill);
	image[PCI_STATUS] &= ~PCI_STATUS_CAP_LIST;
	put32(image, PCI_CFG_SPACE_SIZE, 0);
}

/* A capability of this form, followed by that at @next. */
static void put_form(u8 *image, const struct list *list, u16 pos, const struct form *form, u16 next)
{
	if (list->extended)
		put_ext(image, pos, form->id, next);
	else
		put_cap(image, pos, form->id, next, vfio_pci_get_le32(image + pos) >> 16);
	for (size_t i = 0; i < ARRAY_SIZE(form->says) && form->says[i].mask; i++) {
		u16 at = pos + form->says[i].offset;
		u32 old = vfio_pci_get_le32(image + at) & ~form->says[i].mask;

		put32(image, at, old | form->says[i].value);
	}
}

/* The neighbour of the others, which says no length and takes no write */
static const struct form *plain(const struct list *list)
{
	static const struct form forms[] = {
		{ "AGP", 0x02, .length = 12 },
		{ "serial number", 0x03, .length = 12 },
	};

	return &forms[list->extended];
}

/* The list starts at @pos; the second one always at its start, so that one more goes there. */
static void put_start(u8 *image, const struct list *list, u16 pos)
{
	if (!list->extended) {
		image[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
		image[PCI_CAPABILITY_LIST] = pos;
	} else if (pos != list->start) {
		put_form(image, list, list->start, plain(list), pos);
	}
}

static u16 shown_next(const struct vfio_pci_config *config, const struct list *list, u16 pos)
{
	u32 head = vfio_pci_get_le32(config->shadow + pos);

	return list->extended ? PCI_EXT_CAP_NEXT(head) : head >> 8 & 0xff;
}

static u16 shown_start(const struct vfio_pci_config *config, const struct list *list)
{
	return list->extended ? list->start : config->shadow[PCI_CAPABILITY_LIST];
}

static bool is_shown(const struct vfio_pci_config *config, const struct list *list, u16 pos)
{
	u16 at = shown_start(config, list);

	while (at && at != pos)
		at = shown_next(config, list, at);
	return at;
}

static u16 dwords(u16 length)
{
	return (length + 3) & ~3;
}

/* ---- checks ---- */

/* What is expected of one byte of a capability, or of the header. */
static struct bits byte_of(const struct list *list, const struct form *form, u16 offset)
{
	u16 head = form->id && !form->hidden ? (list->extended ? 4 : 2) : 0;
	struct bits byte = { .offset = offset, .width = 1 };

	if (offset < head)
		byte.fixed = 0xff;
	else if (form->raw)
		byte.pass = 0xff;
	for (const struct bits *row = form->bits; row && row->width; row++) {
		int shift = 8 * (offset - row->offset);

		if (offset < row->offset || offset >= row->offset + row->width)
			continue;
		byte.copy |= row->copy >> shift & 0xff;
		byte.fixed |= row->fixed >> shift & 0xff;
		byte.zero |= row->zero >> shift & 0xff;
		byte.pass |= row->pass >> shift & 0xff;
	}
	return byte;
}

static void check_bytes(struct __test_metadata *_metadata, const FIXTURE_DATA(rules) * self,
			const struct list *list, const struct form *form, u16 pos)
{
	const struct vfio_pci_config *config = &self->config;

	for (u16 offset = 0; offset < form->length; offset++) {
		const struct bits want = byte_of(list, form, offset);
		u16 at = pos + offset;
		u8 virt = want.copy | want.fixed;

		EXPECT_EQ(virt, config->virt[at])
			TH_LOG("%s: 0x%02x: shown from memory", form->name, offset);
		EXPECT_EQ(want.copy | want.pass, config->write[at])
			TH_LOG("%s: 0x%02x: writable", form->name, offset);
		EXPECT_EQ(self->image[at] & virt & ~want.zero, config->shadow[at] & virt)
			TH_LOG("%s: 0x%02x: first value", form->name, offset);
	}
}

/* The capability owns its bytes and no others; a hidden one has none, and is in no list. */
static void check_form(struct __test_metadata *_metadata, const FIXTURE_DATA(rules) * self,
		       const struct list *list, const struct form *form, u16 pos)
{
	const struct vfio_pci_config *config = &self->config;
	u16 length = 0;

	ASSERT_TRUE(sane(config));
	while (config->owner[pos] != VFIO_PCI_CONFIG_GAP && pos + length < list->end &&
	       config->owner[pos + length] == config->owner[pos])
		length++;
	EXPECT_EQ(form->length, length)
		TH_LOG("%s at 0x%03x: length", form->name, pos);
	EXPECT_EQ(form->length > 0 && !form->hidden, is_shown(config, list, pos))
		TH_LOG("%s at 0x%03x: in the list", form->name, pos);
	if (form->length == length)
		check_bytes(_metadata, self, list, form, pos);
}

/* A device whose list has this form alone, at @pos. */
static void check_alone(struct __test_metadata *_metadata, FIXTURE_DATA(rules) * self,
			const struct list *list, const struct form *form, u16 pos, u32 fill)
{
	image_fill(self->image, fill);
	put_start(self->image, list, pos);
	put_form(self->image, list, pos, form, 0);
	config_compile(&self->config, self->image);
	check_form(_metadata, self, list, form, pos);
}

/* ---- the forms ---- */

/* With nothing behind it */
TEST_F(rules, alone)
{
	const struct list *list = variant->list;

	for (size_t i = 0; i < list->nr_forms; i++) {
		const struct form *form = &list->forms[i];
		bool first = !list->extended || (form->length && !form->hidden);
		u16 pos = first ? list->start : list->start + 0x40;

		for (size_t j = 0; j < ARRAY_SIZE(fills); j++)
			check_alone(_metadata, self, list, form, pos, fills[j]);
	}
}

/* With its last dword at the end of config space */
TEST_F(rules, at_end)
{
	const struct list *list = variant->list;

	for (size_t i = 0; i < list->nr_forms; i++) {
		const struct form *form = &list->forms[i];
		u16 pos = list->end - dwords(form->length);

		if (form->length)
			check_alone(_metadata, self, list, form, pos,
				    fills[i % ARRAY_SIZE(fills)]);
	}
}

/* Between two others, as close as can be: none is changed by it. */
TEST_F(rules, between)
{
	const struct list *list = variant->list;
	const struct form *other = plain(list);

	for (size_t i = 0; i < list->nr_forms; i++) {
		const struct form *form = &list->forms[i];
		u16 pos = list->start + dwords(other->length);
		u16 next = pos + dwords(form->length);

		if (!form->length || form->hidden || next + other->length > list->end)
			continue;
		image_fill(self->image, fills[i % ARRAY_SIZE(fills)]);
		put_start(self->image, list, list->start);
		put_form(self->image, list, list->start, other, pos);
		put_form(self->image, list, pos, form, next);
		put_form(self->image, list, next, other, 0);
		config_compile(&self->config, self->image);
		check_form(_metadata, self, list, other, list->start);
		check_form(_metadata, self, list, form, pos);
		check_form(_metadata, self, list, other, next);
	}
}

static bool has_shown_form(const struct list *list, u16 id)
{
	for (size_t i = 0; i < list->nr_forms; i++)
		if (list->forms[i].id == id && list->forms[i].length)
			return true;
	return false;
}

/* Whatever has no form that is shown is left out of its list; its bytes are a gap. */
TEST_F(rules, hidden)
{
	const struct list *list = variant->list;
	const struct form *other = plain(list);
	u16 start = list->start, pos = start + 0x20, next = start + 0x40;
	struct form unknown = { .name = "unknown" };

	for (u16 id = 1; id <= 0xff; id++) {
		if (has_shown_form(list, id))
			continue;
		unknown.id = id;
		image_fill(self->image, fills[id % ARRAY_SIZE(fills)]);
		put_start(self->image, list, start);
		put_form(self->image, list, start, other, pos);
		put_form(self->image, list, pos, &unknown, next);
		put_form(self->image, list, next, other, 0);
		config_compile(&self->config, self->image);
		check_form(_metadata, self, list, &unknown, pos);
		EXPECT_EQ(next, shown_next(&self->config, list, start))
			TH_LOG("id 0x%x", id);
		EXPECT_EQ(0, shown_next(&self->config, list, next));
	}
}

static void check_cut(struct __test_metadata *_metadata, const FIXTURE_DATA(rules) * self,
		      const struct list *list, const struct form *form, u16 room)
{
	const struct vfio_pci_config *config = &self->config;

	ASSERT_TRUE(sane(config));
	EXPECT_TRUE(is_shown(config, list, list->start + room));
	for (u16 offset = 0; offset < room; offset++) {
		u16 at = list->start + offset;
		u8 passed = config->write[at] & ~config->virt[at];

		EXPECT_EQ(0, passed & ~byte_of(list, form, offset).pass)
			TH_LOG("%s in 0x%02x: 0x%02x", form->name, room, offset);
	}
}

/*
 * One that has less room than it must have, for the next one begins inside of it: no write reaches
 * the hardware that would not if it was whole.
 */
TEST_F(rules, cut_short)
{
	const struct list *list = variant->list;

	for (size_t i = 0; i < list->nr_forms; i++) {
		const struct form *form = &list->forms[i];
		u16 most = min(form->length, 0x80);

		for (u16 room = 4; room < most; room += 4) {
			image_fill(self->image, fills[room / 4 % ARRAY_SIZE(fills)]);
			put_start(self->image, list, list->start);
			put_form(self->image, list, list->start, form, list->start + room);
			put_form(self->image, list, list->start + room, plain(list), 0);
			config_compile(&self->config, self->image);
			check_cut(_metadata, self, list, form, room);
		}
	}
}

/* ---- the header ---- */

TEST(header)
{
	FIXTURE_DATA(rules) self = { .image = bytes_new(SPACE) };
	const struct list *list = &lists[0];

	config_new(&self.config, SPACE);
	for (size_t i = 0; i < ARRAY_SIZE(fills); i++) {
		image_fill(self.image, fills[i]);
		put_start(self.image, list, list->start);
		put_form(self.image, list, list->start, plain(list), 0);
		config_compile(&self.config, self.image);
		ASSERT_TRUE(sane(&self.config));
		check_bytes(_metadata, &self, list, &header_form, 0);
	}
	config_free(&self.config);
	free(self.image);
}

int main(int argc, char **argv)
{
	module.fd = open(MODULE_FILE, O_RDWR | O_CLOEXEC);
	return test_harness_run(argc, argv);
}

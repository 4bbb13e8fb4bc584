// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each bit of each byte of the header and of each capability that the devices of the test bed show:
 * may it be written, and does what is written reach the hardware? The expectations are written from
 * the PCI specifications and the ABI: a client must not reach what belongs to the host (addresses,
 * interrupts, links, power), and has its own copy where software needs to see what it wrote.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/pci_regs.h>

#include "lib/check.h"

#define CONFIG	VFIO_PCI_CONFIG_REGION_INDEX
#define MASKS	"/sys/kernel/debug/vfio/%s/pci/config"
#define SRIOV	"/sys/module/vfio_pci/parameters/enable_sriov"

/*
 * What is expected of the bits of a register; those in no mask are read-only: neither the view nor
 * the hardware changes.
 * @copy: the client sees what it wrote, the hardware does not change
 * @pass: the client sees what the hardware made of the write
 * @alone: does more than keep a value: other tests write it, here it is written as it is
 * @view: the view changes by other rules; the hardware does not change
 * @refused: could be the client's own, or passed on, but not in the state that the device is in
 */
struct expected {
	__u16 offset;
	__u8 width;
	__u32 copy;
	__u32 pass;
	__u32 alone;
	__u32 view;
	__u32 refused;
};

struct capability {
	__u16 id;
	__u16 length;		/* 0: the device says it */
	bool raw;		/* all of it is pass */
	const struct expected *rows;
	const struct expected *vf_rows; /* what is different for a VF */
};

static const struct expected header_rows[] = {
	{ PCI_COMMAND, 2, .pass = 0x0378, .alone = 0xfc87 },
	{ PCI_CACHE_LINE_SIZE, 1, .pass = 0xff },
	{ PCI_LATENCY_TIMER, 1, .pass = 0xff },
	{ PCI_BIST, 1, .pass = 0x8f, .alone = 0x70 },
	{ PCI_BASE_ADDRESS_0, 4, .view = ~0U },
	{ PCI_BASE_ADDRESS_1, 4, .view = ~0U },
	{ PCI_BASE_ADDRESS_2, 4, .view = ~0U },
	{ PCI_BASE_ADDRESS_3, 4, .view = ~0U },
	{ PCI_BASE_ADDRESS_4, 4, .view = ~0U },
	{ PCI_BASE_ADDRESS_5, 4, .view = ~0U },
	{ PCI_ROM_ADDRESS, 4, .view = ~0U },
	{ PCI_INTERRUPT_LINE, 1, .copy = 0xff },
	{ }
};

/* The hardware of a VF has no decode bits. The client has them all the same. */
static const struct expected vf_header_rows[] = {
	{ PCI_COMMAND, 2, .copy = PCI_COMMAND_IO | PCI_COMMAND_MEMORY, .pass = 0x0378,
	  .alone = 0xfc84 },
	{ }
};

static const struct capability header = {
	.length = 64, .rows = header_rows, .vf_rows = vf_header_rows,
};

static const struct expected pm_rows[] = {
	{ PCI_PM_CTRL, 2, .pass = PCI_PM_CTRL_DATA_SEL_MASK, .alone = PCI_PM_CTRL_STATE_MASK },
	{ }
};

/* Without an interrupt set up MSI can neither be enabled nor have several messages. */
#define MSI_REFUSED	(PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE)

static const struct expected msi_32_rows[] = {
	{ PCI_MSI_FLAGS, 2, .refused = MSI_REFUSED },
	{ PCI_MSI_ADDRESS_LO, 4, .copy = ~3U },
	{ PCI_MSI_DATA_32, 2, .copy = 0xffff },
	{ PCI_MSI_MASK_32, 4, .pass = ~0U },
	{ }
};

static const struct expected msi_64_rows[] = {
	{ PCI_MSI_FLAGS, 2, .refused = MSI_REFUSED },
	{ PCI_MSI_ADDRESS_LO, 4, .copy = ~3U },
	{ PCI_MSI_ADDRESS_HI, 4, .copy = ~0U },
	{ PCI_MSI_DATA_64, 2, .copy = 0xffff },
	{ PCI_MSI_MASK_64, 4, .pass = ~0U },
	{ }
};

/*
 * The host decides on phantom functions, alternative routing ids, latency tolerance and 10-bit
 * tags; payload and read request size are the client's to see.
 */
static const struct expected exp_rows[] = {
	{ PCI_EXP_DEVCTL, 2, .copy = PCI_EXP_DEVCTL_PAYLOAD, .view = PCI_EXP_DEVCTL_READRQ,
	  .pass = 0x0d1f, .alone = PCI_EXP_DEVCTL_BCR_FLR | PCI_EXP_DEVCTL_READRQ },
	{ PCI_EXP_DEVCTL2, 2, .pass = 0xebdf },
	{ }
};

/* All that have a name in PCI Express 6, up to TLP Translation Egress Blocked in bit 31 */
#define AER_UNCORRECTABLE	0xfffff030U

static const struct expected aer_rows[] = {
	{ PCI_ERR_UNCOR_STATUS, 4, .pass = AER_UNCORRECTABLE },
	{ PCI_ERR_UNCOR_MASK, 4, .pass = AER_UNCORRECTABLE },
	{ PCI_ERR_UNCOR_SEVER, 4, .pass = AER_UNCORRECTABLE },
	{ PCI_ERR_COR_STATUS, 4, .pass = 0x0000f1c1 },
	{ PCI_ERR_COR_MASK, 4, .pass = 0x0000f1c1 },
	{ PCI_ERR_CAP, 4, .pass = PCI_ERR_CAP_ECRC_GENE | PCI_ERR_CAP_ECRC_CHKE },
	{ }
};

static const struct capability standard[] = {
	{ PCI_CAP_ID_PM, 8, .rows = pm_rows },
	{ PCI_CAP_ID_MSIX, 12, .rows = NULL },
	{ PCI_CAP_ID_EXP, 0, .rows = exp_rows },
	{ PCI_CAP_ID_VNDR, 0, .raw = true },
	{ PCI_CAP_ID_SATA, 8, .rows = NULL },
	{ PCI_CAP_ID_AF, 4, .rows = NULL },
};

static const struct capability extended[] = {
	{ PCI_EXT_CAP_ID_ERR, 0x2c, .rows = aer_rows },
	{ PCI_EXT_CAP_ID_DSN, 12, .rows = NULL },
	{ PCI_EXT_CAP_ID_ARI, 8, .rows = NULL },
	{ PCI_EXT_CAP_ID_ATS, 8, .rows = NULL },
	{ PCI_EXT_CAP_ID_SRIOV, 64, .rows = NULL },
	{ PCI_EXT_CAP_ID_ACS, 8, .rows = NULL },
	{ PCI_EXT_CAP_ID_LTR, 8, .rows = NULL },
};

/*
 * What the driver says of each byte: bits that the client sees in a copy, bits that it may write.
 * An emulated register may ignore, or take, more than is passed to it, which does not tell.
 */
struct masks {
	bool known;
	__u8 virt[4096];
	__u8 write[4096];
};

FIXTURE(caps)
{
	struct client c;
	struct pci_func pf;	/* of a VF */
	int hardware;
	struct masks masks;
};

FIXTURE_VARIANT(caps)
{
	enum test_device kind;
	int nth;
	const char *options;	/* of a VF: its PF's token */
};

FIXTURE_VARIANT_ADD(caps, edu) { .kind = EDU };
FIXTURE_VARIANT_ADD(caps, nvme) { .kind = NVME };
FIXTURE_VARIANT_ADD(caps, sriov_pf) { .kind = NVME, .nth = 1 };
FIXTURE_VARIANT_ADD(caps, sriov_vf) { .options = TOKEN };
FIXTURE_VARIANT_ADD(caps, e1000e) { .kind = E1000E };
FIXTURE_VARIANT_ADD(caps, e1000) { .kind = E1000 };
FIXTURE_VARIANT_ADD(caps, testdev) { .kind = TESTDEV };
FIXTURE_VARIANT_ADD(caps, ivshmem) { .kind = IVSHMEM };
FIXTURE_VARIANT_ADD(caps, vga) { .kind = VGA };
FIXTURE_VARIANT_ADD(caps, xhci) { .kind = XHCI };

/* The driver's own words; whole dwords, or bytes of those that have several owners. */
static int masks_read(const struct pci_func *func, struct masks *masks)
{
	unsigned int first, last, virt, write;
	char path[128], line[256], digits[16];
	FILE *file;

	memset(masks, 0, sizeof(*masks));
	snprintf(path, sizeof(path), MASKS, func->bdf);
	file = fopen(path, "r");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%x-%x %*s virtual %15s %*s writable %x", &first, &last, digits,
			   &write) != 4 || last >= sizeof(masks->virt))
			break;
		virt = strtoul(digits, NULL, 16);
		for (unsigned int at = first; at <= last; at++) {
			unsigned int shift = strlen(digits) == 8 ? 8 * ((at - first) % 4) : 0;

			masks->virt[at] = virt >> shift;
			masks->write[at] = write >> shift;
			masks->known = true;
		}
	}
	fclose(file);
	return 0;
}

/* Opens a VF, after the PF was given the token. QEMU 7.2 loses the VFs by a reset of the PF. */
static int vf_open(struct client *c, const struct pci_func *pf, const char *token)
{
	struct pci_func vf;

	if (file_write(SRIOV, "Y") || pci_set(pf, "reset_method", "\n") ||
	    pf_set_vfs(pf, NR_VFS) || pf_vf(pf, 0, &vf) ||
	    client_open_func(c, pf, token, VFIO_TYPE1v2_IOMMU))
		return -1;
	client_close(c);
	return client_open_func(c, &vf, token, VFIO_TYPE1v2_IOMMU);
}

static void vfs_end(const struct pci_func *pf)
{
	pf_set_vfs(pf, 0);
	pci_set(pf, "reset_method", "default");
	file_write(SRIOV, "N");
}

FIXTURE_SETUP(caps)
{
	char path[64];

	self->c = (struct client)CLIENT_NONE;
	self->hardware = -1;
	if (variant->options) {
		if (!pf_find(&self->pf))
			SKIP(return, "no SR-IOV device");
		ASSERT_OK(vf_open(&self->c, &self->pf, variant->options));
	} else if (!open_or_skip(_metadata, &self->c, variant->kind, variant->nth,
				 VFIO_TYPE1v2_IOMMU)) {
		return;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", self->c.func.bdf);
	self->hardware = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->hardware);
	masks_read(&self->c.func, &self->masks);
	EXPECT_TRUE(self->masks.known);
}

FIXTURE_TEARDOWN(caps)
{
	client_close(&self->c);
	fd_close(&self->hardware);
	if (variant->options)
		vfs_end(&self->pf);
}

static __u8 hardware_byte(int hardware, __u32 at)
{
	__u8 value = 0;

	return pread(hardware, &value, 1, at) == 1 ? value : 0xff;
}

static const struct expected *row_of(const struct expected *rows, __u32 offset)
{
	for (; rows && rows->width; rows++)
		if (offset >= rows->offset && offset < rows->offset + rows->width)
			return rows;
	return NULL;
}

/* The row that has this byte of a capability, as masks of the byte. */
static struct expected expected_byte(const struct capability *cap, bool vf, __u32 offset)
{
	const struct expected *row = vf ? row_of(cap->vf_rows, offset) : NULL;
	struct expected byte = { .offset = offset, .width = 1, .pass = cap->raw ? 0xff : 0 };
	int shift;

	if (!row)
		row = row_of(cap->rows, offset);
	if (!row)
		return byte;
	shift = 8 * (offset - row->offset);
	byte.copy = row->copy >> shift & 0xff;
	byte.pass = row->pass >> shift & 0xff;
	byte.alone = row->alone >> shift & 0xff;
	byte.view = row->view >> shift & 0xff;
	byte.refused = row->refused >> shift & 0xff;
	return byte;
}

static void check_byte(struct __test_metadata *_metadata, const struct client *c, int hardware,
		       __u32 at, const struct expected *want)
{
	__u8 old = config_read(c, at, 1), hard = hardware_byte(hardware, at);
	__u8 written = old ^ (0xff & ~want->alone);
	__u8 fixed = ~(want->copy | want->pass | want->alone | want->view);
	__u8 now, hard_now;

	EXPECT_OK(config_write(c, at, 1, written));
	now = config_read(c, at, 1);
	hard_now = hardware_byte(hardware, at);
	EXPECT_EQ(old & fixed, now & fixed)
		TH_LOG("0x%03x: read-only bits change", at);
	EXPECT_EQ(written & want->copy, now & want->copy)
		TH_LOG("0x%03x: the view does not keep what was written", at);
	EXPECT_EQ(hard_now & want->pass, now & want->pass)
		TH_LOG("0x%03x: the view is not the hardware's", at);
	EXPECT_EQ(hard & ~want->pass & ~want->alone & 0xff,
		  hard_now & ~want->pass & ~want->alone & 0xff)
		TH_LOG("0x%03x: 0x%02x reached the hardware", at, written);
	config_write(c, at, 1, old);
}

/* The same by the driver's masks: of bits that no rule of their own has, what may be passed on. */
static void check_masks(struct __test_metadata *_metadata, const struct masks *masks, __u32 at,
			const struct expected *want)
{
	__u8 plain = ~(want->alone | want->view | want->refused);
	__u8 passed = masks->write[at] & ~masks->virt[at];

	EXPECT_EQ(want->pass & plain, passed & plain)
		TH_LOG("0x%03x: these bits are passed on", at);
	EXPECT_EQ(want->copy & plain, masks->write[at] & masks->virt[at] & plain)
		TH_LOG("0x%03x: these bits are the client's own", at);
}

static void check_capability(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(caps) * self, __u32 at,
			     const struct capability *cap, __u32 length, __u32 head)
{
	for (__u32 offset = 0; offset < length; offset++) {
		struct expected want = expected_byte(cap, self->pf.bdf[0], offset);

		if (offset < head)
			want = (struct expected) { .width = 1 };
		check_byte(_metadata, &self->c, self->hardware, at + offset, &want);
		check_masks(_metadata, &self->masks, at + offset, &want);
	}
}

static const struct capability *find(const struct capability *table, size_t count, __u16 id)
{
	for (size_t i = 0; i < count; i++)
		if (table[i].id == id)
			return &table[i];
	return NULL;
}

static void check_msi(struct __test_metadata *_metadata, const FIXTURE_DATA(caps) * self, __u32 at)
{
	__u16 flags = config_read(&self->c, at + PCI_MSI_FLAGS, 2);
	bool wide = flags & PCI_MSI_FLAGS_64BIT, maskable = flags & PCI_MSI_FLAGS_MASKBIT;
	const struct capability cap = { .rows = wide ? msi_64_rows : msi_32_rows };
	__u32 length = 10 + (wide ? 4 : 0) + (maskable ? 10 : 0);

	check_capability(_metadata, self, at, &cap, length, 2);
}

/* PCI Express has its second half since version 2; integrated endpoints have no link. */
static __u32 length_of(const struct client *c, __u32 at, const struct capability *cap)
{
	__u16 flags = config_read(c, at + 2, 2);
	bool integrated = (flags & PCI_EXP_FLAGS_TYPE) >> 4 == PCI_EXP_TYPE_RC_END;

	if (cap->length)
		return cap->length;
	if (cap->id != PCI_CAP_ID_EXP)
		return flags & 0xff;
	if ((flags & PCI_EXP_FLAGS_VERS) == 1)
		return integrated ? 12 : 20;
	return integrated ? 0x2c : 0x34;
}

TEST_F(caps, header)
{
	check_capability(_metadata, self, 0, &header, header.length, 0);
}

/* What the host knows a function by; 0 if it does not say. */
static __u32 host_number(const struct pci_func *func, const char *attribute)
{
	char text[16];

	return pci_get(func, attribute, text, sizeof(text)) ? 0 : strtoul(text, NULL, 16);
}

/* The device id of a PF's VFs */
static __u32 vf_device(const struct pci_func *pf)
{
	__u32 at = PCI_CFG_SPACE_SIZE, value;

	for (; at; at = PCI_EXT_CAP_NEXT(value)) {
		if (pci_config_read(pf, at, 4, &value))
			return 0;
		if (PCI_EXT_CAP_ID(value) == PCI_EXT_CAP_ID_SRIOV)
			break;
	}
	return at && !pci_config_read(pf, at + PCI_SRIOV_VF_DID, 2, &value) ? value : 0;
}

/* The client knows the function by the numbers that the host does, wherever they come from. */
TEST_F(caps, identity)
{
	static const struct {
		const char *name;
		__u32 at;
		int size;
	} rows[] = {
		{ "vendor", PCI_VENDOR_ID, 2 }, { "device", PCI_DEVICE_ID, 2 },
		{ "revision", PCI_REVISION_ID, 1 },
		{ "subsystem_vendor", PCI_SUBSYSTEM_VENDOR_ID, 2 },
		{ "subsystem_device", PCI_SUBSYSTEM_ID, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		EXPECT_EQ(host_number(&self->c.func, rows[i].name),
			  config_read(&self->c, rows[i].at, rows[i].size))
			TH_LOG("%s", rows[i].name);
	}
	EXPECT_EQ(host_number(&self->c.func, "class"),
		  config_read(&self->c, PCI_CLASS_REVISION, 4) >> 8);
	EXPECT_EQ(PCI_HEADER_TYPE_NORMAL, config_read(&self->c, PCI_HEADER_TYPE, 1) & 0x7f);
	if (!variant->options)
		return;

	/* The hardware of a VF does not say who it is; its PF does. */
	EXPECT_EQ(0xff, hardware_byte(self->hardware, PCI_VENDOR_ID));
	EXPECT_EQ(0xff, hardware_byte(self->hardware, PCI_DEVICE_ID));
	EXPECT_EQ(host_number(&self->pf, "vendor"), config_read(&self->c, PCI_VENDOR_ID, 2));
	EXPECT_EQ(vf_device(&self->pf), config_read(&self->c, PCI_DEVICE_ID, 2));
	EXPECT_EQ(0, config_read(&self->c, PCI_INTERRUPT_PIN, 1));
	/* It has no BARs either: the client's begin at 0, and are there if their regions are. */
	for (__u32 bar = 0; bar < 6; bar++) {
		__u32 at = PCI_BASE_ADDRESS_0 + 4 * bar;

		EXPECT_EQ(0, config_read(&self->c, at, 4) & PCI_BASE_ADDRESS_MEM_MASK)
			TH_LOG("BAR %u", bar);
		EXPECT_OK(config_write(&self->c, at, 4, ~0U));
		if (self->c.region[bar].size)
			EXPECT_NE(0, config_read(&self->c, at, 4) & PCI_BASE_ADDRESS_MEM_MASK);
		for (__u32 byte = 0; byte < 4; byte++)
			EXPECT_EQ(0, hardware_byte(self->hardware, at + byte));
	}
}

TEST_F(caps, standard)
{
	__u32 at = config_read(&self->c, PCI_CAPABILITY_LIST, 1);

	for (; at; at = config_read(&self->c, at + PCI_CAP_LIST_NEXT, 1)) {
		__u8 id = config_read(&self->c, at, 1);
		const struct capability *cap = find(standard, ARRAY_SIZE(standard), id);

		TH_LOG("capability 0x%02x at 0x%02x", id, at);
		if (id == PCI_CAP_ID_MSI) {
			check_msi(_metadata, self, at);
			continue;
		}
		ASSERT_NE(NULL, cap)
			TH_LOG("nothing is expected of capability 0x%02x", id);
		check_capability(_metadata, self, at, cap, length_of(&self->c, at, cap), 2);
	}
}

TEST_F(caps, extended)
{
	__u32 at = PCI_CFG_SPACE_SIZE, head;

	if (self->c.region[CONFIG].size < 4096)
		SKIP(return, "conventional PCI");
	for (; at; at = PCI_EXT_CAP_NEXT(head)) {
		const struct capability *cap;

		head = config_read(&self->c, at, 4);
		if (!head)
			SKIP(return, "no extended capability");
		TH_LOG("capability 0x%04x at 0x%03x", PCI_EXT_CAP_ID(head), at);
		cap = find(extended, ARRAY_SIZE(extended), PCI_EXT_CAP_ID(head));
		ASSERT_NE(NULL, cap)
			TH_LOG("nothing is expected of it");
		check_capability(_metadata, self, at, cap, cap->length, 4);
	}
}

/* ---- bytes that belong to nothing ---- */

#define HIDE	"/sys/module/vfio_pci/parameters/hide_config_gaps"

/*
 * Reads vfio-dev/vfioX/config_gaps/NAME into a flag for each position but those that an attribute
 * has no room for. Returns the number of all.
 */
static int read_gaps(const struct pci_func *func, const char *name, bool *gaps)
{
	char command[160], text[8192];
	FILE *pipe;
	int count, first, last, used;
	char *at = text;

	memset(gaps, 0, 4096 * sizeof(*gaps));
	snprintf(command, sizeof(command),
		 "cat /sys/bus/pci/devices/%s/vfio-dev/vfio*/config_gaps/%s", func->bdf, name);
	pipe = popen(command, "r");
	if (!pipe || !fgets(text, sizeof(text), pipe))
		text[0] = 0;
	if (pipe)
		pclose(pipe);
	if (sscanf(at, "%d%n", &count, &used) != 1)
		return -1;
	for (at += used; *at && *at != '\n'; at += used) {
		at += strspn(at, " ,");
		if (sscanf(at, "%d-%d%n", &first, &last, &used) != 2) {
			if (sscanf(at, "%d%n", &first, &used) != 1)
				break;
			last = first;
		}
		while (first <= last)
			gaps[first++] = true;
	}
	return strcmp(at, "\n") && strcmp(at, "...\n") ? -1 : count;
}

static int rebind(const struct pci_func *func)
{
	return pci_unbind(func) || pci_bind(func, "vfio-pci") ? -1 : 0;
}

/*
 * Reads and writes of gaps are seen by the administrator. With the parameter a gap reads 0 and
 * takes no write, while all else is as before.
 */
TEST_F(caps, gaps)
{
	__u32 size = self->c.region[CONFIG].size;
	struct pci_func func = self->c.func;
	__u8 raw[4096], hidden[4096];
	bool gaps[4096], written[4096];
	int count, seen = 0;

	client_close(&self->c);
	if (access(HIDE, W_OK))
		SKIP(return, "no parameter hide_config_gaps");
	ASSERT_OK(rebind(&func));
	EXPECT_EQ(0, read_gaps(&func, "read", gaps));
	EXPECT_EQ(0, read_gaps(&func, "written", written));
	ASSERT_OK(client_open_func(&self->c, &func, variant->options, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ((ssize_t)size, region_read(&self->c, CONFIG, 0, raw, size));
	count = read_gaps(&func, "read", gaps);
	EXPECT_LT(0, count);
	for (__u32 at = 0; at < size; at++)
		seen += gaps[at];
	EXPECT_EQ(count, seen);
	for (__u32 at = 0; at < 64; at++)
		EXPECT_FALSE(gaps[at]);
	for (__u32 at = raw[PCI_CAPABILITY_LIST]; at; at = raw[at + 1])
		EXPECT_FALSE(gaps[at] || gaps[at + 1] || gaps[at + 2]);
	client_close(&self->c);

	ASSERT_OK(file_write(HIDE, "Y"));
	count = ERRNO_OF(rebind(&func));
	ASSERT_OK(file_write(HIDE, "N"));
	ASSERT_EQ(0, count);
	ASSERT_OK(client_open_func(&self->c, &func, variant->options, VFIO_TYPE1v2_IOMMU));
	ASSERT_EQ((ssize_t)size, region_read(&self->c, CONFIG, 0, hidden, size));
	for (__u32 at = 0; at < size; at++) {
		EXPECT_EQ(gaps[at] ? 0 : raw[at], hidden[at])
			TH_LOG("0x%03x", at);
		if (!gaps[at])
			continue;
		EXPECT_OK(config_write(&self->c, at, 1, 0xff));
		EXPECT_EQ(0, config_read(&self->c, at, 1));
		EXPECT_EQ(raw[at], hardware_byte(self->hardware, at));
	}
	read_gaps(&func, "written", written);
	EXPECT_EQ(0, memcmp(gaps, written, sizeof(gaps)));
	client_close(&self->c);
	EXPECT_OK(rebind(&func));
}

/* More of them than an attribute has room for: no number of the list is cut. */
TEST_F(caps, gaps_apart)
{
	const int room = 4096 / 5;
	__u32 size = self->c.region[CONFIG].size;
	struct pci_func func = self->c.func;
	int count, touched = 0, seen = 0;
	bool odd[4096], all[4096];
	__u8 raw[4096];

	client_close(&self->c);
	ASSERT_OK(rebind(&func));
	ASSERT_OK(client_open_func(&self->c, &func, variant->options, VFIO_TYPE1v2_IOMMU));
	for (__u32 at = 1; at < size; at += 2)
		ASSERT_EQ(1, region_read(&self->c, CONFIG, at, raw, 1));
	count = read_gaps(&func, "read", odd);
	ASSERT_EQ((ssize_t)size, region_read(&self->c, CONFIG, 0, raw, size));
	EXPECT_LT(0, read_gaps(&func, "read", all));
	for (__u32 at = 0; at < size; at++) {
		bool is_touched = at % 2 && all[at];

		EXPECT_LE(odd[at], is_touched)
			TH_LOG("0x%03x", at);
		touched += is_touched;
		seen += odd[at];
	}
	EXPECT_EQ(touched, count);
	EXPECT_LE(count < room ? count : room - 5, seen);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = {
		EDU, NVME, E1000E, E1000, TESTDEV, IVSHMEM, VGA, XHCI,
	};

	/* The PCI core's, about the PF. */
	log_announce("reset methods disabled");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

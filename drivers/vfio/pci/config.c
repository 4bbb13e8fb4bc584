// SPDX-License-Identifier: GPL-2.0-only
/*
 * Accesses to config space.
 *
 * config_map.c compiled the device's capabilities into byte arrays when it was opened. An access is
 * cut into pieces that lie within one dword and one capability. A piece is read from the hardware
 * where virt is 0 and from the shadow where it is 1; it is written into the shadow where virt and
 * write are 1 and into the hardware where write is 1 and virt is not. What else a write does is its
 * capability's hook.
 *
 * config_lock makes each piece one event; user memory is touched outside of it. The hardware sees
 * only bytes that the user accessed, by the widest accesses that fit. Where only some bits of a
 * byte go to hardware the others are read and written back.
 *
 * A BAR takes a write in those bits of the shadow that its size leaves, so whoever sizes it by the
 * book finds its size; the BAR in hardware stays where the host has it.
 */
#include <linux/bitops.h>
#include <linux/interrupt.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "../fault.h"
#include "pci.h"
#include "trace.h"

/* ---- hardware ---- */

/* Every byte of which @bits has a bit */
static u32 whole_bytes(u32 bits)
{
	bits |= bits >> 4;
	bits |= bits >> 2;
	bits |= bits >> 1;
	return (bits & 0x01010101) * 0xff;
}

/* How wide may an access from byte @lane on be that touches bytes of @bytes only? 0: not at all */
static unsigned int lane_width(u32 bytes, unsigned int lane)
{
	u32 rest = bytes >> 8 * lane;

	if (rest == ~0U)
		return 4;
	if (lane % 2 == 0 && (rest & 0xffff) == 0xffff)
		return 2;
	return rest & 0xff ? 1 : 0;
}

static int read_width(struct pci_dev *pdev, int pos, unsigned int width, u32 *value)
{
	u16 word = 0;
	u8 byte = 0;
	int ret;

	if (width == 4)
		return pci_user_read_config_dword(pdev, pos, value);
	if (width == 2)
		ret = pci_user_read_config_word(pdev, pos, &word);
	else
		ret = pci_user_read_config_byte(pdev, pos, &byte);
	*value = word | byte;
	return ret;
}

static int write_width(struct pci_dev *pdev, int pos, unsigned int width, u32 value)
{
	if (width == 4)
		return pci_user_write_config_dword(pdev, pos, value);
	if (width == 2)
		return pci_user_write_config_word(pdev, pos, value);
	return pci_user_write_config_byte(pdev, pos, value);
}

/* Read the bytes of the dword at @pos of which @bits has a bit; the others of @value are 0. */
static int hardware_read(struct pci_dev *pdev, u16 pos, u32 bits, u32 *value)
{
	u32 bytes = whole_bytes(bits);
	unsigned int lane, width;
	u32 part;
	int ret;

	/* Whoever asks a device that is gone may wait for its answer. */
	*value = pci_dev_is_disconnected(pdev) ? bytes : 0;
	if (*value || !bytes)
		return 0;
	if (bytes == ~0U)
		return pci_user_read_config_dword(pdev, pos, value);
	for (lane = 0; lane < 4; lane += width ? width : 1) {
		width = lane_width(bytes, lane);
		if (!width)
			continue;
		ret = read_width(pdev, pos + lane, width, &part);
		if (ret)
			return ret;
		*value |= part << 8 * lane;
	}
	return 0;
}

static int hardware_write(struct pci_dev *pdev, const struct vfio_pci_config_access *access)
{
	u32 bytes = whole_bytes(access->hardware);
	u32 kept = bytes & ~access->hardware;
	unsigned int lane, width;
	u32 value;
	int ret;

	if (pci_dev_is_disconnected(pdev))
		return 0;
	ret = hardware_read(pdev, access->pos, kept, &value);
	if (ret)
		return ret;
	/* What is to be kept of one that does not answer is not known; it does not hear either. */
	if (kept && value == whole_bytes(kept) && !vfio_pci_answers(pdev))
		return 0;
	value = (value & kept & ~access->clear) | (access->value & access->hardware);

	for (lane = 0; lane < 4; lane += width ? width : 1) {
		width = lane_width(bytes, lane);
		if (!width)
			continue;
		ret = write_width(pdev, access->pos + lane, width, value >> 8 * lane);
		if (ret)
			return ret;
	}
	return 0;
}

/* ---- one piece ---- */

/* The piece of config space from @pos on, of at most @count bytes. Returns its length. */
static unsigned int access_cut(const struct vfio_pci_config *config, u16 pos, size_t count,
			       struct vfio_pci_config_access *access)
{
	unsigned int lane = pos % 4;
	unsigned int length = 1;

	if (!lane && count >= 4 && vfio_pci_config_has_one_owner(config, pos))
		length = 4;
	while (length < count && (pos + length) % 4 &&
	       config->owner[pos + length] == config->owner[pos])
		length++;
	*access = (struct vfio_pci_config_access) {
		.pos = pos - lane,
		.mask = GENMASK(8 * (lane + length) - 1, 8 * lane),
	};
	return length;
}

static const struct vfio_pci_config_instance *access_owner(const struct vfio_pci_config *config,
							   u16 pos)
{
	return &config->instances[config->owner[pos]];
}

/* The hook of @owner, if it stands at the accessed dword */
static const struct vfio_pci_config_hook *
access_hook(const struct vfio_pci_config_instance *owner,
	    const struct vfio_pci_config_access *access)
{
	const struct vfio_pci_capability *capability = owner->capability;

	if (!capability || !capability->hook ||
	    owner->pos + capability->hook->offset != access->pos)
		return NULL;
	return capability->hook;
}

/* Note that bytes which belong to nothing are touched. A piece has one owner. */
static void access_note(const struct vfio_pci_config *config, unsigned long *gaps,
			const struct vfio_pci_config_instance *owner,
			const struct vfio_pci_config_access *access)
{
	unsigned int lane;

	if (owner != &config->instances[VFIO_PCI_CONFIG_GAP])
		return;
	for (lane = 0; lane < 4; lane++) {
		if (access->mask & 0xffU << 8 * lane)
			__set_bit(access->pos + lane, gaps);
	}
}

static int access_read(struct vfio_pci_device *vpci,
		       const struct vfio_pci_config_instance *owner,
		       struct vfio_pci_config_access *access)
{
	const struct vfio_pci_config_hook *hook = access_hook(owner, access);
	struct vfio_pci_config *config = &vpci->config;
	u32 virt = vfio_pci_get_le32(config->virt + access->pos);
	u32 hardware;
	int ret;

	lockdep_assert_held(&vpci->config_lock);

	access_note(config, vpci->gaps.read, owner, access);
	if (hook && hook->refresh)
		hook->refresh(vpci, owner->pos);
	ret = hardware_read(vpci->pdev, access->pos, access->mask & ~virt, &hardware);
	if (ret)
		return ret;
	access->value = (vfio_pci_get_le32(config->shadow + access->pos) & virt) |
			(hardware & ~virt);
	return 0;
}

/* Bytes that have no bit in @bits are not touched. */
static void shadow_write(struct vfio_pci_config *config, u16 pos, u32 bits, u32 value)
{
	unsigned int lane;

	for (lane = 0; lane < 4; lane++) {
		u8 *byte = &config->shadow[pos + lane];
		u8 mask = bits >> 8 * lane;

		if (mask)
			*byte = (*byte & ~mask) | (value >> 8 * lane & mask);
	}
}

static int access_write(struct vfio_pci_device *vpci,
			const struct vfio_pci_config_instance *owner,
			struct vfio_pci_config_access *access)
{
	const struct vfio_pci_config_hook *hook = access_hook(owner, access);
	struct vfio_pci_config *config = &vpci->config;
	u32 virt = vfio_pci_get_le32(config->virt + access->pos);
	u32 write = vfio_pci_get_le32(config->write + access->pos) & access->mask;
	u32 wanted = access->value;
	int ret;

	lockdep_assert_held(&vpci->config_lock);

	access_note(config, vpci->gaps.written, owner, access);
	access->hardware = write & ~virt;
	if (hook && hook->begin)
		hook->begin(vpci, owner->pos, access);
	trace_config_trap(vpci, access, wanted);
	shadow_write(config, access->pos, write & virt, access->value);
	ret = hardware_write(vpci->pdev, access);
	if (hook && hook->end)
		hook->end(vpci, owner->pos, access);
	return ret;
}

/* ---- the user's accesses ---- */

/**
 * vfio_pci_config_clip - may this be accessed?
 * @vpci: the device, open
 * @count: bytes
 * @offset: in config space
 *
 * Context: any.
 * Return: @count, or -EFAULT if not all of it is inside of config space.
 */
ssize_t vfio_pci_config_clip(const struct vfio_pci_device *vpci, size_t count, u64 offset)
{
	u16 size = vpci->config.size;

	return offset < size && count <= size - offset ? count : -EFAULT;
}

/**
 * vfio_pci_config_read - read of the config region
 * @vpci: the device, awake
 * @buf: where to
 * @count: bytes
 * @offset: in config space
 *
 * Context: process context; takes config_lock.
 * Return: 0 or what the hardware access failed with.
 */
int vfio_pci_config_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset)
{
	struct vfio_pci_config *config = &vpci->config;
	struct vfio_pci_config_access access;
	unsigned int length;
	u8 bytes[4];
	size_t done;
	int ret;

	for (done = 0; done < count; done += length) {
		u16 pos = offset + done;

		length = access_cut(config, pos, count - done, &access);
		mutex_lock(&vpci->config_lock);
		ret = access_read(vpci, access_owner(config, pos), &access);
		mutex_unlock(&vpci->config_lock);
		if (ret)
			return ret;
		if (length == sizeof(bytes)) {
			vfio_pci_put_le32(buf + done, access.value);
			continue;
		}
		vfio_pci_put_le32(bytes, access.value);
		memcpy(buf + done, bytes + pos % 4, length);
	}
	return 0;
}

/**
 * vfio_pci_config_write - write to the config region
 * @vpci: the device, awake
 * @buf: where from
 * @count: bytes
 * @offset: in config space
 *
 * What may not be written is dropped silently. The write may change the power state of the function
 * or reset it.
 *
 * Context: process context; takes config_lock and memory_lock.
 * Return: 0 or what the hardware access failed with.
 */
int vfio_pci_config_write(struct vfio_pci_device *vpci, const u8 *buf, size_t count, u64 offset)
{
	struct vfio_pci_config *config = &vpci->config;
	struct vfio_pci_config_access access;
	unsigned int length;
	size_t done;
	int ret;

	for (done = 0; done < count; done += length) {
		u16 pos = offset + done;
		u8 bytes[4] = { };

		length = access_cut(config, pos, count - done, &access);
		memcpy(bytes + pos % 4, buf + done, length);
		access.value = vfio_pci_get_le32(bytes);
		mutex_lock(&vpci->config_lock);
		ret = access_write(vpci, access_owner(config, pos), &access);
		mutex_unlock(&vpci->config_lock);
		if (ret)
			return ret;
	}
	return 0;
}

/**
 * vfio_pci_config_interrupt_pin - which INTx pin the user sees
 * @vpci: the device, open
 *
 * Context: any; the answer is constant while the device is open.
 * Return: 1 to 4 for A to D, 0 for none.
 */
u8 vfio_pci_config_interrupt_pin(struct vfio_pci_device *vpci)
{
	return vpci->config.shadow[PCI_INTERRUPT_PIN];
}

/* ---- what depends on the function ---- */

static void set_dword(struct vfio_pci_config *config, u16 pos, u32 value, u32 write)
{
	vfio_pci_put_le32(config->shadow + pos, value);
	vfio_pci_put_le32(config->write + pos, write);
}

/* The bits of an address that the decoder of @size bytes looks at */
static u64 address_bits(u64 size)
{
	return size ? ~(BIT_ULL(fls64(size - 1)) - 1) : 0;
}

/*
 * The BAR keeps the address of the host as its first value; a VF's BARs start at 0. Returns how
 * many registers it takes.
 */
static unsigned int adapt_bar(struct vfio_pci_config *config, struct pci_dev *pdev,
			      unsigned int bar)
{
	u16 pos = PCI_BASE_ADDRESS_0 + 4 * bar;
	unsigned long flags = pci_resource_flags(pdev, bar);
	u64 size = pci_resource_len(pdev, bar);
	u64 bits = address_bits(size);
	u32 old = vfio_pci_get_le32(config->shadow + pos);
	u32 kind;

	if (flags & IORESOURCE_IO) {
		bits &= ~3ULL;
		kind = PCI_BASE_ADDRESS_SPACE_IO;
	} else {
		bits &= ~0xfULL;
		kind = flags & IORESOURCE_PREFETCH ? PCI_BASE_ADDRESS_MEM_PREFETCH : 0;
		kind |= flags & IORESOURCE_MEM_64 ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
	}
	set_dword(config, pos, size ? (old & bits) | kind : 0, bits);

	if (!size || !(kind & PCI_BASE_ADDRESS_MEM_TYPE_64) || bar + 1 == VFIO_PCI_NR_BARS)
		return 1;
	old = vfio_pci_get_le32(config->shadow + pos + 4);
	set_dword(config, pos + 4, old & (bits >> 32), bits >> 32);
	return 2;
}

/* The image may come from elsewhere than a BAR; the user finds a BAR of its size all the same. */
static void adapt_rom(struct vfio_pci_config *config, struct pci_dev *pdev)
{
	u64 size = pci_resource_len(pdev, PCI_ROM_RESOURCE);
	u32 old = vfio_pci_get_le32(config->shadow + PCI_ROM_ADDRESS);
	u32 bits;

	if (!size && pdev->rom)
		size = pdev->romlen;
	bits = address_bits(size) & PCI_ROM_ADDRESS_MASK;
	set_dword(config, PCI_ROM_ADDRESS, old & bits, bits ? bits | PCI_ROM_ADDRESS_ENABLE : 0);
}

/* What the hardware of a VF leaves to its PF */
static void adapt_vf(struct vfio_pci_config *config, struct pci_dev *pdev)
{
	vfio_pci_put_le32(config->shadow + PCI_VENDOR_ID, pdev->vendor | (u32)pdev->device << 16);
	config->virt[PCI_COMMAND] |= PCI_COMMAND_IO;
	config->shadow[PCI_INTERRUPT_PIN] = 0;
}

static void adapt_command(struct vfio_pci_config *config, struct pci_dev *pdev)
{
	u16 command = 0;

	if (pdev->no_command_memory || pdev->is_virtfn)
		config->virt[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	command |= config->virt[PCI_COMMAND] & PCI_COMMAND_MEMORY;
	config->shadow[PCI_COMMAND] = command & (PCI_COMMAND_MEMORY | PCI_COMMAND_IO);
	config->shadow[PCI_COMMAND + 1] = 0;
}

/* Where nothing is known to be there, nothing is shown, and nothing reached. */
static void adapt_gaps(struct vfio_pci_config *config)
{
	unsigned int pos;

	for (pos = 0; pos < config->size; pos++) {
		if (config->owner[pos] != VFIO_PCI_CONFIG_GAP)
			continue;
		config->virt[pos] = 0xff;
		config->write[pos] = 0;
	}
}

static void config_adapt(struct vfio_pci_config *config, struct vfio_pci_device *vpci)
{
	struct pci_dev *pdev = vpci->pdev;
	unsigned int bar;

	for (bar = 0; bar < VFIO_PCI_NR_BARS; bar++) {
		const u8 *shadow = config->shadow + PCI_BASE_ADDRESS_0 + 4 * bar;

		config->bars[bar] = vfio_pci_get_le32(shadow);
	}
	for (bar = 0; bar < VFIO_PCI_NR_BARS; )
		bar += adapt_bar(config, pdev, bar);
	adapt_rom(config, pdev);
	if (pdev->is_virtfn)
		adapt_vf(config, pdev);
	adapt_command(config, pdev);
	if (vpci->intx.hidden || !pdev->irq || pdev->irq == IRQ_NOTCONNECTED)
		config->shadow[PCI_INTERRUPT_PIN] = 0;
	if (vpci->hide_gaps)
		adapt_gaps(config);
}

/* ---- open and close ---- */

/**
 * struct config_reader - reads config space for the compiler
 * @pdev: of whom
 * @lost: it did not answer, so nothing is known of it
 */
struct config_reader {
	struct pci_dev *pdev;
	bool lost;
};

static u32 device_dword(void *context, u16 pos)
{
	struct config_reader *reader = context;
	u32 value;

	pci_read_config_dword(reader->pdev, pos, &value);
	if (PCI_POSSIBLE_ERROR(value) && !vfio_pci_answers(reader->pdev))
		reader->lost = true;
	return value;
}

static void config_free(const struct vfio_pci_config *config)
{
	kvfree(config->instances);
	kvfree(config->shadow);
}

/* Whoever closes the window of memory.c looks at the shadow of the command register. */
static void config_publish(struct vfio_pci_device *vpci, const struct vfio_pci_config *config)
{
	down_write(&vpci->memory_lock);
	vpci->config = *config;
	up_write(&vpci->memory_lock);
}

/**
 * vfio_pci_config_open - find the device's capabilities and compile their rules
 * @vpci: the device, awake and enabled, with bus mastering off
 *
 * Context: process context, device opening; may sleep; takes memory_lock.
 * Return: 0, -ENOMEM, or -ENODEV if the function does not answer: its rules would be none.
 */
int vfio_pci_config_open(struct vfio_pci_device *vpci)
{
	struct config_reader reader = { .pdev = vpci->pdev };
	const struct vfio_pci_config_source source = {
		.read = device_dword,
		.context = &reader,
	};
	bool large = vpci->pdev->cfg_size >= PCI_CFG_SPACE_EXP_SIZE;
	struct vfio_pci_config config = {
		.size = large ? PCI_CFG_SPACE_EXP_SIZE : PCI_CFG_SPACE_SIZE,
	};

	config.shadow = kvzalloc(4 * config.size, GFP_KERNEL_ACCOUNT);
	config.instances = kvcalloc(VFIO_PCI_CONFIG_MAX, sizeof(*config.instances),
				    GFP_KERNEL_ACCOUNT);
	if (!config.shadow || !config.instances) {
		config_free(&config);
		return -ENOMEM;
	}
	config.virt = config.shadow + config.size;
	config.write = config.virt + config.size;
	config.owner = config.write + config.size;

	/* Resets by the host are waited for; nobody is who has the function's device_lock. */
	down_read(&vpci->memory_lock);
	vfio_pci_config_compile(&config, &source);
	config_adapt(&config, vpci);
	up_read(&vpci->memory_lock);
	if (reader.lost || vfio_should_fail()) {
		config_free(&config);
		return -ENODEV;
	}
	config_publish(vpci, &config);
	return 0;
}

/**
 * vfio_pci_config_own - let the user have a register of his own, which hardware does not see
 * @vpci: the device, being opened; its config space is known
 * @pos: of the dword
 *
 * Context: process context.
 * Return: what the hardware has there, with which the user begins; all ones if it does not answer.
 */
u32 vfio_pci_config_own(struct vfio_pci_device *vpci, u16 pos)
{
	struct vfio_pci_config *config = &vpci->config;
	u32 value;

	pci_read_config_dword(vpci->pdev, pos, &value);
	vfio_pci_put_le32(config->shadow + pos, value);
	memset(config->write + pos, 0xff, sizeof(value));
	memset(config->virt + pos, 0xff, sizeof(value));
	memset(config->owner + pos, VFIO_PCI_CONFIG_HEADER, sizeof(value));
	return value;
}

/**
 * vfio_pci_config_close - undo vfio_pci_config_open()
 * @vpci: the device; nobody accesses its config space any more
 *
 * Context: process context.
 */
void vfio_pci_config_close(struct vfio_pci_device *vpci)
{
	const struct vfio_pci_config none = { };
	struct vfio_pci_config old = vpci->config;

	config_publish(vpci, &none);
	config_free(&old);
}

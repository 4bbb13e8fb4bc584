// SPDX-License-Identifier: GPL-2.0-only
/*
 * From a device's capability lists to the byte arrays by which config space is accessed.
 *
 * Two steps for each of the two lists. The walk notes the position and first dword of every member.
 * Then each member is *placed*: the table says how many bytes it wants, and it gets those that lie
 * before the end of its space and before the next member. If that leaves less than it needs to make
 * sense it is not shown. What is placed is linked into the list that the user sees; what is not is
 * left out of it, and its bytes are a gap like all bytes that belong to nothing.
 *
 * The device is not trusted, it may be an FPGA that a former user programmed. Whatever it answers:
 * the walk ends (no position is noted twice), nothing outside of the arrays is touched, no two
 * capabilities own the same byte, and none owns a byte of the header. Each first dword is read
 * once, and what was decided by it is what the user gets to see.
 *
 * A capability that we know but that does not fit becomes read-only: its registers may work all the
 * same, and the rules that make them safe to write were not applied.
 */
#include <linux/kernel.h>
#include <linux/pci_regs.h>
#include <linux/string.h>

#include "config.h"

/* The end of both lists, for next pointers */
#define CONFIG_LIST_END 0

/**
 * struct config_list - one of the two capability lists
 * @start: positions below are not the list's
 * @end: positions from here on are not the list's
 * @first: index of its first instance
 * @rules: table of capabilities
 * @nr_rules: number of @rules
 * @extended: first dwords have the form of extended capabilities
 */
struct config_list {
	u16 start;
	u16 end;
	unsigned int first;
	const struct vfio_pci_capability *rules;
	unsigned int nr_rules;
	bool extended;
};

/* Shown in place of a hidden capability that the second list starts with: a bare first dword. */
static const struct vfio_pci_capability config_placeholder = {
	.length = PCI_CAP_SIZEOF,
};

/* A capability that does not fit. */
static const struct vfio_pci_capability config_misfit;

static u16 list_next(const struct config_list *list, u32 header)
{
	/* The two low bits of a position are reserved. */
	return list->extended ? PCI_EXT_CAP_NEXT(header) : (header >> 8) & 0xfc;
}

static bool list_has(const struct vfio_pci_config *config, const struct config_list *list, u16 pos)
{
	unsigned int i;

	for (i = list->first; i < config->nr_instances; i++)
		if (config->instances[i].pos == pos)
			return true;
	return false;
}

/* Note the members of @list from @pos on. */
static void list_walk(struct vfio_pci_config *config, const struct config_list *list, u16 pos,
		      const struct vfio_pci_config_source *source)
{
	while (pos >= list->start && pos < list->end && !list_has(config, list, pos)) {
		struct vfio_pci_config_instance *instance;
		u32 header = vfio_pci_source_dword(source, pos);

		/* All ones: nobody answered. All zeroes: an empty extended list. */
		if (!~header || (list->extended && !header))
			return;
		if (config->nr_instances == VFIO_PCI_CONFIG_MAX)
			return;

		instance = &config->instances[config->nr_instances++];
		*instance = (struct vfio_pci_config_instance) {
			.pos = pos,
			.header = header,
		};
		pos = list_next(list, header);
	}
}

static const struct vfio_pci_capability *list_rules(const struct config_list *list, u32 header)
{
	u16 id = list->extended ? PCI_EXT_CAP_ID(header) : header & 0xff;
	unsigned int i;

	for (i = 0; i < list->nr_rules; i++) {
		const struct vfio_pci_capability *rules = &list->rules[i];

		if (rules->id == id && (header >> 16 & rules->select_mask) == rules->select)
			return rules;
	}
	return NULL;
}

/* Bytes from @pos to the next member of the list, or to its end */
static u16 list_room(const struct vfio_pci_config *config, const struct config_list *list, u16 pos)
{
	unsigned int i;
	u16 end = list->end;

	for (i = list->first; i < config->nr_instances; i++) {
		u16 other = config->instances[i].pos;

		if (other > pos && other < end)
			end = other;
	}
	return end - pos;
}

/* Give @instance its bytes, all read-only or all writable as its rules say by default. */
static void instance_claim(struct vfio_pci_config *config, unsigned int index, u16 length)
{
	struct vfio_pci_config_instance *instance = &config->instances[index];

	instance->length = length;
	memset(config->owner + instance->pos, index, length);
	memset(config->virt + instance->pos, 0, length);
	memset(config->write + instance->pos, instance->capability->writable ? 0xff : 0, length);
}

static void row_compile(struct vfio_pci_config *config, u16 pos,
			const struct vfio_pci_config_row *row, u32 value)
{
	unsigned int i;

	for (i = 0; i < row->width; i++, pos++) {
		unsigned int shift = 8 * i;

		config->virt[pos] = row->virt >> shift;
		config->write[pos] = row->write >> shift;
		config->shadow[pos] = (value & row->virt & ~row->zero) >> shift;
	}
}

static void instance_compile(struct vfio_pci_config *config,
			     const struct vfio_pci_config_instance *instance,
			     const struct vfio_pci_config_source *source)
{
	const struct vfio_pci_capability *rules = instance->capability;
	const struct vfio_pci_config_row *row;

	for (row = rules->rows; row && row->width; row++) {
		u16 pos = instance->pos + row->offset;
		u32 value = 0;

		/* The end of a capability that was cut short */
		if (row->offset + row->width > instance->length)
			continue;
		if (row->virt & ~row->zero)
			value = vfio_pci_source_dword(source, pos & ~3) >> 8 * (pos & 3);
		row_compile(config, pos, row, value);
	}
}

static void instance_place(struct vfio_pci_config *config, const struct config_list *list,
			   unsigned int index, const struct vfio_pci_config_source *source)
{
	struct vfio_pci_config_instance *instance = &config->instances[index];
	const struct vfio_pci_capability *rules = list_rules(list, instance->header);
	u16 room = list_room(config, list, instance->pos);
	u16 length = 0;

	if (!rules)
		return;
	if (room >= rules->least) {
		length = rules->measure ? rules->measure(source, instance->pos) : rules->length;
		length = min(length, room);
	}
	if (length >= rules->least) {
		instance->capability = rules;
		instance_claim(config, index, length);
		instance_compile(config, instance, source);
	} else if (!rules->writable) {
		length = max(rules->length, rules->least);
		instance->capability = &config_misfit;
		instance_claim(config, index, min(length, room));
	}
}

static bool instance_shown(const struct vfio_pci_config_instance *instance)
{
	return instance->capability && instance->capability != &config_misfit &&
	       !instance->capability->hidden;
}

/* The first dword of an extended capability, or the two bytes of a standard one, as rows */
static const struct vfio_pci_config_row config_ext_link = {
	.width = 4,
	.virt = ~0,
};

static const struct vfio_pci_config_row config_link = {
	.width = 2,
	.virt = 0xffff,
};

static u32 link_value(const struct config_list *list,
		      const struct vfio_pci_config_instance *instance, u16 next)
{
	if (!list->extended)
		return (instance->header & 0xff) | next << 8;
	if (instance->capability == &config_placeholder)
		return (u32)next << 20;
	return (instance->header & 0xfffff) | (u32)next << 20;
}

/* Link what is shown, last to first. Returns where the list starts. */
static u16 list_link(struct vfio_pci_config *config, const struct config_list *list)
{
	u16 next = CONFIG_LIST_END;
	unsigned int i;

	for (i = config->nr_instances; i-- > list->first; ) {
		const struct vfio_pci_config_instance *instance = &config->instances[i];

		if (!instance_shown(instance))
			continue;
		row_compile(config, instance->pos,
			    list->extended ? &config_ext_link : &config_link,
			    link_value(list, instance, next));
		next = instance->pos;
	}
	return next;
}

static void list_place(struct vfio_pci_config *config, const struct config_list *list,
		       const struct vfio_pci_config_source *source)
{
	unsigned int i;

	for (i = list->first; i < config->nr_instances; i++)
		instance_place(config, list, i, source);
}

static void compile_header(struct vfio_pci_config *config,
			   const struct vfio_pci_config_source *source)
{
	struct vfio_pci_config_instance *header = &config->instances[VFIO_PCI_CONFIG_HEADER];

	*header = (struct vfio_pci_config_instance) { .capability = &vfio_pci_header };
	instance_claim(config, VFIO_PCI_CONFIG_HEADER, vfio_pci_header.length);
	instance_compile(config, header, source);
}

static void compile_list(struct vfio_pci_config *config,
			 const struct vfio_pci_config_source *source)
{
	struct config_list list = {
		.start = PCI_STD_HEADER_SIZEOF,
		.end = PCI_CFG_SPACE_SIZE,
		.first = config->nr_instances,
		.rules = vfio_pci_capabilities,
		.nr_rules = vfio_pci_nr_capabilities,
	};
	u8 *status = &config->shadow[PCI_STATUS];

	if (*status & PCI_STATUS_CAP_LIST)
		list_walk(config, &list, config->shadow[PCI_CAPABILITY_LIST] & ~3, source);
	list_place(config, &list, source);

	config->shadow[PCI_CAPABILITY_LIST] = list_link(config, &list);
	*status = config->shadow[PCI_CAPABILITY_LIST] ? PCI_STATUS_CAP_LIST : 0;
}

static void compile_ext_list(struct vfio_pci_config *config,
			     const struct vfio_pci_config_source *source)
{
	struct config_list list = {
		.start = PCI_CFG_SPACE_SIZE,
		.end = config->size,
		.first = config->nr_instances,
		.rules = vfio_pci_ext_capabilities,
		.nr_rules = vfio_pci_nr_ext_capabilities,
		.extended = true,
	};
	struct vfio_pci_config_instance *head = &config->instances[list.first];

	if (config->size <= PCI_CFG_SPACE_SIZE)
		return;
	list_walk(config, &list, PCI_CFG_SPACE_SIZE, source);
	if (config->nr_instances == list.first)
		return;
	list_place(config, &list, source);

	/* The list has no pointer to its start: what is there cannot be left out of it. */
	if (!head->capability) {
		head->capability = &config_placeholder;
		instance_claim(config, list.first, config_placeholder.length);
	} else if (!instance_shown(head)) {
		head->capability = &config_placeholder;
	}
	list_link(config, &list);
}

/**
 * vfio_pci_config_compile - compile the rules for a device's config space
 * @config: has @size (256 or 4096) set, and arrays: @shadow, @virt, @write and @owner of that size,
 *	@instances of VFIO_PCI_CONFIG_MAX; their content is overwritten
 * @source: the device
 *
 * What the tables do not know stays to be filled in: where BARs may be moved to, and what is
 * different for a VF.
 *
 * Context: as @source needs it.
 */
void vfio_pci_config_compile(struct vfio_pci_config *config,
			     const struct vfio_pci_config_source *source)
{
	memset(config->shadow, 0, config->size);
	memset(config->virt, 0, config->size);
	memset(config->write, 0xff, config->size);
	memset(config->owner, VFIO_PCI_CONFIG_GAP, config->size);
	memset(config->instances, 0, VFIO_PCI_CONFIG_MAX * sizeof(*config->instances));
	config->nr_instances = VFIO_PCI_CONFIG_HEADER + 1;

	compile_header(config, source);
	compile_list(config, source);
	compile_ext_list(config, source);
}

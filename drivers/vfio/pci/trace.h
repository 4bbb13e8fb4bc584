/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of vfio-pci.ko: interrupts, config space, resets. The rules are those of the core's
 * trace.h.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio

#if !defined(_VFIO_PCI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VFIO_PCI_TRACE_H

#include <linux/bitops.h>
#include <linux/pci.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "config.h"
#include "pci.h"

#ifndef _VFIO_PCI_RESET_KIND
#define _VFIO_PCI_RESET_KIND
/**
 * enum vfio_pci_reset_kind - whom a reset reaches, or what made it
 * @VFIO_PCI_RESET_FUNCTION: the function alone
 * @VFIO_PCI_RESET_HOT: all functions of the slot or bus
 * @VFIO_PCI_RESET_RECOVERY: the link was reset to recover from an error
 */
enum vfio_pci_reset_kind {
	VFIO_PCI_RESET_FUNCTION,
	VFIO_PCI_RESET_HOT,
	VFIO_PCI_RESET_RECOVERY,
};
#endif

TRACE_DEFINE_ENUM(VFIO_PCI_RESET_FUNCTION);
TRACE_DEFINE_ENUM(VFIO_PCI_RESET_HOT);
TRACE_DEFINE_ENUM(VFIO_PCI_RESET_RECOVERY);
TRACE_DEFINE_ENUM(VFIO_PCI_INTX_IRQ_INDEX);
TRACE_DEFINE_ENUM(VFIO_PCI_MSI_IRQ_INDEX);
TRACE_DEFINE_ENUM(VFIO_PCI_MSIX_IRQ_INDEX);
TRACE_DEFINE_ENUM(VFIO_PCI_ERR_IRQ_INDEX);
TRACE_DEFINE_ENUM(VFIO_PCI_REQ_IRQ_INDEX);

#define show_irq_index(index)				\
	__print_symbolic(index,				\
		{ VFIO_PCI_INTX_IRQ_INDEX, "intx" },	\
		{ VFIO_PCI_MSI_IRQ_INDEX, "msi" },	\
		{ VFIO_PCI_MSIX_IRQ_INDEX, "msix" },	\
		{ VFIO_PCI_ERR_IRQ_INDEX, "err" },	\
		{ VFIO_PCI_REQ_IRQ_INDEX, "req" })

#define show_irq_action(flags)					\
	__print_flags(flags, "|",				\
		{ VFIO_IRQ_SET_DATA_NONE, "none" },		\
		{ VFIO_IRQ_SET_DATA_BOOL, "bool" },		\
		{ VFIO_IRQ_SET_DATA_EVENTFD, "eventfd" },	\
		{ VFIO_IRQ_SET_ACTION_MASK, "mask" },		\
		{ VFIO_IRQ_SET_ACTION_UNMASK, "unmask" },	\
		{ VFIO_IRQ_SET_ACTION_TRIGGER, "trigger" })

/* A user's VFIO_DEVICE_SET_IRQS was carried out, or a close did the same to what was set up. */
TRACE_EVENT(irq_set,
	TP_PROTO(const struct vfio_pci_device *vpci, const struct vfio_irq_request *request,
		 long ret),
	TP_ARGS(vpci, request, ret),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(pci_name(vpci->pdev)) + 1)
		__field(u32, index)
		__field(u32, action)
		__field(u32, start)
		__field(u32, count)
		__field(int, ret)
	),
	TP_fast_assign(
		strscpy(__get_str(device), pci_name(vpci->pdev),
			__get_dynamic_array_len(device));
		__entry->index = request->index;
		__entry->action = request->action | request->data;
		__entry->start = request->start;
		__entry->count = request->count;
		__entry->ret = ret;
	),
	TP_printk("device=%s index=%s action=%s start=%u count=%u ret=%d", __get_str(device),
		  show_irq_index(__entry->index), show_irq_action(__entry->action),
		  __entry->start, __entry->count, __entry->ret)
);

/* An interrupt's eventfd is about to be signalled. */
TRACE_EVENT(irq_fire,
	TP_PROTO(const struct vfio_pci_device *vpci, u32 index, u32 vector),
	TP_ARGS(vpci, index, vector),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(pci_name(vpci->pdev)) + 1)
		__field(u32, index)
		__field(u32, vector)
	),
	TP_fast_assign(
		strscpy(__get_str(device), pci_name(vpci->pdev),
			__get_dynamic_array_len(device));
		__entry->index = index;
		__entry->vector = vector;
	),
	TP_printk("device=%s index=%s vector=%u", __get_str(device),
		  show_irq_index(__entry->index), __entry->vector)
);

/*
 * A write to config space, or a piece of it, was not simply passed on: some bits stayed with us
 * (all but @hardware), or a rule of the register changed it. @value is what the user wrote.
 */
TRACE_EVENT_CONDITION(config_trap,
	TP_PROTO(const struct vfio_pci_device *vpci, const struct vfio_pci_config_access *access,
		 u32 value),
	TP_ARGS(vpci, access, value),
	TP_CONDITION(access->mask & (~access->hardware | (access->value ^ value)) ||
		     access->clear),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(pci_name(vpci->pdev)) + 1)
		__field(u16, pos)
		__field(u8, width)
		__field(u32, value)
		__field(u32, hardware)
	),
	TP_fast_assign(
		unsigned int lane = __ffs(access->mask) / 8;

		strscpy(__get_str(device), pci_name(vpci->pdev),
			__get_dynamic_array_len(device));
		__entry->pos = access->pos + lane;
		__entry->width = hweight32(access->mask) / 8;
		__entry->value = (value & access->mask) >> 8 * lane;
		__entry->hardware = (access->hardware & access->mask) >> 8 * lane;
	),
	TP_printk("device=%s pos=%#x width=%u value=%#x hardware=%#x", __get_str(device),
		  __entry->pos, __entry->width, __entry->value, __entry->hardware)
);

/* A device was reset, or should have been: @ret. */
TRACE_EVENT(reset,
	TP_PROTO(const struct vfio_pci_device *vpci, enum vfio_pci_reset_kind kind, int ret),
	TP_ARGS(vpci, kind, ret),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(pci_name(vpci->pdev)) + 1)
		__field(unsigned int, kind)
		__field(int, ret)
	),
	TP_fast_assign(
		strscpy(__get_str(device), pci_name(vpci->pdev),
			__get_dynamic_array_len(device));
		__entry->kind = kind;
		__entry->ret = ret;
	),
	TP_printk("device=%s kind=%s ret=%d", __get_str(device),
		  __print_symbolic(__entry->kind,
			{ VFIO_PCI_RESET_FUNCTION, "function" },
			{ VFIO_PCI_RESET_HOT, "hot" },
			{ VFIO_PCI_RESET_RECOVERY, "recovery" }), __entry->ret)
);

/* The host has reset a device, by sysfs. Nobody says whether that worked. */
TRACE_EVENT(host_reset,
	TP_PROTO(const struct vfio_pci_device *vpci),
	TP_ARGS(vpci),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(pci_name(vpci->pdev)) + 1)
	),
	TP_fast_assign(
		strscpy(__get_str(device), pci_name(vpci->pdev),
			__get_dynamic_array_len(device));
	),
	TP_printk("device=%s", __get_str(device))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

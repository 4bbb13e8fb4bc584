/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of vfio.ko: what happens to containers, groups and devices as a whole.
 *
 * All three modules emit events of the one system "vfio". An event names the device or the number
 * of the IOMMU group, and the container by its number. Whatever an event costs is spent in
 * TP_fast_assign(), or where trace_EVENT_enabled(): only while somebody listens. No event has a
 * kernel address.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio

#if !defined(_VFIO_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VFIO_TRACE_H

#include <linux/iommu.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "vfio.h"

TRACE_DEFINE_ENUM(VFIO_REVOKE_WANTED);
TRACE_DEFINE_ENUM(VFIO_REVOKE_ASKED);
TRACE_DEFINE_ENUM(VFIO_REVOKE_RETURNED);
TRACE_DEFINE_ENUM(VFIO_REVOKE_TAKEN);
TRACE_DEFINE_ENUM(VFIO_REVOKE_SHUT);
TRACE_DEFINE_ENUM(VFIO_REVOKE_UNMAPPED);
TRACE_DEFINE_ENUM(VFIO_REVOKE_CLOSED);
TRACE_DEFINE_ENUM(VFIO_REVOKE_DONE);

/* A group's node was to be opened, or is closed again. Its name says whether there is an IOMMU. */
DECLARE_EVENT_CLASS(vfio_group_node,
	TP_PROTO(const struct vfio_group *group, int ret),
	TP_ARGS(group, ret),
	TP_STRUCT__entry(
		__dynamic_array(char, group, strlen(dev_name(&group->dev)) + 1)
		__field(int, ret)
	),
	TP_fast_assign(
		strscpy(__get_str(group), dev_name(&group->dev), __get_dynamic_array_len(group));
		__entry->ret = ret;
	),
	TP_printk("group=%s ret=%d", __get_str(group), __entry->ret)
);

DEFINE_EVENT(vfio_group_node, group_open,
	TP_PROTO(const struct vfio_group *group, int ret),
	TP_ARGS(group, ret)
);

DEFINE_EVENT(vfio_group_node, group_release,
	TP_PROTO(const struct vfio_group *group, int ret),
	TP_ARGS(group, ret)
);

/* A user asked for a group's state. */
TRACE_EVENT(group_status,
	TP_PROTO(const struct vfio_group *group, bool viable),
	TP_ARGS(group, viable),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(int, group)
		__field(bool, viable)
	),
	TP_fast_assign(
		struct vfio_container *container = group->member.container;

		__entry->group = iommu_group_id(group->iommu_group);
		__entry->container = container ? container->number : 0;
		__entry->viable = viable;
	),
	TP_printk("group=%d container=%llu viable=%d",
		  __entry->group, __entry->container, __entry->viable)
);

/* A group was to join a container. One without devices has no number any more: -1. */
TRACE_EVENT(group_attach,
	TP_PROTO(const struct vfio_container *container, const struct vfio_member *member, int ret),
	TP_ARGS(container, member, ret),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(int, group)
		__field(bool, noiommu)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->group = member->iommu_group ? iommu_group_id(member->iommu_group) : -1;
		__entry->container = container->number;
		__entry->noiommu = member->noiommu;
		__entry->ret = ret;
	),
	TP_printk("group=%d container=%llu noiommu=%d ret=%d",
		  __entry->group, __entry->container, __entry->noiommu, __entry->ret)
);

/* A group has left its container. */
TRACE_EVENT(group_detach,
	TP_PROTO(const struct vfio_container *container, const struct vfio_member *member),
	TP_ARGS(container, member),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(int, group)
	),
	TP_fast_assign(
		__entry->container = container->number;
		__entry->group = iommu_group_id(member->iommu_group);
	),
	TP_printk("group=%d container=%llu", __entry->group, __entry->container)
);

#define show_iommu_type(type)				\
	__print_symbolic(type,				\
		{ VFIO_TYPE1_IOMMU, "type1" },		\
		{ VFIO_TYPE1v2_IOMMU, "type1v2" },	\
		{ VFIO_NOIOMMU_IOMMU, "noiommu" })

/* A container was to have a backend. */
TRACE_EVENT(container_backend,
	TP_PROTO(const struct vfio_container *container, unsigned long type, long ret),
	TP_ARGS(container, type, ret),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(unsigned long, type)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->container = container->number;
		__entry->type = type;
		__entry->ret = ret;
	),
	TP_printk("container=%llu type=%s ret=%d",
		  __entry->container, show_iommu_type(__entry->type), __entry->ret)
);

/* Fds of a device come and go: @fds is how many there are now. */
DECLARE_EVENT_CLASS(vfio_device_fds,
	TP_PROTO(const struct vfio_device *device, int ret),
	TP_ARGS(device, ret),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(dev_name(device->dev)) + 1)
		__field(unsigned int, fds)
		__field(int, ret)
	),
	TP_fast_assign(
		strscpy(__get_str(device), dev_name(device->dev),
			__get_dynamic_array_len(device));
		__entry->fds = device->open_count;
		__entry->ret = ret;
	),
	TP_printk("device=%s fds=%u ret=%d", __get_str(device), __entry->fds, __entry->ret)
);

DEFINE_EVENT(vfio_device_fds, device_open,
	TP_PROTO(const struct vfio_device *device, int ret),
	TP_ARGS(device, ret)
);

DEFINE_EVENT(vfio_device_fds, device_close,
	TP_PROTO(const struct vfio_device *device, int ret),
	TP_ARGS(device, ret)
);

#define show_revoke_step(step)				\
	__print_symbolic(step,				\
		{ VFIO_REVOKE_WANTED, "wanted" },	\
		{ VFIO_REVOKE_ASKED, "asked" },		\
		{ VFIO_REVOKE_RETURNED, "returned" },	\
		{ VFIO_REVOKE_TAKEN, "taken" },		\
		{ VFIO_REVOKE_SHUT, "shut" },		\
		{ VFIO_REVOKE_UNMAPPED, "unmapped" },	\
		{ VFIO_REVOKE_CLOSED, "closed" },	\
		{ VFIO_REVOKE_DONE, "done" })

/* A device that has users is wanted back: one event for each step on that way. */
TRACE_EVENT(device_revoke,
	TP_PROTO(const struct vfio_device *device, enum vfio_revoke_step step, int after_ms),
	TP_ARGS(device, step, after_ms),
	TP_STRUCT__entry(
		__dynamic_array(char, device, strlen(dev_name(device->dev)) + 1)
		__field(unsigned int, step)
		__field(int, after_ms)
	),
	TP_fast_assign(
		strscpy(__get_str(device), dev_name(device->dev),
			__get_dynamic_array_len(device));
		__entry->step = step;
		__entry->after_ms = after_ms;
	),
	TP_printk("device=%s step=%s after_ms=%d", __get_str(device),
		  show_revoke_step(__entry->step), __entry->after_ms)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of vfio_iommu_type1.ko: memory that comes and goes, and what that costs. The rules
 * are those of the core's trace.h.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vfio

#if !defined(_VFIO_TYPE1_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VFIO_TYPE1_TRACE_H

#include <linux/timekeeping.h>
#include <linux/tracepoint.h>

#include "type1.h"

TRACE_DEFINE_ENUM(PIN_LENT);
TRACE_DEFINE_ENUM(PIN_PAGES);
TRACE_DEFINE_ENUM(PIN_HUGE);

/*
 * A map is over, since @begun (0: nobody listened then). After an error @pages and @runs are what
 * it had got by then: nothing without a @log.
 */
TRACE_EVENT(dma_map,
	TP_PROTO(const struct type1_iommu *iommu, const struct iova_range *range,
		 const struct pinlog *log, u64 begun, int ret),
	TP_ARGS(iommu, range, log, begun, ret),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(u64, iova)
		__field(u64, bytes)
		__field(unsigned long, pages)
		__field(unsigned long, runs)
		__field(u64, ns)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->container = iommu->container;
		__entry->iova = range->start;
		__entry->bytes = range->last - range->start + 1;
		__entry->pages = log ? log->pages : 0;
		__entry->runs = log ? log->nr : 0;
		__entry->ns = begun ? ktime_get_ns() - begun : 0;
		__entry->ret = ret;
	),
	TP_printk("container=%llu iova=%#llx bytes=%llu pages=%lu runs=%lu ns=%llu ret=%d",
		  __entry->container, __entry->iova, __entry->bytes, __entry->pages,
		  __entry->runs, __entry->ns, __entry->ret)
);

/*
 * Mappings are gone, all that a call or the last group took away. @iova to @last is what was asked
 * for, @bytes what was mapped there.
 */
TRACE_EVENT(dma_unmap,
	TP_PROTO(const struct type1_iommu *iommu, const struct iova_range *range,
		 const struct mappings_sum *sum),
	TP_ARGS(iommu, range, sum),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(u64, iova)
		__field(u64, last)
		__field(u64, bytes)
		__field(unsigned int, mappings)
		__field(unsigned long, pages)
		__field(unsigned long, runs)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->container = iommu->container;
		__entry->iova = range->start;
		__entry->last = range->last;
		__entry->bytes = sum->bytes;
		__entry->mappings = sum->mappings;
		__entry->pages = sum->pages;
		__entry->runs = sum->runs;
		__entry->ns = sum->begun ? ktime_get_ns() - sum->begun : 0;
	),
	TP_printk("container=%llu iova=%#llx last=%#llx bytes=%llu mappings=%u pages=%lu runs=%lu ns=%llu",
		  __entry->container, __entry->iova, __entry->last, __entry->bytes,
		  __entry->mappings, __entry->pages, __entry->runs, __entry->ns)
);

/* What a mapping had of a device is the user's no more: from @iova on it has a hole. */
TRACE_EVENT(dma_withdraw,
	TP_PROTO(const struct type1_iommu *iommu, u64 iova, unsigned long pages),
	TP_ARGS(iommu, iova, pages),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(u64, iova)
		__field(unsigned long, pages)
	),
	TP_fast_assign(
		__entry->container = iommu->container;
		__entry->iova = iova;
		__entry->pages = pages;
	),
	TP_printk("container=%llu iova=%#llx pages=%lu", __entry->container, __entry->iova,
		  __entry->pages)
);

/* A map has one more chunk: @pages from @iova on, and @left more to find. */
TRACE_EVENT(dma_pin,
	TP_PROTO(const struct type1_iommu *iommu, const struct type1_mapping *mapping,
		 const struct pinner *pinner),
	TP_ARGS(iommu, mapping, pinner),
	TP_STRUCT__entry(
		__field(u64, container)
		__field(u64, iova)
		__field(unsigned long, pages)
		__field(unsigned long, left)
		__field(unsigned int, kind)
	),
	TP_fast_assign(
		__entry->container = iommu->container;
		__entry->iova = mapping->start +
			((u64)(mapping->log.limit - pinner->left - pinner->nr) << PAGE_SHIFT);
		__entry->pages = pinner->nr;
		__entry->left = pinner->left;
		__entry->kind = pinner->kind;
	),
	TP_printk("container=%llu iova=%#llx pages=%lu left=%lu kind=%s",
		  __entry->container, __entry->iova, __entry->pages, __entry->left,
		  __print_symbolic(__entry->kind,
			{ PIN_LENT, "lent" },
			{ PIN_PAGES, "pages" },
			{ PIN_HUGE, "huge" }))
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

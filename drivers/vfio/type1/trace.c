// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bodies of vfio_iommu_type1.ko's tracepoints: trace.h.
 */
#include "type1.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bodies of vfio.ko's tracepoints: trace.h.
 */
#include "vfio.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bodies of vfio-pci.ko's tracepoints: trace.h.
 */
#include "pci.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

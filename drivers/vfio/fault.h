/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Places where a test can make a call fail that nearly always succeeds.
 *
 * In a debug build (VFIO_DEBUG) each place asks fault.c, which counts. In any other build the
 * answer is a constant and the compiler leaves nothing behind.
 */
#ifndef _VFIO_FAULT_H
#define _VFIO_FAULT_H

#include <linux/types.h>

#ifdef VFIO_DEBUG
bool vfio_should_fail(void);
void vfio_linger(void);
#else
static inline bool vfio_should_fail(void)
{
	return false;
}

static inline void vfio_linger(void)
{
}
#endif

#endif

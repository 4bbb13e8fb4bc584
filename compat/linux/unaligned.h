/* SPDX-License-Identifier: GPL-2.0-only */
/* Before 6.12 each architecture had <linux/unaligned.h> under a name of its own. */
#ifndef _COMPAT_LINUX_UNALIGNED_H
#define _COMPAT_LINUX_UNALIGNED_H

#ifdef COMPAT_HAS_UNALIGNED_HEADER
#include_next <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#endif

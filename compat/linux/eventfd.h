/* SPDX-License-Identifier: GPL-2.0-only */
/* Signalling counts one, since 6.8 without saying so. */
#ifndef _COMPAT_LINUX_EVENTFD_H
#define _COMPAT_LINUX_EVENTFD_H

#include_next <linux/eventfd.h>

#ifdef COMPAT_HAS_EVENTFD_COUNT
#define eventfd_signal(ctx) eventfd_signal(ctx, 1)
#endif

#endif

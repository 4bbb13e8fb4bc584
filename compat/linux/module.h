/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces of symbols are strings since 6.13; before, the macro made the string. */
#ifndef _COMPAT_LINUX_MODULE_H
#define _COMPAT_LINUX_MODULE_H

#include_next <linux/module.h>

#ifdef COMPAT_HAS_STRINGIFIED_NS
#undef MODULE_IMPORT_NS
#define MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, ns)
#endif

#endif

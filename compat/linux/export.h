/* SPDX-License-Identifier: GPL-2.0-only */
/* Namespaces of symbols are strings since 6.13; before, the macro made the string. */
#ifndef _COMPAT_LINUX_EXPORT_H
#define _COMPAT_LINUX_EXPORT_H

#include_next <linux/export.h>

#ifdef COMPAT_HAS_STRINGIFIED_NS
#undef EXPORT_SYMBOL_NS_GPL
#ifdef COMPAT_HAS_EXPORT_SECTION
#define EXPORT_SYMBOL_NS_GPL(sym, ns) __EXPORT_SYMBOL(sym, "_gpl", ns)
#else
#define EXPORT_SYMBOL_NS_GPL(sym, ns) __EXPORT_SYMBOL(sym, "GPL", ns)
#endif
#endif

#endif

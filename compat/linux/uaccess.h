/* SPDX-License-Identifier: GPL-2.0-only */
/* Address tags are a property of an mm since 6.4; before, they were one of the architecture. */
#ifndef _COMPAT_LINUX_UACCESS_H
#define _COMPAT_LINUX_UACCESS_H

#include_next <linux/uaccess.h>

#ifndef untagged_addr_remote
#define untagged_addr_remote(mm, addr)	\
({					\
	mmap_assert_locked(mm);		\
	untagged_addr(addr);		\
})
#endif

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * class_create() named its owner until 6.4, and the devnode callback took a device that was not
 * const until 6.2.
 */
#ifndef _COMPAT_LINUX_DEVICE_H
#define _COMPAT_LINUX_DEVICE_H

#include_next <linux/device.h>

#ifdef COMPAT_HAS_CLASS_OWNER
static inline struct class *compat_class_create(struct module *owner, const char *name,
						struct lock_class_key *key)
{
	return __class_create(owner, name, key);
}

#undef class_create
#define class_create(name)						\
({									\
	static struct lock_class_key __key;				\
	compat_class_create(THIS_MODULE, name, &__key);			\
})
#endif

/* What the devnode callback is given. */
#ifdef COMPAT_HAS_CONST_DEVNODE
#define devnode_device const struct device
#else
#define devnode_device struct device
#endif

#endif

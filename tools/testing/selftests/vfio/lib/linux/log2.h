/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests that build a file of the modules: of the kernel's header what such a file calls. */
#ifndef SELFTEST_VFIO_LOG2_H
#define SELFTEST_VFIO_LOG2_H

static inline unsigned int order_base_2(unsigned int n)
{
	unsigned int order = 0;

	while (1U << order < n)
		order++;
	return order;
}

#endif

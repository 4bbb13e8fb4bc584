/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Included in front of every file. The code is written for the newest kernel; what older ones lack
 * or spell differently is mended in the headers of this folder, one for each kernel header, found
 * in front of the kernel's by the include path. What is found by looking at the kernel's headers is
 * in Kbuild beside this file.
 */
#ifndef _COMPAT_COMPAT_H
#define _COMPAT_COMPAT_H

#endif

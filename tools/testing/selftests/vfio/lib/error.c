// SPDX-License-Identifier: GPL-2.0-only
/*
 * Errnos by their names, as rules have them.
 */
#include <string.h>

#include "vfio.h"

const char *errno_name(int error)
{
	return error ? strerrorname_np(error) : "success";
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process without privileges, for whom RLIMIT_MEMLOCK holds.
 */
#include <grp.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vfio.h"

#define NOBODY	65534

/* Becomes a user without CAP_IPC_LOCK; the limit in bytes may be raised up to @most. */
int become_nobody(__u64 limit, __u64 most)
{
	const struct rlimit rlimit = { .rlim_cur = limit, .rlim_max = most };

	return setrlimit(RLIMIT_MEMLOCK, &rlimit) || setgroups(0, NULL) ||
	       setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ? -1 : 0;
}

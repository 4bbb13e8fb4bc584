// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the modules that a debug build makes fail: the parameter fail_nth of vfio.ko.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "vfio.h"

bool fault_possible(void)
{
	return !access(FAIL_NTH, W_OK);
}

/* True if a call failed since fail_nth was set; none does any more. */
static bool fault_fired(void)
{
	char text[32];
	bool fired = !file_read(FAIL_NTH, text, sizeof(text)) && atoi(text) == 0;

	file_write(FAIL_NTH, "0");
	return fired;
}

/* The group joins while the n-th call fails; @fired: there were as many. */
static int join_with_failure(int group, int container, int nth, bool *fired)
{
	char text[16];
	int ret;

	snprintf(text, sizeof(text), "%d", nth);
	if (file_write(FAIL_NTH, text))
		return -1;
	ret = group_set_container(group, container);
	*fired = fault_fired();
	return ret;
}

/*
 * The function's group joins a container, and gets a domain of its own there. One IOMMU has no
 * groups that cannot share, so the sharing is made to fail: it is the one call of those that can
 * whose failure does not keep the group out. @c has no device yet.
 */
int client_join_apart(struct client *c, int container, enum test_device kind, int nth)
{
	bool fired = true;

	for (int call = 1; fired; call++) {
		if (client_open_group(c, kind, nth))
			break;
		if (!join_with_failure(c->group, container, call, &fired) && fired)
			return 0;
		client_close(c);
	}
	client_close(c);
	return -1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The physical function that can have virtual ones, as the administrator sees it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "vfio.h"

/* The PF of the test bed. */
bool pf_find(struct pci_func *pf)
{
	char total[16];

	for (int nth = 0; !pci_find(NVME, nth, pf); nth++)
		if (!pci_get(pf, "sriov_totalvfs", total, sizeof(total)) && atoi(total) >= NR_VFS)
			return true;
	return false;
}

/* Makes VFs, or takes all away if @count is 0. */
int pf_set_vfs(const struct pci_func *pf, int count)
{
	char text[8];

	snprintf(text, sizeof(text), "%d", count);
	return pci_set(pf, "sriov_numvfs", text);
}

/* How many VFs there are. */
int pf_vfs(const struct pci_func *pf)
{
	char text[8];

	return pci_get(pf, "sriov_numvfs", text, sizeof(text)) ? -1 : atoi(text);
}

/* One of the VFs. */
int pf_vf(const struct pci_func *pf, int nth, struct pci_func *vf)
{
	char link[16], bdf[32];

	snprintf(link, sizeof(link), "virtfn%d", nth);
	return pci_link(pf, link, bdf, sizeof(bdf)) || pci_at(bdf, vf) ? -1 : 0;
}

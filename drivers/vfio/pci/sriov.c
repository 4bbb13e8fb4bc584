// SPDX-License-Identifier: GPL-2.0-only
/*
 * SR-IOV: a physical function (PF) that is ours, and its virtual functions (VFs).
 *
 * Who has the PF can take part in what its VFs do, and can stop them. So a VF is opened only by who
 * knows the token of its PF: a UUID that the PF's user sets, or says when he opens the PF, and
 * whoever starts both passes to the VFs' users. It begins at random, cannot be read, and cannot be
 * replaced by a next user of the PF while VFs are open.
 *
 * VFs come and go by the PF's attribute sriov_numvfs, if the parameter enable_sriov allows it. New
 * VFs are kept for this driver: others would trust their PF. While there are VFs the PF stays in
 * D0. They are taken away before the PF leaves us, so the PF of a VF of ours stays.
 */
#include <linux/list.h>
#include <linux/notifier.h>
#include <linux/pm_runtime.h>
#include <linux/string.h>
#include <linux/uuid.h>

#include "pci.h"

#define TOKEN_OPTION	"vf_token="

/* Guards the list of PFs, their tokens and the numbers of open VFs. A leaf. */
static DEFINE_MUTEX(pfs_lock);
static LIST_HEAD(pfs);

/* The PF of a VF, if it is ours. */
static struct vfio_pci_device *pf_find(struct pci_dev *vf)
{
	struct vfio_pci_device *pf;

	lockdep_assert_held(&pfs_lock);

	list_for_each_entry(pf, &pfs, sriov.node) {
		if (pf->pdev == pci_physfn(vf))
			return pf;
	}
	return NULL;
}

/**
 * vfio_pci_sriov_probe - take a PF on, or find the PF of a VF
 * @vpci: the device, being bound
 *
 * A VF that comes while its PF is being reset waits for the end of that.
 *
 * Context: probe; takes pfs_lock, then the PF's vfs_lock.
 */
void vfio_pci_sriov_probe(struct vfio_pci_device *vpci)
{
	struct vfio_pci_device *pf;

	/* The PF brings its VFs' registers back: it wakes up first, and sleeps last. */
	if (vpci->pdev->is_virtfn &&
	    !device_link_add(&vpci->pdev->dev, &pci_physfn(vpci->pdev)->dev, DL_FLAG_STATELESS))
		pci_dbg(vpci->pdev, "not linked to its PF\n");

	mutex_lock(&pfs_lock);
	if (vpci->pdev->is_virtfn) {
		vpci->sriov.pf = pf_find(vpci->pdev);
	} else if (vpci->pdev->is_physfn) {
		uuid_gen(&vpci->sriov.token);
		list_add_tail(&vpci->sriov.node, &pfs);
	}
	mutex_unlock(&pfs_lock);

	pf = vpci->sriov.pf;
	if (pf) {
		mutex_lock(&pf->sriov.vfs_lock);
		list_add_tail(&vpci->sriov.node, &pf->sriov.vfs);
		mutex_unlock(&pf->sriov.vfs_lock);
	}
}

/**
 * vfio_pci_sriov_remove - take the VFs of a PF away, which goes
 * @vpci: the device, being unbound
 *
 * Context: remove. Waits for the users of the VFs, and those of the PF have the same time.
 */
void vfio_pci_sriov_remove(struct vfio_pci_device *vpci)
{
	if (vpci->sriov.on)
		vfio_device_want_back(&vpci->vdev);
	vfio_pci_sriov_configure(vpci, 0);
}

/**
 * vfio_pci_sriov_forget - take a PF off the list, or a VF off that of its PF
 * @vpci: the device, which has no users any more; without VFs
 *
 * Context: remove, or a probe that fails; takes pfs_lock or the PF's vfs_lock: a VF waits for the
 * end of a reset of its PF.
 */
void vfio_pci_sriov_forget(struct vfio_pci_device *vpci)
{
	struct mutex *lock;	/* of the list that the device is in */

	lock = vpci->sriov.pf ? &vpci->sriov.pf->sriov.vfs_lock : &pfs_lock;
	mutex_lock(lock);
	list_del_init(&vpci->sriov.node);
	mutex_unlock(lock);
	if (vpci->pdev->is_virtfn)
		device_link_remove(&vpci->pdev->dev, &pci_physfn(vpci->pdev)->dev);
}

/**
 * vfio_pci_sriov_pf_lock - keep the user of a VF's PF from resetting both
 * @vpci: the VF, or any other device: nothing happens
 *
 * Context: process context; takes the PF's vfs_lock.
 */
void vfio_pci_sriov_pf_lock(struct vfio_pci_device *vpci)
{
	if (vpci->sriov.pf)
		mutex_lock(&vpci->sriov.pf->sriov.vfs_lock);
}

/**
 * vfio_pci_sriov_pf_unlock - undo vfio_pci_sriov_pf_lock()
 * @vpci: as there
 *
 * Context: process context.
 */
void vfio_pci_sriov_pf_unlock(struct vfio_pci_device *vpci)
{
	if (vpci->sriov.pf)
		mutex_unlock(&vpci->sriov.pf->sriov.vfs_lock);
}

/* ---- VFs come and go ---- */

static void sriov_set_on(struct vfio_pci_device *vpci, bool on)
{
	down_write(&vpci->memory_lock);
	vpci->sriov.on = on;
	up_write(&vpci->memory_lock);
}

/* From here on the function does not sleep and its user does not put it into D3. */
static int sriov_keep_awake(struct vfio_pci_device *vpci)
{
	int ret;

	ret = pm_runtime_resume_and_get(&vpci->pdev->dev);
	if (ret < 0)
		return ret;
	sriov_set_on(vpci, true);
	ret = vfio_pci_set_power_state(vpci, PCI_D0);
	if (!ret)
		return 0;

	sriov_set_on(vpci, false);
	pm_runtime_put(&vpci->pdev->dev);
	return ret;
}

static void sriov_let_sleep(struct vfio_pci_device *vpci)
{
	sriov_set_on(vpci, false);
	pm_runtime_put(&vpci->pdev->dev);
}

/* The PCI core takes VFs away one by one: let the time of their users run for all at once. */
static void sriov_want_vfs(struct vfio_pci_device *pf)
{
	struct vfio_pci_device *vf;

	mutex_lock(&pf->sriov.vfs_lock);
	list_for_each_entry(vf, &pf->sriov.vfs, sriov.node)
		vfio_device_want_back(&vf->vdev);
	mutex_unlock(&pf->sriov.vfs_lock);
}

/**
 * vfio_pci_sriov_configure - have this many VFs
 * @vpci: the PF, or any other device with @nr_vfs 0
 * @nr_vfs: 0, or more than that while there are none
 *
 * Context: process context, the PF's device_lock held. To take VFs away waits for their users, who
 * have the same time.
 * Return: @nr_vfs; -EBUSY if there are some already; why the PF does not wake up; or what the PCI
 * core says.
 */
int vfio_pci_sriov_configure(struct vfio_pci_device *vpci, int nr_vfs)
{
	int ret;

	if (!nr_vfs) {
		if (vpci->sriov.on) {
			sriov_want_vfs(vpci);
			pci_disable_sriov(vpci->pdev);
			sriov_let_sleep(vpci);
		}
		return 0;
	}
	if (vpci->sriov.on)
		return -EBUSY;

	ret = sriov_keep_awake(vpci);
	if (ret)
		return ret;
	ret = pci_enable_sriov(vpci->pdev, nr_vfs);
	if (ret) {
		sriov_let_sleep(vpci);
		return ret;
	}
	return nr_vfs;
}

/* A VF is for the driver of its PF; its administrator may decide otherwise, and is warned. */
static int sriov_notify(struct notifier_block *nb, unsigned long action, void *data)
{
	struct pci_dev *pdev = to_pci_dev(data);
	const struct device_driver *driver;
	bool ours;

	if (!pdev->is_virtfn)
		return NOTIFY_DONE;
	mutex_lock(&pfs_lock);
	ours = pf_find(pdev);
	mutex_unlock(&pfs_lock);
	if (!ours)
		return NOTIFY_DONE;

	driver = pci_physfn(pdev)->dev.driver;
	if (action == BUS_NOTIFY_ADD_DEVICE) {
		pci_info(pdev, "captured SR-IOV VF of %s\n", pci_name(pci_physfn(pdev)));
		if (device_set_driver_override(&pdev->dev, driver->name))
			pci_warn(pdev, "cannot be kept from other drivers\n");
	} else if (action == BUS_NOTIFY_BOUND_DRIVER && pdev->dev.driver != driver) {
		pci_warn(pdev, "VF bound to driver %s while its PF is bound to %s\n",
			 pdev->dev.driver->name, driver->name);
	}
	return NOTIFY_OK;
}

static struct notifier_block sriov_notifier = { .notifier_call = sriov_notify };

int __init vfio_pci_sriov_init(void)
{
	return bus_register_notifier(&pci_bus_type, &sriov_notifier);
}

void vfio_pci_sriov_exit(void)
{
	bus_unregister_notifier(&pci_bus_type, &sriov_notifier);
}

/* ---- tokens ---- */

/* Options behind a device's name: the token at most. Returns whether it is there, or -EINVAL. */
static int token_parse(char *options, uuid_t *token)
{
	char *option;
	int given = 0;

	while ((option = strsep(&options, " \t\n"))) {
		if (!*option)
			continue;
		if (given || !str_has_prefix(option, TOKEN_OPTION))
			return -EINVAL;
		option += strlen(TOKEN_OPTION);
		if (strlen(option) != UUID_STRING_LEN || uuid_parse(option, token))
			return -EINVAL;
		given = 1;
	}
	return given;
}

static int token_check(struct vfio_pci_device *vpci, const struct vfio_pci_device *pf,
		       const uuid_t *token)
{
	if (!token)
		pci_info_ratelimited(vpci->pdev, "VF token required to open the device\n");
	else if (!uuid_equal(token, &pf->sriov.token))
		pci_info_ratelimited(vpci->pdev, "VF token given is not the PF's\n");
	else
		return 0;
	return -EACCES;
}

/* May somebody who knows @token, or none if that is NULL, open the device? */
static int token_admit(struct vfio_pci_device *vpci, const uuid_t *token)
{
	int ret;

	lockdep_assert_held(&pfs_lock);

	if (vpci->sriov.pf) {
		ret = token_check(vpci, vpci->sriov.pf, token);
		if (!ret)
			vpci->sriov.token = *token;
		return ret;
	}
	if (vpci->pdev->is_physfn && vpci->sriov.nr_open)
		return token_check(vpci, vpci, token);
	if (!token)
		return 0;
	if (!vpci->pdev->is_physfn) {
		pci_info_ratelimited(vpci->pdev,
				     "VF token given for what is no PF, and no VF of one of ours\n");
		return -EINVAL;
	}
	vpci->sriov.token = *token;
	return 0;
}

/**
 * vfio_pci_sriov_match - is a user who named these options let in?
 * @vpci: the device
 * @options: what stands behind the device's name in GET_DEVICE_FD; is written to
 *
 * The first user of a PF without open VFs who says a token sets it by that.
 *
 * Context: process context; takes pfs_lock.
 * Return: 0; -EINVAL for options that nobody knows, for a token that is no UUID and for one where
 * none is needed; -EACCES where one is needed and another, or none, is given.
 */
int vfio_pci_sriov_match(struct vfio_pci_device *vpci, char *options)
{
	uuid_t token;
	int given, ret;

	given = token_parse(options, &token);
	if (given < 0)
		return given;

	mutex_lock(&pfs_lock);
	ret = token_admit(vpci, given ? &token : NULL);
	mutex_unlock(&pfs_lock);
	return ret;
}

/**
 * vfio_pci_sriov_open - a VF is opened: its PF's token holds
 * @vpci: the device
 *
 * Since its user was let in, somebody may have given the PF another one. For the first open only:
 * whoever shares a VF shares what he knows.
 *
 * Context: process context; takes pfs_lock.
 * Return: 0, or -EACCES if the user was let in by a token that is not the PF's any more.
 */
int vfio_pci_sriov_open(struct vfio_pci_device *vpci)
{
	struct vfio_pci_device *pf = vpci->sriov.pf;
	int ret;

	if (!pf)
		return 0;
	mutex_lock(&pfs_lock);
	ret = token_check(vpci, pf, &vpci->sriov.token);
	if (!ret)
		pf->sriov.nr_open++;
	mutex_unlock(&pfs_lock);
	return ret;
}

/**
 * vfio_pci_sriov_close - undo vfio_pci_sriov_open()
 * @vpci: the device
 *
 * Context: process context; takes pfs_lock.
 */
void vfio_pci_sriov_close(struct vfio_pci_device *vpci)
{
	if (!vpci->sriov.pf)
		return;
	mutex_lock(&pfs_lock);
	vpci->sriov.pf->sriov.nr_open--;
	mutex_unlock(&pfs_lock);
}

/**
 * vfio_pci_sriov_is_pf - does the device have a token of its own?
 * @device: the device
 *
 * Context: any.
 * Return: whether it is a PF.
 */
bool vfio_pci_sriov_is_pf(struct vfio_device *device)
{
	return to_vfio_pci(device)->pdev->is_physfn;
}

/**
 * vfio_pci_sriov_set_token - VFIO_DEVICE_FEATURE_PCI_VF_TOKEN
 * @device: a PF
 * @op: VFIO_DEVICE_FEATURE_SET
 * @data: the token, a uuid_t
 *
 * Holds for those who open a VF from here on.
 *
 * Context: process context; takes pfs_lock.
 * Return: 0.
 */
int vfio_pci_sriov_set_token(struct vfio_device *device, u32 op, void *data)
{
	mutex_lock(&pfs_lock);
	uuid_copy(&to_vfio_pci(device)->sriov.token, data);
	mutex_unlock(&pfs_lock);
	return 0;
}

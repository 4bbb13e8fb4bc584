// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinned memory counts as locked memory of the user who had it pinned.
 *
 * A charge remembers whom it charged, because the user may be another by the time it is dropped:
 * the program may have called exec, or the container may be in other hands. If the charged mm is
 * gone by then, its count went with it.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "../fault.h"
#include "type1.h"

/**
 * charge_init - begin to charge the caller
 * @charge: to be given back by charge_drop()
 *
 * Context: process context of the user.
 */
void charge_init(struct type1_charge *charge)
{
	mmgrab(current->mm);
	*charge = (struct type1_charge){
		.mm = current->mm,
		.unlimited = capable(CAP_IPC_LOCK),
	};
}

/**
 * charge_add - charge more pages
 * @charge: of the caller
 * @pages: how many
 *
 * Context: process context of the user; takes its mmap_lock for writing.
 * Return: 0, -ENOMEM if RLIMIT_MEMLOCK does not allow it, -EINTR after a fatal signal.
 */
int charge_add(struct type1_charge *charge, unsigned long pages)
{
	int ret;

	if (vfio_should_fail())
		return -ENOMEM;
	if (mmap_write_lock_killable(charge->mm))
		return -EINTR;
	ret = __account_locked_vm(charge->mm, pages, true, current, charge->unlimited);
	mmap_write_unlock(charge->mm);
	if (!ret)
		charge->pages += pages;
	return ret;
}

/**
 * charge_move - let the caller take over a charge
 * @charge: of anybody; unchanged on failure
 *
 * Context: process context of the user; takes mmap_lock of both for writing, one after the other.
 * Return: as charge_add().
 */
int charge_move(struct type1_charge *charge)
{
	struct type1_charge mine;
	int ret;

	if (charge->mm == current->mm)
		return 0;

	charge_init(&mine);
	ret = charge_add(&mine, charge->pages);
	charge_drop(ret ? &mine : charge);
	if (!ret)
		*charge = mine;
	return ret;
}

/**
 * charge_drop - take a charge back
 * @charge: made by charge_init()
 *
 * Context: process context; takes mmap_lock of the charged mm for writing; may end that mm.
 */
void charge_drop(struct type1_charge *charge)
{
	struct mm_struct *mm = charge->mm;

	if (charge->pages && mmget_not_zero(mm)) {
		mmap_write_lock(mm);
		__account_locked_vm(mm, charge->pages, false, current, true);
		mmap_write_unlock(mm);
		mmput(mm);
	}
	mmdrop(mm);
	charge->mm = NULL;
	charge->pages = 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinned memory counts as locked memory of the user who had it pinned.
 *
 * A charge remembers whom it charged, because the user may be another by the time it is dropped:
 * the program may have called exec, or the container may be in other hands. If the charged mm is
 * gone by then, its count went with it.
 *
 * The count is guarded by the user's mmap_lock, and a user can hold that for as long as he likes: a
 * page fault on a file of his own file system may wait with the lock held. Nobody else waits for
 * him. What cannot be dropped at once becomes late: a work drops it when the lock is free, and so
 * does the user himself before he charges more, so RLIMIT_MEMLOCK always meets the exact count.
 */
#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../fault.h"
#include "type1.h"

/* Between two looks at a user's lock. */
#define LATE_PERIOD (HZ / 10)

static void drop_late(struct work_struct *work);

static DEFINE_SPINLOCK(late_lock); /* of the list; inside mmap_lock */
static LIST_HEAD(late_charges); /* of type1_charge.late; each belongs to the list */
static DECLARE_DELAYED_WORK(late_work, drop_late);

/**
 * charge_new - begin to charge the caller
 *
 * Context: process context of the user; may sleep.
 * Return: a charge of nothing, to be given back by charge_drop(), or NULL without memory.
 */
struct type1_charge *charge_new(void)
{
	struct type1_charge *charge;

	if (vfio_should_fail())
		return NULL;
	charge = kzalloc(sizeof(*charge), GFP_KERNEL_ACCOUNT);
	if (!charge)
		return NULL;

	mmgrab(current->mm);
	charge->mm = current->mm;
	charge->unlimited = capable(CAP_IPC_LOCK);
	return charge;
}

static void charge_free(struct type1_charge *charge)
{
	mmdrop(charge->mm);
	kfree(charge);
}

/* A late charge keeps the module: what must be counted back may have to wait for its user. */
static void late_free(struct type1_charge *charge)
{
	charge_free(charge);
	module_put(THIS_MODULE);
}

/* Count the pages of a charge back. An mm that has ended takes it as well and nobody reads it. */
static void charge_revert(struct type1_charge *charge)
{
	mmap_assert_write_locked(charge->mm);

	__account_locked_vm(charge->mm, charge->pages, false, current, true);
}

static void settle_late(struct mm_struct *mm)
{
	struct type1_charge *charge, *next;
	LIST_HEAD(settled);

	mmap_assert_write_locked(mm);

	if (list_empty_careful(&late_charges))
		return;
	spin_lock(&late_lock);
	list_for_each_entry_safe(charge, next, &late_charges, late) {
		if (charge->mm == mm)
			list_move(&charge->late, &settled);
	}
	spin_unlock(&late_lock);

	list_for_each_entry_safe(charge, next, &settled, late) {
		charge_revert(charge);
		late_free(charge);
	}
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
	settle_late(charge->mm);
	ret = __account_locked_vm(charge->mm, pages, true, current, charge->unlimited);
	mmap_write_unlock(charge->mm);
	if (!ret)
		charge->pages += pages;
	return ret;
}

/* Drop a charge of the caller; false after a fatal signal. */
static bool drop_own(struct type1_charge *charge)
{
	if (mmap_write_lock_killable(charge->mm))
		return false;
	charge_revert(charge);
	mmap_write_unlock(charge->mm);
	return true;
}

/*
 * Drop anybody's charge; false if the lock is taken. The kernel has no call that tries for
 * mmap_lock. Since nothing but the count is touched, the bare semaphore will do.
 */
static bool drop_other(struct type1_charge *charge)
{
	if (vfio_should_fail() || !down_write_trylock(&charge->mm->mmap_lock))
		return false;
	charge_revert(charge);
	up_write(&charge->mm->mmap_lock);
	return true;
}

/* One entry for each mm, so that the list is as short as there are users who stall. */
static bool late_merge(struct type1_charge *charge)
{
	struct type1_charge *other;

	lockdep_assert_held(&late_lock);

	list_for_each_entry(other, &late_charges, late) {
		if (other->mm == charge->mm) {
			other->pages += charge->pages;
			return true;
		}
	}
	return false;
}

static void drop_later(struct type1_charge *charge)
{
	bool merged;

	spin_lock(&late_lock);
	merged = late_merge(charge);
	if (!merged) {
		__module_get(THIS_MODULE);
		list_add_tail(&charge->late, &late_charges);
	}
	spin_unlock(&late_lock);

	if (merged)
		charge_free(charge);
	schedule_delayed_work(&late_work, 0);
}

/**
 * charge_merge - make one charge of two
 * @charge: gets what @other has
 * @other: gone if they were merged
 *
 * Context: any; holds no lock.
 * Return: false, and nothing has changed, if two users were charged.
 */
bool charge_merge(struct type1_charge *charge, struct type1_charge *other)
{
	if (charge->mm != other->mm)
		return false;
	charge->pages += other->pages;
	charge_free(other);
	return true;
}

/**
 * charge_drop - take a charge back
 * @charge: made by charge_new(); gone afterwards
 * @wait: wait for the mmap_lock of the caller, if that is who was charged
 *
 * Context: process context; with @wait no lock is held that anybody else needs. Waits for nobody
 * but the caller; needs no memory.
 */
void charge_drop(struct type1_charge *charge, bool wait)
{
	bool own = wait && charge->mm == current->mm;

	if (!charge->pages || (own ? drop_own(charge) : drop_other(charge)))
		charge_free(charge);
	else
		drop_later(charge);
}

/* late_lock is held all along, so that a charge is late or dropped and never in between. */
static void drop_late(struct work_struct *work)
{
	struct type1_charge *charge, *next;
	LIST_HEAD(settled);
	bool left = false;

	spin_lock(&late_lock);
	list_for_each_entry_safe(charge, next, &late_charges, late) {
		if (drop_other(charge))
			list_move(&charge->late, &settled);
		else
			left = true;
	}
	spin_unlock(&late_lock);

	list_for_each_entry_safe(charge, next, &settled, late)
		late_free(charge);
	if (left)
		schedule_delayed_work(&late_work, LATE_PERIOD);
}

/**
 * charges_exit - stop looking for late charges: there are none, for they keep the module
 *
 * Context: may sleep.
 */
void charges_exit(void)
{
	cancel_delayed_work_sync(&late_work);
	WARN_ON(!list_empty(&late_charges));
}

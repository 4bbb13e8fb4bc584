// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinned memory counts as locked memory of the user who had it pinned.
 *
 * An account remembers whom mappings charged, because the user may be another by the time it is
 * counted back: the program may have called exec, or the container may be in other hands. If the
 * charged mm is gone by then, its count went with it. How much a mapping charged is noted there.
 *
 * A container keeps the account of who came last, so that the many mappings that a user makes have
 * one account, and none is made for the next. Users who map in turns have several each.
 *
 * The count is guarded by the user's mmap_lock, and a user can hold that for as long as he likes: a
 * page fault on a file of his own file system may wait with the lock held. Nobody else waits for
 * him. What cannot be counted back at once becomes late: a work does it when the lock is free, and
 * so does the user himself before he charges more, so RLIMIT_MEMLOCK always meets the exact count.
 */
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

static void settle_all(struct work_struct *work);

static DEFINE_SPINLOCK(late_lock); /* of the list and its members; inside mmap_lock */
static LIST_HEAD(late_accounts); /* of type1_account.late, one for each mm at most; references */
static DECLARE_DELAYED_WORK(late_work, settle_all);

static struct type1_account *account_new(void)
{
	struct type1_account *account = kzalloc(sizeof(*account), GFP_KERNEL_ACCOUNT);

	if (!account)
		return NULL;
	refcount_set(&account->users, 1);
	mmgrab(current->mm);
	account->mm = current->mm;
	return account;
}

static void account_put(struct type1_account *account, unsigned int users)
{
	if (!refcount_sub_and_test(users, &account->users))
		return;
	mmdrop(account->mm);
	kfree(account);
}

/**
 * payer_init - begin to remember who came last
 * @payer: to be given back by payer_exit()
 *
 * Context: any.
 */
void payer_init(struct type1_payer *payer)
{
	spin_lock_init(&payer->lock);
	payer->account = NULL;
}

/**
 * payer_exit - forget who came last
 * @payer: made by payer_init()
 *
 * Context: process context.
 */
void payer_exit(struct type1_payer *payer)
{
	account_drop(payer->account, 1, 0, false);
}

/* A reference to the account of who came last, if that is the caller, or NULL. */
static struct type1_account *payer_account(struct type1_payer *payer)
{
	struct type1_account *account;

	spin_lock(&payer->lock);
	account = payer->account;
	if (account && account->mm == current->mm)
		refcount_inc(&account->users);
	else
		account = NULL;
	spin_unlock(&payer->lock);
	return account;
}

/**
 * account_get - get the caller's account
 * @payer: who came last; it is the caller now
 *
 * Context: process context of the user; may sleep.
 * Return: a reference, to be given back by account_drop(), or NULL without memory.
 */
struct type1_account *account_get(struct type1_payer *payer)
{
	struct type1_account *account, *former;

	if (vfio_should_fail())
		return NULL;
	account = payer_account(payer);
	if (account)
		return account;

	account = account_new();
	if (!account)
		return NULL;
	refcount_inc(&account->users);
	spin_lock(&payer->lock);
	former = payer->account;
	payer->account = account;
	spin_unlock(&payer->lock);
	account_drop(former, 1, 0, false);
	return account;
}

/* Count pages back. An mm that has ended takes it as well and nobody reads it. */
static void uncharge(struct mm_struct *mm, unsigned long pages)
{
	mmap_assert_write_locked(mm);

	__account_locked_vm(mm, pages, false, current, true);
}

/* An account with late pages keeps the module: it may have to wait for its user. */
static void late_put(struct type1_account *account)
{
	account_put(account, 1);
	module_put(THIS_MODULE);
}

static struct type1_account *late_find(const struct mm_struct *mm)
{
	struct type1_account *account;

	lockdep_assert_held(&late_lock);

	list_for_each_entry(account, &late_accounts, late) {
		if (account->mm == mm)
			return account;
	}
	return NULL;
}

/* What has left the list is counted back before anybody can charge: he waits for mmap_lock. */
static void settle(struct mm_struct *mm)
{
	struct type1_account *account;
	unsigned long pages = 0;

	mmap_assert_write_locked(mm);

	if (list_empty_careful(&late_accounts))
		return;
	spin_lock(&late_lock);
	account = late_find(mm);
	if (account) {
		list_del(&account->late);
		pages = account->late_pages;
	}
	spin_unlock(&late_lock);

	if (account) {
		uncharge(mm, pages);
		late_put(account);
	}
}

/**
 * account_charge - charge pages
 * @account: of the caller
 * @pages: how many
 * @unlimited: RLIMIT_MEMLOCK does not matter
 *
 * Context: process context of the user; takes his mmap_lock for writing.
 * Return: 0, -ENOMEM if RLIMIT_MEMLOCK does not allow it, -EINTR after a fatal signal.
 */
int account_charge(struct type1_account *account, unsigned long pages, bool unlimited)
{
	struct mm_struct *mm = account->mm;
	int ret;

	if (vfio_should_fail())
		return -ENOMEM;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	settle(mm);
	ret = __account_locked_vm(mm, pages, true, current, unlimited);
	mmap_write_unlock(mm);
	return ret;
}

/* Count pages of the caller back; false after a fatal signal. */
static bool uncharge_own(struct mm_struct *mm, unsigned long pages)
{
	if (mmap_write_lock_killable(mm))
		return false;
	uncharge(mm, pages);
	mmap_write_unlock(mm);
	return true;
}

#ifdef VFIO_DEBUG
/* For a test: nobody's lock is free but for himself. */
static bool locks_taken;
module_param(locks_taken, bool, 0644);
MODULE_PARM_DESC(locks_taken, "Find the memory management of each user busy (N)");

static bool pretend_taken(void)
{
	return READ_ONCE(locks_taken) || vfio_should_fail();
}
#else
static bool pretend_taken(void)
{
	return false;
}
#endif

/*
 * Count anybody's pages back; false if the lock is taken. The kernel has no call that tries for
 * mmap_lock. Since nothing but the count is touched, the bare semaphore will do.
 */
static bool uncharge_other(struct mm_struct *mm, unsigned long pages)
{
	if (pretend_taken() || !down_write_trylock(&mm->mmap_lock))
		return false;
	uncharge(mm, pages);
	up_write(&mm->mmap_lock);
	return true;
}

/* One account for each mm, so that the list is as short as there are users who stall. */
static void uncharge_later(struct type1_account *account, unsigned long pages)
{
	struct type1_account *late;

	spin_lock(&late_lock);
	late = late_find(account->mm);
	if (late) {
		late->late_pages += pages;
	} else {
		__module_get(THIS_MODULE);
		refcount_inc(&account->users);
		account->late_pages = pages;
		list_add_tail(&account->late, &late_accounts);
	}
	spin_unlock(&late_lock);

	schedule_delayed_work(&late_work, 0);
}

/**
 * account_drop - give references back, and what was charged with them
 * @account: the account, or NULL: nothing happens
 * @users: number of references
 * @pages: to be counted back
 * @wait: wait for the mmap_lock of the caller, if that is who was charged
 *
 * Context: process context; with @wait no lock is held that anybody else needs. Waits for nobody
 * but the caller; needs no memory.
 */
void account_drop(struct type1_account *account, unsigned int users, unsigned long pages,
		  bool wait)
{
	struct mm_struct *mm;

	if (!account)
		return;
	mm = account->mm;
	if (pages && !(wait && mm == current->mm ? uncharge_own(mm, pages) :
						   uncharge_other(mm, pages)))
		uncharge_later(account, pages);
	account_put(account, users);
}

/* late_lock is held all along, so that pages are late or counted back and never in between. */
static void settle_all(struct work_struct *work)
{
	struct type1_account *account, *next;
	LIST_HEAD(settled);
	bool left = false;

	spin_lock(&late_lock);
	list_for_each_entry_safe(account, next, &late_accounts, late) {
		if (uncharge_other(account->mm, account->late_pages)) {
			list_del(&account->late);
			list_add(&account->settled, &settled);
		} else {
			left = true;
		}
	}
	spin_unlock(&late_lock);

	list_for_each_entry_safe(account, next, &settled, settled)
		late_put(account);
	if (left)
		schedule_delayed_work(&late_work, LATE_PERIOD);
}

/**
 * accounts_exit - stop looking for late pages: there are none, for they keep the module
 *
 * Context: may sleep.
 */
void accounts_exit(void)
{
	cancel_delayed_work_sync(&late_work);
	WARN_ON(!list_empty(&late_accounts));
}

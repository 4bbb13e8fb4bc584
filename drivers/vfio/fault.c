// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes one of the calls fail that ask vfio_should_fail(), in debug builds.
 *
 * A test writes n to the parameter fail_nth of vfio.ko and does something; the n-th question from
 * then on is answered with yes. If the parameter is above 0 afterwards, there were fewer questions:
 * the test has seen every place fail. Questions of several tasks at once may be miscounted.
 *
 * And makes whoever visits a device stay longer, so that a test can meet him there.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/moduleparam.h>
#include <linux/vfio.h>

#include "fault.h"

static int fail_nth;
module_param(fail_nth, int, 0644);
MODULE_PARM_DESC(fail_nth, "Which of the next calls that can fail does so (0: none)");

/**
 * vfio_should_fail - should a call that a test wants to see failing fail now?
 *
 * Context: any.
 */
bool vfio_should_fail(void)
{
	int left = READ_ONCE(fail_nth);

	if (left <= 0)
		return false;
	WRITE_ONCE(fail_nth, left - 1);
	return left == 1;
}
EXPORT_SYMBOL_NS_GPL(vfio_should_fail, VFIO_NS);

static int linger_ms;
module_param(linger_ms, int, 0644);
MODULE_PARM_DESC(linger_ms, "Milliseconds that a call stays inside of its device, and a group in its container (0: no longer than it has to)");

/**
 * vfio_linger - stay inside for a while, if a test wants that
 *
 * Context: process context; may sleep.
 */
void vfio_linger(void)
{
	int milliseconds = READ_ONCE(linger_ms);

	if (milliseconds > 0)
		msleep(milliseconds);
}

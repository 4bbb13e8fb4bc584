/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A call with each failure that can happen inside of it. To be included after check.h.
 */
#ifndef SELFTEST_VFIO_SWEEP_H
#define SELFTEST_VFIO_SWEEP_H

#define SWEEP_MOST	5000	/* more calls than any ioctl makes */

/*
 * How often each is made to fail. More than once where the kernel does not allocate the same every
 * time, so that the n-th call of one time is the next one of another.
 */
#ifndef SWEEP_TRIES
#define SWEEP_TRIES	1
#endif

/*
 * SWEEP(call, failed, done): makes the call with each failure, runs the statement @failed after
 * those that failed and @done after those that did not; ends when nothing has failed. The variant
 * says by @nth, a path, what makes calls fail.
 */
#define SWEEP(call, failed, done) do {					\
	bool _fired = true;						\
	int _n;								\
									\
	for (_n = SWEEP_TRIES; _fired && _n < SWEEP_MOST * SWEEP_TRIES; _n++) { \
		int _fd = fault_arm(variant->nth, _n / SWEEP_TRIES);	\
		long long _got;						\
									\
		ASSERT_LE(0, _fd);					\
		_got = (call);						\
		_fired = fault_disarm(variant->nth, _fd);		\
		if (_got < 0) {						\
			ASSERT_TRUE(_fired)				\
				TH_LOG("%s: %s without a failure", #call, strerror(errno)); \
			failed;						\
		} else {						\
			done;						\
		}							\
	}								\
	ASSERT_GT(SWEEP_MOST * SWEEP_TRIES, _n);			\
	TH_LOG("%s: %d calls failed in turn", #call, (_n - 1) / SWEEP_TRIES - 1); \
} while (0)

#endif

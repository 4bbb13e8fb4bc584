/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks for calls that answer -1 and errno: they print the errno's name and the one that the rule
 * asks for. And what every program's main does. To be included after kselftest_harness.h.
 */
#ifndef SELFTEST_VFIO_CHECK_H
#define SELFTEST_VFIO_CHECK_H

#include <errno.h>
#include <linux/pci_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vfio.h"

/* Seconds for one test. A debug kernel under emulation on a busy machine needs more than usual. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	300

/* The errno that a call left behind, 0 if it succeeded. */
#define ERRNO_OF(call) (__extension__ ({				\
	errno = 0;							\
	(intptr_t)(call) == -1 ? errno : 0;				\
}))

/* The call must end with this errno, 0 for success; the test goes on if it does not. */
#define EXPECT_ERRNO(error, call) do {					\
	int _want = (error), _got = ERRNO_OF(call);			\
									\
	EXPECT_EQ(_want, _got)						\
		TH_LOG("%s: %s, must be %s", #call, errno_name(_got), errno_name(_want)); \
} while (0)

/* The same, and the test ends if it does not. */
#define ASSERT_ERRNO(error, call) do {					\
	int _want = (error), _got = ERRNO_OF(call);			\
									\
	ASSERT_EQ(_want, _got)						\
		TH_LOG("%s: %s, must be %s", #call, errno_name(_got), errno_name(_want)); \
} while (0)

#define EXPECT_OK(call)	EXPECT_ERRNO(0, call)
#define ASSERT_OK(call)	ASSERT_ERRNO(0, call)

/* True if a client's call succeeded; else the test is skipped, for want of a device, or failed. */
static inline bool client_is_open(struct __test_metadata *_metadata, int result,
				  enum test_device kind, int nth)
{
	struct pci_func func;

	if (result && pci_find(kind, nth, &func))
		SKIP(return false, "no device %s number %d", test_device_name(kind), nth);
	EXPECT_EQ(0, result)
		TH_LOG("cannot open %s number %d: %s", test_device_name(kind), nth,
		       errno_name(errno));
	return !result;
}

/* client_open() for a test or the setup of a fixture, which returns if this is false. */
static inline bool open_or_skip(struct __test_metadata *_metadata, struct client *c,
				enum test_device kind, int nth, int type)
{
	return client_is_open(_metadata, client_open(c, kind, nth, type), kind, nth);
}

/* The same for client_join(). */
static inline bool join_or_skip(struct __test_metadata *_metadata, struct client *c,
				const struct client *first, enum test_device kind, int nth)
{
	return client_is_open(_metadata, client_join(c, first, kind, nth), kind, nth);
}

/* True if the function has had a fatal error, that did not happen; else the test is skipped. */
static inline bool fatal_error_or_skip(struct __test_metadata *_metadata,
				       const struct pci_func *func)
{
	int error = ERRNO_OF(aer_inject(func, PCI_ERR_UNC_MALF_TLP));

	if (error)
		SKIP(return false, "errors cannot be injected: %s", errno_name(error));
	return true;
}

/* True if it is plugged in; else the test is skipped, for want of what it needs, or failed. */
static inline bool plug_or_skip(struct __test_metadata *_metadata, const struct plug *plug,
				int (*way)(const struct pci_func *func), struct pci_func *func)
{
	int error;

	if (way == plug_pull && !ports_listen())
		SKIP(return false, "the ports have no driver that hears it");
	error = ERRNO_OF(plug_in(plug, func));
	if (error == ENOENT)
		SKIP(return false, "no monitor");
	EXPECT_EQ(0, error)
		TH_LOG("cannot plug %s in: %s", plug->device, errno_name(error));
	return !error;
}

static pid_t test_program;
static long test_pins;

/* The harness ends the program, and children of tests leave it as well. */
static inline void vfio_test_end(void)
{
	if (getpid() != test_program || test_pins < 0 || pins_become(test_pins))
		return;
	printf("# %ld pages are pinned that were not before\n", pins_held() - test_pins);
	fflush(NULL);
	_exit(KSFT_FAIL);
}

/*
 * Takes the devices in @needs for vfio-pci, which keeps them for the next program, and runs the
 * tests. In the end as many pages must be pinned for devices as in the beginning.
 */
static inline int vfio_test_main(int argc, char **argv, const enum test_device *needs, size_t count)
{
	test_program = getpid();
	test_pins = pins_held();
	atexit(vfio_test_end);
	for (size_t i = 0; i < count; i++)
		if (pci_take(needs[i]))
			ksft_exit_fail_msg("cannot bind %s: %s\n", test_device_name(needs[i]),
					   strerror(errno));
	return test_harness_run(argc, argv);
}

#endif

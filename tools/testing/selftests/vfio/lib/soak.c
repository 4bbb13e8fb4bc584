// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races and random calls run for as long as the environment variable SOAK_SECONDS says, else for
 * ten seconds. Numbers are random but the same for the same seed, which is SEED.
 */
#include <stdlib.h>
#include <time.h>

#include "vfio.h"

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int soak_seconds(void)
{
	const char *text = getenv("SOAK_SECONDS");

	return text ? atoi(text) : 10;
}

unsigned int soak_seed(unsigned int otherwise)
{
	const char *text = getenv("SEED");

	return text ? strtoul(text, NULL, 0) : otherwise;
}

/* Marsaglia's xorshift with a multiplication; the state is never 0. */
__u32 random_next(__u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL) >> 32;
}

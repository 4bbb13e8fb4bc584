// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver for QEMU's teaching device: it copies between memory and a buffer of its own, of 4 KiB,
 * and raises its interrupt when told to. By default it reaches the first 256 MiB only. Its
 * registers are written by halves, so nothing above 4 GiB can be named here.
 */
#include <errno.h>
#include <linux/pci_regs.h>
#include <string.h>
#include <time.h>

#include "vfio.h"

#define EDU_RAISE		0x60
#define EDU_ACK			0x64
#define EDU_DMA_SOURCE		0x80
#define EDU_DMA_TARGET		0x88
#define EDU_DMA_SIZE		0x90
#define EDU_DMA_COMMAND		0x98
#define EDU_DMA_START		0x01
#define EDU_DMA_TO_MEMORY	0x02
#define EDU_BUFFER		0x40000
#define EDU_COPIED		512

/* Turns decoding and bus mastering on, and an interrupt that a former user left off. */
int edu_start(const struct client *c)
{
	if (config_command(c, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 0))
		return -1;
	return edu_lower(c);
}

/* Starts the engine, which takes its time. */
static int edu_begin(const struct client *c, __u32 source, __u32 target, __u32 size, __u32 command)
{
	return bar_write32(c, 0, EDU_DMA_SOURCE, source) ?:
	       bar_write32(c, 0, EDU_DMA_TARGET, target) ?:
	       bar_write32(c, 0, EDU_DMA_SIZE, size) ?:
	       bar_write32(c, 0, EDU_DMA_COMMAND, command | EDU_DMA_START);
}

/* The same, and waits until it says that it is done. */
static int edu_copy(const struct client *c, __u32 source, __u32 target, __u32 size, __u32 command)
{
	const struct timespec pause = { .tv_nsec = 5000000 };

	if (edu_begin(c, source, target, size, command))
		return -1;
	for (int tries = 0; tries < PATIENCE_MS / 5; tries++) {
		if (region_read(c, 0, EDU_DMA_COMMAND, &command, sizeof(command)) < 0)
			return -1;
		if (!(command & EDU_DMA_START))
			return 0;
		nanosleep(&pause, NULL);
	}
	errno = ETIMEDOUT;
	return -1;
}

/* Copies from memory at @iova into the device's buffer at @at. */
int edu_from_memory(const struct client *c, __u32 iova, __u32 at, __u32 size)
{
	return edu_copy(c, iova, EDU_BUFFER + at, size, 0);
}

/* Copies from the device's buffer at @at to memory at @iova. */
int edu_to_memory(const struct client *c, __u32 iova, __u32 at, __u32 size)
{
	return edu_copy(c, EDU_BUFFER + at, iova, size, EDU_DMA_TO_MEMORY);
}

/* The same, and does not wait. */
int edu_begin_to_memory(const struct client *c, __u32 iova, __u32 at, __u32 size)
{
	return edu_begin(c, EDU_BUFFER + at, iova, size, EDU_DMA_TO_MEMORY);
}

/* Bytes go through the device to the next page. @memory is what the device sees at @iova. */
bool edu_copies(const struct client *c, void *memory, __u32 iova, __u32 seed)
{
	__u8 *from = memory, *to = from + PAGE;

	for (int i = 0; i < EDU_COPIED; i++)
		from[i] = i * 3 + seed;
	memset(to, 0, EDU_COPIED);
	return !edu_from_memory(c, iova, 0, EDU_COPIED) &&
	       !edu_to_memory(c, iova + PAGE, 0, EDU_COPIED) && !memcmp(from, to, EDU_COPIED);
}

/* Asserts the interrupt: the line stays up until edu_lower(); MSI is sent once. */
int edu_raise(const struct client *c)
{
	return bar_write32(c, 0, EDU_RAISE, 1);
}

/* Acknowledges all reasons: a former user may have left some, and no reset clears them. */
int edu_lower(const struct client *c)
{
	return bar_write32(c, 0, EDU_ACK, ~0U);
}

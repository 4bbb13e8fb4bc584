// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which pages a device may have written, as a bitmap in user memory.
 *
 * No IOMMU tells a module which pages its devices wrote. So every page of a mapping counts as dirty
 * whenever it is asked for, and there is nothing to keep between two questions: the bits are made
 * while they are copied out, in words of 64. A word with pages of a mapping is written as a whole,
 * and keeps what was there below the first of them; a word without one is left as the user had it.
 *
 * No locks: user memory is touched, so the caller holds none that a page fault could need.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>

#include "type1.h"

#define WORD_BITS	BITS_PER_TYPE(u64)
#define WORD_BYTES	sizeof(u64)

/* Write the word that has bit @from: that bit and more, below bit @to; what is below stays. */
static int write_word(u8 __user *data, u64 from, u64 to)
{
	unsigned int first = from % WORD_BITS;
	u64 start = from - first, word = 0;

	data += start / BITS_PER_BYTE;
	if (first && copy_from_user(&word, data, WORD_BYTES))
		return -EFAULT;
	if (first)
		word &= GENMASK_ULL(first - 1, 0);
	word |= GENMASK_ULL(min_t(u64, to - start, WORD_BITS) - 1, first);
	return copy_to_user(data, &word, WORD_BYTES) ? -EFAULT : 0;
}

/* Set all bits of bytes [from, to). */
static int set_bytes(u8 __user *data, u64 from, u64 to)
{
	static const u8 ones[256] = { [0 ... 255] = 0xff };
	size_t size;

	while (from < to) {
		size = min_t(u64, to - from, sizeof(ones));
		if (copy_to_user(data + from, ones, size))
			return -EFAULT;
		from += size;
		cond_resched();
	}
	return 0;
}

/**
 * dirty_report - write the bits of a mapping into a user's bitmap
 * @bitmap: can hold the bits
 * @first: the first bit, counted from the start of the bitmap; mappings come in this order
 * @nr: how many, 1 at least
 *
 * Context: process context of the user; may sleep.
 * Return: 0 or -EFAULT.
 */
int dirty_report(const struct vfio_bitmap *bitmap, u64 first, u64 nr)
{
	u8 __user *data = (u8 __user *)bitmap->data;
	u64 end = first + nr;
	u64 head = round_up(first, WORD_BITS);
	u64 tail = max(head, round_down(end, WORD_BITS));

	if ((first < head && write_word(data, first, end)) ||
	    set_bytes(data, head / BITS_PER_BYTE, tail / BITS_PER_BYTE) ||
	    (tail < end && write_word(data, tail, end)))
		return -EFAULT;
	return 0;
}

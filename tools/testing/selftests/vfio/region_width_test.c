// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device sees of an access to a BAR: pieces as wide as alignment and length allow, the
 * lowest first, each of them once.
 *
 * Devices that treat widths differently are the witnesses. The e1000e card has registers of four
 * bytes. Whatever their width, an access to its memory means the register in which it begins, and
 * one to its ports must begin where the register does: a write puts zeros into the bytes that it
 * has not, a read gives the lowest bytes. Edu knows registers that are to be touched by four bytes
 * only, and wide ones, of which a write of four bytes clears the upper half.
 */
#include <kselftest_harness.h>
#include <linux/pci_regs.h>

#include "lib/check.h"

/* Of the e1000e card. */
#define MEMORY		0
#define PORTS		2	/* the address of a register, and the register there */
#define PLAIN		0x5200	/* registers that keep what is written */

#define EDU_WIDE	0x80	/* two registers of eight bytes */

#define OLD		0xa5a5a5a5U
#define W0		0x1122334455667788ULL
#define W1		0x99aabbccddeeff00ULL

/* How an access of that many bytes, that far behind a multiple of eight, is cut into pieces. */
static const struct access {
	__u8 at;
	__u8 size;
	const char *widths;
} accesses[] = {
	{ 0, 1, "1" }, { 1, 1, "1" }, { 2, 1, "1" }, { 3, 1, "1" }, { 4, 1, "1" }, { 7, 1, "1" },
	{ 0, 2, "2" }, { 1, 2, "11" }, { 2, 2, "2" }, { 3, 2, "11" }, { 4, 2, "2" }, { 6, 2, "2" },
	{ 0, 3, "21" }, { 1, 3, "12" }, { 2, 3, "21" }, { 3, 3, "12" }, { 4, 3, "21" },
	{ 0, 4, "4" }, { 1, 4, "121" }, { 2, 4, "22" }, { 3, 4, "121" }, { 4, 4, "4" },
	{ 0, 5, "41" }, { 1, 5, "122" }, { 2, 5, "221" }, { 3, 5, "14" },
	{ 0, 6, "42" }, { 1, 6, "1221" }, { 2, 6, "24" },
	{ 0, 7, "421" }, { 1, 7, "124" },
	/* As memory it is one piece, which the card does not tell from two. */
	{ 0, 8, "44" },
};

/* The lowest bytes of a register. */
static __u32 low(__u32 value, int width)
{
	return width < 4 ? value & ((1U << 8 * width) - 1) : value;
}

FIXTURE(card)
{
	struct client c;
};

/* Two registers in a row. */
FIXTURE_VARIANT(card)
{
	__u32 bar;
	__u64 first;		/* where the two are */
	__u64 second;		/* where in the memory the second one can be seen, too */
	bool anywhere;		/* accesses may begin inside of a register */
	__u32 value;		/* one that the first may have while the second is used */
};

FIXTURE_VARIANT_ADD(card, memory)
{
	.bar = MEMORY,
	.first = PLAIN,
	.second = PLAIN + 4,
	.anywhere = true,
	.value = 0x44332211,
};

FIXTURE_VARIANT_ADD(card, ports)
{
	.bar = PORTS,
	.first = 0,
	.second = PLAIN,
	.anywhere = false,
	.value = PLAIN,
};

FIXTURE_SETUP(card)
{
	if (!open_or_skip(_metadata, &self->c, E1000E, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(config_command(&self->c, PCI_COMMAND_MEMORY | PCI_COMMAND_IO, 0));
}

FIXTURE_TEARDOWN(card)
{
	client_close(&self->c);
}

/* Gives both registers a value; ports use the first to find the second. */
static int card_set(const struct client *c, FIXTURE_VARIANT(card) const *variant,
		    const __u32 *values)
{
	return bar_write32(c, variant->bar, variant->first, values[0]) ?:
	       bar_write32(c, MEMORY, variant->second, values[1]);
}

static bool means_register(FIXTURE_VARIANT(card) const *variant, int at)
{
	return variant->anywhere || at % 4 == 0;
}

/* Of the pieces of a write, each register has the last one that reached it. */
TEST_F(card, write)
{
	const struct client *c = &self->c;
	const __u32 data[] = { variant->value, 0x88776655 };

	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		const struct access *a = &accesses[i];
		const __u8 *from = (const __u8 *)data + a->at;
		__u32 want[] = { a->at ? variant->value : OLD, OLD };
		int at = a->at;

		ASSERT_OK(card_set(c, variant, want));
		for (const char *width = a->widths; *width; at += *width++ - '0') {
			__u32 value = 0;

			memcpy(&value, (const __u8 *)data + at, *width - '0');
			if (means_register(variant, at))
				want[at / 4] = value;
		}
		ASSERT_EQ(a->size, region_write(c, variant->bar, variant->first + a->at, from,
						a->size));
		EXPECT_EQ(want[0], bar_read32(c, variant->bar, variant->first))
			TH_LOG("%d bytes at %d: first register", a->size, a->at);
		EXPECT_EQ(want[1], bar_read32(c, MEMORY, variant->second))
			TH_LOG("%d bytes at %d: second register", a->size, a->at);
	}
}

/* Each piece of a read gives the lowest bytes of its register. */
TEST_F(card, read)
{
	const __u32 values[] = { variant->value, 0x88776655 };

	ASSERT_OK(card_set(&self->c, variant, values));
	for (size_t i = 0; i < ARRAY_SIZE(accesses); i++) {
		const struct access *a = &accesses[i];
		__u8 want[8] = {}, got[8] = {};
		int at = a->at;

		for (const char *width = a->widths; *width; at += *width++ - '0') {
			if (means_register(variant, at))
				memcpy(want + at - a->at, &values[at / 4], *width - '0');
		}
		ASSERT_EQ(a->size, region_read(&self->c, variant->bar, variant->first + a->at, got,
					       a->size));
		EXPECT_EQ(0, memcmp(want, got, a->size))
			TH_LOG("%d bytes at %d: 0x%llx, must be 0x%llx", a->size, a->at,
			       *(unsigned long long *)got, *(unsigned long long *)want);
	}
}

/* What an eventfd writes is one access. */
TEST_F(card, ioeventfd)
{
	const struct client *c = &self->c;
	const __u32 old[] = { OLD, OLD };

	for (int width = 1; width <= 4; width *= 2) {
		__s32 event = event_new();

		ASSERT_OK(card_set(c, variant, old));
		ASSERT_OK(region_ioeventfd(c, variant->bar, variant->first, width, 0x44332211,
					   event));
		ASSERT_OK(event_signal(event));
		EXPECT_TRUE(bar_becomes(c, variant->bar, variant->first, low(0x44332211, width)))
			TH_LOG("%d bytes: 0x%x", width,
			       bar_read32(c, variant->bar, variant->first));
		ASSERT_OK(region_ioeventfd(c, variant->bar, variant->first, width, 0x44332211,
					   -1));
		close(event);
	}
}

FIXTURE(wide)
{
	struct client c;
};

FIXTURE_SETUP(wide)
{
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
}

FIXTURE_TEARDOWN(wide)
{
	client_close(&self->c);
}

static __u64 read64(const struct client *c, __u64 at)
{
	__u64 value = 0;

	return region_read(c, 0, at, &value, sizeof(value)) == sizeof(value) ? value : 0;
}

/* Eight aligned bytes of memory are one access, and two where only four are aligned. */
TEST_F(wide, write)
{
	static const __u64 zero[2], data[2] = { W0, W1 };
	static const struct {
		__u8 at;
		__u8 size;
		__u64 want[2];
	} writes[] = {
		{ 0, 8, { W0, 0 } },
		{ 0, 16, { W0, W1 } },
		{ 0, 12, { W0, 0xddeeff00 } },
		{ 0, 4, { 0x55667788, 0 } },
		{ 4, 8, { 0, 0xddeeff00 } },
		{ 4, 12, { 0, W1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(writes); i++) {
		int at = writes[i].at, size = writes[i].size;

		ASSERT_EQ(16, region_write(&self->c, 0, EDU_WIDE, zero, 16));
		ASSERT_EQ(0, read64(&self->c, EDU_WIDE));
		ASSERT_EQ(0, read64(&self->c, EDU_WIDE + 8));
		ASSERT_EQ(size, region_write(&self->c, 0, EDU_WIDE + at, (const __u8 *)data + at,
					     size));
		for (int j = 0; j < 2; j++) {
			EXPECT_EQ(writes[i].want[j], read64(&self->c, EDU_WIDE + 8 * j))
				TH_LOG("%d bytes at %d: register %d", size, at, j);
		}
	}
}

/* A register that wants four bytes answers these, and ones to eight. */
TEST_F(wide, read)
{
	__u32 first = bar_read32(&self->c, 0, EDU_IDENTITY), second;
	__u32 both[2];

	EXPECT_EQ(0xed, first & EDU_IDENTITY_MASK);
	EXPECT_EQ(~0ULL, read64(&self->c, EDU_IDENTITY));
	ASSERT_OK(bar_write32(&self->c, 0, EDU_LIVENESS, 0x12345678));
	second = bar_read32(&self->c, 0, EDU_FACTORIAL);
	ASSERT_EQ(8, region_read(&self->c, 0, EDU_LIVENESS, both, 8));
	EXPECT_EQ(~0x12345678U, both[0]);
	EXPECT_EQ(second, both[1]);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU, E1000E };

	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

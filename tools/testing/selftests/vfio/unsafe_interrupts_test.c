// SPDX-License-Identifier: GPL-2.0-only
/*
 * A machine whose IOMMU does not remap interrupts (vm/run --iommu intremap=off).
 */
#include <kselftest_harness.h>

#include "lib/check.h"

#define PARAMETER	"/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts"

/*
 * Where interrupts are not isolated, a device could forge those of others: the group is refused
 * with EPERM and a message, unless allow_unsafe_interrupts says that this is known.
 */
TEST(unsafe_interrupts)
{
	static const char * const texts[] = { "allow_unsafe_interrupts", "group" };
	int kmsg = log_open();
	char message[1024];
	struct client c;

	ASSERT_LE(0, kmsg);
	if (!client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU)) {
		client_close(&c);
		SKIP(return, "interrupts are isolated here (vm/run --iommu intremap=off)");
	}
	ASSERT_EQ(EPERM, errno);
	EXPECT_TRUE(log_find(kmsg, texts, ARRAY_SIZE(texts), message, sizeof(message)));
	EXPECT_ERRNO(EPERM, client_open(&c, EDU, 0, VFIO_TYPE1_IOMMU));
	ASSERT_OK(file_write(PARAMETER, "Y"));
	EXPECT_OK(client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU));
	client_close(&c);
	ASSERT_OK(file_write(PARAMETER, "N"));
	EXPECT_ERRNO(EPERM, client_open(&c, EDU, 0, VFIO_TYPE1v2_IOMMU));
	close(kmsg);
}

/* So is a group that comes to a container which has its backend; those that are there go on. */
TEST(unsafe_interrupts_of_a_second)
{
	char *memory = memory_new(PAGE);
	struct client first, second;

	ASSERT_OK(file_write(PARAMETER, "Y"));
	ASSERT_OK(client_open(&first, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(file_write(PARAMETER, "N"));
	ASSERT_OK(client_open_group(&second, EDU, 1));
	EXPECT_ERRNO(EPERM, group_set_container(second.group, first.container));
	EXPECT_OK(dma_map_rw(first.container, memory, 16 * MIB, PAGE));
	ASSERT_OK(file_write(PARAMETER, "Y"));
	EXPECT_OK(group_set_container(second.group, first.container));
	ASSERT_OK(file_write(PARAMETER, "N"));
	client_close(&second);
	client_close(&first);
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("No interrupt remapping support");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

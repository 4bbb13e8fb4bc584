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

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("No interrupt remapping support");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

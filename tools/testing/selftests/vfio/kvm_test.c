// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM holds groups: its device KVM_DEV_TYPE_VFIO finds what it needs in vfio.ko by name.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "lib/check.h"

/* A virtual machine without anything in it, its VFIO device, and an open group. */
FIXTURE(kvm)
{
	struct client c;
	int machine;
	int vfio;
};

FIXTURE_SETUP(kvm)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	int kvm;

	system("modprobe -q kvm_amd || modprobe -q kvm_intel");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		SKIP(return, "no /dev/kvm: the processor shows neither SVM nor VMX");
	if (!client_is_open(_metadata, client_open_group(&self->c, EDU, 0), EDU, 0))
		return;
	self->machine = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->machine);
	close(kvm);
	ASSERT_OK(ioctl(self->machine, KVM_CREATE_DEVICE, &device));
	self->vfio = device.fd;
}

FIXTURE_TEARDOWN(kvm)
{
	fd_close(&self->vfio);
	fd_close(&self->machine);
	client_close(&self->c);
}

static int kvm_vfio(int vfio, __u64 what, __s32 fd)
{
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP,
		.attr = what,
		.addr = (uintptr_t)&fd,
	};

	return ioctl(vfio, KVM_SET_DEVICE_ATTR, &attr);
}

static int kvm_add(int vfio, int fd)
{
	return kvm_vfio(vfio, KVM_DEV_VFIO_GROUP_ADD, fd);
}

static int kvm_del(int vfio, int fd)
{
	return kvm_vfio(vfio, KVM_DEV_VFIO_GROUP_DEL, fd);
}

/* A group is added once and taken away once, and may come again: EEXIST, ENOENT. */
TEST_F(kvm, add_and_del)
{
	EXPECT_ERRNO(ENOENT, kvm_del(self->vfio, self->c.group));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	EXPECT_ERRNO(EEXIST, kvm_add(self->vfio, self->c.group));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_ERRNO(ENOENT, kvm_del(self->vfio, self->c.group));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
}

/* Only files of VFIO: EBADF for no file, EINVAL for another kind. */
TEST_F(kvm, wrong_files)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	EXPECT_ERRNO(EBADF, kvm_add(self->vfio, -1));
	EXPECT_ERRNO(EBADF, kvm_add(self->vfio, 1000));
	EXPECT_ERRNO(EINVAL, kvm_add(self->vfio, null));
	EXPECT_ERRNO(EINVAL, kvm_add(self->vfio, self->c.container));
	close(null);
}

/* As QEMU does it: the group joins KVM before its container, devices are opened after that. */
TEST_F(kvm, whole_client)
{
	ASSERT_OK(kvm_add(self->vfio, self->c.group));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	ASSERT_OK(client_read_regions(&self->c));
	EXPECT_EQ(0x1234, config_read(&self->c, 0, 2));
}

/* Since 6.6 KVM takes device fds as well, also one whose device was taken back. */
TEST_F(kvm, device_files)
{
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	if (!kernel_is_since(6, 6)) {
		EXPECT_ERRNO(EINVAL, kvm_add(self->vfio, self->c.device));
		return;
	}
	EXPECT_OK(kvm_add(self->vfio, self->c.device));
	EXPECT_ERRNO(EEXIST, kvm_add(self->vfio, self->c.device));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	EXPECT_OK(kvm_del(self->vfio, self->c.device));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_OK(kvm_add(self->vfio, self->c.device));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_OK(kvm_del(self->vfio, self->c.device));
	client_close(&self->c);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

static long vfio_users(void)
{
	char text[32];

	return file_read("/sys/module/vfio/refcnt", text, sizeof(text)) ? -1 : atol(text);
}

/* KVM holds the group's file and with it the module; the end of the machine lets go of both. */
TEST_F(kvm, machine_holds_group)
{
	long before;

	before = vfio_users();
	ASSERT_OK(kvm_add(self->vfio, self->c.group));
	fd_close(&self->c.group);
	EXPECT_EQ(before, vfio_users());
	EXPECT_ERRNO(EBUSY, group_open(self->c.func.group));
	fd_close(&self->vfio);
	fd_close(&self->machine);
	EXPECT_GT(before, vfio_users());
	self->c.group = group_open(self->c.func.group);
	EXPECT_LE(0, self->c.group);
}

/* The last device of a group may leave while KVM holds the group. */
TEST_F(kvm, dead_group)
{
	__u32 flags;

	ASSERT_OK(kvm_add(self->vfio, self->c.group));
	ASSERT_OK(pci_unbind(&self->c.func));
	EXPECT_ERRNO(ENODEV, group_status(self->c.group, &flags));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	fd_close(&self->vfio);
	fd_close(&self->machine);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

/*
 * KVM has to know whether a guest's device may bypass the caches, and takes it from the group: it
 * counts such groups, once each, and counts them back.
 */
#define BYPASSES "kvm_arch_register_noncoherent_dma"
#define BYPASSES_NO_MORE "kvm_arch_unregister_noncoherent_dma"

TEST_F(kvm, coherency)
{
	static const char * const functions[] = { BYPASSES, BYPASSES_NO_MORE };
	int enforced = iommu_enforces_coherency();

	if (enforced < 0)
		SKIP(return, "no Intel IOMMU");
	if (calls_open(functions, 2))
		SKIP(return, "no kprobe events here: %s", strerror(errno));
	ASSERT_TRUE(calls_known(BYPASSES));
	ASSERT_TRUE(calls_known(BYPASSES_NO_MORE));

	/* In no container yet: some kernels cannot tell here, and then the group counts as one. */
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	if (!enforced)
		EXPECT_EQ(1, calls_made(BYPASSES));
	EXPECT_EQ(0, calls_made(BYPASSES_NO_MORE));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_EQ(calls_made(BYPASSES), calls_made(BYPASSES_NO_MORE));

	trace_reset();
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	EXPECT_EQ(!enforced, calls_made(BYPASSES));
	EXPECT_EQ(0, calls_made(BYPASSES_NO_MORE));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_EQ(!enforced, calls_made(BYPASSES));
	EXPECT_EQ(!enforced, calls_made(BYPASSES_NO_MORE));
	calls_close();
}

/* A device that is wanted back is its user's until it is taken, and so are its caches. */
TEST_F(kvm, coherency_while_leaving)
{
	static const char * const functions[] = { BYPASSES, BYPASSES_NO_MORE };
	struct client other = {};
	__s32 event = event_new();
	pid_t pid;

	if (iommu_enforces_coherency())
		SKIP(return, "no Intel IOMMU, or one that enforces coherency");
	if (calls_open(functions, 2))
		SKIP(return, "no kprobe events here: %s", strerror(errno));
	ASSERT_OK(client_open_group(&other, EDU, 1));
	ASSERT_OK(group_set_container(self->c.group, self->c.container));
	ASSERT_OK(ioctl(self->c.container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
	self->c.device = group_get_device(self->c.group, self->c.func.bdf);
	ASSERT_LE(0, self->c.device);
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_REQ_IRQ_INDEX, 0, 1, &event));
	EXPECT_OK(kvm_add(self->vfio, self->c.group));
	EXPECT_EQ(1, calls_made(BYPASSES));

	ASSERT_OK(revoke_after(&self->c.func, -1));
	pid = unbind_start(&self->c.func);
	EXPECT_LT(0, event_wait(event, PATIENCE_MS));
	EXPECT_OK(kvm_add(self->vfio, other.group));
	EXPECT_OK(kvm_del(self->vfio, other.group));
	EXPECT_EQ(0, calls_made(BYPASSES_NO_MORE));

	EXPECT_OK(revoke_after(&self->c.func, 0));
	EXPECT_EQ(0, child_end(pid, PATIENCE_MS));
	EXPECT_OK(kvm_del(self->vfio, self->c.group));
	EXPECT_EQ(1, calls_made(BYPASSES_NO_MORE));
	calls_close();
	close(event);
	client_close(&other);
	client_close(&self->c);
	EXPECT_OK(pci_bind(&self->c.func, "vfio-pci"));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("Device is taken back|No device request channel|Device is wanted back");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

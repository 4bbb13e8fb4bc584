// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device's interrupts go to a virtual machine of KVM without a program between them: the eventfd
 * that vfio-pci signals is the machine's irqfd, and what the machine says when it is through with
 * an INTx is the eventfd that unmasks it.
 *
 * The machine has eight bytes of code. That a line is up is seen in its interrupt controller.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/check.h"

#define LINE		5
#define CODE		0x1000
#define PORT_DONE	0x80

FIXTURE(kvm_irq)
{
	struct client c;
	int machine;
	int cpu;
	struct kvm_run *run;
	__s32 event;
	__s32 resample;
};

/* One CPU, in the mode that it begins in, and the page that it runs. */
static int machine_start(int kvm, int machine, int *cpu, struct kvm_run **run)
{
	/* Tells the controller that the interrupt is through; then the machine stops. */
	static const __u8 code[] = { 0xb0, 0x20, 0xe6, 0x20, 0xe6, PORT_DONE, 0xeb, 0xf8 };
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = CODE,
		.memory_size = PAGE,
	};
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	char *memory;

	memory = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	memcpy(memory, code, sizeof(code));
	region.userspace_addr = (uintptr_t)memory;
	if (ioctl(machine, KVM_SET_USER_MEMORY_REGION, &region))
		return -1;
	*cpu = ioctl(machine, KVM_CREATE_VCPU, 0);
	if (*cpu < 0 || ioctl(*cpu, KVM_GET_SREGS, &sregs))
		return -1;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(*cpu, KVM_SET_SREGS, &sregs) || ioctl(*cpu, KVM_SET_REGS, &regs))
		return -1;
	*run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *cpu, 0);
	return *run == MAP_FAILED ? -1 : 0;
}

FIXTURE_SETUP(kvm_irq)
{
	int kvm;

	self->cpu = -1;
	self->machine = -1;
	self->event = event_new();
	self->resample = event_new();
	system("modprobe -q kvm_amd || modprobe -q kvm_intel");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		SKIP(return, "no /dev/kvm: the processor shows neither SVM nor VMX");
	if (!open_or_skip(_metadata, &self->c, EDU, 0, VFIO_TYPE1v2_IOMMU))
		return;
	ASSERT_OK(edu_start(&self->c));
	self->machine = ioctl(kvm, KVM_CREATE_VM, 0);
	ASSERT_LE(0, self->machine);
	ASSERT_OK(ioctl(self->machine, KVM_CREATE_IRQCHIP));
	ASSERT_OK(machine_start(kvm, self->machine, &self->cpu, &self->run));
	close(kvm);
}

FIXTURE_TEARDOWN(kvm_irq)
{
	fd_close(&self->cpu);
	fd_close(&self->machine);
	client_close(&self->c);
	fd_close(&self->event);
	fd_close(&self->resample);
}

static int irqfd_set(int machine, __s32 event, __s32 resample, __u32 flags)
{
	struct kvm_irqfd irqfd = {
		.fd = event,
		.gsi = LINE,
		.flags = flags | (resample < 0 ? 0 : KVM_IRQFD_FLAG_RESAMPLE),
		.resamplefd = resample < 0 ? 0 : resample,
	};

	return ioctl(machine, KVM_IRQFD, &irqfd);
}

/* The controller remembers that the line came up. */
static bool is_pending(int machine)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	return !ioctl(machine, KVM_GET_IRQCHIP, &chip) && chip.chip.pic.irr & 1 << LINE;
}

static bool becomes_pending(int machine)
{
	for (int tries = 0; tries < PATIENCE_MS / 5; tries++) {
		if (is_pending(machine))
			return true;
		usleep(5000);
	}
	return false;
}

/* The controller has handed the interrupt on, as it does before the code of a machine runs. */
static int accept_interrupt(int machine)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_PIC_MASTER };

	if (ioctl(machine, KVM_GET_IRQCHIP, &chip))
		return -1;
	chip.chip.pic.irr &= ~(1 << LINE);
	chip.chip.pic.isr |= 1 << LINE;
	return ioctl(machine, KVM_SET_IRQCHIP, &chip);
}

/* The machine's code says that it is through with it. */
static int end_interrupt(int cpu, const struct kvm_run *run)
{
	if (ioctl(cpu, KVM_RUN, 0))
		return -1;
	return run->exit_reason == KVM_EXIT_IO && run->io.port == PORT_DONE ? 0 : -1;
}

/* Each message arrives once; KVM that goes first, or comes again, is no trouble. */
TEST_F(kvm_irq, message)
{
	static const char * const functions[] = { "irq_bypass_register_producer",
						  "irq_bypass_unregister_producer" };

	ASSERT_OK(irqfd_set(self->machine, self->event, -1, 0));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &self->event));
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(is_pending(self->machine));
		ASSERT_OK(edu_raise(&self->c));
		EXPECT_TRUE(becomes_pending(self->machine));
		ASSERT_OK(edu_lower(&self->c));
		ASSERT_OK(accept_interrupt(self->machine));
		ASSERT_OK(end_interrupt(self->cpu, self->run));
	}
	ASSERT_OK(irqfd_set(self->machine, self->event, -1, KVM_IRQFD_FLAG_DEASSIGN));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
	ASSERT_OK(edu_lower(&self->c));
	EXPECT_FALSE(is_pending(self->machine));

	ASSERT_OK(irqfd_set(self->machine, self->event, -1, 0));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_TRUE(becomes_pending(self->machine));

	/* Where the hardware can, KVM takes the interrupt past the host: it is told of each. */
	if (calls_open(functions, 2))
		SKIP(return, "no kprobe events here: %s", strerror(errno));
	ASSERT_TRUE(calls_known(functions[0]));
	ASSERT_OK(irq_disable(self->c.device, VFIO_PCI_MSI_IRQ_INDEX));
	EXPECT_EQ(0, calls_made(functions[0]));
	EXPECT_EQ(1, calls_made(functions[1]));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &self->event));
	EXPECT_EQ(1, calls_made(functions[0]));
	calls_close();
}

/* A line stays up until the machine is through with it, and comes up again if the device wants. */
TEST_F(kvm_irq, line)
{
	__s32 unmask = self->resample;

	ASSERT_OK(irqfd_set(self->machine, self->event, self->resample, 0));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &self->event));
	ASSERT_OK(irq_set(self->c.device, VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_UNMASK,
			  VFIO_PCI_INTX_IRQ_INDEX, 0, 1, &unmask, sizeof(unmask)));
	ASSERT_OK(edu_raise(&self->c));
	ASSERT_TRUE(becomes_pending(self->machine));
	/* The device still wants something. */
	for (int i = 0; i < 3; i++) {
		ASSERT_OK(accept_interrupt(self->machine));
		ASSERT_FALSE(is_pending(self->machine));
		ASSERT_OK(end_interrupt(self->cpu, self->run));
		ASSERT_TRUE(becomes_pending(self->machine))
			TH_LOG("round %d", i);
	}
	/* It wants nothing any more. */
	ASSERT_OK(edu_lower(&self->c));
	ASSERT_OK(accept_interrupt(self->machine));
	ASSERT_OK(end_interrupt(self->cpu, self->run));
	usleep(1000 * QUIET_MS);
	EXPECT_FALSE(is_pending(self->machine));
	/* And is heard when it does. */
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_TRUE(becomes_pending(self->machine));
	ASSERT_OK(edu_lower(&self->c));
}

/* The device is taken back, or the machine ends, while both are tied together. */
TEST_F(kvm_irq, either_goes_first)
{
	ASSERT_OK(irqfd_set(self->machine, self->event, -1, 0));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &self->event));
	ASSERT_OK(take_back(&self->c.func));
	EXPECT_FALSE(is_pending(self->machine));
	client_close(&self->c);
	ASSERT_OK(pci_bind(&self->c.func, "vfio-pci"));

	ASSERT_OK(client_open(&self->c, EDU, 0, VFIO_TYPE1v2_IOMMU));
	ASSERT_OK(edu_start(&self->c));
	ASSERT_OK(irq_events(self->c.device, VFIO_PCI_MSI_IRQ_INDEX, 0, 1, &self->event));
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_TRUE(becomes_pending(self->machine));
	ASSERT_OK(edu_lower(&self->c));
	munmap(self->run, PAGE);
	fd_close(&self->cpu);
	fd_close(&self->machine);
	ASSERT_OK(edu_raise(&self->c));
	EXPECT_LT(0, event_wait(self->event, PATIENCE_MS));
}

int main(int argc, char **argv)
{
	static const enum test_device needs[] = { EDU };

	log_announce("Device is taken back|No device request channel|Device is wanted back");
	return vfio_test_main(argc, argv, needs, ARRAY_SIZE(needs));
}

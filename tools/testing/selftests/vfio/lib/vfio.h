/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the self-tests share: a small client of VFIO.
 *
 * Words. A function is one PCI function, found in sysfs by what it is, and taken from its driver to
 * be bound to vfio-pci (pci.c). A client is a program's hold on one function: container, group and
 * device fd, and the regions of the latter (client.c). Everything returns 0 or a count, or -1 with
 * errno set, like the system calls below it; nothing here knows of the test harness. check.h does.
 */
#ifndef SELFTEST_VFIO_H
#define SELFTEST_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel's header as it lies in the source, where this mark is not stripped yet. */
#ifndef __user
#define __user
#endif
#include <linux/vfio.h>

#define KIB		1024ULL
#define MIB		(1024 * KIB)
#define GIB		(1024 * MIB)
#define PAGE		(4 * KIB)

/* A limit for what must happen in the end. Emulation is slow, so no test measures time. */
#define PATIENCE_MS	20000
/* How long to look for what must not happen. */
#define QUIET_MS	300

/* The devices of the test bed, by what they are good for. */
enum test_device {
	EDU,		/* a DMA engine; INTx and MSI at will */
	NVME,		/* MSI-X table inside BAR 0, function reset */
	E1000E,		/* INTx, MSI, MSI-X at will; PM, PCIe, AER; I/O and ROM BARs */
	TESTDEV,	/* a BAR below 4 KiB, an I/O BAR */
	IVSHMEM,	/* a large BAR that is memory, of 1 GiB if possible */
	E1000,		/* two functions behind a bridge: one group */
	VGA,		/* VGA behind a root port; a prefetchable BAR, a ROM */
	XHCI,		/* 16 messages of MSI at will */
	TEST_DEVICES
};

/**
 * struct pci_func - one PCI function
 * @bdf: its name in sysfs
 * @group: number of its IOMMU group, -1 if it has none
 */
struct pci_func {
	char bdf[16];
	int group;
};

/* pci.c */
const char *test_device_name(enum test_device kind);
int pci_find(enum test_device kind, int nth, struct pci_func *func);
int pci_at(const char *bdf, struct pci_func *func);
int pci_link(const struct pci_func *func, const char *link, char *name, size_t size);
int pci_get(const struct pci_func *func, const char *name, char *text, size_t size);
int pci_set(const struct pci_func *func, const char *name, const char *text);
int pci_driver(const struct pci_func *func, char *name, size_t size);
int pci_bind(const struct pci_func *func, const char *driver);
int pci_unbind(const struct pci_func *func);
int pci_take(enum test_device kind);
void pci_give_back(void);
int file_read(const char *path, char *text, size_t size);
int file_write(const char *path, const char *text);

/**
 * struct client - a program's hold on one function
 * @func: the function
 * @container: fd of the container, -1 if closed
 * @group: fd of the group, -1 if closed
 * @device: fd of the device, -1 if closed
 * @region: the answers of VFIO_DEVICE_GET_REGION_INFO; size 0 where there is none
 */
struct client {
	struct pci_func func;
	int container;
	int group;
	int device;
	struct vfio_region_info region[VFIO_PCI_NUM_REGIONS];
};

/* One that has nothing open. */
#define CLIENT_NONE { .container = -1, .group = -1, .device = -1 }

/* client.c */
int container_open(void);
int group_open(int group);
int group_status(int group, __u32 *flags);
int group_set_container(int group, int container);
int group_get_device(int group, const char *name);
int client_open_group(struct client *c, enum test_device kind, int nth);
int client_open(struct client *c, enum test_device kind, int nth, int type);
int client_open_func(struct client *c, const struct pci_func *func, const char *options, int type);
int client_join(struct client *c, const struct client *first, enum test_device kind, int nth);
void client_close(struct client *c);
void fd_close(int *fd);

/* fault.c: calls that are made to fail, by debug builds of the modules and of the kernel */
#define FAIL_NTH	"/sys/module/vfio/parameters/fail_nth"
#define TASK_FAIL_NTH	"/proc/thread-self/fail-nth"
#define LINGER_MS	"/sys/module/vfio/parameters/linger_ms"
bool fault_possible(void);
int client_join_apart(struct client *c, int container, enum test_device kind, int nth);
int fault_prepare(void);
int fault_spare(const char *function);
int fault_spare_pages(void);
int fault_arm(const char *path, int nth);
bool fault_disarm(const char *path, int fd);

/* region.c */
int region_info(int device, __u32 index, struct vfio_region_info *info);
int client_read_regions(struct client *c);
ssize_t region_read(const struct client *c, __u32 index, __u64 at, void *data, size_t size);
ssize_t region_write(const struct client *c, __u32 index, __u64 at, const void *data, size_t size);
void *region_map(const struct client *c, __u32 index, __u64 at, size_t size);
int region_alias(int device, __u32 index, __u32 flags, __u32 *alias);
int region_ioeventfd(const struct client *c, __u32 index, __u64 at, __u32 flags, __u64 data,
		     __s32 fd);
__u32 bar_read32(const struct client *c, __u32 index, __u64 at);
int bar_write32(const struct client *c, __u32 index, __u64 at, __u32 value);
bool bar_becomes(const struct client *c, __u32 index, __u64 at, __u32 value);
__u32 config_read(const struct client *c, __u32 at, int size);
int config_write(const struct client *c, __u32 at, int size, __u32 value);
int config_command(const struct client *c, __u16 set, __u16 clear);
__u32 config_find_cap(const struct client *c, __u8 id);

/**
 * struct iommu_info - the answer of VFIO_IOMMU_GET_INFO in full
 * @size: bytes of @data that the kernel filled
 * @data: the struct and its chain
 */
struct iommu_info {
	__u32 size;
	union {
		struct vfio_iommu_type1_info head;
		char data[4096];
	};
};

/* iommu.c */
int dma_map(int container, __u32 flags, const void *vaddr, __u64 iova, __u64 size);
int dma_map_rw(int container, const void *vaddr, __u64 iova, __u64 size);
long long dma_unmap(int container, __u32 flags, __u64 iova, __u64 size);
int iommu_info(int container, struct iommu_info *info);
const void *chain_find(const void *info, __u32 size, __u32 first, __u16 id);
long dma_available(int container);
int iommu_enforces_coherency(void);
long locked_kib(void);
long locked_kib_of(pid_t pid);
bool locked_becomes(long kib);
void *memory_new(size_t size);
void *memory_huge(size_t size);
int dirty_switch(int container, __u32 flags);
int dirty_get(int container, __u64 iova, __u64 size, __u64 pgsize, void *data, __u64 bytes);

/* Kinds of memory that can be mapped for devices. */
enum memory_kind {
	ANONYMOUS,
	TRANSPARENT,
	HUGETLB,
	SHARED_FILE,
	PRIVATE_FILE,
	READ_ONLY_FILE,
	BAR,
	MEMORY_KINDS
};

/**
 * struct memory - memory of one kind
 * @at: its address, a multiple of 2 MiB
 * @size: bytes
 * @writable: by the process
 * @charged: counts as locked while it is mapped for devices
 */
struct memory {
	__u8 *at;
	size_t size;
	bool writable;
	bool charged;
};

/* memory.c */
#define DISABLE_HUGEPAGES	"/sys/module/vfio_iommu_type1/parameters/disable_hugepages"
const char *memory_name(enum memory_kind kind);
int memory_open(struct memory *m, enum memory_kind kind, size_t size, const struct client *owner);
void memory_free(struct memory *m);
void *memory_apart(size_t count);
long pins_held(void);
bool pins_become(long pins);

/* pass.c */
int fd_send(int socket, int fd, int flags);
int fd_receive(int socket);

/**
 * struct stall - memory whose first touch waits
 * @at: its address
 * @size: bytes
 * @fd: of userfaultfd
 */
struct stall {
	char *at;
	size_t size;
	int fd;
};

/* stall.c */
int stall_open(struct stall *s, size_t size);
int stall_fill(const struct stall *s, size_t size);
bool stall_wait(const struct stall *s, int milliseconds);
int stall_release(const struct stall *s);
void stall_close(struct stall *s);

/**
 * struct slow_file - a file whose first read waits
 * @path: of the file
 * @server: the process whose file system it is
 * @told: it tells here when somebody waits
 * @go: it is told here when that is to end
 */
struct slow_file {
	char path[64];
	pid_t server;
	int told;
	int go;
};

/* slow_file.c */
int slow_file_open(struct slow_file *s, size_t size);
void *slow_file_map(const struct slow_file *s, void *place);
bool slow_file_wait(const struct slow_file *s, int milliseconds);
bool slow_file_waits(const struct slow_file *s);
int slow_file_release(const struct slow_file *s);
void slow_file_close(struct slow_file *s);

/* nobody.c */
int become_nobody(__u64 limit, __u64 most);

/* task.c */
char task_state(pid_t pid, pid_t tid);
bool sleeps_in(pid_t pid, pid_t tid, long call);
long task_faults(pid_t pid, pid_t tid);
long faults_of_looks(const void *mapping, size_t size);

/* error.c */
const char *errno_name(int error);

/* release.c */
bool kernel_is_since(int major, int minor);

/* taken.c: what a user sees of a device that was taken from him */
#define ONES	0xffffffffU
bool is_dead(int device);
__u32 bar_look(const __u32 *place);
bool becomes_ones(const __u32 *place);
bool group_goes(const struct client *c);

/* habit.c: what a program does with a device until that is taken from it */
int habit_waits(struct client *c);
int habit_sleeps(struct client *c);
int habit_does_dma(struct client *c);
int habit_polls_bar(struct client *c);
int habit_takes_interrupts(struct client *c);
int habit_takes_storm(struct client *c);
int habit_resets(struct client *c);

/* irq.c */
int irq_info(int device, __u32 index, struct vfio_irq_info *info);
int irq_set(int device, __u32 flags, __u32 index, __u32 start, __u32 count, const void *data,
	    size_t size);
int irq_events(int device, __u32 index, __u32 start, __u32 count, const __s32 *fds);
int irq_none(int device, __u32 action, __u32 index, __u32 start, __u32 count);
int irq_disable(int device, __u32 index);
int interrupts_named(const char *name, const char *bdf);
int event_new(void);
int event_signal(int fd);
long event_wait(int fd, int milliseconds);

/* feature.c */
int feature(int device, __u32 flags, const void *data, size_t size);
int low_power(int device, __u32 flags, __s32 event);

/**
 * struct hot_info - the answer of VFIO_DEVICE_GET_PCI_HOT_RESET_INFO
 * @head: the struct
 * @devices: behind it
 */
struct hot_info {
	struct vfio_pci_hot_reset_info head;
	struct vfio_pci_dependent_device devices[8];
};

/* hot_reset.c */
int hot_info(int device, struct hot_info *info, size_t room);
int hot_reset_by(int device, __u32 count, const __s32 *groups);

/* aer.c */
int aer_inject(const struct pci_func *func, __u32 status);
bool link_is_up(const struct pci_func *func);

/* log.c */
int log_announce(const char *pattern);
int log_open(void);
bool log_find(int log, const char * const *texts, size_t count, char *line, size_t size);
bool log_has(int log, const char *text);

/* fdinfo.c: what /proc tells of an open fd of ours */
int fdinfo_get(int fd, const char *key, char *text, size_t size);
long long fdinfo_number(int fd, const char *key);
void container_name(int container, char *text, size_t size);

/* calls.c */
int calls_open(const char * const *functions, size_t count);
bool calls_known(const char *function);
int calls_made(const char *function);
void calls_close(void);

/* trace.c: events of the modules under test, and probes */
#define TRACING		"/sys/kernel/tracing"
#define TRACE_INSTANCE	TRACING "/instances/vfio_trace"
int trace_open(void);
void trace_close(void);
int trace_listen(bool on);
void trace_reset(void);
int trace_get(const char *event, const char *part, int nth, char *text, size_t size);
int trace_count(void);
long long trace_number(const char *text, const char *name);

/* uevent.c */
int uevent_open(void);
int uevent_wait(int socket, const char * const *strings);

/* edu.c: the teaching device of QEMU */
#define EDU_IDENTITY		0x00
#define EDU_IDENTITY_MASK	0x000000ff
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_MAX			2048	/* QEMU stops when its whole buffer of 4096 is asked for */
int edu_start(const struct client *c);
int edu_from_memory(const struct client *c, __u32 iova, __u32 at, __u32 size);
int edu_to_memory(const struct client *c, __u32 iova, __u32 at, __u32 size);
int edu_begin_to_memory(const struct client *c, __u32 iova, __u32 at, __u32 size);
bool edu_copies(const struct client *c, void *memory, __u32 iova, __u32 seed);
int edu_raise(const struct client *c);
int edu_lower(const struct client *c);

/* Of both network cards: keeps what is written, but for four bits, and is 0 after a reset. */
#define E1000_RING		0x3800

/* e1000e.c: a network card, as a source of interrupts */
#define E1000E_FILTER	0x5200	/* 128 registers that keep what is written */

int e1000e_start(const struct client *c);
int e1000e_route(const struct client *c, unsigned int vector);
int e1000e_raise(const struct client *c);
int e1000e_lower(const struct client *c);
int e1000e_stop(const struct client *c);

/* xhci.c: a USB host controller, as a source of several messages of MSI */
#define XHCI_MESSAGES		16
int xhci_start(const struct client *c);
int xhci_raise(const struct client *c, unsigned int message);

#define NVME_QUEUES		5

/**
 * struct nvme - an NVMe controller at work
 * @c: the function
 * @iova: where its memory is for it
 * @memory: the same for us
 * @commands: it was given so far, by queue
 */
struct nvme {
	const struct client *c;
	__u64 iova;
	char *memory;
	unsigned int commands[NVME_QUEUES];
};

/* nvme.c: the admin queue of a disk's controller; others as a source of interrupts */
int nvme_start(struct nvme *n, const struct client *c, __u64 iova);
int nvme_serial(struct nvme *n, char *serial, size_t size);
int nvme_vf_on(struct nvme *pf, int nth);
int nvme_queue(struct nvme *n, unsigned int queue);
int nvme_raise(struct nvme *n, unsigned int queue);

/* monitor.c: QEMU's monitor, where the machine is one of ours */
int monitor_say(const char *command, char *answer, size_t size);

/**
 * struct plug - a device for a port
 * @device: what QEMU calls it, and its properties
 * @kind: what the guest finds
 * @nth: how many of these come before it
 */
struct plug {
	const char *device;
	enum test_device kind;
	int nth;
};

/**
 * struct leaving - a device that goes
 * @way: how it goes
 * @func: the function
 * @port: what it was plugged into
 * @pid: the process that has it go
 */
struct leaving {
	int (*way)(const struct pci_func *func);
	struct pci_func func;
	struct pci_func port;
	pid_t pid;
};

/* plug.c: what comes to a port of the test bed and goes from there, in several ways */
bool ports_listen(void);
int plug_in(const struct plug *plug, struct pci_func *func);
int plug_in_after(int (*way)(const struct pci_func *func), const struct plug *plug,
		  struct pci_func *func);
int plug_eject(const struct pci_func *func);
int plug_switch_off(const struct pci_func *func);
int plug_pull(const struct pci_func *func);
int plug_forget(const struct pci_func *func);
int leave_begin(struct leaving *l, int (*way)(const struct pci_func *func),
		const struct pci_func *func);
int leave_end(const struct leaving *l);
int plug_out(int (*way)(const struct pci_func *func), const struct pci_func *func);
int plug_clear(const struct plug *plug);

/* sysfs.c: a function as the administrator sees it */
int pci_read(const struct pci_func *func, const char *name, char *text, size_t size);
int pci_write(const struct pci_func *func, const char *name, const char *text);
int pci_reset(const struct pci_func *func);
int pci_port(const struct pci_func *func, struct pci_func *port);
int pci_config_read(const struct pci_func *func, __u32 at, int size, __u32 *value);
int pci_config_write(const struct pci_func *func, __u32 at, int size, __u32 value);
__u32 pci_config_cap(const struct pci_func *func, __u8 id);
bool pci_wait(enum test_device kind, int nth, struct pci_func *func);
bool pci_wait_gone(const struct pci_func *func);
bool pci_power_becomes(const struct pci_func *func, const char *wanted);
int param_bool(const char *name, bool value);

/* disk.c */
bool disk_works(void);

/* card.c */
bool driver_is_there(const char *driver);
bool card_works(const struct pci_func *func);

/* What a VF and its PF have in common for the programs that may use them together. */
#define TOKEN		" vf_token=8ba1e8f1-a6dc-4a2e-9a3c-5f1c1f2d3e4a"

/* sriov.c */
#define NR_VFS		2
bool pf_find(struct pci_func *pf);
int pf_set_vfs(const struct pci_func *pf, int count);
int pf_vfs(const struct pci_func *pf);
int pf_vf(const struct pci_func *pf, int nth, struct pci_func *vf);

/* revoke.c: taking a function from vfio-pci, whoever has it */
int revoke_after(const struct pci_func *func, int milliseconds);
pid_t unbind_start(const struct pci_func *func);
int child_end(pid_t pid, int milliseconds);
bool unbind_ends(const struct pci_func *func, int after_ms);
int take_back(const struct pci_func *func);
long long unbind_longest_ms(void);

/* soak.c: races and random calls, for as long as the environment says */
double seconds_now(void);
int soak_seconds(void);
unsigned int soak_seed(unsigned int otherwise);
__u32 random_next(__u64 *state);

#endif

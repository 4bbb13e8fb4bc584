/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vfio-pci: the device, grouped by the file that owns each part.
 *
 * Locks, outermost first (the whole order is in drivers/vfio/vfio.h):
 *
 *   vdev.set->lock	open, close, resets of several devices at once (the core's)
 *   irq_lock		which interrupts are set up
 *   config_lock	the config shadow: one access at a time
 *   sriov.vfs_lock	which VFs a PF has; held over a reset of the PF by its user, and while
 *			a VF is learnt from
 *   memory_lock	may the device's memory be touched? Readers touch BARs, the writer changes
 *			the answer. The fault handler takes it under mmap_lock, so never touch
 *			user memory under it
 *   intx.lock		state of the INTx line, taken by its interrupt handler
 *
 * ioeventfds_lock guards a list of hooks only; their callbacks take memory_lock for reading but not
 * ioeventfds_lock.
 *
 * Every member says its guard. "open state" is set up by open_device, torn down by close_device and
 * constant in between.
 */
#ifndef _VFIO_PCI_H
#define _VFIO_PCI_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/xarray.h>

#include "config.h"

/* A region's place in the device fd: its index in the high bits, the offset in it below. */
#define VFIO_PCI_OFFSET_SHIFT	40
#define VFIO_PCI_OFFSET_MASK	(BIT_ULL(VFIO_PCI_OFFSET_SHIFT) - 1)

#define VFIO_PCI_NR_BARS	PCI_STD_NUM_BARS

struct eventfd_ctx;
struct pci_saved_state;
struct task_struct;

/**
 * struct vfio_pci_io_span - io.c: what a piece of read() or write() may touch
 * @io: kernel mapping of offset 0
 * @width: widest access in bytes
 * @hole: first offset that is not to be touched
 * @hole_end: end of those
 */
struct vfio_pci_io_span {
	void __iomem *io;
	unsigned int width;
	u64 hole;
	u64 hole_end;
};

/**
 * struct vfio_pci_bar - bar.c: one base address register
 * @span: its kernel mapping, made at open, NULL where the BAR is absent or could not be claimed;
 *	the hole is the MSI-X table
 * @size: bytes, 0 for an absent BAR; open state
 * @error: why there is no mapping: 0 for an absent BAR; open state
 * @ports: I/O ports, not memory; open state
 * @can_mmap: memory that the user may map: whole pages, nobody else's bytes in them; open state
 * @filler: claim on the rest of the page of a BAR smaller than one, or NULL; open state
 */
struct vfio_pci_bar {
	struct vfio_pci_io_span span;
	resource_size_t size;
	int error;
	bool ports;
	bool can_mmap;
	struct resource *filler;
};

/**
 * struct vfio_pci_igd - igd.c: what integrated graphics has besides; open state
 * @opregion: what the firmware left in memory; NULL: nothing, and all else is not there either
 * @opregion_size: bytes of it
 * @vbt: its table of video settings, where that is apart
 * @vbt_size: bytes of that; 0: it is not
 * @host: the host bridge, referenced
 * @lpc: the LPC bridge, referenced
 */
struct vfio_pci_igd {
	void *opregion;
	size_t opregion_size;
	void *vbt;
	size_t vbt_size;
	struct pci_dev *host;
	struct pci_dev *lpc;
};

/* Ways to map a BAR in which it may have an alias, VFIO_REGION_ALIAS_* */
#define VFIO_PCI_ALIAS_KINDS	1

/**
 * struct vfio_pci_alias - alias.c: a region that shows a BAR in another way
 * @bar: which
 * @flags: VFIO_REGION_ALIAS_*
 */
struct vfio_pci_alias {
	u32 bar;
	u32 flags;
};

/**
 * struct vfio_pci_gaps - config.c: bytes of config space that belong to nothing and were touched
 * @read: bit for each position that was read
 * @written: that was written
 */
struct vfio_pci_gaps {
	DECLARE_BITMAP(read, PCI_CFG_SPACE_EXP_SIZE);
	DECLARE_BITMAP(written, PCI_CFG_SPACE_EXP_SIZE);
};

/**
 * struct vfio_pci_intx - intx.c: the level-triggered line
 *
 * The line is open only while none of @masked, @disabled_by_command and @held says no; @blocked is
 * what was last done to the hardware.
 *
 * @lock: guards the state against the interrupt handler and the unmask eventfd, and each
 *	read-modify-write of the command register
 * @active: the handler is installed; @lock
 * @blocked: the line is masked in hardware; @lock
 * @masked: the user, or the handler itself, masked the line; @lock
 * @disabled_by_command: the user set INTx Disable in the command register; @lock
 * @held: the device is reset or asleep; @lock
 * @fire: the unmask eventfd found the line asserted, and its thread is to signal that; @lock
 * @loops: unmasks since @loops_until - 1 s that no program made; @lock
 * @loops_until: when @loops starts anew, in jiffies; @lock
 * @trigger: signalled on each interrupt; trigger.c, set under irq_lock
 * @unmask: user's eventfd that unmasks; irq_lock
 * @name: in /proc/interrupts; irq_lock
 * @irq: the line's number while @active; irq_lock
 * @use_command: mask by the command register (PCI 2.3) and share the line; open state
 * @hidden: the device's INTx does not work, show none; set at probe
 */
struct vfio_pci_intx {
	spinlock_t lock;	/* the line's state, the command register */
	bool active;
	bool blocked;
	bool masked;
	bool disabled_by_command;
	bool held;
	bool fire;
	unsigned int loops;
	unsigned long loops_until;
	struct eventfd_ctx __rcu *trigger;
	struct vfio_virqfd *unmask;
	char *name;
	int irq;
	bool use_command;
	bool hidden;
};

/**
 * struct vfio_pci_msi - msi.c: message-signalled interrupts, MSI or MSI-X
 * @vectors: those with an eventfd, by number; irq_lock
 * @masked: bitmap of the vectors that the user masked, NULL while no kind is enabled; irq_lock
 * @nr_vectors: allocated when the kind was enabled, 0 while none is; irq_lock
 * @msix: the kind is MSI-X; irq_lock
 * @one_by_one: a vector is allocated with its eventfd and freed with it; irq_lock
 * @max_msi: vectors that the MSI capability offers; open state
 * @can_mask_msi: the MSI capability can mask each of them; open state
 * @max_msix: entries of the MSI-X table; open state
 * @table_bar: BAR that holds the MSI-X table; open state
 * @table_offset: of the MSI-X table in that BAR; open state
 * @table_size: bytes of the MSI-X table; 0 without MSI-X; open state
 */
struct vfio_pci_msi {
	struct xarray vectors;
	unsigned long *masked;
	unsigned int nr_vectors;
	bool msix;
	bool one_by_one;
	unsigned int max_msi;
	bool can_mask_msi;
	unsigned int max_msix;
	u8 table_bar;
	u32 table_offset;
	u32 table_size;
};

/**
 * struct vfio_pci_sriov - sriov.c: what a function has to do with others by SR-IOV
 * @node: of a PF: in the list of PFs, pfs_lock; of a VF: in @vfs of its PF, whose @vfs_lock
 * @vfs_lock: of a PF: guards @vfs; held over what must not meet a reset of it by its user
 * @vfs: of a PF: its VFs that are ours; @vfs_lock
 * @token: of a PF: whoever opens one of its VFs says it; of a VF: the last that let somebody in;
 *	pfs_lock
 * @nr_open: of a PF: how many of its VFs are open; pfs_lock
 * @on: of a PF: it has VFs, or is about to; memory_lock, written, under device_lock
 * @pf: of a VF: its PF if that is ours, which it then is as long as the VF is; set at probe
 */
struct vfio_pci_sriov {
	struct list_head node;
	struct mutex vfs_lock;	/* vfs; outside of memory_lock */
	struct list_head vfs;
	uuid_t token;
	unsigned int nr_open;
	bool on;
	struct vfio_pci_device *pf;
};

/**
 * struct vfio_pci_device - one PCI function bound to vfio-pci
 * @vdev: the core's part; first member
 * @pdev: the function; immutable
 * @config: config.c: see config.h
 * @gaps: config.c; config_lock to set
 * @hide_gaps: config.c: gaps read as 0 (parameter hide_config_gaps, latched at probe)
 * @config_lock: guards the shadow and what was touched
 * @memory_lock: memory.c; see above
 * @memory_on: memory.c: the BARs answer; written as the window closes, memory_lock
 * @bars: bar.c
 * @igd: igd.c
 * @aliases_lock: guards additions to @aliases; a leaf
 * @aliases: alias.c: an entry is constant once it is counted
 * @nr_aliases: those that there are; only grows while the device is open
 * @rom_size: bar.c: bytes of the ROM region, 0 without a valid ROM; open state
 * @rom_valid: bar.c: bytes of it that are an image, the rest reads 0xff; open state
 * @has_vga: vga.c: the user has the VGA region (parameter disable_vga, latched at probe)
 * @vga_lock: guards @vga_waiters and @vga_hurried; a leaf
 * @vga_waiters: vga.c: tasks that wait for their turn at the arbiter
 * @vga_hurried: vga.c: nobody is to wait there any more; set once
 * @ioeventfds_lock: guards @ioeventfds and @nr_ioeventfds
 * @ioeventfds: ioeventfd.c: writes that an eventfd makes
 * @nr_ioeventfds: their number
 * @late_lock: guards @late_ioeventfds; a leaf
 * @late_ioeventfds: ioeventfd.c: those whose write waits for memory_lock
 * @late_work: makes these writes
 * @irq_lock: guards irq_index, intx, msi and the triggers
 * @irq_index: which of INTx, MSI and MSI-X is set up, or VFIO_PCI_NUM_IRQS for none; irq_lock
 * @intx: intx.c
 * @msi: msi.c
 * @err_trigger: signalled on an uncorrectable error; trigger.c, set under irq_lock
 * @req_trigger: signalled when the host wants the device back; trigger.c, set under irq_lock
 * @sriov: sriov.c
 * @saved_state: config space as it was before the first open, restored by the last close
 * @pm_state: power.c: config space kept over a D3hot that would lose it; memory_lock, written
 * @wakeup: power.c: signalled once when the host wakes the device; memory_lock, written
 * @asleep: power.c: suspended by itself or with the machine; memory_lock, written
 * @mastered: power.c: may be bus master again once the machine is awake; memory_lock, written
 * @resetter: reset.c: the task of ours that resets the function; memory_lock, written
 * @frozen: reset.c: an error cut the function off until it has recovered; memory_lock, written
 * @error_state: reset.c: config space as it was then, or NULL; memory_lock, written
 * @recovering: reset.c: a reset of the link is to come; device_lock, or memory_lock, written
 * @recovery_limit: reset.c: when that was given up in any case, in jiffies; written before
 *	@recovering is set
 * @bars_tell: reset.c: the BARs had addresses then, and will have none; written as that
 * @thaw_work: reset.c: waits for the window to end @frozen
 * @can_reset: the function could be reset at open; open state
 * @needs_reset: the function was not reset since its last user; guarded by the lock of vdev.set
 * @leaving: the driver is being unbound and waits for the user: do not wait for its locks; set once
 * @loses_state: power.c: D3hot to D0 is a reset for this function; set at probe
 * @idle_awake: power.c: stays in D0 while unused (parameter disable_idle_d3, latched at probe)
 * @keeps_awake: power.c: the machine does not sleep while it is open (parameter keep_awake, latched
 *	at probe)
 * @no_command_mask: INTx is not masked by command (parameter nointxmask, latched at probe)
 */
struct vfio_pci_device {
	struct vfio_device vdev;
	struct pci_dev *pdev;

	struct vfio_pci_config config;
	struct vfio_pci_gaps gaps;
	bool hide_gaps;
	struct mutex config_lock;	/* config and gaps */

	struct rw_semaphore memory_lock;
	bool memory_on;
	struct vfio_pci_bar bars[VFIO_PCI_NR_BARS];
	struct vfio_pci_igd igd;
	struct mutex aliases_lock;	/* the two below */
	struct vfio_pci_alias aliases[VFIO_PCI_NR_BARS * VFIO_PCI_ALIAS_KINDS];
	unsigned int nr_aliases;
	u64 rom_size;
	size_t rom_valid;
	bool has_vga;
	spinlock_t vga_lock;		/* the two below */
	struct list_head vga_waiters;
	bool vga_hurried;
	struct mutex ioeventfds_lock;	/* the two below */
	struct list_head ioeventfds;
	unsigned int nr_ioeventfds;
	spinlock_t late_lock;		/* the list below */
	struct list_head late_ioeventfds;
	struct work_struct late_work;

	struct mutex irq_lock;	/* interrupts and triggers */
	unsigned int irq_index;
	struct vfio_pci_intx intx;
	struct vfio_pci_msi msi;
	struct eventfd_ctx __rcu *err_trigger;
	struct eventfd_ctx __rcu *req_trigger;

	struct vfio_pci_sriov sriov;

	struct pci_saved_state *saved_state;
	struct pci_saved_state *pm_state;
	struct eventfd_ctx *wakeup;
	bool asleep;
	bool mastered;
	struct task_struct *resetter;
	bool frozen;
	struct pci_saved_state *error_state;
	bool recovering;
	unsigned long recovery_limit;
	bool bars_tell;
	struct work_struct thaw_work;
	bool can_reset;
	bool needs_reset;
	bool leaving;
	bool loses_state;
	bool idle_awake;
	bool keeps_awake;
	bool no_command_mask;
};

static inline struct vfio_pci_device *to_vfio_pci(struct vfio_device *device)
{
	return container_of(device, struct vfio_pci_device, vdev);
}

/* Pulled out, or the VF of one that was: nobody marks a VF on a bus number of its own. */
static inline bool vfio_pci_is_pulled(const struct vfio_pci_device *vpci)
{
	return pci_dev_is_disconnected(vpci->pdev) ||
	       pci_dev_is_disconnected(pci_physfn(vpci->pdev));
}

/* Does the function answer? Command and status, a VF's too, are never all ones. */
static inline bool vfio_pci_answers(struct pci_dev *pdev)
{
	u32 value;

	pci_read_config_dword(pdev, PCI_COMMAND, &value);
	return !PCI_POSSIBLE_ERROR(value);
}

static inline u64 vfio_pci_region_offset(u32 index)
{
	return (u64)index << VFIO_PCI_OFFSET_SHIFT;
}

/* io.c */
void vfio_pci_io_read(const struct vfio_pci_io_span *span, u64 offset, u8 *to, size_t count);
void vfio_pci_io_write(const struct vfio_pci_io_span *span, u64 offset, const u8 *from,
		       size_t count);
void vfio_pci_io_write_one(void __iomem *io, const u8 *from, unsigned int width);

/* trigger.c: an eventfd that may be signalled from any context while it is exchanged */
void vfio_pci_trigger_set(struct vfio_pci_device *vpci, struct eventfd_ctx __rcu **trigger,
			  struct eventfd_ctx *eventfd);
bool vfio_pci_trigger_fire(struct vfio_pci_device *vpci, struct eventfd_ctx __rcu **trigger);

/* memory.c: is decoding on? and the window in which nobody touches the device's memory */
/**
 * vfio_pci_memory_enabled - do the function's memory BARs answer?
 * @vpci: the device
 *
 * Asked by every access to a BAR: here, so that it is no call.
 *
 * Context: memory_lock held; the answer holds as long as the lock is.
 * Return: whether they do.
 */
static inline bool vfio_pci_memory_enabled(const struct vfio_pci_device *vpci)
{
	lockdep_assert_held(&vpci->memory_lock);

	return vpci->memory_on && !READ_ONCE(vpci->frozen);
}

bool vfio_pci_ports_enabled(struct vfio_pci_device *vpci);
bool vfio_pci_is_present(struct vfio_pci_device *vpci);
void vfio_pci_quiesce(struct vfio_pci_device *vpci);
void vfio_pci_zap(struct vfio_pci_device *vpci);
bool vfio_pci_quiesce_try(struct vfio_pci_device *vpci, unsigned int patience_ms);
void vfio_pci_quiesce_with_vfs(struct vfio_pci_device *vpci);
void vfio_pci_quiesce_in_set(struct vfio_pci_device *vpci);
void vfio_pci_quiesce_for_host(struct vfio_pci_device *vpci);
void vfio_pci_resume(struct vfio_pci_device *vpci);
void vfio_pci_resume_with_vfs(struct vfio_pci_device *vpci);
u16 vfio_pci_command_update(struct vfio_pci_device *vpci, u16 clear, u16 set);
void vfio_pci_restore_bars(struct vfio_pci_device *vpci);
u16 vfio_pci_decode_begin(struct vfio_pci_device *vpci);
void vfio_pci_decode_end(struct vfio_pci_device *vpci, u16 command);

/* intx.c */
void vfio_pci_intx_open(struct vfio_pci_device *vpci);
int vfio_pci_intx_enable(struct vfio_pci_device *vpci, struct eventfd_ctx *eventfd);
void vfio_pci_intx_disable(struct vfio_pci_device *vpci);
void vfio_pci_intx_quiet(struct vfio_pci_device *vpci);
void vfio_pci_intx_sync(struct vfio_pci_device *vpci);
void vfio_pci_intx_mask(struct vfio_pci_device *vpci);
void vfio_pci_intx_unmask(struct vfio_pci_device *vpci);
void vfio_pci_intx_command(struct vfio_pci_device *vpci, bool disabled);
void vfio_pci_intx_hold(struct vfio_pci_device *vpci);
void vfio_pci_intx_unhold(struct vfio_pci_device *vpci);
void vfio_pci_intx_show(struct vfio_pci_device *vpci, struct seq_file *seq);
int vfio_pci_intx_set_unmask(struct vfio_pci_device *vpci, int fd);

/* msi.c: @msix chooses the kind */
void vfio_pci_msi_open(struct vfio_pci_device *vpci);
int vfio_pci_msi_enable(struct vfio_pci_device *vpci, unsigned int nr_vectors, bool msix);
void vfio_pci_msi_disable(struct vfio_pci_device *vpci);
int vfio_pci_msi_set(struct vfio_pci_device *vpci, unsigned int index,
		     struct eventfd_ctx *eventfd);
void vfio_pci_msi_mask(struct vfio_pci_device *vpci, unsigned int index, bool mask);
unsigned int vfio_pci_msi_count(struct vfio_pci_device *vpci);
void vfio_pci_msi_show(struct vfio_pci_device *vpci, struct seq_file *seq);
void vfio_pci_msi_fire(struct vfio_pci_device *vpci, unsigned int index);

/* power.c: vfio_pci_set_power_state() opens the window itself, _locked() is called inside it */
bool vfio_pci_save_state(struct pci_dev *pdev);
int vfio_pci_set_power_state(struct vfio_pci_device *vpci, pci_power_t state);
int vfio_pci_set_power_state_locked(struct vfio_pci_device *vpci, pci_power_t state);
void vfio_pci_power_probe(struct vfio_pci_device *vpci, bool idle_awake);
void vfio_pci_power_remove(struct vfio_pci_device *vpci);
int vfio_pci_power_open(struct vfio_pci_device *vpci);
void vfio_pci_power_wake(struct vfio_pci_device *vpci);
void vfio_pci_power_close(struct vfio_pci_device *vpci);
int vfio_pci_low_power_enter(struct vfio_device *device, u32 op, void *data);
int vfio_pci_low_power_enter_wakeup(struct vfio_device *device, u32 op, void *data);
int vfio_pci_low_power_exit(struct vfio_device *device, u32 op, void *data);
extern const struct dev_pm_ops vfio_pci_pm_ops;

/* sriov.c */
void vfio_pci_sriov_probe(struct vfio_pci_device *vpci);
void vfio_pci_sriov_remove(struct vfio_pci_device *vpci);
void vfio_pci_sriov_forget(struct vfio_pci_device *vpci);
void vfio_pci_sriov_pf_lock(struct vfio_pci_device *vpci);
void vfio_pci_sriov_pf_unlock(struct vfio_pci_device *vpci);
int vfio_pci_sriov_configure(struct vfio_pci_device *vpci, int nr_vfs);
int vfio_pci_sriov_match(struct vfio_pci_device *vpci, char *options);
int vfio_pci_sriov_open(struct vfio_pci_device *vpci);
void vfio_pci_sriov_close(struct vfio_pci_device *vpci);
bool vfio_pci_sriov_is_pf(struct vfio_device *device);
int vfio_pci_sriov_set_token(struct vfio_device *device, u32 op, void *data);
int vfio_pci_sriov_init(void);
void vfio_pci_sriov_exit(void);

/* reset.c: opens the window itself */
extern const struct pci_error_handlers vfio_pci_error_handlers;
int vfio_pci_reset_function(struct vfio_pci_device *vpci);
int vfio_pci_reset_returned(struct vfio_pci_device *vpci);
void vfio_pci_errors_init(struct vfio_pci_device *vpci);
int vfio_pci_errors_open(struct vfio_pci_device *vpci);
void vfio_pci_errors_end(struct vfio_pci_device *vpci);
void vfio_pci_errors_disown(struct vfio_pci_device *vpci);
void vfio_pci_reset_set(struct vfio_pci_device *vpci);
long vfio_pci_hot_reset_info(void *owner, struct vfio_call *call);
size_t vfio_pci_hot_reset_tail(const void *data);
long vfio_pci_hot_reset(void *owner, struct vfio_call *call);

/* config.c */
int vfio_pci_config_open(struct vfio_pci_device *vpci);
u32 vfio_pci_config_own(struct vfio_pci_device *vpci, u16 pos);
void vfio_pci_config_close(struct vfio_pci_device *vpci);
ssize_t vfio_pci_config_clip(const struct vfio_pci_device *vpci, size_t count, u64 offset);
int vfio_pci_config_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset);
int vfio_pci_config_write(struct vfio_pci_device *vpci, const u8 *buf, size_t count, u64 offset);
u8 vfio_pci_config_interrupt_pin(struct vfio_pci_device *vpci);

/* bar.c */
void vfio_pci_bars_probe(struct vfio_pci_device *vpci);
void vfio_pci_bars_open(struct vfio_pci_device *vpci);
void vfio_pci_bars_close(struct vfio_pci_device *vpci);
ssize_t vfio_pci_region_clip(u64 size, size_t count, u64 offset);
ssize_t vfio_pci_bar_clip(const struct vfio_pci_device *vpci, unsigned int bar, size_t count,
			  u64 offset);
int vfio_pci_bar_read(struct vfio_pci_device *vpci, unsigned int bar, u8 *buf, size_t count,
		      u64 offset);
int vfio_pci_bar_write(struct vfio_pci_device *vpci, unsigned int bar, const u8 *buf,
		       size_t count, u64 offset);
int vfio_pci_rom_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset);
int vfio_pci_bar_allows(struct vfio_pci_device *vpci, unsigned int bar, u64 offset,
			unsigned int width);
void vfio_pci_bar_poke(struct vfio_pci_device *vpci, unsigned int bar, u64 offset,
		       unsigned int width, u64 data);

/* config_debug.c, sleep_debug.c */
#ifdef VFIO_DEBUG
void vfio_pci_config_debug_init(void);
void vfio_pci_config_debug_exit(void);
void vfio_pci_sleep_debug(struct vfio_pci_device *vpci, struct dentry *folder);
#else
static inline void vfio_pci_config_debug_init(void) { }
static inline void vfio_pci_config_debug_exit(void) { }
static inline void vfio_pci_sleep_debug(struct vfio_pci_device *vpci, struct dentry *folder) { }
#endif

/* config_sysfs.c */
extern const struct attribute_group *vfio_pci_config_groups[];

/* igd.c */
unsigned int vfio_pci_igd_count(const struct vfio_pci_device *vpci);
int vfio_pci_igd_info(struct vfio_pci_device *vpci, struct vfio_region_info *info,
		      struct vfio_info_caps *caps);
ssize_t vfio_pci_igd_clip(const struct vfio_pci_device *vpci, unsigned int index, size_t count,
			  u64 offset);
int vfio_pci_igd_read(struct vfio_pci_device *vpci, unsigned int index, u8 *buf, size_t count,
		      u64 offset);
int vfio_pci_igd_open(struct vfio_pci_device *vpci);
void vfio_pci_igd_close(struct vfio_pci_device *vpci);

/* alias.c */
const struct vfio_pci_alias *vfio_pci_alias_at(const struct vfio_pci_device *vpci, u64 index);
unsigned int vfio_pci_alias_count(const struct vfio_pci_device *vpci);
int vfio_pci_alias_feature(struct vfio_device *device, u32 op, void *data);
void vfio_pci_aliases_close(struct vfio_pci_device *vpci);

/* vga.c: the region ends behind the memory window */
#define VFIO_PCI_VGA_SIZE	0xc0000
void vfio_pci_vga_init(struct vfio_pci_device *vpci);
int vfio_pci_vga_probe(struct vfio_pci_device *vpci, bool region);
void vfio_pci_vga_remove(struct vfio_pci_device *vpci);
ssize_t vfio_pci_vga_clip(const struct vfio_pci_device *vpci, size_t count, u64 offset);
int vfio_pci_vga_read(struct vfio_pci_device *vpci, u8 *buf, size_t count, u64 offset);
int vfio_pci_vga_write(struct vfio_pci_device *vpci, const u8 *buf, size_t count, u64 offset);
void vfio_pci_vga_hurry(struct vfio_pci_device *vpci);

/* mmap.c */
int vfio_pci_bar_mmap(struct vfio_pci_device *vpci, struct vm_area_struct *vma);
vm_fault_t vfio_pci_bar_fault(struct vfio_pci_device *vpci, struct vm_fault *vmf,
			      unsigned int order);

/* ioeventfd.c */
void vfio_pci_ioeventfds_init(struct vfio_pci_device *vpci);
long vfio_pci_ioeventfd(void *owner, struct vfio_call *call);
void vfio_pci_ioeventfds_close(struct vfio_pci_device *vpci);

/* irq.c */
u32 vfio_pci_irq_count(struct vfio_device *device, u32 index);
u32 vfio_pci_irq_flags(struct vfio_pci_device *vpci, u32 index);
long vfio_pci_set_irqs(struct vfio_pci_device *vpci, const struct vfio_irq_request *request);
void vfio_pci_irqs_close(struct vfio_pci_device *vpci);

/* show.c */
void vfio_pci_irqs_show(struct vfio_pci_device *vpci, struct seq_file *seq);
void vfio_pci_fdinfo(struct vfio_device *device, struct seq_file *seq);

/* debugfs.c */
void vfio_pci_debugfs(struct vfio_device *device, struct dentry *folder);

/* device.c */
extern const struct vfio_device_ops vfio_pci_device_ops;

#endif

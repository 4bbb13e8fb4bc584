# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the kernel says while something is checked, which of it is a complaint, and what has leaked.

# What a kernel says when something is wrong. RCU stalls and slow clocks are the emulation's doing.
complaints='BUG:|WARNING:|Oops|KASAN:|UBSAN:|ODEBUG:|INFO: (possible|task|lockdep|trying)'
complaints+='|suspicious RCU|refcount_t:|general protection|Bad page|bad unlock|corruption'
complaints+='|DEBUG_LOCKS_WARN_ON|sleeping function|leaked|still has locks held'

# What the PCI core says of the errors that a test injects, in the name of their device's driver.
injected='vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device \[|\[)'

mark() { echo "selftest: $1" >/dev/kmsg; }

# complained MARK: print what the kernel has complained about since then, if anything; with REPORTS_ONLY
# set, only what it says when something is wrong. That the modules are not the kernel's own is no complaint
# of ours, nor that a driver refuses a device, nor what the program announced.
#
# One report is the kernel's own on every slot that pciehp serves: it gives the slot's reset_lock up while
# drivers bind and takes it again below pci_rescan_remove_lock: the other order, but one thread's only.
# lockdep watches no more after its first report.
#
# One process does it all: to start one takes a third of a second on the debug kernel.
complained() {
	dmesg -r | COMPLAINTS=$complaints INJECTED=$injected awk -v mark="selftest: $1" '
		function pardon_pciehp(first, i, own) {
			for (i = first; i <= count && lines[i] !~ /Call Trace:/; i++)
				if (i < first + 9 && lines[i] ~ /reset_lock\).* at: pciehp_(un)?configure_device/)
					own = 1
			for (; own && i >= first; i--)
				if (lines[i] ~ /possible circular locking|Tainted: /)
					pardoned[i] = 1
		}
		function complaint(line, i) {
			if (line ~ ENVIRON["COMPLAINTS"] && line !~ /selftest[: ]|rcu.*stall/)
				return 1
			if (ENVIRON["REPORTS_ONLY"] || line !~ /^<[0-4]>.*vfio/)
				return 0
			for (i = 1; i <= announcements; i++)
				if (line ~ announced[i])
					return 0
			return 1
		}
		index($0, mark) && substr($0, length($0) - length(mark) + 1) == mark { marked = 1; count = 0 }
		{ lines[++count] = $0 }
		END {
			announced[++announcements] = "loading out-of-tree module"
			announced[++announcements] = "probe (of|with driver) .* failed with error"
			announced[++announcements] = ENVIRON["INJECTED"]
			if (!marked && !ENVIRON["REPORTS_ONLY"])
				print "the log has lost its beginning"
			for (i = 1; i <= count; i++) {
				if (lines[i] ~ /possible circular locking dependency detected/)
					pardon_pciehp(i)
				if (sub(/.*selftest provokes: /, "", lines[i]))
					announced[++announcements] = lines[i]
			}
			for (i = 1; i <= count && said < 5; i++)
				if (!(i in pardoned) && complaint(lines[i])) {
					print lines[i]
					said++
				}
		}'
}

kmemleak=/sys/kernel/debug/kmemleak

# forget_leaks: what is lost by now is nobody's fault who is checked
forget_leaks() { [ ! -e $kmemleak ] || { echo scan >$kmemleak && echo clear >$kmemleak; }; }

# The scanner only looks at what is older than five seconds; the second scan clears up what the
# first one saw in passing.
leaks() {
	sleep 6
	echo scan >$kmemleak
	echo scan >$kmemleak
	ours <$kmemleak
}

# ours: leaks without a PF that the kernel loses. Who takes all functions out of a slot, be it a port's driver
# or the firmware's, takes the VFs of a PF before the PF, and then nobody gives back the references that VFs
# had of it (pci_iov_remove_virtfn()). What was there when the machine began is never left out.
ours() {
	awk '
		/^unreferenced object/ { count++ }
		/pci_iov_init\+/ { lost = 1 }
		{ leak[count] = leak[count] $0 "\n" }
		END {
			for (i = 1; i <= count; i++)
				if (!lost || leak[i] ~ /\[vfio|comm "swapper/ ||
				    leak[i] !~ /pci_scan_single_device|device_set_driver_override/)
					printf "%s", leak[i]
		}'
}

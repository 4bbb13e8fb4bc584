# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the kernel says while something is checked, and which of it is a complaint.

# What a kernel says when something is wrong. RCU stalls and slow clocks are the emulation's doing.
complaints='BUG:|WARNING:|Oops|KASAN:|UBSAN:|ODEBUG:|INFO: (possible|task|lockdep|trying)'
complaints+='|suspicious RCU|refcount_t:|general protection|Bad page|bad unlock|corruption'
complaints+='|DEBUG_LOCKS_WARN_ON|sleeping function|leaked|still has locks held'

# What the PCI core says of the errors that a test injects, in the name of their device's driver.
injected='vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device \[|\[)'

# known: the log without the one report that is the kernel's own on every slot that pciehp serves. It
# gives the slot's reset_lock up while drivers bind and takes it again below pci_rescan_remove_lock:
# the other order, but one thread's only. lockdep watches no more after its first report.
known() {
	awk '
		function flush(i) {
			for (i = 1; i <= held; i++)
				if (!own || lines[i] !~ /possible circular locking|Tainted: /)
					print lines[i]
			held = own = 0
		}
		/possible circular locking dependency detected/ { flush(); holding = 1 }
		!holding { print; next }
		{ lines[++held] = $0 }
		held < 9 && /reset_lock\).* at: pciehp_(un)?configure_device/ { own = 1 }
		/Call Trace:/ { flush(); holding = 0 }
		END { flush() }'
}

mark() { echo "selftest: $1" >/dev/kmsg; }

# complained MARK: print what the kernel has complained about since then, if anything. That the
# modules are not the kernel's own is no complaint of ours, nor that a driver refuses a device.
complained() {
	local log announced

	log=$(dmesg -r | tac | sed "/selftest: $1\$/q" | tac | known)
	announced=$(
		echo 'loading out-of-tree module'
		echo 'probe (of|with driver) .* failed with error'
		echo "$injected"
		sed -n 's/.*selftest provokes: //p' <<<"$log"
	)
	{
		grep -q "selftest: $1\$" <<<"$log" || echo 'the log has lost its beginning'
		grep -E "$complaints" <<<"$log" | grep -vE 'selftest[: ]|rcu.*stall'
		grep -E '^<[0-4]>.*vfio' <<<"$log" | grep -vEf <(echo "$announced")
	} | head -n 5
}

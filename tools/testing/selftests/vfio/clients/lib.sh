# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the clients share: steps in KTAP, and what a client must not leave behind. A script calls
# begin, then steps, then finish, whose last line is the positive marker that the runner looks for.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tools/testing/selftests/vfio/lib/guest.sh
. "$here/../lib/guest.sh"
# shellcheck source=tools/testing/selftests/vfio/lib/complaints.sh
. "$here/../lib/complaints.sh"

number=0 failed=0
work=$(mktemp -d)
# Kills happen at moments that a seed decides.
seed=${SEED:-$RANDOM} kills=${KILLS:-3}
RANDOM=$seed
# How much longer all may take on a kernel that looks at each access.
slow=1
[ ! -e $kmemleak ] || slow=8

# cleanup: a client ends here what a step that failed has left behind
cleanup() { :; }

# provokes REGEX: what vfio warns of meanwhile is meant
provokes() { echo "selftest provokes: $1" >/dev/kmsg; }

# begin CLIENT PACKAGE...: name what is used, load our modules
begin() {
	local package

	client=$1
	mark "$client"
	forget_leaks
	echo "# kernel $(uname -r)"
	for package in "${@:2}"; do
		# shellcheck disable=SC2016
		echo "# version $(dpkg-query -W -f '${Package} ${Version}' "$package")"
	done
	echo "# seed $seed, kills $kills"
	step "our modules load" modules_are_ours
	pinned_first=$(pinned) mms_first=$(mms)
}

modules_are_ours() {
	local module

	modprobe vfio-pci || return
	for module in vfio vfio_iommu_type1 vfio-pci; do
		modinfo -n $module | grep /updates/ &&
			[ "$(modinfo -F srcversion $module)" = "$(<"/sys/module/${module//-/_}/srcversion")" ] ||
			return
	done
}

# step NAME COMMAND...
step() {
	local name=$1 started=$SECONDS

	shift
	number=$((number + 1))
	if "$@" >"$work/step" 2>&1; then
		sed -n 's/^shown: /# /p' "$work/step"
		echo "ok $number $name # $((SECONDS - started)) s"
	else
		failed=$((failed + 1))
		tail -n 40 "$work/step" | sed 's/^/# /'
		echo "not ok $number $name"
		cleanup
	fi
}

# skip NAME WHY
skip() {
	number=$((number + 1))
	echo "ok $number $1 # SKIP $2"
}

# shown TEXT: a figure that a step wants in the transcript
shown() { echo "shown: $*"; }

# pinned: pages that are pinned for long, the whole machine
pinned() {
	cat /proc/sys/vm/stat_refresh 2>/dev/null
	awk '$1 == "nr_foll_pin_acquired" { a = $2 } $1 == "nr_foll_pin_released" { r = $2 }
		END { print a - r }' /proc/vmstat
}

# mms: address spaces that exist, also of processes that are gone; locked memory is counted in them. Who has
# freed one may not have given it back yet. The slab that a processor works on counts as full, so nothing is
# started in between.
mms() {
	local slab=/sys/kernel/slab/mm_struct count

	echo 1 >$slab/shrink
	read -r count _ <$slab/objects
	echo "$count"
}

# As many as in the beginning, or some more that a processor, or a program of this script, has yet.
few_mms() {
	local now

	now=$(mms)
	echo "$now address spaces, $mms_first in the beginning"
	[ "$now" -le $((mms_first + 4)) ]
}

nothing_pinned() { [ "$(pinned)" -eq "$pinned_first" ]; }
something_pinned() { [ "$(pinned)" -gt "$pinned_first" ]; }

# left_nothing DEVICE...: after its client is gone, no page stays pinned and nobody holds its group
left_nothing() {
	local device

	wait_for 10 nothing_pinned || { echo "$(($(pinned) - pinned_first)) pages pinned"; return 1; }
	for device; do
		wait_for 10 free "$device" || { echo "the group of $device is in use"; return 1; }
	done
}

# free DEVICE: opening a group that has a user fails
free() {
	local node

	node=/dev/vfio/$(group_of "$1")
	[ -e "$node" ] || node=/dev/vfio/noiommu-$(group_of "$1")
	[ "$(driver_of "$1")" = vfio-pci ] && [ -c "$node" ] && true 2>/dev/null <>"$node"
}

# works_natively DEVICE PEER: a network card's own driver takes it back, and frames that it sends reach the
# kernel's card at the other end. A driver that says that the link is up may lose a first one yet.
works_natively() {
	local net peer before

	bind "$1" e1000e && net=$(ls "$devices/$1/net") && peer=$(ls "$devices/$2/net") &&
		/.vm/busybox ip link set "$net" up &&
		wait_for 20 grep -qx 1 "$devices/$1/net/$net/carrier" || return
	before=$(received "$peer")
	/.vm/busybox arping -q -D -c 5 -I "$net" 192.0.2.9
	wait_for 10 has_received "$peer" $((before + 4))
}

received() { cat "/sys/class/net/$1/statistics/rx_packets"; }
has_received() { [ "$(received "$1")" -ge "$2" ]; }

# lives PID: also false for a child that has ended and was not waited for
lives() {
	local state

	read -r _ _ state _ <"/proc/$1/stat" && [ "$state" != Z ]
} 2>/dev/null

# wait_at_random MILLISECONDS: up to so long; how long it was is in $after
wait_at_random() {
	after=$(((RANDOM * 32768 + RANDOM) % ($1 * slow)))
	sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
}

# kill_at_random PID MILLISECONDS: within so long; the process must have lived until then
kill_at_random() {
	local after

	wait_at_random "$2"
	shown "kill -9 after $after ms, $(($(pinned) - pinned_first)) pages pinned"
	kill -KILL "$1" || return
	wait "$1"
	[ $? -eq 137 ]
}

# What a device does on its own after its program is gone, and what it does not do any more.
strays='DMAR:.*fault|IO_PAGE_FAULT|nobody cared|completion polled|Out of memory: Killed'

silent() {
	local said

	said=$(complained "$client"; dmesg | sed "1,/selftest: $client\$/d" | grep -E "$strays")
	[ -n "$said" ] || return 0
	dmesg
	echo "$said"
	return 1
}

nothing_leaks() {
	local lost

	[ -e $kmemleak ] || return 0
	lost=$(leaks 2>&1)
	[ -z "$lost" ] || { echo "$lost"; return 1; }
}

modules_unload() { modprobe -r vfio-pci vfio_iommu_type1 vfio && ! grep ^vfio /proc/modules; }

# finish: what all clients owe in the end. Who leaks is named as long as the modules are there.
finish() {
	cleanup
	step "nothing stays pinned" left_nothing
	step "no memory of a process stays" wait_for 10 few_mms
	step "nothing leaks" nothing_leaks
	step "our modules unload" wait_for 5 modules_unload
	step "they leave nothing" nothing_leaks
	step "the kernel has no complaint" silent
	rm -rf "$work"
	echo "1..$number"
	[ $failed -eq 0 ] || exit 1
	echo "$client: $number checks passed"
}

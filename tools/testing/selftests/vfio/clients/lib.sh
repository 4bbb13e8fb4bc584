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

# begin CLIENT PACKAGE...: name what is used, load our modules
begin() {
	local package module

	client=$1
	mark "$client"
	echo "# kernel $(uname -r)"
	for package in "${@:2}"; do
		# shellcheck disable=SC2016
		echo "# version $(dpkg-query -W -f '${Package} ${Version}' "$package")"
	done
	echo "# seed $seed, kills $kills"
	step "our modules load" modules_are_ours
	pinned_first=$(pinned)
}

modules_are_ours() {
	local module

	modprobe vfio-pci || return
	for module in vfio vfio_iommu_type1 vfio-pci; do
		[ "${VM_MODULES-}" = in-tree ] || modinfo -n $module | grep /updates/ || return
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
	true 2>/dev/null <>"$node"
}

# kill_at_random PID MILLISECONDS: within so long; the process must have lived until then
kill_at_random() {
	local after=$((RANDOM % $2))

	sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
	shown "kill -9 after $after ms, $(($(pinned) - pinned_first)) pages pinned"
	kill -KILL "$1" || return
	wait "$1"
	[ $? -eq 137 ]
}

silent() {
	local said

	said=$(complained "$client")
	[ -z "$said" ] || { echo "$said"; return 1; }
}

modules_unload() { modprobe -r vfio-pci vfio_iommu_type1 vfio; }

# finish: what all clients owe in the end
finish() {
	step "nothing stays pinned" left_nothing
	step "our modules unload" modules_unload
	step "the kernel has no complaint" silent
	rm -rf "$work"
	echo "1..$number"
	[ $failed -eq 0 ] || exit 1
	echo "$client: $number checks passed"
}

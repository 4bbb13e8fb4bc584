#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [PROGRAM...]: load the modules, run each self-test of build/selftests and say how it went,
# in KTAP. Meant for the virtual machine, where vm/run --testbed provides the devices.
#
# A program fails when a test case of it fails, when it ends without the results its plan promised,
# when it takes longer than the settings allow, and when the kernel complained meanwhile. At the end
# the modules are taken out and, where the kernel has kmemleak, nothing may have leaked. The last
# line counts test cases: "N passed, N failed, N skipped".
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
programs_dir=${BUILD:-$here/../../../../build}/selftests
timeout=45
# shellcheck source=/dev/null
. "$here/settings"
kmemleak=/sys/kernel/debug/kmemleak
[ ! -e $kmemleak ] || timeout=$((timeout * 5))

passed=0 failed=0 skipped=0
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# What a kernel says when something is wrong. RCU stalls and slow clocks are the emulation's doing.
complaints='BUG:|WARNING:|Oops|KASAN:|UBSAN:|ODEBUG:|INFO: (possible|task|lockdep|trying)'
complaints+='|suspicious RCU|refcount_t:|general protection|Bad page|bad unlock|corruption'
complaints+='|DEBUG_LOCKS_WARN_ON|sleeping function|leaked|still has locks held'

# What the PCI core says of the errors that a test injects.
injected='vfio-pci [0-9a-f:.]+: +(AER: |PCIe Bus Error|device \[|\[)'

mark() { echo "selftest: $1" >/dev/kmsg; }

# complained MARK: print what the kernel has complained about since then, if anything; a line of
# ours of level "error" or worse counts as well.
complained() {
	dmesg -r | tac | sed "/selftest: $1\$/q" | tac |
		grep -E "$complaints|^<[0-3]>.*vfio" |
		grep -vE "selftest: |rcu.*stall|$injected" | head -n 5
}

# fail_too WHAT: one more failure, of the program as a whole.
fail_too() {
	failed=$((failed + 1))
	why+=("$1")
}

# count: add the results that the program printed, and check them against its plan.
count() {
	local ok not_ok skip plan

	skip=$(grep -cE '^ok .*# *SKIP' "$output")
	ok=$(($(grep -cE '^ok ' "$output") - skip))
	not_ok=$(grep -cE '^not ok ' "$output")
	plan=$(sed -n 's/^1\.\.\([0-9]*\).*/\1/p' "$output" | head -n 1)
	passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + skip))
	[ "$not_ok" -eq 0 ] || why+=("$not_ok of its test cases failed")
	if [ -z "$plan" ] && [ "$status" -ne 4 ]; then
		fail_too "it printed no plan"
	elif [ "${plan:-0}" -ne $((ok + not_ok + skip)) ]; then
		fail_too "it promised $plan results and gave $((ok + not_ok + skip))"
	elif [ "$status" -ne 0 ] && [ "$status" -ne 4 ] && [ "$not_ok" -eq 0 ]; then
		fail_too "it ended with status $status"
	fi
}

# run_one NUMBER PROGRAM
run_one() {
	local name status why=() line started=$SECONDS limit=$timeout

	name=$(basename "$2")
	[ ! -e $kmemleak ] || [ "$name" != module_test ] || limit=$((timeout * 3))
	mark "$name"
	echo "# selftests: vfio: $name"
	timeout --kill-after=10 $limit "$2" >"$output" 2>&1 </dev/null
	status=$?
	sed 's/^/# /' "$output"
	[ $status -ne 124 ] && [ $status -ne 137 ] || why+=("it took longer than $limit s")
	count
	while read -r line; do
		fail_too "the kernel said: $line"
	done < <(complained "$name")
	[ ${#why[@]} -eq 0 ] || printf '# %s\n' "${why[@]}"
	[ ${#why[@]} -eq 0 ] || printf 'not '
	echo "ok $1 selftests: vfio: $name # $((SECONDS - started)) s"
}

# whole NUMBER NAME COMMAND...: a test case of this script's own.
whole() {
	local number=$1 name=$2 report

	shift 2
	mark "$name"
	report=$("$@" 2>&1 && complained "$name")
	if [ -z "$report" ]; then
		passed=$((passed + 1))
		echo "ok $number $name"
	else
		failed=$((failed + 1))
		echo "# ${report//$'\n'/$'\n'# }"
		echo "not ok $number $name"
	fi
}

# vm/run says which modules are meant; by hand it is whatever modprobe takes.
load() {
	local module

	modprobe vfio-pci || echo "modprobe: status $?"
	[ -n "${VM-}" ] && [ "${VM_MODULES-}" != in-tree ] || return 0
	for module in vfio vfio_iommu_type1 vfio-pci; do
		modinfo -n "$module" | grep /updates/ >/dev/null || echo "$module is not ours"
		[ -d "/sys/module/${module//-/_}" ] || echo "$module is not loaded"
	done
}

unload() {
	modprobe -r vfio-pci vfio_iommu_type1 vfio || echo "modprobe -r: status $?"
	! grep -E '^vfio' /proc/modules
}

# The scanner only looks at what is older than five seconds; the second scan clears up what the
# first one saw in passing.
leaks() {
	sleep 6
	echo scan >$kmemleak
	echo scan >$kmemleak
	cat $kmemleak
}

# coverage: where the kernel counts the lines that ran and somebody wants to know, copy the counts.
coverage() {
	local counts

	[ -d /out ] && [ -d /sys/kernel/debug/gcov ] || return 0
	find /sys/kernel/debug/gcov -path '*drivers/vfio*.gcda' | while read -r counts; do
		mkdir -p "/out/$(dirname "${counts#*/gcov/}")"
		cat "$counts" >"/out/${counts#*/gcov/}"
	done
}

# The one that takes the modules out comes last.
[ $# -gt 0 ] || set -- $(ls "$programs_dir"/*_test | grep -v /module_test) "$programs_dir/module_test"
[ -x "$1" ] || { echo "Bail out! no self-tests in $programs_dir: make selftests"; exit 1; }
[ ! -e $kmemleak ] || { echo scan >$kmemleak && echo clear >$kmemleak; }

echo "KTAP version 1"
echo "1..$(($# + 2 + $([ -e $kmemleak ] && echo 1 || echo 0)))"
number=1
whole $number "modules load" load
for program; do
	number=$((number + 1))
	run_one $number "$program"
done
whole $((number + 1)) "modules unload" unload
[ ! -e $kmemleak ] || whole $((number + 2)) "no memory leaked" leaks
coverage
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]

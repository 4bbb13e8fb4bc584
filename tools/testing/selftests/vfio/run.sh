#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# run.sh [--machine NAME | PROGRAM...]: load the modules, run self-tests of build/selftests and say how
# it went, in KTAP. Meant for the virtual machine, where vm/run --testbed provides the devices. Which
# programs a machine runs is in vm/machines; without arguments it is the machine "default".
#
# A program fails when a test case of it fails, when it ends without the results its plan promised,
# when it takes longer than the settings allow, and when the kernel complained meanwhile. A message
# about vfio that is a warning or worse is a complaint, unless the program announced it by a line
# "selftest provokes: REGEX" in the log. At the end the modules are taken out and, where the kernel
# has kmemleak, nothing may have leaked. The last line counts test cases: "N passed, N failed, N
# skipped".
set -uo pipefail

here=$(cd "$(dirname "$0")" && pwd)
programs_dir=${BUILD:-$here/../../../../build}/selftests
timeout=45
# shellcheck source=/dev/null
. "$here/settings"
# shellcheck source=tools/testing/selftests/vfio/lib/complaints.sh
. "$here/lib/complaints.sh"
[ ! -e $kmemleak ] || timeout=$((timeout * 8))

passed=0 failed=0 skipped=0 stuck=''
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# fail_too WHAT: one more failure, of the program as a whole.
fail_too() {
	failed=$((failed + 1))
	why+=("$1")
}

# count: add the results that the program printed, and check them against its plan.
count() {
	local ok not_ok skip plan

	read -r ok not_ok skip plan < <(awk '
		/^ok .*# *SKIP/ { skip++; next }
		/^ok / { ok++ }
		/^not ok / { not_ok++ }
		/^1\.\.[0-9]+/ && plan == "" { plan = substr($1, 4) + 0 }
		END { print ok + 0, not_ok + 0, skip + 0, plan }' "$output")
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

# blocked: have the kernel say who waits for what, on the console too, so that it stays with the log.
blocked() {
	dmesg -n 7
	echo w >/proc/sysrq-trigger
	dmesg -n 5
}

# limited SECONDS PROGRAM: run it into the output file, set status. What cannot be killed is left
# alone and is stuck: what follows would only wait for it as well.
limited() {
	local killer watcher

	timeout --kill-after=10 "$1" "$2" >"$output" 2>&1 </dev/null &
	killer=$!
	(sleep $(($1 + 30)) && blocked && kill -KILL $killer) &
	watcher=$!
	wait $killer
	status=$?
	! kill $watcher 2>/dev/null || return 0
	stuck=1
}

# lately: what the kernel said last, also what is not for the console.
lately() {
	dmesg | tail -n 15 | sed 's/^/# log: /'
}

# run_one NUMBER PROGRAM
run_one() {
	local name status why=() line started=$SECONDS limit=$timeout

	name=${2##*/}
	[ ! -e $kmemleak ] || [ "$name" != module_test ] || limit=$((timeout * 3))
	mark "$name"
	echo "# selftests: vfio: $name"
	limited $limit "$2" 2>/dev/null
	sed 's/^/# /' "$output"
	[ -z "$stuck" ] || why+=("it cannot be killed, the log says what it waits for")
	[ "$status" -ne 124 ] && [ "$status" -ne 137 ] || why+=("it took longer than $limit s")
	count
	while read -r line; do
		fail_too "the kernel said: $line"
	done < <(complained "$name")
	[ ${#why[@]} -eq 0 ] || { printf '# %s\n' "${why[@]}"; lately; printf 'not '; }
	echo "ok $1 selftests: vfio: $name # $((SECONDS - started)) s"
}

# pending PROGRAM: why a program is not run on this kernel yet, from vm/pending; empty if it is.
pending() {
	local kind=normal

	[ ! -e $kmemleak ] || kind=debug
	sed -n "s/^${kind}[[:blank:]]*${1##*/}[[:blank:]]*|[[:blank:]]*//p" "$here/vm/pending"
}

# skip_one NUMBER PROGRAM WHY
skip_one() {
	skipped=$((skipped + 1))
	echo "ok $1 selftests: vfio: $(basename "$2") # SKIP $3"
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

# The kernel's own of 6.1 have one more.
unload() {
	# shellcheck disable=SC2046
	modprobe -r vfio-pci vfio_iommu_type1 vfio $(grep -o '^vfio_virqfd' /proc/modules) ||
		echo "modprobe -r: status $?"
	! grep -E '^vfio' /proc/modules
}

# What came too late for the program that did it, and too early for the next.
between() {
	REPORTS_ONLY=1 complained "all programs"
}

# coverage: where the kernel counts the lines that ran and somebody wants to know, hand the counts out.
coverage() {
	[ -d /out ] && [ -d /sys/kernel/debug/gcov ] || return 0
	(cd /sys/kernel/debug/gcov && mkdir /dev/shm/counts &&
		find . -path '*drivers/vfio*.gcda' -exec cp --parents --reflink=never -t /dev/shm/counts {} +)
	tar -C /dev/shm/counts -cf /out/counts.tar .
}

# programs_of MACHINE: paths of its programs. "rest" are those that no machine names; the one that
# takes the modules out comes last. Programs of 32 bits show nothing more on a debug kernel.
programs_of() {
	local machine programs name all

	all=" $(grep -v '^#' "$here/vm/machines" | cut -d'|' -f2 | tr '\n\t' '  ') "
	while IFS='|' read -r machine programs _; do
		[ "${machine%%[[:blank:]]*}" = "$1" ] || continue
		for name in $programs; do
			[ "$name" != rest ] || continue
			echo "$programs_dir/$name"
		done
		[[ " $programs " == *" rest "* ]] || continue
		for name in "$programs_dir"/*_test; do
			[[ $all == *" ${name##*/} "* ]] || [[ -e $kmemleak && $name == *32_test ]] ||
				echo "$name"
		done
	done <"$here/vm/machines" | sort | awk '/module_test$/ { last = $0; next } { print }
		END { if (last) print last }'
}

machine=''
[ $# -gt 0 ] || set -- --machine default
if [ "$1" = --machine ]; then
	machine=$2
	mapfile -t programs < <(programs_of "$2")
	set -- "${programs[@]}"
fi
[ -x "${1-}" ] || { echo "Bail out! no self-tests in $programs_dir: make selftests"; exit 1; }
forget_leaks

echo "KTAP version 1"
echo "1..$(($# + 3 + $([ -e $kmemleak ] && echo 1 || echo 0)))"
mark "all programs"
number=1
whole $number "modules load" load
for program; do
	[ -z "$stuck" ] || break
	number=$((number + 1))
	why_not=$(pending "$program")
	if [ -n "$why_not" ] && [ -n "$machine" ]; then
		skip_one $number "$program" "$why_not"
	else
		run_one $number "$program"
	fi
done
if [ -n "$stuck" ]; then
	echo "Bail out! nothing can be said after $program"
	echo "$passed passed, $failed failed, $skipped skipped"
	exit 1
fi
whole $((number + 1)) "modules unload" unload
whole $((number + 2)) "no report between the programs" between
[ ! -e $kmemleak ] || whole $((number + 3)) "no memory leaked" leaks
coverage
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]

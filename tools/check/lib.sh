# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# What the checks share. Each check is one test with one line of verdict; its output goes to a log and
# is shown when it fails. verdict_line closes the run with the sum.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BUILD:-$top/build}
packages=$top/tools/packages.sh
vm=$top/tools/testing/selftests/vfio/vm
export BUILD=$build

passed=0 failed=0 skipped=0
mkdir -p "$build/logs"

# verdict NAME COMMAND...: one test; false when it fails. It also does when the command ends well but
# says something on standard error.
verdict() {
	local name=$1 log started=$SECONDS status=0

	shift
	log=$build/logs/check-${name//[^a-zA-Z0-9.+]/-}.log
	"$@" >"$log" 2>"$log.err" || status=$?
	cat "$log.err" >>"$log"
	[ ! -s "$log.err" ] || status=1
	if [ $status -eq 0 ]; then
		passed=$((passed + 1))
		echo "ok $name ($((SECONDS - started)) s)"
	else
		failed=$((failed + 1))
		tail -n 40 "$log" | sed 's/^/# /'
		echo "not ok $name (all of it: $log)"
	fi
	rm -f "$log.err"
	return $status
}

# selftests KERNEL [OPTION...]: boot it as each machine of the table, run the machine's programs, add
# up what their last lines say. KERNEL may be the folder of one that was built here, which has no VFIO of its
# own. Where coverage is set, it becomes a folder of what each machine gives.
# The default machine takes as long as all others together, which run one by one beside it.
selftests() {
	local default machine programs options sum

	default=$(mktemp -d)
	while IFS='|' read -r machine programs options <&3; do
		[[ $machine == \#* ]] && continue
		[[ ! -d $1 || $options != *--in-tree* ]] || continue
		read -r machine <<<"$machine"
		read -r -a options <<<"$options"
		if [ -n "${coverage-}" ]; then
			mkdir -p "$coverage/$machine"
			options+=(--out "$coverage/$machine")
		fi
		if [ "$machine" = default ]; then
			selftests_apart "$default" "$1" "${options[@]}" "${@:2}" &
			continue
		fi
		echo "  machine $machine:"
		selftests_on "$machine" "$1" "${options[@]}" "${@:2}"
	done 3<"$vm/machines"
	wait
	echo "  machine default:"
	cat "$default/said"
	read -r -a sum <"$default/sum"
	passed=$((passed + sum[0])) failed=$((failed + sum[1])) skipped=$((skipped + sum[2]))
	rm -r "$default"
}

# selftests_apart FOLDER KERNEL OPTION...: the default machine in a process of its own, which leaves
# behind what it said and its sum.
selftests_apart() {
	passed=0 failed=0 skipped=0
	selftests_on default "${@:2}" >"$1/said"
	echo "$passed $failed $skipped" >"$1/sum"
}

# What makes tests longer than usual, passed on into the machine.
soaks=(TEST_LIMIT SOAK_SECONDS SEED REVOKE_ROUNDS IRQ_SOAK VFIO_CONFIG_IMAGES HOTPLUG_ALL)

# selftests_on MACHINE KERNEL OPTION...
selftests_on() {
	local log=$build/logs/selftests-${2##*/}.log soak=() name sum status=0

	for name in "${soaks[@]}"; do
		[ -z "${!name-}" ] || soak+=("$name=${!name}")
	done

	[ "$1" = default ] || log=${log%.log}-$1.log
	"$vm/run" -k "$2" -t "${VM_SECONDS:-1500}" "${@:3}" -- \
		env "${soak[@]}" "$vm/../run.sh" --machine "$1" >"$log" 2>&1 || status=$?
	sum=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
	grep -E '^(ok|not ok) ' "$log" | sed 's/^/  /' || true
	if [ -n "$sum" ]; then
		read -r -a sum <<<"$sum"
		passed=$((passed + sum[0])) failed=$((failed + sum[1])) skipped=$((skipped + sum[2]))
	fi
	if [ -z "${sum[0]}" ] || { [ $status -ne 0 ] && [ "${sum[1]}" -eq 0 ]; }; then
		failed=$((failed + 1))
		echo "not ok the virtual machine (status $status)"
	fi
	if [ $status -ne 0 ]; then
		grep -nE '^(# )*not ok|^# (it|the kernel|[0-9]+ of its)|^(# )*# ([a-z0-9_]+\.c:[0-9]+:|log: )|^vm:' "$log" |
			head -n 60 || true
		awk '/unreferenced object/ && leaks++ < 3 { left = 14 }
			left-- > 0 { print NR ":# leak: " $0 }' "$log"
		# Where the machine died, the end of the log is the kernel's.
		tail -n "$([ -n "$sum" ] && echo 15 || echo 70)" "$log" | sed 's/^/# /'
		echo "# all of it: $log"
	fi
}

# verdict_line: the last line; status 1 when something failed or nothing passed.
verdict_line() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ $failed -eq 0 ] && [ $passed -gt 0 ]
}

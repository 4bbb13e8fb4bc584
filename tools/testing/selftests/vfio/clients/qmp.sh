# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # work is in lib.sh
#
# A QEMU that obeys by QMP. One at a time; what it says, other than by QMP, is in $work/qemu.

# patience: seconds that a machine gets for whatever it does
patience=120
qemu=''

# start OPTION...: one machine; the one before it ends
start() {
	end
	rm -f "$work"/qmp.*
	: >"$work/qmp"
	mkfifo "$work/qmp.in" "$work/qmp.out"
	cat "$work/qmp.out" >>"$work/qmp" &
	# Whoever tells a QEMU that has died something does not wait for a reader.
	exec {orders}<>"$work/qmp.in"
	qemu-system-x86_64 -M q35 -nodefaults -no-user-config -display none \
		-chardev "pipe,id=qmp,path=$work/qmp" -mon chardev=qmp,mode=control \
		"$@" >"$work/qemu" 2>&1 &
	qemu=$!
	tell '{"execute":"qmp_capabilities"}'
}

tell() { echo "$1" >&"$orders"; }

# answers REGEX: by QMP, soon
answers() {
	wait_for $patience grep -q "$1" "$work/qmp" && return
	echo "QEMU does not say $1:"
	cat "$work/qmp" "$work/qemu"
	return 1
}

# end: what a step that failed has left
end() {
	[ -n "$qemu" ] && [ -d "/proc/$qemu" ] || return 0
	kill -KILL "$qemu"
	wait "$qemu"
} 2>/dev/null

quit() { tell '{"execute":"quit"}' && wait "$qemu"; }

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # work is in lib.sh
#
# A QEMU that obeys by QMP. One at a time; what it says, other than by QMP, is in $work/qemu.

# patience: seconds that a machine gets for whatever it does
patience=120
qemu='' reader=''

# start OPTION...: one machine; the one before it ends
start() {
	end
	rm -f "$work"/qmp.*
	: >"$work/qmp"
	mkfifo "$work/qmp.in" "$work/qmp.out"
	cat "$work/qmp.out" >>"$work/qmp" &
	reader=$!
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
	wait_for $patience has_said "$1" && runs && return
	echo "QEMU does not say $1:"
	cat "$work/qmp" "$work/qemu"
	return 1
}

# has_said REGEX: or will not any more
has_said() { grep -q "$1" "$work/qmp" || ! runs; }

runs() { [ -n "$qemu" ] && lives "$qemu"; }

# end: what a step that failed has left, and who waits to read what a QEMU says that was killed before
end() {
	! runs || kill -KILL "$qemu"
	[ -z "$qemu" ] || wait "$qemu"
	[ -z "$reader" ] || kill "$reader"
	[ -z "$reader" ] || wait "$reader"
	qemu='' reader=''
} 2>/dev/null

# ended: by itself, soon; its status
ended() {
	local status=0

	wait_for $patience is_over || { echo "QEMU runs on"; return 1; }
	wait "$qemu" || status=$?
	qemu=''
	return $status
}

is_over() { ! runs; }

quit() { tell '{"execute":"quit"}' && ended; }

# The moments of a kill, each within so many milliseconds: of a machine that has started to use its devices,
# of one that starts, of one that ends, which may be faster.
killed_in_use() { wait_for $patience something_pinned && kill_at_random "$qemu" "$1"; }
killed_at_start() { kill_at_random "$qemu" "$1"; }
killed_at_end() {
	local after

	wait_for $patience something_pinned || return
	tell '{"execute":"quit"}'
	wait_at_random 500
	shown "kill -9 $after ms after it was told to end"
	kill -KILL "$qemu"
	wait "$qemu"
	[[ $? =~ ^(0|137)$ ]]
}
moments=(killed_in_use killed_at_start killed_at_end)

# kill_qemu ROUND MILLISECONDS: one moment after the other
kill_qemu() {
	"${moments[($1 - 1) % 3]}" "$2" 2>/dev/null || return
	qemu=''
}

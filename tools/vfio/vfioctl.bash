# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of vfioctl for bash: commands, options, devices and groups. Below --root, those of there.

# The words that may stand for $1, after the words of the array before.
_vfioctl_words() {
	local word command='' target='' root='' option='' device

	for word in "${before[@]}"; do
		case $option in
		--root) root=${word%/} ;;
		esac
		case $option$word in
		--root | --after | --interval | --times) option=$word; continue ;;
		--root=*) root=${word#*=} ;;
		-*) ;;
		*) if [ -z "$command" ]; then command=$word; else target=$word; fi ;;
		esac
		option=''
	done
	case $option in
	--root) compgen -d -- "$1"; return ;;
	--*) return ;;
	esac
	case $1 in
	-*)
		compgen -W '--json --group --persist --force --dry-run --after --interval --times --root
			--help --version' -- "$1"
		return
		;;
	esac
	case $command,$target in
	,) compgen -W 'list status bind unbind revoke doctor watch' -- "$1" ;;
	list, | status, | bind, | unbind, | revoke,)
		for device in "$root"/sys/bus/pci/devices/* "$root"/sys/kernel/iommu_groups/*; do
			device=${device##*/}
			# The first domain may be left out.
			[[ $1 != ??:* || $1 == ????:* ]] || device=${device#0000:}
			[[ $device != "$1"* || $device == '*' ]] || echo "$device"
		done
		;;
	esac
}

# Where a colon ends a word for readline, COMP_WORDS has the parts of a device, and what is before
# the last colon must not be said again.
_vfioctl() {
	local line=${COMP_LINE:0:COMP_POINT} word before

	word=${line##*[[:blank:]]}
	line=${line#*vfioctl}
	read -r -a before <<<"${line%"$word"}"
	mapfile -t COMPREPLY < <(_vfioctl_words "$word")
	if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
	fi
}
complete -F _vfioctl vfioctl

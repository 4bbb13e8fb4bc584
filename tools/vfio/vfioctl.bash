# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Completion of vfioctl for bash: commands, options, devices and groups.

_vfioctl() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[*]:1:COMP_CWORD-1} words
	local commands='list status bind unbind revoke doctor watch'
	local options='--json --group --persist --force --dry-run --after --interval --times --root
		--help --version'

	words=$commands
	if [[ $word == -* ]]; then
		words=$options
	elif [[ " $before " =~ \ (list|status|bind|unbind|revoke)\  ]]; then
		words=$(cd /sys/bus/pci/devices 2>/dev/null && echo *)
		words+=" $(cd /sys/kernel/iommu_groups 2>/dev/null && echo *)"
	elif [[ " $before " =~ \ (doctor|watch)\  ]]; then
		words=''
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	# A colon ends a word for readline; what is before it is there already.
	declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$word"
	return 0
}
complete -F _vfioctl vfioctl

# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What scripts of the virtual machine share: its PCI devices and their drivers.

# shellcheck disable=SC2034
devices=/sys/bus/pci/devices

# find_device VENDOR:DEVICE [N]: the Nth such function
find_device() {
	local folder vendor device count=0

	for folder in "$devices"/*; do
		read -r vendor <"$folder/vendor"
		read -r device <"$folder/device"
		[ "$vendor:$device" = "0x${1%:*}:0x${1#*:}" ] || continue
		count=$((count + 1))
		[ $count -eq "${2:-1}" ] || continue
		echo "${folder##*/}"
		return
	done
	return 1
}

group_of() { basename "$(readlink "$devices/$1/iommu_group")"; }
driver_of() { basename "$(readlink "$devices/$1/driver")"; }

# bind DEVICE DRIVER: driver_override, then let the bus look again
bind() {
	echo "$2" >"$devices/$1/driver_override"
	[ ! -e "$devices/$1/driver" ] || echo "$1" >"$devices/$1/driver/unbind"
	echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(driver_of "$1")" = "$2" ]
}

# wait_for SECONDS COMMAND...: until it succeeds; slow: so many times longer here
wait_for() {
	local end=$((SECONDS + $1 * ${slow:-1}))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# disk_of DEVICE: the block device that the kernel's own driver makes of an NVMe function
disk_of() {
	local node

	for node in "$devices/$1"/nvme/nvme*/nvme*n1; do
		node=/dev/$(basename "$node" | sed 's/c[0-9]*n/n/')
		[ -b "$node" ] && echo "$node" && return
	done
	return 1
}

has_disk() { disk_of "$1" >/dev/null; }

# hand_over DEVICE: an NVMe function from the kernel's own driver to user space, before every use.
# QEMU's driver starts the disk before it turns MSI-X on, and an emulated disk that had no MSI-X last
# time then stays silent.
hand_over() {
	[ "$(driver_of "$1")" = nvme ] || bind "$1" nvme || return
	wait_for 10 has_disk "$1" && bind "$1" vfio-pci
}

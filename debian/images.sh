# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What the packages' scripts have in common; debian/rules puts it into them.

# images_have PATTERN: is there an initramfs with such a file?
images_have() {
	for image in /boot/initrd.img-*; do
		[ ! -e "$image" ] || ! lsinitramfs "$image" | grep "$1" >/dev/null || return 0
	done
	return 1
}

# All of them anew, not only the newest kernel's, as the trigger has it. What does not work, as where
# /boot is full, is no reason to leave the package half configured.
make_images() {
	update-initramfs -u -k all ||
		echo "${DPKG_MAINTSCRIPT_PACKAGE-}: WARNING: an initramfs is old yet: update-initramfs -u -k all" >&2
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# packages.sh: Debian packages for whoever builds and tests, by name and only where missing.
#
#   packages.sh install LIST...    install packages of lists: build vm demo bench check debug deb
#                                  package, and those of each client (tools/check/check-clients)
#   packages.sh kernels            print the releases of Debian's two kernels, oldest first
#   packages.sh headers KVER       install the headers of a kernel
#   packages.sh image KVER         unpack a kernel into the build folder, print where
#   packages.sh source             unpack a kernel's source outside of the checkout, print where
#
# Kernels and their modules are unpacked and never installed on this machine. Messages go to
# standard error; answers to standard output.
set -euo pipefail

top=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$top/build}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vfio-tests
source_package=linux-source-6.12

declare -A lists=(
	[build]="gcc make kmod"
	[vm]="qemu-system-x86 busybox-static cpio kmod"
	[demo]="qemu-utils qemu-block-extra"
	[bench]="python3-minimal"
	[nvme]="qemu-utils qemu-block-extra"
	[dpdk]="dpdk dpdk-dev python3-minimal"
	[qemu]="qemu-system-x86 seabios"
	[sysfs]="driverctl udev"
	[tracers]="bpftrace linux-perf qemu-utils qemu-block-extra"
	[kvm]="qemu-system-x86 seabios busybox-static cpio kmod libc6-dev linux-libc-dev xz-utils"
	[check]="gcc gcc-multilib libc6-dev linux-libc-dev sparse perl xz-utils binutils e2fsprogs shellcheck"
	[deb]="build-essential dpkg-dev debhelper dh-dkms lintian fakeroot"
	[package]="ccache dkms openssl debhelper initramfs-tools udev"
	[debug]="gcc bc bison flex libelf-dev libssl-dev xz-utils"
)

die() { echo "packages.sh: $*" >&2; exit 1; }
say() { echo "packages.sh: $*" >&2; }

# apt-get, quiet unless it fails; waits for another one that runs.
apt() {
	local log=$build/logs/apt.log

	mkdir -p "$build/logs"
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		"$@" >"$log" 2>&1 </dev/null
}

# The package lists may be missing or old: one more try with new ones.
fetch() {
	apt "$@" && return
	say "reading the package lists anew"
	apt update && apt "$@" && return
	tail -n 20 "$build/logs/apt.log" >&2
	die "failed: apt-get $*"
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install() {
	local list package missing=()

	for list; do
		[ -n "${lists[$list]-}" ] || die "no list of this name: $list"
		for package in ${lists[$list]}; do
			installed "$package" || missing+=("$package")
		done
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	fetch install --no-install-recommends "${missing[@]}"
}

# recall NAME COMMAND...: what COMMAND printed, asked again only after the package lists changed.
recall() {
	local file=$build/apt/$1

	shift
	if [ ! -s "$file" ] || [ /var/lib/apt/lists -nt "$file" ]; then
		mkdir -p "$build/apt"
		"$@" >"$file"
	fi
	cat "$file"
}

ask_candidate() {
	apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

ask_release() {
	apt-cache depends "$1" 2>/dev/null |
		sed -n 's/^ *Depends: linux-image-\([0-9][^ ]*\)$/\1/p' | head -n 1
}

# candidate PACKAGE: the version that apt would take; empty when there is no such package.
candidate() { recall "version-$1" ask_candidate "$1"; }

# A meta package's dependency names the release: linux-image-amd64 → linux-image-6.1.0-56-amd64.
release_of() { recall "release-$1" ask_release "$1"; }

# known PACKAGE: its candidate, with new lists if it takes them.
known() {
	local version

	version=$(candidate "$1")
	if [ -z "$version" ]; then
		say "reading the package lists anew"
		apt update || say "apt-get update failed"
		version=$(candidate "$1")
	fi
	echo "$version"
}

kernels() {
	local meta release

	known linux-image-amd64 >/dev/null
	for meta in linux-image-amd64 linux-image-6.12-amd64; do
		release=$(release_of $meta)
		[ -n "$release" ] || die "no kernel behind $meta"
		echo "$release"
	done
}

# Headers of another build than the image's would make modules that do not load.
headers() {
	local name=linux-headers-$1 version

	version=$(known "linux-image-$1")
	if [ -z "$version" ]; then
		[ -d "/lib/modules/$1/build" ] || die "no headers for kernel $1"
		return 0
	fi
	[ "$(dpkg-query -W -f '${Version}' "$name" 2>/dev/null)" != "$version" ] || return 0
	say "installing $name $version"
	fetch install --no-install-recommends --allow-downgrades "$name=$version"
}

# download PACKAGE VERSION: print the path of the package's file, kept in the build folder.
download() {
	local file=$build/dl/$1_${2//:/%3a}

	mkdir -p "$build/dl"
	if ! compgen -G "${file}_*.deb" >/dev/null; then
		say "downloading $1 $2"
		cd "$build/dl"
		fetch download "$1=$2"
	fi
	compgen -G "${file}_*.deb" || die "no $file after its download"
}

image() {
	local dir=$build/kernels/$1 version file

	version=$(known "linux-image-$1")
	[ -n "$version" ] || die "no package linux-image-$1 (packages.sh kernels lists what there is)"
	if [ "$(cat "$dir/version" 2>/dev/null)" != "$version" ]; then
		file=$(download "linux-image-$1" "$version")
		rm -rf "$dir"
		mkdir -p "$dir"
		dpkg-deb -x "$file" "$dir"
		depmod -b "$dir" "$1"
		echo "$version" >"$dir/version"
	fi
	echo "$dir"
}

# The kernel's own VFIO stays in the archive: nothing here is made from it, and it is not built.
# Its Kconfig file is what pulls in that of irqbypass.
source_tree() {
	local version dir file

	version=$(known $source_package)
	[ -n "$version" ] || die "no package $source_package: apt-get update, then try again"
	dir=$cache/linux-source-$version
	if [ ! -e "$dir.complete" ]; then
		file=$(download $source_package "$version")
		say "unpacking $source_package $version"
		rm -rf "$dir"
		mkdir -p "$dir/drivers/vfio"
		dpkg-deb --fsys-tarfile "$file" | tar -xO --wildcards '*.tar.xz' |
			tar -xJ -C "$dir" --strip-components=1 --exclude='*/drivers/vfio' \
				--exclude='*/drivers/gpu/drm/amd/include'
		echo 'source "virt/lib/Kconfig"' >"$dir/drivers/vfio/Kconfig"
		touch "$dir/drivers/vfio/Makefile" "$dir.complete"
	fi
	echo "$dir"
}

case "${1-}" in
install) shift; install "$@" ;;
kernels) kernels ;;
headers) headers "${2:?KVER}" ;;
image) image "${2:?KVER}" ;;
source) source_tree ;;
*) sed -n '4,/^set /{ s/^#$//p; s/^# //p; }' "$0" >&2; exit 2 ;;
esac

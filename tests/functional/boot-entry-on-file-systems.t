#!/bin/bash
# What a disk boots is found on real file systems, which stay as they are: every kind, names of all kinds, btrfs' subvolumes.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $(id -u) == 0 && -e /dev/loop-control ]] || skip_all "needs root, for loop devices"
for tool in mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat btrfs blkid; do
	command -v $tool >/dev/null || skip_all "$tool is not installed"
done

loops=()
end_loops()
{
	[[ ${#loops[@]} -eq 0 ]] || losetup -d "${loops[@]}"
	loops=()
}
at_exit end_loops

# attach FILE : $device
attach()
{
	device=$(losetup -f --show "$1")
	loops+=("$device")
}

# make_volume KIND MIB : $device, formatted, labelled as the kind allows
make_volume()
{
	local kind=$1 file=$work/$1.img

	truncate -s "$2M" "$file"
	case $kind in
	vfat) mkfs.vfat -F 32 -n BOOT "$file" >/dev/null ;;
	ext4) mkfs.ext4 -q -L "a label" "$file" ;;
	*) "mkfs.$kind" -q -f -L "a label" "$file" >/dev/null ;;
	esac
	attach "$file"
}

# fill DIR : a kernel, an initrd and a grub.cfg that names them
fill()
{
	mkdir -p "$1/boot/grub"
	printf 'kernel' >"$1/boot/vmlinuz"
	printf 'initrd' >"$1/boot/initrd.img"
	printf 'menuentry x {\n linux /boot/vmlinuz root=/dev/vda1\n initrd /boot/initrd.img\n}\n' >"$1/boot/grub/grub.cfg"
}

mkdir "$work/mnt"
for kind in ext4 xfs btrfs vfat; do
	make_volume $kind 320
	if ! mount "$device" "$work/mnt" 2>/dev/null; then
		diag "this kernel cannot mount $kind"
		end_loops
		continue
	fi
	fill "$work/mnt"
	umount "$work/mnt"
	before=$(sha256sum "$work/$kind.img")
	said=$("$BUILD/tests/tools/boot_entry" "$device:1") || true
	like "$kind: named as blkid names it" "$said" \
		"^1: $kind uuid=$(blkid -p -s UUID -o value "$device") label=$(blkid -p -s LABEL -o value "$device")"
	like "$kind: the kernel is found" "$said" "kernel: /boot/vmlinuz on partition 1, 6 bytes"
	like "$kind: the initrd is found" "$said" "initrd: /boot/initrd.img on partition 1, 6 bytes"
	is "$kind: not a byte has changed" "$(sha256sum "$work/$kind.img")" "$before"
	end_loops
	is "$kind: nothing stays mounted" "$(losetup -n -O BACK-FILE "$device" 2>/dev/null)" ""
done

# openSUSE's way: the default subvolume is a snapshot below another one.
make_volume btrfs 320
if mount "$device" "$work/mnt" 2>/dev/null; then
	btrfs -q subvolume create "$work/mnt/@"
	btrfs -q subvolume create "$work/mnt/@/snapshot"
	fill "$work/mnt/@/snapshot"
	printf 'another' >"$work/mnt/@/snapshot/boot/vmlinuz"
	btrfs -q subvolume set-default "$work/mnt/@/snapshot"
	umount "$work/mnt"
	said=$("$BUILD/tests/tools/boot_entry" "$device:2") || true
	like "btrfs: files of the default subvolume" "$said" \
		"kernel: /boot/vmlinuz on partition 2, default subvolume, 7 bytes"
	mount -o subvolid=5 "$device" "$work/mnt"
	rm -r "$work/mnt/@/snapshot/boot/grub"
	mkdir -p "$work/mnt/@/boot/grub"
	printf 'linux /@/snapshot/boot/vmlinuz\nboot\n' >"$work/mnt/@/boot/grub/grub.cfg"
	umount "$work/mnt"
	said=$("$BUILD/tests/tools/boot_entry" "$device:2") || true
	like "btrfs: a subvolume that GRUB names" "$said" "kernel: /@/snapshot/boot/vmlinuz on partition 2, 7 bytes"
fi
end_loops

# A journal that was not played stays so, and what it would change is not needed.
make_volume ext4 64
mount "$device" "$work/mnt"
fill "$work/mnt"
umount "$work/mnt"
debugfs -w -R "feature needs_recovery" "$device" >/dev/null 2>&1
before=$(sha256sum "$work/ext4.img")
like "ext4 that was not unmounted is read" "$("$BUILD/tests/tools/boot_entry" "$device:1" || true)" "kernel: /boot/vmlinuz"
is "and not repaired" "$(sha256sum "$work/ext4.img")" "$before"
end_loops

truncate -s 16M "$work/empty.img"
attach "$work/empty.img"
like "an empty partition: says so" "$("$BUILD/tests/tools/boot_entry" "$device:1" || true)" "what it holds is not handled"
printf 'LABELONE%016dLVM2 001' 0 | dd of="$device" bs=512 seek=1 conv=notrunc status=none
like "LVM: says so" "$("$BUILD/tests/tools/boot_entry" "$device:1" || true)" "LVM is not handled"
end_loops
done_testing

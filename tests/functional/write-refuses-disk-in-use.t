#!/bin/bash
# F35, F39: a disk that is mounted (itself or a partition), used as swap, claimed by another part of the kernel, read-only, or
# open in another program is refused with exit 5 and its name, and not one byte of it changes.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $(id -u) == 0 && -e /dev/loop-control ]] || skip_all "needs root, for loop devices"
bytes=$((16 << 20))
serve_image "$bytes" $((1 << 20))

# refused LABEL TARGET MESSAGE: the backing file is $work/disk
refused()
{
	local before after

	sync -f "$work"
	before=$(sha256sum <"$work/disk")
	write_disk "$vmcastd_port" "$2"
	after=$(sha256sum <"$work/disk")
	is "$1: exit 5" "$status" 5
	like "$1: says why" "$said" "$3"
	is "$1: not one byte changed" "$after" "$before"
	is "$1: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed 5"
	like "$1: the service knows why" "$(last_job .message)" "$3"
}

fresh()
{
	truncate -s 0 "$work/disk"
	truncate -s "$((bytes * 2))" "$work/disk"
	attach "$work/disk" "$@"
	at_exit release
}

mkdir "$work/mnt"
release()
{
	! mountpoint -q "$work/mnt" || umount "$work/mnt"
	[[ -z ${loop-} ]] || ! grep -q "^$loop " /proc/swaps || swapoff "$loop"
}
fresh
mkfs.ext4 -q "$loop"
mount "$loop" "$work/mnt"
refused "mounted" "$loop" "mounted at $work/mnt"
umount "$work/mnt"
losetup -d "$loop"

# The partition is made by hand, as not every kernel reads partition tables and not every /dev makes nodes by itself.
fresh
printf 'label: gpt\nstart=2048, size=8192, type=linux\n' | sfdisk -q --no-tell-kernel "$loop"
partx --add --nr 1 "$loop"
read -r major minor < <(tr : ' ' <"/sys/class/block/${loop##*/}p1/dev")
mknod "$work/partition" b "$major" "$minor"
mkfs.ext4 -q "$work/partition"
mount -o ro "$work/partition" "$work/mnt"
refused "its partition is mounted, read-only" "$loop" "mounted at $work/mnt"
umount "$work/mnt"
refused "a partition" "$work/partition" "whole disk"
partx --delete --nr 1 "$loop"
losetup -d "$loop"

# An external journal: claimed by the kernel, and in no list of mounts.
fresh
truncate -s "$bytes" "$work/fs"
journal=$loop
attach "$work/fs"
mke2fs -q -O journal_dev -b 1024 "$journal"
mke2fs -q -t ext4 -b 1024 -J device="$journal" "$loop"
mount "$loop" "$work/mnt"
refused "claimed by a file system on another disk" "$journal" "in use"
umount "$work/mnt"
losetup -d "$loop" "$journal"

fresh
mkswap -q "$loop" >/dev/null
swapon "$loop"
refused "swap" "$loop" "is used as swap"
swapoff "$loop"
losetup -d "$loop"

fresh -r
refused "read-only" "$loop" "read-only"
losetup -d "$loop"

sleep 60 | qemu-io -f raw "$work/disk" >/dev/null &
user=$!
at_exit kill "$user"
wait_for 60 grep -q "$(stat -c %i "$work/disk")" /proc/locks
refused "a file that QEMU has open" "$work/disk" "in use"

write_disk "$vmcastd_port" /dev/null
is "a character device: exit 5" "$status" 5
write_disk "$vmcastd_port" /dev/no-such-disk
is "a device that is not there: exit 5" "$status" 5
ok "a device that is not there: no file is made in its place" test ! -e /dev/no-such-disk
write_disk "$vmcastd_port" "$work"
is "a folder: exit 5" "$status" 5
done_testing

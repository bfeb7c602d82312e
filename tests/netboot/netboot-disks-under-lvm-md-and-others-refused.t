#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# F39 on a real kernel, which not every build host has device-mapper and MD for: disks under a logical volume, an encrypted
# volume, a multipath map, a RAID array, and a partition under a volume are each refused, with the name of what holds them. The
# volumes are made as their tools make them (the kernel knows LVM's by the uuid it is given), the array through sysfs.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../qemu/accel.sh
. "$top/qemu/accel.sh"

say()
{
	diag "$*"
}

kernel=$(echo "$BUILD"/packages/kernel-*/lib/modules/*)
root=$work/root
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/modules" "$BUILD/lab"
cp "$(command -v busybox)" "$BUILD/vmcast-boot" "$root/bin/"
cp --parents "$(command -v dmsetup)" "$root"
ldd "$(command -v dmsetup)" | grep -o '/[^ ]*' | xargs cp --parents -L -t "$root"
# Numbered in the order in which they need each other.
nr=100
for module in virtio_pci virtio_blk dm-mod raid1; do
	while read -r _ file _; do
		cp "$file" "$root/modules/$((nr++))-${file##*/}"
	done < <(modprobe -S "${kernel##*/}" -d "${kernel%/lib/modules/*}" --show-depends "$module" | grep ^insmod)
done
cat >"$root/init" <<'END'
#!/bin/busybox sh
PATH=/bin:/sbin:/usr/sbin
busybox mount -t proc proc /proc
busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t sysfs sys /sys
exec >/dev/ttyS0 2>&1
for module in /modules/*; do insmod "$module" 2>/dev/null; done

# volume NAME UUID DEVICE
volume()
{
	dmsetup create "$1" --uuid "$2" --noudevrules --noudevsync --table "0 8192 linear $3 0"
}
volume data-lv LVM-Gx1bCrvxmVyTFAEpVnoZRTKcm3u2EOXJ2tA9XJq0bN0pQxHhTDpXhSyS6yTqMZJd /dev/vdb
volume secret CRYPT-LUKS2-0123456789abcdef0123456789abcdef-secret /dev/vdc
volume mpatha mpath-36001405aaaaaaaaaaaaaaaaaaaaaaaaa /dev/vdd
printf 'n\np\n1\n\n\nw\n' | fdisk /dev/vdf >/dev/null 2>&1
volume part-lv LVM-Gx1bCrvxmVyTFAEpVnoZRTKcm3u2EOXJ3tA9XJq0bN0pQxHhTDpXhSyS6yTqMZJd /dev/vdf1
echo md0 >/sys/module/md_mod/parameters/new_array
md=/sys/block/md0/md
echo none >$md/metadata_version
echo raid1 >$md/level
echo 1 >$md/raid_disks
echo 8192 >$md/component_size
cat /sys/block/vde/dev >$md/new_dev
echo 0 >$md/dev-vde/slot
echo active >$md/array_state
vmcast-boot disks
echo "the end"
sleep 1
poweroff -f
END
chmod +x "$root/init"
(cd "$root" && find . | cpio --quiet -o -H newc) >"$work/initramfs"
drives=()
for nr in 0 1 2 3 4 5; do
	truncate -s 8M "$work/disk$nr"
	drives+=(-drive "if=virtio,format=raw,file=$work/disk$nr")
done
timeout --foreground 300 qemu-system-x86_64 -accel "$(accel)" -machine q35 -m 192 -nodefaults -display none -no-reboot \
	-kernel "$BUILD/env/vmlinuz" -initrd "$work/initramfs" -append 'console=ttyS0 quiet no_timer_check panic=-1' \
	-serial "file:$work/console" "${drives[@]}" || diag "QEMU: exit $?"
said=$(tr -d '\r' <"$work/console")
diag "$said"

# line DISK
line()
{
	grep -E "^$1 " <<<"$said" || true
}
like "it ran" "$said" "the end"
like "a disk that nothing holds is free" "$(line vda)" ' -$'
like "one under a logical volume is refused" "$(line vdb)" 'vdb is part of dm-0 \(LVM\)$'
like "one under an encrypted volume" "$(line vdc)" 'vdc is part of dm-1 \(encryption\)$'
like "one path of a multipath map" "$(line vdd)" 'vdd is part of dm-2 \(multipath\)$'
like "one in a RAID array" "$(line vde)" 'vde is part of md0 \(MD RAID\)$'
like "one whose partition is under a logical volume" "$(line vdf)" 'vdf1 is part of dm-3 \(LVM\)$'
done_testing

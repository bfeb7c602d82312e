#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The hypervisor pack: what is in it, and that its QEMU, confined as on a node, boots guests from every kind of disk, with every
# kind of network card; the same bytes from the same packages; a list of packages that does not fit is refused.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$top"

[[ $BUILD == "$top/build" ]] || skip_all "the pack is made of Debian's packages, whatever the build"
pack=$BUILD/env/hypervisor-x86_64.squashfs
[[ -f $pack ]] || skip_all "needs the hypervisor pack: make hypervisor"

# ---- what is in it

root=$work/root
unsquashfs -quiet -no-progress -dest "$root" "$pack" >"$work/log" 2>&1
for file in usr/bin/qemu-system-x86_64 usr/sbin/mke2fs usr/sbin/sfdisk usr/sbin/ip lib64/ld-linux-x86-64.so.2; do
	ok "/$file is there, to be run" test -x "$root/$file"
done
for file in etc/mke2fs.conf etc/packages usr/share/qemu/bios-256k.bin usr/share/qemu/kvmvapic.bin usr/share/qemu/linuxboot_dma.bin \
	usr/share/OVMF/OVMF_CODE_4M.fd usr/share/OVMF/OVMF_VARS_4M.fd; do
	ok "/$file is there" test -s "$root/$file"
done
for dir in dev guest proc run sys tmp; do
	is "/$dir is there, and empty" "$(ls -A "$root/$dir" 2>&1)" ""
done
unsquashfs -lln "$pack" >"$work/list"
is "directories, files and links of root's, and no setuid, for nobody to write" \
	"$(grep -E ' squashfs-root' "$work/list" | grep -vE '^(d|-)rw[x-]r-[x-]r-[x-] 0/0 |^lrwxrwxrwx 0/0 ')" ""
like "nor file capabilities" "$(unsquashfs -stat "$pack")" 'Xattrs are not stored'
like "it says what it is made of" "$(<"$root/etc/packages")" 'qemu-system-x86 1:7\.2'

# ---- programs in it, as on a node: in a mount namespace and a chroot, as a user with no rights at all

user=()
[[ $(id -u) == 0 ]] || user=(--map-root-user --map-auto)
if ! unshare "${user[@]}" --mount setpriv --reuid=60000 --clear-groups true 2>/dev/null; then
	diag "no namespaces, or no users in them: nothing of it was run"
	done_testing
fi

# in_pack COMMAND...: with what a node mounts there; $root is on no mount for anybody else
in_pack()
{
	# shellcheck disable=SC2016 # the inner shell's
	exec unshare "${user[@]}" --mount -- sh -euc '
		mount -t tmpfs dev "$1/dev"
		: >"$1/dev/null"
		mount --bind /dev/null "$1/dev/null"
		mount --rbind /proc "$1/proc"
		shift
		exec "$@"' - "$root" "$@"
}

truncate -s 64M "$root/guest/node"
partition()
{
	(in_pack chroot "$root" /usr/sbin/sfdisk --quiet /guest/node) <<<$'label: gpt\ntype=linux, name=vmcast-guests'
}
ok "sfdisk makes the node's partition" partition
like "which is as asked" "$(sfdisk --dump "$root/guest/node")" 'label: gpt.*start= *2048,.*name="vmcast-guests"'
file_system()
{
	(in_pack chroot "$root" /usr/sbin/mke2fs -q -t ext4 -L vmcast-guests -E offset=1048576 /guest/node 62M)
}
ok "mke2fs makes its file system" file_system
is "which is as asked" "$(blkid -p -O 1048576 -s TYPE -s LABEL -o value "$root/guest/node" | sort | xargs)" "ext4 vmcast-guests"
like "ip lists the network cards" "$(in_pack chroot "$root" /usr/sbin/ip -o link show dev lo)" LOOPBACK

qemu/image marker "$root/guest/disk-0.raw" --token guest-disk >"$work/log"
chmod 666 "$root/guest/disk-0.raw" # a disk of IDE or SATA is never read-only

cards=()
for card in virtio-net-pci e1000 e1000e rtl8139 vmxnet3; do
	cards+=(-netdev "hubport,id=$card,hubid=0" -device "$card,netdev=$card,romfile=")
done

# start_guest MACHINE bios|uefi OPTION...: sets guest; what is on its serial line is in work/serial
start_guest()
{
	local machine=$1,graphics=off firmware=()

	if [[ $2 == uefi ]]; then
		install -m 666 "$root/usr/share/OVMF/OVMF_VARS_4M.fd" "$root/guest/vars.fd"
		machine+=,pflash0=code,pflash1=vars
		firmware=(-blockdev "driver=file,node-name=code,filename=/usr/share/OVMF/OVMF_CODE_4M.fd,read-only=on"
			-blockdev "driver=file,node-name=vars,filename=/guest/vars.fd")
	fi
	shift 2
	rm -f "$work/serial" "$work/qemu.log" # those of the guest before
	in_pack setpriv --no-new-privs chroot --userspec=60000:60000 --groups= "$root" \
		/usr/bin/qemu-system-x86_64 -no-user-config -nodefaults -display none \
		-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny \
		-machine "$machine" -accel tcg -cpu max -m 256M -serial stdio "${firmware[@]}" "${cards[@]}" \
		-object rng-builtin,id=rng -device virtio-rng-pci,rng=rng \
		-blockdev driver=file,node-name=disk,filename=/guest/disk-0.raw,cache.direct=on,aio=threads "$@" \
		</dev/null >"$work/serial" 2>"$work/qemu.log" &
	guest=$!
}

guest=
end_guest()
{
	[[ -n $guest ]] || return 0
	kill "$guest" 2>/dev/null || true
	wait "$guest" || true
	guest=
}
at_exit end_guest

# How it ended, or what it was started from.
has_booted()
{
	grep -qsa "vmcast-test-booted guest-disk" "$work/serial" || ! kill -0 "$guest" 2>/dev/null
}

# boots MACHINE FIRMWARE BUS OPTION...
boots()
{
	start_guest "$1" "$2" "${@:4}"
	wait_for 120 has_booted || true
	like "$1, $2: boots from $3" "$(tr -d '\0' <"$work/serial")" "vmcast-test-booted guest-disk"
	is "and QEMU has nothing to say" "$(grep -v 'is not connected to host network' "$work/qemu.log")" ""
	confinement=$(grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$guest/status" | xargs) || confinement=
	end_guest
}

boots q35 bios virtio -device virtio-blk-pci,drive=disk,bootindex=0
is "as another user, without capabilities, behind a filter of system calls" "$confinement" \
	"Uid: 60000 60000 60000 60000 CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2"
boots q35 bios scsi -device virtio-scsi-pci,id=hba -device scsi-hd,bus=hba.0,drive=disk,bootindex=0
boots q35 bios sata -device ich9-ahci,id=sata -device ide-hd,bus=sata.0,drive=disk,bootindex=0
boots q35 bios nvme -device nvme,serial=disk,drive=disk,bootindex=0
boots q35 bios usb -device qemu-xhci,id=usb -device usb-storage,bus=usb.0,drive=disk,bootindex=0
boots pc bios ide -device ide-hd,bus=ide.0,drive=disk,bootindex=0
boots q35 uefi virtio -device virtio-blk-pci,drive=disk,bootindex=0
boots pc uefi scsi -device virtio-scsi-pci,id=hba -device scsi-hd,bus=hba.0,drive=disk,bootindex=0

# ---- how it is made

again=$work/elsewhere
mkdir -p "$again/build" "$again/bootloader"
cp -r bootloader/hypervisor bootloader/debian-fetch "$again/bootloader/"
ln -s "$BUILD/packages" "$again/build/packages"

# In another folder, time zone and language, with another umask.
build_again()
{
	(umask 077 && BUILD=$again/build TZ=Asia/Tokyo LC_ALL=C.UTF-8 "$again/bootloader/hypervisor/build" x86_64 >"$work/log" 2>&1)
}
ok "it is built again" build_again
ok "the same, byte for byte" cmp "$pack" "$again/build/env/hypervisor-x86_64.squashfs"

sed -i '/^libfdt1$/d' "$again/bootloader/hypervisor/packages"
ok "without a package that is needed it is not built" eval '! build_again'
like "and it is said which library is missing" "$(<"$work/log")" 'no package here has libfdt.so.1, which qemu-system-x86_64 is linked to'
printf 'libfdt1\nqemu-efi-aarch64\n' >>"$again/bootloader/hypervisor/packages"
ok "nor with one that is not" eval '! build_again'
like "and it is said which one" "$(<"$work/log")" 'nothing is taken of qemu-efi-aarch64'
ok "the pack that was there is still there" cmp "$pack" "$again/build/env/hypervisor-x86_64.squashfs"
done_testing

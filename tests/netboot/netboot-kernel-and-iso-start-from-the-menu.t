#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Items that are no disks: a kernel with its initramfs is started straight from the menu, on a machine without any disk, and so
# is an ISO image, on BIOS and on UEFI.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

# make_initrd FILE: says that it was started, and with what command line, on the first serial port
make_initrd()
{
	local dir=$work/initrd

	mkdir -p "$dir/bin" "$dir/dev" "$dir/proc"
	cp "$(command -v busybox)" "$dir/bin/busybox"
	cat >"$dir/init" <<-END
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		/bin/busybox mount -t proc proc /proc
		echo "vmcast-test-kernel $token: \$(/bin/busybox cat /proc/cmdline)" >/dev/ttyS0
		/bin/busybox sleep 1
		/bin/busybox poweroff -f
	END
	chmod +x "$dir/init"
	(cd "$dir" && find . | cpio --quiet -o -H newc | gzip -1) >"$1"
}

make_iso()
{
	mkdir -p "$work/iso/boot/grub"
	cat >"$work/iso/boot/grub/grub.cfg" <<-END
		serial --unit=0 --speed=115200
		terminal_output serial
		echo "vmcast-test-iso $token"
		sleep 1
		halt
	END
	grub-mkrescue --locales= --fonts= --themes= -o "$1" "$work/iso" >"$work/mkrescue.log" 2>&1 || diag "$(cat "$work/mkrescue.log")"
}

mkdir "$work/kernel"
cp "$BUILD/env/vmlinuz" "$work/kernel/bzimage"
make_initrd "$work/kernel/initrd"
(cd "$work/kernel" && zip -q ../kernel.zip bzimage initrd)
make_iso "$work/live.iso"
netboot_up --dhcp own
touch -d yesterday "$work/live.iso"
"$top/qemu/feed" http://10.77.0.1:8088 --title "Unikernel" "$work/kernel.zip" --title "Live system" "$work/live.iso" |
	sed '/Unikernel/s,$,<vmcast:cmdline>console=ttyS0 no_timer_check quiet from=feed</vmcast:cmdline>,' >"$work/feed.xml"
lab serve "$work/kernel.zip" "$work/live.iso" "$work/feed.xml"
lab vmcast feed add --wait http://10.77.0.1:8088/feed.xml policy=none >/dev/null
both_are_ready()
{
	[[ $(api item list | jq -r '[.items[] | "\(.kind) \(.state)"] | sort | join(", ")') == "iso ready, kernel ready" ]]
}
ok "a kernel and an ISO image are known for what they are" wait_for 60 both_are_ready
diag "$(lab vmcast item list)"

# both_start FIRMWARE MAC OPTION...
both_start()
{
	lab machine --id "kernel-$1" --memory 192 --detach "${@:3}" >/dev/null
	# UEFI draws the line that is chosen last, and this is the first that is there.
	like "$1: the menu shows what they are" "$(lab choose "kernel-$1" 180)" '(Unikernel \[kernel\]|Live system \[iso\])'
	like "$1: it starts with its initramfs and its command line" "$(lab wait "kernel-$1" "vmcast-test-kernel $token" 180)" 'from=feed'

	lab vmcast machine assign "$2" "Live system" >/dev/null
	lab machine --id "iso-$1" --mac "$2" --memory 192 --detach "${@:3}" >/dev/null
	ok "$1: the ISO image starts, without a question, where it is assigned" lab wait "iso-$1" "vmcast-test-iso $token" 240
}
both_start bios 52:54:00:77:01:09
both_start uefi 52:54:00:77:01:0a --uefi
is "nothing was written for any of it; that they are read is known" "$(api job list | jq -r '[.jobs[].phase] | join(" ")')" "started started started started"
done_testing

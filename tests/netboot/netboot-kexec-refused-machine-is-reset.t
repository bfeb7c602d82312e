#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# BIOS, machines assigned to land by kexec, with a boot environment in lockdown: where there is no kernel to be found, what is
# named is none, its signature does not hold, or memory does not suffice, the machine is reset and boots its disk, and console and
# service say why.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

# put_root KERNEL INITRD_BYTES: the third partition of $image becomes a file system with a grub.cfg for that kernel
put_root()
{
	local start sectors root=$work/root

	read -r start sectors < <(sfdisk --json "$image" | jq -r '.partitiontable.partitions[2] | "\(.start) \(.size)"')
	rm -rf "$root"
	mkdir -p "$root/boot/grub"
	cp "$1" "$root/boot/vmlinuz"
	truncate -s "$2" "$root/boot/initrd"
	printf 'menuentry x {\n linux /boot/vmlinuz quiet\n initrd /boot/initrd\n}\n' >"$root/boot/grub/grub.cfg"
	truncate -s $((sectors * 512)) "$work/ext4"
	mkfs.ext4 -q -F -d "$root" "$work/ext4"
	dd if="$work/ext4" of="$image" bs=64K seek=$((start * 512)) oflag=seek_bytes conv=notrunc status=none
	rm "$work/ext4"
}

# is_reset NAME REASON MAC: $image is assigned to land by kexec, and lands by a reset
is_reset()
{
	local name=$1 id

	"$top/qemu/feed" http://10.77.0.1:8088 --title "$name" "$image" >"$work/$name.xml"
	lab serve "$image" "$work/$name.xml"
	lab vmcast feed add --wait "http://10.77.0.1:8088/$name.xml" policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
	# shellcheck disable=SC2317 # called by wait_for
	is_ingested() { [[ $(api item list | jq -r ".items[] | select(.title == \"$name\") | .state") == ready ]]; }
	wait_for 120 is_ingested || diag "$(api item list)"
	id=$(api item list | jq -r ".items[] | select(.title == \"$name\") | .id")
	lab vmcast machine assign "$3" "$id" --landing kexec >/dev/null
	lab machine --id "$name" --mac "$3" --memory 512 --disk 160M --detach >/dev/null
	ok "$name: the machine boots what was written" lab wait "$name" "vmcast-test-booted $token" 300
	like "$name: the console says why not by kexec" "$(lab said "$name")" "vmcast: kexec at .*: lands by a reset, not by kexec: .*$2"
	like "$name: so does the service" "$(last_job message)" "^lands by a reset, not by kexec: .*$2"
	is "$name: to which it is installed" "$(assignment "$3") $(last_job phase)" "installed done"
	diag "$name: $(last_job message)"
	lab stop "$name"
}

netboot_image 128M
netboot_up --dhcp own --config - <<<'kernel_args = console=tty0 console=ttyS0,115200 quiet no_timer_check lockdown=integrity'

is_reset nothing "no grub.cfg, boot loader entry or unified kernel image on the disk" 52:54:00:77:01:21

printf 'no kernel at all' >"$work/text"
put_root "$work/text" 1M
is_reset text "kernel '/boot/vmlinuz': it is no kernel that this one can start" 52:54:00:77:01:22

# A byte in the middle, which no header but the signature covers.
cp "$BUILD/env/vmlinuz" "$work/changed"
printf 'X' | dd of="$work/changed" bs=1 seek=$(($(stat -c %s "$work/changed") / 2)) conv=notrunc status=none
put_root "$work/changed" 1M
is_reset lockdown "kernel '/boot/vmlinuz': (not permitted .kernel lockdown|it is not signed)" 52:54:00:77:01:23

put_root "$BUILD/env/vmlinuz" 300M
is_reset memory "too little memory: kernel and initial RAM disks of 307[.][0-9] MiB, [0-9.]+ MiB are free" 52:54:00:77:01:24
done_testing

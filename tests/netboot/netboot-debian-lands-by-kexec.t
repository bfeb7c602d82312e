#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same Debian, assigned to land by kexec and by a reset, on BIOS and on UEFI: by kexec neither firmware nor the disk's boot
# loader is run. How long each takes from the commit to the login prompt is shown.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

image=$BUILD/images/debian-12.raw.zst
"$top/qemu/image" debian
netboot_up --dhcp own
announce "$image"
wait_for 300 item_is_ready || diag "$(api item list)"

# land FIRMWARE LANDING MAC: a machine of its own, called FIRMWARE-LANDING
land()
{
	local id=$1-$2 begin tenths

	lab vmcast machine assign "$3" "$item" --landing "$2" >/dev/null
	lab machine --id "$id" "--$1" --mac "$3" --memory 768 --disk 1280M --detach >/dev/null
	ok "$id: the image is committed" lab wait "$id" 'vmcast: commit' 600
	begin=$(date +%s%1N)
	ok "$id: the login prompt of what was written" \
		lab wait "$id" "vmcast demo image $(cat "$BUILD/images/debian-12.word")" 600
	tenths=$(($(date +%s%1N) - begin))
	diag "$id: $((tenths / 10)).$((tenths % 10)) s from commit to prompt"
	is "$id: the service has the receipt, and nothing to add" "$(last_job phase) $(last_job message)" "done "
}

mac=16
for firmware in bios uefi; do
	land $firmware kexec 52:54:00:77:01:$((mac += 1))
	like "$firmware: the console says what is started" "$(lab said $firmware-kexec)" \
		'vmcast: kexec at .*: /vmlinuz by /boot/grub/grub.cfg:[0-9]+, arguments: root='
	unlike "$firmware: the disk's boot loader was not" "$(lab said $firmware-kexec)" "GRUB: starting Debian"
	lab stop $firmware-kexec
	land $firmware disk 52:54:00:77:01:$((mac += 1))
	like "$firmware: after a reset it was" "$(lab said $firmware-disk)" "GRUB: starting Debian"
	lab stop $firmware-disk
done
done_testing

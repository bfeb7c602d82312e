#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UEFI, a disk larger than the image, whose last partition is to grow: Debian boots from it, its backup GPT is at the disk's end,
# and the last partition ends there. The next time the same image is written, it is found on the disk.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:03:01
image=$BUILD/images/debian-12.raw.zst

# sectors FIELD: of the disk's last partition
sectors()
{
	sfdisk --json "$disk" | jq ".partitiontable.partitions | max_by(.start) | .$1"
}

"$top/qemu/image" debian
netboot_up --dhcp own
announce "$image"
wait_for 300 item_is_ready || diag "$(api item list)"
lab vmcast machine assign "$mac" "$item" --grow >/dev/null
lab machine --id m --uefi --mac "$mac" --memory 768 --disk 2G --detach >/dev/null
ok "the image is committed" lab wait m 'vmcast: commit' 600
like "the console says what became of the table" "$(lab said m)" "vmcast: table at .*: disk vda: the last partition has 2.0 GiB now"
ok "the login prompt of what was written" lab wait m "vmcast demo image $(cat "$BUILD/images/debian-12.word")" 600
lab stop m

disk=$BUILD/lab/$LAB/machines/m/disk0.raw
[[ -f $disk ]] || disk=$(find "$BUILD/lab/$LAB" -size +1G -name '*.raw' | head -1)
like "sgdisk finds nothing wrong with the table" "$(sgdisk -v "$disk" 2>&1)" "No problems found"
is "the partition ends in the disk's last whole MiB" "$((($(sectors start) + $(sectors size)) / 2048))" 2047

lab vmcast machine assign "$mac" "$item" --grow >/dev/null
lab start m
ok "written again, it is committed again" lab wait m 'vmcast: commit' 600
like "nearly all of it was there" "$(lab said m)" "vmcast: resume at .*: [0-9]+ of [0-9]+ chunks were already on the disk"
lab stop m
like "and the table is right again" "$(sgdisk -v "$disk" 2>&1)" "No problems found"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# F36: `make powercuts` in short, its first half: what a machine asks of its disk is recorded, and the disk as power cuts would
# have left it is looked at, and booted by real firmware.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

status=0
"$top/tests/power/commit-last" --image-bytes 16M --cuts 10 --boots 0 --lanes 1 --out "$work" >"$work/said" 2>&1 || status=$?
diag "$(<"$work/said")"
is "it runs, and nothing is wrong" "$status" 0
[[ -f $work/commit-last.json ]] || done_testing

# what FIRMWARE STATE: all that it booted of such disks
what()
{
	jq -r --arg firmware "$1" --arg state "$2" '.states[] | select(.state == $state) | .[$firmware] | keys | join(" ")' \
		"$work/commit-last.json"
}

for firmware in bios uefi; do
	is "$firmware: before the first write the old system boots" "$(what "$firmware" old)" OLD
	is "$firmware: after the first flush nothing does" "$(what "$firmware" blank)" nothing
	is "$firmware: nor without boot sectors" "$(what "$firmware" labelled)" nothing
	is "$firmware: and in the end the image" "$(what "$firmware" end)" NEW
done
is "no state is wrong" "$(jq -c .wrong "$work/commit-last.json")" "[]"
is "labels of file systems, volumes and RAID were recognised before, and are gone" \
	"$(jq -r '[.labels[] | select(.before != "" and .left == "") | .name] | sort | join(" ")' "$work/commit-last.json")" \
	"btrfs ext4 iso9660 lvm md-1.0 md-1.2 swap zfs"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Two disks and no rule: nothing is guessed and nothing written. With a rule, the disk that it
# names is written and the other is left alone.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:05
netboot_image 64M
netboot_up --dhcp own
netboot_publish
full_disk "$work/disk0" 64M
full_disk "$work/disk1" 64M
full_disk "$work/before" 64M
lab vmcast machine assign "$mac" "$item" >/dev/null
lab machine --id m --mac "$mac" --disk-file "$work/disk0" --disk-file "$work/disk1" --detach >/dev/null
ok "the service learns of the refusal" wait_job failed 180
is "by its exit code: target" "$(last_job exit)" 5
like "and its message" "$(last_job message)" 'vda.*vdb'
is "and shows it with the machine" "$(api machine show "$mac" | jq -r .error)" "$(last_job message)"
like "the console names one disk" "$(lab said m)" 'vda'
like "and the other" "$(lab said m)" 'vdb'
lab stop m
ok "the first disk is untouched" cmp "$work/disk0" "$work/before"
ok "the second disk is untouched" cmp "$work/disk1" "$work/before"

lab vmcast machine assign "$mac" "$item" --target serial=m-1 >/dev/null
lab start m
ok "with a rule, the image is committed" lab wait m 'vmcast: commit' 180
ok "and received" wait_job "done" 30
lab stop m
ok "every byte of the named disk is the image's" holds_image "$work/disk1"
ok "the other disk is untouched" cmp "$work/disk0" "$work/before"
done_testing

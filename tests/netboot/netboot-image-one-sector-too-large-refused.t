#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An image one sector larger than the only disk: refused before anything is written.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:06
netboot_image $(((64 << 20) + 512))
netboot_up --dhcp own
netboot_publish
full_disk "$work/disk" 64M
full_disk "$work/before" 64M
lab vmcast machine assign "$mac" "$item" >/dev/null
lab machine --id m --mac "$mac" --disk-file "$work/disk" --detach >/dev/null
ok "the service learns of the refusal" wait_job failed 180
is "by its exit code: target" "$(last_job exit)" 5
like "and its message says what is too small" "$(last_job message)" 'vda.*(small|bytes|MiB)'
is "and shows it with the machine" "$(api machine show "$mac" | jq -r .error)" "$(last_job message)"
lab stop m
ok "the disk is untouched" cmp "$work/disk" "$work/before"
done_testing

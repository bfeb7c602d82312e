#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An OVA of two disks: by a rule for each, both disks of the machine get their images, and it boots from the first.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:08
netboot_image 64M
make_image "$work/data" 24M $((1 << 20))
make_ova "$work/two.ova" "$image" "$work/data"
netboot_up --dhcp own
announce "$work/two.ova"
wait_for 60 item_is_ready || diag "$(api item list)"
full_disk "$work/disk0" 64M
full_disk "$work/disk1" 32M
lab vmcast machine assign "$mac" "$item" --target serial=m-0 --target serial=m-1 >/dev/null
lab machine --id m --mac "$mac" --memory 192 --disk-file "$work/disk0" --disk-file "$work/disk1" --detach >/dev/null
ok "both disks are committed" lab wait m 'vmcast: commit' 180
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
ok "every byte on the first disk is its image's" holds_image "$work/disk0"
ok "and every byte on the second" holds_disk_image "$work/data" "$work/disk1"
is "the service knows both" "$(last_job disk)" "vda, vdb"
done_testing

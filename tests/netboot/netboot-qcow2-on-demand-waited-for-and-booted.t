#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A feed whose items are ingested when somebody wants them: the menu shows one that is not here yet, choosing it begins its
# ingest, the machine shows how far that is, then writes and boots it. What is announced is a qcow2.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

netboot_image 64M
qemu-img convert -f raw -O qcow2 "$image" "$work/image.qcow2"
netboot_up --dhcp own
announce "$work/image.qcow2" ingest=demand
is "nothing is ingested before somebody wants it" "$(api item list | jq -r '.items[0].state')" announced
full_disk "$work/disk" 64M
lab machine --id m --mac 52:54:00:77:01:07 --memory 192 --disk-file "$work/disk" --detach >/dev/null
like "the menu shows the image, not here yet" "$(lab choose m 180)" 'Test image \(not here yet\).*unsigned'
ok "the machine says what it waits for" lab wait m 'Test image (is being made ready|waits for its turn)' 60 --screen
ok "the image is committed" lab wait m 'vmcast: commit' 180
ok "its menu comes again, and stands on the local disk" take_local_disk m 120
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
ok "every byte on the disk is the image's" holds_image "$work/disk"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# BIOS, virtio, DHCP by vmcastd, 192 MiB of memory: somebody chooses the image in the menu, the
# machine writes it over a disk that was full of something else, and boots it.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

netboot_image 64M
netboot_up --dhcp own
netboot_publish
full_disk "$work/disk" 64M
lab machine --id m --mac 52:54:00:77:01:01 --memory 192 --disk-file "$work/disk" --detach >/dev/null
like "the menu shows the image, unsigned" "$(lab choose m 180)" 'Test image.*unsigned'
ok "the image is committed" lab wait m 'vmcast: commit' 180
ok "its menu comes again, and stands on the local disk" take_local_disk m 120
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
ok "every byte on the disk is the image's" holds_image "$work/disk"
is "the service has the receipt" "$(last_job phase)" "done"
is "and knows the disk" "$(last_job disk)" vda
done_testing

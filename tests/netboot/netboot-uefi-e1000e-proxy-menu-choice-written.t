#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UEFI, e1000e (its option ROM brings the driver), the site's own DHCP server beside a proxy: the
# image is chosen in the menu.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

netboot_image 64M
netboot_up --dhcp proxy
netboot_publish
lab machine --uefi --nic e1000e --id m --disk 64M --detach >/dev/null
like "the menu shows the image, unsigned" "$(lab choose m 180)" 'Test image.*unsigned'
ok "the image is committed" lab wait m 'vmcast: commit' 180
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
entry=$(lab said m | sed -n 's/^vmcast: firmware at .*: \(Boot[0-9A-F]*\) "vmcast disk" is next$/\1/p')
like "by an entry of the firmware's that was made for it" "$(lab said m)" "BdsDxe: starting ${entry:-none} \"vmcast disk\" from HD\\("
ok "every byte on the disk is the image's" holds_image "$BUILD/lab/$LAB/machines/m/disk0.raw"
is "the service has the receipt" "$(last_job phase)" "done"
lab stop m
lab start m
ok "switched on again, the network comes first: its menu stands on the local disk" take_local_disk m 180
ok "which iPXE starts" lab wait m "vmcast-test-booted $token" 120
done_testing

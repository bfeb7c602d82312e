#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# BIOS, e1000e, the site's own DHCP server beside a proxy: an assigned machine installs unattended,
# and from then on boots from its disk, although the network comes first. 192 MiB of memory are enough.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:02
netboot_image 64M
netboot_up --dhcp proxy
netboot_publish
lab vmcast machine assign "$mac" "$item" >/dev/null
lab machine --memory 192 --id m --mac "$mac" --nic e1000e --disk 128M --detach >/dev/null
ok "the image is committed, and nobody was asked" lab wait m 'vmcast: commit' 180
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
ok "every byte on the disk is the image's" holds_image "$BUILD/lab/$LAB/machines/m/disk0.raw"
is "the assignment is installed" "$(assignment "$mac")" installed

lab stop m
lab start m
ok "switched on again, it boots from its disk" lab wait m "vmcast-test-booted $token" 120
is "without installing again" "$(job_count)" 1
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UEFI, virtio, DHCP by vmcastd: the firmware's own network boot fetches iPXE over TFTP; an
# assigned machine installs unattended, from the small initramfs, and from then on boots from its disk.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:03
netboot_image 64M
netboot_up --dhcp own --config - <<<'initramfs = initramfs-virtio'
netboot_publish
lab vmcast machine assign "$mac" "$item" >/dev/null
full_disk "$work/disk" 96M
lab machine --memory 192 --uefi --id m --mac "$mac" --disk-file "$work/disk" --detach >/dev/null
ok "the image is committed, and nobody was asked" lab wait m 'vmcast: commit' 180
ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
ok "every byte on the disk is the image's" holds_image "$work/disk"
is "the assignment is installed" "$(assignment "$mac")" installed

lab stop m
lab start m
ok "switched on again, it boots from its disk" lab wait m "vmcast-test-booted $token" 120
is "without installing again" "$(job_count)" 1
done_testing

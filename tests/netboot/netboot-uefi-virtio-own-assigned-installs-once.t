#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UEFI, virtio, DHCP by vmcastd: the firmware's own network boot fetches iPXE over TFTP; an
# assigned machine installs unattended, from the small initramfs, and from then on boots from its disk.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

netboot_image 64M
netboot_up --dhcp own --config - <<<'initramfs = initramfs-virtio'
netboot_publish
full_disk "$work/disk" 96M
installs_once 52:54:00:77:01:03 "$work/disk" --memory 192 --uefi --disk-file "$work/disk"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# BIOS, e1000e, the site's own DHCP server beside a proxy: an assigned machine installs unattended,
# and from then on boots from its disk, although the network comes first. 192 MiB of memory are enough.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

netboot_image 64M
netboot_up --dhcp proxy
netboot_publish
installs_once 52:54:00:77:01:02 "$BUILD/lab/$LAB/machines/m/disk0.raw" --memory 192 --nic e1000e --disk 128M
done_testing

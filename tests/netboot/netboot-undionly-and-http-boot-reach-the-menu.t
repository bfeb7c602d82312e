#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The ways in that QEMU's iPXE option ROMs hide: on BIOS undionly.kpxe over TFTP, which stands on
# the network boot that is there already (here another iPXE's), and UEFI HTTP boot.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

cat >"$work/script.ipxe" <<'END'
#!ipxe
ifopen net0
dhcp net0
chain tftp://10.77.0.1/undionly.kpxe
END
netboot_up --dhcp own
lab machine --id bios --detach --qemu -kernel --qemu "$BUILD/firmware/ipxe.lkrn" \
	--qemu -initrd --qemu "$work/script.ipxe" >/dev/null
lab machine --id uefi --uefi --detach --qemu -fw_cfg \
	--qemu name=opt/org.tianocore/IPv4PXESupport,string=n >/dev/null
ok "BIOS: undionly.kpxe comes by TFTP" lab wait bios 'tftp://.*undionly.kpxe.* ok' 60 --screen
ok "and shows the menu" lab wait bios 'Boot from the local disk' 60 --screen
ok "UEFI: the firmware boots over HTTP" lab wait uefi 'HTTP Boot over IPv4' 60
ok "and shows the menu" lab wait uefi 'Boot from the local disk' 60
like "with iPXE that came by HTTP" "$(lab said uefi)" "http://10.77.0.1:8880/firmware/snponly.efi"
done_testing

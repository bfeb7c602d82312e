#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dhcp = proxy: boot files beside the DHCP server of the site, which knows nothing of them; on ports 67 and 4011.
set -eu
# shellcheck source=tests/functional/dhcp.sh
. "$(dirname "$0")/dhcp.sh"

url=http://10.77.0.1:8880
configure 'dhcp = proxy'
ok "vmcastd starts dnsmasq" service_start

ask --arch 0 --vendor ''
is "a machine that does not boot from the network is not answered" "$answer" 'no answer'
ask --arch 0
is "BIOS gets an offer without an address" "$(told address)" 0.0.0.0
is "of a PXE server" "$(told vendor-class)" PXEClient
# 8: boot servers, 08 07: type 8000 is at 1 address, 0a4d0001; 09: the menu that names type 8000.
like "which names itself as boot server" "$(told vendor-options)" '08078000010a4d0001.*09098000'
ask --arch 7
is "UEFI gets an offer of a PXE server, too" "$(told vendor-class)/$(told next-server)" PXEClient/10.77.0.1
address=always
tells_files "the proxy" <<-END
	$url/boot.ipxe --arch 0 --ipxe
	$url/boot.ipxe --arch 7 --ipxe
	$url/boot.ipxe --arch 11 --user-class iPXE
	$url/firmware/snponly.efi --arch 16 --vendor HTTPClient:Arch:00016:UNDI:003016
	$url/firmware/ipxe-arm64.efi --arch 19 --vendor HTTPClient:Arch:00019:UNDI:003016
END
is "UEFI HTTP boot sees its vendor class again" "$(told vendor-class)" HTTPClient

machine ip address add 10.77.0.50/24 dev c0
tells_files "port 4011" --from 10.77.0.50 --pxe-server 10.77.0.1 <<-END
	undionly.kpxe --arch 0
	snponly.efi --arch 7
	snponly.efi --arch 9
	ipxe-arm64.efi --arch 11
END
machine busybox tftp -g -l "$work/got" -r snponly.efi 10.77.0.1 >/dev/null 2>&1 || true
ok "TFTP gives snponly.efi as it is" cmp "$work/got" "$top/build/firmware/snponly.efi"

kill "$service_pid"
wait "$service_pid" || true
done_testing

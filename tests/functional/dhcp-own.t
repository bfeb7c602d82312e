#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dhcp = own: every kind of machine gets an address and the boot file it can run; dnsmasq lives exactly as long as vmcastd.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
# shellcheck source=tests/functional/dhcp.sh
. "$(dirname "$0")/dhcp.sh"

url=http://10.77.0.1:8880
configure 'dhcp = own' 'dhcp_range = 10.77.0.100,10.77.0.110' 'dhcp_lease = 10m'
ok "vmcastd starts dnsmasq" service_start

address=always
tells_files vmcastd <<-END
	undionly.kpxe --arch 0
	snponly.efi --arch 7
	snponly.efi --arch 9
	ipxe-arm64.efi --arch 11
	$url/boot.ipxe --arch 0 --ipxe
	$url/boot.ipxe --arch 7 --ipxe
	$url/boot.ipxe --arch 11 --user-class iPXE
	$url/firmware/snponly.efi --arch 16 --vendor HTTPClient:Arch:00016:UNDI:003016
	$url/firmware/ipxe-arm64.efi --arch 19 --vendor HTTPClient:Arch:00019:UNDI:003016
END
is "UEFI HTTP boot sees its vendor class again" "$(told vendor-class)" HTTPClient
ask --arch 16 --vendor HTTPClient:Arch:00016:UNDI:003016 --ipxe
is "... but iPXE started that way gets the script" "$(told file)" "$url/boot.ipxe"

ask --arch 0 --request
like "a machine is given an address of the range" "$(told address)" '^10\.77\.0\.1(0[0-9]|10)$'
is "no router is announced where none is named" "$(told router)" ''
ok "the lease is in state_dir" grep -q 52:54:00:00:00:01 "$work/state/dnsmasq.leases"
like "and in our log" "$(cat "$work/vmcastd.log")" 'dnsmasq: DHCPACK\(s0\) 10\.77\.0\.'

machine ip address add 10.77.0.50/24 dev c0
for file in undionly.kpxe snponly.efi ipxe-arm64.efi; do
	machine busybox tftp -g -l "$work/got" -r "$file" 10.77.0.1 >/dev/null 2>&1 || true
	ok "TFTP gives $file as it is" cmp "$work/got" "$top/build/firmware/$file"
	rm -f "$work/got"
done
for file in ../dnsmasq.conf ../../state/vmcast.db /etc/hostname; do
	machine busybox tftp -g -l "$work/got" -r "$file" 10.77.0.1 >/dev/null 2>&1 || true
	ok "TFTP does not give $file" test ! -s "$work/got"
done

first=$(dnsmasq_pid)
like "dnsmasq can do no more than it needs" "$(grep CapBnd "/proc/$first/status")" '0000000000003400'
like "and gains nothing by running others" "$(grep NoNewPrivs "/proc/$first/status")" '1$'
kill -9 "$first"
another()
{
	local now
	now=$(dnsmasq_pid) && [[ -n $now && $now != "$first" ]] && alive "$now"
}
ok "dnsmasq that is killed is started again" wait_for 60 another
like "which is logged" "$(cat "$work/vmcastd.log")" 'dnsmasq: ended by signal 9.*, starting it again in 1 s'
answers()
{
	ask --arch 0
	[[ $(told file) == undionly.kpxe ]]
}
ok "and answers" wait_for 60 answers

second=$(dnsmasq_pid)
kill -9 "$service_pid"
wait "$service_pid" 2>/dev/null || true
ok "when vmcastd is killed, dnsmasq ends" wait_for 60 dead "$second"

ok "vmcastd starts again" service_start
third=$(dnsmasq_pid)
kill "$service_pid"
status=0
wait "$service_pid" || status=$?
is "vmcastd that is asked to stop ends with 0" "$status" 0
ok "and dnsmasq is gone by then" dead "$third"

configure 'dhcp = own' 'dhcp_range = 10.78.0.100,10.78.0.110'
status=0
"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>"$work/refused.log" || status=$?
is "a range of some other network is refused" "$status" 1
like "with both named" "$(cat "$work/refused.log")" \
	"dhcp_range = '10.78.0.100,10.78.0.110': outside of 10.77.0.1/24, the network of 's0'"
done_testing

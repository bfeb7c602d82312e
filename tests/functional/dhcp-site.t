#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dhcp = off: the lines that --print-dhcp prints make the site's own DHCP server say what ours would; vmcastd serves TFTP.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
# shellcheck source=tests/functional/dhcp.sh
. "$(dirname "$0")/dhcp.sh"

url=http://10.77.0.1:8880
configure 'dhcp = off'
ok "vmcastd serves TFTP" service_start
ask --arch 0
is "and no DHCP" "$answer" 'no answer'
machine ip address add 10.77.0.50/24 dev c0
machine busybox tftp -g -l "$work/got" -r undionly.kpxe 10.77.0.1 >/dev/null 2>&1 || true
ok "TFTP gives undionly.kpxe as it is" cmp "$work/got" "$top/build/firmware/undionly.kpxe"

"$BUILD/vmcastd" --config "$work/vmcastd.conf" --print-dhcp >"$work/site"

# expect SERVER: that SERVER, which is running, was told everything that machines need
expect()
{
	tells_files "$1" <<-END
		undionly.kpxe --arch 0
		snponly.efi --arch 7
		snponly.efi --arch 9
		ipxe-arm64.efi --arch 11
		$url/boot.ipxe --arch 0 --ipxe --user-class iPXE
		$url/boot.ipxe --arch 7 --ipxe --user-class iPXE
		$url/firmware/snponly.efi --arch 16 --vendor HTTPClient:Arch:00016:UNDI:003016
	END
	is "$1 names HTTPClient to UEFI HTTP boot" "$(told vendor-class)" HTTPClient
}

ip address add 10.77.0.2/24 dev s0
{
	printf '%s\n' port=0 no-ping interface=s0 bind-interfaces user=root group= dhcp-authoritative log-facility=- pid-file= \
		"dhcp-leasefile=$work/site.leases" dhcp-range=10.77.0.100,10.77.0.110,600
	sed -n '/^# For dnsmasq/,/^$/p' "$work/site"
} >"$work/site-dnsmasq.conf"
dnsmasq --keep-in-foreground --conf-file="$work/site-dnsmasq.conf" 2>"$work/site.log" &
site_pid=$!
answers()
{
	ask --arch 0
	[[ $answer != 'no answer' ]]
}
ok "the site's dnsmasq takes the lines for dnsmasq" wait_for 60 answers
expect dnsmasq
kill "$site_pid"
wait "$site_pid" || true

if command -v dhcpd >/dev/null; then
	{
		sed -n '/^option client-architecture/p' "$work/site"
		echo 'authoritative; subnet 10.77.0.0 netmask 255.255.255.0 { range 10.77.0.120 10.77.0.130;'
		sed -n '/^option client-architecture/,$p' "$work/site" | sed 1d
		echo '}'
	} >"$work/dhcpd.conf"
	: >"$work/dhcpd.leases"
	dhcpd -4 -f -cf "$work/dhcpd.conf" -lf "$work/dhcpd.leases" -pf "$work/dhcpd.pid" --no-pid s0 2>"$work/dhcpd.log" &
	site_pid=$!
	ok "the site's dhcpd takes the lines for ISC dhcpd" wait_for 60 answers
	expect dhcpd
	kill "$site_pid"
	wait "$site_pid" || true
fi
kill "$service_pid"
wait "$service_pid" || true
done_testing

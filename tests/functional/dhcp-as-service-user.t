#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As vmcastd.service runs it: a user of its own and the unit's capabilities are enough for DHCP, TFTP and the end of dnsmasq.
set -eu
# shellcheck source=tests/functional/dhcp.sh
. "$(dirname "$0")/dhcp.sh"

caps=-all$(sed -n 's/^AmbientCapabilities=//p' "$top/provisioner/vmcastd.service" | tr "[:upper:]" "[:lower:]" | sed 's/ *cap_/,+/g')
as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
"${as_user[@]}" true 2>/dev/null || skip_all "needs a second user in this namespace"
configure 'dhcp = own' 'dhcp_range = 10.77.0.100,10.77.0.110'
sed -i 's/^group = .*/group = nogroup/' "$work/vmcastd.conf"
# Installed files are everybody's to read; a build folder below somebody's home may not be.
cp -r "$top/build/firmware" "$work/firmware"
chmod 755 "$work" "$work/firmware"
sed -i "s|^firmware_dir = .*|firmware_dir = $work/firmware|" "$work/vmcastd.conf"
mkdir "$work/state" "$work/run"
chown 65534:65534 "$work/state" "$work/run"
"${as_user[@]}" "--inh-caps=$caps" "--ambient-caps=$caps" "--bounding-set=$caps" --no-new-privs \
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>"$work/vmcastd.log" &
service_pid=$!
ok "dnsmasq starts" wait_for 60 test -s "$work/run/dnsmasq.pid"
pid=$(dnsmasq_pid)
like "as the same user" "$(grep Uid: "/proc/$pid/status")" $'\t65534\t65534\t65534'
ask --arch 7 --request
is "a machine is told its boot file" "$(told file)" snponly.efi
like "and given an address" "$(told address)" '^10\.77\.0\.1'
machine ip address add 10.77.0.50/24 dev c0
machine busybox tftp -g -l "$work/got" -r snponly.efi 10.77.0.1 >/dev/null 2>&1 || true
ok "TFTP gives it the file" cmp "$work/got" "$top/build/firmware/snponly.efi"
kill -9 "$service_pid"
wait "$service_pid" 2>/dev/null || true
ok "when vmcastd is killed, dnsmasq ends" wait_for 60 dead "$pid"
done_testing

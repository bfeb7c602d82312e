# SPDX-License-Identifier: GPL-2.0-or-later
# The lab's servers: vmcastd (which runs its own dnsmasq), the publisher's web server and, where
# vmcastd is to be a proxy, the DHCP server of the site.
# Sourced after process.sh and namespace.sh.
# shellcheck shell=bash

# service_configure DHCP EXTRA: writes vmcastd.conf; a key in EXTRA replaces ours. The kernel is to be quiet, so that the
# console shows what the client says, and not to check its timer: on a busy host without KVM an emulated one fails that.
service_configure()
{
	local dhcp=$1 extra=$2 keys

	cat -- "$extra" >"$lab_dir/extra.conf"
	keys=$(sed -n 's/^[[:space:]]*\([a-z_]*\)[[:space:]]*=.*/\1/p' "$lab_dir/extra.conf" | sort -u | tr '\n' '|')
	{
		grep -vE "^(${keys%|}) = " <<-END || :
			listen = $LAB_ADDRESS:8880
			url = http://$LAB_ADDRESS:8880
			socket = $lab_run/vmcast/api.sock
			group = root
			user = root
			state_dir = $lab_dir/state
			run_dir = $lab_run/vmcast
			env_dir = $BUILD/env
			firmware_dir = $BUILD/firmware
			unpack = $BUILD/vmcast-unpack
			allow_host = $LAB_ADDRESS
			menu_title = vmcast lab
			kernel_args = console=tty0 console=ttyS0,115200 quiet no_timer_check
			dhcp = $dhcp
			dhcp_interface = br0
			dnsmasq = $(command -v dnsmasq)
			dhcp_range = 10.77.0.100,10.77.0.200
		END
		cat "$lab_dir/extra.conf"
	} >"$lab_dir/vmcastd.conf"
	mkdir -p "$lab_dir/state"
}

# service_start: returns when it answers
service_start()
{
	local i

	[[ -x $BUILD/vmcastd ]] || die "no $BUILD/vmcastd (\`make\` builds it)"
	! process_pid "$lab_dir/vmcastd" >/dev/null || die "vmcastd runs already"
	process_start "$lab_dir/vmcastd" "$lab_dir/vmcastd.log" "$BUILD/vmcastd" --config "$lab_dir/vmcastd.conf"
	for ((i = 0; i < 150; i++)); do
		! curl -fsS -o /dev/null --max-time 2 "http://$LAB_ADDRESS:8880/healthz" 2>/dev/null || return 0
		process_pid "$lab_dir/vmcastd" >/dev/null || break
		sleep 0.1
	done
	say "vmcastd does not answer; it said last:"
	tail -n 5 "$lab_dir/vmcastd.log" >&2
	return 1
}

service_stop()
{
	process_stop "$lab_dir/vmcastd"
}

# publisher_start: whatever `serve` put into the lab's feed folder, with Range
publisher_start()
{
	process_start "$lab_dir/publisher" "$lab_dir/publisher.log" \
		busybox httpd -f -vv -p "$LAB_ADDRESS:8088" -h "$lab_dir/feed"
}

# site_dhcp_start: on a machine of its own, as a site has it. Two servers on one address would
# share port 67, and see each other's traffic only by luck.
site_dhcp_start()
{
	local pid

	# shellcheck disable=SC2016 # for the shell in there
	process_start "$lab_dir/site-dhcp" "$lab_dir/site-dhcp.log" unshare --net -- sh -c '
		until ip address add "$1/24" dev eth0 2>/dev/null; do sleep 0.05; done
		ip link set eth0 up
		exec dnsmasq --conf-file=/dev/null --keep-in-foreground --log-facility=- --log-dhcp --port=0 --no-ping \
			--user=root --group= --dhcp-authoritative --dhcp-leasefile="$2" --pid-file= \
			--interface=eth0 --dhcp-range=10.77.0.100,10.77.0.200,1h
	' site "$LAB_SITE_ADDRESS" "$lab_run/site-dhcp.leases"
	pid=$(process_pid "$lab_dir/site-dhcp") || die "the site's DHCP server: $(tail -n 1 "$lab_dir/site-dhcp.log")"
	# Its namespace exists a moment after its process.
	while [[ $(readlink "/proc/$pid/ns/net") == "$(readlink /proc/self/ns/net)" ]]; do
		sleep 0.05
	done
	ip link add site0 type veth peer name eth0 netns "$pid"
	ip link set site0 master br0 up
}

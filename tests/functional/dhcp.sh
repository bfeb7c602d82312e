# SPDX-License-Identifier: GPL-2.0-or-later
# A network of its own for the DHCP tests: vmcastd on s0 (10.77.0.1/24) and a machine on c0, each in a network namespace, all
# of it in a process namespace that ends with the test. Sourced first, before anything else is done.
# shellcheck shell=bash disable=SC2034 # what it sets is for the tests

if [[ -z ${DHCP_TEST_INSIDE:-} ]]; then
	user=()
	[[ $(id -u) -eq 0 ]] || user=(--map-root-user)
	unshare "${user[@]}" --net true 2>/dev/null || { echo "1..0 # SKIP needs network namespaces"; exit 0; }
	DHCP_TEST_INSIDE=1 exec unshare "${user[@]}" --net --mount --pid --fork --kill-child --mount-proc -- "$0" "$@"
fi

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
PATH=$PATH:/usr/sbin:/sbin
here=$top/tests/functional

ip link set lo up
unshare --net sleep infinity &
machine_pid=$!
# Its namespace exists a moment after its process.
has_own_network()
{
	[[ $(readlink "/proc/$machine_pid/ns/net") != "$(readlink /proc/self/ns/net)" ]]
}
wait_for 60 has_own_network
ip link add s0 type veth peer name c0 netns "$machine_pid"
ip address add 10.77.0.1/24 dev s0
ip link set s0 up

# machine COMMAND...: run it where the machine is
machine()
{
	nsenter --net="/proc/$machine_pid/ns/net" -- "$@"
}
machine ip link set lo up
machine ip link set c0 up

# ask OPTION...: what a machine is told; `told NAME` is one of it
ask()
{
	answer=$(machine "$here/dhcp-client" c0 52:54:00:00:00:01 "$@" 2>&1) || true
}

told()
{
	sed -n "s/^$1=//p" <<<"$answer"
}

# configure KEY=VALUE...: vmcastd.conf for this network and those settings
configure()
{
	{
		printf '%s\n' 'listen = 10.77.0.1:8880' 'dhcp_interface = s0' "state_dir = $work/state" \
			"run_dir = $work/run" "socket = $work/run/api.sock" "group = root" "user = root" \
			"firmware_dir = $top/build/firmware" "env_dir = $top/build/env"
		printf '%s\n' "$@"
	} >"$work/vmcastd.conf"
}

dnsmasq_pid()
{
	cat "$work/run/dnsmasq.pid" 2>/dev/null
}

# service_start: returns when dnsmasq answers
service_start()
{
	rm -f "$work/run/dnsmasq.pid"
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>>"$work/vmcastd.log" &
	service_pid=$!
	wait_for 60 test -s "$work/run/dnsmasq.pid" || { diag "$(cat "$work/vmcastd.log")"; return 1; }
}

# alive PID: whether there is such a process, other than as a zombie
alive()
{
	[[ -r /proc/$1/stat && $(sed 's/.*) //; s/ .*//' "/proc/$1/stat") != Z ]]
}

dead()
{
	! alive "$1"
}

# tells_files WHO [OPTION...]: for each line `FILE OPTIONS` of standard input: a machine that asks with OPTIONS is told FILE, and an
# address to fetch it from unless FILE is a URL of its own. iPXE takes a proxy's answer only with an address: `address=always`.
tells_files()
{
	local who=$1 file options
	shift

	while read -r file options; do
		# shellcheck disable=SC2086 # several options in one word
		ask "$@" $options
		is "$who tells '$options' $file" "$(told file)" "$file"
		[[ $file == http:* && ${address-} != always ]] || is "... and our address" "$(told next-server)" 10.77.0.1
	done
}

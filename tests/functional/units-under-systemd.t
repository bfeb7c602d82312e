#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The units as they are installed, under a systemd of this test's own, in namespaces of its own: they permit what is needed for
# an archive and a disk image to become ready, and for dnsmasq, and have each of them be done by the user that is said.
# shellcheck disable=SC2317 # functions are handed to `wait_for`
set -eu
cd "$(dirname "$0")/../.."

PREFIX=/opt/vmcast

# Inside, as a service of the test's systemd: say what is seen.
probe()
{
	local i pid prisoner launcher vmcast said
	vmcast=("$PREFIX/bin/vmcast" --socket /run/vmcast/api.sock)

	(cd $PREFIX/www && exec busybox httpd -p 127.0.0.1:8088 -h .)
	timeout 60 systemctl start vmcastd.service || systemctl status --no-pager -l vmcastd.service
	for ((i = 0; i < 600; i++)); do
		! "${vmcast[@]}" item list | grep -q large || break
		sleep 0.1
	done
	# Restarted in between: the service manager gives the state to its user once more.
	for name in box.qcow2 box.tar.xz; do
		systemctl restart vmcastd.service
		said=$(timeout 60 "${vmcast[@]}" item ingest $name --wait 2>&1 | tail -n 1)
		echo "$name: $said"
		[[ $said == *ready* ]] || return 1
	done
	pid=$(systemctl show -P MainPID vmcastd.service)
	echo "vmcastd: $(ps -o user= -p "$pid"), capabilities $(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")"
	printf '%s\n' 'dhcp = own' 'dhcp_interface = s0' 'dhcp_range = 10.77.0.100,10.77.0.110' >>$PREFIX/vmcastd.conf
	ip link add s0 type veth peer name c0
	ip address add 10.77.0.1/24 dev s0
	ip link set s0 up
	systemctl restart vmcastd.service
	for ((i = 0; i < 600; i++)); do
		[[ ! -s /run/vmcast/dnsmasq.pid ]] || break
		sleep 0.1
	done
	pid=$(</run/vmcast/dnsmasq.pid)
	echo "dnsmasq: $(ps -o user= -p "$pid"), capabilities $(sed -n 's/^CapEff:\t//p' "/proc/$pid/status")"
	"${vmcast[@]}" item ingest large.tar.xz >/dev/null
	for ((i = 0; i < 6000; i++)); do
		! prisoner=$(pgrep -n -u vmcast-sandbox -f '^vmcast-unpack') || ! kill -STOP "$prisoner" || break
		sleep 0.01
	done
	launcher=$(sed -n 's/^PPid:\t//p' "/proc/$prisoner/status")
	echo "sandbox: $(ps -o user= -p "$prisoner"), in $(sed -n 's|^0::/.*/||; s/@.*\./@./p' "/proc/$prisoner/cgroup")"
	echo "state that it could reach: $(ls "/proc/$launcher/root/var/lib/vmcast")"
	systemctl stop vmcastd.service
	for ((i = 0; i < 600; i++)); do
		pgrep -u vmcast,vmcast-sandbox >/dev/null || break
		sleep 0.1
	done
	echo "left of it: $(pgrep -c -u vmcast,vmcast-sandbox)"
}

# Inside, process 1 before it is systemd: a host with nothing but these units.
boot()
{
	local work=$1 unit

	mount --make-rprivate /
	mount -t proc proc /proc
	umount -R /sys/fs/cgroup
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	ip link set lo up
	for folder in /run /var/lib /opt; do
		mount -t tmpfs -o mode=755 tmpfs $folder
	done
	mkdir $PREFIX
	mount --bind "$work/prefix" $PREFIX
	for file in passwd group; do
		mount --bind "$work/etc/$file" /etc/$file
	done
	export SYSTEMD_UNIT_PATH=/run/units container=vmcast-test
	mkdir /run/units
	for unit in vmcastd.service vmcast-sandbox.socket vmcast-sandbox@.service; do
		sed "s|@PREFIX@|$PREFIX|g; s|^ExecStart=.*/vmcastd\$|& --config $PREFIX/vmcastd.conf|; s|^Type=notify|&\nStandardError=append:$PREFIX/log|
			s|^StandardError=journal|StandardError=append:$PREFIX/log|; s|^StandardOutput=journal|StandardOutput=null|" \
			"provisioner/$unit" >"/run/units/$unit"
	done
	for unit in sysinit basic sockets shutdown network-online; do
		printf '[Unit]\nDefaultDependencies=no\n' >"/run/units/$unit.target"
	done
	printf '%s\n' '[Unit]' DefaultDependencies=no SuccessAction=exit-force FailureAction=exit-force '[Service]' Type=oneshot \
		"ExecStart=/bin/bash $PREFIX/units-under-systemd.t --probe" "StandardOutput=append:$PREFIX/probe" \
		"StandardError=append:$PREFIX/probe" >/run/units/probe.service
	exec /lib/systemd/systemd --system --unit=probe.service --log-target=null --show-status=no
}

case ${1:-} in
--probe) cd / && probe; exit ;;
--boot) boot "$2" ;;
esac

. tests/lib.sh

[[ $(id -u) == 0 ]] || skip_all "needs root"
! has_sanitizers || skip_all "sanitizers need more than the units permit"
[[ -x /lib/systemd/systemd && -x $(command -v systemd-sysusers) ]] || skip_all "needs systemd"
[[ -x /usr/sbin/dnsmasq ]] || skip_all "needs dnsmasq"
mkdir "$work/cgroup"
unshare --mount mount -t cgroup2 cgroup2 "$work/cgroup" 2>/dev/null || skip_all "needs cgroups of version 2"

chmod 755 "$work"
mkdir -p "$work/prefix"/{sbin,bin,libexec/vmcast,www} "$work/etc" "$work/usr/lib/sysusers.d"
cp "$BUILD/vmcastd" "$work/prefix/sbin"
cp "$BUILD/vmcast" "$work/prefix/bin"
cp "$BUILD/vmcast-unpack" "$BUILD/vmcast-sandbox" "$work/prefix/libexec/vmcast"
cp "$0" "$work/prefix/units-under-systemd.t"
cp /etc/passwd /etc/group "$work/etc"
cp provisioner/vmcast.sysusers "$work/usr/lib/sysusers.d/vmcast.conf"
systemd-sysusers --root="$work" 2>"$work/sysusers.log" || diag "$(<"$work/sysusers.log")"
make_image "$work/raw" 8M 1048576
www=$work/prefix/www
qemu-img convert -q -f raw -O qcow2 "$work/raw" "$www/box.qcow2"
tar -C "$work" -cJf "$www/box.tar.xz" raw
truncate -s 512M "$work/large"
tar -C "$work" -cJf "$www/large.tar.xz" large
"$top/qemu/feed" http://127.0.0.1:8088 "$www"/*.qcow2 "$www"/*.xz >"$www/feed.xml"
cat >"$work/prefix/vmcastd.conf" <<END
listen = 127.0.0.1:8880
url = http://127.0.0.1:8880
allow_host = 127.0.0.1
unpack = $PREFIX/libexec/vmcast/vmcast-unpack
ingest = manual
feed = http://127.0.0.1:8088/feed.xml policy=none
END

# Below the cgroup that we are in. The name is gone with the last process.
# shellcheck disable=SC2016 # for the shell in there
unshare --mount bash -ceu '
	mount -t cgroup2 cgroup2 "$1/cgroup"
	own=$1/cgroup$(sed -n "s/^0:://p" /proc/self/cgroup)/vmcast-test-$$
	mkdir "$own"
	(echo $BASHPID >"$own/cgroup.procs"
	exec timeout -s KILL 200 unshare --mount --pid --fork --kill-child --net --ipc --uts --cgroup -- "$2" --boot "$1") || true
	for ((i = 0; i < 600; i++)); do
		! find "$own" -depth -type d -exec rmdir {} + || break
		sleep 0.1
	done' bash "$work" "$0" >"$work/systemd.log" 2>&1 || diag "$(tail "$work/systemd.log")"

probe=$(cat "$work/prefix/probe" 2>/dev/null) || diag "$(tail "$work/systemd.log")"
seen()
{
	sed -n "s/^$1: //p" <<<"$probe"
}
like "a disk image becomes ready" "$(seen box.qcow2)" "ready"
like "so does an archive" "$(seen box.tar.xz)" "ready"
is "vmcastd is a user without a capability that it does not need" "$(seen vmcastd)" "vmcast, capabilities 0000000000000000"
is "dnsmasq has those that it needs" "$(seen dnsmasq)" "vmcast, capabilities 0000000000003400"
is "what opens archives is another, in a unit of its own" "$(seen sandbox)" "vmcast-sandbox, in vmcast-sandbox@.service"
is "which has nothing of the state but the spool" "$(seen 'state that it could reach')" spool
is "nothing is left when vmcastd stops" "$(seen 'left of it')" 0
[[ -n $(seen 'left of it') ]] || diag "$probe" "$(tail -n 20 "$work/prefix/log")"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service that root starts becomes the configured user, in every thread and for good, and does all that it did before.
# shellcheck disable=SC2317,SC2119 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $(id -u) == 0 ]] || skip_all "needs root"
setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null || skip_all "needs a second user in this namespace"
# Installed files are everybody's to read; a build folder below somebody's home may not be.
chmod 755 "$work"
cp "$BUILD/vmcast-unpack" "$work/vmcast-unpack"
start_origin
chmod 755 "$origin"
make_image "$work/raw" 8M 1048576
qemu-img convert -q -f raw -O qcow2 "$work/raw" "$origin/box.qcow2"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/box.qcow2" >"$origin/feed.xml"
settings=("group = nogroup" "unpack = $work/vmcast-unpack" "feed = http://127.0.0.1:$origin_port/feed.xml")
mkdir "$work/run"
chown 65534:65534 "$work/run"
start_vmcastd "user = nobody" "${settings[@]}"

# of NAME: what all threads have of it
of()
{
	cat "/proc/$vmcastd_pid/task/"*/status | sed -n "s/^$1:[[:space:]]*//p" | sort -u
}

is "user, in every thread" "$(of Uid)" $'65534\t65534\t65534\t65534'
is "group" "$(of Gid)" $'65534\t65534\t65534\t65534'
is "no group of root's" "$(of Groups | tr -d ' ')" 65534
for set in CapInh CapPrm CapEff CapBnd CapAmb; do
	is "no capability in $set" "$(of $set)" 0000000000000000
done
is "nor to be had" "$(of NoNewPrivs)" 1
is "its state is the user's" "$(stat -c '%u %a' "$work/state")" "65534 700"
is "its socket the group's" "$(stat -c '%U %G %a' "$work/run/api.sock")" "nobody nogroup 660"
if has_sanitizers; then
	ok "# SKIP the sandbox of a program with sanitizers needs /proc" true
else
	wait_ingest box.qcow2
	is "a disk image is opened in its sandbox" "$(field "/v1/items/$item" '.state, .error' | tr '\n' ' ')" "ready null "
fi

# As vmcastd.service does: started as the user, with the capabilities that any configuration may need.
stop_vmcastd
caps=-all,+net_admin,+net_raw,+net_bind_service
setpriv --reuid=nobody --regid=nogroup --clear-groups "--inh-caps=$caps" "--ambient-caps=$caps" "--bounding-set=$caps" \
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>>"$work/vmcastd.log" &
vmcastd_pid=$!
wait_for 60 service_is_up
for set in CapInh CapPrm CapEff CapAmb; do
	is "what a unit gave and nothing needs is gone from $set" "$(of $set)" 0000000000000000
done
stop_vmcastd

# refusal USER: what it says when it does not start
refusal()
{
	sed -i "s/^user = .*/user = $1/" "$work/vmcastd.conf"
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>&1 | sed -n 's/.*error: //p'
}
is "a user that there is not" "$(refusal nobody-of-this-name)" "user = 'nobody-of-this-name': there is no such user"
is "state that is somebody else's" "$(refusal daemon)" \
	"'$work/state' does not belong to user 'daemon': chown -R it, or write user = root"
port=$(perl -MIO::Socket::INET -e 'for (600 .. 900) { print, last if IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $_, Listen => 1) }')
vmcastd_port=$port
start_vmcastd "user = nobody" "${settings[@]}"
is "a port below 1024 leaves the capability for it, and no other" "$(of CapEff) $(of CapBnd)" "0000000000000400 0000000000000400"
done_testing

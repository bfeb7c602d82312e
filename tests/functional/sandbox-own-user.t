#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# As the units run them: vmcastd as one user without any right, and what opens archives and disk images as another, who has
# nothing of vmcastd's state but the files that are opened. systemd-socket-activate stands for vmcast-sandbox.socket.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $(id -u) == 0 ]] || skip_all "needs root"
! has_sanitizers || skip_all "the sandbox of a program with sanitizers needs /proc"
command -v systemd-socket-activate >/dev/null || skip_all "needs systemd-socket-activate"
user=65534 jailer=65533
service=(setpriv "--reuid=$user" "--regid=$user" "--groups=$jailer" --bounding-set=-all --inh-caps=-all --no-new-privs)
launcher=(setpriv "--reuid=$jailer" "--regid=$jailer" --clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs)
"${service[@]}" true 2>/dev/null || skip_all "needs other users in this namespace"
# Installed files are everybody's to read; a build folder below somebody's home may not be.
chmod 755 "$work"
mkdir "$work/bin" "$work/run" "$work/socket"
cp "$BUILD/vmcastd" "$BUILD/vmcast-unpack" "$BUILD/vmcast-sandbox" "$work/bin"
mkdir "$work/state"
chmod 700 "$work/state"
chown "$user:$user" "$work/state" "$work/run"
chown "$jailer" "$work/socket"

launcher_pid=
start_launcher()
{
	rm -f "$work/socket/sandbox"
	# vmcast-sandbox sets what its sandboxes give to others.
	(umask 0; exec "${launcher[@]}" systemd-socket-activate --seqpacket --accept --inetd --listen="$work/socket/sandbox" \
		"$work/bin/vmcast-sandbox" >>"$work/launcher.log" 2>&1) &
	launcher_pid=$!
	wait_for 60 test -S "$work/socket/sandbox"
	chmod 666 "$work/socket/sandbox"
}

stop_launcher()
{
	[[ -n $launcher_pid ]] || return 0
	kill "$launcher_pid" || true
	wait "$launcher_pid" 2>/dev/null || true
	launcher_pid=
}
at_exit stop_launcher

start_service()
{
	VMCAST_SANDBOX=$work/socket/sandbox "${service[@]}" "$work/bin/vmcastd" --config "$work/vmcastd.conf" 2>>"$work/vmcastd.log" &
	vmcastd_pid=$!
	wait_for 60 service_is_up || { diag "vmcastd does not start: $(cat "$work/vmcastd.log")"; exit 1; }
}

start_origin
chmod 755 "$origin"
make_image "$work/raw" 8M 1048576
qemu-img convert -q -f raw -O qcow2 "$work/raw" "$origin/box.qcow2"
tar -C "$origin" -cJf "$origin/box.tar.xz" box.qcow2
truncate -s 512M "$work/large"
tar -C "$work" -cJf "$origin/large.tar.xz" large
rm "$work/large"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin"/box.qcow2 "$origin"/box.tar.xz "$origin"/large.tar.xz >"$origin/feed.xml"
vmcastd_port=$(free_port)
cat >"$work/vmcastd.conf" <<END
listen = 127.0.0.1:$vmcastd_port
state_dir = $work/state
run_dir = $work/run
socket = $work/run/api.sock
group = nogroup
allow_host = 127.0.0.1
unpack = $work/bin/vmcast-unpack
ingest = manual
feed = http://127.0.0.1:$origin_port/feed.xml policy=none
END
start_launcher
start_service

result()
{
	wait_for 60 eval "[[ -n \$(item_of '$1') ]]" || return 1
	vmcast item ingest "$(item_of "$1")" >/dev/null 2>&1 || true
	wait_ingest "$1"
	field "/v1/items/$item" '.state, .error' | tr '\n' ' '
}

is "a disk image is opened" "$(result box.qcow2)" "ready null "
is "an archive is, and the disk image that was unpacked of it" "$(result box.tar.xz)" "ready null "
is "which removes all of it" "$(find "$work/state/spool" -mindepth 1)" ""
is "the other user may go through the state, and read nothing there" \
	"$("${launcher[@]}" find "$work/state" -readable 2>/dev/null; "${launcher[@]}" cat "$work/state/vmcast.db" 2>&1)" \
	"cat: $work/state/vmcast.db: Permission denied"

# of PID NAME: what the kernel says about a process
of()
{
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# jailed: a sandbox in which an archive is being opened; sets prisoner
jailed()
{
	prisoner=$(pgrep -n -u "$jailer" -f '^vmcast-unpack') && kill -STOP "$prisoner"
}

# while_open: have the large archive opened, and stop that
while_open()
{
	wait_for 60 eval "[[ -n \$(item_of large.tar.xz) ]]"
	item=$(item_of large.tar.xz)
	vmcast item ingest "$item" >/dev/null 2>&1 || true
	for ((i = 0; i < 6000; i++)); do
		! jailed || return 0
		sleep 0.01
	done
	return 1
}

gone()
{
	[[ ! -d /proc/$1 || $(of "$1" State) == Z* ]]
}

ok "an archive is being opened" while_open
[[ -n ${prisoner:-} ]] || { done_testing; exit 1; }
is "by the other user" "$(of "$prisoner" Uid)" $'65533\t65533\t65533\t65533'
is "whose process is no child of vmcastd" "$(cat "/proc/$(of "$prisoner" PPid)/comm")" vmcast-sandbox
is "what it writes is for vmcastd to read" "$(stat -c '%u %g %a' "$work/state/spool/"*.work/scratch/* | sort -u)" "65533 65533 640"
stop_vmcastd KILL
ok "when vmcastd is killed, it ends" wait_for 60 gone "$prisoner"
start_service
ok "the next vmcastd opens it again" while_open
kill -KILL "$(of "$prisoner" PPid)"
ok "when its launcher is killed, it ends" wait_for 60 gone "$prisoner"
wait_for 60 grep -q 'launcher of sandboxes is gone' "$work/vmcastd.log" || true
like "which is a failure that may pass" "$(grep "item $item: " "$work/vmcastd.log" | tail -n 1)" "trying again in"
done_testing

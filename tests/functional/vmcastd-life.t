#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From start to stop: readiness, signals, what is cleared away and made good, and what it refuses to start with (F44).
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

start_origin
truncate -s 1M "$origin/disk.img"
printf x | dd of="$origin/disk.img" conv=notrunc status=none
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>feed</title>
	<item><title>disk</title><uuid>one</uuid><enclosure url="disk.img" length="1048576"/></item>
	</channel></rss>
END
feed="feed = http://127.0.0.1:$origin_port/feed.xml"
db=$work/state/vmcast.db

state()
{
	field /v1/items '.items[0].state'
}
is_ready()
{
	[[ $(state) == ready ]]
}
logged()
{
	grep -q -- "$1" "$work/vmcastd.log"
}
fetches()
{
	grep -c feed.xml "$work/access.log" || true
}

# Ready and stopping are told to a service manager, which is us.
perl -MSocket -e 'socket(my $s, PF_UNIX, SOCK_DGRAM, 0); bind($s, pack_sockaddr_un($ARGV[0])) or die; $| = 1;
	while (defined recv($s, my $m, 100, 0)) { print "$m\n" }' "$work/notify" >"$work/notified" &
at_exit kill $!
wait_for 60 test -S "$work/notify"
export NOTIFY_SOCKET=$work/notify
start_vmcastd "$feed"
ok "readiness is told" wait_for 60 grep -qx READY=1 "$work/notified"
ok "a feed of the configuration is fetched and ingested" wait_for 60 is_ready
ok "no file of the state is for others" test -z "$(find "$work/state" -perm /007 -not -type l)"

before=$(fetches)
kill -HUP "$vmcastd_pid"
more()
{
	[[ $(fetches) -gt $before ]]
}
ok "SIGHUP refreshes the feeds" wait_for 60 more

status=0
sed 's/^listen.*/listen = 127.0.0.1:1/; s/api.sock/other.sock/' "$work/vmcastd.conf" >"$work/second.conf"
"$BUILD/vmcastd" --config "$work/second.conf" 2>"$work/second.log" || status=$?
is "a second service on the same folder does not start" "$status" 1
like "... and says why" "$(cat "$work/second.log")" "is in use by another vmcastd"

status=0
pid=$vmcastd_pid vmcastd_pid=
kill "$pid"
wait "$pid" || status=$?
is "SIGTERM ends it with 0" "$status" 0
ok "... which is told as well" grep -qx STOPPING=1 "$work/notified"
unset NOTIFY_SOCKET

image=$(sqlite3 "$db" 'SELECT id FROM version_blob')
orphan=$(printf '%064d' 7)
mkdir "$work/state/images/$orphan"
touch "$work/state/images/$orphan/index" "$work/state/spool/0123456789abcdef.part"
start_vmcastd "$feed"
ok "an image that nothing names is cleared away" wait_for 60 test ! -e "$work/state/images/$orphan"
ok "so is a download that nothing waits for" test ! -e "$work/state/spool/0123456789abcdef.part"
ok "the image that an item names is not" test -e "$work/state/images/$image/image.zst"
stop_vmcastd KILL

truncate -s 5 "$work/state/images/$image/index"
start_vmcastd "$feed"
ok "an image that was damaged behind our back is made anew" wait_for 60 is_ready
ok "... and whole" test "$(stat -c %s "$work/state/images/$image/index")" -gt 100
ok "... which is logged" logged 'is missing or cut short: items that are ingested anew: 1'
stop_vmcastd

start_vmcastd
is "a feed that is taken out of the configuration is forgotten" "$(field /v1/feeds '.feeds | length')" 0
ok "... with its image" wait_for 60 test ! -e "$work/state/images/$image"
stop_vmcastd

# refused MESSAGE: the service does not start, says so, and leaves the database alone
refused()
{
	local sum
	sum=$(sha256sum "$db")
	status=0
	"$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>"$work/refused.log" || status=$?
	is "... does not start" "$status" 1
	like "... says why" "$(cat "$work/refused.log")" "$1"
	is "... and touches nothing" "$(sha256sum "$db")" "$sum"
}
cp "$db" "$work/copy"
sqlite3 "$db" 'PRAGMA user_version = 99' >/dev/null
diag "with a database from the future it"
refused 'written by a newer vmcastd \(schema 99'
cp "$work/copy" "$db"
dd if=/dev/urandom of="$db" bs=4096 seek=1 count=8 conv=notrunc status=none
diag "with a damaged database it"
refused 'restore a copy, or move vmcast.db'
cp "$work/copy" "$db"
start_vmcastd
ok "and starts with the copy" service_is_up
done_testing

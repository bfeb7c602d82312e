#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# F33, F44: the service's disk is full, for an ingest and for its database: it says so, goes on, and recovers when there is room.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
if [[ -z ${VMCAST_TEST_INSIDE:-} ]]; then
	user=()
	[[ $(id -u) -eq 0 ]] || user=(--map-root-user)
	unshare "${user[@]}" --mount true 2>/dev/null || { echo "1..0 # SKIP needs mount namespaces"; exit 0; }
	VMCAST_TEST_INSIDE=1 exec unshare "${user[@]}" --mount -- "$0" "$@"
fi
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

mkdir "$work/state"
mount -t tmpfs -o size=12M,mode=700 state "$work/state"
at_exit umount -l "$work/state"
start_origin
image=$origin/image
make_image "$image" 32M 16777216
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>feed</title>
	<item><title>disk</title><uuid>one</uuid><enclosure url="image" length="33554432"/></item>
	</channel></rss>
END
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
wait_ingest image || exit 1
is "an image that does not fit: the ingest failed" "$(field "/v1/items/$item" .state)" failed
like "... for want of space" "$(field "/v1/items/$item" .error)" 'has room for 11.*MiB|No space left'
like "... and will be tried again" "$(cat "$work/vmcastd.log")" "item $item: trying again in 60 s"
is "... and has published nothing" "$(ls -A "$work/state/images")" ''
like "the service goes on" "$(curl -s "http://127.0.0.1:$vmcastd_port/boot.ipxe")" '^#!ipxe'

script()
{
	curl -s "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:00:00:01&arch=x86_64&platform=pcbios"
}
# Without its other options, in which a user namespace does not know its own user.
mount --options-mode ignore -o remount,size=96M "$work/state"
ok "with more room the operator can have it ingested" vmcast item ingest --wait "$item"
like "... and it is in the menu" "$(script)" "$item"

dd if=/dev/zero of="$work/state/filler" bs=64K status=none 2>/dev/null || true
cp "$work/state/vmcast.db" "$work/before.db"
status=0
vmcast machine assign 52:54:00:00:00:02 "$item" >"$work/said" 2>&1 || status=$?
ok "a full disk: an assignment is refused" test "$status" -ne 0
like "... with the reason" "$(cat "$work/said")" 'full'
is "... and is not there" "$(field /v1/machines '[.machines[] | select(.mac == "52:54:00:00:00:02")] | length')" 0
like "... and machines are still served" "$(script)" '^#!ipxe'
rm "$work/state/filler"
ok "with room again it is taken" vmcast machine assign 52:54:00:00:00:02 "$item"
stop_vmcastd KILL
is "the database is whole" "$(sqlite3 "$work/state/vmcast.db" 'PRAGMA integrity_check')" ok
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
is "and has what it was told" "$(field /v1/machines/52:54:00:00:00:02 .item)" "$item"
done_testing

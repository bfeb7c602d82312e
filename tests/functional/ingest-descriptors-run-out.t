#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A service without a descriptor left fails an ingest for now: no mirror is blamed for it, and what was downloaded is there for the
# next attempt.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((4 << 20))
start_origin
make_image "$origin/image" "$bytes" $((2 << 20))
start_proxy "$origin_port" --path /image --fault trickle:20000 --times 1
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>feed</title><item><title>disk</title><uuid>u</uuid>
	<enclosure url="http://127.0.0.1:$proxy_port/image" length="$bytes"/>
	<enclosure url="http://127.0.0.1:$origin_port/mirror" length="$bytes"/></item></channel></rss>
END
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"

has_begun()
{
	[[ -n $(find "$work/state/spool" -name '*.part' -size +100k) ]]
}

said()
{
	grep -q "$1" "$work/vmcastd.log"
}

wait_for 60 has_begun || diag "no download begins: $(<"$work/vmcastd.log")"
limit=$(prlimit --pid "$vmcastd_pid" --nofile --output SOFT --noheadings)
prlimit --pid "$vmcastd_pid" --nofile=3:
ok "without a descriptor: it will be tried again" wait_for 60 said "trying again in"
prlimit --pid "$vmcastd_pid" --nofile="$limit:"
item=$(item_of image)
like "the item failed for want of one" "$(field "/v1/items/$item" '"\(.state) \(.error)"')" "^failed .*Too many open files"
ok "its download was over" grep -q '^GET /image - 200' "$proxy_log"
is "and is kept" "$(find "$work/state/spool" -name '*.part' -printf '%s\n')" "$bytes"
unlike "no mirror is tried" "$(<"$work/vmcastd.log")" "next mirror"
ok "with descriptors again it is ingested" vmcast item ingest --wait "$item"
is "with nothing downloaded again: the server only said that it is the same" "$(sed -n '2p' "$proxy_log")" "GET /image - 304 0 -"
write_disk "$vmcastd_port" "$work/disk"
ok "and deployed" cmp "$origin/image" "$work/disk"
done_testing

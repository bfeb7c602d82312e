#!/bin/bash
# An item with several enclosures is fetched from the first that does, in the order of the feed. When none does, the reason names each
# of them and what it said.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
make_image "$origin/image" $((2 << 20)) $((1 << 20))
gzip -k "$origin/image"
qemu-img convert -f raw -O qcow2 "$origin/image" "$origin/image.qcow2"
head -c -1000 "$origin/image.gz" >"$origin/short.gz"
head -c $((2 << 20)) /dev/urandom >"$origin/other"
digest=$(sha256sum <"$origin/image" | head -c 64)

# item NAME ENCLOSURE...: URL, or URL=DIGEST
item()
{
	local enclosure attributes

	echo "<item><title>$1</title><uuid>$1</uuid>"
	for enclosure in "${@:2}"; do
		attributes=
		[[ $enclosure != *=* ]] || attributes="vmcast:digest='sha256:${enclosure#*=}'"
		echo "<enclosure url='${enclosure%=*}' $attributes/>"
	done
	echo "</item>"
}

{
	echo "<rss version='2.0' xmlns:vmcast='urn:vmcast:1'><channel><title>feed</title>"
	item second gone image.gz
	item third gone "other=$digest" image.qcow2
	item truncated short.gz "image=$digest"
	item none gone short.gz "other=$digest"
	item later "other=$digest" http://127.0.0.1:1/image short.gz
	echo "</channel></rss>"
} >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"

# named TITLE: until its ingest is over; sets item
named()
{
	wait_for 60 eval "[[ -n \$(field /v1/items '.items[] | select(.title == \"$1\") | .id') ]]"
	item=$(field /v1/items ".items[] | select(.title == \"$1\") | .id")
	wait_for 240 item_is "$item" "ready|failed"
}

deploys()
{
	rm -f "$work/disk"
	write_disk "$vmcastd_port" "$work/disk"
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$origin/image" "$work/disk"
}

for name in second third truncated; do
	named "$name"
	is "$name: ready from a mirror" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
	ok "$name: which is deployed" deploys
done
like "what the first one said is in the log" "$(<"$work/vmcastd.log")" "404.*trying the next mirror"

named none
error=$(field "/v1/items/$item" .error)
is "with no mirror that does: failed" "$(field "/v1/items/$item" .state)" failed
like "the first is named" "$error" "/gone: download: .*404"
like "and the second" "$error" "/short.gz: .*truncated"
like "and the third" "$error" "/other: its SHA-256 is"
is "nothing is left in the spool" "$(find "$work/state/spool" -name "$item*")" ""

named later
error=$(field "/v1/items/$item" .error)
like "with a mirror that may do later: failed" "$error" "/other: its SHA-256 is.*127.0.0.1:1/image: .*/short.gz: .*truncated"
like "it is tried again" "$(<"$work/vmcastd.log")" "item $item: trying again in"
is "without what was wrong in itself" "$(find "$work/state/spool" -type f ! -name '*.part1')" ""
done_testing

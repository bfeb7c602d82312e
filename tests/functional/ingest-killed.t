#!/bin/bash
# F43, F44 for the service: killed or stopped at any step of an ingest, it offers nothing half made; started again it goes on where
# it was, also when the publisher's file changed meanwhile.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((24 << 20))
start_origin
# The feed goes straight to the service, the image through a proxy that stalls once.
start_proxy "$origin_port" --path '^/disk' --fault stall:50% --times 1
make_image "$origin/disk" "$bytes" $((8 << 20))
proxied="http://127.0.0.1:$proxy_port"

publish()
{
	"$top/qemu/feed" "$proxied" "$origin/disk" >"$origin/feed.xml"
}

start()
{
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
}

has_stalled()
{
	part=$(find "$work/state/spool" -name '*.part') && [[ -n $part && $(stat -c %s "$part") -ge $((bytes / 2 - 100000)) ]]
}

images()
{
	find "$work/state/images" -mindepth 1 -maxdepth 1 -printf '%f\n'
}

last_request()
{
	tail -n 1 "$work/proxy.log"
}

# A proxy with the same address, so that the URL stays the same: only its fault is new.
stall_again()
{
	stop_vmcastd KILL
	rm -rf "$work/state"
	start_proxy "$origin_port" --path '^/disk' --fault stall:50% --times 1
	proxied="http://127.0.0.1:$proxy_port"
	publish
	start
	wait_for 20 has_stalled || diag "the download does not come to its stall"
}

stall_again
stop_vmcastd KILL
is "killed in the download: nothing is offered" "$(images)" ""
received=$(stat -c %s "$part")
start
wait_ingest disk
is "started again: ready" "$(field "/v1/items/$item" .state)" ready
like "it asked for the rest only" "$(last_request)" "^GET /disk bytes=$received- 206"
ok "and has the disk" cmp <(zstd -dcq "$work/state/images/"*/image.zst) "$origin/disk"
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""

stall_again
begin=$SECONDS
stop_vmcastd TERM
ok "stopped in the download: at once" test $((SECONDS - begin)) -le 5
is "nothing is offered" "$(images)" ""
start
wait_ingest disk
is "started again: ready" "$(field "/v1/items/$item" .state)" ready
like "it asked for the rest only" "$(last_request)" "^GET /disk bytes=[0-9]+- 206"
ok "and has the disk" cmp <(zstd -dcq "$work/state/images/"*/image.zst) "$origin/disk"

stall_again
stop_vmcastd KILL
make_image "$origin/disk" "$bytes" $((4 << 20))
touch -d '+1 hour' "$origin/disk"
start
wait_ingest disk
is "the publisher's file changed meanwhile: it is not the one announced" "$(field "/v1/items/$item" .state)" failed
like "the whole of it was fetched" "$(last_request)" "^GET /disk bytes=[0-9]+- 200 $bytes "
like "and its digest says so" "$(field "/v1/items/$item" .error)" "SHA-256 is"
publish
vmcast feed refresh >/dev/null 2>&1
wait_for 20 eval "[[ \$(field /v1/items '[.items[] | select(.present)] | length') == 1 ]]"
wait_for 60 eval "[[ -n \$(images) ]]"
ok "announced anew it is ingested" cmp <(zstd -dcq "$work/state/images/"*/image.zst) "$origin/disk"

# Killed while the image is made: slow enough to be caught at it
stop_vmcastd KILL
rm -rf "$work/state"
make_image "$origin/disk" $((64 << 20)) $((48 << 20))
publish
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "compression_level = 19"
converting()
{
	[[ -n $(find "$work/state/spool" -path '*.image/image.zst' -size +1k) ]]
}
wait_for 30 converting || diag "no conversion was seen"
stop_vmcastd KILL
is "killed in the conversion: nothing is offered" "$(images)" ""
start
wait_ingest disk
is "started again: ready" "$(field "/v1/items/$item" .state)" ready
ok "and has the disk" cmp <(zstd -dcq "$work/state/images/"*/image.zst) "$origin/disk"
is "one image, nothing else" "$(images | wc -l)" 1
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""
done_testing

#!/bin/bash
# F41, F44: the service killed at any moment of an ingest never offers half an image. Started again it goes on with the download
# where it was, and the image is the right one.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((32 << 20))
start_origin
make_image "$origin/image" "$bytes" $((16 << 20))

# announce UUID FAULT [TIMES]: a feed whose enclosure comes through a proxy with this fault; the service is not running
announce()
{
	start_proxy "$origin_port" --path /image --fault "$2" --times "${3-1}"
	cat >"$origin/feed.xml" <<-END
		<rss version="2.0"><channel><title>feed</title><item><title>$1</title><uuid>$1</uuid>
		<enclosure url="http://127.0.0.1:$proxy_port/image" length="$bytes"/></item></channel></rss>
	END
}

start()
{
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "$@"
}

item_named()
{
	field /v1/items ".items[] | select(.title == \"$1\") | $2"
}

# Looked at where it is made: a question to the service takes longer than a small image.
image_is_begun()
{
	[[ -n $(find "$work/state/spool" -name image.zst) ]]
}

is_over()
{
	[[ $(item_named "$1" .state) =~ ready|failed ]]
}

has_stalled()
{
	grep -q stall "$proxy_log"
}

# The second request began behind what the first had brought, and brought all that was missing.
only_the_rest()
{
	local off sent

	read -r off sent < <(sed -n 's,^GET /image bytes=\([0-9]*\)- 206 \([0-9]*\) .*,\1 \2,p' "$proxy_log")
	[[ ${off:-0} -gt 0 && $((off + sent)) == "$bytes" ]] || { diag "$(<"$proxy_log")"; return 1; }
}

# What machines can get at is whole: every folder in images/ holds an image that zstd can read to its end.
nothing_half()
{
	local folder

	for folder in "$work/state/images"/*/; do
		[[ -d $folder ]] || continue
		zstd -tq "$folder/image.zst" && test -s "$folder/index" || return 1
	done
}

is_right()
{
	item=$(item_named "$1" .id)
	write_disk "$vmcastd_port" "$work/disk" --retry-for 30
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$origin/image" "$work/disk"
}

# Killed while it downloads
announce download stall:60%
start
wait_for 60 has_stalled
is "in the middle of the download: the item is not ready" "$(item_named download .state)" ingesting
item=$(item_named download .id)
code=$(curl -sS -o "$work/answer" -w '%{http_code}' -H "Content-Type: application/json" -d "{\"version\": 1, \"item\": \"$item\"}" \
	"http://127.0.0.1:$vmcastd_port/v1/plan")
is "a client that comes too early is given no plan" "$code $(jq -r .image "$work/answer")" "503 null"
stop_vmcastd KILL
is "killed: there is no image" "$(ls "$work/state/images")" ""
start
wait_for 60 is_over download || true
is "started again: ready" "$(item_named download '.state + (.error // "")')" ready
ok "only the rest was downloaded" only_the_rest
ok "and the bytes are right" is_right download
stop_vmcastd

# Told to stop while it downloads
rm -r "$work/state" "$work/disk"
announce stop stall:30%
start
wait_for 60 has_stalled
begin=$SECONDS
stop_vmcastd TERM
ok "SIGTERM in the middle of the download: ends at once" test $((SECONDS - begin)) -lt 20
start
wait_for 60 is_over stop || true
is "started again: ready" "$(item_named stop .state)" ready
ok "only the rest was downloaded" only_the_rest
stop_vmcastd

# Killed while it makes the image; level 19 takes its time
rm -r "$work/state"
announce convert trickle:10000000
start "compression_level = 19"
wait_for 60 image_is_begun || diag "no image is begun: $(item_named convert .)"
stop_vmcastd KILL
ok "killed while the image is made: nothing half is offered" nothing_half
start
wait_for 60 is_over convert || true
is "started again: ready" "$(item_named convert .state)" ready
is "nothing was downloaded again: the server only said that it is the same" "$(sed -n '2p' "$proxy_log")" "GET /image - 304 0 -"
ok "and the bytes are right" is_right convert
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""
stop_vmcastd

# Killed again and again, at any time
rm -r "$work/state" "$work/disk"
announce again trickle:2000000 100
for pause in 0.05 0.1 0.2 0.3 0.4 0.5 0.15; do
	start
	sleep "$pause"
	stop_vmcastd KILL
	nothing_half || { ok "killed after $pause s: nothing half is offered" false; break; }
done
ok "killed seven times: nothing half was offered" nothing_half
start
wait_for 60 is_over again || true
is "at last: ready" "$(item_named again '.state + (.error // "")')" ready
ok "and the bytes are right" is_right again
is "one image" "$(find "$work/state/images" -mindepth 1 -maxdepth 1 | wc -l)" 1
done_testing

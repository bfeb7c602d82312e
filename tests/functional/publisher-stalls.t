#!/bin/bash
# F03: a publisher's server that goes silent, in a feed and in an enclosure, is given up after 30 s: the feed is marked, the download
# goes on where it was. Meanwhile the service serves machines and operators, and stops when told to. (Takes those 30 s.)
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
make_image "$origin/image" $((4 << 20)) $((2 << 20))

# rss NAME URL
rss()
{
	cat <<-END
		<rss version="2.0"><channel><title>$1</title><item><title>$1</title><uuid>$1</uuid>
		<enclosure url="$2"/></item></channel></rss>
	END
}

stalled_item()
{
	field /v1/items '.items[] | select(.feed_title == "image") | .id'
}

start_proxy "$origin_port" --path '/image|/silent.xml' --fault stall:50% --times 2
rss image "http://127.0.0.1:$proxy_port/image" >"$origin/feed.xml"
rss silent image >"$origin/silent.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
wait_for 60 grep -q stall "$proxy_log"
begin=$SECONDS
vmcast feed add --wait "http://127.0.0.1:$proxy_port/silent.xml" >"$work/added" 2>&1 &
adding=$!
wait_for 60 eval "[[ \$(grep -c stall '$proxy_log') == 2 ]]"
silent=$(field /v1/feeds '.feeds[] | select(.url | endswith("/silent.xml")) | .id')
ok "machines get their menu meanwhile" curl -sf -m 25 -o "$work/menu" \
	"http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:00:00:01&arch=x86_64&platform=pcbios"
rss prompt image >"$origin/prompt.xml"
vmcast feed add --wait "http://127.0.0.1:$origin_port/prompt.xml" >"$work/prompt" 2>&1 || diag "$(<"$work/prompt")"
is "other feeds are read meanwhile" "$(field /v1/feeds '.feeds[] | select(.url | endswith("/prompt.xml")) | .item_count')" 1
is "while the silent one is waited for" "$(field "/v1/feeds/$silent" .tried_at)" null
is "and operators their answers" "$(vmcast item list --json | jq -r '.items[] | select(.feed_title == "image") | .state')" ingesting
status=0
wait "$adding" || status=$?
is "the feed is given up" "$status" 1
ok "not before half a minute is over" test $((SECONDS - begin)) -ge 27
like "with the reason" "$(<"$work/added")" "no progress for 30 s"
wait_for 60 item_is "$(stalled_item)" "ready|failed"
is "the download is complete" "$(field "/v1/items/$(stalled_item)" '.state + (.error // "")')" ready
like "it went on where it was" "$(tail -n1 "$proxy_log")" "^GET /image bytes=$((2 << 20))- 206"

start_proxy "$origin_port" --listen "$proxy_port" --path silent.xml --fault stall-head:0
api POST "/v1/feeds/$silent/refresh" >"$work/answer"
wait_for 60 grep -q stall "$proxy_log"
begin=$SECONDS
stop_vmcastd TERM
ok "a stop does not wait for a silent server" test $((SECONDS - begin)) -lt 25
done_testing

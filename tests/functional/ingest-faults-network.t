#!/bin/bash
# F01, F02, F04-F08: a download that is cut, refused or bent is continued or begun anew until the file is whole, or fails with the
# reason; a file that is not the one announced is never offered.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
make_image "$origin/disk" $((3 << 20)) $((1 << 20))
digest=$(sha256sum <"$origin/disk")
digest=${digest%% *}
bytes=$(stat -c %s "$origin/disk")
announced=0
printf '<rss version="2.0"><channel><title>none yet</title></channel></rss>' >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"

# announce URL [ATTRIBUTES [DIGEST]]: a feed of this one item; sets item
announce()
{
	announced=$((announced + 1))
	cat >"$origin/feed.xml" <<-END
		<rss version="2.0" xmlns:vmcast="urn:vmcast:1"><channel><title>one</title>
		<item><title>$announced</title><uuid>$announced</uuid><enclosure url="$1" ${2-length=\"$bytes\"}/>
		${3-<vmcast:digest>sha256:$digest</vmcast:digest>}</item></channel></rss>
	END
	# A length of its own for each: nginx makes validators of length and second.
	printf '%*s' $((2000 + announced - $(stat -c %s "$origin/feed.xml"))) '' >>"$origin/feed.xml"
	vmcast feed refresh >/dev/null 2>&1
	wait_for 60 has_item || { diag "item $announced does not come: $(field /v1/feeds '.feeds[].error')"; return 1; }
	item=$(field /v1/items ".items[] | select(.uuid == \"$announced\") | .id")
	wait_for 60 item_is "$item" "ready|failed" || diag "item $announced stays $(field "/v1/items/$item" .state)"
}

has_item()
{
	[[ -n $(field /v1/items ".items[] | select(.uuid == \"$announced\") | .id") ]]
}

outcome()
{
	field "/v1/items/$item" '.state + (if .error then ": " + .error else "" end)'
}

requests()
{
	grep -c '^GET /disk' "$work/proxy.log"
}

# Faults that pass: FAULT, requests it takes, ranges asked for after the first
while read -r fault want_requests want_range; do
	start_proxy "$origin_port" --path '^/disk' --fault "$fault" --times 1
	announce "http://127.0.0.1:$proxy_port/disk"
	is "$fault: ready" "$(outcome)" ready
	is "$fault: after so many requests" "$(requests)" "$want_requests"
	like "$fault: the last of them" "$(tail -n 1 "$work/proxy.log")" "^GET /disk $want_range"
done <<END
close:0 2 -
close:50% 2 bytes=$((bytes / 2))-
close:-1 2 bytes=$((bytes - 1))-
rst:100000 2 bytes=[0-9]+-
close-head:0 2 -
close-head:20 2 -
status:503:1 2 -
status:429 2 -
no-length:70% 2 bytes=[0-9]+-
trickle:200000 1 -
extra:5 1 -
END

# Faults that do not: what must be said of them
while IFS='|' read -r fault said; do
	start_proxy "$origin_port" --path '^/disk' --fault "$fault"
	announce "http://127.0.0.1:$proxy_port/disk"
	like "$fault: failed" "$(outcome)" "^failed: .*$said"
done <<END
status:404|404
status:410|410
status:403|403
flip:100000|SHA-256 is
flip:-1|SHA-256 is
length:+3|the feed says $bytes bytes, the server has $((bytes + 3))
length:-3|the feed says $bytes bytes, the server has $((bytes - 3))
redirect:file:///etc/passwd|file
redirect:http://169.254.169.254/latest|169.254.169.254 is not allowed
redirect:{path}|redirects
END

start_proxy "$origin_port" --path '^/first' --fault "redirect:http://127.0.0.1:$origin_port/disk"
announce "http://127.0.0.1:$proxy_port/first"
is "a redirect to an address that is allowed is followed" "$(outcome)" ready

# Nothing announced about the bytes: then the server's word must do, and one that is cut short is still noticed.
start_proxy "$origin_port" --path '^/disk' --fault close:50% --times 1
announce "http://127.0.0.1:$proxy_port/disk" "" ""
is "without length and digest: continued, and ready" "$(outcome)" ready

# F05: cut in the middle, and then something else comes than the rest that was asked for. With nothing announced about the bytes
# only the answer itself tells: it is refused, or the file fetched anew, and the image the same ("all of it is one image", below).
while IFS='|' read -r fault want; do
	proxy_log=$work/bent.log start_proxy "$origin_port" --path '^/disk' --fault "$fault" --skip 1 --times 1
	bent_pid=$proxy_pid proxy_pid=
	start_proxy "$proxy_port" --path '^/disk' --fault close:50% --times 1
	announce "http://127.0.0.1:$proxy_port/disk" "" ""
	like "$fault instead of the rest" "$(outcome)" "^$want"
	ok "$fault instead of the rest: it did come" grep -q " ${fault%%:*}" "$work/bent.log"
	kill "$bent_pid"
	wait "$bent_pid" || true
done <<'END'
whole|ready$
shift:1000|failed: .* came, bytes from [0-9]* were asked for
range:1|failed: .* came, bytes from [0-9]* were asked for
no-range|failed: .* without a valid Content-Range
etag:"other"|ready$
END
like "the rest of another file is not taken: fetched from its beginning" "$(tail -n 1 "$work/proxy.log")" "^GET /disk - "

# What nobody wants any more ends, however long it would take: the next one waits for it.
withdrawn()
{
	grep -q "item $item: ended: download: .* was removed" "$work/vmcastd.log"
}

start_proxy "$origin_port" --path '^/disk' --fault trickle:2000
announced=$((announced + 1))
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>one</title><item><title>$announced</title><uuid>$announced</uuid>
	<enclosure url="http://127.0.0.1:$proxy_port/disk" length="$bytes"/></item></channel></rss>
END
vmcast feed refresh >/dev/null 2>&1
wait_for 60 has_item || true
item=$(field /v1/items ".items[] | select(.uuid == \"$announced\") | .id")
wait_for 60 item_is "$item" ingesting || diag "it is $(field "/v1/items/$item" .state)"
printf '<rss version="2.0"><channel><title>none any more</title></channel></rss>' >"$origin/feed.xml"
vmcast feed refresh >/dev/null 2>&1
ok "an item that left its feed: its download ends" wait_for 60 withdrawn
stop_proxy

is "all of it is one image" "$(find "$work/state/images" -mindepth 1 -maxdepth 1 | wc -l)" 1
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""
done_testing

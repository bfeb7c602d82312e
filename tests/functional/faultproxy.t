#!/bin/bash
# faultproxy injects the fault it was told to, as often as it was told, and nothing else: curl is the judge.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
head -c 100000 /dev/urandom >"$origin/file"

# get FAULT [CURL-OPTION...]: fetch through a new proxy; sets status (of curl), head and $work/got
get()
{
	local fault=$1
	shift
	start_proxy "$origin_port" --path '^/file' --fault "$fault"
	fetch "$@"
	stop_proxy
}

fetch()
{
	: >"$work/got"
	status=0
	curl -sS --max-time 1 -D "$work/head" -o "$work/got" "$@" "http://127.0.0.1:$proxy_port/file" \
		2>"$work/curl.err" || status=$?
	head=$(tr -d '\r' <"$work/head")
}

# same_until N: what came are the first N bytes
same_until()
{
	cmp -s <(head -c "$1" "$origin/file") "$work/got"
}

start_proxy "$origin_port"
fetch
is "without a fault: curl is content" "$status" 0
ok "without a fault: the file" cmp "$origin/file" "$work/got"
fetch --next -sS --max-time 1 -o "$work/second" "http://127.0.0.1:$proxy_port/file"
ok "a second request on the same connection" cmp "$origin/file" "$work/second"
fetch -r 100-199
is "a range: 206" "${head%%$'\n'*}" "HTTP/1.1 206 Partial Content"
ok "a range: its bytes" cmp "$work/got" <(tail -c +101 "$origin/file" | head -c 100)
is_last_request "the log names path, range, status and bytes" "GET /file bytes=100-199 206 100 -"
stop_proxy

# fault, curl's exit status (18 cut short, 28 time is over, 52 nothing came, 56 reset), bytes that came
while read -r fault want_status want_bytes; do
	get "$fault"
	is "$fault: curl says $want_status" "$status" "$want_status"
	ok "$fault: $want_bytes bytes came" same_until "$want_bytes"
done <<'END'
close:0 18 0
close:1 18 1
close:50% 18 50000
close:-1 18 99999
rst:1000 56 1000
stall:1000 28 1000
close-head:0 52 0
close-head:1 52 0
rst-head:0 56 0
stall-head:0 28 0
length:+1 18 100000
length:-1 0 99999
no-length 0 100000
no-length:70000 0 70000
extra:7 0 100000
trickle:20000 0 100000
END

started=$(date +%s%N)
get trickle:10000
ok "trickle: ten pieces take half a second" test $(($(date +%s%N) - started)) -gt 500000000
get flip:5000
is "flip: curl sees nothing" "$status" 0
is "flip: one byte differs, the one that was named" "$(cmp -l "$origin/file" "$work/got" | awk '{ print $1 }')" 5001
get whole -r 10-19
ok "whole: everything, though a range was asked for" cmp "$origin/file" "$work/got"
like "whole: 200" "$head" "HTTP/1.1 200"
get range:1 -r 10-19
like "range: labelled wrong" "$head" "Content-Range: bytes 11-20/100000"
ok "range: but the bytes that were asked for" cmp "$work/got" <(tail -c +11 "$origin/file" | head -c 10)
get no-range -r 10-19
is "no-range: no label" "$(grep -ci content-range "$work/head")" 0
get shift:5 -r 10-19
like "shift: labelled as what it is" "$head" "Content-Range: bytes 15-24/100000"
ok "shift: another range" cmp "$work/got" <(tail -c +16 "$origin/file" | head -c 10)
get 'etag:"other"'
is "etag: only the other one" "$(grep -i ^etag <<<"$head")" 'ETag: "other"'
get 'redirect:http://127.0.0.1:1{path}?x'
like "redirect: 302" "$head" "HTTP/1.1 302"
like "redirect: to the URL, with the path in it" "$head" "Location: http://127.0.0.1:1/file\?x"
get status:503:7
like "status: 503" "$head" "HTTP/1.1 503"
like "status: Retry-After" "$head" "Retry-After: 7"
echo 'a "word" here' >"$origin/file"
get 'replace:"word"=>"longer word"'
is "replace: the text" "$(<"$work/got")" 'a "longer word" here'

start_proxy "$origin_port" --path '^/file' --fault status:410 --skip 1 --times 2
codes=
for _ in 1 2 3 4; do
	codes+="$(curl -s -o /dev/null -w '%{http_code} ' "http://127.0.0.1:$proxy_port/file")"
done
is "--skip and --times count over connections" "$codes" "200 410 410 200 "
is "other paths are left alone" "$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$proxy_port/none")" 404
stop_proxy

# A connection that stalls is open while its proxy's parent is killed.
TMPDIR=$work bash -c '. tests/lib.sh; start_proxy "$1" --fault stall:0; echo "$proxy_pid" >"$2"
	curl -s -m 30 "127.0.0.1:$proxy_port/file" >"$2.got" & sleep 0.3; kill -9 $$' - "$origin_port" "$work/pid" || true
ok "ends with the process that started it" wait_for 60 eval "! kill -0 $(<"$work/pid") 2>/dev/null"
done_testing

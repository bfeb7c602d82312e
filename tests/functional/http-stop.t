#!/bin/bash
# On SIGTERM the service lets running transfers end for a moment, closes the others, and leaves no socket behind.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_vmcastd "initramfs = initramfs"
id=$(printf '%064d' 7)
mkdir -p "$work/state/images/$id"
truncate -s 4G "$work/state/images/$id/image.zst"
url=http://127.0.0.1:$vmcastd_port/images/$id/image.zst

# One that ends in time (it reads on when the service is asked to stop), one that never reads.
mkfifo "$work/pipe"
curl -s -r 0-20000000 -o "$work/pipe" "$url" &
reader=$!
exec {pipe}<"$work/pipe"
head -c 65536 <&"$pipe" >"$work/got"
exec {stuck}<>"/dev/tcp/127.0.0.1/$vmcastd_port"
printf 'GET /images/%s/image.zst HTTP/1.1\r\nHost: x\r\n\r\n' "$id" >&"$stuck"
kill -TERM "$vmcastd_pid"
refuses() { ! port_answers "$vmcastd_port"; }
ok "nobody else is accepted" wait_for 60 refuses
cat <&"$pipe" >>"$work/got"
ok "the transfer under way ends well" wait "$reader"
is "with all its bytes" "$(stat -c %s "$work/got")" 20000001
status=0
wait "$vmcastd_pid" || status=$?
vmcastd_pid=
is "the service ends well in spite of the one that does not read" $status 0
ok "its socket is gone" test ! -e "$work/run/api.sock"

start_vmcastd
stop_vmcastd KILL
ok "a killed service leaves its socket" test -S "$work/run/api.sock"
start_vmcastd
is "the next one replaces it" "$(api GET /v1/status | jq -r .feeds.count)" 0
is "only the owner and its group may use it" "$(stat -c %a "$work/run/api.sock")" 660
done_testing

#!/bin/bash
# F41, F43, F44: the client killed at any moment leaves a disk that nothing boots from, and the next run completes it, going on
# where the killed one was. The service killed under a running client is waited for.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

# The data is far more than the 4 MB that a socket takes: a service that is killed has not sent everything before.
bytes=$((24 << 20))
serve_image "$bytes" $((16 << 20))

start_client()
{
	"$BUILD/vmcast-boot" write --server "http://127.0.0.1:$proxy_port" --item "$item" --disk "$work/disk" \
		--retry-for 30 >"$work/out" 2>&1 &
	client=$!
}

proxy_has_stalled()
{
	grep -q 'stall' "$proxy_log"
}

# The disk does not change any more: what arrived before the stall has been written.
is_still()
{
	local before
	before=$(cksum <"$work/disk")
	sleep 0.2
	[[ $(cksum <"$work/disk") == "$before" ]]
}

job_writes()
{
	[[ $(last_job '"\(.phase) \(.done_bytes > 0)"') == "write true" ]]
}

# begin_and_stop FAULT SIGNAL: a run that is ended by a signal when the answer has stalled
begin_and_stop()
{
	fill "$work/disk" "$bytes"
	start_proxy "$vmcastd_port" --path image.zst --fault "$1"
	start_client
	wait_for 60 proxy_has_stalled || diag "$(<"$work/out")"
	wait_for 60 is_still
	kill -"$2" "$client"
	status=0
	{ wait "$client" || status=$?; } 2>/dev/null
	had=$(asked_bytes)
}

# How many bytes of the image were asked for
asked_bytes()
{
	sed -n 's/^GET .*image.zst bytes=\([0-9]*\)-\([0-9]*\) .*/\1 \2/p' "$proxy_log" | awk '{ sum += $2 - $1 + 1 } END { print sum + 0 }'
}

for place in stall-head:0 stall:0 stall:1 stall:30% stall:70% stall:-1; do
	begin_and_stop "$place" KILL
	is "$place: killed" "$status" 137
	ok "$place: nothing boots from the disk" is_blank "$work/disk"
	start_proxy "$vmcastd_port"
	write_disk "$proxy_port" "$work/disk"
	is "$place: the next run succeeds" "$status" 0
	ok "$place: with the image" cmp "$image" "$work/disk"
done
# The last of them was killed when all that it had asked for had come, but for a byte.
image_bytes=$(field "/v1/items/$item" .image_bytes)
ok "the last of them had got a good part" test "$had" -gt $((4 << 20))
ok "the next run got no more than the disk's ends and the rest" test $((had + $(asked_bytes) - image_bytes)) -lt $((3 << 20))

begin_and_stop stall:50% TERM
is "SIGTERM: exit 1" "$status" 1
like "SIGTERM: says so" "$(<"$work/out")" "interrupted"
ok "SIGTERM: nothing boots from the disk" is_blank "$work/disk"
like "SIGTERM: the service knows" "$(last_job '"\(.phase) \(.exit) \(.message)"')" "failed 1 .*interrupted"

fill "$work/disk" "$bytes"
start_proxy "$vmcastd_port" --path image.zst --fault trickle:100000
start_client
wait_for 60 job_writes || diag "$(<"$work/out")"
stop_vmcastd KILL
sleep 2
start_vmcastd
status=0
wait "$client" || status=$?
is "the service killed and started again: exit 0" "$status" 0
[[ $status == 0 ]] || diag "$(<"$work/out")"
ok "the service killed and started again: the image" cmp "$image" "$work/disk"
ok "the service killed and started again: it went on where it was" test "$(asked_bytes)" -lt $((2 * (16 << 20)))
is "the service killed and started again: it knows" "$(last_job .phase)" "done"
done_testing

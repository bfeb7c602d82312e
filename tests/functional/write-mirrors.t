#!/bin/bash
# Several servers have the image: whatever one of them does, the others' bytes end on the disk. The mirror is a plain web server
# with a copy of the service's images.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((64 << 20))
mirror_port=$(free_port)
serve_image "$bytes" $((48 << 20)) "mirror = http://127.0.0.1:$mirror_port"
cp -r "$work/state/images" "$origin/"
chmod -R a+rX "$origin/images"
fill "$work/old" "$bytes"

# start_mirror [OPTION...]: faultproxy in front of the copy, in place of the one before; logs to $work/mirror.log
mirror_pid=
start_mirror()
{
	stop_mirror
	rm -f "$work/mirror.port"
	: >"$work/mirror.log"
	tests/functional/faultproxy --to "127.0.0.1:$origin_port" --listen "$mirror_port" --port-file "$work/mirror.port" \
		--log "$work/mirror.log" "$@" &
	mirror_pid=$!
	wait_for 60 test -s "$work/mirror.port"
}

stop_mirror()
{
	[[ -n $mirror_pid ]] || return 0
	kill "$mirror_pid" || true
	wait "$mirror_pid" || true
	mirror_pid=
}
at_exit stop_mirror

# sent LOG: bytes of the image that a server sent
sent()
{
	awk '$2 ~ /image.zst$/ && $4 == 206 { sum += $5 } END { print sum + 0 }' "$1"
}

asked()
{
	grep -c image.zst "$1" || true
}

# write LABEL: a run on a used disk that ends well
write()
{
	cp "$work/old" "$work/disk"
	write_disk "$proxy_port" "$work/disk" --stall-timeout 2 --retry-for 10
	is "$1: exit 0" "$status" 0
	[[ $status == 0 ]] || diag "$said"
	ok "$1: the image" cmp "$image" "$work/disk"
}

# Slow ones, so that there is something left for the second when the first has begun, however busy the machine is.
start_proxy "$vmcastd_port" --path image.zst --fault trickle:500000
start_mirror --path image.zst --fault trickle:500000
write "both are well"
ok "both are well: the mirror sends a good part" test "$(sent "$work/mirror.log")" -gt $((8 << 20))
ok "both are well: so does the service" test "$(sent "$proxy_log")" -gt $((8 << 20))
ok "both are well: nothing is sent twice" test $(($(sent "$work/mirror.log") + $(sent "$proxy_log"))) -lt $((50 << 20))

start_proxy "$vmcastd_port"
stop_mirror
write "the mirror is down"
like "the mirror is down: says so" "$said" 'another server'

start_mirror --path image.zst --fault status:404
write "the mirror lacks the image"
like "the mirror lacks the image: says so" "$said" 'status 404.*another server'
ok "the mirror lacks the image: each connection asks once" test "$(asked "$work/mirror.log")" -le 8

start_mirror --path image.zst --fault close:30%
write "the mirror breaks off, always"
start_mirror --path image.zst --fault stall:30% --times 2
write "the mirror stalls"
start_mirror --path image.zst --fault whole
write "the mirror knows no ranges"
start_mirror --path image.zst --fault extra:100
write "the mirror sends more"

start_mirror --path image.zst --fault flip:70%
write "the mirror sends wrong bytes"
like "the mirror sends wrong bytes: the chunk is refused" "$said" 'chunk [0-9]+: .*digest.*, retrying|chunk [0-9]+: .*, retrying'
ok "the mirror sends wrong bytes: it is hardly asked any more" test "$(asked "$work/mirror.log")" -le 8
ok "the mirror sends wrong bytes: the service sends most" test "$(sent "$proxy_log")" -gt $((24 << 20))

start_mirror
start_proxy "$vmcastd_port" --path image.zst --fault flip:70%
write "the service sends wrong bytes"
start_proxy "$vmcastd_port" --path image.zst --fault close:0
write "the service cannot send the image"
start_proxy "$vmcastd_port" --path image.zst --fault status:500
write "the service fails to send the image"

# In the middle of it
cp "$work/old" "$work/disk"
start_proxy "$vmcastd_port" --path image.zst --fault trickle:200000
# So slow that its first answer has not ended by then.
start_mirror --path image.zst --fault trickle:50000
"$BUILD/vmcast-boot" write --server "http://127.0.0.1:$proxy_port" --item "$item" --disk "$work/disk" \
	--stall-timeout 2 --retry-for 10 >"$work/out" 2>&1 &
client=$!
job_writes()
{
	[[ $(last_job '"\(.phase) \(.done_bytes > 0)"') == "write true" ]]
}
wait_for 60 job_writes || diag "$(<"$work/out")"
stop_mirror
status=0
wait "$client" || status=$?
is "the mirror dies half way: exit 0" "$status" 0
[[ $status == 0 ]] || diag "$(<"$work/out")"
ok "the mirror dies half way: the image" cmp "$image" "$work/disk"
like "the mirror dies half way: says so" "$(<"$work/out")" 'another server'

start_proxy "$vmcastd_port" --path image.zst --fault close:0
start_mirror --path image.zst --fault flip:70%
cp "$work/old" "$work/disk"
write_disk "$proxy_port" "$work/disk" --stall-timeout 2 --retry-for 4
ok "no server is any good: fails" test "$status" != 0
ok "no server is any good: nothing boots from the disk" is_blank "$work/disk"
done_testing

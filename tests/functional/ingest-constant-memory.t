#!/bin/bash
# DESIGN.md 1.5: what the service takes of memory for an ingest is the same for a disk of 256 MiB and for one of 8 GiB, within 10 %.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $BUILD != *san* ]] || skip_all "sanitizers keep books of their own"

start_origin
make_image "$work/disk" $((256 << 20)) $((4 << 20))
zstd -q -1 "$work/disk" -o "$origin/small.zst"
for _ in {1..32}; do
	cat "$origin/small.zst"
done >"$origin/large.zst"

# peak_of NAME: ingest it with a fresh service; sets peak, in KiB
peak_of()
{
	rm -rf "$work/state"
	"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/$1" >"$origin/feed.xml"
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "chunk_bytes = 1M"
	wait_ingest "$1"
	is "$1: ready" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$vmcastd_pid/status")
	stop_vmcastd
}

peak_of small.zst
small=$peak
peak_of large.zst
diag "peak memory of vmcastd: 256 MiB disk $small KiB, 8 GiB disk $peak KiB"
ok "within 10 % of each other" test $((peak * 10)) -le $((small * 11))
done_testing

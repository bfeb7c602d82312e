#!/bin/bash
# DESIGN.md 1.5: the service's peak memory while it ingests, and the client's while it writes, do not depend on the image's size:
# 256 MiB and 8 GiB are within 10 %. And an image past 4 GiB comes out byte for byte.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

! has_sanitizers || skip_all "sanitizers take memory of their own"
start_origin

# measure NAME BYTES: sets service_kib and client_kib, the peak resident memory of each
measure()
{
	make_image "$origin/$1" "$2" $(($2 / 64))
	zstd -q -1 "$origin/$1" -o "$origin/$1.zst"
	"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/$1.zst" >"$origin/feed.xml"
	rm -rf "$work/state"
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "chunk_bytes = 1M"
	wait_ingest "$1.zst"
	is "$1: ingested" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
	service_kib=$(awk '/^VmHWM/ { print $2 }' "/proc/$vmcastd_pid/status")

	status=0
	/usr/bin/time -o "$work/time" -f %M "$BUILD/vmcast-boot" write --server "http://127.0.0.1:$vmcastd_port" \
		--item "$item" --disk "$work/disk" >"$work/out" 2>&1 || status=$?
	is "$1: written" "$status" 0
	client_kib=$(tail -n1 "$work/time")
	ok "$1: byte for byte" qemu-img compare -q -f raw -F raw "$origin/$1" "$work/disk"
	stop_vmcastd TERM
	rm "$origin/$1" "$origin/$1.zst" "$work/disk"
}

# same LABEL KIB KIB: within 10 %
same()
{
	diag "$1: $2 KiB with 256 MiB, $3 KiB with 8 GiB"
	ok "$1: the same memory for 256 MiB and 8 GiB" test $((($3 - $2) * 10)) -le "$2" -a $((($2 - $3) * 10)) -le "$2"
}

# Once for nothing: of a program that the system has not yet read whole, fewer pages are resident.
measure 64M $((64 << 20))
measure 256M $((256 << 20))
small_service=$service_kib small_client=$client_kib
measure 8G $((8 << 30))
same "vmcastd, ingest" "$small_service" "$service_kib"
same "vmcast-boot, write" "$small_client" "$client_kib"
done_testing

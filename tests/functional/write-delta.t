#!/bin/bash
# A disk that holds an earlier version of an item is written with the one that serves: what moved is copied on the disk, what is new
# comes in a delta. Whatever the disk really holds, whatever the delta says and whenever the client is killed: the right bytes.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((48 << 20))
start_origin

# piece FILE FROM-MIB MIB TO-FILE TO-MIB
piece()
{
	dd if="$1" of="$4" bs=1M skip="$2" count="$3" seek="$5" conv=notrunc status=none
}

# Two places that change their content with one another, a move by half a block and a chunk, something new, something gone;
# of one chunk only a few bytes are others. What was in the gap is zeros.
make_versions()
{
	local one=$1 two=$2

	truncate -s "$bytes" "$one"
	printf 'label: gpt\nstart=2048, type=linux\n' | sfdisk -q "$one"
	head -c 32M /dev/urandom | dd of="$one" bs=1M seek=2 conv=notrunc status=none
	cp "$one" "$two"
	piece "$one" 2 6 "$two" 8
	piece "$one" 8 6 "$two" 2
	dd if="$one" of="$two" bs=512k skip=28 count=20 seek=29 conv=notrunc status=none
	head -c 1M /dev/urandom | dd of="$two" bs=1M seek=26 conv=notrunc status=none
	dd if=/dev/zero of="$two" bs=1M seek=28 count=3 conv=notrunc status=none
	printf 'changed' | dd of="$two" bs=1 seek=$((33 << 20)) conv=notrunc status=none
}
make_versions "$origin/one" "$origin/two"

# announce FILE: the one item, with these bytes
announce()
{
	cat >"$origin/feed.xml" <<-END
		<rss version="2.0"><channel><title>feed</title><item><title>Debian image</title><uuid>u</uuid>
		<enclosure url="$1" length="$bytes"/></item></channel></rss>
	END
}

deltas()
{
	field "/v1/items/$item" "[.disks[].deltas[]] | length"
}

has_delta()
{
	[[ $(deltas) == 1 ]]
}

# fetched REGEX: bytes that were asked for of files whose path matches
fetched()
{
	sed -nE "s/^GET [^ ]*$1[^ ]* bytes=([0-9]*)-([0-9]*) .*/\1 \2/p" "$proxy_log" |
		awk '{ sum += $2 - $1 + 1 } END { print sum + 0 }'
}

announce one
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
wait_ingest one
is "one version has no delta" "$(deltas)" 0
announce two
vmcast feed refresh >/dev/null
wait_for 120 has_delta
ok "a delta is made when an earlier version is kept" has_delta
like "and shown" "$(vmcast item show "$item")" "delta +[0-9.]+ MiB from image [0-9a-f]{16}"
delta=$(ls "$work/state/deltas")
delta_bytes=$(stat -c %s "$work/state/deltas/$delta")
ok "it has the new MiB and little more" test "$delta_bytes" -lt $((1200 << 10))

# updated NAME MOST: the disk, which holds something, gets version two, for at most so many bytes of the image and the delta
updated()
{
	start_proxy "$vmcastd_port"
	write_disk "$proxy_port" "$work/disk"
	is "$1: exit 0" "$status" 0
	ok "$1: the right bytes" cmp "$origin/two" "$work/disk"
	ok "$1: at most $2 bytes are fetched" test "$(($(fetched image.zst) + $(fetched deltas)))" -le "$2"
	[[ $status == 0 ]] || diag "$said"
}

cp "$origin/one" "$work/disk"
updated "the version before" $((delta_bytes + (2 << 20)))
like "it says so" "$said" "delta.* pieces made of what was on the disk"

updated "the same version" $((1200 << 10))

cp "$origin/one" "$work/disk"
printf 'log' | dd of="$work/disk" bs=1 seek=$((4 << 20)) conv=notrunc status=none
printf 'log' | dd of="$work/disk" bs=1 seek=$(((33 << 20) + 5000)) conv=notrunc status=none
truncate -s $((60 << 20)) "$work/disk"
head -c 12M /dev/urandom | dd of="$work/disk" bs=1M seek=48 conv=notrunc status=none
start_proxy "$vmcastd_port"
write_disk "$proxy_port" "$work/disk"
is "a version before that ran, on a larger disk: exit 0" "$status" 0
ok "a version before that ran: the right bytes" cmp -n "$bytes" "$origin/two" "$work/disk"
ok "a version before that ran: only what it changed is fetched whole" test "$(fetched image.zst)" -le $((6 << 20))

fill "$work/disk" "$bytes"
updated "another disk" $((40 << 20))
unlike "another disk: nothing can be made of it" "$said" "pieces made"

# Killed while payloads come: the next run goes on with what is left of the old content.
for place in 5% 30% 60% 90% -1; do
	cp "$origin/one" "$work/disk"
	start_proxy "$vmcastd_port" --path deltas/ --skip 2 --fault "stall:$place"
	"$BUILD/vmcast-boot" write --server "http://127.0.0.1:$proxy_port" --item "$item" --disk "$work/disk" \
		>"$work/out" 2>&1 &
	client=$!
	wait_for 60 grep -q stall "$proxy_log"
	sleep 0.3
	kill -KILL "$client"
	{ wait "$client" || true; } 2>/dev/null
	ok "killed at $place: nothing boots from the disk" is_blank "$work/disk"
	updated "killed at $place" $((delta_bytes + (4 << 20)))
done

# A delta that is wrong costs what it has and nothing more.
cp "$work/state/deltas/$delta" "$work/delta"
for place in 100 5000 $((delta_bytes / 2)) $((delta_bytes - 2000)) $((delta_bytes - 30)); do
	cp "$work/delta" "$work/state/deltas/$delta"
	printf '\377\0\377\377' | dd of="$work/state/deltas/$delta" bs=1 seek="$place" conv=notrunc status=none
	cp "$origin/one" "$work/disk"
	updated "byte $place of the delta is wrong" $((40 << 20))
done
head -c "$delta_bytes" /dev/urandom >"$work/state/deltas/$delta"
cp "$origin/one" "$work/disk"
updated "the delta is noise" $((40 << 20))
like "the delta is noise: it says so" "$said" "delta from .*does not begin with"
cp "$work/delta" "$work/state/deltas/$delta"

# A version that is forgotten takes its deltas along.
cp "$origin/two" "$origin/three"
head -c 4M /dev/urandom | dd of="$origin/three" bs=1M seek=4 conv=notrunc status=none
announce three
vmcast feed refresh >/dev/null
wait_for 120 eval "[[ \$(field /v1/items/$item .version) == 3 ]]"
wait_for 120 has_delta
vmcast store gc >/dev/null
unlike "the delta goes with its versions" "$(ls "$work/state/deltas")" "$delta"
done_testing

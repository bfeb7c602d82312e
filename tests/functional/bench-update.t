#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make bench-update in short: tiny disks, and only ours. Bytes are counted, and less of them are moved where less has changed.
# shellcheck disable=SC2016 # jq expands them
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

need_bench

bytes=$((32 << 20))
data=$((24 << 20))
make_image "$work/old" "$bytes" "$data"

# put FILE BLOCK: 4 KiB of standard input at that block
put()
{
	head -c 4096 | dd of="$1" bs=4096 seek="$2" conv=notrunc status=none
}

# ---- what has changed: a block that is new, and one that is where it was and somewhere else

cp "$work/old" "$work/new"
put "$work/new" 300 </dev/urandom
dd if="$work/old" bs=4096 skip=256 count=1 status=none | put "$work/new" 301
mkdir "$work/changed"
tests/bench/changed "$work/old" "$work/new" "$work/changed" >"$work/json"
is "changed: blocks that differ in place" "$(stat -c %s "$work/changed/in-place")" 8192
is "changed: blocks that are nowhere on the old disk" "$(stat -c %s "$work/changed/anywhere")" 4096
ok "changed: what they are is the new disk's" cmp "$work/changed/anywhere" <(dd if="$work/new" bs=4096 skip=300 count=1 status=none)
ok "changed: blocks of zeros are no data" eval "[[ \$(jq .data_bytes $work/json) -lt $((data + (1 << 20))) ]]"
tests/bench/changed "$work/old" "$work/old" "$work/changed" >"$work/same"
ok "changed: an adaptive update would fetch that block besides its index" \
	test $(($(jq .rauc_bytes "$work/json") - $(jq .rauc_bytes "$work/same"))) -ge 4096

# ---- the whole

# Three quarters down the disk.
cp "$work/old" "$work/new"
head -c 262144 /dev/urandom | dd of="$work/new" bs=1M seek=24 conv=notrunc status=none
# The first and the last chunk of each MiB, with more between them than is fetched for nothing.
cp "$work/old" "$work/scattered"
for nr in $(seq 2 30); do
	put "$work/scattered" $((nr * 256)) </dev/urandom
	put "$work/scattered" $((nr * 256 + 255)) </dev/urandom
done
status=0
tests/bench/update --disks "same=$work/old,$work/old" --disks "change=$work/old,$work/new" \
	--disks "scattered=$work/old,$work/scattered" --out "$work/out" \
	vmcast-64K vmcast-64K-delta rauc >"$work/said" 2>&1 || status=$?
is "it runs" "$status" 0
[[ $status == 0 ]] || diag "$(cat "$work/said")"

# of PAIR FILTER: something of what was measured for our row
of()
{
	jq -r --arg pair "$1" '.pairs[] | select(.pair == $pair) | . as $pair | .rows[0] | '"$2" "$work/out/update.json"
}

is "the new disk is right" "$(of change .right)" true
is "the same one, too" "$(of same .right)" true
is "and one with small changes everywhere" "$(of scattered .right)" true
is "the same disk takes next to nothing" "$(of same '.fetched_bytes < $pair.full_bytes / 20')" true
is "a change takes what has changed, and little more" \
	"$(of change '.fetched_bytes > $pair.anywhere_bytes and .fetched_bytes < $pair.full_bytes / 2')" true
is "what is written is counted, where there is a loop device" \
	"$(of change '.written_bytes == null or (.written_bytes >= 262144 and .written_bytes <= $pair.disk_bytes)')" true
is "with a delta, too" "$(jq -r '[.pairs[].rows[] | select(.row == "vmcast-64K-delta") | .right] | all' "$work/out/update.json")" true
is "which moves less than chunks do" "$(jq -r '.pairs[] | select(.pair == "scattered") | .rows |
	map({(.row): .fetched_bytes}) | add | .["vmcast-64K-delta"] < .["vmcast-64K"] / 2' "$work/out/update.json")" true
said=$(<"$work/said")
like "the table has ours" "$said" $'\nchange +vmcast-boot, 64K +[0-9.]+ +[0-9.]+ '
like "what was computed is called so" "$said" $'\nchange +RAUC adaptive \\(computed\\) +[0-9.]+ '
like "and the least there is" "$said" $'\nchange +4 KiB blocks found nowhere, zstd -3 +0.3 '
like "the targets are said" "$said" 'same image: [0-9.]+ % fetched'
done_testing

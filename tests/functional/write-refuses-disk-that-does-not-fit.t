#!/bin/bash
# F29, F30, F38: a disk one sector too small, one with sectors of another size than the image's GPT is made for, and a choice
# that nobody has made: exit 5, and not one byte changes.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((16 << 20))
serve_image "$bytes" $((1 << 20)) "identity = none"
index=$work/state/images/$(field "/v1/items/$item" .image)/index
is "the image's GPT is for sectors of 512 bytes" "$(od -An -j56 -N4 -tu4 "$index" | tr -d ' ')" 512

# refused LABEL TARGET MESSAGE: the backing file is $work/disk
refused()
{
	write_disk "$vmcastd_port" "$2"
	is "$1: exit 5" "$status" 5
	like "$1: says why" "$said" "$3"
	ok "$1: not one byte changed" cmp "$work/disk" "$work/before"
	is "$1: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed 5"
	like "$1: the service knows why" "$(last_job .message)" "$3"
}

fill "$work/before" $((bytes - 512))
cp "$work/before" "$work/disk"
refused "a file one sector too small" "$work/disk" "too small: $((bytes - 512)) bytes, the image needs $bytes"

# On a machine the disk is chosen. The rule keeps whatever disks this host has out of it.
status=0
said=$("$BUILD/vmcast-boot" run --cmdline "vmcast.server=http://127.0.0.1:$vmcastd_port vmcast.item=$item \
	vmcast.disk=\"serial=no-such-serial\"" --retry-for 3 2>&1) || status=$?
is "a rule that no disk meets: exit 5" "$status" 5
like "a rule that no disk meets: says for each disk why not" "$said" "no disk can be taken by the rule 'serial=no-such-serial': "
is "a rule that no disk meets: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed 5"

if [[ $(id -u) != 0 || ! -e /dev/loop-control ]]; then
	diag "loop devices need root: not tried"
	done_testing
fi
attach "$work/disk"
refused "a disk one sector too small" "$loop" "too small: $((bytes - 512)) bytes, the image needs $bytes"

fill "$work/disk" $((bytes * 2))
cp "$work/disk" "$work/before"
attach "$work/disk" -b 4096
refused "sectors of 4096 bytes, GPT for 512" "$loop" "sectors of 4096 bytes, the image is partitioned for 512"
attach "$work/disk"
write_disk "$vmcastd_port" "$loop"
is "the same disk with sectors of 512 bytes: exit 0" "$status" 0
ok "the same disk with sectors of 512 bytes: the image" cmp -n "$bytes" "$image" "$work/disk"
# The other way round: a GPT for sectors of 4096 bytes, as a disk with such sectors would have it
truncate -s "$bytes" "$origin/image-4096"
attach "$origin/image-4096" -b 4096
printf 'label: gpt\nstart=256, type=linux\n' | sfdisk -q --no-tell-kernel "$loop"
losetup -d "$loop"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/image-4096" >"$origin/feed.xml"
vmcast feed refresh >"$work/refreshed" 2>&1
wait_ingest image-4096
cp "$work/before" "$work/disk"
attach "$work/disk"
refused "sectors of 512 bytes, GPT for 4096" "$loop" "sectors of 512 bytes, the image is partitioned for 4096"
attach "$work/disk" -b 4096
write_disk "$vmcastd_port" "$loop"
is "the same disk with sectors of 4096 bytes: exit 0" "$status" 0
ok "the same disk with sectors of 4096 bytes: the image" cmp -n "$bytes" "$origin/image-4096" "$work/disk"
done_testing

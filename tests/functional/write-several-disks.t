#!/bin/bash
# An item of two disks: each goes to its own target, all of them are checked before any is written, and whatever ends a run
# early leaves nothing that boots on either.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
boot=$work/boot.raw
data=$work/data.raw
make_image "$boot" 24M $((3 << 20))
make_image "$data" 17M $((2 << 20))
make_ova "$origin/two.ova" "$boot" "$data"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/two.ova" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "identity = none"
wait_ingest two.ova || exit 1
item_is "$item" ready || { diag "$(field "/v1/items/$item" .error)"; exit 1; }

# write_two BOOT DATA [OPTION...]
write_two()
{
	write_disk "$vmcastd_port" "$1" --disk "$2" "${@:3}"
}

fresh()
{
	fill "$work/boot" $((24 << 20))
	fill "$work/data" $((18 << 20))
}

are_untouched()
{
	cmp "$work/boot" "$work/boot.before" && cmp "$work/data" "$work/data.before"
}

have_images()
{
	cmp "$boot" "$work/boot" && cmp -n $((17 << 20)) "$data" "$work/data"
}

are_blank()
{
	is_blank "$work/boot" && is_blank "$work/data"
}

# refused LABEL MESSAGE: the run before changed neither disk
refused()
{
	is "$1: exit 5" "$status" 5
	like "$1: says why" "$said" "$2"
	ok "$1: neither disk is touched" are_untouched
	is "$1: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed 5"
}

fresh
write_two "$work/boot" "$work/data"
is "two disks: exit 0" "$status" 0
ok "two disks: every byte of both" have_images
like "two disks: the plan is for both" "$said" 'plan: "two.ova", 2 disks of 41.0 MiB'
is "two disks: the job is done" "$(last_job .phase)" "done"
is "two disks: and knows both" "$(last_job .disk)" "boot, data"
is "two disks: its bytes are those of both images" "$(last_job .done_bytes)" "$(last_job .total_bytes)"
ok "two disks: which is more than one" test "$(last_job .total_bytes)" -gt $((4 << 20))

rm "$work/boot" "$work/data"
write_two "$work/boot" "$work/data" --json
is "two new files: exit 0" "$status" 0
ok "two new files: every byte of both" have_images
like "two new files: the result is for both" "$said" "\"disk_bytes\": $((41 << 20))"

fresh
cp "$work/boot" "$work/boot.before"
cp "$work/data" "$work/data.before"
write_disk "$vmcastd_port" "$work/boot"
refused "one disk" "the item has 2 disks, and 1 --disk were given"
write_two "$work/boot" "$work/boot"
refused "one disk twice" "disk $work/boot is named twice"
ln "$work/boot" "$work/link"
write_two "$work/boot" "$work/link"
refused "one disk by two names" "in use"
write_two "$work/data" "$work/boot"
refused "the first is too small" "disk $work/data: too small"
truncate -s 17M "$work/small"
truncate -s -512 "$work/small"
write_two "$work/boot" "$work/small"
refused "the second is too small" "disk $work/small: too small"
sleep 60 | qemu-io -f raw "$work/data" >/dev/null &
user=$!
wait_for 5 grep -q "$(stat -c %i "$work/data")" /proc/locks
write_two "$work/boot" "$work/data"
refused "the second is in use" "data' is in use by another program"
kill "$user"
wait_for 5 eval "! grep -q $(stat -c %i "$work/data") /proc/locks"

# On a machine the disks are chosen by rules. These keep whatever disks this host has out of it.
run()
{
	status=0
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" run --retry-for 3 --cmdline \
		"vmcast.server=http://127.0.0.1:$vmcastd_port vmcast.item=$item $1" 2>&1) || status=$?
}

run ""
refused "no rules" "the item has 2 disks \(1: 24.0 MiB, vmdisk1; 2: 17.0 MiB, vmdisk2\), and no rules say which of this machine's"
like "no rules: says what to type" "$said" "vmcast machine assign [0-9a-f:]+ $item --target RULE --target RULE"
run 'vmcast.disk="serial=no-such"'
refused "one rule" "vmcast.disk has 1 rule, the item has 2 disks"
run 'vmcast.disk="serial=no-such ; serial=neither"'
refused "rules that no disk meets" "disk 1 of the item: no disk can be taken by the rule 'serial=no-such'"

# id_of NUMBER: the image of a disk
id_of()
{
	field "/v1/items/$item" ".disks[$1].image"
}

# The data disk's image comes first, the boot disk's last.
for place in 30% 70% -1; do
	for which in 1 0; do
		fresh
		start_proxy "$vmcastd_port" --path "$(id_of "$which")/image.zst" --fault "close:$place"
		write_disk "$proxy_port" "$work/boot" --disk "$work/data" --retry-for 1
		stop_proxy
		is "cut off at $place of an image: exit 3" "$status" 3
		ok "cut off at $place of an image: nothing boots from either" are_blank
		write_two "$work/boot" "$work/data"
		is "cut off at $place of an image: the next run succeeds" "$status" 0
		ok "cut off at $place of an image: with both" have_images
		like "cut off at $place of an image: going on where it was" "$said" "resume: "
	done
done

served=$work/state/images/$(id_of 0)/image.zst
printf 'vmcast' | dd of="$served" bs=1 seek=$(($(stat -c %s "$served") / 2)) conv=notrunc status=none
fresh
write_two "$work/boot" "$work/data"
is "one byte of the boot disk's image is wrong: exit 4" "$status" 4
ok "one byte of the boot disk's image is wrong: nothing boots from either" are_blank
done_testing

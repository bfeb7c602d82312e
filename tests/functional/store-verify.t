#!/bin/bash
# `vmcast store verify` reads all that is stored and finds one wrong byte wherever it is: what is damaged is removed, never served
# again, and made anew from the publisher's file.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
for name in a b; do
	make_image "$origin/$name" $((2 << 20)) $((1 << 20))
done
# A root file system: kept as it is
mkdir -p "$work/root/etc" "$work/root/bin" "$work/root/sbin" "$work/root/usr" "$work/root/var" "$work/root/lib"
echo 'ID=debian' >"$work/root/etc/os-release"
head -c 300000 /dev/urandom >"$work/root/bin/sh"
chmod +x "$work/root/bin/sh"
tar -C "$work/root" -czf "$origin/root.tar.gz" .
for name in a b root.tar.gz; do
	echo "<item><title>$name</title><uuid>$name</uuid><enclosure url='$name' length='$(stat -c %s "$origin/$name")'/></item>"
done >"$work/items"
echo "<rss version='2.0'><channel><title>f</title>$(<"$work/items")</channel></rss>" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"

declare -A items
for name in a b root.tar.gz; do
	wait_ingest "$name"
	items[$name]=$item
	is "$name is ready" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
done
is "the archive is a root file system" "$(field "/v1/items/${items[root.tar.gz]}" .kind)" rootfs
images=$work/state/images
image_a=$images/$(field "/v1/items/${items[a]}" .image)
kept=$images/$(field "/v1/items/${items[root.tar.gz]}" .file.id)
ok "its file is kept as it is" cmp "$kept/file" "$origin/root.tar.gz"

# verify STATUS LABEL: sets said
verify()
{
	status=0
	said=$(vmcast store verify 2>"$work/errors") || status=$?
	said+=$(<"$work/errors")
	is "$2: exit status" "$status" "$1"
}

# is_ready NAME: made anew, whole
is_whole()
{
	[[ $(field "/v1/items/${items[$1]}" '"\(.state) \(.version)"') =~ ^ready\ [0-9]+$ ]]
}

# flip FILE OFFSET: one byte is another
flip()
{
	local was

	was=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\x$(printf %02x $((was ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

verify 0 "a store that is whole"
like "with what was read" "$said" "3 good, 0 damaged"
is "as its status says afterwards" "$(field /v1/store '.verify | "\(.state) \(.good) \(.done_bytes == .total_bytes)"')" "over 3 true"
like "and for people" "$(vmcast store status)" "images +3, .*verified.*3 good"

# damaged LABEL FILE OFFSET NAME: found, removed, made anew
damaged()
{
	chmod u+w "$2"
	flip "$2" "$3"
	verify 5 "$1"
	like "$1: which is told" "$said" "damaged +$(basename "$(dirname "$2")" | head -c 16)"
	ok "$1: and made anew" wait_for 120 is_whole "$4"
	ok "$1: in its place" test -s "$2"
	verify 0 "$1: whole again"
}

damaged "a byte of a frame" "$image_a/image.zst" 5000 a
damaged "the last byte of the seek table" "$image_a/image.zst" $(($(stat -c %s "$image_a/image.zst") - 1)) a
damaged "a byte of an index" "$image_a/index" 100 a
damaged "a byte of a file that is kept" "$kept/file" 1000 root.tar.gz

rm "$image_a/index"
verify 5 "an index that is gone"
ok "the image is made anew" wait_for 120 is_whole a
item=${items[a]}
write_disk "$vmcastd_port" "$work/disk"
ok "and deployed" cmp "$origin/a" "$work/disk"

# While the publisher is gone the item has nothing to serve, and says so.
mv "$origin/b" "$work/b"
flip "$images/$(field "/v1/items/${items[b]}" .image)/image.zst" 2000
verify 5 "damage that cannot be made good now"
wait_for 120 eval "[[ \$(field /v1/items/${items[b]} .state) == failed ]]"
is "nothing damaged is served" "$(field "/v1/items/${items[b]}" '"\(.version) \(.image)"')" "null null"
like "JSON has what was found" "$(vmcast --json store status | jq -r '.verify.findings[0].why')" "."
done_testing

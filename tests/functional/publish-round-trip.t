#!/bin/bash
# What is published comes out of a machine's disk byte for byte: publish -> web server -> subscribe -> ingest -> write, in every
# form. A subscriber that finds the deployable form takes it as it is, and only if every byte of it is right.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
disk=$work/disk.raw
make_image "$disk" $((6 << 20)) $((2 << 20))
qemu-img convert -f raw -O qcow2 "$disk" "$work/disk.qcow2"

feeds=()
# publish NAME OPTION...: a folder of this name with one item of this title
publish()
{
	local name=$1
	shift
	"$BUILD/vmcast" publish "${source-$work/disk.qcow2}" --to "$origin/$name" --title "$name" "$@" >"$work/said" 2>&1 ||
		{ diag "publish $name: $(cat "$work/said")"; exit 1; }
	feeds+=("feed = http://127.0.0.1:$origin_port/$name/feed.xml")
}

# of_feed NAME XPATH
of_feed()
{
	xmllint --xpath "$2" "$origin/$1/feed.xml"
}

# item_titled NAME: sets item, when it is ready or has failed
item_titled()
{
	wait_for 30 eval "item=\$(field /v1/items '[.items[] | select(.title == \"$1\")][0].id // empty'); [[ -n \$item ]]" &&
		wait_for 120 item_is "$item" "ready|failed"
}

# fetched PATH-REGEX: how many requests there were for it
fetched()
{
	grep -cE "^GET $1 " "$work/access.log" || true
}

forms=(original deployable both xvm2 ova)
publish original --form original --base-url "http://127.0.0.1:$origin_port/original"
publish deployable --form deployable
publish both --base-url "http://127.0.0.1:$origin_port/both/"
publish xvm2 --form original --xvm2
publish ova --form original --ova

# A machine of two disks, as somebody else packed it
mkdir "$work/two"
gzip -c "$disk" >"$work/two/system.raw.gz"
make_image "$work/data.raw" $((4 << 20)) $((1 << 20))
gzip -c "$work/data.raw" >"$work/two/data.raw.gz"
cat >"$work/two/description.xml" <<'END'
<domain type="kvm"><name>two</name><memory>524288</memory><vcpu>1</vcpu><os><type>hvm</type></os><devices>
<disk type="file" device="disk"><source file="/vm/system.raw"/><target dev="vda" bus="virtio"/></disk>
<disk type="file" device="disk"><source file="/vm/data.raw"/><target dev="vdb" bus="virtio"/></disk>
</devices></domain>
END
tar -C "$work/two" -cf "$work/two.xvm2" description.xml system.raw.gz data.raw.gz
source=$work/two.xvm2
publish two-deployable --form deployable
publish two-ova --form original --ova
publish two-xvm2 --form original --xvm2
publish two-tampered --form deployable
image=$(find "$origin/two-tampered" -name image.zst -size -1500k)
printf 'vmcast' | dd of="$image" bs=1 seek=$(($(stat -c %s "$image") / 2)) conv=notrunc status=none
unset source

# What can be wrong with a publisher's copy
publish tampered --form deployable
image=$(find "$origin/tampered" -name image.zst)
printf 'vmcast' | dd of="$image" bs=1 seek=$(($(stat -c %s "$image") / 2)) conv=notrunc status=none
publish short --form deployable
truncate -s -1 "$(find "$origin/short" -name image.zst)"
publish index --form deployable
index=$(find "$origin/index" -type f -name index)
printf 'vmcast' | dd of="$index" bs=1 seek=$(($(stat -c %s "$index") - 6)) conv=notrunc status=none

for name in "${forms[@]}"; do
	ok "$name: the feed is as the schema says" xmllint --noout --relaxng docs/feed-extension.rng "$origin/$name/feed.xml"
	ok "$name: a subscriber can use all of it" "$BUILD/vmcast" feed check "$origin/$name/feed.xml"
done
mkdir "$work/xvm2" "$work/ova"
tar -C "$work/xvm2" -xf "$origin"/xvm2/files/*.xvm2
tar -C "$work/ova" -xf "$origin"/ova/files/*.ova
ok "xvm2: its digests are right" env -C "$work/xvm2" sha256sum -c --quiet MANIFEST
ok "xvm2: its description is well-formed" xmllint --noout "$work/xvm2/description.xml"
is "xvm2: its disk is the disk" "$(gzip -dc "$work/xvm2/disk0.raw.gz" | sha256sum)" "$(sha256sum <"$disk")"
is "ova: the descriptor comes first" "$(tar -tf "$origin"/ova/files/*.ova | head -n1)" ova.ovf
ok "ova: the descriptor is well-formed" xmllint --noout "$work/ova/ova.ovf"
like "ova: its digests are right" "$(cd "$work/ova" && sed -E 's/SHA256\((.*)\)= (.*)/\2  \1/' ova.mf | sha256sum -c)" 'ova.ovf: OK.*disk0.vmdk: OK'
ok "ova: its disk is the disk" qemu-img compare -q -f vmdk -F raw "$work/ova/disk0.vmdk" "$disk"

start_vmcastd "${feeds[@]}" "chunk_bytes = 1M"
for name in "${forms[@]}"; do
	item_titled "$name" || true
	is "$name: ready" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
	rm -f "$work/target"
	write_disk "$vmcastd_port" "$work/target"
	is "$name: written" "$status" 0
	ok "$name: byte for byte" cmp "$work/target" "$disk"
done

# The conversion is skipped: the original form is not even fetched. And what the service would have made is the same image.
system=$(of_feed deployable "string(//*[local-name()='image']/@id)")
for name in "${forms[@]}"; do
	item_titled "$name"
	is "$name: it is the image that was announced" "$(field "/v1/items/$item" .image)" "$system"
done
for name in deployable both; do
	ok "$name: it was fetched" test "$(fetched "/$name/images/[0-9a-f]+/image.zst")" -ge 1
done
is "both: the original form was not" "$(fetched '/both/files/.*')" 0
ok "original: it was" test "$(fetched '/original/files/.*')" -ge 1

data=$(of_feed two-deployable "string((//*[local-name()='image'])[2]/@id)")
for name in two-deployable two-ova two-xvm2; do
	item_titled "$name" || true
	is "$name: both disks are there, the one to boot from first" \
		"$(field "/v1/items/$item" '[.disks[].image] | join(" ")')" "$system $data"
done

# refused NAME REASON
refused()
{
	item_titled "$1" || true
	is "$1: refused" "$(field "/v1/items/$item" .state)" failed
	like "$1: and why" "$(field "/v1/items/$item" .error)" "$2"
}
refused tampered "chunk [0-9]+"
refused short "bytes"
refused two-tampered "chunk [0-9]+.*has 1 disk, the feed announces 2"
is "nothing of it is offered" "$(find "$work/state/images" -mindepth 1 -maxdepth 1 | wc -l)" 2

# The enclosure of a deployable form is the same image, for clients that know no index: where that is wrong, it is converted.
item_titled index
is "index: taken from the enclosure" "$(field "/v1/items/$item" '.state + " " + .image')" "ready $system"
like "index: which is told" "$(field "/v1/items/$item" '.notes | join(" ")')" "digest is .*: made from the enclosure"
done_testing

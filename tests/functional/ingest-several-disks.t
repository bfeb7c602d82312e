#!/bin/bash
# An item of several disks: all of them are deployed, the one to boot from first; none of them is offered while one is missing, and
# an item that served goes on as it was. What is unpacked in between is bounded, and does not stay.
# shellcheck disable=SC2317,SC2154 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/unpack.sh

start_origin
images=$work/state/images
for name in system data; do
	make_image "$work/$name" $((3 << 20)) $((1 << 20))
done
cd "$case"
qemu-img convert -f raw -O qcow2 "$work/system" system.qcow2
gzip -c "$work/data" >data.img.gz

# archive FILE: the two disks, of which the second boots
archive()
{
	cat >description.xml <<-'END'
		<domain type="kvm"><name>two disks</name><memory>262144</memory><vcpu>3</vcpu><os><type>hvm</type></os><devices>
		<disk type="file" device="disk"><source file="/vm/data.img"/><target dev="vdb" bus="virtio"/><boot order="2"/></disk>
		<disk type="file" device="disk"><source file="/vm/system.qcow2"/><target dev="sda" bus="scsi"/><boot order="1"/></disk>
		</devices></domain>
	END
	tar -cf "$1" description.xml system.qcow2 data.img.gz
}

announce()
{
	local name

	for name; do
		echo "<item><title>$name</title><uuid>$name</uuid><enclosure url='$name' length='$(stat -c %s "$origin/$name")'/></item>"
	done >"$work/items"
	echo "<rss version='2.0'><channel><title>feed</title>$(<"$work/items")</channel></rss>" >"$origin/feed.xml"
}

# deploys BOOT OTHER: both disks, as one machine writes them
deploys()
{
	rm -f "$work/disk" "$work/disk2"
	write_disk "$vmcastd_port" "$work/disk" --disk "$work/disk2"
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$work/disk" "$1" && cmp "$work/disk2" "$2"
}

archive "$origin/two"
# The same disk twice; a second disk that is cut short; more in it than may be unpacked
cp data.img.gz kept.gz
cp system.qcow2 kept.qcow2
qemu-img convert -f raw -O qcow2 "$work/data" system.qcow2
archive "$origin/same"
cp kept.qcow2 system.qcow2
head -c 100000 kept.gz >data.img.gz
archive "$origin/short"
head -c 40M /dev/urandom | gzip -1 >data.img.gz
archive "$origin/much"
cp kept.gz data.img.gz

announce two same short much
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "scratch_bytes_max = 24M"
wait_ingest two
two=$item
is "an item of two disks is ready" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
is "both are there, the one that boots first" "$(field "/v1/items/$item" '[.disks[] | "\(.name) \(.bus) \(.boot)"] | join(", ")')" \
	"sda scsi true, vdb virtio false"
is "with what the machine is" "$(field "/v1/items/$item" '.machine | "\(.name), \(.cpus), \(.memory_bytes)"')" "two disks, 3, 268435456"
like "as people see it" "$(vmcast item show "$item")" "disk +3.0 MiB, sda on scsi, boots.*disk +3.0 MiB, vdb on virtio"
like "and the list" "$(vmcast item list)" "ready +2 disks"
ok "both are deployed" deploys "$work/system" "$work/data"

wait_ingest same
is "two disks of the same bytes are ready" "$(field "/v1/items/$item" '"\(.state) \(.disk_count)"')" "ready 2"
is "as one image" "$(field "/v1/items/$item" '[.disks[].image] | unique | length')" 1
ok "and deployed" deploys "$work/data" "$work/data"

wait_ingest short
is "with a disk that is cut short nothing is offered" "$(field "/v1/items/$item" '"\(.state) \(.version) \(.disk_count)"')" "failed null 0"
like "with the reason" "$(field "/v1/items/$item" .error)" "data.img.gz.*truncated|truncated.*data.img.gz"
wait_ingest much
like "what is too much to unpack fails with the reason" "$(field "/v1/items/$item" '"\(.state) \(.error)"')" "failed .*scratch_bytes_max"
is "no image is there of either" "$(find "$images" -mindepth 1 -maxdepth 1 | wc -l)" 2
is "nor anything else" "$(ls "$work/state/spool")" ""

# The same item with a second disk that cannot be read
cp "$origin/short" "$origin/two"
announce two
vmcast feed refresh 2>/dev/null >&2
item=$two
wait_for 120 item_is "$item" failed || true
is "other bytes that fail are no version" "$(field "/v1/items/$item" '"\(.state) \(.version) \(.disk_count)"')" "failed 1 2"
ok "both disks are deployed as they were" deploys "$work/system" "$work/data"

# Killed in the middle of it
stop_vmcastd KILL
mkdir -p "$work/state/spool/$item.work/scratch"
head -c 100000 /dev/urandom >"$work/state/spool/$item.work/scratch/0"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
is "what a killed ingest had unpacked is removed at the start" "$(ls "$work/state/spool")" ""
done_testing

#!/bin/bash
# One feed with an item of every form that is taken, as real tools make them: every item becomes deployable, or is listed with its
# kind, and the disk that a machine writes has the bytes that qemu-img makes of the same file.
# shellcheck disable=SC2317,SC2154 # functions are handed to `ok` and `each_line`, which sets $case
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/unpack.sh
. tests/functional/images.sh

start_origin
bytes=$(((3 << 20) + 3 * 512))
make_image "$work/raw" "$bytes" $((1 << 20))
raw=$work/raw
cd "$case"

# item NAME FILE KIND [RAW]: one more item. RAW: the disk that must come out; none: what QEMU reads in FILE, of format KIND.
declare -A wanted kinds
names=()
item()
{
	mv "$2" "$origin/$1"
	names+=("$1")
	kinds[$1]=$3
	wanted[$1]=${4-}
	echo "<item><title>$1</title><uuid>$1</uuid><enclosure url='$1' length='$(stat -c %s "$origin/$1")'/></item>" >>"$work/items"
}

# image NAME FORMAT [QEMU-IMG-OPTION...]
image()
{
	qemu-img convert -f raw -O "$2" "${@:3}" "$raw" made
	qemu-img convert -f "$2" -O raw made "$work/$1.raw"
	item "$1" made disk "$work/$1.raw"
}

cp "$raw" made
item raw made disk "$raw"
image qcow qcow
image qcow2-v2 qcow2 -o compat=0.10
image qcow2-v3 qcow2
image qcow2-zlib qcow2 -c
image qcow2-zstd qcow2 -c -o compression_type=zstd
image qcow2-512 qcow2 -o cluster_size=512
image qcow2-2M qcow2 -o cluster_size=2M
image qcow2-l2 qcow2 -o extended_l2=on
qemu-img convert -f raw -O qcow2 "$raw" made
qemu-img snapshot -c before made
item qcow2-snapshot made disk "$raw"
image qed qed
image vmdk-sparse vmdk
image vmdk-stream vmdk -o subformat=streamOptimized
image vhd vpc
image vhd-fixed vpc -o subformat=fixed
image vhdx vhdx
image vhdx-fixed vhdx -o subformat=fixed
cp "$raw" whole
truncate -s 4M whole
vhdx_4k whole made
item vhdx-4k made disk "$case/whole"
image vdi vdi
image vdi-fixed vdi -o static=on
image parallels parallels
parallels_extended "$raw" made
item parallels-extended made disk "$raw"
bochs "$raw" made 2
item bochs made disk "$raw"

for subformat in monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat; do
	qemu-img convert -f raw -O vmdk -o "subformat=$subformat" "$raw" "$subformat.vmdk"
	zip -q made.zip "$subformat"*.vmdk
	item "vmdk-$subformat" made.zip disk "$raw"
done
ovf_capacity=$bytes
qemu-img convert -f raw -O vmdk -o subformat=streamOptimized "$raw" one.vmdk
ovf one.vmdk >box.ovf
for algorithm in SHA1 SHA256 SHA512; do
	manifest "$algorithm" box.ovf one.vmdk >box.mf
	tar --format=ustar -cf made box.ovf box.mf one.vmdk
	item "ova-$algorithm" made disk "$raw"
done
zip -q made.zip box.ovf one.vmdk
item ovf-zip made.zip disk "$raw"

mkdir box.hdd
qemu-img convert -f raw -O parallels "$raw" box.hdd/root.hds
qemu-img convert -f parallels -O raw box.hdd/root.hds padded
sectors=$(($(stat -c %s padded) / 512))
guid='{5fbaabe3-6958-40ff-92a7-860e329aab41}'
cat >box.hdd/DiskDescriptor.xml <<END
<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>$sectors</Disk_size></Disk_Parameters><StorageData><Storage><Start>0</Start>
<End>$sectors</End><Blocksize>2048</Blocksize><Image><GUID>$guid</GUID><Type>Compressed</Type><File>root.hds</File></Image></Storage></StorageData>
<Snapshots><TopGUID>$guid</TopGUID><Shot><GUID>$guid</GUID><ParentGUID>{00000000-0000-0000-0000-000000000000}</ParentGUID></Shot></Snapshots>
</Parallels_disk_image>
END
tar -cf made box.hdd
item parallels-bundle made disk "$case/padded"

cat >description.xml <<'END'
<domain type="kvm"><name>archipel</name><memory>262144</memory><vcpu>2</vcpu><os><type arch="x86_64">hvm</type></os><devices>
<disk type="file" device="disk"><source file="/vm/drives/uuid/disk.img"/><target dev="vda" bus="virtio"/></disk></devices></domain>
END
gzip -c "$raw" >disk.img.gz
tar -P --transform 's,^,/,' -cf made description.xml disk.img.gz
item xvm2 made disk "$raw"

# xvm NAME BYTES...: an archive of partitions of so many bytes, of which a disk is made
xvm()
{
	local name=$1 nr=0 bytes disks=
	shift
	mkdir "$work/$name"
	for bytes; do
		nr=$((nr + 1))
		head -c "$bytes" /dev/urandom >"$work/$name/part$nr"
		gzip -c "$work/$name/part$nr" >"part$nr.gz"
		disks+="<disk device='sda$nr' file='part$nr.gz'/>"
	done
	echo "<xvm version='1'><name>Debian</name><memory>128</memory><disks>$disks</disks></xvm>" >xvm.xml
	sha1sum part*.gz xvm.xml >manifest.txt
	tar -cf made xvm.xml manifest.txt part*.gz
	rm part*.gz
	item "$name" made disk "$work/$name"
}
xvm xvm "$bytes"
xvm xvm-odd 1500001 $(((1 << 20) + 511)) 100
xvm xvm-gpt $((1 << 20)) 512 513 3000000 $(((1 << 20) - 1))

for kind in sha1 xxhash; do
	xva "$raw" "$kind"
	item "xva-$kind" box.xva disk "$raw"
done

for tool in gzip bzip2 xz lzma zstd lz4; do
	$tool -c <"$raw" >made 2>/dev/null
	item "raw-$tool" made disk "$raw"
done
qemu-img convert -f raw -O qcow2 "$raw" disk.qcow2
echo 'Read me' >README
zip -q made.zip README disk.qcow2
item zip made.zip disk "$raw"
tar -cf made README disk.qcow2
item tar made disk "$raw"
7z a -bd made.7z README disk.qcow2 >7z.log
item 7z made.7z disk "$raw"
tar -cJf disk.tar.xz disk.qcow2
zip -q made.zip disk.tar.xz
item tar-xz-in-zip made.zip disk "$raw"

mkdir -p root/etc root/usr/bin root/dev root/var
ln -s usr/bin root/bin
echo host >root/etc/hostname
tar -czf made -C root .
item rootfs made rootfs
perl -e 'print "\0" x 510, "\x55\xaa\xeb\x66HdrS\x0f\2", "\0" x 4000' >made
item bzimage made kernel
perl -e 'print "\x7fELF\2\1\1", "\0" x 57, pack("V3", 0x1badb002, 3, -(0x1badb002 + 3) & 0xffffffff), "\0" x 4000' >made
item multiboot made kernel
genisoimage -quiet -o made README disk.qcow2
item iso made iso
xorriso -as mkisofs -quiet --protective-msdos-label -o made README 2>/dev/null
cp made hybrid
item iso-hybrid made iso "$case/hybrid"

echo "<rss version='2.0'><channel><title>Everything</title>$(<"$work/items")</channel></rss>" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"

# deploys FILE: what a machine writes is that; of a folder, the partitions in it. The disk is full of something else before.
deploys()
{
	fill "$case/disk" $((16 << 20))
	write_disk "$vmcastd_port" "$case/disk"
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	if [[ -d $1 ]]; then
		has_partitions "$1"
	else
		cmp -n "$(stat -c %s "$1")" "$case/disk" "$1"
	fi
}

# has_partitions FOLDER: $case/disk has them in their order: each in whole sectors at a MiB, with zeros behind it up to the next
has_partitions()
{
	local at=1 part sectors

	/sbin/sfdisk -d "$case/disk" >"$case/table"
	for part in "$1"/*; do
		sectors=$((($(stat -c %s "$part") + 511) / 512))
		grep -qE "start= *$((at << 11)), size= *$sectors, " "$case/table" || { diag "$part" "$(<"$case/table")"; return 1; }
		cp "$part" "$case/whole"
		truncate -s %1M "$case/whole"
		cmp -i $((at << 20)):0 -n "$(stat -c %s "$case/whole")" "$case/disk" "$case/whole" || return 1
		at=$((at + $(stat -c %s "$case/whole") / (1 << 20)))
	done
	[[ $(grep -c 'size=' "$case/table") == $(find "$1" -type f | wc -l) ]]
}

check()
{
	wait_ingest "$1" || true
	is "$1: listed" "$(field "/v1/items/$item" '"\(.state)\(.error // "") \(.kind)"')" "ready $2"
	if [[ $2 != disk ]]; then
		ok "$1: its file is kept" test -s "$work/state/images/$(field "/v1/items/$item" .file.id)/file"
	fi
	if [[ -n ${3-} ]]; then
		ok "$1: what is deployed" deploys "$3"
	fi
}

wait_for 60 eval "[[ -n \$(item_of iso-hybrid) ]]"
each_line 2 check < <(for name in "${names[@]}"; do echo "$name|${kinds[$name]}|${wanted[$name]}"; done)
table=$(vmcast item list)
is "every item is on the list" "$(grep -cE ' ready +(disk|rootfs|kernel|iso) ' <<<"$table")" "${#names[@]}"
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""
done_testing

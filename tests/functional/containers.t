#!/bin/bash
# Every container and description that is taken, made by the real tools: what comes out has the same bytes as what went in. One
# image of random data and holes, whose size is no multiple of any chunk, goes through all of them.
# shellcheck disable=SC2016 # what stands in single quotes is for perl
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/images.sh
. tests/functional/unpack.sh

ovf_capacity=$(((3 << 20) + 3 * 512))
make_image "$work/image" "$ovf_capacity" $((1 << 20))
make_image "$work/other" 2M $((512 << 10))
image=$work/image other=$work/other
cd "$case"
qemu-img convert -O qcow2 "$image" disk.qcow2
echo "read me" >README

# Compression, alone and around a tar
for tool in gzip bzip2 xz lzma zstd lz4; do
	$tool -c <"$image" >"packed" 2>/dev/null
	gives "$tool" packed "$image"
	tar -cf - README disk.qcow2 | $tool -c >packed 2>/dev/null
	gives "tar in $tool" packed "$image"
done
is "the report says what it was" "$(get .form)" "a qcow2 image in a tar archive in lz4"
gzip -c <"$image" >packed
unpack packed
is "holes are no data in the scratch folder" "$((512 * $(stat -c %b "$scratch"/0) < 2 << 20))" 1

# Archives: by whatever way a file is in it
for format in v7 ustar oldgnu gnu pax; do
	tar --format=$format -cf a.tar README -C "$work" image
	gives "tar $format" a.tar "$image"
	is "tar $format: read where it lies" "$(get '.disks[0].parts[0].file'; ls "$scratch")" ""
done
for format in oldgnu gnu pax; do
	tar --format=$format -S -cf a.tar README -C "$work" image
	gives "sparse tar $format" a.tar "$image"
done
tar --transform 's,^,a/rather/deep/folder/with/a/name/that/is/longer/than/the/hundred/bytes/that/tar/once/had/room/for/it/in/its/header/,' \
	-cf a.tar -C "$work" image
gives "tar with a long name" a.tar "$image"
cp "$image" "größe"
tar --format=pax -cf a.tar größe
gives "tar with a name that is not ASCII" a.tar "$image"
zip -q a.zip README disk.qcow2
gives "zip" a.zip "$image"
(cd "$work" && zip -q0 case/b.zip image)
gives "zip, stored" b.zip "$image"
# Zip64: lengths and offsets of 64 bits, where 32 would have done
zip -q -fz c64.zip README disk.qcow2
ok "zip64: it is one" grep -aqP 'PK\x06\x06' c64.zip
gives "zip64" c64.zip "$image"
(cd "$work" && zip -q0 -fz case/s64.zip image)
gives "zip64, stored" s64.zip "$image"
# As a stream: the lengths stand behind the data. (zip writes no Zip64 end record then, but its mark for one.)
(cd "$work" && zip -q -fz - image) | perl -0777 -pe 'substr($_, -6, 4) = pack "V", rindex $_, "PK\1\2"' >p64.zip
ok "zip64, streamed: it is" perl -0777 -ne 'exit !(unpack("v", substr $_, 6) & 8 && unpack("V", substr $_, 22) == 0xffffffff)' p64.zip
gives "zip64, streamed" p64.zip "$image"
qemu-img convert -O vpc -o subformat=fixed,force_size "$image" fixed.vhd
zip -q vhd.zip README fixed.vhd
gives "a fixed VHD, which is one by its end, in zip" vhd.zip "$image"
7z a -bd a.7z README disk.qcow2 >7z.log
gives "7z" a.7z "$image"
7z a -bd -mx=9 -m0=PPMd b.7z "$image" >7z.log
gives "7z, another method" b.7z "$image"

# One container in another
gzip -k disk.qcow2
zip -q c.zip disk.qcow2.gz
gives "qcow2 in gzip in zip" c.zip "$image"
tar -cJf d.tar.xz disk.qcow2
zip -q d.zip d.tar.xz
gives "qcow2 in tar in xz in zip" d.zip "$image"

# OVF and OVA
qemu-img convert -O vmdk -o subformat=streamOptimized "$image" one.vmdk
cp one.vmdk two.vmdk
ovf one.vmdk >box.ovf
for algorithm in SHA1 SHA256 SHA512; do
	manifest $algorithm box.ovf one.vmdk >box.mf
	tar --format=ustar -cf box.ova box.ovf box.mf one.vmdk
	gives "OVA with $algorithm" box.ova "$image"
done
is "its hardware is read" "$(get '.machine | [.name, .cpus, .memory_bytes, .os] | join(" ")')" "box 2 536870912 Debian_64"
is "its disk's bus, too" "$(get '.disks[0] | [.name, .bus, .boot] | join(" ")')" "vmdisk1 sata true"
like "the digests are told of" "$(get '.notes[]')" "'box.mf': 2 digests match"
gzip -c box.ova >box.ova.gz
gives "OVA in gzip" box.ova.gz "$image"
for encoding in UTF-16LE UTF-16BE; do
	{ printf '\ufeff'; cat box.ovf; } | iconv -f UTF-8 -t $encoding >wide.ovf
	manifest SHA256 wide.ovf one.vmdk >wide.mf
	tar -cf box.ova wide.ovf wide.mf one.vmdk
	gives "OVA in $encoding" box.ova "$image"
done
sed 's,>AHCI<,>floptical<,' box.ovf >odd.ovf
tar -cf box.ova odd.ovf one.vmdk
gives "OVA with a controller that nobody knows" box.ova "$image"
like "it is told of" "$(get '.notes[]')" "a disk's controller is 'floptical', which is not known: its bus is not said"
is "and the bus is not guessed" "$(get '.disks[0].bus')" null
gzip -c one.vmdk >one.vmdk.gz
ovf one.vmdk.gz >box.ovf
tar -cf box.ova box.ovf one.vmdk.gz
gives "OVA whose disk is in gzip" box.ova "$image"
qemu-img create -q -f vmdk empty.vmdk "$ovf_capacity"
truncate -s "$ovf_capacity" empty
ovf empty.vmdk one.vmdk >box.ovf
zip -q ovf.zip box.ovf empty.vmdk one.vmdk
gives "OVF in zip, two disks" ovf.zip empty "$image"
is "the first is booted from" "$(get '[.disks[].boot] | join(" ")')" "true false"
sed -i 's,\(<rasd:AddressOnParent>\)0,\15,' box.ovf
tar -cf box.ova box.ovf empty.vmdk one.vmdk
gives "disks are in the order of their addresses" box.ova "$image" empty
sed 's,ovf:fileRef="file1",,' box.ovf >empty.ovf
tar -cf box.ova empty.ovf empty.vmdk one.vmdk
gives "a disk without a file is empty" box.ova "$image" empty

# VMDK of several files
qemu-img convert -O vmdk -o subformat=monolithicFlat "$image" flat.vmdk
tar -cf flat.tar flat.vmdk flat-flat.vmdk
gives "VMDK monolithicFlat" flat.tar "$image"
is "and not copied" "$(ls "$scratch")" ""
for subformat in twoGbMaxExtentSparse twoGbMaxExtentFlat; do
	qemu-img convert -O vmdk -o subformat=$subformat "$image" $subformat.vmdk
	zip -q $subformat.zip $subformat*.vmdk
	gives "VMDK $subformat" $subformat.zip "$image"
done
# Extents are cut at 2 GiB: three small ones, as if that were the border, and two stretches of zeros.
{
	sed '/^RW/d' twoGbMaxExtentSparse.vmdk | tr -d '\0'
	for nr in 1 2 3; do
		dd if="$image" of=piece bs=64k skip=$(((nr - 1) * 16)) count=16 status=none
		qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse piece "s$nr.vmdk"
		echo "RW 2048 SPARSE \"s$nr-s001.vmdk\""
		[[ $nr != 1 ]] || echo 'RW 63 ZERO'
	done
	echo 'RW 1 ZERO'
} >set.vmdk
{
	head -c 1M "$image"; head -c $((63 * 512)) /dev/zero; tail -c +$(((1 << 20) + 1)) "$image" | head -c 2M
	head -c 512 /dev/zero
} >set.raw
7z a -bd set.7z set.vmdk s?-s001.vmdk >7z.log
gives "VMDK of three sparse extents and zeros" set.7z set.raw

# Parallels bundle
mkdir box.hdd
qemu-img convert -O parallels "$image" box.hdd/root.hds
bytes=$(qemu-img info -f parallels --output json box.hdd/root.hds | jq '."virtual-size"')
cp "$image" padded
truncate -s "$bytes" padded
cat >box.hdd/DiskDescriptor.xml <<END
<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>$((bytes / 512))</Disk_size><Cylinders>6</Cylinders></Disk_Parameters>
<StorageData><Storage><Start>0</Start><End>$((bytes / 512))</End><Blocksize>2048</Blocksize><Image>
<GUID>{5fbaabe3-6958-40ff-92a7-860e329aab41}</GUID><Type>Compressed</Type><File>root.hds</File></Image></Storage></StorageData>
<Snapshots><TopGUID>{5fbaabe3-6958-40ff-92a7-860e329aab41}</TopGUID><Shot><GUID>{5fbaabe3-6958-40ff-92a7-860e329aab41}</GUID>
<ParentGUID>{00000000-0000-0000-0000-000000000000}</ParentGUID></Shot></Snapshots></Parallels_disk_image>
END
tar -cf box.hdd.tar box.hdd
gives "Parallels bundle" box.hdd.tar padded
cp padded box.hdd/root.hds
sed -i 's,Compressed,Plain,' box.hdd/DiskDescriptor.xml
tar -cf plain.hdd.tar box.hdd
gives "Parallels bundle, plain" plain.hdd.tar padded

# XVM2: an Archipel archive
cat >description.xml <<'END'
<domain type="kvm"><name>archipel</name><memory>262144</memory><vcpu>2</vcpu><os><type arch="x86_64">hvm</type></os><devices>
<disk type="file" device="cdrom"><source file="/iso/x.iso"/><target dev="hdc" bus="ide"/></disk>
<disk type="file" device="disk"><source file="/vm/drives/uuid/data.img"/><target dev="vdb" bus="virtio"/><boot order="2"/></disk>
<disk type="file" device="disk"><source file="/vm/drives/uuid/disk.qcow2"/><target dev="vda" bus="virtio"/><boot order="1"/></disk>
<interface type="bridge"><mac address="52:54:00:12:34:56"/><source bridge="br0"/><model type="virtio"/></interface></devices></domain>
END
gzip -c "$other" >data.img.gz
echo '<domainsnapshot><name>s</name></domainsnapshot>' >snapshot-1.xml
tar -P --transform 's,^,/,' -cf box.xvm2 description.xml data.img.gz disk.qcow2.gz snapshot-1.xml
like "XVM2: its names begin with a slash" "$(tar -Ptf box.xvm2)" "^/description.xml"
gives "XVM2" box.xvm2 "$other" "$image"
is "XVM2: the disk to boot from" "$(get '.disks[] | select(.boot) | .name + " " + .bus')" "vda virtio"
is "XVM2: its machine" "$(get '.machine | [.name, .cpus, .memory_bytes, .nics[0].mac] | join(" ")')" \
	"archipel 2 268435456 52:54:00:12:34:56"
like "XVM2: what is left out is told" "$(get '.notes[]')" "1 CD or floppy drive left out"
gzip -c box.xvm2 >box.xvm2.gz
gives "XVM2 in gzip" box.xvm2.gz "$other" "$image"

# XVM: partitions become a disk
make_image part 4M $((1 << 20))
dd if=/dev/urandom of=part bs=4k count=1 conv=notrunc status=none
truncate -s 2M swap
/sbin/mkswap -q swap 2>/dev/null
gzip -k part swap
cat >xvm.xml <<'END'
<?xml version='1.0'?><xvm version='1'><name>Debian</name><memory>128</memory><cpus>1</cpus><kernel>/boot/vmlinuz</kernel>
<disks><disk device='sda1' file='part.gz'/><disk device='sda2' file='swap.gz'/></disks></xvm>
END
sha1sum part.gz swap.gz xvm.xml >manifest.txt
tar -cf box.xvm xvm.xml manifest.txt part.gz swap.gz
unpack box.xvm
is "XVM: one disk of $(get .form)" "$(get '.disks | length')" 1
made=$(disk 0)
is "XVM: its partition table" "$(/sbin/sfdisk -d "$made" | sed -n 's/.*start= *\([0-9]*\), size= *\([0-9]*\), type=\(.*\)/\1 \2 \3/p')" \
	"2048 8192 83, bootable
10240 4096 82"
ok "XVM: the root partition" cmp -n $((4 << 20)) -i $((1 << 20)):0 "$made" part
ok "XVM: the swap partition" cmp -n $((2 << 20)) -i $((5 << 20)):0 "$made" swap
is "XVM: its memory is in MiB" "$(get .machine.memory_bytes)" $((128 << 20))
mkdir -p box/images
sed 's,part.gz,images/&,' xvm.xml >box/xvm.xml
cp part.gz box/images
cp swap.gz box
(cd box && sha1sum ./images/part.gz ./swap.gz ./xvm.xml >manifest.txt && tar -cf ../folder.xvm .)
unpack folder.xvm
is "XVM: an image in a folder, and a manifest of names that begin with ./" "$problem$(get '.notes[0]')" "'manifest.txt': 3 digests match"
head -c 5000100 /dev/urandom >odd
echo '<xvm><name>odd</name><disk file="odd"/><disk file="swap.gz"/></xvm>' >xvm.xml
tar -cf odd.xvm xvm.xml odd swap.gz
unpack odd.xvm
is "XVM: a partition of no whole sectors is read to its end, and no further" \
	"$(get '.disks[0].parts[1] | [.disk_off, .file_bytes, .disk_bytes] | join(" ")')" "$((1 << 20)) 5000100 5000100"
made=$(disk 0)
is "XVM: it has whole sectors" "$(/sbin/sfdisk -d "$made" | sed -n 's/.*size= *\([0-9]*\),.*/\1/p' | head -n1)" $((5000100 / 512 + 1))
ok "XVM: its bytes" cmp -n 5000100 -i $((1 << 20)):0 "$made" odd
{ echo "<xvm><name>many</name>"; for nr in 1 2 3 4 5; do cp part.gz "p$nr.gz"; echo "<partition><file>p$nr.gz</file></partition>"; done; echo "</xvm>"; } >xvm.xml
tar -cf many.xvm xvm.xml p?.gz
unpack many.xvm
made=$(disk 0)
like "XVM: five partitions need a GPT" "$(/sbin/sfdisk -d "$made")" "label: gpt"
like "XVM: which is whole" "$(/sbin/sfdisk -V "$made" 2>&1)" "No errors detected"
unlike "XVM: and has its backup" "$(/sbin/sfdisk -d "$made" 2>&1)" "corrupt|mismatch|not valid"
ok "XVM: the fifth partition" cmp -n $((4 << 20)) -i $((17 << 20)):0 "$made" part

cp "$image" holed
dd if=/dev/zero of=holed bs=1M seek=1 count=2 conv=notrunc status=none
for kind in sha1 xxhash; do
	xva "$PWD/holed" $kind
	gives "XVA with $kind" box.xva holed
done
is "XVA: blocks of zeros are not in it" "$(tar -tf box.xva | grep -cE '/0000000[12]')" 0
is "XVA: its machine" "$(get '.machine | [.name, .cpus, .memory_bytes] | join(" ")')" "xen 3 268435456"
xz -c box.xva >box.xva.xz
gives "XVA in xz" box.xva.xz holed

# What is no disk
mkdir -p root/etc root/usr/bin root/dev root/var
ln -s usr/bin root/bin
echo host >root/etc/hostname
ln root/etc/hostname root/etc/link
[[ $(id -u) != 0 ]] || mknod root/dev/null c 1 3
tar -cJf root.tar.xz -C root .
unpack root.tar.xz
is "a root file system is kept as it is" "$(get '.kind + .file')" rootfs
tar -cf root.tar -C root etc bin usr var
zip -q root.zip root.tar
unpack root.zip
is "a root file system in a zip, too" "$(get .kind)" rootfs
ok "equal to what was packed" cmp "$scratch/$(get .file)" root.tar
perl -e 'print "\x7fELF\2\1\1", "\0" x 57, pack("V3", 0x1badb002, 3, -(0x1badb002 + 3) & 0xffffffff), "\0" x 4000' >kernel
unpack kernel
is "a Multiboot kernel" "$(get '[.kind, .form, .file] | join("|")')" "kernel|an ELF kernel (Multiboot)|"
perl -e 'print "\0" x 510, "\x55\xaa\xeb\x66HdrS\x0f\2", "\0" x 4000' >bzimage
gzip -c bzimage >bzimage.gz
unpack bzimage.gz
is "a bzImage" "$(get .kind)" kernel
ok "is kept unpacked" cmp "$scratch/$(get .file)" bzimage
gzip -c README >initrd
zip -q kernel.zip bzimage initrd
unpack kernel.zip
ok "a kernel with its initrd" cmp "$scratch/$(get .initrd)" initrd
genisoimage -quiet -o iso README disk.qcow2
unpack iso
is "an ISO" "$(get '[.kind, (.disks | length), .file] | join("|")')" "iso|0|"
xorriso -as mkisofs -quiet --protective-msdos-label -o hybrid README 2>/dev/null
unpack hybrid
is "a hybrid ISO is a disk, too" "$(get '[.kind, (.disks | length), .file] | join("|")')" "iso|1|"
ok "as it is" cmp "$(disk 0)" hybrid
done_testing

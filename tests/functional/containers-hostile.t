#!/bin/bash
# F23-F27 and what archives can do to a reader: each is refused with the reason, and nothing outside of the scratch folder is
# opened while that is found out.
# shellcheck disable=SC2016 # what stands in single quotes is for perl
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/unpack.sh

ovf_capacity=$((4 << 20))
make_image "$work/image" 4M $((512 << 10))
image=$work/image
cd "$case"
qemu-img convert -O vmdk -o subformat=streamOptimized "$image" one.vmdk
cp "$image" disk

# tar_with CODE: an archive by perl, for what tar does not write; `member NAME, DATA, TYPE, LINK` and `end_mark` print it
tar_with()
{
	perl -e '
		sub member {
			my ($name, $data, $type, $link, $size) = (@_, undef, undef, undef, undef);
			my $head = pack "a100a8a8a8a12a12a8a1a100a6a2a32a32a8a8a155x12", $name, "0000644", "0000000", "0000000",
				sprintf("%011o", defined $size ? $size : length $data), "00000000000", " " x 8, $type // "0",
				$link // "", "ustar", "00", "root", "root", "0000000", "0000000", "";
			substr $head, 148, 8, sprintf "%06o\0 ", unpack "%32C*", $head;
			print $head, $data, "\0" x (-length($data) % 512);
		}
		sub end_mark { print "\0" x 1024 }
		our $disk = do { local $/; open my $file, "<", "disk" or die; <$file> };
		'"$1"
}

# Names
for name in ../disk a/../../disk ..; do
	tar_with "member '$name', \$disk; end_mark" >a.tar
	refuses "tar: the name $name" a.tar "leads out of the archive"
done
tar_with 'member "/etc/disk", $disk; end_mark' >a.tar
refuses "tar: an absolute name" a.tar "begin with '/'"
tar_with 'member "disk", $disk; member "./disk", $disk; end_mark' >a.tar
refuses "tar: two of one name" a.tar "two members are called 'disk'"
tar_with 'member "x" x 90 . $_, "" for 1 .. 70000; end_mark' >a.tar
refuses "tar: very many members" a.tar "more than 65536 members"
mkdir -p xx_xx_xx
cp disk xx_xx_xx/disk
zip -q a.zip xx_xx_xx/disk
perl -pi -e 's,xx_xx_xx/,../../../,g' a.zip
refuses "zip: a name that leads out" a.zip "leads out of the archive"

# Links and devices
for kind in 1:link 2:symbolic 3:device 4:device 6:regular; do
	tar_with "member 'disk', \$disk; member 'odd', '', ${kind%:*}, '/etc/shadow'; end_mark" >a.tar
	refuses "tar: a member of type ${kind%:*}" a.tar "'odd' is .*${kind#*:}"
done
ln -s /etc/shadow link.vmdk
rm -f a.zip a.7z
zip -qy a.zip disk link.vmdk
refuses "zip: a symbolic link" a.zip "'link.vmdk' is a symbolic link"
7z a -bd -snl a.7z disk link.vmdk >7z.log
refuses "7z: a symbolic link" a.7z "'link.vmdk' is a symbolic link"

# Lengths that lie, ends that are none (F23)
tar_with 'member "disk", $disk, 0, "", 8 << 20; end_mark' >a.tar
refuses "tar: a member that is longer than the archive" a.tar "[Tt]runcated"
tar -cf good.tar disk
head -c $((512 + (4 << 20))) good.tar >a.tar
refuses "tar: no end mark" a.tar "truncated"
head -c 2M good.tar >a.tar
refuses "tar: cut off" a.tar "[Tt]runcated"
cat good.tar good.tar >a.tar
refuses "tar: another one behind it" a.tar "followed by something else"
{ cat good.tar; echo; } >a.tar
refuses "tar: something behind it" a.tar "followed by something else"
zip -q good.zip disk
{ cat good.zip; echo more; } >a.zip
refuses "zip: something behind it" a.zip "followed by something else"
head -c -100 good.zip >a.zip
refuses "zip: cut off" a.zip "truncated"
perl -pe 'BEGIN { $/ = undef } substr($_, 30000, 1) ^= "\1"' good.zip >a.zip
refuses "zip: a bit that changed" a.zip "CRC|bad|invalid|[Tt]runcated|Decompressed"
# zip64_refused LABEL NUMBER REGEX BEHIND: a Zip64 archive where another number of 64 bits stands BEHIND a pattern
zip64_refused()
{
	perl -0777 -pe 'BEGIN { ($number, $behind) = splice @ARGV, 0, 2 }
		s/$behind\K.{8}/pack "Q<", $number/gse or die "nothing is behind $behind"' "$2" "$4" good64.zip >a.zip
	refuses "zip64: $2 for $1" a.zip "$3"
}
zip -q -fz good64.zip disk
is_size='(?=\x00\x00\x40\x00{5})' # what it says before: 4 MiB
for bytes in 512 $(((4 << 20) - 512)) $(((4 << 20) + 512)) $((8 << 20)); do
	zip64_refused "both lengths" $bytes "wrong size" "\x01\x00[\x08\x10]\x00$is_size"
	zip64_refused "the local header's length" $bytes "Inconsistent uncompressed size" "\x01\x00\x10\x00$is_size"
	zip64_refused "the directory's length" $bytes "Inconsistent uncompressed size" "\x01\x00\x08\x00$is_size"
done
for bytes in $((1 << 40)) 9223372036854775807; do
	zip64_refused "both lengths" $bytes "has $bytes bytes, more than a disk may have" "\x01\x00[\x08\x10]\x00$is_size"
done
for bytes in 9223372036854775808 18446744073709551615; do
	zip64_refused "both lengths" $bytes "Malformed 64-bit" "\x01\x00[\x08\x10]\x00$is_size"
done
end='PK\x06\x07.{16}PK\x05\x06.{18}\z'
for off in 0 $((1 << 40)) 18446744073709551615; do
	zip64_refused "where the directory is" $off "[Dd]amaged" "PK\x06\x06.{44}(?=.{8}$end)"
	zip64_refused "where the end record is" $off "zip archive: none of its 0 files" "PK\x06\x07.{4}(?=.{12}PK\x05\x06.{18}\z)"
done
7z a -bd good.7z disk >7z.log
{ cat good.7z; echo more; } >a.7z
refuses "7z: something behind it" a.7z "followed by something else"
head -c -100 good.7z >a.7z
refuses "7z: cut off" a.7z "truncated"
for tool in gzip bzip2 xz lzma zstd lz4; do
	$tool -c <disk >good.packed 2>/dev/null
	head -c -3 good.packed >a.packed
	refuses "$tool: cut off" a.packed "truncated"
	{ cat good.packed; echo more; } >a.packed
	refuses "$tool: something behind it" a.packed "followed by something else"
done
gzip -c <good.packed >a.gz
refuses "compressed twice" a.gz "lz4 inside gzip"
zip -q inner.zip disk
zip -q middle.zip inner.zip
zip -q outer.zip middle.zip
refuses "three zips in each other" outer.zip "containers in containers"
zip -qP secret a-secret.zip disk
refuses "zip: encrypted" a-secret.zip "encrypted"
7z a -bd -psecret -mhe=off a-secret.7z disk >7z.log
refuses "7z: encrypted" a-secret.7z "encrypted"
7z a -bd -psecret -mhe=on b-secret.7z disk >7z.log
refuses "7z: encrypted with its names" b-secret.7z "encrypted|[Cc]rypto"

# Bombs (F24, F25)
# A disk of 1 MiB is the largest here, its image may have 65 MiB more or less.
truncate -s 80M zeros
gzip -1c zeros >bomb.gz
refuses "a gzip bomb of zeros" bomb.gz "larger than" 1000000 1048576
head -c 3M /dev/urandom >random
gzip -1c random >random.gz
refuses "more data than there is room for" random.gz "takes more than .* of room" 1000000
zip -q1 bomb.zip zeros
refuses "a zip bomb of zeros" bomb.zip "more than a disk may have|larger than" 1000000 1048576
7z a -bd -mx=1 bomb.7z zeros >7z.log
refuses "a 7z bomb of zeros" bomb.7z "more than a disk may have|larger than" 1000000 1048576
tar -S -cf bomb.tar zeros
refuses "a sparse tar of zeros" bomb.tar "more than a disk may have|larger than" 1000000 1048576
cp good.zip layer.zip
for _ in 1 2 3; do
	zip -q quine.zip layer.zip
	mv quine.zip layer.zip
done
mv layer.zip quine.zip
refuses "zips within zips without end" quine.zip "containers in containers"
zstd -q --long=31 <random >window.zst
refuses "a window of 2 GiB" window.zst "window"
xz -c --format=lzma --lzma1=preset=0,dict=1GiB random >window.lzma
refuses "a dictionary of 1 GiB" window.lzma "memory, the limit"

# Descriptions
cp disk disk.qcow2
gzip -k disk.qcow2
zip -q named.zip disk.qcow2
refuses "a name that its bytes contradict" named.zip "called a qcow2 image, its bytes are a raw disk"
tar -cf a.tar disk one.vmdk
refuses "two disks and no word which" a.tar "2 of its files could be the disk"
echo text >text
tar -cf a.tar text text2 2>/dev/null || tar -cf a.tar text
refuses "no disk at all" a.tar "none of its|not supported"
# descriptor EXTENT...: a VMDK descriptor
descriptor()
{
	printf '%s\n' '# Disk DescriptorFile' version=1 CID=12345678 "parentCID=${parent:-ffffffff}" 'createType="monolithicFlat"' "$@"
}
for extent in 'RW 1 FLAT "/etc/shadow" 0' 'RW 1 FLAT "../disk" 0' 'RW 1 FLAT "sub/disk" 0' 'RW 8192 FLAT "gone" 0' \
	'RW 1 FLAT "/dev/sda" 0'; do
	descriptor "$extent" >evil.vmdk
	tar -cf a.tar evil.vmdk disk
	refuses "VMDK: $extent" a.tar "elsewhere|no member beside it"
done
descriptor 'RW 8193 FLAT "disk" 0' >evil.vmdk
tar -cf a.tar evil.vmdk disk
refuses "VMDK: an extent that is longer than its file" a.tar "the descriptor wants"
descriptor 'RW 1 FLAT "evil.vmdk" 0' >evil.vmdk
tar -cf a.tar evil.vmdk
refuses "VMDK: an extent that is itself" a.tar "no member beside it"
descriptor 'RW 8192 VMFSRDM "disk"' >evil.vmdk
tar -cf a.tar evil.vmdk disk
refuses "VMDK: a raw device" a.tar "of the kind 'VMFSRDM'"
parent=abcdef01 descriptor 'RW 8192 FLAT "disk" 0' >evil.vmdk
tar -cf a.tar evil.vmdk disk
refuses "VMDK: a parent" a.tar "difference to another disk"

# ova LABEL REGEX MEMBER...: an OVA that is refused
ova()
{
	tar -cf box.ova "${@:3}"
	refuses "OVA: $1" box.ova "$2"
}
descriptor 'RW 1 FLAT "/etc/shadow" 0' >evil.vmdk
ovf evil.vmdk >box.ovf
ova "its VMDK names /etc/shadow" "elsewhere, '/etc/shadow'|description says" box.ovf evil.vmdk
ovf one.vmdk >box.ovf
ova "a disk that is not there" "names the file 'one.vmdk', which is no member" box.ovf
sed 's,href="one,href="../one,' box.ovf >evil.ovf
ova "a disk elsewhere" "which is no member" evil.ovf one.vmdk
sed 's,href="one.vmdk",href="http://example.com/one.vmdk",' box.ovf >evil.ovf
ova "a disk on the net" "which is no member" evil.ovf one.vmdk
sed 's,href="one.vmdk",& ovf:size="17",' box.ovf >evil.ovf
ova "a length that lies" "says 17" evil.ovf one.vmdk
sed 's,capacity="[0-9]*",capacity="1048576",' box.ovf >evil.ovf
ova "a capacity that lies" "its description says 1048576" evil.ovf one.vmdk
sed 's,capacity="[0-9]*",capacity="-1",' box.ovf >evil.ovf
ova "a capacity below zero" "'-1' is no whole number" evil.ovf one.vmdk
sed 's,capacity="[0-9]*",capacity="99999999999999999999",' box.ovf >evil.ovf
ova "a capacity beyond 64 bits" "no whole number" evil.ovf one.vmdk
sed 's,/disk/vmdisk1,/disk/other,' box.ovf >evil.ovf
ova "hardware with an unknown disk" "none of its disks" evil.ovf one.vmdk
sed 's,<Disk ,<Disk ovf:parentRef="vmdisk0" ,' box.ovf >evil.ovf
ova "a disk with a parent" "parentRef 'vmdisk0'" evil.ovf one.vmdk
cp text one-text.vmdk
ovf one-text.vmdk >evil.ovf
ova "a disk that is text" "'one-text.vmdk' is called a VMDK image, its bytes are a raw disk" evil.ovf one-text.vmdk
cp box.ovf second.ovf
ova "two descriptors" "two descriptions" box.ovf second.ovf one.vmdk
manifest SHA256 box.ovf one.vmdk >box.mf
sed -i "2s,=.*,= $(sha256sum <text | cut -d' ' -f1)," box.mf
ova "a digest that lies" "'one.vmdk' has another SHA-256" box.ovf box.mf one.vmdk
manifest SHA256 one.vmdk >box.mf
ova "a manifest without the descriptor" "says nothing of 'box.ovf'" box.ovf box.mf one.vmdk
manifest SHA256 box.ovf text one.vmdk >box.mf
ova "a manifest of more than there is" "names 'text', which is no member" box.ovf box.mf one.vmdk
echo 'SHA256(one.vmdk)= zz' >box.mf
ova "a manifest that is none" "no digest of a file" box.ovf box.mf one.vmdk
{
	echo '<?xml version="1.0"?><!DOCTYPE Envelope [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
	sed 's,<?xml version="1.0"?>,,; s,Debian_64,\&x;,' box.ovf
} >evil.ovf
ova "a DTD" "DTD is not allowed" evil.ovf one.vmdk
perl -e 'print "<Envelope>", "<a>" x 100, "</a>" x 100, "</Envelope>"' >evil.ovf
: >evil.ovf
ova "an empty descriptor" "'evil.ovf' is no OVF" evil.ovf one.vmdk
perl -e 'print "<Envelope>", "<a>" x 100, "</a>" x 100, "</Envelope>"' >evil.ovf
ova "elements very deep" "more than 64 deep" evil.ovf one.vmdk
perl -e 'print "<Envelope>", "<a/>" x 300000, "</Envelope>"' >evil.ovf
ova "very many elements" "more than 200000 elements" evil.ovf one.vmdk
perl -e 'print "<Envelope ", join(" ", map "a$_=\"\"", 1 .. 100), "/>"' >evil.ovf
ova "very many attributes" "more than 64 attributes" evil.ovf one.vmdk
perl -e 'print "<Envelope>", " " x (5 << 20), "</Envelope>"' >evil.ovf
ova "a descriptor of megabytes" "at most" evil.ovf one.vmdk

# A Parallels bundle whose plain image is not as long as its descriptor says
mkdir box.hdd
cp disk box.hdd/root.hds
for sectors in 8191 8193 16384; do
	cat >box.hdd/DiskDescriptor.xml <<-END
		<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>$sectors</Disk_size></Disk_Parameters><StorageData><Storage><Image>
		<Type>Plain</Type><File>root.hds</File></Image></Storage></StorageData></Parallels_disk_image>
	END
	tar -cf a.tar box.hdd
	refuses "Parallels bundle: 8192 sectors that are said to be $sectors" a.tar \
		"has 4194304 bytes, its description says $((sectors * 512))"
done

# one of several storages
sed -i 's,<StorageData>,&<Storage/>,' box.hdd/DiskDescriptor.xml
tar -cf a.tar box.hdd
refuses "Parallels bundle: two storages" a.tar "'?box.hdd/DiskDescriptor.xml'?: 2 storages, one is supported"

# XVM2 and XVM
domain='<domain><name>x</name><devices><disk type="file"><source file="/etc/shadow"/><target dev="vda"/></disk></devices></domain>'
echo "$domain" >description.xml
tar -cf a.tar description.xml disk
refuses "XVM2: a disk of the host" a.tar "names the disk '/etc/shadow', which is no member"
echo "${domain/type=\"file\"><source file=\"\/etc\/shadow\"/type=\"block\"><source dev=\"\/dev\/sda\"}" >description.xml
tar -cf a.tar description.xml disk
refuses "XVM2: a device of the host" a.tar "is dev='/dev/sda' of the publisher's host"
echo "${domain/\/etc\/shadow//x/disk.qcow2}" >description.xml
tar -cf a.tar description.xml disk.qcow2.gz
refuses "XVM2: a name that its bytes contradict" a.tar "'disk.qcow2.gz' is called a qcow2 image, its bytes are a raw disk"
mkdir -p a b
cp disk a/twice.img
cp disk b/twice.img
echo "${domain/\/etc\/shadow//x/b/twice.img}" >description.xml
tar -cf a.tar description.xml a/twice.img b/twice.img
refuses "XVM2: two members that may be the disk" a.tar "'description.xml': the disk it names may be 'a/twice.img' or 'b/twice.img'"
echo "${domain/\/etc\/shadow//x/disk}" | tee one.xml a/description.xml >b/description.xml
tar -cf a.tar one.xml a/description.xml disk
unpack a.tar
is "XVM2: of two descriptions the one that is called so" "$problem" ""
tar -cf a.tar a/description.xml b/description.xml disk
refuses "XVM2: two that are called so" a.tar "two descriptions, 'a/description.xml' and 'b/description.xml'"
cp one.xml two.xml
tar -cf a.tar one.xml two.xml disk
refuses "XVM2: two of which none is called so" a.tar "two descriptions, 'one.xml' and 'two.xml'"
echo "<domains>$(<one.xml)$(<two.xml)</domains>" >description.xml
tar -cf a.tar description.xml disk
refuses "XVM2: two machines in one description" a.tar "'description.xml' is no libvirt domain"
echo "<domain><name>x</name>$(<one.xml)</domain>" >description.xml
tar -cf a.tar description.xml disk
refuses "XVM2: a domain in a domain" a.tar "'description.xml': the machine has no disk"
sed "s,<target,<backingStore type='file'><source file='/base.img'/></backingStore>&," one.xml >description.xml
tar -cf a.tar description.xml disk
refuses "XVM2: a disk on top of another one" a.tar \
	"^'?description.xml'?: disk vda is the difference to another one, backingStore '/base.img'$"
echo '<xvm><name>x</name><disk file="disk.gz"/></xvm>' >xvm.xml
gzip -k disk
tar -P --transform 's,^,/,' -cf a.tar xvm.xml disk.gz
refuses "XVM: names that begin with a slash" a.tar "begin with '/'"
sha1sum disk.gz xvm.xml | sed '1s/^./g/; 1s/^g/0/' >manifest.txt
sha1sum text >>manifest.txt
tar -cf a.tar xvm.xml manifest.txt disk.gz
refuses "XVM: a manifest of files that are not there" a.tar "names 'text', which is no member"
{ sha1sum xvm.xml; echo "$(sha1sum <text | cut -d' ' -f1)  disk.gz"; } >manifest.txt
tar -cf a.tar xvm.xml manifest.txt disk.gz
refuses "XVM: a digest that lies" a.tar "'disk.gz' has another SHA-1"
sha1sum xvm.xml >manifest.txt
tar -cf a.tar xvm.xml manifest.txt disk.gz
refuses "XVM: an image without a digest" a.tar "says nothing of 'disk.gz'"
mkdir -p folder
mv xvm.xml folder
tar -cf a.tar folder/xvm.xml disk.gz
refuses "XVM: its description in a folder" a.tar "'folder/xvm.xml' is in a folder"

# XVA
member='<member><name>%s</name><value>%s</value></member>'
# xva BYTES: ova.xml with one disk
xva()
{
	local part
	echo '<value><struct><member><name>objects</name><value><array><data>'
	for part in "VM Ref:0 name_label=x" "VBD Ref:1 VDI=Ref:2" "VDI Ref:2 virtual_size=$1"; do
		read -r class id said <<<"$part"
		# shellcheck disable=SC2059 # it is a format
		printf "<value><struct>$member$member<member><name>snapshot</name><value><struct>$member</struct></value></member></struct></value>" \
			class "$class" id "$id" "${said%%=*}" "${said#*=}"
	done
	echo '</data></array></value></member></struct></value>'
}
mkdir -p Ref:2
head -c 1M disk >Ref:2/00000000
sha1sum <Ref:2/00000000 | head -c 40 >Ref:2/00000000.checksum
cp Ref:2/00000000 Ref:2/00000003
cp Ref:2/00000000.checksum Ref:2/00000003.checksum
# xva_refused LABEL REGEX MEMBER...
xva_refused()
{
	tar --hard-dereference -cf a.xva ova.xml "${@:3}"
	refuses "XVA: $1" a.xva "$2"
}
xva $((4 << 20)) >ova.xml
xva_refused "no checksum" "no checksum behind it" Ref:2/00000000
xva_refused "a checksum of another block" "does not follow its block" Ref:2/00000000 Ref:2/00000003.checksum
xva_refused "blocks backwards" "twice or out of order" Ref:2/00000003 Ref:2/00000003.checksum Ref:2/00000000 Ref:2/00000000.checksum
xva_refused "a block twice" "twice or out of order" Ref:2/00000000 Ref:2/00000000.checksum Ref:2/00000000 Ref:2/00000000.checksum
cp Ref:2/00000000 Ref:2/99999999
xva_refused "a block behind the end" "behind the end of its disk" Ref:2/99999999
head -c 100 disk >Ref:2/00000001
xva_refused "a short block" "has 100 bytes, 1048576 belong there" Ref:2/00000001
echo | sha1sum | head -c 40 >Ref:2/00000000.checksum
xva_refused "a checksum that lies" "the block's is" Ref:2/00000000 Ref:2/00000000.checksum
xva_refused "a stranger among the blocks" "has no place" Ref:2/00000003 Ref:2/00000003.checksum disk
xva $((1 << 60)) >ova.xml
xva_refused "a disk beyond the limit" "virtual_size of 1152921504606846976" Ref:2/00000003 Ref:2/00000003.checksum

# Whatever it was led to, it opened nothing but its libraries and the scratch folder: here without a sandbox around it.
if strace -qo "$work/trace" true 2>/dev/null; then
	descriptor 'RW 1 FLAT "/etc/shadow" 0' >evil.vmdk
	ovf evil.vmdk >box.ovf
	tar -cf evil.ova box.ovf evil.vmdk
	sed 's,href="evil.vmdk",href="/etc/shadow",' box.ovf >shadow.ovf
	tar -cf shadow.ova shadow.ovf disk
	echo "$domain" >description.xml
	tar -cf shadow.xvm2 description.xml disk
	for file in evil.ova shadow.ova shadow.xvm2 a.7z a.zip a.tar good.7z good.zip box.ova; do
		mkdir -p traced
		ASAN_OPTIONS=detect_leaks=0 strace -f -qq -e trace=open,openat,creat,link,symlink,rename,unlink,mkdir,execve -o trace "$BUILD/vmcast-unpack" traced 100000000 \
			100000000 <"$file" >/dev/null || true
		grep -vE 'ENOENT|exited|execve\(|"(/etc/ld.so.cache|/lib/|/usr/lib/|/proc/|/sys/|/usr/share/locale/|/etc/localtime"|/dev/urandom")|openat\(AT_FDCWD, "[0-9]+"' trace >>opened || true
		grep -E 'openat' trace >>all || true
		rm -r traced
	done
	is "nothing outside was opened" "$(grep -v '^ *$' opened)" ""
	like "although it was looked" "$(cat all)" '"0", O_WRONLY'
fi
done_testing

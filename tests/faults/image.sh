# SPDX-License-Identifier: GPL-2.0-or-later
# F23-F31: images that are broken, hostile or unusual. They are ours through the service, which refuses them or makes them ready,
# and other tools' as they are. Sourced by tests/faults/run.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for tests/faults/run

# As network_cases; {codec} stands for each that the publishers use
image_cases()
{
	local codec

	for codec in zst gz xz bz2; do
		sed "s/{codec}/$codec/g" <<'END'
F23-{codec}-truncated|vmcast pipes bmaptool|refused|truncated|pack {codec} 'part 60' && broken|{codec}, its last 40 % missing
F23-{codec}-last-byte-missing|vmcast pipes bmaptool|refused|truncated|pack {codec} 'head -c -1' && broken|{codec}, its last byte missing
F23-{codec}-trailing-data|vmcast pipes bmaptool|refused|followed by something else|pack {codec} 'append junk' && broken|{codec}, followed by something else
F23-{codec}-members|vmcast pipes bmaptool|right||pack_members {codec}|{codec}, of three members one after another
F23-{codec}-byte-wrong|vmcast pipes bmaptool|refused|data|pack {codec} 'flip_byte 3000000' && broken|{codec}, a byte in the middle is wrong
END
	done
	cat <<'END'
F23-zst-many-frames|vmcast pipes bmaptool|right||pack_frames|zstd, of 384 frames
F23-raw-cut-off|vmcast nbdcopy|refused|the server has|announced_bytes=$bytes && serve raw 'head -c 12000000 "$image"' && broken|raw, half of what was announced
F24-bomb|vmcast pipes bmaptool|refused|too small|serve raw.zst 'truncate -s 8G "$case/big" && zstd -cq "$case/big"' && broken|zstd, 8 GiB in 300 KB, for a disk of 24 MiB
F25-zst-window-of-2-GiB|vmcast pipes bmaptool|refused|window|serve raw.zst 'zstd -cq --long=31 <"$image"'|zstd that wants 2 GiB of memory
F25-xz-dictionary|vmcast pipes bmaptool|refused|memory|packed="xz=xz -dc" && serve raw.xz 'xz -c --lzma2=preset=0,dict=1GiB <"$image"'|xz that wants 1 GiB of memory
F26-called-zst-is-gzip|vmcast pipes bmaptool|refused|its bytes are gzip|serve raw.zst 'gzip -c "$image"'|called zstd, is gzip
F26-called-qcow2-is-raw|vmcast qemu-img|refused|calls it a qcow2|serve qcow2 'cat "$image"' && broken|called qcow2, is raw
F26-login-page|vmcast pipes bmaptool qemu-img nbdcopy|refused|HTML|serve_page|a login page instead of the image
F26-empty|vmcast pipes bmaptool qemu-img nbdcopy|refused|0 bytes|serve_nothing|an empty file
F27-backing-file|vmcast qemu-img|refused|backing_file_offset|qcow2 'qemu-img create -q -f qcow2 -F raw -b "$work/zeroed" "$made"' && broken|qcow2 on top of a file of the host
F27-data-file|vmcast qemu-img|refused|data is in another file|qcow2 'qemu-img create -q -f qcow2 -o data_file="$case/data" "$made" 24M' && broken|qcow2 whose data is in a file of the host
F27-encrypted|vmcast qemu-img|refused|crypt_method|qcow2 'for try in {1..20}; do qemu-img create -q -f qcow2 --object secret,id=s,data=x -o encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s "$made" 24M && break; done' && broken|qcow2, encrypted
F27-dirty|vmcast qemu-img|refused|dirty|qcow2 'convert; poke 72 0000000000000001' && broken|qcow2, not closed
F27-corrupt|vmcast qemu-img|refused|corrupt|qcow2 'convert; poke 72 0000000000000002' && broken|qcow2, marked corrupt
F27-L2-is-L1|vmcast qemu-img|refused|corrupt|qcow2 'convert; l1=$(be64 40); poke "$l1" 80000000$(printf %08x "$l1")' && broken|qcow2 whose L2 table is its L1 table
F27-two-clusters-in-one|vmcast qemu-img|refused|corrupt|qcow2 'convert; overlap' && broken|qcow2, two clusters at one place
F27-huge-L1|vmcast qemu-img|refused|L1 table|qcow2 'convert; poke 36 7fffffff' && broken|qcow2, an L1 table of 16 GiB
F27-refcount-loop|vmcast qemu-img|refused|corrupt|qcow2 'convert; table=$(be64 48); poke "$table" 00000000$(printf %08x "$table")' && broken|qcow2 whose refcounts are in the refcount table
F27-truncated|vmcast qemu-img|refused|corrupt|qcow2 'convert; truncate -s -400K "$made"' && broken|qcow2, its end missing
F27-compressed|vmcast qemu-img|right||qcow2 'convert -c'|qcow2, compressed clusters
F27-compressed-truncated|vmcast qemu-img|refused|corrupt|qcow2 'convert -c; truncate -s -400K "$made"' && broken|the same, its end missing
F27-version-2|vmcast qemu-img|right||qcow2 'convert -o compat=0.10'|qcow2, version 2
F28-holes|all|right||used=$work/used|holes in the image, on a disk full of 0xA5
F28-qcow2-holes|vmcast qemu-img|right||qcow2 'convert' && used=$work/used|the same, from a qcow2
F28-zero-clusters|vmcast qemu-img|right||qcow2 'convert -S 0; qemu-io -c "write -z 20M 1M" "$made" >/dev/null' && used=$work/used && zero_in_image|the same, with zeros that are allocated and zero clusters
F29-one-sector-too-large|all|refused|too small|shorter_disk 512|the disk is a sector too small
F30-gpt-for-4096|vmcast pipes qemu-img nbdcopy|refused|partitioned for 4096|gpt_4096 && broken|the image's GPT is for sectors of 4096 bytes, the disk's have 512
F30-gpt-for-512|vmcast pipes qemu-img nbdcopy|refused|partitioned for 512|disk_of_4096|the other way round
F31-hybrid-mbr|vmcast pipes qemu-img nbdcopy|right||other_disk 'hybrid_mbr'|a GPT with a hybrid MBR
F31-no-table|vmcast pipes qemu-img nbdcopy|right||other_disk 'no_table'|a file system without a partition table
F31-isohybrid|vmcast pipes qemu-img nbdcopy|right||other_disk 'isohybrid_disk'|an ISO image with boot code, for disks
END
}

# broken: no success is right
broken()
{
	expect=''
}

# serve SUFFIX COMMAND: what COMMAND prints is the image that is published; ours is subscribed to
serve()
{
	folder=$name.$tool format=$1
	mkdir "$origin/$folder"
	made=$origin/$folder/disk.$1
	eval "$2" >"$made"
	publish
}

# publish: $made is there
publish()
{
	local announced=${announced_bytes:-$(stat -c %s "$made")} codec=${packed:-zst}

	[[ $tool != bmaptool ]] || cp "$origin/image/disk.bmap" "$origin/$folder/"
	[[ $tool != *sha256* ]] || sha256sum <"$made" >"$origin/$folder/disk.raw.${codec%%=*}.sha256"
	[[ $tool == vmcast ]] || return 0
	sed "s/length=\"[0-9]*\"/length=\"$announced\"/" <("$top/qemu/feed" "http://127.0.0.1:$origin_port/$folder" "$made") \
		>"$origin/feeds/$folder.xml"
	subscribe "$folder"
}

# The codecs' programs
packer()
{
	case $1 in
	zst) echo "zstd -q" ;;
	gz) echo "gzip -1" ;;
	xz) echo "xz -0" ;;
	bz2) echo "bzip2 -1" ;;
	esac
}

use_codec()
{
	case $1 in
	zst) packed="zst=zstd -dcq" ;;
	gz) packed="gz=gzip -dc" ;;
	xz) packed="xz=xz -dc" ;;
	bz2) packed="bz2=bzip2 -dc" ;;
	esac
}

# pack CODEC FILTER: the image packed, and that through FILTER
pack()
{
	use_codec "$1"
	serve "raw.$1" "$(packer "$1") -c <'$image' >'$case/packed'; $2 <'$case/packed'"
}

append()
{
	cat
	echo "$1"
}

flip_byte()
{
	perl -0777 -pe 'substr($_, '"$1"', 1) ^= "\x55"'
}

pack_members()
{
	use_codec "$1"
	serve "raw.$1" "for part in 0 8 16; do dd if='$image' bs=1M skip=\$part count=8 status=none | $(packer "$1") -c; done"
}

pack_frames()
{
	serve raw.zst "split -b 64K --filter='zstd -cq' '$image'"
}

# part PERCENT: of a file that is standard input
part()
{
	head -c "$(($(stat -L -c %s /dev/stdin) * $1 / 100))"
}

serve_page()
{
	serve "$(suffix)" "echo '<!DOCTYPE html><title>Please log in</title>'"
	broken
}

serve_nothing()
{
	serve "$(suffix)" :
	broken
}

# suffix: of what the tool is given
suffix()
{
	case $tool in
	vmcast | nbdcopy) echo raw ;;
	qemu-img) echo qcow2 ;;
	*) echo raw.zst ;;
	esac
}

# qcow2 COMMAND: makes $made, or changes it
qcow2()
{
	folder=$name.$tool format=qcow2
	mkdir "$origin/$folder"
	made=$origin/$folder/disk.qcow2
	eval "$1"
	publish
}

convert()
{
	qemu-img convert -f raw -O qcow2 "$@" "$image" "$made"
}

# poke OFFSET HEX: bytes of $made
poke()
{
	perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, $ARGV[1], 0; print $f pack "H*", $ARGV[2]' "$made" "$1" "$2"
}

# be64 OFFSET: the number there
be64()
{
	perl -e 'open my $f, "<:raw", $ARGV[0]; seek $f, $ARGV[1], 0; read $f, my $b, 8; print unpack "Q>", $b' "$made" "$1"
}

# The second cluster of the disk is where the first one is.
overlap()
{
	local l2

	l2=$(($(be64 "$(be64 40)") & 0xffffffffffff))
	poke $((l2 + 8)) "$(printf %016x "$(be64 "$l2")")"
}

# zero_in_image: what has to be on the disk when a MiB of it is zeroed
zero_in_image()
{
	expect=$case/expected
	cp --sparse=always "$image" "$expect"
	dd if=/dev/zero of="$expect" bs=1M seek=20 count=1 conv=notrunc status=none
}

# ---- disks that it does not fit, and other images

shorter_disk()
{
	need_root
	cp --sparse=always "$used" "$case/disk"
	truncate -s "-$1" "$case/disk"
	use_disk "$case/disk"
}

disk_of_4096()
{
	need_root
	cp --sparse=always "$used" "$case/disk"
	use_disk "$case/disk" --sector-size 4096
	broken
}

# other_disk MAKER: the image is the disk that MAKER makes of $expect, a copy of the image
other_disk()
{
	expect=$case/expected
	cp --sparse=always "$image" "$expect"
	"$1"
	truncate -s "$bytes" "$expect"
	case $tool in
	qemu-img) qcow2 'qemu-img convert -f raw -O qcow2 "$expect" "$made"' ;;
	vmcast | nbdcopy) serve raw 'cat "$expect"' ;;
	*) serve raw.zst 'zstd -cq "$expect"' ;;
	esac
}

gpt_4096()
{
	need_root
	other_disk table_for_4096
}

table_for_4096()
{
	local disk

	truncate -s 0 "$expect"
	truncate -s "$bytes" "$expect"
	disk=$(losetup --find --show --sector-size 4096 "$expect")
	printf 'label: gpt\nstart=256, type=linux\n' | sfdisk -q --no-tell-kernel "$disk"
	losetup -d "$disk"
}

# The second partition in the MBR, too, marked active
hybrid_mbr()
{
	perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, 446 + 16, 0;
		print $f pack "C4 C4 L< L<", 0x80, 0, 0, 0, 0x83, 0, 0, 0, 10240, 36864' "$expect"
}

no_table()
{
	rm "$expect"
	truncate -s "$bytes" "$expect"
	mkfs.ext4 -q -F "$expect"
}

isohybrid_disk()
{
	mkdir "$case/tree"
	head -c 4M /dev/urandom >"$case/tree/file"
	rm "$expect"
	xorriso -as mkisofs -quiet -o "$expect" -partition_offset 16 "$case/tree"
	dd if="$image" of="$expect" bs=440 count=1 conv=notrunc status=none
}

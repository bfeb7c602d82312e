#!/bin/bash
# What comes out of a disk image is what qemu-img makes of it: every format that is one file, as the real tools write it, with
# random data, holes, and a size that is no multiple of a chunk. In a sandbox, also from the middle of another file.
# shellcheck disable=SC2317,SC2154 # functions are handed to `each_line`, which sets $case
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/images.sh

read_disk=$BUILD/tests/tools/read_disk
raw=$work/raw
# Data, a hole, data, a hole, and the last sector of a chunk that is not whole
perl -e 'open my $r, "<", "/dev/urandom"; for (3_000_320, 700_416) { read $r, my $d, $_; print $d, "\0" x 2_999_808 } print "x" x 512' >"$raw"

status=0
"$read_disk" raw "$raw" "$work/out" 2>"$work/said" || status=$?
is "a raw disk is read" "$status" 0
ok "raw: byte for byte" cmp "$work/out" "$raw"
qemu-img convert -f raw -O qcow2 "$raw" "$work/first.qcow2"
"$read_disk" qcow2 "$work/first.qcow2" "$work/out" 2>"$work/said" || status=$?
[[ $status != 0 ]] && grep -q "does not permit user namespaces" "$work/said" && skip_all "$(<"$work/said")"

snapshots()
{
	qemu-img convert -f raw -O qcow2 "$raw" "$1"
	qemu-img snapshot -c one "$1"
	qemu-io -f qcow2 -c 'write -P 7 1M 1M' "$1" >/dev/null
	qemu-img snapshot -c two "$1"
	qemu-io -f qcow2 -c 'write -P 9 2M 64K' -c 'write -z 3M 1M' "$1" >/dev/null
}

make()
{
	qemu-img convert -f raw -O "$driver" "$@" "$raw" "$image"
}

# QEMU 7.2 writes it all and then exits with 1 and no word.
make_qcow_compressed()
{
	make -c || cmp <(qemu-img convert -f qcow -O raw "$image" "$case/back" && cat "$case/back") "$raw"
}

# check LABEL DRIVER COMMAND [SAYS]: COMMAND makes $image
check()
{
	local image=$case/image driver=$2 status=0 said
	eval "$3"
	said=$("$read_disk" "$2" "$image" "$case/out" 2>&1) || status=$?
	is "$1: read" "$status" 0
	[[ $status == 0 ]] || diag "$said"
	qemu-img convert -f "$2" -O raw "$image" "$case/want"
	ok "$1: byte for byte" cmp "$case/out" "$case/want"
	[[ -z ${4-} ]] || like "$1: says $4" "$said" "$4"
	# From the middle of another file, as a tar has it; each format once
	[[ $1 != *,* ]] || return 0
	{ head -c 1536 /dev/urandom; cat "$image"; head -c 10240 /dev/zero; } >"$case/tar"
	status=0
	rm -f "$case/out"
	"$read_disk" "$2" "$case/tar" "$case/out" 1536 "$(stat -c %s "$image")" 2>/dev/null || status=$?
	is "$1: read from the middle of a file" "$status" 0
	ok "$1: the same bytes" cmp "$case/out" "$case/want"
}

each_line 2 check <<'END'
qcow|qcow|make
qcow, compressed|qcow|make_qcow_compressed
qcow2, version 2|qcow2|make -o compat=0.10
qcow2|qcow2|make
qcow2, clusters of 512 B|qcow2|make -o cluster_size=512
qcow2, clusters of 4 KiB|qcow2|make -o cluster_size=4K
qcow2, clusters of 2 MiB|qcow2|make -o cluster_size=2M
qcow2, zlib|qcow2|make -c
qcow2, zlib, clusters of 2 MiB|qcow2|make -c -o cluster_size=2M
qcow2, zstd|qcow2|make -c -o compression_type=zstd
qcow2, zstd, clusters of 2 MiB|qcow2|make -c -o compression_type=zstd,cluster_size=2M
qcow2, extended L2|qcow2|make -o extended_l2=on
qcow2, extended L2, zstd|qcow2|make -c -o extended_l2=on,compression_type=zstd
qcow2, allocated ahead|qcow2|make -o preallocation=full
qcow2, refcounts of 1 bit|qcow2|make -o refcount_bits=1
qcow2, snapshots|qcow2|snapshots "$image"|2 internal snapshots are ignored
QED|qed|make
QED, clusters of 4 KiB|qed|make -o cluster_size=4096
VMDK|vmdk|make
VMDK streamOptimized|vmdk|make -o subformat=streamOptimized
VHD|vpc|make
VHD, dynamic, by its size|vpc|make -o force_size=on
VHD of fixed size|vpc|make -o subformat=fixed
VHD, fixed, by its size|vpc|make -o subformat=fixed,force_size=on
VHDX|vhdx|make
VHDX, fixed|vhdx|make -o subformat=fixed
VHDX, blocks of 1 MiB|vhdx|make -o block_size=1M
VDI|vdi|make
VDI, fixed|vdi|make -o static=on
Parallels|parallels|make
Parallels extended|parallels|parallels_extended "$raw" "$image"
Bochs|bochs|bochs "$raw" "$image" 1
Bochs, version 2|bochs|bochs "$raw" "$image" 2
END

# The comparison above is with QEMU's own view. These two are also what was put in.
bochs "$raw" "$work/bochs" 2
"$read_disk" bochs "$work/bochs" "$work/out" 2>/dev/null || true
ok "Bochs: what the test put in" cmp "$work/out" "$raw"
parallels_extended "$raw" "$work/parallels"
"$read_disk" parallels "$work/parallels" "$work/out" 2>/dev/null || true
ok "Parallels, extended: what the test put in" cmp "$work/out" "$raw"

# A VHD whose geometry is less than its size: it depends on who made it which of the two is the disk. QEMU alone would take the
# geometry of all but some, and the end of the disk would be lost.
for creator in qem2:size 'win :size' 'wa\0\0:size' vbox:size 'vpc :geometry' qemu:geometry; do
	qemu-img convert -f raw -O vpc -o force_size=on "$raw" "$work/vhd"
	perl -e 'my ($name, $creator) = @ARGV; $creator =~ s/\\0/\0/g; open my $f, "+<:raw", $name or die;
		for my $at (0, (-s $name) - 512) {
			seek $f, $at, 0; read $f, my $b, 512;
			substr($b, 28, 4) = $creator; substr($b, 56, 4) = pack "nCC", 278, 4, 17; substr($b, 64, 4) = "\0" x 4;
			my $sum = 0; $sum += $_ for unpack "C*", $b;
			substr($b, 64, 4) = pack "L>", ~$sum & 0xffffffff;
			seek $f, $at, 0; print $f $b;
		}' "$work/vhd" "${creator%:*}"
	cp "$raw" "$work/want"
	[[ $creator == *:size ]] || truncate -s $((278 * 4 * 17 * 512)) "$work/want"
	"$read_disk" vpc "$work/vhd" "$work/out" 2>"$work/said" || true
	ok "VHD of '${creator%:*}': its disk is that of its ${creator#*:}" cmp "$work/out" "$work/want"
	like "VHD of '${creator%:*}': says so" "$(<"$work/said")" "bytes of its ${creator#*:}"
done

# With sectors of 4096 bytes, which QEMU neither writes nor reads: a disk that it wrote, of whole such sectors, and another
# number in its metadata. What depends on that number is further from the beginning than this disk is long.
truncate -s $((16 << 20)) "$work/raw4k"
dd if="$raw" of="$work/raw4k" conv=notrunc bs=4096 count=1000 status=none
vhdx_4k "$work/raw4k" "$work/4k.vhdx"
status=0
"$read_disk" vhdx "$work/4k.vhdx" "$work/out" 2>"$work/said" || status=$?
is "VHDX with sectors of 4096 bytes: read" "$status" 0
ok "VHDX with sectors of 4096 bytes: what was put in" cmp "$work/out" "$work/raw4k"
like "VHDX with sectors of 4096 bytes: says so" "$(<"$work/said")" "sectors have 4096 bytes"

# Past 4 GiB, with data on both sides of the borders of 31 and 32 bits, of the disk and of the file
truncate -s $(((4 << 30) + 3584)) "$work/large"
for at in $(((2 << 30) - 512)) $(((4 << 30) - 512)); do
	head -c 1536 /dev/urandom | dd of="$work/large" bs=512 seek=$((at / 512)) conv=notrunc status=none
done
for command in "qcow2" "qcow2 -o preallocation=falloc" "vpc -o subformat=fixed,force_size=on"; do
	# shellcheck disable=SC2086 # words
	qemu-img convert -f raw -O $command "$work/large" "$work/large.image"
	status=0
	"$read_disk" "${command%% *}" "$work/large.image" "$work/out" 2>"$work/said" || status=$?
	is "4 GiB in $command: read" "$status" 0
	ok "4 GiB in $command: the same" qemu-img compare -q -f raw -F raw "$work/out" "$work/large"
	kib=$(sed -n 's/^qemu_kib=\([0-9]*\).*/\1/p' "$work/said")
	diag "QEMU's memory at its peak is $kib KiB"
	ok "4 GiB in $command: QEMU's memory stays small" test "$kib" -lt 65536
done
done_testing

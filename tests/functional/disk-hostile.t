#!/bin/bash
# F23, F27: disk images that lead to other files, lie about themselves, or are not all there are refused with the field and its
# value. And what no check sees cannot do harm: QEMU is in a sandbox, and strace sees that it opens nothing but the image and
# libraries, also when our checks are left out.
# shellcheck disable=SC2317,SC2154 # functions are handed to `each_line`, which sets $case
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

read_disk=$BUILD/tests/tools/read_disk
disk=$work/disk
secret=$work/secret
echo "must not be read" >"$secret"
head -c 3000320 /dev/urandom >"$disk"
truncate -s 8M "$disk"
head -c 300032 /dev/urandom >>"$disk"
qemu-img convert -f raw -O qcow2 "$disk" "$work/good.qcow2"
"$read_disk" qcow2 "$work/good.qcow2" "$work/out" 2>"$work/said" || true
grep -q "does not permit user namespaces" "$work/said" && skip_all "$(<"$work/said")"
ok "an image that is well is read" cmp "$work/out" "$disk"

# poke FILE OFFSET BYTES...: bytes in hexadecimal
poke()
{
	perl -e 'open my $f, "+<:raw", $ARGV[0] or die; seek $f, $ARGV[1], 0; print $f pack "H*", $ARGV[2]' "$1" "$2" "$3"
}

# be64 FILE OFFSET: the number there
be64()
{
	perl -e 'open my $f, "<:raw", $ARGV[0]; seek $f, $ARGV[1], 0; read $f, my $b, 8; print unpack "Q>", $b' "$1" "$2"
}

make()
{
	qemu-img convert -f raw -O "$driver" "$@" "$disk" "$image"
}

create()
{
	qemu-img create -q -f "$driver" "$@"
}

# QEMU measures how quick the machine is, and at times gives up on one that is busy.
encrypt()
{
	local try

	for try in {1..20}; do
		create --object secret,id=s,data=x -o encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s "$image" 8M && return
	done
	diag "no encrypted image after $try tries"
	return 1
}

cut()
{
	truncate -s "-$1" "$image"
}

# The address sanitizer reads the sandbox's own /proc, which is there for it only; its leak checker does not go with strace.
own_proc='(?!)'
! has_sanitizers || own_proc='^/proc/'
export ASAN_OPTIONS=detect_leaks=0

# outside LOG: what was opened to be read or written by any process but the first, and is neither a library nor the image
outside()
{
	perl -e '
		my ($log, $own_proc, $first) = @ARGV;
		open my $lines, "<", $log or die;
		while (<$lines>) {
			next unless /^(\d+) .*open(?:at2?)?\((?:AT_FDCWD, )?"([^"]*)", (\S+).* = \d+$/;
			my ($pid, $path, $flags) = ($1, $2, $3);
			$first //= $pid;
			next if $pid == $first || $flags =~ /O_PATH/;
			print "$path\n" unless $path =~ m{^(/usr)?/lib(64)?/} || $path eq "/disk" || $path eq "/dev/null" ||
				$path =~ m{^/proc/self/(setgroups|[ug]id_map)$} || $path =~ /$own_proc/;
		}' "$1" "$own_proc"
}

# refuse LABEL DRIVER COMMAND SAYS: COMMAND makes $image
refuse()
{
	local image=$case/image driver=$2 status=0 said
	eval "$3"
	said=$("$read_disk" "$driver" "$image" "$case/out" 2>&1) || status=$?
	is "$1: refused" "$status" 1
	like "$1: because" "$said" "$4"
	status=0
	strace -f -qq -e trace=open,openat,openat2,execve -o "$case/log" \
		"$read_disk" --unchecked "$driver" "$image" 2>"$case/unchecked" || status=$?
	is "$1: unchecked, it does no harm" "$status" 0
	diag "unchecked: $(tail -n1 "$case/unchecked")"
	is "$1: and opens nothing outside" "$(outside "$case/log")" ""
	ok "$1: while strace was looking" grep -q '"/disk"' "$case/log"
}

each_line 2 refuse <<'END'
qcow2, backing file|qcow2|create -F raw -b "$secret" "$image" 8M|backing_file_offset is
qcow2, backing file /etc/shadow|qcow2|create -u -F raw -b /etc/shadow "$image" 8M|backing_file_offset is
qcow2, backing file that is code|qcow2|create -u -F raw -b 'json:{"driver":"nbd","host":"127.0.0.1"}' "$image" 8M|backing_file_offset is
qcow2, data file|qcow2|create -o data_file="$secret" "$image" 8M|data is in another file
qcow2, data file as it is|qcow2|create -o data_file="$case/d",data_file_raw=on "$image" 8M|data is in another file
qcow2, encrypted|qcow2|encrypt|crypt_method is 2
qcow2, AES|qcow2|make; poke "$image" 32 00000001|crypt_method is 1
qcow2, dirty|qcow2|make; poke "$image" 72 0000000000000001|dirty
qcow2, corrupt|qcow2|make; poke "$image" 72 0000000000000002|marked corrupt
qcow2, unknown feature|qcow2|make; poke "$image" 72 0000000000000100|0x100
qcow2, huge L1|qcow2|make; poke "$image" 36 7fffffff|its L1 table has
qcow2, L1 outside|qcow2|make; poke "$image" 40 0000000100000000|its L1 table
qcow2, L2 is the header|qcow2|make; poke "$image" "$(be64 "$image" 40)" 8000000000000000|corrupt
qcow2, L2 is the L1|qcow2|make; poke "$image" "$(be64 "$image" 40)" "80000000$(printf %08x "$(be64 "$image" 40)")"|corrupt
qcow2, data is the L2|qcow2|make; l1=$(be64 "$image" 40); l2=$(($(be64 "$image" "$l1") & 0xffffffffffff)); poke "$image" "$l2" "80000000$(printf %08x "$l2")"|corrupt
qcow2, two clusters at one place|qcow2|make; l1=$(be64 "$image" 40); l2=$(($(be64 "$image" "$l1") & 0xffffffffffff)); dd if="$image" of="$image" bs=8 count=1 skip=$((l2 / 8)) seek=$((l2 / 8 + 1)) conv=notrunc status=none|corrupt
qcow2, L2 far outside|qcow2|make; poke "$image" "$(be64 "$image" 40)" 8000100000000000|corrupt
qcow2, refcounts in themselves|qcow2|make; table=$(be64 "$image" 48); poke "$image" "$table" "00000000$(printf %08x "$table")"|corrupt
qcow2, refcount table outside|qcow2|make; poke "$image" 48 0000000100000000|refcount table
qcow2, huge refcount table|qcow2|make; poke "$image" 56 ffffffff|its refcount table has
qcow2, many snapshots|qcow2|make; poke "$image" 60 00ffffff|nb_snapshots is
qcow2, snapshots outside|qcow2|make; poke "$image" 60 000000010000000100000000|snapshot table
qcow2, clusters of 2^31|qcow2|make; poke "$image" 20 0000001f|cluster_bits is 31
qcow2, no size|qcow2|make; poke "$image" 24 0000000000000000|0 bytes
qcow2, size of 2^63|qcow2|make; poke "$image" 24 8000000000000000|l1_size is
qcow2, version 9|qcow2|make; poke "$image" 4 00000009|version 9
qcow2, truncated|qcow2|make; cut 200K|corrupt
qcow2, compressed, truncated|qcow2|make -c; cut 200K|corrupt
qcow, backing file|qcow|create -F raw -b "$secret" "$image" 8M|backing_file_offset is
qcow, truncated|qcow|make; cut 1024|outside of the file
QED, backing file|qed|create -F raw -b "$secret" "$image" 8M|backing file
QED, truncated|qed|make; cut 200K|corrupt
VMDK naming /etc/shadow|vmdk|printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 1 FLAT "/etc/shadow" 0\n' >"$image"|VMDK descriptor
VMDK naming a device|vmdk|printf '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="fullDevice"\nRW 1 FLAT "/dev/mem" 0\n' >"$image"|VMDK descriptor
VMDK, header without a size|vmdk|make; poke "$image" 12 0000000000000000|capacity is 0
VMDK, embedded descriptor naming /etc/shadow|vmdk|make; perl -0777 -pi -e 's/RW (\d+) SPARSE "[^"]*"/RW 1 FLAT "\/etc\/shadow" 0/' "$image"|extent of type FLAT
VMDK, the same without a size|vmdk|make; perl -0777 -pi -e 's/RW (\d+) SPARSE "[^"]*"/RW 1 FLAT "\/etc\/shadow" 0/' "$image"; poke "$image" 12 0000000000000000|capacity is 0
VMDK, parent|vmdk|qemu-img create -q -f vmdk "$case/b.vmdk" 8M; create -F vmdk -b "$case/b.vmdk" "$image"|parent
VMDK, part of several|vmdk|make -o subformat=twoGbMaxExtentSparse; mv "$case/image-s001" "$image"|no descriptor
VMDK, truncated|vmdk|make; cut 200K|EOF
VMDK stream, truncated|vmdk|make -o subformat=streamOptimized; cut 200K|EOF
VHD, fixed, size that lies|vpc|make -o subformat=fixed,force_size=on; perl -e 'open my $f, "+<:raw", $ARGV[0]; seek $f, -512, 2; read $f, my $b, 512; substr($b, 48, 8) = pack "Q>", 1 << 40; substr($b, 64, 4) = "\0" x 4; my $s = 0; $s += $_ for unpack "C*", $b; substr($b, 64, 4) = pack "L>", ~$s & 0xffffffff; seek $f, -512, 2; print $f $b' "$image"|is said to have
VHD, wrong checksum|vpc|make; poke "$image" 64 00000000|checksum
VHD, differencing|vpc|make; perl -e 'open my $f, "+<:raw", $ARGV[0]; read $f, my $b, 512; substr($b, 60, 4) = pack "L>", 4; substr($b, 64, 4) = "\0" x 4; my $s = 0; $s += $_ for unpack "C*", $b; substr($b, 64, 4) = pack "L>", ~$s & 0xffffffff; seek $f, 0, 0; print $f $b; seek $f, -512, 2; print $f $b' "$image"|differencing
VHD, truncated|vpc|make; cut 200K|footer
VHDX, region outside|vhdx|make; poke "$image" $((196608 + 32)) 0000000000010000|region table
VHDX, headers gone|vhdx|make; poke "$image" 65536 00; poke "$image" 131072 00|none of its two headers
VHDX, truncated|vhdx|make; cut 8M|after end of file
VDI, differencing|vdi|make; poke "$image" 76 04000000|type is 4
VDI, truncated|vdi|make; cut 200K|its data
VDI, block behind the end|vdi|make; poke "$image" 516 07000000|a block, 1048576 bytes at
Parallels, in use|parallels|make; poke "$image" 44 596e6f74|not closed cleanly
Parallels, truncated|parallels|make; cut 200K|outside of the file
END
done_testing

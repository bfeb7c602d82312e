#!/bin/bash
# F28, F37: what becomes of a disk full of 0xA5 where its image is zeros, with each policy, on files, on disks, and on disks
# whose zeroing lies and whose discard leaves junk. F39: labels of the system before are not found with any policy.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mib=1048576

# Two partitions; the second is empty, and begins within the zeros behind the first one's data. In MiB: data at 1 to 4, in 16
# and in 44, the partition at 24.
start_origin
image=$origin/image
truncate -s 47M "$image"
printf 'label: gpt\nstart=2048, size=47104, type=linux\nstart=49152, type=linux\n' | sfdisk -q "$image"
for at in 1 2 3 16 44; do
	dd if=/dev/urandom of="$image" bs=$mib count=1 seek=$at conv=notrunc status=none
done
qemu/feed "http://127.0.0.1:$origin_port" "$image" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
wait_ingest image
item_is "$item" ready || { diag "no image: $(field "/v1/items/$item" .error)"; exit 1; }

# cells DISK: each MiB as one letter: i as in the image (. if that is zeros), o old, z junk, ? anything else
cells()
{
	perl -e 'my ($image, $disk) = map { open my $f, "<", $_ or die "$_: $!"; $f } @ARGV;
		while (sysread $disk, my $got, 1 << 20) {
			my $want = "";
			sysread $image, $want, 1 << 20;
			print $got eq "\0" x length $got ? "." : $got eq $want ? "i" : $got =~ /^\xa5*$/ ? "o" : $got =~ /^Z*$/ ? "z" : "?";
		}' "$image" "$1"
}

# The disk is larger than the image. Its last MiB, and one MiB at either end of each partition, are zeros with any policy.
zeroed='iiii............i...........................i.ioooooooooooooooo.'
kept='iiiiooooooooooooioooooo..oooooooooooooooooooi.ioooooooooooooooo.'
junk=${kept//o/z}
junk=${junk:0:47}${kept:47}
left=$(printf %s "${kept:0:47}" | tr -cd o | wc -c)

# has_no_label DISK: nothing is found in the second partition, although the old disk had a file system there
has_no_label()
{
	local found
	found=$(blkid -p -o export -O $((24 * mib)) "$1") || true
	[[ -z $found ]] || { diag "found: $found"; return 1; }
}

mkfs.ext4 -q "$work/old-fs" 16M >"$work/mkfs.log" 2>&1 || { diag "$(cat "$work/mkfs.log")"; exit 1; }

# try NAME FILE TARGET POLICY CELLS: FILE is what TARGET keeps its bytes in
try()
{
	fill "$2" $((64 * mib))
	dd if="$work/old-fs" of="$2" bs=4096 count=1 seek=$((24 * 256)) conv=notrunc status=none
	is "$1, ${4:-by default}: there is an old file system" "$(blkid -p -o value -s TYPE -O $((24 * mib)) "$2")" ext4
	write_disk "$vmcastd_port" "$3" ${4:+--zeros "$4"}
	is "$1, ${4:-by default}: succeeds" "$status" 0
	[[ $status == 0 ]] || diag "$said"
	is "$1, ${4:-by default}: zeros, what was there, and junk are where they should be" "$(cells "$2")" "$5"
	ok "$1, ${4:-by default}: the old file system is not found in the new partition" has_no_label "$2"
}

# tells WORDS BYTES: the output and the service's job do
tells()
{
	like "... and it says how much" "$said" "zeros: policy $1: $2 bytes "
	like "... and tells the service" "$(last_job .message)" "^policy $1: $2 bytes "
}

plain=$work/plain
try "a file" "$plain" "$plain" "" "$zeroed"
is "... and there is nothing to tell" "$(last_job .message)" ""
try "a file" "$plain" "$plain" keep "$kept"
tells keep $((left * mib))
try "a file" "$plain" "$plain" discard "$zeroed"
tells discard $((left * mib))

fill "$work/json" $((64 * mib))
is "the result as JSON has it, too" "$("$BUILD/vmcast-boot" write --server "http://127.0.0.1:$vmcastd_port" --item "$item" \
	--disk "$work/json" --zeros keep --json 2>/dev/null | jq -c '[.zeros, .left_bytes]')" "[\"keep\",$((left * mib))]"
write_disk "$vmcastd_port" "$plain" --zeros some
is "a policy that there is none of is refused" "$status" 2

stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "zeros = keep"
try "a service that says keep" "$plain" "$plain" "" "$kept"
try "... but the command line says otherwise" "$plain" "$plain" zero "$zeroed"

if [[ $(id -u) != 0 ]]; then
	diag "loop devices and FUSE need root: not tried"
	done_testing
fi

attach "$plain" --direct-io=on
for policy in zero discard; do
	try "a disk" "$plain" "$loop" $policy "$zeroed"
done
try "a disk" "$plain" "$loop" keep "$kept"

if [[ ! -c /dev/fuse ]]; then
	diag "this host has no FUSE: disks that lie are not tried"
	done_testing
fi

# start_nbd_disk NBDKIT-ARG...: a disk that nbdkit serves; sets loop
start_nbd_disk()
{
	: >"$work/nbd"
	nbdfuse "$work/nbd" [ nbdkit "$@" ] 2>"$work/nbdfuse.log" &
	nbdfuse_pid=$!
	at_exit end_nbd_disk
	wait_for 60 test -s "$work/nbd" || { diag "nbdfuse does not start: $(cat "$work/nbdfuse.log")"; exit 1; }
	attach "$work/nbd" --direct-io=on
}

nbdfuse_pid=
end_nbd_disk()
{
	[[ -n $nbdfuse_pid ]] || return 0
	detach_all
	kill "$nbdfuse_pid"
	wait "$nbdfuse_pid" 2>/dev/null || true
	nbdfuse_pid=
}

# lie NAME ZERO TRIM POLICY=CELLS...: on a disk that behaves so (tests/functional/lying-disk)
lie()
{
	local name=$1 case
	export LYING_FILE=$work/lying LYING_ZERO=$2 LYING_TRIM=$3
	truncate -s 64M "$LYING_FILE"
	start_nbd_disk sh "$top/tests/functional/lying-disk"
	for case in "${@:4}"; do
		try "$name" "$work/lying" "$loop" "${case%%=*}" "${case#*=}"
		like "... it is named" "$said" "disk loop[0-9]+: .* do not read as zeros"
	done
	end_nbd_disk
}

lie "a disk that says zeros and does nothing" lies junk zero="$zeroed" keep="$kept" discard="$junk"
lie "a disk that says zeros and writes junk" junk junk zero="$zeroed"

# Nothing made for a test: over a server without zeroing, nbdfuse 1.14 zeroes the first 4 KiB of a range and says all.
truncate -s 64M "$work/served"
start_nbd_disk --filter=nozero file "$work/served"
try "a disk under nbdfuse" "$work/served" "$loop" zero "$zeroed"
end_nbd_disk
done_testing

#!/bin/bash
# Images of every format, of which some bytes are others: whatever comes of them, it is a disk or an error. No crash on our side,
# no more memory than the caps, no disk longer than disk_bytes_max. SEED=N ROUNDS=N repeat a run or make it longer.
# shellcheck disable=SC2317,SC2154 # functions are handed to `each_line`, which sets $case
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

read_disk=$BUILD/tests/tools/read_disk
seed=${SEED:-$RANDOM}
rounds=${ROUNDS:-8}
diag "SEED=$seed ROUNDS=$rounds"
disk=$work/disk
head -c 1000448 /dev/urandom >"$disk"
truncate -s 3M "$disk"
head -c 131072 /dev/urandom >>"$disk"
qemu-img convert -f raw -O qcow2 "$disk" "$work/good.qcow2"
"$read_disk" qcow2 "$work/good.qcow2" "$work/out" 2>"$work/said" || true
grep -q "does not permit user namespaces" "$work/said" && skip_all "$(<"$work/said")"

# mutate SEED FROM TO [AT...]: other bytes in up to 8 places, most of them where headers and tables are. AT are further such
# places. The sums of a VHD are made right again.
mutate()
{
	perl -e '
		my ($seed, $from, $to, @at) = @ARGV;
		srand $seed;
		open my $in, "<:raw", $from or die; local $/; my $all = <$in>;
		for (0 .. rand 8) {
			my $at = rand(10) < 1 ? rand length $all : (0, 0, length($all) - 512, @at)[rand 3 + @at] + rand 512;
			my $new = (chr rand 256, "\0" x 4, "\xff" x 4, "\xff" x 8, pack("L<", rand 2**32), pack("Q>", 2 ** rand 63))[rand 6];
			$at = int $at;
			substr($all, $at, length $new) = $new if $at >= 0 && $at + length $new <= length $all;
		}
		for ([0, 512, 64], [512, 1024, 36], [-512, 512, 64]) {
			my ($at, $len, $sum_at) = @$_;
			next if substr($all, $at, 8) !~ /^(conectix|cxsparse)$/;
			substr($all, $at + $sum_at, 4) = "\0" x 4 if $at >= 0;
			substr($all, length($all) + $at + $sum_at, 4) = "\0" x 4 if $at < 0;
			my $sum = 0; $sum += $_ for unpack "C*", substr $all, $at, $len;
			substr($all, ($at < 0 ? length($all) : 0) + $at + $sum_at, 4) = pack "L>", ~$sum & 0xffffffff;
		}
		open my $out, ">:raw", $to or die; print $out $all;
	' "$@"
}

# survive DRIVER OPTIONS [AT...]
survive()
{
	local driver=$1 at=() round status said bytes qemu own wrong="" taken=0
	read -ra at <<<"${3-}"
	# shellcheck disable=SC2086 # words
	qemu-img convert -f raw -O "$driver" $2 "$disk" "$case/image"
	for ((round = 0; round < rounds; round++)); do
		mutate $((seed + round)) "$case/image" "$case/mutated" "${at[@]}"
		status=0
		rm -f "$case/out"
		timeout 300 "$read_disk" "$driver" "$case/mutated" "$case/out" 2>"$case/said" || status=$?
		said=$(<"$case/said")
		[[ $said =~ qemu_kib=([0-9]+)\ own_kib=([0-9]+) ]] || wrong+="round $round: $said;"
		qemu=${BASH_REMATCH[1]:-0} own=${BASH_REMATCH[2]:-0}
		bytes=$(stat -c %s "$case/out" 2>/dev/null || echo 0)
		[[ $status == [01] ]] || wrong+="round $round: status $status: $said;"
		[[ $status != 0 ]] || taken=$((taken + 1))
		[[ $bytes -le $((16 << 30)) && $qemu -le 1048576 ]] || wrong+="round $round: $bytes bytes, $qemu KiB;"
		has_sanitizers || [[ $own -le 32768 ]] || wrong+="round $round: $own KiB of ours;"
	done
	is "$driver $2: $rounds mutants, $taken of them disks" "$wrong" ""
	# Few mutants are good images of a disk that is too long: one that is nothing else.
	# shellcheck disable=SC2086 # words
	qemu-img create -q -f "$driver" ${2#-c } "$case/long" $(((16 << 30) + (1 << 20)))
	"$read_disk" "$driver" "$case/long" "$case/out" 2>"$case/said" || true
	like "$driver $2: a disk that is too long" "$(<"$case/said")" "its disk has 171[0-9]+ bytes, and disk_bytes_max is 17179869184"
}

each_line 2 survive <<'END'
qcow||
qcow2||65536 131072 196608 262144
qcow2|-c -o compression_type=zstd|65536 131072 196608 262144
qcow2|-o extended_l2=on,cluster_size=16K|16384 32768 49152 65536
qed||65536 131072 327680
vmdk||512 10752 11264 12288
vmdk|-o subformat=streamOptimized|512 10752 11264 12288
vpc|-o force_size=on|512 1536
vpc|-o subformat=fixed|
vhdx||65536 131072 196608 2097152 3145728 3211264
vdi||340 512
parallels||64
END
done_testing

#!/bin/bash
# One program for every x86-64 processor: SHA-256 goes through the SHA instructions where the processor has them, and the
# same bytes come out where it has not. That it is so is what nettle says about itself; machines of QEMU's have none.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $(uname -m) == x86_64 ]] || skip_all "not an x86-64 processor"

# says PROGRAM [VARIABLE=VALUE...]: which instructions it takes
says()
{
	env NETTLE_FAT_VERBOSE=1 "${@:2}" "$BUILD/$1" --version 2>&1
}

for program in vmcast-boot vmcastd; do
	if grep -qw sha_ni /proc/cpuinfo; then
		like "$program takes the SHA instructions" "$(says $program)" "using sha_ni instructions"
		unlike "... as it said" "$(says $program)" "not using sha_ni instructions"
	else
		diag "this processor has no SHA instructions: their use is not tried"
	fi
	like "$program works without" "$(says $program NETTLE_FAT_OVERRIDE=vendor:other)" "not using sha_ni instructions"
done

# is_written TARGET: exit 0 and the image's bytes
is_written()
{
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$image" "$1"
}

serve_image 16M $((4 << 20))
export NETTLE_FAT_OVERRIDE=vendor:other GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512VL,-AVX512BW
fill "$work/old" $((16 << 20))
write_disk "$vmcastd_port" "$work/old"
ok "what was digested with them is verified and written without, and without wide vectors" is_written "$work/old"
done_testing

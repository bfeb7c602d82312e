#!/bin/bash
# F01, F05, F08: an index of several pages is read again while the image is written. A page that is cut off, or comes with other
# bytes than before, in any of these readings, ends in the image all the same; one that stays wrong ends in exit 4.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((330 << 20)) # 5280 chunks: six pages, of which the client keeps four
serve_image "$bytes" $((1 << 20))

is_right()
{
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$image" "$1"
}

# has_struck SKIP: or this run, whose threads were in another order, had no more than SKIP readings
has_struck()
{
	grep -qv -- '-$' "$proxy_log" || [[ $(grep -c /index "$proxy_log") -le $1 ]]
}

# strike TARGET FAULT SKIP: the fault strikes one reading of the index after SKIP of them; TARGET: new, or resumed
strike()
{
	[[ $1 == new ]] || cp --sparse=always "$image" "$case/disk"
	proxy_log=$case/proxy.log
	start_proxy "$vmcastd_port" --path /index --fault "$2" --skip "$3" --times 1
	write_disk "$proxy_port" "$case/disk" --retry-for 10
	ok "$1 disk, $2 in reading $3 of the index: the fault did happen" wait_for 60 has_struck "$3"
	stop_proxy
	ok "$1 disk, $2 in reading $3 of the index: the image" is_right "$case/disk"
}

start_proxy "$vmcastd_port" --path /index
write_disk "$proxy_port" "$work/disk"
readings=$(grep -c /index "$proxy_log")
write_disk "$proxy_port" "$work/disk"
again=$(($(grep -c /index "$proxy_log") - readings))
diag "the index is read in $readings pieces, in $again when a disk is resumed"
each_line 6 strike < <(
	for fault in close:0 flip:0; do
		seq -f "new|$fault|%g" 0 $((readings - 1))
		seq -f "resumed|$fault|%g" 0 $((again - 1))
	done
)

for target in new resumed; do
	rm "$work/disk"
	[[ $target == new ]] || cp --sparse=always "$image" "$work/disk"
	start_proxy "$vmcastd_port" --path /index --fault flip:0 --skip 7
	write_disk "$proxy_port" "$work/disk" --retry-for 10
	is "$target disk, other bytes from the eighth reading on: exit 4" "$status" 4
	[[ $status == 4 ]] || diag "$said"
	ok "$target disk, other bytes from the eighth reading on: the disk is blank" is_blank "$work/disk"
done
done_testing

#!/bin/bash
# F28: a target full of 0xA5 holds the image afterwards, holes included, and nothing by which the old content could be
# recognised: the disk's last MiB and btrfs's superblock copies are zeros. What else lies behind the image is left alone.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mib=1048576
image_bytes=$((24 * mib + 4096)) # not a whole number of chunks
serve_image "$image_bytes" $((2 * mib))

# is_written TARGET: exit 0 and the image's bytes
is_written()
{
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp -n "$image_bytes" "$image" "$1"
}

# holds FROM TO BYTE: every byte there is BYTE (octal)
holds()
{
	cmp -n "$(($2 - $1))" -i "$1:0" "$target" <(head -c "$(($2 - $1))" /dev/zero | tr '\0' "\\$3")
}

check_rest()
{
	local disk_bytes=$1

	ok "$2: every byte of the image is there" is_written "$target"
	ok "$2: behind the image nothing is touched" holds "$image_bytes" $((64 * mib)) 245
	ok "$2: but where btrfs keeps a copy of its superblock" holds $((64 * mib)) $((64 * mib + 4096)) 0
	ok "$2: and nothing up to the last MiB" holds $((64 * mib + 4096)) $((disk_bytes - mib)) 245
	ok "$2: which is zero" holds $((disk_bytes - mib)) "$disk_bytes" 0
}

fill "$work/same" "$image_bytes"
write_disk "$vmcastd_port" "$work/same"
ok "a file of the image's size: the same bytes" is_written "$work/same"
is "a file of the image's size: keeps its size" "$(stat -c %s "$work/same")" "$image_bytes"
is "the job is done" "$(last_job .phase)" "done"

write_disk "$vmcastd_port" "$work/new"
ok "no file: is made, the same bytes" is_written "$work/new"
ok "a file's holes stay holes" test "$(du -B1 "$work/new" | cut -f1)" -lt $((12 * mib))

target=$work/larger
fill "$target" $((72 * mib))
write_disk "$vmcastd_port" "$target"
check_rest $((72 * mib)) "a larger file"

if [[ $(id -u) != 0 ]]; then
	diag "loop devices need root: not tried"
	done_testing
fi
fill "$work/backing" $((72 * mib))
attach "$work/backing"
target=$loop
write_disk "$vmcastd_port" "$target"
check_rest $((72 * mib)) "a block device"
write_disk "$vmcastd_port" "$target"
ok "a second time over the first: the same bytes" is_written "$target"
like "a second time over the first: nothing in between is written again" "$said" "already on the disk"
done_testing

# SPDX-License-Identifier: GPL-2.0-or-later
# The disk that is measured with. Sourced after tests/lib.sh, with $bytes.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for the scripts that source this

cache=$top/build/bench/inputs-$bytes
disk=$cache/disk.raw

# fill_dir DIR BYTES: files of this machine's own, until there are that many bytes
fill_dir()
{
	local dir=$1 left=$2 file size

	mkdir -p "$dir"
	while IFS= read -r file; do
		size=$(stat -c %s "$file")
		[[ $((left -= size)) -gt 0 ]] || break
		cp --parents "$file" "$dir" 2>/dev/null || :
	done < <(find /usr/lib /usr/share /usr/bin -xdev -type f -size -64M 2>/dev/null | LC_ALL=C sort)
}

# make_disk: the demo's Debian, made larger with files of this machine until about 35 % are in use; smaller than that, the
# beginning of it. Kept for the next time.
make_disk()
{
	local debian=$top/build/images/debian-12.raw have used offset

	[[ ! -f $disk ]] || return 0
	"$top/qemu/image" debian >&2
	mkdir -p "$cache"
	have=$(stat -c %s "$debian")
	dd if="$debian" of="$disk.new" bs=1M count="$bytes" iflag=count_bytes conv=sparse status=none
	truncate -s "$bytes" "$disk.new"
	if [[ $bytes -gt $((have + (64 << 20))) ]]; then
		# In a partition of its own behind the others: a file system in a file cannot be made larger.
		sfdisk -q --relocate gpt-bak-std "$disk.new"
		echo 'type=linux' | sfdisk -q --append "$disk.new"
		offset=$(($(sfdisk --json "$disk.new" | jq '.partitiontable.partitions[-1].start') * 512))
		used=$(du --block-size=1 "$disk.new" | cut -f1)
		fill_dir "$work/fill" $((bytes * 35 / 100 - used))
		mkfs.ext4 -q -F -E "offset=$offset,lazy_itable_init=0" -d "$work/fill" "$disk.new" $(((bytes - offset) / 1024 - 1024))k
		rm -rf "$work/fill"
	fi
	mv "$disk.new" "$disk"
}

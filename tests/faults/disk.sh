# SPDX-License-Identifier: GPL-2.0-or-later
# F32-F40: disks that fail, lie, or must not be written. Sourced by tests/faults/run.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for tests/faults/run

# As network_cases
disk_cases()
{
	cat <<'END'
F32-write-first-sector|all|refused|disk .*: [wf]|failing_disk pwrite 0|EIO when the first sector is written
F32-write-middle|all|refused|disk .*: [wf]|failing_disk pwrite 12582912|EIO when a sector in the middle is written
F32-write-last-sector|all|refused|disk .*: [wf]|failing_disk pwrite 25165312|EIO when the last sector is written
F32-flush|all|refused|disk .*: flush|scripted_disk flush='echo EIO flush fails >&2; exit 1'|EIO from each flush
F32-flush-third|all|refused|disk .*: flush|failing_flush 3|EIO from the third flush
F32-read-back|all|refused|disk .*: read|failing_disk pread 0|EIO when the first sector is read
F32-first-write-lost|all|refused|read back|lossy_disk 0|what is written to the first sector is lost, and success reported
F33-thin-pool-full|all|refused|disk .*: [wf]|thin_pool 4M|no space left in the pool that the disk is a part of
F34-vanishes-at-first-write|all|refused|disk|vanishing_disk 0|the disk vanishes when it is first written
F34-vanishes-half-way|all|refused|disk|vanishing_disk 12582912|it vanishes half way
F34-vanishes-at-the-end|all|refused|disk|vanishing_disk 25165312|it vanishes when its last sector is written
F35-read-only|all|refused|read-only|read_only_disk|the disk is read-only
F37-discard-junk|all|right||junk_behind_discard|what was discarded reads as junk
F37-zeroing-does-nothing|all|right||scripted_disk can_zero='exit 0' zero=:|the disk's own zeroing reports success and does nothing
F38-two-alike|vmcast|refused|2 disks|two_alike|two disks of the same size meet the rule
F38-none|vmcast|refused|no disk|no_disk|no disk meets the rule
F39-mounted|all|refused|mounted|mounted_disk|the disk is mounted
F39-partition-mounted|all|refused|mounted|mounted_partition|a partition of it is mounted
F39-swap|all|refused|swap|swap_disk|it is used as swap
F39-journal|all|refused|in use|journal_disk|it has the journal of a file system that is mounted from another disk
F39-open-in-qemu|vmcast qemu-img|refused|in use|locked_disk|a virtual machine has it open
F39-old-gpt-at-the-end|all|right||larger_disk|the disk is larger, and the old system's backup GPT is at its end
F39-old-raid-at-the-end|all|right||larger_disk && raid_label|the same, with the label of a RAID at its end
F39-old-swap-label|all|right||swap_label|the old system's swap label is where the image has zeros
F40-disk-changed|vmcast|refused|not the one that was chosen|changing_disk|another disk has its name between choice and first write
END
}

# scripted_disk KEY=SCRIPT...: the target is a loop device on what nbdkit makes of $backing, where each request is a line of shell:
# that of the table below, or SCRIPT, with $3 for the number of bytes and $4 for the first
scripted_disk()
{
	local script nr
	local -A scripts=([can_write]='exit 0' [can_flush]='exit 0' [flush]=: [can_trim]='exit 3' [can_zero]='exit 3')

	need_root
	command -v nbdkit nbdfuse >/dev/null || skip_case "needs nbdkit and nbdfuse, of Debian's nbdkit and libnbd-bin"
	cp --sparse=always "$used" "$case/disk"
	scripts[get_size]="stat -c %s '$case/disk'"
	scripts[pread]="dd if='$case/disk' bs=64K iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none"
	scripts[pwrite]="dd of='$case/disk' bs=64K iflag=fullblock oflag=seek_bytes seek=\$4 conv=notrunc status=none"
	for script; do
		scripts[${script%%=*}]=${script#*=}
	done
	local config=()
	for nr in "${!scripts[@]}"; do
		config+=("$nr=${scripts[$nr]}")
	done
	nbdkit --foreground --unix "$case/nbd" eval "${config[@]}" 2>"$case/nbdkit" &
	undo kill $!
	wait_for 60 test -S "$case/nbd"
	: >"$case/fuse"
	nbdfuse "$case/fuse" --unix "$case/nbd" 2>"$case/nbdfuse" &
	undo umount --lazy "$case/fuse"
	wait_for 60 mountpoint -q "$case/fuse"
	target=$(losetup --find --show --direct-io=on "$case/fuse") # or what is read back comes from memory
	undo losetup -d "$target"
	backing=$case/disk
}

# failing_disk REQUEST OFF: pread or pwrite of the sector that begins there fails, always
failing_disk()
{
	at_sector "$1" "if [ \$4 -le $2 ] && [ \$((\$4 + \$3)) -gt $2 ]; then echo EIO bad sector >&2; exit 1; fi"
}

# failing_flush N: the Nth flush fails
failing_flush()
{
	scripted_disk flush="echo >>'$case/flushes'; test \$(wc -l <'$case/flushes') != $1 || { echo EIO flush fails >&2; exit 1; }"
}

junk_behind_discard()
{
	scripted_disk can_trim='exit 0' \
		trim="head -c \$3 /dev/zero | tr '\\0' '\\266' |
			dd of='$case/disk' bs=64K iflag=fullblock oflag=seek_bytes seek=\$4 conv=notrunc status=none"
}

# lossy_disk OFF: that sector keeps what it had
lossy_disk()
{
	at_sector pwrite "if [ \$4 -le $1 ] && [ \$((\$4 + \$3)) -gt $1 ]; then cat >/dev/null; exit 0; fi"
}

# vanishing_disk OFF: nothing more is heard from the disk once that sector is to be written
vanishing_disk()
{
	at_sector pwrite "if [ \$4 -le $1 ] && [ \$((\$4 + \$3)) -gt $1 ]; then kill -KILL \$PPID; exit 1; fi"
}

# at_sector REQUEST SCRIPT: SCRIPT, then what the request does elsewhere
at_sector()
{
	case $1 in
	pread) scripted_disk pread="$2; dd if='$case/disk' bs=64K iflag=skip_bytes,count_bytes skip=\$4 count=\$3 status=none" ;;
	pwrite) scripted_disk pwrite="$2; dd of='$case/disk' bs=64K iflag=fullblock oflag=seek_bytes seek=\$4 conv=notrunc status=none" ;;
	esac
}

# thin_pool BYTES: the disk is a file with holes on a file system of that size
thin_pool()
{
	need_root
	cp --sparse=always "$work/zeroed" "$case/disk"
	mkdir "$case/pool"
	mount -t tmpfs -o "size=$1" tmpfs "$case/pool"
	undo umount "$case/pool"
	cp --sparse=always "$case/disk" "$case/pool/disk"
	undo cp --sparse=always "$case/pool/disk" "$case/disk"
	use_disk "$case/pool/disk"
	backing=$case/disk
}

# plain_disk [LOSETUP-OPTION...]
plain_disk()
{
	need_root
	cp --sparse=always "$used" "$case/disk"
	use_disk "$case/disk" "$@"
}

read_only_disk()
{
	plain_disk --read-only
}

# ---- disks that are in use

# mount_it DEVICE
mount_it()
{
	mkdir "$case/mnt"
	mount -o ro "$1" "$case/mnt" # so that only the tool writes
	undo umount "$case/mnt"
}

mounted_disk()
{
	plain_disk
	mkfs.ext4 -q -F "$target"
	mount_it "$target"
	sync "$target"
}

# By hand, as not every kernel reads partition tables, and not every /dev has nodes for what it finds.
mounted_partition()
{
	local major minor

	plain_disk
	partx --add --nr 1 "$target"
	undo partx --delete --nr 1 "$target"
	IFS=: read -r major minor <"/sys/class/block/${target##*/}p1/dev"
	mknod "$case/partition" b "$major" "$minor"
	mkfs.ext4 -q -F "$case/partition"
	mount_it "$case/partition"
	sync "$target"
}

swap_disk()
{
	plain_disk
	mkswap "$target" >/dev/null
	swapon "$target"
	undo swapoff "$target"
}

journal_disk()
{
	local other=$case/other

	plain_disk
	mkdir "$case/mnt"
	mke2fs -q -F -O journal_dev -b 1024 "$target"
	truncate -s 16M "$other"
	other=$(losetup --find --show "$other")
	undo losetup -d "$other"
	mke2fs -q -F -t ext4 -b 1024 -J device="$target" "$other"
	mount -o ro "$other" "$case/mnt"
	undo umount "$case/mnt"
	sync "$target"
}

locked_disk()
{
	cp --sparse=always "$used" "$case/disk"
	backing=$case/disk target=$case/disk
	sleep 600 > >(exec qemu-io -f raw "$case/disk" >/dev/null) &
	undo kill $!
	wait_for 60 grep -q ":$(stat -c %i "$case/disk") " /proc/locks
}

# ---- what is left of the system before

# larger_disk: of 32 MiB, with the old system's backup GPT at its end
larger_disk()
{
	need_root
	make_used "$case/disk" $((32 << 20)) "$([[ $used == "$work/used" ]] && echo 245 || echo 000)"
	use_disk "$case/disk"
}

# raid_label: Intel's, which is in the last sector but one
raid_label()
{
	printf 'Intel Raid ISM Cfg Sig. 1.1.00' | dd of="$case/disk" bs=512 seek=$(((32 << 11) - 2)) conv=notrunc status=none
	dd if=/dev/zero of="$case/disk" bs=512 seek=$(((32 << 11) - 1)) count=1 conv=notrunc status=none
	blockdev --flushbufs "$target"
}

swap_label()
{
	plain_disk
	mkswap -U clear "$target" >/dev/null
	sync "$target"
}

# ---- which disk it is

# by_rule RULE: ours is told what the disk is like, not which it is
by_rule()
{
	own_command="'$BUILD/vmcast-boot' run --cmdline 'vmcast.server=$at vmcast.item=$item vmcast.disk=$1'"
}

# Their size is nobody else's: the rule must not meet any other disk of this host.
two_alike()
{
	local odd=$((bytes + (1 + BASHPID % 1000) * 512))

	plain_disk
	losetup -d "$target"
	truncate -s "$odd" "$case/disk"
	cp "$case/disk" "$case/second"
	losetup "$target" "$case/disk"
	undo cmp "$case/disk" "$case/second"
	undo losetup -d "$(losetup --find --show "$case/second")"
	by_rule "bytes=$odd"
}

no_disk()
{
	plain_disk
	by_rule serial=no-such-disk
}

# The client is held where it opens the disk that it has chosen, until the name is another one's.
changing_disk()
{
	local number=$((100 + BASHPID % 100))

	need_root
	target=/dev/loop$number
	cp --sparse=always "$used" "$case/disk"
	cp "$case/disk" "$case/other"
	losetup "$target" "$case/other"
	undo losetup -d "$target"
	backing=$case/disk
	around strace -f -qq -o "$case/trace" -P "$target" -e trace=openat -e inject=openat:delay_enter=5000000:when=1
	change_disk &
	undo kill $!
}

change_disk()
{
	local client

	wait_for 60 is_held
	losetup -d "$target"
	losetup "$target" "$case/disk"
}

# is_held: the client is at the same openat for a while
is_held()
{
	local client

	client=$(pgrep -f "^$BUILD/vmcast-boot write .*--disk $target ") || return 1
	grep -q '^257 ' "/proc/$client/syscall" || return 1
	sleep 0.5
	grep -q '^257 ' "/proc/$client/syscall"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# A machine that boots the boot environment and writes $item to its only disk, and whose power is cut. It needs neither root
# nor a network of its own: QEMU's user-mode network has a DHCP server, and this host's 127.0.0.1 at 10.0.2.2.
# Sourced after tests/lib.sh and qemu/accel.sh.
# shellcheck shell=bash disable=SC2034,SC2154 # variables are of and for the scripts that source this

say()
{
	diag "$*" >&2
}

# machine_start DIR PORT QEMU-ARGUMENT...: a machine whose disk is the block node `disk` that the arguments make; the service
# is at PORT. Sets machine_pid; its console goes to DIR/console, its QMP socket is DIR/qmp. It ends where it would reboot.
# With machine_saved set it does not boot, but goes on from what machine_save kept there.
machine_saved=
machine_start()
{
	local dir=$1 port=$2 words saved=()
	shift 2

	words="console=ttyS0,115200 quiet no_timer_check panic=-1"
	words+=" vmcast.server=http://10.0.2.2:$port vmcast.item=$item"
	[[ -z $machine_saved ]] || saved=(-incoming "exec:cat '$machine_saved'")
	rm -f "$dir/console" "$dir/qmp"
	setpriv --pdeathsig KILL qemu-system-x86_64 -accel "$(accel)" -machine q35 -m 256 -nodefaults -display none -no-reboot \
		-kernel "$BUILD/env/vmlinuz" -initrd "$BUILD/env/initramfs-virtio" -append "$words" \
		-serial "file:$dir/console" -qmp "unix:$dir/qmp,server=on,wait=off" \
		-netdev user,id=net0 -device virtio-net-pci,netdev=net0 -device virtio-rng-pci \
		"$@" -device virtio-blk-pci,drive=disk "${saved[@]}" </dev/null 2>"$dir/qemu.log" &
	machine_pid=$!
}

# machine_save DIR PORT DISK: boots a machine with a file DISK for its disk until it waits for a service at PORT, where none
# is, and keeps it as it is then in DIR/saved. It has not looked for a disk yet.
machine_save()
{
	plain "$3"
	machine_start "$1" "$2" "${blockdev[@]}"
	wait_for 300 grep -qs retrying "$1/console" || { diag "the machine does not boot: $(<"$1/console")"; exit 1; }
	tests/power/machine_power save "$1/qmp" "$1/saved"
	machine_stop
	machine_saved=$1/saved
}

machine_ended()
{
	! kill -0 "$machine_pid" 2>/dev/null
}

machine_pid=
machine_stop()
{
	[[ -n $machine_pid ]] || return 0
	kill -KILL "$machine_pid" 2>/dev/null || true
	wait "$machine_pid" 2>/dev/null || true
	machine_pid=
}
at_exit machine_stop

# plain DISK: arguments for a disk with cache=writeback
plain()
{
	blockdev=(-blockdev "driver=file,node-name=disk-file,filename=$1,cache.direct=off"
		-blockdev "driver=raw,node-name=disk,file=disk-file")
}

# recorded DISK LOG: arguments for a disk whose writes and flushes are recorded, in the order in which they are asked for.
# The super block of the log counts entries only after a flush, unless it is told to be quicker.
recorded()
{
	rm -f "$2"
	truncate -s 0 "$2"
	blockdev=(
		-blockdev "driver=file,node-name=disk-file,filename=$1,cache.direct=off"
		-blockdev "driver=raw,node-name=disk-raw,file=disk-file"
		-blockdev "driver=file,node-name=log-file,filename=$2,cache.direct=off"
		-blockdev "driver=blklogwrites,node-name=disk,file=disk-raw,log=log-file,log-sector-size=512,log-super-update-interval=1"
	)
}

# serve_item FILE [KEY=VALUE...]: a publisher and a service that has FILE ready for machines; sets image, item
serve_item()
{
	start_origin
	image=$origin/image
	cp --sparse=always "$1" "$image"
	"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$image" >"$origin/feed.xml"
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "chunk_bytes = 1M" "identity = none" "${@:2}"
	wait_ingest image || exit 1
	item_is "$item" ready || { diag "no image: $(field "/v1/items/$item" .error)"; exit 1; }
}

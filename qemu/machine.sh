# SPDX-License-Identifier: GPL-2.0-or-later
# The lab's machines: QEMU processes on its bridge. A machine is a folder:
#   command       QEMU's arguments, each ended by a NUL; `start` runs them again
#   mac firmware  what it says
#   console.log   everything its first serial port printed since power-on
#   disk0.raw ... its disks, unless they are somebody else's files
#   vars.fd       its UEFI variables
#   qemu qemu.log the process (see process.sh) and what it complained about
# Sourced after process.sh, monitor.sh and accel.sh, inside the lab.
# shellcheck shell=bash

OVMF=/usr/share/OVMF

machine_dir()
{
	[[ $1 =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "machine '$1': small letters, digits and '-' only"
	echo "$lab_dir/machines/$1"
}

# machine_of ID: its folder, if there is such a machine
machine_of()
{
	local dir
	dir=$(machine_dir "$1")

	[[ -f $dir/command ]] || die "no machine '$1' in lab '$lab' (\`qemu/lab list\` shows them)"
	echo "$dir"
}

# machine_running ID
machine_running()
{
	process_pid "$(machine_dir "$1")/qemu" >/dev/null
}

# free_number: the smallest number that no machine has; it makes its tap device and its address
free_number()
{
	local n=1

	while ! mkdir "$lab_dir/machines/.number-$n" 2>/dev/null; do
		n=$((n + 1))
		[[ $n -lt 250 ]] || die "lab '$lab' has no room for another machine"
	done
	echo "$n"
}

# nic_rom FIRMWARE NIC: the network card's option ROM. On BIOS it is the network boot. OVMF has
# a driver for virtio but none for e1000e.
nic_rom()
{
	case $1-$2 in
	bios-virtio) echo "$BUILD/firmware/rom/pxe-virtio.rom" ;;
	bios-e1000e) echo "$BUILD/firmware/rom/pxe-e1000e.rom" ;;
	uefi-e1000e) echo "$BUILD/firmware/rom/efi-e1000e.rom" ;;
	uefi-virtio) ;;
	esac
}

# machine_add OPTION...: see the usage. Prints nothing but its console, or its id if detached.
machine_add()
{
	local firmware=bios nic=virtio memory=512 cpus=1 detach='' mac='' id='' trusted='' disks=() sizes=() more=()
	local number dir args rom i size code

	while [[ $# -gt 0 ]]; do
		case $1 in
		--uefi) firmware=uefi; shift; continue ;;
		--bios) firmware=bios; shift; continue ;;
		--detach) detach=1; shift; continue ;;
		esac
		[[ $# -ge 2 ]] || die "machine: unknown option '$1', or its value is missing"
		case $1 in
		--nic) nic=$2 ;;
		--disk) bytes_of "$2" >/dev/null; sizes+=("$2"); disks+=('') ;;
		--disk-file) sizes+=(''); disks+=("$(realpath "$2")") ;;
		--memory) memory=$2 ;;
		--cpus) cpus=$2 ;;
		--mac) mac=$2 ;;
		--id) id=$2 ;;
		--secure-boot) firmware=uefi; trusted=$2 ;;
		--qemu) more+=("$2") ;;
		*) die "machine: unknown option '$1'" ;;
		esac
		shift 2
	done
	[[ $nic == virtio || $nic == e1000e ]] || die "--nic '$nic': expected virtio or e1000e"
	[[ $memory =~ ^[0-9]+$ ]] || die "--memory '$memory': expected MiB"
	[[ $cpus =~ ^[0-9]+$ ]] || die "--cpus '$cpus': expected a number"
	[[ -z $mac || $mac =~ ^([0-9a-f]{2}:){5}[0-9a-f]{2}$ ]] || die "--mac '$mac': expected like 52:54:00:77:00:01"
	rom=$(nic_rom "$firmware" "$nic")
	[[ -z $rom || -f $rom ]] || die "no $rom (\`make\` brings it)"

	[[ -z $id ]] || ! machine_running "$id" || die "machine '$id' runs already"
	[[ -z $id || ! -f $(machine_dir "$id")/number ]] || rmdir "$lab_dir/machines/.number-$(<"$(machine_dir "$id")/number")"
	number=$(free_number)
	id=${id:-m$number}
	mac=${mac:-$(printf '52:54:00:77:00:%02x' "$number")}
	dir=$(machine_dir "$id")
	rm -rf "$dir"
	mkdir -p "$dir"
	echo "$number" >"$dir/number"
	echo "$mac" >"$dir/mac"
	echo "$firmware" >"$dir/firmware"

	# Boot index 0 is what QEMU gives to its own -kernel.
	args=(
		-name "$id" -machine q35 -m "$memory" -smp "$cpus" -nodefaults -vga std -display none
		-monitor "unix:$lab_run/machines/$id/monitor,server=on,wait=off"
		-chardev "socket,id=console,path=$lab_run/machines/$id/console,server=on,wait=off,logfile=$dir/console.log"
		-serial chardev:console
		-device virtio-rng-pci
		-netdev "tap,id=net0,ifname=tap$number,script=no,downscript=no"
	)
	if [[ $nic == virtio ]]; then
		# iPXE's newer option ROMs drive the modern device only.
		args+=(-device "virtio-net-pci,netdev=net0,mac=$mac,disable-legacy=on,bootindex=1,romfile=$rom")
	else
		args+=(-device "e1000e,netdev=net0,mac=$mac,bootindex=1,romfile=$rom")
	fi
	if [[ $firmware == uefi ]]; then
		[[ -f $OVMF/OVMF_CODE_4M.fd ]] || die "not installed: ovmf"
		cp "$OVMF/OVMF_VARS_4M.fd" "$dir/vars.fd"
		code=$OVMF/OVMF_CODE_4M.fd
		if [[ -n $trusted ]]; then
			code=$OVMF/OVMF_CODE_4M.secboot.fd
			"$top/qemu/secure-boot-vars" "$trusted" "$OVMF/OVMF_VARS_4M.fd" >"$dir/vars.fd"
			# Its variables can only be written in system management mode.
			args+=(-machine smm=on -global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1)
		fi
		args+=(
			-drive "if=pflash,format=raw,readonly=on,file=$code"
			-drive "if=pflash,format=raw,file=$dir/vars.fd"
			-fw_cfg name=opt/org.tianocore/IPv6PXESupport,string=n
		)
	fi
	for i in "${!disks[@]}"; do
		size=${sizes[i]}
		if [[ -n $size ]]; then
			disks[i]=$dir/disk$i.raw
			truncate -s "$(bytes_of "$size")" "${disks[i]}"
		fi
		args+=(
			-drive "if=none,id=disk$i,format=raw,discard=unmap,detect-zeroes=unmap,file=${disks[i]//,/,,}"
			-device "virtio-blk-pci,drive=disk$i,serial=$id-$i,bootindex=$((i + 2))"
		)
	done
	printf '%s\0' "${args[@]}" "${more[@]}" >"$dir/command"

	machine_start "$id"
	if [[ -n $detach ]]; then
		echo "$id"
	else
		machine_console "$id"
	fi
}

# machine_start ID: power on
machine_start()
{
	local id=$1 dir args tap accel
	dir=$(machine_of "$id")
	tap=tap$(<"$dir/number")

	! machine_running "$id" || die "machine '$id' runs already"
	mapfile -d '' args <"$dir/command"
	rm -f "$dir/console.log"
	mkdir -p "$lab_run/machines/$id"
	rm -f "$lab_run/machines/$id/"*		# sockets, if it was killed
	if ! ip link show dev "$tap" >/dev/null 2>&1; then
		ip tuntap add dev "$tap" mode tap
		ip link set "$tap" master br0 up
	fi
	accel=$(accel)
	date +%s.%N >"$dir/power-on"
	process_start "$dir/qemu" "$dir/qemu.log" qemu-system-x86_64 -accel "$accel" "${args[@]}"
	while [[ ! -S $lab_run/machines/$id/console ]]; do
		machine_running "$id" || die "machine '$id': $(tail -n 1 "$dir/qemu.log")"
		sleep 0.05
	done
}

# machine_stop ID: power off, without asking its system
machine_stop()
{
	process_stop "$(machine_of "$1")/qemu"
}

# machine_console ID: its serial port on our terminal, after what it has said so far
machine_console()
{
	local dir
	dir=$(machine_of "$1")

	machine_running "$1" || die "machine '$1' is off"
	if [[ -t 0 ]]; then
		say "console of '$1'; Ctrl-] leaves it, and the machine running"
		cat "$dir/console.log"
		socat -,raw,echo=0,escape=0x1d "UNIX-CONNECT:$lab_run/machines/$1/console" || :
	else
		cat "$dir/console.log"
		socat -u "UNIX-CONNECT:$lab_run/machines/$1/console" - || :
	fi
}

# machine_said ID: all that it printed since power-on
machine_said()
{
	local dir
	dir=$(machine_of "$1")

	[[ ! -f $dir/console.log ]] || plain <"$dir/console.log"
}

# machine_shows ID: what a person in front of it sees before its system runs. A BIOS has its
# text screen; OVMF repeats everything on the serial port.
machine_shows()
{
	if [[ $(<"$(machine_of "$1")/firmware") == bios ]]; then
		monitor_text "$1"
	else
		machine_said "$1"
	fi
}

# machine_wait ID REGEX [SECONDS] [--screen] [--since LINES]: until a line of its console (with
# --screen: of what a person sees) matches; prints that line. --since: not counting that many
# lines at the beginning of its console.
machine_wait()
{
	local id=$1 regex=$2 seconds=60 source=machine_said since=0 until
	shift 2

	while [[ $# -gt 0 ]]; do
		case $1 in
		--screen) source=machine_shows ;;
		--since) since=$2; shift ;;
		*) seconds=$1 ;;
		esac
		shift
	done
	machine_of "$id" >/dev/null
	# A text screen has no past.
	[[ $source != machine_shows || $(<"$(machine_dir "$id")/firmware") == uefi ]] || since=0
	until=$((SECONDS + seconds))
	while ! "$source" "$id" | tail -n +$((since + 1)) | grep -aE -m 1 -e "$regex"; do
		machine_running "$id" || die "machine '$id' went off before '$regex'"
		if [[ $SECONDS -ge $until ]]; then
			say "machine '$id': no '$regex' within $seconds s; it said last:"
			machine_said "$id" | tail -n 12 >&2
			return 1
		fi
		sleep 0.2
	done
}

# machine_choose ID [SECONDS] [PICTURE]: once it shows its boot menu, take the newest item of
# the first channel and what its menu offers first, by its keyboard. The menu stands on "local disk"; each of its levels begins
# with what we want. Prints the image's line; PICTURE is of the list it stands in.
machine_choose()
{
	local id=$1

	machine_wait "$id" 'Channels:' "${2-60}" --screen >/dev/null
	monitor_keys "$id" home ret
	machine_wait "$id" '^ *([0-9]{4}-[0-9]{2}-[0-9]{2}|\(no-date\)) ' 60 --screen
	[[ -z ${3-} ]] || monitor_screen "$id" "$3"
	monitor_keys "$id" ret
	machine_wait "$id" '(Write it to this machine|Start it from the network|Fetch it, then write)' 60 --screen >/dev/null
	monitor_keys "$id" ret
}

machine_list()
{
	local dir id state

	for dir in "$lab_dir"/machines/*/; do
		[[ -f $dir/command ]] || continue
		id=$(basename "$dir")
		state=off
		! machine_running "$id" || state=on
		printf '  %-16s %-4s %s %s\n' "$id" "$state" "$(<"$dir/mac")" "$(<"$dir/firmware")"
	done
}

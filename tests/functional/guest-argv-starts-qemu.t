#!/bin/bash
# QEMU takes the arguments that are made for guests, under its sandbox: each machine, firmware, bus and NIC, as many as there
# can be. The guest boots from its first disk; its end says whether it was a good one.
# shellcheck disable=SC2317 # functions are handed to `each_line`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

for tool in qemu-system-x86_64 grub-mkimage mkfs.vfat mcopy jq; do
	command -v $tool >/dev/null || skip_all "$tool is not installed"
done
namespace=(unshare --net)
[[ $(id -u) == 0 ]] || namespace=(unshare --user --map-root-user --net)
"${namespace[@]}" sh -c ': <>/dev/net/tun' 2>/dev/null || skip_all "there are no tap devices for us"
dd if=/dev/zero of="$work/direct" bs=4K count=1 oflag=direct status=none 2>/dev/null ||
	skip_all "$work: its file system has no direct I/O"

# boot_sector FILE TEXT END : a disk whose boot sector writes TEXT to the first serial port and ends the machine: off (ACPI's
# sleep state 5, where SeaBIOS puts it) or panic (to pvpanic's port)
boot_sector()
{
	perl -e 'my ($file, $text, $end) = @ARGV;
		my %ends = (off => "ba0406 b80020 ef", panic => "ba0505 b001 ee"); # mov dx, PORT; mov a, VALUE; out dx, a
		# cld; xor ax, ax; mov ds, ax; mov si, TEXT; mov dx, 0x3f8; each: lodsb; test al, al; jz end; out dx, al; jmp each
		my $code = "fc 31c0 8ed8 be407c baf803 ac 84c0 7403 ee ebf8 $ends{$end} f4 ebfd" =~ s/ //gr;
		open my $disk, ">", $file or die "$file: $!";
		print $disk pack("a64 a446 v", pack("H*", $code), "$text\r\n", 0xaa55);
		truncate $disk, 1 << 20' "$@"
}

# efi_disk FILE TEXT : a disk from which UEFI firmware starts what writes TEXT and turns the machine off
efi_disk()
{
	printf 'echo "%s"\nhalt\n' "$2" >"$work/grub.cfg"
	grub-mkimage -O x86_64-efi -p / -c "$work/grub.cfg" -o "$work/BOOTX64.EFI" echo halt
	truncate -s 4M "$1"
	mkfs.vfat -n ESP "$1" >/dev/null
	mmd -i "$1" ::EFI ::EFI/BOOT
	mcopy -i "$1" "$work/BOOTX64.EFI" ::EFI/BOOT
}

boot_sector "$work/bios" "this is the first disk" off
boot_sector "$work/bios-panic" "this is the first disk" panic
boot_sector "$work/bios-other" "this is ANOTHER disk" off
efi_disk "$work/uefi" "this is the first disk"
efi_disk "$work/uefi-other" "this is ANOTHER disk"

# spec MACHINE FIRMWARE BUSES DISKS MODELS NICS : so many disks, their buses and models in turn
spec()
{
	jq -n --arg machine "$1" --arg firmware "$2" --arg buses "$3" --argjson disks "$4" --arg models "$5" --argjson nics "$6" '
		def turn($words; $count): ($words | split(" ")) as $list | range($count) | $list[. % ($list | length)];
		{ name: "guest", arch: "x86_64", $machine, $firmware, cpus: 2, memory_bytes: 268435456, restart: "never",
		  disks: [turn($buses; $disks) | { bus: . }], nics: [turn($models; $nics) | { model: ., mac: null }] }'
}

# fill FOLDER DISKS FIRST OTHERS : the guest's files
fill()
{
	local nr

	mkdir -p "$1"
	cp "$3" "$1/disk-0.raw"
	for ((nr = 1; nr < $2; nr++)); do
		cp "$4" "$1/disk-$nr.raw"
	done
	cp /usr/share/OVMF/OVMF_VARS_4M.fd "$1/vars.fd"
	truncate -s 1M "$1/seed.img"
}

# run FOLDER [--quit] : what QEMU said, in FOLDER/said
run()
{
	SEED=1 "${namespace[@]}" tests/functional/guest-qemu "${@:2}" "$BUILD/tests/tools/guest_argv" "$1/spec.json" "$1" >"$1/said" ||
		echo '{}' >"$1/said"
}

said()
{
	jq -r "$2" "$1/said"
}

# how_it_ended FOLDER
how_it_ended()
{
	said "$1" '"exit \(.exit)\([.events[] | select(.event == "SHUTDOWN" or .event == "GUEST_PANICKED") |
		", \(.event) \(.data.reason // .data.action)"] | add)"'
}

# boots_from MACHINE FIRMWARE BUSES DISKS MODELS NICS
boots_from()
{
	local label="$1, $2, $4 disks ($3), $6 NICs ($5)"

	fill "$case/guest" "$4" "$work/$2" "$work/$2-other"
	spec "$@" >"$case/guest/spec.json"
	run "$case/guest"
	is "$label: runs" "$(said "$case/guest" '.status.status, .stderr')" running
	is "$label: has them, and a seed" "$(said "$case/guest" '[.blocks[].inserted | select(.file | test("\\.raw$|seed.img$"))] | length')" \
		$(($4 + 1))
	is "$label: has NICs" "$(said "$case/guest" .network | grep -c 'macaddr=52:54:00:')" "$6"
	like "$label: boots from the first disk" "$(said "$case/guest" .serial)" 'this is the first disk'
	unlike "$label: boots from no other, nor from the network" "$(said "$case/guest" .serial)" 'ANOTHER|PXE'
	like "$label: its firmware is heard on the console" "$(said "$case/guest" .serial)" 'SeaBIOS|BdsDxe'
	is "$label: powers off" "$(how_it_ended "$case/guest")" 'exit 0, SHUTDOWN guest-shutdown'
}

all_buses='virtio scsi sata ide nvme usb'
all_nics='virtio e1000 e1000e rtl8139 vmxnet3'
each_line 2 boots_from <<-END
	q35|bios|virtio|16|virtio|8
	q35|bios|scsi|16|e1000|8
	q35|bios|sata|16|e1000e|8
	q35|bios|ide|16|rtl8139|8
	q35|bios|nvme|16|vmxnet3|8
	q35|bios|usb|16|$all_nics|8
	q35|bios|$all_buses|16|$all_nics|8
	pc|bios|virtio|16|virtio|8
	pc|bios|scsi|16|e1000|8
	pc|bios|sata|16|e1000e|8
	pc|bios|ide|4|rtl8139|8
	pc|bios|nvme|16|vmxnet3|8
	pc|bios|usb|16|$all_nics|8
	pc|bios|$all_buses|16|$all_nics|8
	q35|uefi|virtio|1|virtio|1
	q35|uefi|scsi|2|$all_nics|5
	q35|uefi|sata|2|$all_nics|5
	q35|uefi|nvme|2|$all_nics|5
	q35|uefi|usb|2|$all_nics|5
	q35|uefi|$all_buses|16|$all_nics|8
	pc|uefi|ide|4|$all_nics|5
	pc|uefi|$all_buses|16|$all_nics|8
END

fill "$work/guest" 1 "$work/bios-panic" "$work/bios-other"
spec pc bios virtio 1 virtio 0 >"$work/guest/spec.json"
run "$work/guest"
is "a guest whose kernel panics fails" "$(how_it_ended "$work/guest")" 'exit 1, GUEST_PANICKED poweroff, SHUTDOWN guest-panic'

boot_sector "$work/guest/disk-0.raw" "this is the first disk" off
run "$work/guest" --quit
is "one that is ended from outside" "$(how_it_ended "$work/guest")" 'exit 0, SHUTDOWN host-qmp-quit'
is "QEMU is under a seccomp filter" "$(said "$work/guest" .seccomp)" 2
is "its disk is not cached here" "$(said "$work/guest" '.blocks[] | select(.inserted.file | endswith("disk-0.raw")).inserted.cache.direct')" true
is "its disk can be written" "$(said "$work/guest" '.blocks[] | select(.inserted.file | endswith("disk-0.raw")).inserted.ro')" false
is "its seed cannot" "$(said "$work/guest" '.blocks[] | select(.inserted.file | endswith("seed.img")).inserted.ro')" true
done_testing

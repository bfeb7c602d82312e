# SPDX-License-Identifier: GPL-2.0-or-later
# Bootable disk images without loop devices, mounts or privileges: a GPT with a BIOS boot
# partition, an EFI system partition and room behind them, and GRUB for both kinds of firmware.
# Sourced after common.sh.
# shellcheck shell=bash

DISK_ALIGN=2048				# sectors, 1 MiB: what partitioning tools align to
DISK_BIOS_START=$DISK_ALIGN
DISK_ESP_START=$((2 * DISK_ALIGN))

GRUB_DIR=/usr/lib/grub
# What finds a partition, reads a configuration and speaks on the serial port.
GRUB_MODULES="part_gpt fat ext2 normal configfile search search_fs_uuid echo test sleep minicmd halt reboot linux serial terminal"

# le N BYTES: the number as that many little-endian bytes
le()
{
	local i

	for ((i = 0; i < $2; i++)); do
		# shellcheck disable=SC2059 # the escape is the format
		printf "\\x$(printf %02x $(($1 >> 8 * i & 255)))"
	done
}

# patch FILE OFFSET: standard input over the bytes at OFFSET; zeros stay holes
patch()
{
	dd of="$1" bs=64K seek="$2" oflag=seek_bytes conv=notrunc,sparse iflag=fullblock status=none
}

# disk_partition FILE BYTES ESP_BYTES UUID: a sparse disk of three partitions; UUID (its last
# twelve digits are replaced per partition) makes two disks of one recipe alike.
# Prints the first byte and the length of the third partition.
disk_partition()
{
	local file=$1 bytes=$2 esp_sectors=$(($3 / 512)) uuid=${4%-*} rest_start rest_sectors

	rest_start=$((DISK_ESP_START + esp_sectors))
	# The backup table takes the last 33 sectors; end on the alignment before it.
	rest_sectors=$(((bytes / 512 - 33) / DISK_ALIGN * DISK_ALIGN - rest_start))
	[[ $rest_sectors -gt 0 ]] || die "a disk of $bytes bytes has no room behind its boot partitions"
	rm -f "$file"
	truncate -s "$bytes" "$file"
	sfdisk --quiet --no-reread --no-tell-kernel "$file" <<-END
		label: gpt
		label-id: $uuid-000000000000
		start=$DISK_BIOS_START, size=$DISK_ALIGN, type=21686148-6449-6E6F-744E-656564454649, uuid=$uuid-000000000001, name=bios
		start=$DISK_ESP_START, size=$esp_sectors, type=uefi, uuid=$uuid-000000000002, name=esp
		start=$rest_start, size=$rest_sectors, type=linux, uuid=$uuid-000000000003, name=root
	END
	echo "$((rest_start * 512)) $((rest_sectors * 512))"
}

# disk_grub_bios FILE CONFIG: GRUB with CONFIG built in, started by the boot sector.
# grub-bios-setup does this to mounted block devices; here the two places it fills in are
# filled in by hand: boot.img learns where the core image is, and the core image's first
# sector where its other sectors are.
disk_grub_bios()
{
	local file=$1 config=$2 work
	work=$(mktemp -d)

	# shellcheck disable=SC2086 # a list of words
	grub-mkimage -O i386-pc -p /boot/grub -c "$config" -o "$work/core" biosdisk $GRUB_MODULES
	[[ $(stat -c %s "$work/core") -le $((DISK_ALIGN * 512)) ]] || die "GRUB does not fit into the BIOS boot partition"
	le $((DISK_BIOS_START + 1)) 8 | patch "$work/core" 500	# diskboot.img: start of its block list
	patch "$file" $((DISK_BIOS_START * 512)) <"$work/core"

	head -c 440 "$GRUB_DIR/i386-pc/boot.img" >"$work/boot"	# the rest of the sector is the partition table
	le "$DISK_BIOS_START" 8 | patch "$work/boot" $((0x5c))	# kernel_sector
	le $((0x9090)) 2 | patch "$work/boot" $((0x66))		# boot_drive_check: disk, whatever a wrong BIOS says
	patch "$file" 0 <"$work/boot"
	rm -r "$work"
}

# disk_grub_efi FILE ESP_BYTES CONFIG: the same (with a screen for the kernel, efi_gop) at the ESP's removable path, which firmware
# tries without any boot entry of ours
disk_grub_efi()
{
	local file=$1 esp_bytes=$2 config=$3 work
	work=$(mktemp -d)

	# shellcheck disable=SC2086 # a list of words
	grub-mkimage -O x86_64-efi -p /boot/grub -c "$config" -o "$work/BOOTX64.EFI" $GRUB_MODULES efi_gop
	truncate -s "$esp_bytes" "$work/esp"
	mkfs.vfat --invariant -n ESP "$work/esp" >/dev/null
	mmd -i "$work/esp" ::EFI ::EFI/BOOT
	mcopy -i "$work/esp" "$work/BOOTX64.EFI" ::EFI/BOOT/BOOTX64.EFI
	patch "$file" $((DISK_ESP_START * 512)) <"$work/esp"
	rm -r "$work"
}

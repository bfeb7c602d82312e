# SPDX-License-Identifier: GPL-2.0-or-later
# Pairs of real disk images, an older one that a machine holds and a newer one that it is to get. Sourced after tests/lib.sh
# and qemu/disk.sh. Kept below build/bench/updates, as DISK.raw:
#   old        Debian 12 as it was released: nothing from its security archive
#   package    the same file system with one package more (nginx-light and what it needs)
#   security   the same file system with all that the security archive has for it
#   release    Debian 13 with the same packages
#   rebuilt    the old one's packages, installed and laid out once more, with another UUID and hash seed
#   unrelated  random bytes
# shellcheck shell=bash disable=SC2154 # top, work: of tests/lib.sh

updates=$top/build/bench/updates
UPDATE_BYTES=$((2 << 30))
UPDATE_ESP_BYTES=$((48 << 20))
UPDATE_UUID=76d6ca57-0014-4000-8000-000000000000
UPDATE_ROOT_UUID=76d6ca57-0014-4000-8000-00000000ef53

# What a small server has.
UPDATE_PACKAGES=systemd-sysv,udev,kmod,iproute2,procps,linux-image-cloud-amd64,openssh-server,curl,ca-certificates,vim-tiny,less,perl,python3,sudo,cron,logrotate,gnupg,zstd

# update_sources SUITE...: for apt, from the mirrors that this machine has for its own release
update_sources()
{
	local suite

	for suite; do
		# shellcheck disable=SC2016 # apt expands these
		apt-get indextargets --format '$(SITE) $(RELEASE)' 'Created-By: Packages' |
			awk -v suite="$suite" '
				($2 ~ /-security$/) == (suite ~ /-security$/) && $2 !~ /-updates$/ {
					print "deb", $1, suite, "main"
					exit
				}'
	done
}

# make_tar FILE SUITE
make_tar()
{
	local sources

	mapfile -t sources < <(update_sources "$2")
	nice mmdebstrap --quiet --variant=minbase --include="$UPDATE_PACKAGES" --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' "$2" "$1" "${sources[@]}"
}

# make_debian FILE SUITE ROOT-UUID: a disk that boots, on BIOS and UEFI
make_debian()
{
	local file=$1 tree=$work/tree offset bytes

	make_tar "$work/root.tar" "$2"
	mkdir "$tree"
	tar -C "$tree" --exclude='./dev/*' --numeric-owner --xattrs --xattrs-include='*' -xf "$work/root.tar"
	echo "UUID=$3 / ext4 errors=remount-ro 0 1" >"$tree/etc/fstab"
	mkdir -p "$tree/boot/grub"
	printf 'linux /vmlinuz root=UUID=%s ro quiet\ninitrd /initrd.img\nboot\n' "$3" >"$tree/boot/grub/grub.cfg"
	read -r offset bytes < <(disk_partition "$file" "$UPDATE_BYTES" "$UPDATE_ESP_BYTES" "$UPDATE_UUID")
	mkfs.ext4 -q -F -L root -U "$3" -E "offset=$offset,hash_seed=$3,lazy_itable_init=0,lazy_journal_init=0" -d "$tree" "$file" \
		$((bytes / 1024))k
	printf 'search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n' "$3" >"$work/early.cfg"
	disk_grub_bios "$file" "$work/early.cfg"
	disk_grub_efi "$file" "$UPDATE_ESP_BYTES" "$work/early.cfg"
	rm -rf "$tree" "$work/root.tar"
}

# change_inside FILE APT-ARGUMENT...: a copy of the old image in which apt did that, with bookworm's and its security archive
change_inside()
{
	local file=$1 tree=$work/tree offset
	shift

	cp --sparse=always "$updates/old.raw" "$file"
	offset=$(($(sfdisk --json "$file" | jq '.partitiontable.partitions[-1].start') * 512))
	mkdir -p "$tree"
	# A mount namespace, so that whatever ends this script nothing stays mounted.
	update_sources bookworm bookworm-security |
		unshare --mount tests/bench/change-inside "$file" "$offset" "$tree" "$work/apt" "$@"
	rmdir "$tree"
}

# make_update DISK: unless it is there already
make_update()
{
	local to=$updates/$1.raw

	[[ ! -f $to ]] || return 0
	mkdir -p "$updates"
	diag "making ${to#"$top"/}"
	case $1 in
	old) make_debian "$to.new" bookworm "$UPDATE_ROOT_UUID" ;;
	rebuilt) make_debian "$to.new" bookworm "${UPDATE_ROOT_UUID/0014/0015}" ;;
	release) make_debian "$to.new" trixie "$UPDATE_ROOT_UUID" ;;
	package) change_inside "$to.new" install nginx-light ;;
	security) change_inside "$to.new" dist-upgrade ;;
	unrelated) openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2>/dev/null | head -c "$UPDATE_BYTES" >"$to.new" ;;
	esac >"$work/said" 2>&1 || { diag "no $1: $(tail -n 20 "$work/said")"; exit 1; }
	mv "$to.new" "$to"
}

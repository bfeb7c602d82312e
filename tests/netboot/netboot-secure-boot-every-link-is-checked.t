#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# UEFI Secure Boot with a site's key and no other: signed iPXE starts a signed unified kernel, whose client writes what the
# site's TUF keys have signed for this machine. With any link removed or altered, the firmware or the client refuses, the console
# says why, and not one byte is written.
#
# What is written is not started here: its boot loader would have to be signed with the site's key, too.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:40
built=$work/built
signed=$built/secure-boot
serve=$work/serve
kernel_args='console=tty0 console=ttyS0,115200 quiet no_timer_check'
mkdir -p "$built/env" "$built/firmware" "$serve"
# The drivers are packed already.
ln -s "$BUILD/packages" "$built/packages"
cp "$BUILD/vmcast-boot" "$built/"
cp "$BUILD"/env/* "$built/env/"
cp "$BUILD"/firmware/*.* "$built/firmware/"

# certificate NAME: NAME.key and NAME.crt, as docs/how-to/secure-boot.md makes them
certificate()
{
	openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -subj "/CN=$1/" -keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null
}

# site_keys FOLDER ROOT: a TUF repository, and what machines of that site carry of it
site_keys()
{
	"$BUILD/vmcast" key init --keys "$1.keys" --repository "$1" --passphrase-file "$work/passphrase" >/dev/null
	"$BUILD/vmcast" key export --repository "$1" -o "$2" >/dev/null
}

# build_site ROOT: boot environment with that root, and what the site's key signs of it
build_site()
{
	{
		BUILD=$built ROOT=$1 "$top/bootloader/env/build" &&
			BUILD=$built ROOT=$1 SB_KEY=$work/site.key SB_CERT=$work/site.crt SERVER=http://10.77.0.1:8880 \
				INITRAMFS=initramfs-virtio ARGS=$kernel_args "$top/firmware/secure-boot"
	} >"$work/build.log" 2>&1 || { diag "$(cat "$work/build.log")"; return 1; }
}

# patch FILE TEXT NEW: the bytes TEXT become NEW, which are as many
patch()
{
	local at
	at=$(grep -abo -m 1 -- "$2" "$1" | head -n 1 | cut -d : -f 1)
	printf '%s' "$3" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}

# section FILE NAME: where it begins in the file and how many bytes it has, both in hexadecimal
section()
{
	objdump -h -w "$1" | awk -v name="$2" '$2 == name { print $6, $3 }'
}

# begin: what is served is as it should be again
begin()
{
	rm -f "$serve"/*
	cp "$signed"/*.efi "$serve/"
}

# refused LABEL REGEX [SECONDS]: the machine starts, and this is what it says
refused()
{
	lab start m
	ok "$1: refused, and the console says why" lab wait m "$2" "${3-120}"
	lab stop m
	ok "$1: not one byte is changed" cmp "$work/before" "$work/disk"
}

printf 'correct horse battery staple' >"$work/passphrase"
chmod 600 "$work/passphrase"
certificate site
certificate other
netboot_image 64M
netboot_up --dhcp own --no-service --config - <<END
initramfs = initramfs-virtio
secure_boot_dir = $serve
env_dir = $built/env
menu_timeout = 0
kernel_args = $kernel_args vmcast.zeros=keep vmcast.shell
END
state=$BUILD/lab/$LAB/state
site_keys "$state/trust" "$work/root.json"
site_keys "$work/elsewhere" "$work/elsewhere.json"
ok "iPXE and a unified kernel of another site are signed" build_site "$work/elsewhere.json"
mv "$signed/vmcast.efi" "$work/elsewhere.efi"
ok "iPXE and a unified kernel of this site are signed" build_site "$work/root.json"
begin
lab service start
netboot_publish
full_disk "$work/disk" 96M
cp "$work/disk" "$work/before"
lab vmcast machine assign "$mac" "$item" >/dev/null
lab machine --id m --mac "$mac" --memory 256 --secure-boot "$work/site.crt" --disk-file "$work/disk" --detach >/dev/null
lab stop m

cp "$built/firmware/snponly.efi" "$serve/"
refused "unsigned iPXE" 'failed to load .*PXEv4.*Access Denied'
sbsign --key "$work/other.key" --cert "$work/other.crt" --output "$serve/snponly.efi" "$built/firmware/snponly.efi" 2>/dev/null
refused "iPXE signed with another key" 'failed to load .*PXEv4.*Access Denied'

begin
read -r at bytes <<<"$(section "$signed/vmcast.efi" .initrd)"
head -c $((16#$bytes)) "$BUILD/env/initramfs-virtio" | dd of="$serve/vmcast.efi" bs=64K seek=$((16#$at)) oflag=seek_bytes conv=notrunc status=none
refused "another initramfs in the unified kernel" 'vmcast: the firmware has not started vmcast.efi: .*not altered'

begin
patch "$serve/vmcast.efi" 'vmcast.server=http://10.77.0.1:8880' 'vmcast.server=http://10.77.0.1:6660'
refused "another command line in the unified kernel" 'vmcast: the firmware has not started vmcast.efi: .*not altered'

begin
cp "$work/elsewhere.efi" "$serve/vmcast.efi"
refused "another site's root in the unified kernel" 'vmcast: FAILED, exit status 4' 180
like "another site's root: the client says so" "$(last_job message)" 'not trusted, nothing is written: .*keys have signed'

# iPXE's number for EFI_ACCESS_DENIED (8f); it has no words for it.
denied='Could not boot: Error 0x7f[0-9a-f]{4}8f'
# Whoever owns DHCP and HTTP writes the script that signed iPXE runs.
begin
lab service stop
sed -i 's,^url = .*,url = http://10.77.0.1:8088,' "$BUILD/lab/$LAB/vmcastd.conf"
lab service start
evil()
{
	printf '#!ipxe\nimgfree\n%s\nboot || exit 1\n' "$1" >"$work/boot.ipxe"
	lab serve "$work/boot.ipxe"
}
evil "kernel --name vmlinuz http://10.77.0.1:8880/env/vmlinuz initrd=initramfs vmcast.server=http://10.77.0.1:8880 vmcast.item=$item $kernel_args
initrd --name initramfs http://10.77.0.1:8880/env/initramfs-virtio"
refused "a kernel that the site has not signed" "$denied"
evil "kernel --name vmcast.efi http://10.77.0.1:8880/env/vmcast.efi
initrd --name initramfs http://10.77.0.1:8880/env/initramfs-virtio"
refused "an initramfs beside the unified kernel" 'Error registering initrd: Already started'

lab service stop
sed -i 's,^url = .*,url = http://10.77.0.1:8880,' "$BUILD/lab/$LAB/vmcastd.conf"
lab service start
lab start m
ok "signed: the image is committed" lab wait m 'vmcast: commit' 180
said=$(lab said m)
like "signed: the kernel takes signed modules only" "$said" 'kernel lockdown: none \[integrity\]'
like "signed: the client says by whom" "$said" 'vmcast: trust at [0-9.]+ s: signed by site root'
ok "signed: the job is done" wait_job "done" 30
lab stop m
ok "signed: every byte on the disk is the image's" holds_image "$work/disk"
is "signed: the assignment is fulfilled" "$(assignment "$mac")" installed
done_testing

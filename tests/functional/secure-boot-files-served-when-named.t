#!/bin/bash
# What `make secure-boot` has signed is given to x86-64 UEFI machines when the configuration names its folder, and to no others;
# what it cannot sign it refuses, with nothing left behind.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

signed=$work/built/secure-boot
mkdir -p "$work/built/env" "$work/built/firmware"
for file in vmlinuz initramfs; do
	head -c 100000 /dev/urandom >"$work/built/env/$file"
done
[[ -f $top/build/firmware/snponly.efi ]] || { echo "Bail out! not built: run make first"; exit 1; }
cp "$top"/build/firmware/*.{efi,kpxe} "$work/built/firmware/"
openssl req -x509 -newkey rsa:2048 -nodes -sha256 -subj /CN=site/ -keyout "$work/db.key" -out "$work/db.crt" 2>/dev/null
openssl req -x509 -newkey rsa:1024 -nodes -sha256 -subj /CN=site/ -keyout "$work/weak.key" -out "$work/weak.crt" 2>/dev/null

# sign [NAME=VALUE]...: sets $status and $said
sign()
{
	status=0
	said=$(env BUILD="$work/built" SB_KEY="$work/db.key" SB_CERT="$work/db.crt" SERVER=http://10.77.0.1:8880 ROOT=root.json \
		"$@" firmware/secure-boot 2>&1) || status=$?
}

sign SB_KEY=
like "without a key: what is needed" "$status $said" "1 secure-boot: SB_KEY is not given: make secure-boot SB_KEY="
sign ROOT=
like "without the site's root: what is needed" "$status $said" "1 secure-boot: ROOT is not given"
sign SERVER=10.77.0.1
like "a server that is no URL" "$status $said" "1 secure-boot: SERVER=10.77.0.1: an http or https URL is needed"
sign SB_KEY="$work/weak.key" SB_CERT="$work/weak.crt"
like "a key of 1024 bits" "$status $said" "1 secure-boot: .*weak.crt: a certificate of an RSA key of 2048 bits is needed"
sign SB_KEY="$work/weak.key"
is "a key that is not the certificate's" "$status" 1
is "nothing is left behind" "$(ls "$signed")" ""
sign ARGS="console=ttyS0 quiet"
is "signed" "$status" 0
is "both, and nothing else" "$(ls "$signed")" $'snponly.efi\nvmcast.efi'
for file in snponly.efi vmcast.efi; do
	ok "$file is signed with the site's key" sbverify --cert "$work/db.crt" "$signed/$file"
done
for section in cmdline initrd linux; do
	objcopy --dump-section ".$section=$work/$section" "$signed/vmcast.efi" "$work/copy" 2>/dev/null
done
is "the command line is in it" "$(tr -d '\0' <"$work/cmdline")" "vmcast.server=http://10.77.0.1:8880 console=ttyS0 quiet"
ok "the initramfs is in it" cmp -n 100000 "$work/initrd" "$work/built/env/initramfs"
ok "the kernel is in it" cmp -n 100000 "$work/linux" "$work/built/env/vmlinuz"

# got PATH
got()
{
	curl -s -o "$work/got" -w '%{http_code}' "http://127.0.0.1:$vmcastd_port$1"
}

start_vmcastd "env_dir = $work/built/env" "firmware_dir = $work/built/firmware"
is "not named: there is no unified kernel" "$(got /env/vmcast.efi)" 404
is "not named: iPXE" "$(got /firmware/snponly.efi)" 200
ok "not named: as Debian has built it" cmp "$work/got" "$work/built/firmware/snponly.efi"
stop_vmcastd TERM
start_vmcastd "env_dir = $work/built/env" "firmware_dir = $work/built/firmware" "secure_boot_dir = $signed"
is "named: iPXE" "$(got /firmware/snponly.efi)" 200
ok "named: signed" cmp "$work/got" "$signed/snponly.efi"
is "named: the unified kernel" "$(got /env/vmcast.efi)" 200
ok "named: as it was signed" cmp "$work/got" "$signed/vmcast.efi"
is "named: other machines" "$(got /firmware/undionly.kpxe)" 200
ok "named: get what they got" cmp "$work/got" "$work/built/firmware/undionly.kpxe"
done_testing

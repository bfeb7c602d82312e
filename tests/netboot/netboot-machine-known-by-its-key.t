#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A machine with a TPM, and one with UEFI variables, is known by the same key at each boot; with another TPM it is refused, its disk
# stays as it is, and the operator sees it.
# shellcheck disable=SC2054,SC2317 # functions are handed to `ok` and `wait_for`; what has commas is for QEMU
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:21 uefi=52:54:00:77:01:22

# start_tpm: an emulated one with what it remembers in $work/tpm; it ends with its machine
start_tpm()
{
	mkdir -p "$work/tpm"
	rm -f "$work/tpm.sock"
	swtpm socket --tpm2 --tpmstate "dir=$work/tpm" --ctrl "type=unixio,path=$work/tpm.sock" --flags startup-clear \
		--terminate >"$work/swtpm.log" 2>&1 &
	tpm_pid=$!
	wait_for 60 test -S "$work/tpm.sock"
}

# It has ended by itself unless something went wrong.
tpm_pid=
stop_tpm()
{
	[[ -z $tpm_pid ]] || kill "$tpm_pid" 2>/dev/null || true
}
at_exit stop_tpm

tpm=(--qemu -chardev --qemu "socket,id=tpm,path=$work/tpm.sock" --qemu -tpmdev --qemu emulator,id=tpm,chardev=tpm
	--qemu -device --qemu tpm-crb,tpmdev=tpm)

known_by()
{
	api machine show "$1" | jq -r '"\(.key_kept) \(.key.keyval.public | @base64) \(.alert)"'
}

# boots ID MAC: an assigned machine is switched on and installs
boots()
{
	lab vmcast machine assign "$2" "$item" >/dev/null
	lab start "$1"
	lab wait "$1" 'vmcast: receipt' 180
}

netboot_image 64M
netboot_up --dhcp own --config - <<<$'initramfs = initramfs-virtio\nidentity = key'
netboot_publish
lab vmcast machine assign "$mac" "$item" >/dev/null
start_tpm
lab machine --id t --mac "$mac" --detach --memory 192 --disk 96M "${tpm[@]}" >/dev/null
ok "a machine with a TPM installs" lab wait t 'vmcast: receipt' 180
like "  and says where its key is" "$(lab said t)" 'vmcast: key at [0-9.]+ s: [0-9a-f]{8}, in tpm'
known=$(known_by "$mac")
like "  the service knows it by that" "$known" '^tpm [A-Za-z0-9+/=]+ null$'
lab stop t
start_tpm
ok "switched on again, it installs again" boots t "$mac"
is "  with the same key" "$(known_by "$mac")" "$known"
lab vmcast receipt export >"$work/receipts"
ok "its receipts verify" lab vmcast receipt verify "$work/receipts"
is "  both" "$(wc -l <"$work/receipts")" 2
lab stop t
rm -rf "$work/tpm"
disk=$(sha256sum <"$BUILD/lab/$LAB/machines/t/disk0.raw")
start_tpm
lab vmcast machine assign "$mac" "$item" >/dev/null
lab start t
ok "with another TPM it is refused" lab wait t "machine $mac is known by another key" 180
is "  its disk is as it was" "$(sha256sum <"$BUILD/lab/$LAB/machines/t/disk0.raw")" "$disk"
like "  the operator sees it" "$(lab vmcast machine list)" "$mac.* ALERT "
lab stop t

lab vmcast machine assign "$uefi" "$item" >/dev/null
lab machine --id u --uefi --mac "$uefi" --detach --memory 256 --disk 96M >/dev/null
ok "a machine with UEFI installs" lab wait u 'vmcast: receipt' 240
like "  and says where its key is" "$(lab said u)" 'vmcast: key at [0-9.]+ s: [0-9a-f]{8}, in nvram'
known=$(known_by "$uefi")
# Which the firmware was told to do once, before it asks the network again.
ok "  and boots what was written" lab wait u "vmcast-test-booted $token" 120
lab stop u
ok "switched on again, it installs again" boots u "$uefi"
is "  with the same key" "$(known_by "$uefi")" "$known"
done_testing

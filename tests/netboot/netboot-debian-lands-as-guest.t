#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A Debian, assigned to land as a guest: the machine stays, becomes a hypervisor and runs it under KVM (nested), on BIOS and UEFI. When
# the node's power is cut and it boots again, the guest is started from the node's disk, and nothing is fetched but the environment.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

image=$BUILD/images/debian-12.raw.zst
"$top/qemu/image" debian
netboot_up --dhcp own
announce "$image"
wait_for 300 item_is_ready || diag "$(api item list)"
word=$(cat "$BUILD/images/debian-12.word")

# An AMD processor with what its KVM needs; the lab's own is emulated.
node=(--memory 2048 --cpus 2 --disk 4G --qemu -cpu --qemu "EPYC,+svm,+npt" --detach)

mac=32
for firmware in ${FIRMWARES:-bios uefi}; do
	address=52:54:00:77:01:$((mac += 1))
	lab vmcast machine assign "$address" "$item" --landing guest >/dev/null
	lab machine --id "$firmware" "--$firmware" --mac "$address" "${node[@]}" >/dev/null
	ok "$firmware: the image is committed" lab wait "$firmware" 'vmcast: commit' 600
	ok "$firmware: the guest's login prompt is on the node's console" \
		lab wait "$firmware" "\| .*vmcast demo image $word" 900
	like "$firmware: KVM runs it" "$(lab said "$firmware")" 'vmcast: guest [A-Za-z0-9.-]+: running: by KVM'
	is "$firmware: the service has the receipt" "$(last_job phase)" "done"
	lab stop "$firmware"
done
done_testing

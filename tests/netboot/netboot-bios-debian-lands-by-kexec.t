#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# BIOS, an assigned machine: an item announced for kexec whose disk has no kernel that can be found boots by a reset, and the
# service knows why; Debian's does land so, without the firmware and the disk's boot loader. How long that and a reset take is shown.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

# land LANDING FILE MAC MACHINE MIB: the item is announced for that, assigned to a new machine, and written there
land()
{

	"$top/qemu/feed" http://10.77.0.1:8088 --title "$4" "$2" |
		sed 's|</vmcast:digest>|&<vmcast:landing>'"$1"'</vmcast:landing>|' >"$work/$4.xml"
	lab serve "$2" "$work/$4.xml"
	lab vmcast feed add --wait "http://10.77.0.1:8088/$4.xml" policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
	item=$(api item list | jq -r ".items[] | select(.title == \"$4\") | .id")
	# shellcheck disable=SC2317 # called by wait_for
	is_ingested() { [[ $(api item list | jq -r ".items[] | select(.title == \"$4\") | .state") == ready ]]; }
	wait_for 300 is_ingested "$@" || diag "$(api item list)"
	lab vmcast machine assign "$3" "$item" >/dev/null
	lab machine --id "$4" --mac "$3" --memory 768 --disk "$5" --detach >/dev/null
	ok "$4: the image is committed" lab wait "$4" 'vmcast: commit' 600
	committed=$SECONDS
}

netboot_image 64M
"$top/qemu/image" debian
netboot_up --dhcp own

land kexec "$image" 52:54:00:77:01:21 marker 128M
ok "marker: the machine boots what was written" lab wait marker "vmcast-test-booted $token" 120
like "marker: the console says why not by kexec" "$(lab said marker)" 'vmcast: kexec at .*: lands by a reset, not by kexec: '
like "marker: so does the service" "$(last_job message)" '^lands by a reset, not by kexec: '
diag "marker: $(last_job message)"
lab stop marker

land kexec "$BUILD/images/debian-12.raw.zst" 52:54:00:77:01:22 debian 1280M
ok "debian: the login prompt of what was written" lab wait debian "vmcast demo image $(cat "$BUILD/images/debian-12.word")" 600
diag "debian: $((SECONDS - committed)) s from commit to prompt"
like "debian: the console says what is started" "$(lab said debian)" 'vmcast: kexec at .*: /vmlinuz by /boot/grub/grub.cfg:[0-9]+, arguments: root='
unlike "debian: the disk's boot loader was not" "$(lab said debian)" "GRUB: starting Debian"
is "debian: the service has the receipt, and nothing to add" "$(last_job phase) $(last_job message)" "done "
lab stop debian

land disk "$BUILD/images/debian-12.raw.zst" 52:54:00:77:01:23 reset 1280M
ok "reset: the login prompt of what was written" lab wait reset "vmcast demo image $(cat "$BUILD/images/debian-12.word")" 600
diag "reset: $((SECONDS - committed)) s from commit to prompt"
like "reset: the disk's boot loader was started" "$(lab said reset)" "GRUB: starting Debian"
done_testing

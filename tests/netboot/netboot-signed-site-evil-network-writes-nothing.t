#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The boot environment carries the site's root. What the site has signed is written, with a clock that went wrong, too. Who
# answers in its service's place, on the same wire, with other kernel arguments, an image of another item, or another site's signatures,
# gets nothing written: the machine says why, and the service knows.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

mac=52:54:00:77:01:20
site=$work/site
mkdir -p "$site" "$work/built/env"
echo '{}' >"$site/orders"

# The drivers are packed already.
ln -s "$BUILD/packages" "$work/built/packages"
cp "$BUILD/vmcast-boot" "$work/built/"
cp "$BUILD"/env/* "$work/built/env/"

netboot_image 64M
netboot_up --dhcp own --config - <<END
initramfs = initramfs-virtio
env_dir = $work/built/env
url = http://10.77.0.1:8890
END
netboot_publish
# Another one that the service has: what a plan says of it is true, and it would be written.
"$top/qemu/image" marker "$work/other.raw" --size 32M --token other
"$top/qemu/feed" http://10.77.0.1:8088 --title "Other" "$work/other.raw" >"$work/other.xml"
lab serve "$work/other.raw" "$work/other.xml"
lab vmcast feed add --wait http://10.77.0.1:8088/other.xml policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
other_item()
{
	api item list | jq -r ".items[] | select(.title == \"Other\") | .$1"
}
other_is_ready()
{
	[[ $(other_item state) == ready ]]
}
wait_for 60 other_is_ready || diag "$(api item list)"
other=$(lab shell curl -sS -H 'Content-Type: application/json' \
	-d "{\"version\": 1, \"client\": \"test\", \"item\": \"$(other_item id)\"}" http://10.77.0.1:8880/v1/plan | jq -c .image)
lab shell "$top/tests/tuf/site" 10.77.0.1:8880 10.77.0.1:8890 "$item" "$site" >"$work/site.log" 2>&1 &
at_exit kill $!
wait_for 60 test -s "$site/port" || { diag "the site does not start: $(cat "$work/site.log")"; exit 1; }
build_env()
{
	BUILD=$work/built ROOT=$site/root.json bootloader/env/build >"$work/build.log" 2>&1 || { diag "$(cat "$work/build.log")"; return 1; }
}
cd "$top"
ok "the boot environment is built with the site's root" build_env

full_disk "$work/disk" 96M
cp "$work/disk" "$work/before"
lab vmcast machine assign "$mac" "$item" >/dev/null

# evil LABEL ORDERS MESSAGE: the machine, which runs, starts again
evil()
{
	printf '%s' "$2" >"$site/orders"
	lab start m
	ok "$1: the machine refuses" lab wait m 'vmcast: FAILED, exit status 4' 180
	like "$1: it says why" "$(lab said m)" "not trusted, nothing is written: .*$3"
	ok "$1: the service knows" wait_job failed 30
	is "$1: and how" "$(last_job exit)" 4
	like "$1: and why" "$(last_job message)" "$3"
	lab stop m
	ok "$1: not one byte is changed" cmp "$work/before" "$work/disk"
}

# In the order of least harm: what is written at the end would be found unchanged before.
lab machine --id m --mac "$mac" --memory 192 --disk-file "$work/disk" --qemu -rtc --qemu base=2020-01-01 --detach >/dev/null
lab stop m
evil "another image" "{\"plan\":{\"image\":$other}}" "\"index_(bytes|digest)\": signed is '[0-9a-f]+', the plan says"
evil "other kernel arguments" \
	'{"script":{" BOOTIF=01-":" vmcast.zeros=keep BOOTIF=01-"}}' \
	"\"zeros\": signed is 'zero', the kernel's command line says 'keep'"
evil "another site" '{"other":true}' "0 of its 1 keys have signed"

echo '{}' >"$site/orders"
lab start m
ok "signed: the image is committed" lab wait m 'vmcast: commit' 180
like "signed: the console says by whom" "$(lab said m)" 'vmcast: trust at [0-9.]+ s: signed by site root [0-9a-f]{16}, version 1'
like "signed: and that the clock was wrong" "$(lab said m)" "vmcast: clock at [0-9.]+ s: the machine's says 2020-01-01T"
ok "signed: the job is done" wait_job "done" 30
lab stop m
ok "signed: every byte on the disk is the image's" holds_image "$work/disk"
done_testing

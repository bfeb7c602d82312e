# SPDX-License-Identifier: GPL-2.0-or-later
# What the network boot tests share: a lab of their own each, small images that say which bytes
# they were started from, and disks to write to. Sourced after lib.sh.
# shellcheck shell=bash

token=$RANDOM$RANDOM$RANDOM

lab()
{
	"$top/qemu/lab" "$@"
}

api()
{
	lab vmcast --json "$@"
}

# A lab that a failed test leaves behind, stopped, is there to be looked at.
netboot_clean()
{
	lab down
	[[ $tap_failed -ne 0 ]] || rm -rf "$BUILD/lab/$LAB"
}

# netboot_up OPTION...: options of `lab up`
netboot_up()
{
	export LAB

	[[ -x $BUILD/vmcastd && -f $BUILD/env/vmlinuz ]] || { echo "Bail out! not built: run make first"; exit 1; }
	LAB=$(basename "$0" .t | cut -c 1-30)-$$
	at_exit netboot_clean
	lab up "$@"
}

# netboot_image SIZE: makes $image, which prints "vmcast-test-booted $token" when it boots
netboot_image()
{
	image=$work/image.raw
	"$top/qemu/image" marker "$image" --size "$1" --token "$token"
}

item_is_ready()
{
	[[ $(api item list | jq -r '.items[0].state') == ready ]]
}

# announce FILE [FEED-OPTION...]: in a feed that the service is subscribed to; sets $item to its id
announce()
{
	"$top/qemu/feed" http://10.77.0.1:8088 --title "Test image" "$1" >"$work/feed.xml"
	lab serve "$1" "$work/feed.xml"
	lab vmcast feed add --wait http://10.77.0.1:8088/feed.xml policy=none "${@:2}" >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
	item=$(api item list | jq -r '.items[0].id')
}

# netboot_publish: announces $image and waits until it can be booted
netboot_publish()
{
	announce "$image"
	wait_for 60 item_is_ready || diag "$(api item list)"
}

# full_disk FILE SIZE: a disk that held something else, 0xA5 everywhere
full_disk()
{
	head -c "$2" /dev/zero | tr '\0' '\245' >"$1"
}

# holds_image DISK: the image's bytes, to the last
holds_image()
{
	holds_disk_image "$image" "$1"
}

# last_job FIELD: of the job that was begun last
last_job()
{
	api job list | jq -r ".jobs[0].$1"
}

job_count()
{
	api job list | jq '.jobs | length'
}

# wait_job PHASE SECONDS: until the last job is that far. Each question costs a process or ten, so not too often.
wait_job()
{
	local until=$((SECONDS + $2))

	until [[ $(last_job phase) == "$1" ]]; do
		[[ $SECONDS -lt $until ]] || return 1
		sleep 1
	done
}

# assignment MAC
assignment()
{
	api machine show "$1" | jq -r .assignment
}

# take_local_disk ID SECONDS: in the menu that the machine shows after its reboot
take_local_disk()
{
	local said
	said=$(lab said "$1" | wc -l)

	lab wait "$1" 'Boot from the local disk' "$2" --screen --since "$said" >/dev/null && lab keys "$1" ret
}

# installs_once MAC DISK OPTION...: a machine that $item is assigned to installs it unattended on DISK, and from then on boots
# from that disk, although the network comes first. OPTION: of `lab machine`.
installs_once()
{
	local mac=$1 disk=$2
	shift 2

	lab vmcast machine assign "$mac" "$item" >/dev/null
	lab machine --id m --mac "$mac" --detach "$@" >/dev/null
	ok "the image is committed, and nobody was asked" lab wait m 'vmcast: commit' 180
	ok "the machine boots what was written" lab wait m "vmcast-test-booted $token" 120
	ok "every byte on the disk is the image's" holds_image "$disk"
	is "the assignment is installed" "$(assignment "$mac")" installed
	lab stop m
	lab start m
	ok "switched on again, it boots from its disk" lab wait m "vmcast-test-booted $token" 120
	is "without installing again" "$(job_count)" 1
}

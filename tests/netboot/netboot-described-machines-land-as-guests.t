#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a description asks for is what the guest gets: a libvirt machine with two disks on other buses, under KVM, and an OVA with UEFI
# firmware on a node without KVM. What the node cannot give is refused before its disk is touched, by the line that asks for it.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

"$top/qemu/image" marker "$work/system" --stay 120 --token "$token"
make_image "$work/data" 24M $((1 << 20))

# domain FILE MEMORY: a libvirt machine (xvm2) with two disks
domain()
{
	mkdir -p "$work/xvm2"
	cp "$work/system" "$work/xvm2/system.img"
	gzip -c "$work/data" >"$work/xvm2/data.img.gz"
	cat >"$work/xvm2/description.xml" <<-END
		<domain type="kvm">
		<name>mail</name>
		<memory unit="MiB">$2</memory>
		<vcpu>2</vcpu>
		<os><type arch="x86_64" machine="pc-i440fx-2.1">hvm</type></os>
		<devices>
		<disk type="file"><source file="/vm/system.img"/><target dev="sda" bus="scsi"/></disk>
		<disk type="file"><source file="/vm/data.img"/><target dev="vdb" bus="virtio"/></disk>
		<interface type="network"><mac address="52:54:00:01:02:03"/><model type="e1000"/></interface>
		</devices></domain>
	END
	tar -C "$work/xvm2" -cf "$1" description.xml system.img data.img.gz
}

domain "$work/mail.xvm2" 256
domain "$work/large.xvm2" 65536
make_ova "$work/box.ova" "$work/system"
mkdir "$work/ova"
tar -C "$work/ova" -xf "$work/box.ova"
sed -i 's|</VirtualHardwareSection>|<Config ovf:key="firmware" ovf:value="efi"/>&|' "$work/ova/box.ovf"
tar -C "$work/ova" -cf "$work/box.ova" box.ovf disk1.vmdk

netboot_up --dhcp own
"$top/qemu/feed" http://10.77.0.1:8088 --title Mail "$work/mail.xvm2" --title Large "$work/large.xvm2" \
	--title Box "$work/box.ova" >"$work/feed.xml"
lab serve "$work/mail.xvm2" "$work/large.xvm2" "$work/box.ova" "$work/feed.xml"
lab vmcast feed add --wait http://10.77.0.1:8088/feed.xml policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"
# shellcheck disable=SC2317 # called by `ok` and `wait_for`
all_are_ready()
{
	[[ $(api item list | jq '[.items[] | select(.state == "ready")] | length') == 3 ]]
}
wait_for 120 all_are_ready || diag "$(api item list)"

# node ID ADDRESS ITEM OPTION...: assigned the item as a guest, and switched on
node()
{
	lab vmcast machine assign "$2" "$3" --landing guest >/dev/null
	lab machine --id "$1" --mac "$2" --disk 1G --memory 768 --cpus 2 --detach "${@:4}" >/dev/null
}

# guest NAME FIELD: as the service tells it
guest()
{
	api guest list | jq -r --arg name "$1" '.guests[] | select(.name == $name) | .'"$2"
}

# shellcheck disable=SC2317 # called by `ok` and `wait_for`
is_running()
{
	[[ $(guest "$1" state) == running ]]
}

full_disk "$work/full" $((1 << 30))
sha256sum <"$work/full" >"$work/before"
lab vmcast machine assign 52:54:00:77:01:50 Large --landing guest >/dev/null
lab machine --id small --mac 52:54:00:77:01:50 --memory 768 --cpus 2 --disk-file "$work/full" --detach >/dev/null
ok "a node that has too little refuses" lab wait small 'FAILED, exit status 5' 300
like "and says which line asks for more than it has" "$(lab said small)" \
	'the guest needs 64.0 GiB of memory \(description.xml:3\), this node has [0-9.]+ MiB to give'
lab stop small
sha256sum <"$work/full" >"$work/after"
ok "its disk is as it was" cmp "$work/before" "$work/after"
like "the service knows" "$(last_job message)" 'description.xml:3'

node mail 52:54:00:77:01:51 Mail --qemu -cpu --qemu "EPYC,+svm,+npt"
ok "the libvirt machine boots from its SCSI disk" lab wait mail "mail\| .*vmcast-test-booted $token" 600
ok "the service knows" wait_for 60 is_running mail
is "it has what its description asks for" "$(guest mail accel) $(guest mail cpus) $(guest mail memory_bytes)" "kvm 2 268435456"
like "the console tells of its type" "$(lab said mail)" '"mail" on /dev/vda .*, 2 CPUs, 256.0 MiB of memory, pc'
like "and of both disks' files" "$(lab said mail | tr '\n' ' ')" 'disk-0.raw, 64.0 MiB.*disk-1.raw, 24.0 MiB'
lab stop mail

node box 52:54:00:77:01:52 Box --memory 1536 --qemu -cpu --qemu "qemu64,-svm"
ok "the OVA's UEFI boots its disk, by TCG" lab wait box "box\| .*vmcast-test-booted $token" 900
like "the node says why not by KVM" "$(lab said box)" 'kvm at .*guests run without: '
like "UEFI it was" "$(lab said box)" 'box\| .*BdsDxe'
ok "the service knows that, too" wait_for 60 is_running box
is "and how" "$(guest box accel)" tcg
done_testing

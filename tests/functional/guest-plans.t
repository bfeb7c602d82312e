#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Items as guests: what a plan says of the machine that its node is to run, of a libvirt machine with two disks, an OVA with UEFI
# and a plain image; the same as it is signed; and what no node can be given is refused before there is a job.
# shellcheck disable=SC2154 # variables are set by what is sourced
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/tuf/repository.sh

make_keys
start_origin
for name in system data; do
	make_image "$work/$name" $((3 << 20)) $((1 << 20))
done
mkdir "$work/env"
head -c 100000 /dev/urandom >"$work/env/hypervisor-x86_64.squashfs"

# domain FILE XML: a libvirt machine (xvm2) with two disks
domain()
{
	mkdir -p "$work/xvm2"
	cp "$work/system" "$work/xvm2/system.img"
	gzip -c "$work/data" >"$work/xvm2/data.img.gz"
	cat >"$work/xvm2/description.xml"
	tar -C "$work/xvm2" -cf "$1" description.xml system.img data.img.gz
}

domain "$origin/mail.xvm2" <<-'END'
	<domain type="kvm">
	<name>mail,file=/etc/shadow</name>
	<memory unit="MiB">768</memory>
	<vcpu>3</vcpu>
	<os><type arch="x86_64" machine="pc-i440fx-2.1">hvm</type></os>
	<devices>
	<disk type="file"><source file="/vm/system.img"/><target dev="sda" bus="scsi"/></disk>
	<disk type="file"><source file="/vm/data.img"/><target dev="vdb" bus="virtio"/></disk>
	<interface type="network"><mac address="52:54:00:01:02:03"/><model type="e1000"/></interface>
	</devices></domain>
END
domain "$origin/odd.xvm2" <<-'END'
	<domain type="kvm"><name>odd</name><devices>
	<disk type="file"><source file="/vm/system.img"/><target dev="vda"/></disk>
	<disk type="file"><source file="/vm/data.img"/><target dev="vdb"/></disk>
	<interface type="network"><model type="ne2k_pci,file=/etc/shadow"/></interface>
	</devices></domain>
END
domain "$origin/huge.xvm2" <<-'END'
	<domain type="kvm"><name>huge</name>
	<memory unit="PiB">1</memory><devices>
	<disk type="file"><source file="/vm/system.img"/><target dev="vda"/></disk>
	<disk type="file"><source file="/vm/data.img"/><target dev="vdb"/></disk>
	</devices></domain>
END
make_ova "$origin/box.ova" "$work/system"
mkdir "$work/ova"
tar -C "$work/ova" -xf "$origin/box.ova"
sed -i -e 's|</VirtualHardwareSection>|<Config ovf:key="firmware" ovf:value="efi"/>&|' \
	-e 's|<Item><rasd:InstanceID>1<|<Item><rasd:InstanceID>7</rasd:InstanceID><rasd:ResourceType>10</rasd:ResourceType><rasd:ResourceSubType>VmxNet3</rasd:ResourceSubType></Item>\n&|' \
	"$work/ova/box.ovf"
tar -C "$work/ova" -cf "$origin/box.ova" box.ovf disk1.vmdk
cp "$work/system" "$origin/plain"
cp "$work/data" "$origin/arm"
for name in mail.xvm2 odd.xvm2 huge.xvm2 box.ova plain arm; do
	more="<vmcast:landing>guest</vmcast:landing><vmcast:memory>$([[ $name == plain ]] && echo 2G || echo 64M)</vmcast:memory>"
	case $name in
	plain) more+="<vmcast:firmware>uefi</vmcast:firmware>" ;;
	arm) more+="<vmcast:architecture>aarch64</vmcast:architecture>" ;;
	esac
	echo "<item><title>$name</title><uuid>$name</uuid>$more<enclosure url='$name' length='$(stat -c %s "$origin/$name")'/></item>"
done >"$work/items"
echo "<rss version='2.0' xmlns:vmcast='urn:vmcast:1'><channel><title>feed</title>$(<"$work/items")</channel></rss>" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"

# planned ITEM-NAME FIRMWARE: its plan is asked for by a node with this firmware; sets item, status
planned()
{
	wait_ingest "$1"
	item_is "$item" ready || diag "$(field "/v1/items/$item" .error)"
	status=$(curl -s -o "$work/plan" -w '%{http_code}' -H 'Content-Type: application/json' \
		-d "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$mac\"],\"arch\":\"x86_64\",\"firmware\":\"$2\",\"ticket\":\"$(boot_ticket "$mac" "$item")\"}" \
		"http://127.0.0.1:$vmcastd_port/v1/plan")
}

answer()
{
	jq -Sc "$1" "$work/plan"
}

error()
{
	jq -r '.error // empty' "$work/plan"
}

tuf init "$trust/metadata/1.root.json"
planned mail.xvm2 uefi
is "a libvirt machine with two disks: a plan" "$status $(answer .landing) $(answer '.disks | length')" '200 "guest" 2'
is "  its machine" "$(answer '.guest | del(.pack)')" \
	'{"arch":"x86_64","cpus":3,"disks":[{"bus":"scsi"},{"bus":"virtio"}],"firmware":"bios","machine":"pc","memory_bytes":805306368,"name":"mail-file-etc-shadow","nics":[{"mac":"52:54:00:01:02:03","model":"e1000"}],"restart":"on-failure","said_by":{"cpus":"description.xml:4","firmware":null,"memory_bytes":"description.xml:3"}}'
is "  the pack" "$(answer '.guest.pack')" \
	"{\"bytes\":100000,\"sha256\":\"$(sha256sum "$work/env/hypervisor-x86_64.squashfs" | cut -d' ' -f1)\",\"url\":\"/env/hypervisor-x86_64.squashfs\"}"
curl -s -o "$work/pack" "http://127.0.0.1:$vmcastd_port$(jq -r .guest.pack.url "$work/plan")"
ok "  which is served there" cmp "$work/pack" "$work/env/hypervisor-x86_64.squashfs"
items=$(number items).items.json
is "  signed is the same machine" "$(signed ".targets[\"items/$item/0/index\"].custom.vmcast.guest" "$items" | jq -Sc .)" "$(answer '.guest | del(.pack)')"
is "  with the first of its disks only" "$(signed ".targets[\"items/$item/1/index\"].custom.vmcast.guest" "$items")" null
is "  and the pack" "$(signed '.targets["env/hypervisor-x86_64.squashfs"] | "\(.length) \(.hashes.sha256)"' "$items")" \
	"$(answer '.guest.pack | "\(.bytes) \(.sha256)"' | tr -d '"')"
mail=$item

planned box.ova bios
is "an OVA with UEFI on a node with BIOS: a plan" "$status $(answer '.guest | [.firmware, .machine, .nics, .name]')" \
	'200 ["uefi","q35",[{"mac":null,"model":"vmxnet3"}],"box"]'
like "  its lines" "$(answer .guest.said_by.firmware)" '"box.ovf:[0-9]+"'
planned plain bios
is "a plain image: what its feed says, and what most images start with" "$status $(answer '.guest | del(.pack)')" \
	'200 {"arch":"x86_64","cpus":1,"disks":[{"bus":"virtio"}],"firmware":"uefi","machine":"q35","memory_bytes":2147483648,"name":"plain","nics":[{"mac":null,"model":"virtio"}],"restart":"on-failure","said_by":{"cpus":null,"firmware":null,"memory_bytes":null}}'
plain=$item
write_disk "$vmcastd_port" "$work/written" --root "$trust/metadata/1.root.json"
is "  a client that has the site's root takes it" "$status" 0
like "  as what is signed" "$said" 'trust: signed by site root'
jobs=$(field /v1/jobs '.jobs | length')

unlike "machines of a signed site take no landing that nobody signed: the menu has none" \
	"$(curl -s "http://127.0.0.1:$vmcastd_port/v1/script?mac=$mac&arch=x86_64&platform=pcbios")" "landing"

# Refusals
planned odd.xvm2 bios
is "a card that no node has" "$status $(error)" \
	"409 item $item as a guest: model of a network card 'ne2k_pci,file=/etc/shadow' (description.xml:4): a guest's is virtio, e1000, e1000e, rtl8139 or vmxnet3"
is "  is not signed either" "$(signed ".targets[\"items/$item/0/index\"].custom.vmcast.guest" "$(number items).items.json")" null
planned huge.xvm2 bios
is "a PiB of memory" "$status $(error)" "409 item $item as a guest: memory '1.0 PiB' (description.xml:2): no node has so much"
planned arm bios
is "another architecture: its pack is wanted" "$status $(error)" \
	"409 item $item as a guest: there is no hypervisor pack '$work/env/hypervisor-aarch64.squashfs': make hypervisor ARM64=1, make install"
is "none of these is a job" "$(field /v1/jobs '.jobs | length')" "$jobs"
head -c 1000 /dev/urandom >"$work/env/hypervisor-aarch64.squashfs"
planned arm bios
is "  with it" "$status $(answer '.guest | [.arch, .machine, .firmware, .pack.url, .pack.bytes]')" \
	'200 ["aarch64","virt","uefi","/env/hypervisor-aarch64.squashfs",1000]'
mv "$work/env/hypervisor-x86_64.squashfs" "$work/pack"
planned plain bios
is "no pack" "$status $(error)" \
	"409 item $item as a guest: there is no hypervisor pack '$work/env/hypervisor-x86_64.squashfs': make hypervisor, make install"
head -c 5000 /dev/urandom >"$work/env/hypervisor-x86_64.squashfs"
planned plain bios
is "another pack" "$status $(answer '[.guest.pack.bytes, .guest.pack.sha256]')" \
	"200 [5000,\"$(sha256sum "$work/env/hypervisor-x86_64.squashfs" | cut -d' ' -f1)\"]"

# The operator's word goes before the feed's, in both directions; one rule chooses the disk that all of a guest's are files on.
is "two rules for a guest's disks" "$(vmcast machine assign "$mac" "$mail" --target bus=sata --target bus=nvme 2>&1 || true)" \
	"vmcast: field \"target\": 2 rules: a guest's disks are files on one disk of its node, which one rule chooses"
vmcast machine assign "$mac" "$mail" --target bus=nvme >/dev/null
planned mail.xvm2 bios
is "one rule is every disk's" "$status $(answer '[.disks[].target]')" '200 ["bus=nvme","bus=nvme"]'
is "  and signed so" "$(target machines/52-54-00-12-34-56.json | jq -r .target)" "bus=nvme ; bus=nvme"
script=$(curl -s "http://127.0.0.1:$vmcastd_port/v1/script?mac=$mac&arch=x86_64&platform=pcbios")
unlike "  no part of it is on the command line, where it would be one disk's" "$script" vmcast.disk=
like "  the machine boots the environment with the item" "$script" "set item $mail.* vmcast.item="
vmcast machine assign "$mac" "$mail" --landing disk --target bus=nvme --target bus=sata >/dev/null
planned mail.xvm2 uefi
is "assigned for its disks: no guest" "$status $(answer '[.landing, .guest, (.disks | length)]')" '200 ["reboot",null,2]'
vmcast machine assign "$mac" "$plain" --landing disk >/dev/null
planned plain bios
is "then the machine's firmware counts" "$status $(error)" "409 item $plain is for uefi, this machine is bios"
vmcast machine assign "$mac" "$plain" --landing guest >/dev/null
planned plain bios
is "assigned as a guest it does not" "$status $(answer .landing)" '200 "guest"'
is "  as it is signed" "$(target machines/52-54-00-12-34-56.json | jq -r .landing)" guest
done_testing

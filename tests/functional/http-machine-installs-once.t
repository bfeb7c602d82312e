#!/bin/bash
# A machine's life as it sees the service: the menu, an assignment that boots unattended, a plan, reports that need the job's own
# ticket, and from the receipt on its local disk: no reinstall loop (F46, F47).
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mac=52:54:00:12:34:56
serve_image $((4 << 20)) $((1 << 20)) "target = bus=virtio"
url=http://127.0.0.1:$vmcastd_port

# script [ARGUMENTS]: what this machine's iPXE gets
script()
{
	curl -s "$url/v1/script?mac=$mac&arch=x86_64&platform=${1:-pcbios}"
}

# post PATH BODY [CURL-OPTION...]: status, answer in $work/answer
post()
{
	curl -s -o "$work/answer" -D "$work/head" -w '%{http_code}' -H 'Content-Type: application/json' -d "$2" "${@:3}" "$url$1"
}

answer()
{
	jq -r "$1" "$work/answer"
}

report()
{
	post "/v1/jobs/$job" "$2" -H "Authorization: Bearer $1"
}

like "the entry script asks for the machine's own" "$(curl -s "$url/boot.ipxe")" 'chain --replace .*/v1/script[?]mac='
like "the menu has the item" "$(script)" "item -- item-$item "
like "its default is the local disk" "$(script)" "choose --default local "
is "the operator sees the machine" "$(field "/v1/machines/$mac" '"\(.architecture) \(.firmware) \(.assignment)"')" "x86_64 bios none"
is "an argument that is wrong" "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/script?mac=$mac&arch=vax&platform=pcbios")" 400
like "a 32-bit machine gets no item" "$(curl -s "$url/v1/script?mac=&arch=i386&platform=pcbios")" "No image here fits this machine"
like "details" "$(curl -s "$url/v1/details?item=$item&arch=x86_64&platform=efi")" "item -- boot "

vmcast machine assign 52-54-00-12-34-56 "$item" --target name=vda,bus=virtio >/dev/null
like "assigned: boots unattended" "$(script)" "set item $item"$'\n:boot\n'
like "with the assignment's rule" "$(script)" " vmcast.disk=name=vda,bus=virtio "
ok "and without a menu" test -z "$(script | grep choose)"

is "a machine that names no item gets what it is assigned" \
	"$(post /v1/plan '{"version":1,"ticket":"'"$(boot_ticket "$mac" "$item")"'","macs":["52:54:00:aa:aa:aa","'$mac'"]}') $(answer .item.id) $(answer .target)" "200 $item name=vda,bus=virtio"
is "one that is assigned nothing is refused" "$(post /v1/plan '{"version":1,"macs":["52:54:00:aa:aa:aa"]}')" 409
like "and told who can change that" "$(answer .error)" "no item is assigned to machine 52:54:00:aa:aa:aa, .*vmcast machine assign 52:54:00:aa:aa:aa ITEM"
is "a host names its item" "$(post /v1/plan '{"version":1}') $(answer .error)" '400 field "item": only a machine, which has "macs", may leave it out'

request='{"version":1,"item":"'$item'","ticket":"'$(boot_ticket "$mac" "$item")'","macs":["52:54:00:aa:aa:aa","'$mac'"],"arch":"x86_64","firmware":"bios",
	"memory_bytes":1073741824,"client":"test","disks":[{"name":"vda","bytes":4194304,"bus":"virtio"}]}'
is "a plan" "$(post /v1/plan "$request")" 200
job=$(answer .job)
ticket=$(answer .ticket)
is "it has the assignment's rule" "$(answer .target)" name=vda,bus=virtio
index_url=$(answer .image.index_url)
is "the index has the digest that the plan says" "sha256:$(curl -s "$url$index_url" | sha256sum | cut -c1-64)" "$(answer .image.index_digest)"
is "and its length" "$(curl -s "$url$index_url" | wc -c)" "$(answer .image.index_bytes)"
is "the image is the disk" "$(curl -s "$url$(answer .image.url)" | zstd -d | cmp - "$image" && echo same)" same
is "the operator sees its disks" "$(field "/v1/machines/$mac" '.inventory.disks[0].name')" vda
is "a host run gets the configured rule" "$(post /v1/plan '{"version":1,"item":"'"$item"'"}') $(answer .target)" "200 bus=virtio"
other_ticket=$(answer .ticket)
is "a machine of another kind is refused" "$(post /v1/plan '{"version":1,"item":"'"$item"'","arch":"aarch64"}')" 409

is "progress" "$(report "$ticket" '{"phase":"write","bytes_done":1000,"bytes_total":4000,"disk":"vda"}')" 204
is "the operator sees it" "$(field /v1/jobs ".jobs[] | select(.id == \"$job\") | \"\(.phase) \(.done_bytes) \(.disk)\"")" "write 1000 vda"
is "another job's ticket is refused" "$(report "$other_ticket" '{"phase":"done"}')" 403
is "a made-up ticket is refused" "$(report 00112233445566778899aabbccddeeff '{"phase":"done"}')" 403
is "an unknown phase is refused" "$(report "$ticket" '{"phase":"finished"}')" 400
is "a negative size is refused" "$(report "$ticket" '{"phase":"write","bytes_done":-1}')" 400
like "none of these ended the assignment" "$(script)" "set item $item"
is "the receipt" "$(report "$ticket" '{"phase":"done","bytes_done":4000,"bytes_total":4000,"disk":"vda"}')" 204
is "once more, as if the answer was lost" "$(report "$ticket" '{"phase":"done","bytes_done":4000,"bytes_total":4000}')" 204
is "a failure after it is refused" "$(report "$ticket" '{"phase":"failed","exit":6}')" 409
is "the assignment is fulfilled" "$(field "/v1/machines/$mac" .assignment)" installed
like "installed: the local disk" "$(script)" "sanboot .* 0x80"
is "UEFI takes the next boot option" "$(script efi | tail -1)" "exit 1"
vmcast machine assign "$mac" "$item" >/dev/null
like "assigned again: installs again" "$(script)" "set item $item"
vmcast machine release "$mac"
like "released: the menu" "$(script)" "item -- item-$item "
like "the log has the job" "$(grep "job $job" "$work/vmcastd.log")" "done, 4000 of 4000 bytes"

# F47: where the menu's unattended default is to install, a machine that was just written goes to its disk.
stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "menu_default = first"
like "a machine that was written: local by default" "$(script)" "choose --default local "
like "its other network card, too" "$(mac=52:54:00:aa:aa:aa script)" "choose --default local "
mac=52:54:00:00:00:99
like "a new one: the newest image by default" "$(script)" "choose --default first "

# What the machine's hardware says: which disk starts it, and what does not fit it. Changes of the feed make no new image.
say_in_feed()
{
	local before
	before=$(times_read)
	sed "s|</vmcast:digest>|&$1|" "$origin/plain.xml" >"$origin/feed.xml"
	vmcast feed refresh "$(field /v1/feeds '.feeds[0].id')" >/dev/null
	wait_for 60 eval "[[ \$(times_read) -gt $before ]]"
}
times_read()
{
	grep -c "feed.xml': 1 items" "$work/vmcastd.log"
}
plan()
{
	post /v1/plan '{"version":1,"item":"'"$item"'","ticket":"'"${boot:-$(boot_ticket "$mac" "$item")}"'","macs":["'$mac'"],"memory_bytes":'"$1"',"disks":['"$2"']}'
}
cp "$origin/feed.xml" "$origin/plain.xml"
like "one of two disks may be any: the firmware's order" "$(
	plan 1073741824 '{"name":"vda","bytes":4194304},{"name":"vdb","bytes":4194304,"refused":null}' && script)" \
	$'in the order that is set in the firmware\nexit 1\n'
like "one of two, and the other cannot be written: the first disk" "$(
	plan 1073741824 '{"name":"vda","bytes":4194304},{"name":"sr0","bytes":4194304,"refused":"read-only"}' && script)" \
	"sanboot .* 0x80"
disks=$(for i in {1..200}; do printf ',{"name":"sd%d","bytes":4194304,"serial":"%064d"}' "$i" "$i"; done)
is "a plan of a machine with 200 disks" "$(plan 1073741824 "${disks#,}")" 200
is "its inventory is cut, and says so" "$(field "/v1/machines/$mac" \
	'.inventory | (.disks | length) + .disks_left_out, (tojson | length <= 8192)' | xargs)" "200 true"
like "and so does the command" "$(vmcast machine show "$mac" | tail -1)" "disks +and [1-9][0-9]* more"
is "a list of machines has no inventories" "$(field /v1/machines '[.machines[] | has("inventory")] | any')" false
is "client and service spell architectures one way" "$(post /v1/plan '{"version":1,"item":"'"$item"'","arch":"arm64"}') $(answer .error)" \
	"400 field \"arch\": 'arm64' is not known; x86_64 and aarch64 are"
say_in_feed "<vmcast:memory>1G</vmcast:memory><vmcast:disk>8M</vmcast:disk>"
is "too little memory" "$(plan 268435456 '{"bytes":8388608}') $(answer .error)" \
	"409 item $item needs 1.0 GiB of memory, this machine has 256.0 MiB"
is "a little less than the whole is what kernels count" "$(plan 1000000000 '{"bytes":8388608}')" 200
is "all disks too small" "$(plan 1073741824 '{"bytes":4194304},{"bytes":2097152}') $(answer .error)" \
	"409 item $item needs a disk of 8.0 MiB, the largest of this machine has 4.0 MiB"
is "one of them is not" "$(plan 1073741824 '{"bytes":4194304},{"bytes":8388608}')" 200
is "a host run is not judged" "$(post /v1/plan '{"version":1,"item":"'"$item"'"}')" 200
is "an item is booted by a reset" "$(plan 1073741824 '{"bytes":8388608}') $(answer .landing)" "200 reboot"
boot=$(boot_ticket "$mac" "$item")
say_in_feed "<vmcast:landing>kexec</vmcast:landing>"
is "or by kexec, as its feed says" "$(boot=$boot plan 1073741824 '{"bytes":8388608}') $(answer .landing) $(answer .error)" "200 kexec null"
vmcast machine assign "$mac" "$item" --landing disk >/dev/null
is "but as its assignment says, if that says so" "$(boot=$(boot_ticket "$mac" "$item") plan 1073741824 '{"bytes":8388608}') $(answer .landing)" "200 reboot"
is "which can be read" "$(field "/v1/machines/$mac" .landing) $(vmcast machine show "$mac" | sed -n 's/^landing  *//p')" "disk disk"
is "nothing grows" "$(answer .grow) $(field "/v1/machines/$mac" .grow)" "false false"
vmcast machine assign "$mac" "$item" --grow >/dev/null
boot=$(boot_ticket "$mac" "$item")
is "but what is to" "$(plan 1073741824 '{"bytes":8388608}') $(answer .grow) $(vmcast machine show "$mac" | sed -n 's/^grows  *//p')" "200 true its last partition"
boot=
vmcast machine assign "$mac" "$item" >/dev/null
is "until it is assigned anew" "$(boot=$(boot_ticket "$mac" "$item") plan 1073741824 '{"bytes":8388608}') $(answer .landing)" "200 kexec"
like "a landing that is none is refused" "$(vmcast machine assign "$mac" "$item" --landing moonwalk 2>&1)" "field \"landing\": 'moonwalk' is none of disk, kexec and guest"
vmcast machine release "$mac" >/dev/null
boot=$(boot_ticket "$mac" "$item")
say_in_feed "<vmcast:landing>guest</vmcast:landing>"
like "a guest without the pack that runs it is refused" "$(boot=$boot plan 1073741824 '{"bytes":8388608}') $(answer .error)" \
	"409 item $item as a guest: there is no hypervisor pack '.*/hypervisor-x86_64.squashfs': make hypervisor, make install"
boot=
vmcast machine assign "$mac" "$item" --landing kexec >/dev/null
boot=$(script | sed -n 's/.* vmcast.ticket=\([0-9a-f]*\) .*/\1/p')
is "unless its assignment says otherwise" "$(plan 1073741824 '{"bytes":8388608}') $(answer .landing)" "200 kexec"
boot=
vmcast machine release "$mac" >/dev/null
like "the menu says what it would be" "$(script)" "item -- boot Keep this machine as a node, and run it there as a guest"

# Rules that were given before anybody knew how many disks the item has.
sqlite3 "$work/state/vmcast.db" "UPDATE machine SET item_id = '$item', assignment = 1, target = 'bus=virtio ; bus=sata' WHERE mac = '$mac'"
say_in_feed ""
before=$(field /v1/jobs '.jobs | length')
is "two rules for one disk: no plan, but what to type" "$(plan 1073741824 '{"bytes":8388608}') $(answer .error)" \
	"409 the assignment has 2 rules, item $item has 1 disk: one for each is needed: vmcast machine assign $mac $item --target RULE"
is "and no job" "$(field /v1/jobs '.jobs | length')" "$before"
vmcast machine release "$mac" >/dev/null

# An item without an image, whose ingest is the operator's business.
printf 'x' >"$origin/late"
rm "$origin/image"
stop_vmcastd TERM
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/late" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "ingest = manual"
has_late() { [[ -n $(item_of late) ]]; }
wait_for 60 has_late
late=$(item_of late)
is "a plan for an item that waits" "$(post /v1/plan '{"version":1,"item":"'"$late"'"}')" 409
like "says what to do" "$(answer .error)" "vmcast item ingest $late"
vmcast machine assign "$mac" "$late" >/dev/null
like "an assigned machine waits" "$(script)" "waits for the operator: vmcast item ingest $late"
done_testing

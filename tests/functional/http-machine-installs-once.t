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

request='{"version":1,"item":"'$item'","macs":["52:54:00:aa:aa:aa","'$mac'"],"arch":"x86_64","firmware":"bios",
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
mac=52:54:00:00:00:99
like "a new one: the newest image by default" "$(script)" "choose --default first "

# An item without an image: come back later.
printf 'x' >"$origin/late"
rm "$origin/image"
stop_vmcastd TERM
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/late" >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "ingest = manual"
has_late() { [[ -n $(item_of late) ]]; }
wait_for 20 has_late
is "a plan for an item that waits" "$(post /v1/plan '{"version":1,"item":"'"$(item_of late)"'"}')" 503
like "says when to ask again" "$(tr -d '\r' <"$work/head")" 'Retry-After: [0-9]+'
vmcast machine assign "$mac" "$(item_of late)" >/dev/null
like "an assigned machine waits" "$(script)" "is not ready yet"
done_testing

#!/bin/bash
# Items of a feed that are ingested when a machine wants them: menus show them, a choice or a plan begins the ingest, the machine
# and vmcast-boot show how far it is and go on when it is done, and are told why when it fails. What a feed leaves to its
# operator no machine can begin.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
for name in chosen planned; do
	make_image "$origin/$name" 24M $((6 << 20))
done
truncate -s 1M "$origin/junk"
truncate -s 1M "$origin/left"
# The publisher is so slow that an ingest takes seconds.
start_proxy "$origin_port" --path '/(chosen|planned)' --fault trickle:8000000
"$top/qemu/feed" "http://127.0.0.1:$proxy_port" "$origin/chosen" "$origin/planned" "$origin/junk" >"$origin/feed.xml"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/left" >"$origin/manual.xml"
printf 'other bytes than were announced' | dd of="$origin/junk" conv=notrunc status=none
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml ingest=demand" \
	"feed = http://127.0.0.1:$origin_port/manual.xml ingest=manual"
all_are_there()
{
	[[ -n $(item_of left) && -n $(item_of junk) ]]
}
wait_for 20 all_are_there

machine="mac=52:54:00:00:00:01&arch=x86_64&platform=pcbios"
script()
{
	curl -sS "http://127.0.0.1:$vmcastd_port/v1/script?$machine"
}
start()
{
	curl -sS "http://127.0.0.1:$vmcastd_port/v1/start?item=$1&$machine"
}
# plan ITEM: prints the answer's status; its body is in $work/plan, its head in $work/head
plan()
{
	curl -sS -o "$work/plan" -D "$work/head" -w '%{http_code}' -H 'Content-Type: application/json' \
		-d "{\"version\":1,\"item\":\"$1\"}" "http://127.0.0.1:$vmcastd_port/v1/plan"
}

is "nothing is ingested by itself" "$(field /v1/items '[.items[].state] | unique | join(" ")')" announced
like "the menu shows what can be had" "$(script)" 'chosen \(not here yet\)'
unlike "but nothing that is the operator's business" "$(script)" "$(item_of left)"

chosen=$(item_of chosen)
like "a choice has it made ready" "$(start "$chosen")" "echo vmcast: chosen (is being made ready|waits for its turn)"
like "and asks again" "$(start "$chosen")" "v1/start\?item="
shows_percent()
{
	[[ $(start "$chosen") =~ "is being made ready: "[a-z]+", "[0-9]+" %" ]]
}
ok "with how far it is" wait_for 60 shows_percent
is "a plan for it is to be asked for again" "$(plan "$chosen")" 503
like "soon" "$(tr -d '\r' <"$work/head")" 'Retry-After: [0-9]+'
like "and says how far it is" "$(jq -c .ingest "$work/plan")" '"phase":"[a-z]+","done":[0-9]+,"total":[0-9]+'
is "nobody else's is ingested for that" "$(field "/v1/items/$(item_of planned)" .state)" announced
boots()
{
	[[ $(start "$chosen") == *"vmcast.item=\${item}"* ]]
}
ok "when it is there, it is booted" wait_for 60 boots

item=$(item_of planned)
write_disk "$vmcastd_port" "$work/disk" --retry-for 1
is "vmcast-boot waits for an image longer than for a network that fails: exit 0" "$status" 0
like "showing how far it is" "$said" "the service is making the image ready: "
ok "and the disk is right" cmp "$origin/planned" "$work/disk"

item=$(item_of junk)
write_disk "$vmcastd_port" "$work/none"
is "an ingest that fails ends it: exit 7" "$status" 7
like "with the cause" "$said" "its ingest failed: "
ok "and no disk is made" test ! -e "$work/none"
like "the machine is told, too" "$(start "$item")" "echo vmcast: junk could not be ingested: "
unlike "and the menu no longer has it" "$(script)" "$item"

left=$(item_of left)
is "what is left to the operator: no plan begins it" "$(plan "$left") $(field "/v1/items/$left" .state)" "409 announced"
like "which the answer says" "$(jq -r .error "$work/plan")" "vmcast item ingest $left"
like "nor does a choice" "$(start "$left")" "left waits for the operator: vmcast item ingest $left"
is "it is still announced" "$(field "/v1/items/$left" .state)" announced
done_testing

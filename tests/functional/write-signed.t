#!/bin/bash
# A client with the site's root writes what the site has signed, and nothing else: whatever the service, or who answers for it,
# says instead, not one byte of the disk changes, the client says which field it is about, and the service knows.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

serve_image 8M $((2 << 20)) "identity = none"
site=$work/site
mkdir "$site"
tests/tuf/site "127.0.0.1:$vmcastd_port" 127.0.0.1:0 "$item" "$site" 2>"$work/site.log" &
at_exit kill $!
wait_for 60 test -s "$site/port" || { diag "the site does not start: $(cat "$work/site.log")"; exit 1; }
port=$(<"$site/port")
disk=$work/disk
fill "$work/before" $((10 << 20))
mkdir "$work/tmp"
export TMPDIR=$work/tmp

# write_signed ORDERS [OPTION...]: what the site is to do, then the client
write_signed()
{
	printf '%s' "$1" >"$site/orders"
	cp "$work/before" "$disk"
	write_disk "$port" "$disk" --root "$site/root.json" --stall-timeout 2 --retry-for 1 "${@:2}"
}

asked=vmcast.item=$item
# run_signed ORDERS [WORDS]: as a machine does it. Every plan's rule is one that no disk meets: whatever is wrong here, no disk
# of this host is written.
run_signed()
{
	printf '%s' "$1" | jq -c '.plan.target = (.plan.target // "serial=no-such")' >"$site/orders"
	cp "$work/before" "$disk"
	status=0
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" run --retry-for 1 --root "$site/root.json" --cmdline \
		"vmcast.server=http://127.0.0.1:$port $asked $2" 2>&1) || status=$?
}

# refused LABEL MESSAGE [STATUS]
refused()
{
	is "$1: exit ${3:-4}" "$status" "${3:-4}"
	like "$1: says why" "$said" "not trusted, nothing is written: .*$2"
	ok "$1: not one byte is changed" cmp "$work/before" "$disk"
	is "$1: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed ${3:-4}"
	like "$1: and the service knows why" "$(last_job .message)" "$2"
}

write_signed '{}'
is "signed: exit 0" "$status" 0
like "signed: says by whom" "$said" \
	'trust: signed by site root [0-9a-f]{16}, version 1, valid until [0-9TZ:-]{20}; this state until [0-9TZ:-]{20}'
ok "signed: every byte is the image's" cmp -n $((8 << 20)) "$image" "$disk"
is "signed: the job is done" "$(last_job .phase)" "done"
is "signed: no metadata is left behind" "$(ls "$TMPDIR")" ""

cp "$work/before" "$disk"
write_disk "$vmcastd_port" "$disk"
is "without a root: exit 0" "$status" 0
like "without a root: says that nothing is signed" "$said" "trust: nothing is signed"
write_disk "$port" "$disk"
is "without a root, but with signatures: exit 0" "$status" 0

other=$(printf '%064d' 0)
while IFS='|' read -r label orders message; do
	write_signed "$orders"
	refused "$label" "$message"
done <<END
another image|{"plan":{"image.index_digest":"$other","image.id":"$other"}}|"index_digest": signed is '[0-9a-f]{64}', the plan says '$other'
an index of another length|{"plan":{"image.index_bytes":1}}|"index_bytes": signed is '[0-9]+', the plan says '1'
another size of the disk|{"plan":{"image.disk_bytes":4096}}|"disk_bytes": signed is '8388608', the plan says '4096'
zeros are kept|{"plan":{"zeros":"keep"}}|"zeros": signed is 'zero', the plan says 'keep'
another landing|{"plan":{"landing":"kexec"}}|"landing": signed is 'reboot', the plan says 'kexec'
signed for another item|{"custom":{"item":"0123456789abcdef"}}|"item": signed is '0123456789abcdef', the plan says '$item'
signed as another disk|{"custom":{"disk":1}}|"disk": signed is '1', the plan says '0'
signed as another image|{"custom":{"image":"$other"}}|"image": signed is '$other', the plan says
signed as a kernel|{"custom":{"kind":"kernel"}}|"kind": signed is 'kernel', the plan says 'disk'
no field of it signed|{"custom":{"zeros":null}}|"zeros" is missing
two disks, signed is one|{"plan":{"disks":"twice"}}|"disks": signed is '1', the plan says '2'
an item that is not signed|{"unsigned":true}|items/$item/0/index.: no such target
a plan without signatures|{"plan":{"trust":null}}|the service's plan has no signed metadata
another site|{"other":true}|timestamp version [0-9]+: 0 of its 1 keys have signed
an expired timestamp|{"expired":"timestamp"}|timestamp.* expired
an expired snapshot|{"expired":"snapshot"}|snapshot.* expired
expired items|{"expired":"items"}|items.* expired
metadata that is not there|{"tuf":404}|timestamp.json.: HTTP status 404
metadata without end|{"tuf":"endless"}|longer
END

write_signed '{"tuf":"close"}'
refused "a server of metadata that is down" "gave up" 3
write_signed '{"tuf":"slow"}'
refused "metadata that drips" "gave up" 3
write_signed '{}' --root "$site/other-root.json"
refused "a client of another site" "keys have signed"
write_signed '{}' --root "$site/none.json"
refused "a root that is not there" "none.json': No such file"
echo '{}' >"$work/bad.json"
write_signed '{}' --root "$work/bad.json"
refused "a root that is none" "trusted root"

# The machine's addresses are the kernel's: BOOTIF names another one, and is not believed.
mac=
for card in /sys/class/net/*; do
	[[ $(<"$card/type") != 1 ]] || mac=$(tr : - <"$card/address")
done
if [[ -z $mac ]]; then
	diag "this host has no Ethernet card: assignments are not tried"
	done_testing
fi
bootif="BOOTIF=01-52-54-00-00-00-01"
rule='vmcast.disk=serial=no-such'

# assigned ITEM TARGET: orders, for this machine
assigned()
{
	jq -nc --arg mac "$mac" --arg item "$1" --argjson target "$2" '{machines: {($mac): {version: 1, item: $item, target: $target}}}'
}

run_signed "$(assigned "$item" '"serial=no-such"')" "$bootif $rule"
is "assigned, and the signed rule: it is looked for a disk" "$status" 5
like "assigned, and the signed rule: says by whom" "$said" "trust at [0-9.]+ s: signed by site root"
run_signed "$(assigned 0123456789abcdef '"serial=no-such"')" "$bootif"
refused "another item is assigned" "\"item\": signed is '0123456789abcdef', the kernel's command line says '$item'"
run_signed "$(assigned "$item" '"serial=other"')" "$bootif"
refused "another rule is signed" "\"target\": signed is 'serial=other', the plan says 'serial=no-such'"
run_signed "$(assigned "$item" null)" "$bootif"
refused "no rule is signed" "\"target\": signed is '', the plan says 'serial=no-such'"
run_signed "$(assigned "$item" '"serial=a ; serial=b"')" "$bootif"
refused "two rules are signed for one disk" "\"target\": 2 rules are signed"
run_signed "$(assigned "$item" '"serial=no-such"')" "$bootif vmcast.disk=serial=none-either"
refused "the command line has another rule" "\"target\": signed is 'serial=no-such', the kernel's command line says 'serial=none-either'"
run_signed "$(assigned "$item" '"serial=no-such"')" "$bootif vmcast.zeros=keep"
refused "the command line keeps zeros" "\"zeros\": signed is 'zero', the kernel's command line says 'keep'"
run_signed "$(assigned "$item" '"serial=no-such"')" "$bootif vmcast.landing=kexec"
refused "the command line lands otherwise" "\"landing\": signed is 'reboot', the kernel's command line says 'kexec'"
# landed LANDING PLANNED: the assignment is signed with this landing, and the plan has that one
landed()
{
	assigned "$item" '"serial=no-such"' | jq -c --arg to "$1" --arg plan "$2" '.machines[].landing = $to | .plan = {landing: $plan}'
}

run_signed "$(landed kexec kexec)" "$bootif"
is "the assignment lands otherwise than the item: it is looked for a disk" "$status" 5
run_signed "$(landed kexec reboot)" "$bootif"
refused "the assignment lands otherwise than the plan" "\"landing\": signed is 'kexec', the plan says 'reboot'"
run_signed "$(assigned "$item" '"serial=no-such"' | jq -c '.plan = {grow: true}')" "$bootif"
refused "the plan grows what nobody has signed" "\"grow\": signed is 'false', the plan says 'true'"
run_signed "$(assigned "$item" '"serial=no-such"' | jq -c '.machines[].grow = true | .plan = {grow: true}')" "$bootif"
is "a partition that grows is signed: it is looked for a disk" "$status" 5
run_signed "$(landed reboot kexec)" "$bootif"
refused "the plan lands as nobody has signed" "\"landing\": signed is 'reboot', the plan says 'kexec'"
run_signed '{"machines":{"52-54-00-00-00-01":{"version":1,"item":"'"$item"'","target":"serial=no-such"}}}' "$bootif"
refused "the address is only on the command line" "no item is assigned to this machine: field \"target\": signed is ''"
run_signed '{"policy":{"version":1,"unassigned":"refuse"}}' "$bootif"
refused "not assigned, which is refused" "no item is assigned to this machine .*policy for that is 'refuse'.*vmcast machine assign"
# A unified kernel's command line names no item: the plan does, and what the site has signed decides.
asked=
vmcast machine assign "$mac" "$item" >/dev/null
run_signed "$(assigned "$item" '"serial=no-such"')" "$bootif"
is "nothing is asked for, and what is assigned is signed: it is looked for a disk" "$status" 5
run_signed "$(assigned 0123456789abcdef '"serial=no-such"')" "$bootif"
refused "nothing is asked for, and another item is assigned" "\"item\": signed is '0123456789abcdef', the plan says '$item'"
run_signed '{"plan":{"target":null}}' "$bootif"
refused "nothing is asked for, and nothing is assigned" "no item is assigned to this machine .*nothing else names one.*vmcast machine assign"
vmcast machine release "$mac" >/dev/null
asked=vmcast.item=$item
run_signed '{"policy":{"version":2,"unassigned":"menu"}}' "$bootif"
refused "a policy of another version" "policy.json.*version 2"
done_testing

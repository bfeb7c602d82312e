#!/bin/bash
# Who a machine is: tickets of one boot, keys, and receipts, against thieves, forgers and replays (F46).
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mac=52:54:00:12:34:56 other=52:54:00:00:00:02
serve_image 4M 262144
url=http://127.0.0.1:$vmcastd_port
second=$(sed "s/^/0/; s/.$//" <<<"$item")

# machine COMMAND...: sets status and answer
machine()
{
	local said
	said=$(tests/tuf/machine.py "$@")
	status=${said%% *} answer=${said#* }
}

# plan KEY KEPT MAC TICKET [ITEM]: a plan is in $work/plan if there is one; "-": none
plan()
{
	local macs=${3:+\"${3//,/\",\"}\"} ticket=
	[[ $4 == - ]] || ticket=,\"ticket\":\"$4\"
	machine plan "$1" "$2" "$url" "{\"version\":1,\"item\":\"${5:-$item}\",\"macs\":[$macs]$ticket}"
	[[ $status != 200 ]] || echo "$answer" >"$work/plan"
}

report()
{
	machine report "$1" "$url" "$work/plan" "$2"
}

done_with()
{
	machine "done" "$1" "$2" "$url" "$work/plan" "${@:3}"
}

error()
{
	jq -r '.error // empty' <<<"$answer"
}

of_machine()
{
	field "/v1/machines/$1" "$2"
}

for name in tpm thief memory nvram; do
	tests/tuf/machine.py key "$([[ $name == tpm ]] && echo nistp256 || echo ed25519)" "$work/$name"
done

# Tickets
plan "$work/memory" memory "$mac" -
is "no ticket: no plan" "$status" 403
like "  which says where it is" "$(error)" "field \"ticket\": machine $mac has none .* vmcast.ticket="
plan "$work/memory" memory "$mac" 00112233445566778899aabbccddeeff
is "a made-up ticket" "$status $(error)" "403 field \"ticket\": not made for machine $mac and item $item"
plan "$work/memory" memory "$mac" "$(boot_ticket "$other" "$item")"
is "another machine's ticket" "$status" 403
plan "$work/memory" memory "$mac" nonsense
is "what is none" "$status $(error)" "403 field \"ticket\": not 32 hex digits"
ticket=$(boot_ticket "$mac" "$item")
plan "$work/memory" memory "$mac" "$ticket" "$second"
is "a ticket for another item" "$status" 403
plan "$work/memory" memory "$other,$mac" "$ticket"
is "this machine's own, by its second card" "$status" 200
is "  the answer says which it is" "$(jq -r .machine "$work/plan")" "$mac"
plan "$work/memory" memory "$mac" "$ticket"
is "the same again, as if the answer was lost" "$status" 200
plan "$work/thief" memory "$mac" "$ticket"
is "a stolen ticket, with another key" "$status" 403
like "  says so" "$(error)" "was presented with another key before"
plan - memory "$mac" "$ticket"
is "a stolen ticket without a key" "$status" 403
SIGN=$work/thief plan "$work/memory" memory "$mac" "$ticket"
is "a request that another key has signed" "$status" 403
plan "$work/memory" disk "$mac" "$ticket"
is "a key that is kept elsewhere" "$status $(error)" "400 field \"key_kept\": 'disk' is not known; tpm, nvram and memory are"

# Reports
report "$work/memory" '{"seq":1,"phase":"write"}'
is "a signed report" "$status" 204
report - '{"seq":2,"phase":"write"}'
is "a sniffed job ticket, but no key" "$status" 403
SIGN=$work/thief report "$work/memory" '{"seq":2,"phase":"write"}'
is "a sniffed job ticket and another key" "$status" 403
report "$work/memory" '{"seq":1,"phase":"write"}'
is "the very same report again" "$status" 204
report "$work/memory" '{"seq":1,"phase":"commit"}'
is "another one with its number" "$status" 409
report "$work/memory" '{"seq":5,"phase":"commit"}'
report "$work/memory" '{"seq":4,"phase":"write"}'
is "an older report, replayed" "$status $(error)" "409 field \"seq\": report 4 of job '$(jq -r .job "$work/plan")' came after report 5"
report "$work/memory" '{"phase":"commit"}'
is "one without a number" "$status" 400

# Receipts
report "$work/memory" '{"seq":6,"phase":"done"}'
is "done, without a receipt" "$status $(error)" "400 field \"receipt\": a machine with a key that is done gives one"
while IFS='|' read -r label change field; do
	done_with "$work/memory" memory 7 "$change"
	is "a receipt with $label" "$status" 400
	like "  the field is named" "$(error)" "field \"$field\""
done <<END
another machine|machine="$other"|machine
no machine|machine=null|machine
another item|item={"id":"0000000000000000","version":1}|id
another version|item={"id":"$item","version":2}|version
another job|job="0000000000000000"|job
another way to keep its key|key_kept="tpm"|key_kept
another receipt before it|previous="$(printf '%064d' 1)"|previous
another type|_type="root"|_type
another form|version=2|version
END
AFTER=1 done_with "$work/memory" memory 7
is "a receipt that was altered" "$status" 400
like "  the signature is named" "$(error)" 'field "signatures"'
SIGN=$work/memory done_with "$work/thief" memory 7
is "a receipt of another key" "$status $(error)" "400 receipt: field \"key\": not the key that the plan was handed to"
is "none of these is an installation" "$(of_machine "$mac" .installed_at)" null
is "and none is kept" "$(field /v1/receipts '.receipts | length')" 0
done_with "$work/memory" memory 7
is "the right one" "$status" 204
ok "  the machine is installed" test "$(of_machine "$mac" .installed_at)" != null
is "  it is kept" "$(field /v1/receipts '.receipts[] | "\(.chain) \(.item) \(.previous)"')" "$mac $item null"
plan "$work/memory" memory "$mac" "$ticket"
is "the ticket is spent" "$status $(error)" "403 field \"ticket\": that of machine $mac is spent: boot the machine again"
is "a key of one boot is not the machine's" "$(of_machine "$mac" '"\(.key) \(.alert)"')" "null null"

# A key that outlives the boot
for seq in 1 2; do
	plan "$work/tpm" tpm "$mac" "$(boot_ticket "$mac" "$item")"
	is "boot $seq with a TPM: a plan" "$status" 200
	is "  its receipt follows the last" "$(jq -r .receipt.previous "$work/plan")" "$(field "/v1/receipts?machine=$mac" '.receipts[-1].hash')"
	done_with "$work/tpm" tpm 1
	is "  it is done" "$status" 204
done
is "the machine is known by it" "$(of_machine "$mac" '"\(.key_kept) \(.key.keytype) \(.alert)"')" "tpm ecdsa null"
plan "$work/thief" nvram "$mac" "$(boot_ticket "$mac" "$item")"
is "a second claim of the machine" "$status" 403
like "  says what to do" "$(error)" "vmcast machine forget-key $mac"
like "  the operator sees it" "$(vmcast machine show "$mac")" "ALERT +.*key [0-9a-f]{8} from 127.0.0.1 wanted to be this machine"
like "  in the list" "$(vmcast machine list)" "$mac.* ALERT "
is "  and in the counts" "$(field /v1/status .alerts)" 1
like "  the log has it" "$(grep 'warning.*refused' "$work/vmcastd.log")" "machine $mac is known by another key"
plan "$work/memory" memory "$mac" "$(boot_ticket "$mac" "$item")"
is "a key of one boot is none" "$status" 403
plan - memory "$mac" "$(boot_ticket "$mac" "$item")"
is "no key is none" "$status" 403
plan "$work/thief" nvram "$other,$mac" "$(boot_ticket "$other" "$item")"
is "another machine that has its address as a second one" "$status" 403
ticket=$(boot_ticket "$mac" "$item")
plan "$work/thief" nvram "$mac" "$ticket"
plan "$work/tpm" tpm "$mac" "$ticket"
is "a thief does not spend its ticket" "$status" 200
vmcast machine forget-key "$mac"
is "forgotten: no alert" "$(of_machine "$mac" '"\(.key_kept) \(.alert)"')" "null null"
plan "$work/nvram" nvram "$mac" "$(boot_ticket "$mac" "$item")"
is "a new board is taken" "$status $(of_machine "$mac" .key_kept)" "200 nvram"
done_with "$work/nvram" nvram 1
is "  and done" "$status" 204

# A signed command line has no ticket, and names no item.
vmcast machine assign "$mac" "$item" >/dev/null
for name in memory nvram; do
	machine plan "$work/$name" "$name" "$url" "{\"version\":1,\"macs\":[\"$mac\"]}"
	is "without item and ticket, with a key in $name" "$status" "$([[ $name == nvram ]] && echo 200 || echo 403)"
done
vmcast machine release "$mac"

# Hosts are no machines.
plan "$work/memory" memory "" -
is "a host: a plan without a ticket" "$status $(jq -r .machine "$work/plan")" "200 null"
done_with "$work/memory" memory 1
is "  and a receipt of its own" "$status $(field /v1/receipts '[.receipts[] | select(.chain | startswith("key:"))] | length')" "204 1"

# Offline
vmcast receipt export >"$work/all"
is "every receipt is exported" "$(wc -l <"$work/all")" 5
ok "they verify" vmcast receipt verify "$work/all"
ok "without a service, too" "$BUILD/vmcast" --socket "$work/nowhere" receipt verify "$work/all"
like "a changed key is noted" "$(vmcast receipt verify "$work/all")" "note: $mac has another key from"
vmcast receipt export "$mac" >"$work/chain"
bad()
{
	local faults=0
	"$BUILD/vmcast" receipt verify "$work/bad" >"$work/said" 2>&1 || faults=$?
	is "$1" "$faults" 5
	like "  and where" "$(<"$work/said")" "line $2: .*$3"
}
sed 2d "$work/chain" >"$work/bad"
bad "one is left out" 2 'field "previous"'
{ sed -n 2p "$work/chain"; sed 2d "$work/chain"; } >"$work/bad"
bad "they are in another order" 2 'field "previous"'
sed '3s/a test/b test/' "$work/chain" >"$work/bad"
bad "one is altered" 3 'field "signatures"'
head -c -20 "$work/chain" >"$work/bad"
bad "the last is cut off" 4 ''
like "one is shown" "$(vmcast receipt show "$(field "/v1/receipts?machine=$mac" '.receipts[0].hash' | cut -c1-12)")" '"_type": "receipt"'
like "and listed" "$(vmcast receipt list "$mac")" "$mac +$item"

# What the site wants
stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "identity = key"
plan "$work/memory" memory "$other" "$(boot_ticket "$other" "$item")"
is "identity = key: a key of one boot is refused" "$status" 403
like "  says what is wanted" "$(error)" "field \"key_kept\": machine $other has no key that outlives a boot"
ticket=$(boot_ticket "$other" "$item")
plan "$work/thief" nvram "$other" "$ticket"
is "identity = key: one that lasts is taken" "$status" 200
kill -KILL "$vmcastd_pid"
wait "$vmcastd_pid" 2>/dev/null || true
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "identity = none"
plan "$work/thief" nvram "$other" "$ticket"
is "tickets outlive the service" "$status" 200
plan - memory 52:54:00:00:00:03 -
is "identity = none: nothing is wanted" "$status" 200
plan - memory "$other" -
is "  but what is known by a key stays so" "$status" 403
sqlite3 "$work/state/vmcast.db" "SELECT hex(value) FROM secret" | tr A-F a-f >"$work/secret"
ok "the secret is in no log" test -z "$(grep -F "$(cut -c1-16 "$work/secret")" "$work/vmcastd.log" || true)"
done_testing

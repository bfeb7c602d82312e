#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A node's life as it sees the service: a machine that lands an item as a guest boots to run it from then on, tells of its guests, and
# does what operators want of them; who is not that node, or is an old one, is refused; until it lands otherwise.
# shellcheck disable=SC2317,SC2154,SC2119 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mac=52:54:00:12:34:56 other=52:54:00:00:00:02
mkdir "$work/env"
head -c 1000 /dev/urandom >"$work/env/hypervisor-x86_64.squashfs"
serve_image 4M 262144 "env_dir = $work/env"
url=http://127.0.0.1:$vmcastd_port
guest=525400123456-$item
for name in node thief tpm; do
	tests/tuf/machine.py key "$([[ $name == tpm ]] && echo nistp256 || echo ed25519)" "$work/$name"
done

# machine COMMAND...: sets status and answer
machine()
{
	local said
	said=$(tests/tuf/machine.py "$@")
	status=${said%% *} answer=${said#* }
}

error()
{
	jq -r '.error // empty' <<<"$answer"
}

# land KEY KEPT LANDING [MAC]: the machine is assigned the item so, and has done it; sets ticket
land()
{
	local at=${4:-$mac}
	vmcast machine assign "$at" "$item" --landing "$3" >/dev/null
	ticket=$(boot_ticket "$at" "$item")
	machine plan "$1" "$2" "$url" "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$at\"],\"ticket\":\"$ticket\"}"
	is "landing $3: a plan" "$status $(jq -r .landing <<<"$answer")" "200 $([[ $3 == disk ]] && echo reboot || echo "$3")"
	echo "$answer" >"$work/plan"
	machine "done" "$1" "$2" "$url" "$work/plan" 1
	is "  done" "$status" 204
}

# tells KEY KEPT TICKET SEQ [STATE [CONSOLE-JSON [MORE]]]: the node's report; ticket "-": none
tells()
{
	local text="\"id\":\"$item\",\"name\":\"mail\",\"version\":1,\"state\":\"${5:-running}\",\"accel\":\"tcg\",\"cpus\":2,\"memory_bytes\":1073741824"
	machine guests "$1" "$2" "$url" "{\"version\":1,\"macs\":[\"${at:-$mac}\"],\"seq\":$4,\"guests\":[{$text${7:-}}],\"console\":[${6:-}]$(
		[[ $3 == - ]] || echo ",\"ticket\":\"$3\"")}"
}

# script [ARGUMENT]: what the machine's iPXE gets
script()
{
	curl -s "$url/v1/${1:-script?}&mac=$mac&arch=x86_64&platform=pcbios"
}

ticket_in()
{
	sed -n 's/.* vmcast.ticket=\([0-9a-f]*\) .*/\1/p'
}

# A landing that is chosen in the menu
like "the menu lets the landing be chosen" "$(script)" 'item -- landing What is written next lands: \$\{landing\}'
for landing in guest kexec disk as-the-item-says; do
	ticket=$(curl -s "$url/v1/start?item=$item&write=1&landing=$landing&mac=$mac&arch=x86_64&platform=pcbios" | ticket_in)
	machine plan "$work/node" memory "$url" "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$other\",\"$mac\"],\"ticket\":\"$ticket\"}"
	is "  $landing: its plan" "$status $(jq -r '"\(.landing) \(.guest.name)"' <<<"$answer")" \
		"200 $(case $landing in guest) echo "guest image" ;; kexec) echo "kexec null" ;; *) echo "reboot null" ;; esac)"
done
is "  none that there is" "$(curl -s "$url/v1/start?item=$item&write=1&landing=moonwalk&mac=$mac&arch=x86_64&platform=pcbios" | jq -r .error)" \
	"argument \"landing\": 'moonwalk' is none of disk, kexec and guest"
vmcast machine assign "$mac" "$item" --landing kexec >/dev/null
ticket=$(curl -s "$url/v1/start?item=$item&write=1&landing=guest&mac=$mac&arch=x86_64&platform=pcbios" | ticket_in)
machine plan "$work/node" memory "$url" "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$mac\"],\"ticket\":\"$ticket\"}"
is "  of an assigned machine the assignment's counts" "$status $(jq -r .landing <<<"$answer")" "200 kexec"
vmcast machine release "$mac"

# Before there is a node
tells "$work/node" memory "$(boot_ticket "$mac" "$item")" 1
is "a machine on which nothing landed as a guest" "$status $(error)" "409 machine $mac is no node: what was written to it last is no guest"
land "$work/node" memory disk
tells "$work/node" memory "$ticket" 1
is "or something landed on its disk" "$status" 409

# A node
land "$work/node" memory guest
like "it boots the environment from then on, for its guests" "$(script)" \
	" vmcast.guests BOOTIF=01-52-54-00-12-34-56 vmcast.ticket=[0-9a-f]{32} "
unlike "  without an item, and not its disk" "$(script)" "vmcast.item|sanboot|choose"
is "  the operator sees it" "$(field "/v1/machines/$mac" .node) $(vmcast machine show "$mac" | sed -n 's/^node  *//p')" \
	"true boots to run guests (vmcast guest list)"
is "the service knows of no guest yet" "$(field /v1/guests '.guests | length')" 0
tells "$work/node" memory "$ticket" 1 defined
is "the ticket of the job that is done is its own" "$status $(jq -c . <<<"$answer")" \
	'200 {"version":1,"guests":[],"console":[],"again_s":2}'
tells "$work/node" memory "$ticket" 5 failed '' ',"text":"exit status 1"'
is "it tells on" "$status" 200
is "  the operator sees it" "$(field "/v1/guests/$guest" '"\(.node) \(.name) \(.version) \(.state) \(.text) \(.accel) \(.cpus) \(.memory_bytes) \(.wanted)"')" \
	"$mac mail 1 failed exit status 1 tcg 2 1073741824 null"
like "  in the list" "$(vmcast guest list)" "$guest +mail +2 +1.0 GiB +tcg +20.* failed: exit status 1"
like "  and the log" "$(grep 'node ' "$work/vmcastd.log" | tail -1)" "node $mac: guest mail \(item $item\) is failed: exit status 1"

like "who is refused is to wait" "$(curl -s -D - -o "$work/body" -H 'Content-Type: application/json' "$url/v1/guests" \
	-d "{\"version\":1,\"macs\":[\"$mac\"],\"seq\":9,\"guests\":[],\"console\":[]}")" 'HTTP/1.1 403 .*Retry-After: 60'

# Who it is
tells "$work/node" memory "$ticket" 5
is "the same report again is refused" "$status $(error)" "409 field \"seq\": report 5 of node $mac came after report 5"
tells "$work/node" memory "$ticket" 4
is "an older one is" "$status" 409
tells "$work/thief" memory "$ticket" 6
is "another key with its ticket" "$status $(error)" "403 field \"ticket\": that of node $mac was presented with another key before"
SIGN=$work/thief tells "$work/node" memory "$ticket" 6
is "its key, but signed by another" "$status" 403
tells - memory "$ticket" 6
is "no key" "$status" 403
tells "$work/node" memory - 6
is "no ticket" "$status" 403
tells "$work/thief" tpm - 6
is "no ticket, and a key that outlives boots but is not known" "$status $(error)" \
	"403 field \"ticket\": node $mac has none, and is not known by this key"
tells "$work/node" memory 00112233445566778899aabbccddeeff 6
is "a made-up ticket" "$status" 403
tells "$work/node" memory "$(boot_ticket "$other" "$item")" 6
is "another machine's ticket" "$status" 403
is "none of these is a state" "$(field "/v1/guests/$guest" .state)" failed
like "the log has them" "$(<"$work/vmcastd.log")" "warning.*guests of $mac at 127.0.0.1 refused: field \"ticket\""
while IFS='|' read -r label fields; do
	machine guests "$work/node" memory "$url" "$(jq -nc "{version: 1, macs: [\"$mac\"], ticket: \"$ticket\", seq: 6} + {$fields}")"
	is "$label" "$status" 400
	diag "$(error)"
done <<END
a state that there is not|"guests":[{"id":"$item","name":"a","state":"paused"}],"console":[]
no state|"guests":[{"id":"$item","name":"a"}],"console":[]
a name with more than letters|"guests":[{"id":"$item","name":"a,b","state":"running"}],"console":[]
an id that is none|"guests":[{"id":"../0123456789ab","name":"a","state":"running"}],"console":[]
the same guest twice|"guests":[{"id":"$item","name":"a","state":"running"},{"id":"$item","name":"a","state":"running"}],"console":[]
a console of no guest|"guests":[],"console":[{"id":"$item","data":"x"}]
no list of guests|"console":[]
thirty-three guests|"guests":[$(printf '{"id":"%016x","name":"a","state":"running"},' {1..32}){"id":"$item","name":"a","state":"running"}],"console":[]
no addresses|"macs":[],"guests":[],"console":[]
no number|"seq":null,"guests":[],"console":[]
another version|"version":2,"guests":[],"console":[]
END
tells "$work/node" memory "$ticket" 6
is "after all this it tells on" "$status" 200

# What operators want
vmcast guest stop mail >"$work/said"
like "stop" "$(<"$work/said")" "wanted +stopped"
tells "$work/node" memory "$ticket" 7
is "  the node is told" "$(jq -c .guests <<<"$answer")" "[{\"id\":\"$item\",\"wanted\":\"stopped\"}]"
vmcast guest start "${guest:0:14}" >"$work/said"
tells "$work/node" memory "$ticket" 8 stopped
is "start, by the beginning of its id" "$(jq -c .guests <<<"$answer")" "[{\"id\":\"$item\",\"wanted\":\"running\"}]"
is "  for programs" "$(vmcast --json guest list | jq -r '.guests[] | "\(.id) \(.wanted) \(.state)"')" "$guest running stopped"
is "what there is not" "$(vmcast guest stop web 2>&1 || echo "exit $?")" "vmcast: there is no guest 'web' (vmcast guest list shows them)
exit 4"
is "what cannot be wanted" "$(api PUT "/v1/guests/$guest/wanted" '{"wanted":"paused"}' | jq -r .error)" "field \"wanted\": 'paused' is not known"

# Its console
tells "$work/node" memory "$ticket" 9 running "{\"id\":\"$item\",\"data\":\"Debian\\u001b[0m\\r\\nmail login: \"}"
is "nobody looks" "$(jq .again_s <<<"$answer")" 2
is "what it said" "$(vmcast guest console mail </dev/null | od -An -c | tr -d ' \n')" 'Debian033[0m\r\nmaillogin:'
printf 'root\r\xc3' | vmcast guest console mail >/dev/null
tells "$work/node" memory "$ticket" 10 running "{\"id\":\"$item\",\"data\":\"r\"}"
is "what was typed, as far as it is text, goes to the node, which comes again soon" "$(jq -c '[.console, .again_s]' <<<"$answer")" \
	"[[{\"id\":\"$item\",\"data\":\"root\\r\"}],1]"
tells "$work/node" memory "$ticket" 11
is "  once" "$(jq -c .console <<<"$answer")" "[]"
is "on from where it was read to" "$(field "/v1/guests/$guest/console?from=24" '"\(.from) \(.next) \(.data)"')" "24 25 r"
is "an offset that is none" "$(field "/v1/guests/$guest/console?from=x" .error)" "argument \"from\": 'x' is no offset"
# On a terminal: every key is the guest's, until Ctrl-]
cat >"$work/on-terminal" <<'END'
import os, pty, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
before = termios.tcgetattr(terminal)[3]
said = b""
while b"login: " not in said:
    said += os.read(terminal, 1000)
os.write(terminal, b"\x03\x04u\r\x1drest")
try:
    while got := os.read(terminal, 1000):
        said += got
        after = termios.tcgetattr(terminal)[3]
except OSError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), before == after, b"Ctrl-] leaves" in said)
END
is "on a terminal it leaves by Ctrl-], and leaves that as it was" \
	"$(/usr/bin/python3 "$work/on-terminal" "$BUILD/vmcast" --socket "$work/run/api.sock" guest console mail)" "0 True True"
tells "$work/node" memory "$ticket" 12
is "  what was typed before is the guest's, Ctrl-C and Ctrl-D too" "$(jq -c '.console[].data' <<<"$answer")" '"\u0003\u0004u\r"'
head -c 50000 /dev/zero | tr '\0' x >"$work/long"
tells "$work/node" memory "$ticket" 13 running "{\"id\":\"$item\",\"data\":\"$(<"$work/long")\"}"
tells "$work/node" memory "$ticket" 14 running "{\"id\":\"$item\",\"data\":\"$(<"$work/long")y\"}"
is "more than 64 KiB: the last are kept" "$(field "/v1/guests/$guest/console" '"\(.from) \(.next) \(.data | length) \(.data[-2:])"')" \
	"$((25 + 100001 - 65536)) $((25 + 100001)) 65536 xy"
head -c 1048577 /dev/zero | tr '\0' ' ' >"$work/long"
is "a report has an end" "$(curl -s -o "$work/body" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "@$work/long" "$url/v1/guests") $(jq -r .error "$work/body")" \
	"413 the body is longer than 1024 KiB"
is "a plan's is sooner" "$(curl -s -o "$work/body" -w '%{http_code}' -H 'Content-Type: application/json' --data-binary "@$work/long" "$url/v1/plan") $(jq -r .error "$work/body")" \
	"413 the body is longer than 64 KiB"

# A long life: the service is killed, and forgets tickets that were presented more than a day ago.
kill -KILL "$vmcastd_pid"
wait "$vmcastd_pid" 2>/dev/null || true
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"
sqlite3 "$work/state/vmcast.db" "DELETE FROM boot_ticket"
tells "$work/node" memory "$ticket" 15
is "the node's ticket outlives service and hour" "$status $(jq -c .guests <<<"$answer")" "200 [{\"id\":\"$item\",\"wanted\":\"running\"}]"
tells "$work/node" memory "$ticket" 15
is "  as do the numbers of its reports" "$status" 409

# Its next boot: another ticket, another key, numbers from the beginning. Tickets of one second are as good as each other.
old=$ticket
later() { ticket=$(script | ticket_in); [[ ${ticket:0:8} != "${old:0:8}" ]]; }
wait_for 60 later
tests/tuf/machine.py key ed25519 "$work/node2"
tells "$work/node2" memory "$ticket" 1
is "the next boot" "$status" 200
tells "$work/node" memory "$old" 16
is "reports of the boot before it, replayed" "$status $(error)" "403 field \"ticket\": node $mac has booted with a later one since"
tells "$work/node2" memory "$ticket" 2
is "do not disturb it" "$status" 200
machine plan "$work/node2" memory "$url" "{\"version\":1,\"item\":\"$item\",\"macs\":[\"$mac\"],\"ticket\":\"$ticket\"}"
is "its ticket is not one for a plan" "$status" 403
machine guests "$work/node2" memory "$url" "{\"version\":1,\"macs\":[\"$mac\"],\"seq\":3,\"ticket\":\"$ticket\",\"guests\":[],\"console\":[]}"
is "a node without guests" "$status $(field /v1/guests '.guests | length')" "200 0"
tells "$work/node2" memory "$ticket" 4
is "they come back, and what was wanted is the node's to know" "$(jq -c .guests <<<"$answer")" "[]"

# Released, it has the menu, in which its guests are the default.
vmcast guest stop mail >/dev/null
vmcast machine release "$mac"
like "released: the menu starts its guests by default" "$(script)" "item -- local Start this machine's guests"
like "  which is a script of its own" "$(script 'start?guests=1')" " vmcast.guests .* vmcast.ticket=[0-9a-f]{32} "
is "  for whoever says who it is" "$(curl -s "$url/v1/start?guests=1&arch=x86_64&platform=efi" | jq -r .error)" 'argument "mac" is missing'
tells "$work/node2" memory "$ticket" 5
is "the node goes on" "$status $(jq -c .guests <<<"$answer")" "200 [{\"id\":\"$item\",\"wanted\":\"stopped\"}]"

# The same written anew is wanted as it is by itself; landed on its disk it is no node.
land "$work/node2" memory guest
tells "$work/node2" memory "$ticket" 1 defined
is "written anew: what was wanted is forgotten" "$status $(jq -c .guests <<<"$answer")" "200 []"
land "$work/node2" memory disk
is "landed on its disk: no guests" "$(field /v1/guests '.guests | length') $(field "/v1/machines/$mac" .node)" "0 false"
like "  it boots that" "$(script)" "sanboot"
tells "$work/node2" memory "$ticket" 2
is "  and tells of none" "$status" 409

# A key that outlives boots is the machine's: no ticket is needed, and none helps another.
land "$work/tpm" tpm guest "$other"
at=$other tells "$work/tpm" tpm "$ticket" 1
is "a node with a TPM" "$status" 200
at=$other tells "$work/thief" memory "$(boot_ticket "$other" "$item")" 1
is "a new ticket in a thief's hands" "$status" 403
like "  alerts" "$(vmcast machine show "$other")" "ALERT +.* wanted to be this machine"
at=$other tells "$work/tpm" tpm - 1000
is "without a ticket, as from a signed command line" "$status" 200
at=$other tells "$work/tpm" tpm - 1000
is "  numbers rise" "$status" 409
at=$other tells "$work/tpm" tpm "$ticket" 2
is "  beside those with one" "$status" 200
at=$other tells "$work/tpm" tpm - 999
is "  which do not set them back" "$status" 409
land "$work/node2" memory guest
tells "$work/node2" memory "$ticket" 1
like "two nodes with guests of one name: which?" "$(vmcast guest stop mail 2>&1 || true)" "'mail' names several guests: 525400000002-$item 525400123456-$item; give one's id"
is "of one node" "$(field "/v1/guests?node=$other" '[.guests[].node] | join(" ")')" "$other"
is "which is none" "$(field "/v1/guests?node=x" .error)" "argument \"node\": 'x' is no MAC address"
stop_vmcastd
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env" "identity = key"
tells "$work/node2" memory "$ticket" 2
is "identity = key: a key of one boot is refused" "$status" 403
at=$other tells "$work/tpm" tpm - 1001
is "identity = key: one that lasts is taken" "$status" 200
done_testing

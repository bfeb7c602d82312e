#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A node with two guests. One panics and comes back, is stopped and started by the operator, and is typed to on its console; the node
# is switched off by its button, gets a second guest, has its power cut, and runs both again from its own disk.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

debian=$BUILD/images/debian-12.raw.zst
word=$("$top/qemu/image" debian >/dev/null && cat "$BUILD/images/debian-12.word")
"$top/qemu/image" marker "$work/marker.raw" --stay 120 --token "$token"
netboot_up --dhcp own
"$top/qemu/feed" http://10.77.0.1:8088 --title "Web server" "$debian" --title "Marker" "$work/marker.raw" >"$work/feed.xml"
lab serve "$debian" "$work/marker.raw" "$work/feed.xml"
lab vmcast feed add --wait http://10.77.0.1:8088/feed.xml policy=none >"$work/feed.log" 2>&1 || diag "$(cat "$work/feed.log")"

# shellcheck disable=SC2317 # called by `ok` and `wait_for`
both_are_ready()
{
	[[ $(api item list | jq '[.items[] | select(.state == "ready")] | length') == 2 ]]
}
wait_for 300 both_are_ready || diag "$(api item list)"
address=52:54:00:77:01:40

# guest NAME FIELD: as the service tells it
guest()
{
	api guest list | jq -r --arg name "$1" '.guests[] | select(.name == $name) | .'"$2"
}

# is_in NAME STATE
# shellcheck disable=SC2317 # called by `ok` and `wait_for`
is_in()
{
	[[ $(guest "$1" state) == "$2" ]]
}

lines()
{
	lab said node | wc -l
}

# type_line TEXT: and Return, on the console of the web server
type_line()
{
	printf '%s\r' "$1" | lab vmcast guest console Web-server >>"$work/console" 2>&1
}

# Its console has shown REGEX since line FROM of the node's.
# shellcheck disable=SC2317 # called by `ok` and `wait_for`
shows()
{
	lab wait node "Web-server\| .*$2" 900 --since "$1" >/dev/null
}

# The processor has KVM, which the lab's own does not need.
lab vmcast machine assign "$address" "Web server" --landing guest >/dev/null
lab machine --id node --mac "$address" --memory 3072 --cpus 2 --disk 4G --qemu -cpu --qemu "EPYC,+svm,+npt" --detach >/dev/null
ok "the first guest comes up" shows 0 "vmcast demo image $word"
ok "the service knows" wait_for 60 is_in Web-server running
is "and how" "$(guest Web-server accel) $(guest Web-server cpus) $(guest Web-server memory_bytes)" "kvm 1 1073741824"

from=$(lines)
type_line ""
ok "it asks who is there" shows "$from" 'login:'
type_line root
ok "and for a password" shows "$from" Password:
type_line vmcast
ok "an operator is logged in on its console" shows "$from" 'root@vmcast-demo:'
from=$(lines)
type_line 'echo c >/proc/sysrq-trigger'
ok "its kernel panics: the node knows" lab wait node 'vmcast: guest Web-server: failed: its kernel panicked' 300 --since "$from"
ok "and it comes back" shows "$from" "vmcast demo image $word"

from=$(lines)
lab vmcast guest stop Web-server >/dev/null
ok "an operator stops it: it powers off" lab wait node 'vmcast: guest Web-server: stopped: as it was told' 300 --since "$from"
ok "the service knows that, too" wait_for 60 is_in Web-server stopped
lab vmcast guest start Web-server >/dev/null
ok "and starts it" shows "$from" "vmcast demo image $word"

from=$(lines)
lab button node
ok "the node's button: its guest powers off first" \
	lab wait node 'vmcast: guest Web-server: stopped: as it was told' 300 --since "$from"
# shellcheck disable=SC2317 # called by `ok` and `wait_for`
machine_is_off()
{
	lab list | grep -q 'node.*off'
}
ok "then the node does" wait_for 60 machine_is_off

lab vmcast machine assign "$address" Marker --landing guest >/dev/null
lab start node
ok "the second guest comes up" lab wait node "Marker\| .*vmcast-test-booted $token" 900
ok "and runs" wait_for 60 is_in Marker running
ok "the first does, too, beside it" shows 0 "vmcast demo image $word"
lab stop node
from=$(lab service log | wc -l)
lab start node
ok "after a power cut the second comes up" lab wait node "Marker\| .*vmcast-test-booted $token" 900
ok "and the first" shows 0 "vmcast demo image $word"
unlike "nothing was written" "$(lab said node)" 'vmcast: (plan|write|commit)'
unlike "nothing was planned" "$(lab service log | tail -n +"$from")" 'plan for'
done_testing

#!/bin/bash
# The service's TUF repository: a plan waits for its signature, kills leave what a client can follow, kernels, ISO images, several disks
# and the boot environment are targets, new keys are taken up, and no list of machines is long.
# shellcheck disable=SC2016,SC2317 # functions and texts are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/tuf/repository.sh

# kind_of NAME: of the item's targets, with the lengths
kind_of()
{
	jq -r --arg item "$(item_of "$1")" '[.signed.targets | to_entries[] | select(.key | startswith("items/" + $item)) |
		"\(.key | ltrimstr("items/" + $item + "/")) \(.value.custom.vmcast.kind) \(.value.length)"] | sort | join(", ")' \
		"$trust/metadata/$(number items).items.json"
}

# assign RULE: the machine's rule for its disk
assign()
{
	vmcast machine assign "$mac" "$item" --target "$1" >/dev/null
}

assignment()
{
	target machines/52-54-00-12-34-56.json | jq -r .target
}

settled()
{
	[[ $(plan) == 200 ]]
}

make_keys
mkdir "$work/env"
start_origin
make_image "$origin/image" 4M 262144
make_image "$work/second" 2M 65536
make_ova "$origin/box.ova" "$origin/image" "$work/second"
perl -e 'print "\0" x 510, "\x55\xaa\xeb\x66HdrS\x0f\2", "\0" x 4000' >"$origin/bzimage"
genisoimage -quiet -o "$origin/disc.iso" "$work/passphrase"
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin"/{image,box.ova,bzimage,disc.iso} >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"
for name in box.ova bzimage disc.iso image; do
	wait_ingest "$name" || exit 1
done
tuf init "$trust/metadata/1.root.json"
settled

is "a kernel is a target" "$(kind_of bzimage)" "file kernel $(stat -c %s "$origin/bzimage")"
is "an ISO image is a target" "$(kind_of disc.iso)" "file iso $(stat -c %s "$origin/disc.iso")"
like "each disk of several is a target" "$(kind_of box.ova)" '^0/index disk [0-9]+, 1/index disk [0-9]+$'

assign name=vda
mv "$trust/targets/machines" "$work/aside"
: >"$trust/targets/machines"
assign name=vdb
is "what cannot be signed is not handed out" "$(plan)" 503
like "  the answer says why" "$(jq -r .error "$work/plan")" "cannot be signed: .*targets/machines"
rm "$trust/targets/machines"
mv "$work/aside" "$trust/targets/machines"
ok "once it can be signed, it is handed out" wait_for 60 settled
is "  as it was signed" "$(assignment)" name=vdb

# A copy of what a kill left is a repository: it leads from each timestamp to everything that it announces.
mkdir "$origin/left"
tuf_of_copy()
{
	"$BUILD/tests/tuf/client" --metadata-dir "$work/client" --metadata-url "http://127.0.0.1:$origin_port/left/trust/metadata/" \
		--target-name policy.json --target-base-url "http://127.0.0.1:$origin_port/left/trust/targets/" \
		--target-dir "$work/files" download
}
change_for_ever()
{
	local nr=0

	while nr=$((nr + 1)); do
		assign "name=vd$nr" && plan >/dev/null || return 0
	done
}
torn=0
for round in 1 2 3 4 5 6 7 8; do
	change_for_ever 2>/dev/null &
	changer=$!
	before=$(number snapshot)
	wait_for 60 eval "[[ \$(number snapshot) -gt $((before + round)) ]]"
	kill -KILL "$vmcastd_pid"
	wait "$vmcastd_pid" 2>/dev/null || true
	wait "$changer" || true
	cp -r "$trust" "$origin/left/trust"
	[[ $(signed '.meta["snapshot.json"].version' timestamp.json) == "$(number snapshot)" ]] || torn=$((torn + 1))
	ok "kill $round: a client that remembers follows what is left" tuf_of_copy
	rm -r "$origin/left/trust"
	start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"
	settled
	ok "kill $round: and what comes then" tuf refresh
done
diag "$torn of 8 kills came between snapshot and timestamp"

echo old >"$trust/targets/machines/$(printf '%064d' 7).52-54-00-00-00-07.json"
kept=$(target policy.json)
stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"
settled
ok "files that no target has any more are removed at the start" test ! -e "$trust/targets/machines/$(printf '%064d' 7).52-54-00-00-00-07.json"
is "  what is a target stays" "$(target policy.json)" "$kept"
like "  so does the assignment" "$(assignment)" '^name=vd[0-9]+$'

echo 'another kernel' >"$work/env/vmlinuz"
kill -HUP "$vmcastd_pid"
env_is_signed()
{
	[[ $(signed '.targets["env/vmlinuz"].hashes.sha256' "$(number items).items.json") == "$(sha256sum <"$work/env/vmlinuz" | cut -d' ' -f1)" ]]
}
ok "a new boot environment is signed after SIGHUP" wait_for 60 env_is_signed

"$BUILD/vmcast" key rotate online --keys "$work/keys" --repository "$trust" --passphrase-file "$work/passphrase" >"$work/said" 2>&1
"$BUILD/vmcast" key publish --repository "$trust" >>"$work/said" 2>&1 || true
kill -HUP "$vmcastd_pid"
ok "a new online key is taken up" wait_for 60 eval '[[ $(field /v1/status .trust.root_version) == 2 ]]'
settled
ok "  and clients follow to it" tuf refresh
is "  with the assignment" "$(signed .version "$(number "$bin").$bin.json")" "$(number "$bin")"

stop_vmcastd TERM
sqlite3 "$work/state/vmcast.db" "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
	INSERT INTO machine (mac, first_seen_at, last_seen_at, assignment, item_id, target)
	SELECT '02:00:00:00:' || printf('%02x:%02x', i / 256, i % 256), 1, 1, assignment, item_id, target
	FROM n, (SELECT * FROM machine WHERE mac = '$mac')"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "env_dir = $work/env"
settled
is "a client finds the first of a thousand machines" "$(target machines/02-00-00-00-00-01.json | jq -r .item)" "$item"
is "  and the last" "$(target machines/02-00-00-00-03-e8.json | jq -r .item)" "$item"
most=0
for digit in {0..9} {a..f}; do
	count=$(signed '.targets | length' "$(number "machines-$digit").machines-$digit.json")
	[[ $count -le $most ]] || most=$count
done
ok "  and no list has more than a tenth of them" test "$most" -le 100
done_testing

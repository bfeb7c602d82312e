#!/bin/bash
# vmcastd keeps a TUF repository of what it serves and has assigned, and a client that trusts the site's root follows it.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/tuf/repository.sh

make_keys
serve_image 4M 262144
tuf init "$trust/metadata/1.root.json"

is "a plan is made" "$(plan)" 200
is "it says where the signed metadata is" "$(jq -r .trust.metadata_url "$work/plan")" /tuf/metadata/
like "the operator sees until when" "$(vmcast status)" "trust +root version 1 until 20[0-9-]+, targets version 1 until 20[0-9-]+"
items=$(number items).items.json
entry=".targets[\"items/$item/0/index\"]"
for pair in .length=.image.index_bytes .custom.vmcast.image=.image.id .custom.vmcast.disk_bytes=.image.disk_bytes \
	.custom.vmcast.zeros=.zeros .custom.vmcast.landing=.landing .custom.vmcast.item=.item.id .custom.vmcast.uuid=.item.uuid; do
	is "signed${pair%=*} is the plan's" "$(signed "$entry${pair%=*}" "$items")" "$(jq -er "${pair#*=}" "$work/plan" || echo missing)"
done
is "the digest is the plan's" "sha256:$(signed "$entry.hashes.sha256" "$items")" "$(jq -r .image.index_digest "$work/plan")"
ok "a client that trusts the root follows" tuf refresh
is "the policy" "$(target policy.json)" '{"unassigned":"menu","version":1}'
is "a machine without an assignment has no target" "$(target machines/52-54-00-12-34-56.json || echo none)" none

# The boot client of this site, and one of another.
"$BUILD/vmcast" key export --repository "$trust" -o "$work/root.json" >/dev/null
"$BUILD/vmcast" key init --keys "$work/other.keys" --repository "$work/other" --passphrase-file "$work/passphrase" >/dev/null 2>&1
fill "$work/disk" 4M
cp "$work/disk" "$work/disk.before"
write_disk "$vmcastd_port" "$work/disk" --root "$work/other/metadata/1.root.json" --retry-for 2
is "vmcast-boot with another site's root refuses" "$status" 4
ok "  and the disk is as it was" cmp "$work/disk" "$work/disk.before"
write_disk "$vmcastd_port" "$work/disk" --root "$work/root.json"
is "vmcast-boot with the site's root writes" "$status" 0
like "  and says whose signatures it followed" "$said" 'trust: '
ok "  the image" cmp "$image" "$work/disk"

"$BUILD/vmcast" --socket "$work/run/api.sock" machine assign "$mac" "$item" --target bus=nvme >/dev/null
plan >/dev/null
is "an assignment is signed before its plan is handed out" "$(target machines/52-54-00-12-34-56.json)" \
	"{\"item\":\"$item\",\"target\":\"bus=nvme\",\"version\":1}"
machines=$(number "$bin")
curl -s -H 'Content-Type: application/json' -H "Authorization: Bearer $(jq -r .ticket "$work/plan")" -d '{"phase":"done"}' \
	"http://127.0.0.1:$vmcastd_port/v1/jobs/$(jq -r .job "$work/plan")"
plan >/dev/null
is "once it is installed it is not" "$(target machines/52-54-00-12-34-56.json || echo none)" none
ok "by a newer version" test "$(number "$bin")" -gt "$machines"

before=$(signed .version timestamp.json)
plan >/dev/null
is "where nothing changed nothing is signed" "$(signed .version timestamp.json)" "$before"
kill -9 "$vmcastd_pid"
wait "$vmcastd_pid" || true
start_vmcastd "unassigned = refuse" "feed = http://127.0.0.1:$origin_port/feed.xml"
is "after a kill version numbers go on" "$(signed .version timestamp.json)" $((before + 1))
is "the policy is another one" "$(target policy.json)" '{"unassigned":"refuse","version":1}'
is "the status says so" "$(field /v1/status .trust.root_version)" 1

is "the timestamp is not cached" "$(curl -sI "http://127.0.0.1:$vmcastd_port/tuf/metadata/timestamp.json" |
	sed -n 's/^cache-control: \(.*\)\r/\1/Ip')" no-cache
is "the online key is not served" "$(curl -s --path-as-is -o /dev/null -w '%{http_code}' \
	"http://127.0.0.1:$vmcastd_port/tuf/metadata/../online.pem")" 404

stop_vmcastd TERM
openssl genpkey -algorithm ed25519 -out "$trust/online.pem" 2>/dev/null
chmod 600 "$trust/online.pem"
status=0
timeout 20 "$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>"$work/said" || status=$?
is "another online key: the service does not start" "$status" 1
like "and names file and key" "$(cat "$work/said")" "online.pem': key [0-9a-f]{64} is not the one"
done_testing

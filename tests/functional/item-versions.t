#!/bin/bash
# F18: a uuid that is announced with other bytes is a new version. The one before serves until it is ready, and can be served
# again by its name; what is deployed are the bytes of the version that serves.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((2 << 20))
start_origin

# announce NAME [LENGTH]: the one item, with the bytes of this file (and another length than it has)
announce()
{
	cat >"$origin/feed.xml" <<-END
		<rss version="2.0"><channel><title>feed</title><item><title>Debian $1</title><uuid>u</uuid>
		<enclosure url="$1" length="${2-$(stat -c %s "$origin/$1")}"/>${more-}</item></channel></rss>
	END
}

for name in one two three; do
	make_image "$origin/$name" "$bytes" $((bytes / 2))
done
head -c "$bytes" /dev/urandom >"$origin/two"

serves()
{
	field "/v1/items/$item" '"\(.version) \(.newest_version)"'
}

# deploys FILE: what a machine gets
deploys()
{
	rm -f "$work/disk"
	write_disk "$vmcastd_port" "$work/disk"
	[[ $status == 0 ]] || { diag "$said"; return 1; }
	cmp "$origin/$1" "$work/disk"
}

is_in()
{
	[[ $(field "/v1/items/$item" .state) == "$1" ]]
}

# refresh VERSION: the feed is fetched, and the item ingested until this version is the newest
refresh()
{
	vmcast feed refresh >/dev/null
	wait_for 120 eval "[[ \$(field /v1/items/$item .newest_version) == $1 ]]"
}

announce one
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml keep=2"
wait_ingest one
is "the first ingest is version 1" "$(serves)" "1 1"
ok "which is deployed" deploys one

# Nothing is offered of a version that cannot be made
announce two 17
vmcast feed refresh >/dev/null
wait_for 120 is_in failed
is "other bytes whose ingest fails make no version" "$(serves)" "1 1"
ok "and the one before is deployed" deploys one

more="<architecture xmlns='urn:vmcast:1'>aarch64</architecture>" announce two 18
vmcast feed refresh >/dev/null
wait_for 120 is_in failed
script="http://127.0.0.1:$vmcastd_port/v1/script?platform=efi&arch"
like "announced for other machines, what serves is in the menu of its own" "$(curl -s "$script=x86_64")" "$item"
unlike "and in that of no others" "$(curl -s "$script=arm64")" "$item"
is "nor are they given a plan" "$(curl -s -H 'Content-Type: application/json' \
	-d '{"version":1,"item":"'"$item"'","arch":"aarch64"}' "http://127.0.0.1:$vmcastd_port/v1/plan" | jq -r .error)" \
	"item $item is for x86_64, this machine is aarch64"

announce two
refresh 2
is "other bytes under the same uuid are version 2" "$(serves)" "2 2"
ok "which is deployed" deploys two
like "the feed's change is told in the log" "$(cat "$work/vmcastd.log")" "announces other bytes under the same uuid"
like "both are listed" "$(vmcast item versions "$item")" "2 .*yes .*1 "
like "an item shows its version" "$(vmcast item show "$item")" "version +2"

like "an older version is served by its name" "$(vmcast item rollback "$item" 1)" "version 1 of 2 serves"
ok "and deployed" deploys one
like "as the list of items shows" "$(vmcast item list)" "1 of 2"
vmcast item ingest --wait "$item" >/dev/null
is "ingesting the same bytes again leaves it so" "$(serves)" "1 2"
stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml keep=2"
is "so does a restart" "$(serves)" "1 2"
ok "which deploys it still" deploys one

# The operator's choice stands, whatever becomes of what was withdrawn
stop_vmcastd TERM
image_of_two=$(sqlite3 "$work/state/vmcast.db" "SELECT id FROM version_blob WHERE number = 2")
rm -r "$work/state/images/$image_of_two"
fetched=$(grep -c 'GET /two' "$work/access.log")
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml keep=2"
like "the image of the newer one is lost" "$(cat "$work/vmcastd.log")" "image ${image_of_two:0:16}... is missing"
vmcast feed refresh >/dev/null
sleep 1
is "it is not ingested again by itself" "$(grep -c 'GET /two' "$work/access.log") $(field "/v1/items/$item" .state)" "$fetched ready"
is "and the older one serves" "$(serves)" "1 2"
ok "which is deployed" deploys one
announce two 17
vmcast feed refresh >/dev/null
wait_for 120 is_in failed
like "an ingest that fails is told of" "$(vmcast item show "$item")" "error +.*17"
vmcast item rollback "$item" 1 >/dev/null
is "until a version is chosen: nothing is wrong then" "$(field "/v1/items/$item" '"\(.state) \(.error)"')" "ready null"
unlike "as people are told" "$(vmcast item show "$item")" "error"
like "and listed" "$(vmcast item list)" "ready"

announce three
refresh 3
is "something newer serves" "$(serves)" "3 3"
ok "and is deployed" deploys three
is "of three versions, two are kept" "$(field "/v1/items/$item/versions" '[.versions[].version] | join(" ")')" "3 1"
ok "and as many images" wait_for 60 eval "[[ \$(ls $work/state/images | wc -l) == 2 ]]"
status=0
said=$(vmcast item rollback "$item" 2 2>&1) || status=$?
is "what is not kept cannot be served: exit status" "$status" 4
like "with the reason" "$said" "has no version 2"
status=0
said=$(vmcast item rollback "$item" one 2>&1) || status=$?
is "nor can what is no number: exit status" "$status" 2
is "an item that is not there has no versions" "$(api GET /v1/items/0123456789abcdef/versions | jq -r .error)" \
	"there is no item '0123456789abcdef'"
done_testing

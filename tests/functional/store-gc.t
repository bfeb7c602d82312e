#!/bin/bash
# The store stays within its limit and keeps what serves or is being read: old versions go, the oldest first, and an ingest that
# there is no room for fails with the reason. `vmcast store gc --dry-run` tells what a run would remove.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((1 << 20))
start_origin

# announce NUMBER [NAME=FILE...]: version NUMBER of the item "u", which cannot be compressed; and more items
announce()
{
	local more

	head -c "$bytes" /dev/urandom >"$origin/v$1"
	{
		echo "<rss version='2.0'><channel><title>feed</title>"
		echo "<item><title>u</title><uuid>u</uuid><enclosure url='v$1' length='$bytes'/><guid>$1</guid></item>"
		for more in "${@:2}"; do
			echo "<item><title>$more</title><uuid>$more</uuid><enclosure url='$more'/></item>"
		done
		# Another length each time: within one second the server tells two documents of one length not apart.
		printf '</channel><!--%*s--></rss>\n' "$1" ''
	} >"$origin/feed.xml"
}

is_newest()
{
	[[ $(field "/v1/items/$item" .newest_version) == "$1" ]]
}

# refresh NUMBER: until this version is ingested. The digest of the bytes is not announced: another URL is another version.
refresh()
{
	vmcast feed refresh 2>/dev/null >&2
	wait_for 120 is_newest "$1" || diag "$(vmcast item show "$item")"
}

versions()
{
	field "/v1/items/$item/versions" '[.versions[].version] | join(" ")'
}

folders()
{
	find "$work/state/images" -mindepth 1 -maxdepth 1 | wc -l
}

announce 1
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml keep=2" "store_bytes_max = 3500K"
wait_ingest v1

# A machine reads version 1: it has a plan, and has not said that it is done.
plan=$(curl -sS -d "{\"version\":1,\"item\":\"$item\"}" -H "Content-Type: application/json" "http://127.0.0.1:$vmcastd_port/v1/plan")
image=$(jq -r .image.id <<<"$plan")
announce 2
refresh 2
announce 3
refresh 3
is "two versions are kept" "$(versions)" "3 2"
is "and the image that the machine reads" "$(folders)" 3
is "what is spare is the version that nobody reads" "$(($(field /v1/store .spare_bytes) / bytes))" 1

announce 4
refresh 4
is "a fourth needs room: the oldest that serves nothing go" "$(versions)" "4 3"
ok "but the image that a machine reads stays" test -s "$work/state/images/$image/image.zst"
ok "and is sent" curl -sSf -o "$work/sent" "http://127.0.0.1:$vmcastd_port/images/$image/image.zst"
is "three images are left" "$(folders)" 3
ok "which is within the limit" test "$(field /v1/store .image_bytes)" -le $((3500 << 10))

# The machine is done. What it read is nobody's any more.
curl -sSf -o /dev/null -d '{"phase":"done"}' -H "Content-Type: application/json" -H "Authorization: Bearer $(jq -r .ticket <<<"$plan")" \
	"http://127.0.0.1:$vmcastd_port/v1/jobs/$(jq -r .job <<<"$plan")"
would=$(vmcast --json store gc --dry-run)
is "a dry run tells of it" "$(jq -r '.removed[] | "\(.what) \(.image)"' <<<"$would")" "image $image"
ok "and removes nothing" test -e "$work/state/images/$image/index"
did=$(vmcast --json store gc)
is "a run removes what the dry one told of" "$(jq -c '[.bytes, .removed]' <<<"$did")" "$(jq -c '[.bytes, .removed]' <<<"$would")"
ok "the image is gone" test ! -e "$work/state/images/$image"
like "a second run has nothing to do" "$(vmcast store gc)" "freed nothing"
is "what serves is there" "$(folders)" 2

# Fewer versions to keep: they go with the next run, and are told of before.
stop_vmcastd TERM
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml keep=1" "store_bytes_max = 3500K" "ingest = manual"
ok "versions beyond the limit go by themselves" wait_for 60 eval "[[ \$(versions) == 4 && \$(folders) == 1 ]]"

# Too large for what is left, whatever is forgotten
head -c $((4 * bytes)) /dev/urandom >"$origin/large"
announce 4 large
vmcast feed refresh 2>/dev/null >&2
wait_for 60 eval "[[ -n \$(item_of large) ]]"
status=0
said=$(vmcast item ingest --wait "$(item_of large)" 2>&1) || status=$?
is "an ingest that there is no room for fails" "$status" 1
like "with the reason" "$said" "store_bytes_max"
is "what serves is still there" "$(versions) $(folders)" "4 1"
is "and nothing is left of the attempt" "$(find "$work/state/spool" -name '*.work')" ""
done_testing

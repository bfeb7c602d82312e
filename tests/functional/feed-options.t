#!/bin/bash
# A feed's own policy: which of its items are made ready ahead of time, from where, and how large; set with the command, in the
# configuration, and carried from one service to another as OPML.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
other_port=$(free_port)
mkdir -p "$work/nginx.d"
echo "server { listen 127.0.0.1:$other_port; root $origin; location = /leave { return 302 http://localhost:$origin_port/disk; } }" >"$work/nginx.d/other.conf"
reload_origin
truncate -s 1M "$origin/disk"
truncate -s 2M "$origin/large"

# feed NAME ITEM...: a document; an item is TITLE|DAY|URL
feed()
{
	local name=$1 title day url
	shift
	{
		echo '<rss version="2.0"><channel><title>a feed</title>'
		printf '%s\n' "$@" | while IFS='|' read -r title day url; do
			echo "<item><title>$title</title><guid isPermaLink='false'>$title</guid><pubDate>2026-11-$day</pubDate><enclosure url='$url'/></item>"
		done
		echo '</channel></rss>'
	} >"$origin/$name.xml"
}

# states FEED: of its items, newest first
states()
{
	field "/v1/items?feed=$1" '[.items[] | .title + " " + .state] | join(", ")'
}

# goes_beyond STATES WANTED: something is made, or was, that is to be announced only
goes_beyond()
{
	local title

	while IFS= read -r title; do
		[[ ! ", $1" =~ ", $title "(ingesting|ready|failed) ]] || return 0
	done < <(sed -n 's/ announced$//p' <<<"${2//, /$'\n'}")
	return 1
}

# settles LABEL FEED WANTED: its items come to these states and stay there. Ends as soon as one too many is made, and when
# nothing happened for 30 s.
settles()
{
	local now='' before quiet_since=$SECONDS

	while [[ $((SECONDS - quiet_since)) -lt 30 ]]; do
		before=$now
		now=$(states "$2")
		[[ $now == "$before" ]] || quiet_since=$SECONDS
		if goes_beyond "$now" "$3"; then
			diag "made ready ahead of time, and should not have been:"
			break
		fi
		[[ $now != "$3" || $before != "$3" ]] || break
		sleep 1
	done
	is "$1" "$now" "$3"
}

# outcome FEED TITLE
outcome()
{
	field "/v1/items?feed=$1" ".items[] | select(.title == \"$2\") | .state + (if .error then \": \" + .error else \"\" end)"
}

settled()
{
	[[ $(outcome "$1" "$2") =~ ^(ready|failed) ]]
}

add()
{
	vmcast feed add --wait "$@" policy=none | cut -d' ' -f1
}

base=http://127.0.0.1:$origin_port
feed many 'Debian 1|01|disk?1' 'Debian 2|02|disk?2' 'Debian 3|03|disk?3' 'Other 4|04|disk?4'
cp "$origin/many.xml" "$origin/configured.xml"
start_vmcastd "feed = $base/configured.xml ingest=newest title=\"debian *\" keep=2"
vmcast feed list >"$work/list"
configured=$(field /v1/feeds '.feeds[0].id')
settles "the configuration's policy holds: the newest of those with such a title" "$configured" \
	"Other 4 announced, Debian 3 ready, Debian 2 announced, Debian 1 announced"
is "and shows" "$(field "/v1/feeds/$configured" .options)" 'ingest=newest title="debian *" keep=2 policy=none'
status=0
said=$(vmcast feed set "$configured" keep=3 2>&1) || status=$?
like "it is changed in the configuration only" "$status $said" "^1 .*configuration file"

many=$(add "$base/many.xml" ingest=demand)
settles "on demand: nothing is made ready ahead of time" "$many" \
	"Other 4 announced, Debian 3 announced, Debian 2 announced, Debian 1 announced"
vmcast feed set "$many" ingest=newest:2 >"$work/set"
settles "the two newest: as soon as it is said" "$many" "Other 4 ready, Debian 3 ready, Debian 2 announced, Debian 1 announced"
feed many 'Debian 1|01|disk?1' 'Debian 2|02|disk?2' 'Debian 3|03|disk?3' 'Other 4|04|disk?4' 'Debian 5|05|disk?5'
vmcast feed refresh "$many" >"$work/refresh"
settles "and a newer one when it comes" "$many" \
	"Debian 5 ready, Other 4 ready, Debian 3 ready, Debian 2 announced, Debian 1 announced"
vmcast feed set "$many" ingest=all 'title=Debian [12]' >"$work/set"
settles "all with such a title" "$many" \
	"Debian 5 ready, Other 4 ready, Debian 3 ready, Debian 2 ready, Debian 1 ready"

feed hosts 'own|03|disk' "other|02|http://localhost:$other_port/disk" "elsewhere|01|http://127.0.0.1:$other_port/leave"
hosts=$(add "$base/hosts.xml" only_host=127.0.0.1)
wait_for 60 settled "$hosts" own
is "only its own host: that is fetched from" "$(outcome "$hosts" own)" ready
wait_for 60 settled "$hosts" other
like "another is not" "$(outcome "$hosts" other)" "^failed: .*neither the feed's own nor in only_host"
wait_for 60 settled "$hosts" elsewhere
like "nor where a redirect leads to" "$(outcome "$hosts" elsewhere)" "^failed: .*neither the feed's own nor in only_host"

feed sizes 'small|02|disk' 'large|01|large'
sizes=$(add "$base/sizes.xml" disk_bytes_max=1M)
wait_for 60 settled "$sizes" small
is "a disk within the feed's limit is taken" "$(outcome "$sizes" small)" ready
wait_for 60 settled "$sizes" large
like "a larger one is not" "$(outcome "$sizes" large)" "^failed: .*(1.0 MiB|1048576)"
{ cat "$origin/sizes.xml"; head -c 70000 /dev/zero | tr '\0' ' '; } >"$origin/long.xml"
status=0
said=$(add "$base/long.xml" feed_bytes_max=64K 2>&1) || status=$?
like "a feed longer than its limit is refused" "$said" "feed_bytes_max"

status=0
said=$(vmcast feed add "$base/many.xml" ingest=sometimes 2>&1) || status=$?
like "an option that is none: says what would be right" "$status $said" "^2 .*ingest=sometimes: write all"

# From one service to another
vmcast feed export >"$work/feeds.opml"
ok "the subscriptions are a list in XML" xmllint --noout "$work/feeds.opml"
is "of all feeds" "$(xmllint --xpath 'count(//outline)' "$work/feeds.opml")" 5
stop_vmcastd TERM
rm -r "$work/state"
start_vmcastd
vmcast feed import "$work/feeds.opml" >"$work/import" 2>"$work/said"
is "another service has them all" "$(field /v1/feeds '.feeds | length')" 5
like "but for their options, which it says" "$(<"$work/said")" "options of 5 feeds not taken; --with-options"
is "none of them" "$(field /v1/feeds '[.feeds[].options] | join("")')" ""
vmcast feed import --with-options - <"$work/feeds.opml" >"$work/import" 2>"$work/said"
is "with their options, where that is wanted" "$(field /v1/feeds ".feeds[] | select(.url == \"$base/many.xml\") | .options")" 'ingest=all title="Debian [12]" policy=none'
cat >"$work/others.opml" <<END
<opml version="1.1"><body><outline text="News"><outline text="good" xmlUrl="$base/good.xml"/><outline text="ftp" xmlUrl="ftp://h/f.xml"/></outline></body></opml>
END
status=0
said=$(vmcast feed import "$work/others.opml" 2>&1) || status=$?
is "of a list with one that cannot be: told by the exit status" "$status" 5
like "and where" "$said" "line 1: 'ftp://h/f.xml': .*no http"
is "the other is there" "$(field /v1/feeds "[.feeds[].url] | contains([\"$base/good.xml\"])")" true
echo '<html/>' >"$work/page"
status=0
said=$(vmcast feed import "$work/page" 2>&1) || status=$?
like "what is no list is refused" "$status $said" "^1 .*no OPML"

# What keeps its options from being written keeps the feed from being there: it may not be fetched without them.
sqlite3 -cmd ".timeout 9000" "$work/state/vmcast.db" "CREATE TRIGGER t BEFORE UPDATE OF options ON feed BEGIN SELECT raise(ABORT, 'no'); END"
api POST /v1/feeds '{"url":"http://127.0.0.1:1/atomic.xml","options":"scheme=https"}' >/dev/null
is "a feed is added with its options or not at all" "$(field /v1/feeds '[.feeds[] | select(.url | endswith("/atomic.xml"))] | length')" 0
done_testing

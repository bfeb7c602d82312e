#!/bin/bash
# What a feed must prove before an item of it is ingested (option policy=): a digest that came over HTTPS, an archive's own signatures, or
# nothing where its operator says so. What proves less is refused, with what to do about it, while what serves goes on.
# Runs in a mount namespace, where the system's certificates can be replaced.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
if [[ -z ${IN_NAMESPACE-} ]]; then
	user=()
	[[ $(id -u) -eq 0 ]] || user=(--map-root-user)
	unshare "${user[@]}" --mount true 2>/dev/null || { echo "1..0 # SKIP no mount namespaces here"; exit; }
	IN_NAMESPACE=1 exec unshare "${user[@]}" --mount "$0"
fi
. tests/lib.sh

tls_port=$(free_port)
redirect_port=$(free_port)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=vmcast-test \
	-addext "subjectAltName=IP:127.0.0.1" -keyout "$work/key" -out "$work/certificate" 2>"$work/openssl"
mount --bind "$work/certificate" /etc/ssl/certs/ca-certificates.crt
mkdir "$work/nginx.d"
start_origin
http=http://127.0.0.1:$origin_port
https=https://127.0.0.1:$tls_port
cat >"$work/nginx.d/tls.conf" <<END
server {
	listen 127.0.0.1:$tls_port ssl;
	ssl_certificate $work/certificate;
	ssl_certificate_key $work/key;
	root $origin;
}
server {
	listen 127.0.0.1:$redirect_port;
	return 302 $https\$request_uri;
}
END
reload_origin

# feed NAME ITEM...: a feed of items "TITLE|ENCLOSURE|MORE"
feed()
{
	local name=$1 title enclosure more
	shift

	{
		echo '<rss version="2.0" xmlns:vmcast="urn:vmcast:1"><channel><title>'"$name"'</title>'
		for each; do
			IFS='|' read -r title enclosure more <<<"$each"
			echo "<item><title>$title</title><uuid>$name-$title</uuid><enclosure url='$enclosure'/>$more</item>"
		done
		echo '</channel></rss>'
	} >"$origin/$name.xml"
}

# digest FILE: the element that says it
digest()
{
	echo "<vmcast:digest>sha256:$(sha256sum <"$origin/$1" | cut -d' ' -f1)</vmcast:digest>"
}

add()
{
	vmcast feed add --wait "$@" | cut -d' ' -f1
}

# item FEED-ID TITLE [JQ-FILTER]
item()
{
	field "/v1/items?feed=$1" ".items[] | select(.title == \"$2\") | ${3-.state + \" \" + .proof + \" \" + (.error // \"\")}"
}

settled()
{
	[[ $(item "$1" "$2" .state) =~ ^(ready|failed|refused) ]]
}

# becomes LABEL FEED-ID TITLE REGEX: what becomes of an item, "STATE PROOF ERROR"
becomes()
{
	wait_for 60 settled "$2" "$3" || true
	like "$1" "$(item "$2" "$3")" "$4"
}

changed()
{
	[[ $(item "$1" "$2" .image) != "$3" ]] && settled "$1" "$2"
}

for name in one two; do
	make_image "$origin/$name" 3M 65536
done
wrong="<vmcast:digest>sha256:$(printf '%064d' 0)</vmcast:digest>"
start_vmcastd

# ---- by default
feed plain "one|one|$(digest one)" "bare|two|"
plain=$(add "$http/plain.xml")
becomes "a digest over plain HTTP proves nothing" "$plain" one "^refused none .*'$http/plain.xml' announces: its digest came over plain HTTP"
like "  and the error says what the operator can say" "$(item "$plain" one .error)" "vmcast feed set $plain policy=none"
becomes "nor does an item without one" "$plain" bare "^refused none .*has no digest of every enclosure"
like "  the log says so" "$(<"$work/vmcastd.log")" "error: item [0-9a-f]+ \"bare\": refused: nothing proves what feed .*plain.xml.*policy=none"
like "  the list of feeds" "$(vmcast feed list)" "refused: +2 of 2 items prove less than 'digest'"
like "  and one feed" "$(vmcast feed show "$plain")" "policy: +digest.*refused: +2 of 2"
is "  the API" "$(field "/v1/feeds/$plain" '.policy + " \(.refused_count)"') $(field /v1/status .items.refused)" "digest 2 2"
like "  the list of items" "$(vmcast item list)" "refused .* none +plain +bare"
status=0
said=$(vmcast item ingest --wait "$(item "$plain" bare .id)" 2>&1) || status=$?
like "  asking for it does not help" "$status $said" "^1 .*nothing proves"
unlike "a machine is not offered it" "$(curl -fsS "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:12:34:56&arch=x86_64&platform=efi")" 'bare'

feed secure "one|one|$(digest one)" "bare|two|" "wrong|two|$wrong" "mirror|one' vmcast:digest='$(digest one | sed 's/<[^>]*>//g')|<enclosure url='two'/>"
secure=$(add "$https/secure.xml")
becomes "a digest over HTTPS is enough" "$secure" one "^ready digest $"
becomes "an item without one is not" "$secure" bare "^refused none "
becomes "nor one with a second enclosure that has none" "$secure" mirror "^refused none .*no digest of every enclosure"
becomes "one that is wrong is refused as ever" "$secure" wrong "^failed digest .*its SHA-256 is"
redirected=$(add "http://127.0.0.1:$redirect_port/secure.xml")
becomes "HTTPS that plain HTTP led to proves nothing" "$redirected" one "^refused none "
cp "$origin/secure.xml" "$origin/local.xml"
local=$(add "file://$origin/local.xml")
becomes "a digest in a file of this host is enough" "$local" one "^ready digest $"

# ---- what serves goes on
image=$(item "$secure" one .image)
feed secure "one|two|" "bare|two|$(digest two)"
vmcast feed refresh "$secure" >"$work/refreshed"
becomes "other bytes without a digest are refused" "$secure" one "^refused digest "
is "  and what served serves" "$(item "$secure" one .image)" "$image"
becomes "a digest that comes later is taken" "$secure" bare "^ready digest $"

# ---- where the operator says so
vmcast feed set "$plain" policy=none >"$work/set"
becomes "policy=none: it is taken" "$plain" bare "^ready none $"
becomes "  with a digest, too" "$plain" one "^ready none $"
menu=$(curl -fsS "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:12:34:56&arch=x86_64&platform=efi")
like "a machine's menu calls it unsigned" "$menu" 'bare \[unsigned\]'
like "  and says what only has a digest" "$menu" 'one \[digest\]'
like "  as does the item" "$(vmcast item show "$(item "$plain" bare .id)")" 'proof +none \(unsigned\)'
like "  and its versions" "$(vmcast item versions "$(item "$plain" bare .id)")" ' none '
feed lax "wrong|two|$wrong"
lax=$(add "$http/lax.xml" policy=none)
becomes "policy=none: a wrong digest is refused all the same" "$lax" wrong "^failed none .*its SHA-256 is"
vmcast feed set "$plain" policy= >"$work/set"
is "taken back: what was made serves" "$(item "$plain" bare '.state + " " + .proof')" "ready none"

# ---- more than there is
for policy in gpg signed; do
	status=0
	said=$(vmcast feed add "$http/none.xml" "policy=$policy" 2>&1) || status=$?
	like "policy=$policy without what it needs: refused" "$status $said" "^2 .*policy=$policy: (there is no root=FILE|the service has no keyring)"
done
like "  nor can a feed be given it" "$(vmcast feed set "$plain" policy=gpg 2>&1)" "policy=gpg: the service has no keyring"
like "  in the configuration, too" "$(printf 'feed = http://a.example/ policy=signed\n' >"$work/bad.conf"
	"$BUILD/vmcastd" --config "$work/bad.conf" --check-config 2>&1 || true)" "policy=signed: there is no root=FILE"
like "policy=best: refused" "$(vmcast feed set "$plain" policy=best 2>&1)" "write signed, gpg, digest or none"

# ---- a list of subscriptions
cat >"$work/list.opml" <<-END
	<opml version="2.0" xmlns:vmcast="urn:vmcast:1"><head/><body>
	<outline type="rss" text="smuggled" xmlUrl="$http/smuggled.xml" vmcast:options="policy=none"/></body></opml>
END
feed smuggled "bare|two|"
smuggled=$(vmcast feed import "$work/list.opml" 2>"$work/imported" | cut -d' ' -f1)
becomes "a list cannot bring policy=none" "$smuggled" bare "^refused none "
vmcast feed import --with-options "$work/list.opml" >"$work/imported"
becomes "  unless its options are wanted" "$smuggled" bare "^ready none $"
stop_vmcastd TERM

# ---- an archive's own signatures
GNUPGHOME=$(mktemp -d /tmp/vmcast-gpg.XXXXXX)
export GNUPGHOME
at_exit rm -rf "$GNUPGHOME"
at_exit gpgconf --kill all
gpg --batch --quiet --passphrase '' --quick-generate-key 'publisher <publisher@example.org>' ed25519 sign never
gpg --batch --quiet --export publisher >"$work/keyring"
mkdir "$work/xvm"
(
	cd "$work/xvm"
	gzip -c "$origin/one" >disk.gz
	echo "<xvm><name>box</name><disk device='sda' file='disk.gz'/></xvm>" >xvm.xml
	sha1sum xvm.xml disk.gz >manifest.txt
	tar -cf "$origin/unsigned.xvm" ./*
	gpg --batch --quiet --local-user publisher --armor --detach-sign -o signature.asc xvm.xml
	tar -cf "$origin/half.xvm" ./*
	gpg --batch --quiet --local-user publisher --armor --detach-sign -o mf-signature.asc manifest.txt
	tar -cf "$origin/signed.xvm" ./*
)
feed gpg "signed|signed.xvm|" "half|half.xvm|" "unsigned|unsigned.xvm|" "bare|two.qcow2|"
start_vmcastd "keyring = $work/keyring"
gpg=$(add "$http/gpg.xml")
strict=$(add "$https/local.xml" policy=gpg)
becomes "policy=gpg: a digest is not enough" "$strict" one "^refused digest .*asks for 'gpg' of every item"
becomes "signed by a key of the keyring: enough, over plain HTTP" "$gpg" signed "^ready gpg $"
becomes "  only the description is: not" "$gpg" half "^refused none .*no key of the keyring signed for all of the archive"
becomes "  nothing is: not" "$gpg" unsigned "^refused none .*no key of the keyring"
becomes "  what cannot be signed is not even downloaded" "$gpg" bare "^refused none .*no digest"
like "a machine's menu says it" \
	"$(curl -fsS "http://127.0.0.1:$vmcastd_port/v1/script?mac=52:54:00:12:34:56&arch=x86_64&platform=efi")" 'signed \[gpg\]'
like "  and the item" "$(vmcast item show "$(item "$gpg" signed .id)")" 'proof +gpg'
vmcast feed set "$gpg" policy=digest >"$work/set"
becomes "policy=digest: they are more than that" "$gpg" signed "^ready gpg $"
done_testing

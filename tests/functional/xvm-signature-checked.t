#!/bin/bash
# The signatures of an .xvm archive, made by gpg, are checked against the operator's keyring: what is signed by another key, or was
# changed after it was signed, is refused; without a keyring the operator is told that nobody looked.
# shellcheck disable=SC2317,SC2119 # a function is called by its name in a variable
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_origin
make_image "$work/image" 4M $((1 << 20))
mkdir "$work/box"
cd "$work/box"
# What gpg makes of its home must fit into the path of a socket.
GNUPGHOME=$(mktemp -d /tmp/vmcast-gpg.XXXXXX)
export GNUPGHOME
at_exit rm -rf "$GNUPGHOME"
at_exit gpgconf --kill all
for name in publisher stranger; do
	gpg --batch --quiet --passphrase '' --quick-generate-key "$name <$name@example.org>" ed25519 sign never
done
gpg --batch --quiet --passphrase '' --faked-system-time 20200101T000000 --quick-generate-key 'old <old@example.org>' ed25519 sign 1y
gpg --batch --quiet --export publisher old >"$work/keyring"
gzip -c "$work/image" >disk.gz

# item NAME [SIGNER]: an archive that SIGNER signed, announced
item()
{
	rm -f ./*.asc
	echo "<xvm><name>$1</name><disk device='sda' file='disk.gz'/></xvm>" >xvm.xml
	sha1sum xvm.xml disk.gz >manifest.txt
	if [[ $# == 2 ]]; then
		gpg --batch --quiet ${at+--faked-system-time $at} --local-user "$2" --armor --detach-sign -o mf-signature.asc manifest.txt
		gpg --batch --quiet ${at+--faked-system-time $at} --local-user "$2" --armor --detach-sign -o signature.asc xvm.xml
	fi
	${change:-true}
	tar -cf "$origin/$1" ./*
	echo "<item><title>$1</title><uuid>$1</uuid><enclosure url='$1' length='$(stat -c %s "$origin/$1")'/></item>" >>"$work/items"
}

# Another name for the machine, in a file whose digest is right again.
rename_machine()
{
	sed -i 's,<name>changed,<name>other,' xvm.xml
	sha1sum xvm.xml disk.gz >manifest.txt
}

item good publisher
item strange stranger
change=rename_machine item changed publisher
item unsigned
at=20200301T000000 item expired old
{
	echo '<rss version="2.0"><channel><title>Signed</title>'
	cat "$work/items"
	echo '</channel></rss>'
} >"$origin/feed.xml"
cd "$top"

start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "keyring = $work/keyring"
wait_ingest good
is "signed by the publisher: taken" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
like "and its signer is told" "$(field "/v1/items/$item" '.notes[]?')" "signature of 'manifest.txt': good, by .*publisher@example.org"
like "of both signatures" "$(field "/v1/items/$item" '.notes[]?')" "signature of 'xvm.xml': good"
wait_ingest strange
like "signed by a stranger: refused" "$(field "/v1/items/$item" '.state + " " + .error')" "failed .*signature of 'manifest.txt'"
wait_ingest changed
like "changed after it was signed: refused" "$(field "/v1/items/$item" '.state + " " + .error')" "failed .*signature of 'manifest.txt': .*BADSIG"
wait_ingest expired
like "signed by a key that has expired: refused" "$(field "/v1/items/$item" '.state + " " + .error')" "failed .*signature of 'manifest.txt': .*EXPKEYSIG"
wait_ingest unsigned
is "unsigned: taken" "$(field "/v1/items/$item" .state)" ready
like "and that is told" "$(field "/v1/items/$item" '.notes[]?')" "carries no signature"
stop_vmcastd

rm -r "$work/state"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml"
wait_ingest strange
is "without a keyring: taken" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
like "and that is told" "$(field "/v1/items/$item" '.notes[]?')" "'manifest.txt': not checked, there is no keyring"
done_testing

#!/bin/bash
# The offline keys of a site: each command of docs/how-to/keys.md as it stands there, and a TUF client that follows.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
umask 077

doc=docs/how-to/keys.md
documented=$work/documented
site=$work/site
passphrase=$work/passphrase
echo 'correct horse' >"$passphrase"
echo 'wrong horse' >"$passphrase.wrong"
mkdir -p "$work/media/stick"
: >"$documented"

# run STATUS LABEL COMMAND...: output in $out, errors in $said
run()
{
	local wanted=$1 label=$2 status=0

	shift 2
	out=$("$@" 2>"$work/said") || status=$?
	said=$(<"$work/said")
	is "$label" "$status" "$wanted"
	[[ $status == "$wanted" ]] || diag "$said"
}

# doc STATUS COMMAND [KEYID]: a line of the documentation, in folders of our own, with a passphrase from a file
doc()
{
	local line=$2

	echo "$line" >>"$documented"
	line=${line//KEYID/${3:-KEYID}}
	line=${line//\/var\/lib\/vmcast\/trust/$site}
	line=${line//\/media\//$work\/media\/}
	line=${line// root.json/ $work\/root.json}
	[[ $line != vmcast* ]] || line=$BUILD/$line
	[[ $line != *" --key"* || $line == *openssl* ]] || line+=" --passphrase-file $passphrase"
	# shellcheck disable=SC2086 # words without spaces
	run "$1" "$2" $line
}

key()
{
	run "$1" "$2" "$BUILD/vmcast" key "${@:3}"
}

# client NAME: one that began with the root of now; the name is its folder
client()
{
	mkdir "$work/$1"
	"$BUILD/tests/tuf/client" --metadata-dir "$work/$1" init "${2:-$site/metadata/$(newest root).root.json}"
}

newest()
{
	find "$site/metadata" -name "*.$1.json" | sed -E 's,.*/([0-9]+)\..*,\1,' | sort -n | tail -n 1
}

# refresh STATUS LABEL CLIENT
refresh()
{
	run "$1" "$2" "$BUILD/tests/tuf/client" --metadata-dir "$work/$3" \
		--metadata-url "http://127.0.0.1:$origin_port/${4:-site}/metadata" refresh
}

trusted_root()
{
	jq .signed.version "$work/$1/root.json"
}

# root_keys JQ-FILTER: of what `key list` says of the root
root_keys()
{
	"$BUILD/vmcast" --json key list --repository "$site" | jq -r ".roles[0]$1"
}

service_signs()
{
	tests/tuf/service.py sign "$site"
}

# others_may_read FOLDER: what there is of that
others_may_read()
{
	find "$1" -perm /077
}

start_origin
ln -s "$site" "$origin/site"

# A site of one person
doc 0 "vmcast key init --keys /media/keys --repository /var/lib/vmcast/trust"
is "nobody else may read a key" "$(others_may_read "$work/media/keys")$(find "$site/online.pem" -perm /077)" ""
like "the offline ones are encrypted" "$(cat "$work"/media/keys/*.pem)" "BEGIN ENCRYPTED.*BEGIN ENCRYPTED"
unlike "which is no use to who has only them" "$(openssl pkey -in "$work/media/keys/root-1.pem" -passin pass:wrong 2>&1)" "BEGIN PRIVATE"
ok "openssl reads them" openssl pkey -in "$work/media/keys/root-1.pem" -passin "file:$passphrase" -noout
before=$(find "$work/media" "$site" -type f -exec sha256sum {} + | sort)
key 1 "it is not made twice" init --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase"
key 1 "nor over keys" init --keys "$work/media/keys" --repository "$work/media/other" --passphrase-file "$passphrase"
like "and says why" "$said" "there are keys in it"
is "and all is as it was" "$(find "$work/media" "$site" -type f -exec sha256sum {} + | sort)" "$before"
ok "nothing half made is left" test ! -e "$work/media/other"
doc 0 "vmcast key list --repository /var/lib/vmcast/trust"
like "of the root, it tells until when" "$out" "root +1 +1 of 1 +[0-9a-f]{12} +20"
doc 0 "vmcast key export --repository /var/lib/vmcast/trust -o root.json"
ok "which is the root" cmp "$work/root.json" "$site/metadata/1.root.json"
service_signs
client first "$work/root.json"
refresh 0 "a client follows from it" first

# Refusals
key 1 "a wrong passphrase" renew root --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase.wrong"
like "is told" "$said" "root-1.pem': the passphrase is wrong"
unlike "but is not shown" "$said" "horse"
ok "nothing is staged" test ! -e "$site/staged"
chmod 750 "$work/media/keys"
key 1 "a folder of keys that others may look into" renew root --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase"
like "is told" "$said" "mode is 0750"
chmod 700 "$work/media/keys"
chmod 640 "$work/media/keys/root-1.pem"
key 1 "a key that others may read" renew root --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase"
like "is told" "$said" "root-1.pem': its mode is 0640"
chmod 600 "$work/media/keys/root-1.pem"
chmod 644 "$passphrase"
key 1 "a passphrase that others may read" renew root --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase"
like "is told" "$said" "mode is 0644"
chmod 600 "$passphrase"
key 2 "a threshold that cannot be met" init --keys "$work/media/k" --repository "$work/media/r" --root-threshold 2 --passphrase-file "$passphrase"
key 2 "a role that has no key of its own" rotate items --keys "$work/media/keys" --repository "$site" --passphrase-file "$passphrase"
key 2 "an option of another command" list --repository "$site" --all
key 4 "no repository" list --repository "$work/media"

# Years
doc 0 "vmcast key renew root --keys /media/keys --repository /var/lib/vmcast/trust"
doc 0 "vmcast key renew targets --keys /media/keys --repository /var/lib/vmcast/trust"
for generation in 3 4 5 6; do
	doc 0 "vmcast key rotate root --all --keys /media/keys --repository /var/lib/vmcast/trust"
	rm "$work/media/keys/root-$((generation - 2)).pem"
done
doc 0 "vmcast key rotate targets --keys /media/keys --repository /var/lib/vmcast/trust"
doc 0 "vmcast key rotate online --keys /media/keys --repository /var/lib/vmcast/trust"
is "the service's new key is its own" "$(find "$site/online.pem" -perm /077)" ""
service_signs
client old "$work/root.json"
refresh 0 "a client with the first root follows through all of them" old
is "to the newest" "$(trusted_root old)" "$(newest root)"
refresh 0 "and one that was there before" first

# A root that has ended
cp -a "$site" "$work/ended.site"
ln -s "$work/ended.site" "$origin/ended"
tests/tuf/service.py expire "$work/ended.site/metadata/$(newest root).root.json" "$work/media/keys/root-5.pem" "$passphrase"
client ended "$work/root.json"
refresh 1 "a root that has ended is refused" ended ended
like "as that" "$said" "has expired"
key 5 "it is told" list --repository "$work/ended.site"
like "in words" "$out" "EXPIRED"
key 0 "and renewed" renew root --keys "$work/media/keys" --repository "$work/ended.site" --passphrase-file "$passphrase"
refresh 0 "with which the client goes on" ended ended
key 0 "one that ends soon" renew root --days 10 --keys "$work/media/keys" --repository "$work/ended.site" --passphrase-file "$passphrase"
key 0 "is told" list --repository "$work/ended.site"
like "in days" "$out" "expires in (9|10) days"

jq 'del(.signatures[1])' "$work/ended.site/metadata/3.root.json" >"$work/half"
cp "$work/half" "$work/ended.site/metadata/3.root.json"
key 1 "a root that only the keys before it have signed" list --repository "$work/ended.site"
like "is told" "$said" "by its own keys: root version 3: 0 of its 1 keys"

# A key that is stolen
cp "$site/online.pem" "$work/stolen.pem"
doc 0 "vmcast key rotate online --keys /media/keys --repository /var/lib/vmcast/trust"
service_signs
refresh 0 "a client sees that the service has a new key" old
cp "$site/online.pem" "$work/new.pem"
cp "$work/stolen.pem" "$site/online.pem"
service_signs
refresh 1 "what the stolen one signs is refused" old
like "as that of nobody" "$said" "timestamp version [0-9]+: 0 of its 1 keys have signed"
cp "$work/new.pem" "$site/online.pem"
service_signs
refresh 0 "what the new one signs is not" old

# Two of three people
mv "$site" "$work/site.one"
mkdir -p "$work/media/alice" "$work/media/bob" "$work/media/carol"
doc 0 "vmcast key init --keys /media/alice/keys --repository /var/lib/vmcast/trust --root-keys 3 --root-threshold 2"
doc 0 "mkdir -m 700 /media/bob/keys /media/carol/keys"
doc 0 "mv /media/alice/keys/root-2.pem /media/bob/keys/"
doc 0 "mv /media/alice/keys/root-3.pem /media/carol/keys/"
service_signs
client three "$site/metadata/1.root.json"
refresh 1 "what another site signs is refused" old
like "as that of nobody" "$said" "keys have signed"
doc 0 "vmcast key renew root --keys /media/alice/keys --repository /var/lib/vmcast/trust"
like "it waits" "$out" "1 of its 3 keys have signed, 2 must"
doc 1 "vmcast key publish --repository /var/lib/vmcast/trust"
like "and is not published" "$said" "1 of its 3 keys have signed, 2 must"
is "to nobody" "$(newest root)" 1
key 1 "nothing else is begun meanwhile" rotate online --keys "$work/media/alice/keys" --repository "$site" --passphrase-file "$passphrase"
run 2 "a key that is no root key" "$BUILD/vmcast" sign "$site/staged/2.root.json" --key "$work/media/alice/keys/targets.pem" \
	--passphrase-file "$passphrase"
like "would count for nobody" "$said" "count for nobody"
run 0 "the same person twice" "$BUILD/vmcast" sign "$site/staged/2.root.json" --key "$work/media/alice/keys/root-1.pem" \
	--passphrase-file "$passphrase"
like "is one" "$out" "1 of its 3 keys have signed, 2 must"
doc 0 "vmcast sign /var/lib/vmcast/trust/staged/2.root.json --key /media/bob/keys/root-2.pem"
like "what is signed is shown" "$out" "root version 2, until 20.*version: 1 -> 2.*Enough have signed"
key 0 "and published" publish --repository "$site"
refresh 0 "a client follows" three
is "to it" "$(trusted_root three)" 2

lost=$(root_keys .keyids[2])
doc 0 "vmcast key rotate root --replace KEYID --keys /media/alice/keys --repository /var/lib/vmcast/trust" "$lost"
doc 0 "cp -r /var/lib/vmcast/trust/metadata /var/lib/vmcast/trust/staged /media/stick/"
doc 0 "vmcast sign /media/stick/staged/3.root.json --key /media/bob/keys/root-2.pem"
like "what is lost is shown" "$out" "- roles/root/keyids: .*$lost"
doc 0 "cp /media/stick/staged/3.root.json /var/lib/vmcast/trust/staged/"
key 0 "a signature from another machine counts" publish --repository "$site"
refresh 0 "a client follows" three
is "to a root" "$(trusted_root three)" 3
unlike "without the key that was lost" "$(root_keys .keyids)" "$lost"
doc 0 "mv /media/alice/keys/root-4.pem /media/carol/keys/"
key 0 "the next one" renew root --keys "$work/media/alice/keys" --repository "$site" --passphrase-file "$passphrase"
run 2 "is not signed with it" "$BUILD/vmcast" sign "$site/staged/4.root.json" --key "$work/media/carol/keys/root-3.pem" \
	--passphrase-file "$passphrase"

# What is signed cannot be changed afterwards
jq '.signed.roles.root.threshold = 1' "$site/metadata/3.root.json" >"$work/forged"
cp "$work/forged" "$site/metadata/3.root.json"
key 1 "a root that was changed" list --repository "$site"
like "is told" "$said" "root version 3: 0 of its"
key 1 "and not exported" export --repository "$site" -o "$work/root.json"

# A terminal
cat >"$work/terminal.py" <<-'END'
	import os, pty, sys, time
	said = b""
	pid, fd = pty.fork()
	if pid == 0:
	    os.execv(sys.argv[2], sys.argv[2:])
	try:
	    for answer in sys.argv[1].split("|"):
	        while not said.rstrip().endswith(b":"):
	            said += os.read(fd, 1024)
	        said += b"..."
	        os.write(fd, answer.encode() + b"\n")
	    while True:
	        got = os.read(fd, 1024)
	        if not got:
	            break
	        said += got
	except OSError:
	    pass
	sys.stdout.write(said.decode())
	sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
terminal()
{
	run "$1" "$2" /usr/bin/python3 "$work/terminal.py" "$3" "$BUILD/vmcast" key init --keys "$work/k" --repository "$work/r"
}

terminal 2 "two passphrases that differ" "correct horse|correct hors"
like "are told" "$out" "not the same"
ok "and nothing is made" test ! -e "$work/k" -a ! -e "$work/r"
terminal 0 "the same twice" "correct horse|correct horse"
unlike "is not shown" "$out" "horse"
key 0 "and is what encrypts" renew root --keys "$work/k" --repository "$work/r" --passphrase-file "$passphrase"

# The documentation
# shellcheck disable=SC2016 # backticks of the documentation
is "each command of it was run" "$(sort -u "$documented")" "$(sed -n '/^```sh/,/^```/{/^```/!p}' "$doc" | sort -u)"
done_testing

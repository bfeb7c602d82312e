#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A client with the site's CA writes what the service sends over https, and asks nobody else: another name, another CA, a certificate
# that has expired, TLS 1.1 and http are refused before one byte of the disk changes, and so is every way back to http. The commands of
# docs/how-to/machines-over-https.md are run as they stand there.
# shellcheck disable=SC2317,SC2119,SC2016 # functions are handed to `ok` and `wait_for`; Markdown
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/tls.sh
. tests/tuf/repository.sh
make_keys
echo "correct horse" >"$work/passphrase"

doc=docs/how-to/machines-over-https.md
: >"$work/documented"
# doc LINE: a command of the documentation, with our folders, addresses and passphrase
doc()
{
	local line=$1

	echo "$line" >>"$work/documented"
	line=${line//\/media\/keys/$work}
	line=${line//\/var\/lib\/vmcast/$work\/state}
	line=${line//--name 10.77.0.1/--name localhost}
	line=${line//10.77.0.1:8882/localhost:$https_port}
	line=${line//0123456789abcdef/${item:-}}
	line=${line// ca.pem/ $work\/ca\/ca.pem}
	line=${line// root.json/ $work\/root.json}
	line=${line//disk.img/$disk}
	[[ $line != *" key ca"* ]] || line+=" --passphrase-file $work/passphrase"
	# shellcheck disable=SC2086 # but for the name of the CA, words without spaces
	eval timeout --foreground -s KILL 240 "$BUILD"/$line
}

disk=$work/disk
fill "$work/before" $((10 << 20))
https_port=$(free_port)
doc 'vmcast key ca init --ca /media/keys/ca --name "Example Lab"' >/dev/null
doc 'vmcast key ca issue --ca /media/keys/ca --tls /var/lib/vmcast/tls --name 10.77.0.1' >/dev/null
key_ca init --ca "$work/other" --name other >/dev/null
key_ca issue --ca "$work/other" --tls "$work/others" --name localhost >/dev/null
"$BUILD/vmcast" key export --repository "$trust" -o "$work/root.json" >/dev/null

settings=("https_listen = 127.0.0.1:$https_port" "https_url = https://localhost:$https_port")
VMCAST_DEBUG=http serve_image 8M $((2 << 20)) "${settings[@]}"
secure=https://localhost:$https_port

quiet() { "$@" >"$work/said" 2>&1 || { cat "$work/said"; false; }; }

# write SERVER [OPTION...]: a run on a used disk; sets status, said
write()
{
	status=0
	cp "$work/before" "$disk"
	said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" write --server "$1" --item "$item" --disk "$disk" \
		--retry-for 1 --stall-timeout 2 "${@:2}" 2>&1) || status=$?
}

# refused LABEL STATUS MESSAGE: what the last run has to say
refused()
{
	is "$1: exit $2" "$status" "$2"
	like "$1: says why" "$said" "$3"
	ok "$1: not one byte is changed" cmp -s "$work/before" "$disk"
}

# What Mbed TLS says, which the static client has, and OpenSSL, which the one with sanitizers has
wrong_name='does not match with the expected CN|no alternative certificate subject name matches|permitted subtree violation'
wrong_ca='not correctly signed by the trusted CA|unable to get local issuer certificate|self.signed certificate'
no_handshake='ssl_handshake returned|wrong version number|alert protocol version|unsupported protocol'

plain_requests() { grep -cE "http: machines: (GET|POST) " "$work/vmcastd.log" || true; }

# The real service
plain=$(plain_requests)
cp "$work/before" "$disk"
ok "its CA and its name: is written" \
	quiet doc 'vmcast-boot write --server https://10.77.0.1:8882 --ca ca.pem --root root.json --item 0123456789abcdef --disk disk.img'
ok "its CA and its name: every byte is the image's" cmp -n $((8 << 20)) "$image" "$disk"
is "its CA and its name: the job is done" "$(last_job .phase)" "done"
like "its CA and its name: metadata, index, image and reports came over TLS" "$(grep "machines over TLS: " "$work/vmcastd.log")" \
	"/v1/plan.*/tuf/metadata/.*/images/.*/index.*/image.zst"
is "its CA and its name: nothing over plain HTTP" "$(plain_requests)" "$plain"

write "https://127.0.0.1:$https_port" --ca "$work/ca/ca.pem"
refused "its CA, another name" 4 "$wrong_name"
write "$secure" --ca "$work/other/ca.pem"
refused "another CA" 4 "$wrong_ca"
write "$secure" --ca "$work/none"
refused "a CA that is not there" 4 "Error reading ca cert file|error setting certificate"
write "$secure"
refused "no CA, and the system knows no such one" 4 "$wrong_ca|Error reading ca cert"
write "http://127.0.0.1:$vmcastd_port" --ca "$work/ca/ca.pem"
refused "plain HTTP, with a CA" 4 "'http://127.0.0.1:$vmcastd_port/*' is not https, and only a service with a certificate of the CA"
write "https://localhost:$vmcastd_port" --ca "$work/ca/ca.pem"
refused "https to the port of plain HTTP" 3 "$no_handshake"
status=0
said=$(timeout --foreground -s KILL 240 "$BUILD/vmcast-boot" run --ca "$work/ca/ca.pem" --cmdline \
	"vmcast.server=http://127.0.0.1:$vmcastd_port vmcast.item=$item vmcast.disk=serial=no-such" 2>&1) || status=$?
is "a kernel command line with http, with a CA: exit 4" "$status" 4
like "a kernel command line with http, with a CA: says why" "$said" "is not https, and only a service with a certificate of the CA"
is "of all these the service has seen no plain request" "$(plain_requests)" "$plain"
like "the boot script leads the client to https" "$(curl -sS \
	"http://127.0.0.1:$vmcastd_port/v1/start?item=$item&mac=52:54:00:00:00:01&arch=x86_64&platform=pcbios")" \
	"set server http://127.0.0.1:$vmcastd_port.* vmcast.server=$secure "

# Impostors that have a key and a certificate of their own
while IFS='|' read -r label issuer name days options code message; do
	impostor "$work/$issuer" "$name" "$days" "$options"
	write "https://localhost:$port" --ca "$work/ca/ca.pem"
	refused "$label" "$code" "$message"
done <<END
a server of that CA that is silent after the handshake|state/tls|localhost|1||3|no answer or no progress
the same with TLS 1.2|state/tls|localhost|1|-tls1_2|3|no answer or no progress
TLS 1.1|state/tls|localhost|1|-tls1_1 -cipher ALL:@SECLEVEL=0|3|$no_handshake
an expired certificate|state/tls|localhost|-1||4|expired
one that is not valid yet|state/tls|localhost|later||4|future|not yet valid
one for another name|state/tls|elsewhere.example|1||4|$wrong_name
one of another CA|others|localhost|1||4|$wrong_ca
END

# A service behind a good certificate that says otherwise
mkdir "$work/lies"
echo '{}' >"$work/lies/orders"
make_certificate "$work/lies.pem" "$work/state/tls" localhost 1
tests/tuf/site "127.0.0.1:$vmcastd_port" 127.0.0.1:0 "$item" "$work/lies" "$work/lies.pem" 2>"$work/site.log" &
at_exit kill $!
wait_for 60 test -s "$work/lies/port" || { diag "the site does not start: $(cat "$work/site.log")"; exit 1; }
lies=https://localhost:$(<"$work/lies/port")
write "$lies" --ca "$work/ca/ca.pem"
is "a proxy with a certificate of that CA: exit 0" "$status" 0
http=http://127.0.0.1:$vmcastd_port
while IFS='|' read -r label orders code message; do
	printf '%s' "$orders" >"$work/lies/orders"
	write "$lies" --ca "$work/ca/ca.pem"
	refused "$label" "$code" "$message"
done <<END
a plan with an image over http|{"plan":{"image.url":"$http/images/x"}}|4|"url": '$http/images/x' is not https
an index over http|{"plan":{"image.index_url":"$http/images/x"}}|4|"index_url": '$http/images/x' is not https
a delta over http|{"plan":{"image.deltas":[{"from":"sha256:$(printf '%064d' 0)","bytes":1,"url":"$http/d"}]}}|4|"deltas": .* is not https
metadata over http|{"plan":{"trust.metadata_url":"$http/m/"}}|4|"metadata_url": .* is not https
targets over http|{"plan":{"trust.targets_url":"$http/t/"}}|4|"targets_url": .* is not https
a redirect to http|{"redirect":"$http"}|7|HTTP status 307
END

# Mirrors: their bytes are held to the digests of an index that came over https
stop_vmcastd
cp -r "$work/state/images" "$origin/"
chmod -R a+rX "$origin/images"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "${settings[@]}" "mirror = http://127.0.0.1:$origin_port"
write "$secure" --ca "$work/ca/ca.pem"
is "a mirror over http: exit 0" "$status" 0
ok "a mirror over http: every byte is the image's" cmp -n $((8 << 20)) "$image" "$disk"
ok "a mirror over http: it was asked" grep -q image.zst "$work/access.log"

# A certificate that is renewed while a machine waits for its image
serial() { openssl s_client -connect "127.0.0.1:$https_port" -servername localhost </dev/null 2>/dev/null | openssl x509 -noout -serial; }
before=$(serial)
make_image "$origin/late" 8M $((2 << 20))
"$top/qemu/feed" "http://127.0.0.1:$origin_port" "$origin/late" >"$origin/late.xml"
vmcast feed add --wait "http://127.0.0.1:$origin_port/late.xml" policy=none ingest=demand >/dev/null
item=$(item_of late)
mapfile -t workers < <(pgrep -P "$(<"$work/nginx.pid")")
kill -STOP "${workers[@]}"
cp "$work/before" "$disk"
"$BUILD/vmcast-boot" write --server "$secure" --ca "$work/ca/ca.pem" --item "$item" --disk "$disk" >"$work/late.log" 2>&1 &
client=$!
ok "the machine waits for its image" wait_for 60 grep -q "vmcast: " "$work/late.log"
is_asked() { item_is "$item" ingesting; }
ok "which is being made ready" wait_for 60 is_asked
doc 'vmcast key ca issue --ca /media/keys/ca --tls /var/lib/vmcast/tls --name 10.77.0.1' >/dev/null
kill -HUP "$vmcastd_pid"
shows_another() { [[ $(serial) == serial=* && $(serial) != "$before" ]]; }
ok "meanwhile the service shows another certificate" wait_for 60 shows_another
kill -CONT "${workers[@]}"
status=0
wait "$client" || status=$?
is "and the machine goes on: exit 0" "$status" 0
[[ $status == 0 ]] || diag "$(cat "$work/late.log")"
ok "with every byte of the image" cmp -n $((8 << 20)) "$origin/late" "$disk"

# Told at the start, and not by machines
stop_vmcastd
like "a service whose certificate is not for its URL does not start" \
	"$(sed "s,^https_url.*,https_url = https://elsewhere.example," "$work/vmcastd.conf" >"$work/wrong.conf"
	timeout 60 "$BUILD/vmcastd" --config "$work/wrong.conf" 2>&1 || true)" \
	"https_url = 'https://elsewhere.example': the issuer in state_dir/tls is not for 'elsewhere.example'"

is "all commands of the documentation were run, but for those of a build" \
	"$(sed -n '/^```sh$/,/^```$/{/^```/d; /^make\|^systemctl/d; p}' "$doc" | sort -u)" "$(sort -u "$work/documented")"
done_testing

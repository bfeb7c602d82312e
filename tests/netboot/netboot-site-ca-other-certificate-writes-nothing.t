#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The boot environment carries the site's CA. A service with a certificate of another CA, and one that has no HTTPS, get nothing written,
# and the machine says why; with the site's own the image is written, and everything that the client asks for comes over TLS.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"
# shellcheck source-path=SCRIPTDIR source=../functional/tls.sh
. "$(dirname "$0")/../functional/tls.sh"

mac=52:54:00:77:01:21
mkdir -p "$work/built/env"
# The drivers are packed already.
ln -s "$BUILD/packages" "$work/built/packages"
cp "$BUILD/vmcast-boot" "$work/built/"
cp "$BUILD"/env/* "$work/built/env/"

key_ca init --ca "$work/ca" >/dev/null
key_ca init --ca "$work/other" >/dev/null
netboot_image 64M
netboot_up --dhcp own --no-service --config - <<END
initramfs = initramfs-virtio
env_dir = $work/built/env
https_listen = 10.77.0.1:8882
END
state=$BUILD/lab/$LAB
build_env()
{
	BUILD=$work/built CA=$1 bootloader/env/build >"$work/build.log" 2>&1
}
cd "$top"
ok "no boot environment is built with a private key for a CA" eval "! build_env '$work/ca/ca-key.pem'"
like "it says what is wrong" "$(<"$work/build.log")" "ca-key.pem' has no certificate in PEM"
cat "$work/ca/ca.pem" "$work/ca/ca-key.pem" >"$work/both.pem"
ok "nor with one behind its certificate" eval "! build_env '$work/both.pem'"
ok "the boot environment is built with the site's CA" build_env "$work/ca/ca.pem"

# serve CA-FOLDER: a service with an issuer of this CA
serve()
{
	lab service stop
	key_ca issue --ca "$1" --tls "$state/state/tls" --name 10.77.0.1 >/dev/null
	VMCAST_DEBUG=http lab service start
}

# refused LABEL REGEX: the machine starts, and this is what it says
refused()
{
	lab start m
	ok "$1: the machine refuses" lab wait m 'vmcast: FAILED, exit status 4' 180
	like "$1: it says why" "$(lab said m)" "$2"
	lab stop m
	ok "$1: not one byte is changed" cmp "$work/before" "$work/disk"
	is "$1: the service was told nothing" "$(job_count)" 0
}

serve "$work/other"
netboot_publish
full_disk "$work/disk" 96M
cp "$work/disk" "$work/before"
lab vmcast machine assign "$mac" "$item" >/dev/null
lab machine --id m --mac "$mac" --memory 192 --disk-file "$work/disk" --detach >/dev/null
lab stop m
refused "a certificate of another CA" \
	"'https://10.77.0.1:8882/v1/plan': mbedTLS: The certificate is not correctly signed by the trusted CA"

lab service stop
sed -i.https /^https_listen/d "$state/vmcastd.conf"
lab service start
refused "a service without HTTPS" "'http://10.77.0.1:8880/*' is not https, and only a service with a certificate of the CA"

mv "$state/vmcastd.conf.https" "$state/vmcastd.conf"
serve "$work/ca"
lab start m
ok "the site's own: the image is committed" lab wait m 'vmcast: commit' 180
ok "the site's own: the job is done" wait_job "done" 30
lab stop m
ok "the site's own: every byte on the disk is the image's" holds_image "$work/disk"
asked=$(sed -n 's/.*http: \(machines.*\): [A-Z]* \(\/v1\/plan\|\/v1\/jobs\|\/images\|\/env\).*: 20[0-9]$/\1 \2/p' "$state/vmcastd.log" | sort -u)
is "the site's own: the client asks over TLS, iPXE over HTTP" "$asked" "machines /env
machines over TLS /images
machines over TLS /v1/jobs
machines over TLS /v1/plan"
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmcast --server believes nobody but a server of its CA by its name: the right CA with the wrong name, another CA, a certificate
# that signed itself or has expired, and an issuer that certifies what it may not. TLS 1.2 at least, never http.
# shellcheck disable=SC2317,SC2119 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh
. tests/functional/tls.sh

key_ca init --ca "$work/ca" >/dev/null
key_ca init --ca "$work/other" --name other >/dev/null
like "a CA is not made twice" "$(key_ca init --ca "$work/ca" 2>&1 || true)" "ca-key.pem': File exists"
key_ca issue --ca "$work/ca" --tls "$work/state/tls" --name localhost >/dev/null
key_ca issue --ca "$work/ca" --tls "$work/addresses" --name 127.0.0.1 >/dev/null
key_ca issue --ca "$work/other" --tls "$work/others" --name localhost >/dev/null
like "an issuer does not outlive its CA" \
	"$(key_ca issue --ca "$work/ca" --tls "$work/long" --name localhost --days 7000 2>&1 || true)" "the CA '.*' ends before that"
echo wrong >"$work/wrong"
chmod 600 "$work/wrong"
like "the CA's passphrase is needed" \
	"$("$BUILD/vmcast" key ca issue --ca "$work/ca" --tls "$work/x" --name a --passphrase-file "$work/wrong" 2>&1 || true)" \
	"the passphrase is wrong"

api_port=$(free_port)
start_vmcastd "api_listen = 127.0.0.1:$api_port"
wait_for 60 port_answers "$api_port"
(umask 077 && vmcast token create boss --role admin >"$work/token")

# ask NAME PORT [CA]: what vmcast says of a server
ask()
{
	"$BUILD/vmcast" --server "https://$1:$2" --ca "${3:-$work/ca/ca.pem}" --token-file "$work/token" --json status 2>&1 |
		sed -n 's/.*"state_dir": "\(.*\)",*/\1/p; /^vmcast:/p'
}

is "the right name and the right CA" "$(ask localhost "$api_port")" "$work/state"
like "the right CA, another name" "$(ask 127.0.0.1 "$api_port")" "^vmcast: .*(no alternative certificate subject name matches|subject name)"
like "another CA" "$(ask localhost "$api_port" "$work/other/ca.pem")" "^vmcast: .*certificate"
like "a CA that is not there" "$(ask localhost "$api_port" "$work/none")" "^vmcast: .*(CAfile|certificate)"

impostor "$work/state/tls" localhost 1
like "what the issuer may certify is believed, and then has no such answer" "$(ask localhost "$port")" "JSON"
impostor "$work/state/tls" localhost -1
like "a certificate that has expired" "$(ask localhost "$port")" "^vmcast: .*expired"
impostor self localhost 1
like "one that signed itself" "$(ask localhost "$port")" "^vmcast: .*self.signed certificate"
impostor "$work/others" localhost 1
like "one of another CA" "$(ask localhost "$port")" "^vmcast: .*unable to get local issuer certificate|self.signed"
impostor "$work/state/tls" 127.0.0.1 1
like "the issuer for a name, with an address" "$(ask 127.0.0.1 "$port")" "^vmcast: .*(excluded|permitted) subtree violation"
impostor "$work/addresses" localhost 1
like "the issuer for an address, with a name" "$(ask localhost "$port")" "^vmcast: .*(excluded|permitted) subtree violation"

tls() { openssl s_client -connect "127.0.0.1:$api_port" -CAfile "$work/ca/ca.pem" -verify_return_error "$@" </dev/null 2>&1; }
like "TLS 1.3" "$(tls -tls1_3)" "New, TLSv1.3"
like "TLS 1.2" "$(tls -tls1_2)" "New, TLSv1.2"
like "not TLS 1.1" "$(tls -tls1_1 -cipher ALL:@SECLEVEL=0 || true)" "Cipher is \(NONE\)"
like "http on its port gets nothing" "$(curl -s -m 20 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$api_port/" || true)" 000

# A new issuer, with another name, without a restart
key_ca issue --ca "$work/ca" --tls "$work/state/tls" --name localhost --name 127.0.0.1 >/dev/null
like "until the service is told, the old one is shown" "$(ask 127.0.0.1 "$api_port")" "^vmcast: "
kill -HUP "$vmcastd_pid"
shows_new() { [[ $(ask 127.0.0.1 "$api_port") == "$work/state" ]]; }
ok "SIGHUP has it read the new one" wait_for 60 shows_new
echo nothing >"$work/state/tls/issuer.pem"
kill -HUP "$vmcastd_pid"
logs_trouble() { ask localhost "$api_port" >/dev/null && grep -q "tls: no new certificate: .*retrying" "$work/vmcastd.log"; }
ok "one that is damaged is told in the log" wait_for 60 logs_trouble
is "and the one before stays" "$(ask localhost "$api_port")" "$work/state"
stop_vmcastd
rm -r "$work/state/tls"
is "without an issuer the service does not start" \
	"$("$BUILD/vmcastd" --config "$work/vmcastd.conf" 2>&1 | sed -n "s/.*error: //p")" \
	"api_listen needs a certificate (vmcast key ca): open '$work/state/tls/issuer.pem': No such file or directory"
done_testing

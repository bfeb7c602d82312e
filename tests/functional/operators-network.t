#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The API over the network: every route of the service's own table without a token, with a wrong, an expired, a revoked, a too
# weak and the right one; a peer that fails too often; who did it, in the log; and no secret in a log, a list of processes or
# the database.
# shellcheck disable=SC2317,SC2119 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

echo "correct horse" >"$work/passphrase"
chmod 600 "$work/passphrase"
mkdir -p "$work/state"
chmod 700 "$work/state"
"$BUILD/vmcast" key ca init --ca "$work/ca" --passphrase-file "$work/passphrase" >"$work/out"
"$BUILD/vmcast" key ca issue --ca "$work/ca" --tls "$work/state/tls" --name localhost --name 127.0.0.1 \
	--passphrase-file "$work/passphrase" >>"$work/out"
is "the CA's and the issuer's keys are their owner's alone" \
	"$(stat -c %a "$work/ca/ca-key.pem" "$work/state/tls/issuer-key.pem" | tr '\n' ' ')" "600 600 "
like "the CA's key is encrypted" "$(head -1 "$work/ca/ca-key.pem")" ENCRYPTED
api_port=$(free_port)
start_vmcastd "api_listen = 127.0.0.1:$api_port"
wait_for 60 port_answers "$api_port"
url=https://localhost:$api_port

# make_token NAME ROLE [OPTION...]
make_token()
{
	(umask 077 && vmcast token create "$1" --role "${@:2}" >"$work/$1.token")
}

make_token viewer view
make_token worker operate --expires 1d
make_token boss admin
make_token gone admin
make_token old admin --expires 1s
vmcast token revoke gone
echo "vmcast_$(printf '0%.0s' {1..64})" >"$work/wrong.token"
chmod 600 "$work"/*.token
like "a token is 256 bits" "$(<"$work/boss.token")" '^vmcast_[0-9a-f]{64}$'
expired() { [[ $(vmcast --json token list | jq -r '.tokens[] | select(.name == "old") | .expired') == true ]]; }
wait_for 60 expired
like "the list says what is expired" "$(vmcast token list)" 'old +admin .* EXPIRED'
unlike "and shows no token" "$(vmcast --json token list)" 'vmcast_'
is "a name is taken once" "$(vmcast token create boss --role view 2>&1 || true)" \
	"vmcast: there is a token 'boss' already; revoke it first"
is "a role that there is not" "$(vmcast token create x --role root 2>&1 || true)" \
	"vmcast: field \"role\": 'root' is not view, operate or admin"

# status TOKEN METHOD PATH: what the network's API answers; TOKEN empty: none is sent. The header comes from a file.
status()
{
	local auth=()
	if [[ -n $1 ]]; then
		echo "Authorization: Bearer $(<"$work/$1.token")" >"$work/header"
		auth=(-H "@$work/header")
	fi
	curl -s -m 60 -o "$work/body" -D "$work/head" -w '%{http_code}' --cacert "$work/ca/ca.pem" "${auth[@]}" -X "$2" "$url$3" || true
}

# restart: forgets who failed too often
bad_ends=0
restart()
{
	kill "$vmcastd_pid"
	wait "$vmcastd_pid" || bad_ends=$((bad_ends + 1)) # such as with memory that leaked, under sanitizers
	vmcastd_pid=
	start_vmcastd "api_listen = 127.0.0.1:$api_port"
	wait_for 60 port_answers "$api_port"
}

api GET / | jq -r '.routes[] | "\(.method) \(.path) \(.role)"' >"$work/routes"
ok "the service's own table has routes of each role" test "$(cut -d' ' -f3 "$work/routes" | sort -u | tr '\n' ' ')" = "admin operate view "

is "nobody who may only view changes anything" "$(grep -v '^GET ' "$work/routes" | grep -c ' view$' || true)" 0
is "who is trusted is for admins alone" \
	"$(grep -E ' /v1/tokens|^(POST|PATCH|DELETE) /v1/feeds(/\{id\})? ' "$work/routes" | cut -d' ' -f3 | sort | uniq -c | tr -s ' ')" " 6 admin"

# Refusals first: an address may have ten in a minute. Nothing that is let in does anything: the ids are of nothing.
rank() { case $1 in view) echo 0 ;; operate) echo 1 ;; admin) echo 2 ;; esac; }
nr=0
while read -r method path role; do
	path=$(sed 's/{id}/0123456789abcdef/; s/{mac}/52:54:00:12:34:56/; s/{file}/nobody/; s/{guest}/525400123456-0123456789abcdef/' <<<"$path")
	if ((nr++ % 2 == 0)); then
		restart
	fi
	is "$method $path: without, wrong, expired, revoked" \
		"$(status '' "$method" "$path") $(status wrong "$method" "$path") $(status old "$method" "$path") $(status gone "$method" "$path")" \
		"401 401 401 401"
	for token in viewer:view worker:operate boss:admin; do
		got=$(status "${token%:*}" "$method" "$path")
		if (($(rank "${token#*:}") < $(rank "$role"))); then
			is "$method $path (for $role): ${token#*:} is too weak" "$got" 403
		else
			like "$method $path (for $role): ${token#*:} may" "$got" '^(2..|4(00|04|09))$'
		fi
	done
	# Nodes report where operators list: 405.
	is "$method $path: not on the machines' server" \
		"$([[ $path == / || $(curl -s -o "$work/body" -w '%{http_code}' -X "$method" "http://127.0.0.1:$vmcastd_port$path") == \
			$([[ $path == /v1/guests ]] && echo 405 || echo 404) ]] && echo no)" no
done <"$work/routes"
is "what there is not is nothing to talk about without a token" "$(status '' GET /nothing) $(status boss GET /nothing)" "401 404"
like "401 says what is wanted" "$(status '' GET / >/dev/null && cat "$work/head")" 'WWW-Authenticate: Bearer'

restart
for nr in {1..10}; do
	status wrong GET / >/dev/null
done
is "the eleventh wrong token is one too many" "$(status wrong GET /)" 429
like "with a time to wait" "$(cat "$work/head")" 'Retry-After: [1-6]?[0-9]'
is "from then on the right one is not looked at either" "$(status boss GET /)" 429
is "the socket does not care" "$(api GET /v1/tokens | jq '.tokens | length')" 4
restart

is "each service that refused has ended well" "$bad_ends" 0

# vmcast itself
remote() { "$BUILD/vmcast" --server "$url" --ca "$work/ca/ca.pem" "$@"; }
is "vmcast with a token of a file" "$(remote --token-file "$work/viewer.token" --json status | jq -r .state_dir)" "$work/state"
is "vmcast with a token of the environment" \
	"$(VMCAST_TOKEN=$(<"$work/viewer.token") remote --json status | jq -r .state_dir)" "$work/state"
chmod 640 "$work/viewer.token"
like "a file that others can read is refused" "$(remote --token-file "$work/viewer.token" status 2>&1 || true)" \
	"viewer.token': its mode is 0640, others than its owner could read it"
chmod 600 "$work/viewer.token"
is "no token" "$(remote status 2>&1 || true)" "vmcast: --server needs a token (--token-file FILE, or the environment's VMCAST_TOKEN)"
is "a token is no argument" "$(remote --token vmcast_x status 2>&1 || true)" \
	"vmcast: --token: everybody could see it in the list of processes; write --token-file FILE"
is "too weak a token" "$(remote --token-file "$work/viewer.token" store gc 2>&1 || true)" \
	"vmcast: this needs role operate, the token has role view"
is "a wrong token" "$(remote --token-file "$work/wrong.token" status 2>&1 || true)" "vmcast: the token is wrong, or was revoked"
is "never without TLS" "$("$BUILD/vmcast" --server "http://localhost:$api_port" --ca "$work/ca/ca.pem" --token-file "$work/boss.token" status 2>&1 || true)" \
	"vmcast: --server: write https://HOST:PORT; a token is not sent without TLS"

# Who did it
vmcast machine assign 52:54:00:12:34:56 nothing >/dev/null 2>&1 || true
api DELETE /v1/machines/52:54:00:12:34:56/assignment >/dev/null
remote --token-file "$work/worker.token" store gc >/dev/null
like "the log says who did it on the socket" "$(cat "$work/vmcastd.log")" \
	"http: $(id -un) \(uid $(id -u), process [0-9]+\): DELETE /v1/machines/52:54:00:12:34:56/assignment: 404"
like "and with which token" "$(cat "$work/vmcastd.log")" "http: token 'worker' at 127.0.0.1: POST /v1/store/gc: 200"
like "and who was refused" "$(cat "$work/vmcastd.log")" "http: operator at 127.0.0.1 refused: the token 'old' has expired"
like "also for his role" "$(cat "$work/vmcastd.log")" "token 'viewer' at 127.0.0.1, role view: POST /v1/store/gc refused: needs role operate"

# The command line of a client while it waits: its server accepts and says nothing.
mute_port=$(free_port)
socat "TCP-LISTEN:$mute_port,bind=127.0.0.1,fork" "EXEC:sleep 60" 2>/dev/null &
at_exit kill $!
wait_for 60 port_answers "$mute_port"
"$BUILD/vmcast" --server "https://localhost:$mute_port" --ca "$work/ca/ca.pem" --token-file "$work/boss.token" status 2>/dev/null &
client=$!
at_exit kill "$client"
is_connected() { [[ -n $(find "/proc/$client/fd" -lname 'socket:*' 2>/dev/null) ]]; }
wait_for 60 is_connected
unlike "ps shows no token" "$(tr '\0' ' ' <"/proc/$client/cmdline")" 'vmcast_'

stop_vmcastd
secrets() { cat "$work"/{viewer,worker,boss,gone,old}.token; }
secrets | sed 's/^vmcast_//' >"$work/secrets"
is "no token is in the log or the database" "$(grep -rlaFf "$work/secrets" "$work/vmcastd.log" "$work/state" "$work/run" || true)" ""
VMCAST_DEBUG=all start_vmcastd "api_listen = 127.0.0.1:$api_port"
wait_for 60 port_answers "$api_port"
VMCAST_DEBUG=all remote --token-file "$work/boss.token" status >"$work/debug" 2>&1
is "nor in what either says when asked for everything" \
	"$(grep -lFf "$work/secrets" "$work/vmcastd.log" "$work/debug" || true)" ""
done_testing

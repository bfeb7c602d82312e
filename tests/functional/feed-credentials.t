#!/bin/bash
# What a feed needs to be let in is shown to its own server and to no other, and to nobody who looks at logs or answers; proxies are
# used where they are named. Runs in a mount namespace, where the system's certificates can be replaced.
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

password='p4ss: word'
token=t0ken-$(printf 'x%.0s' {1..600})
basic=$(printf 'reader:%s' "$password" | base64 -w0)

# certify NAME EXTENSION: a key and a certificate of the test's own authority
certify()
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" -keyout "$work/$1.key" -out "$work/$1.csr" 2>"$work/openssl"
	openssl x509 -req -days 2 -in "$work/$1.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -out "$work/$1.pem" \
		-extfile <(echo "$2") 2>"$work/openssl"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=vmcast-test-ca -keyout "$work/ca.key" \
	-out "$work/ca.pem" 2>"$work/openssl"
certify server subjectAltName=IP:127.0.0.1
certify client extendedKeyUsage=clientAuth
mount --bind "$work/ca.pem" /etc/ssl/certs/ca-certificates.crt

mkdir "$work/nginx.d"
basic_port=$(free_port) token_port=$(free_port) other_port=$(free_port) tls_port=$(free_port) other_tls_port=$(free_port) forward_port=$(free_port)
origin=$work/origin
tls="ssl_certificate $work/server.pem; ssl_certificate_key $work/server.key; ssl_client_certificate $work/ca.pem;"
cat >"$work/nginx.d/credentials.conf" <<END
log_format said '\$server_port \$request "\$http_authorization" "\$ssl_client_s_dn" "\$http_proxy_authorization"';
access_log $work/said.log said;
root $origin;
server {
	listen 127.0.0.1:$basic_port;
	if (\$http_authorization != "Basic $basic") { return 401; }
	location = /leave.xml { return 302 http://127.0.0.1:$other_port/feed.xml; }
	location = /leave-for-good.xml { return 301 http://127.0.0.1:$other_port/feed.xml; }
}
server {
	listen 127.0.0.1:$token_port;
	if (\$http_authorization != "Bearer $token") { return 401; }
}
server { listen 127.0.0.1:$other_port; }
server {
	listen 127.0.0.1:$tls_port ssl;
	$tls ssl_verify_client on;
	location = /leave.xml { return 302 https://127.0.0.1:$other_tls_port/feed.xml; }
}
server {
	listen 127.0.0.1:$other_tls_port ssl;
	$tls ssl_verify_client optional;
}
server {
	listen 127.0.0.1:$forward_port;
	if (\$http_proxy_authorization != "Basic $basic") { return 407; }
	location / { proxy_pass http://127.0.0.1:$other_port; }
}
END
start_origin
truncate -s 1M "$origin/disk"
cat >"$origin/feed.xml" <<END
<rss version="2.0"><channel><title>feed</title>
<item><title>own</title><uuid>1</uuid><enclosure url="/disk" length="1048576"/></item>
<item><title>elsewhere</title><uuid>2</uuid><enclosure url="http://127.0.0.1:$other_port/disk" length="1048576"/></item>
<item><title>inside</title><uuid>3</uuid><enclosure url="http://10.1.2.3/disk"/></item>
</channel></rss>
END
cat >"$work/secrets" <<END
# what the publishers gave us
images basic reader:$password
token  bearer $token
card   certificate $work/client.pem $work/client.key
END
chmod 600 "$work/secrets" "$work/client.key"

# add URL [OPTION...]: subscribe and wait for the first fetch; sets status, said
add()
{
	status=0
	said=$(vmcast feed add --wait "$@" policy=none 2>&1) || status=$?
}

# outcome URL TITLE: of an item of the feed with that URL
outcome()
{
	local feed
	feed=$(field /v1/feeds ".feeds[] | select(.url == \"$1\") | .id")
	field "/v1/items?feed=$feed" ".items[] | select(.title == \"$2\") | .state + (if .error then \": \" + .error else \"\" end)"
}

settled()
{
	[[ $(outcome "$1" "$2") =~ ^(ready|failed) ]]
}

# said_to PORT PATH: what the last such request showed, AUTHORIZATION"CERTIFICATE
said_to()
{
	grep "^$1 GET [^ ]*$2 " "$work/said.log" | tail -n 1 | cut -d'"' -f2,4
}

start_vmcastd "secrets = $work/secrets"
url=http://127.0.0.1:$basic_port/feed.xml
add "$url"
like "without a password: refused" "$status $said" "^1 .*HTTP status 401"
ok "a password can be given later" vmcast feed set "$url" auth=images
ok "and then the feed is read" vmcast feed refresh "$url"
wait_for 60 settled "$url" own
is "an enclosure on the feed's own server is let in" "$(outcome "$url" own)" ready
wait_for 60 settled "$url" elsewhere
is "one elsewhere is fetched" "$(outcome "$url" elsewhere)" ready
is "and not shown the password" "$(said_to "$other_port" /disk)" '-"-'
add "http://127.0.0.1:$basic_port/leave.xml" auth=images
is "a redirect to another server is followed" "$status" 0
is "which is not shown the password" "$(said_to "$other_port" /feed.xml)" '-"-'
add "http://127.0.0.1:$basic_port/leave-for-good.xml" auth=images
vmcast feed refresh "http://127.0.0.1:$basic_port/leave-for-good.xml" >"$work/refresh"
is "nor is one that the feed moved to for good" "$(said_to "$other_port" /feed.xml)" '-"-'

add "http://127.0.0.1:$token_port/feed.xml" auth=token
is "a token is let in" "$status" 0

add "https://127.0.0.1:$tls_port/feed.xml"
like "without a certificate: refused" "$status $said" "^1 .*HTTP status 400"
url=https://127.0.0.1:$tls_port/leave.xml
add "$url" certificate=card
is "a certificate is let in" "$status" 0
is "and shown" "$(said_to "$tls_port" /leave.xml)" '-"CN=client'
is "but not to the server of a redirect" "$(said_to "$other_tls_port" /feed.xml)" '-"-'

# The feed's port is nobody's; the proxy knows where to go.
dead_port=$(free_port)
url=http://127.0.0.1:$dead_port/feed.xml
add "$url" "proxy=http://127.0.0.1:$forward_port"
like "a proxy that wants a password: refused" "$status $said" "^1 .*407"
vmcast feed set "$url" proxy_auth=images >"$work/set"
ok "with it: read through the proxy" vmcast feed refresh "$url"
wait_for 60 settled "$url" own
is "its enclosures, too" "$(outcome "$url" own)" ready
wait_for 60 settled "$url" inside
like "but not what lies inside the site" "$(outcome "$url" inside)" "failed: .*10.1.2.3 is not allowed"

chmod 644 "$work/secrets"
add "http://127.0.0.1:$basic_port/feed.xml?again" auth=images
like "a file that others can read is not used" "$status $said" "^1 .*by others than its owner"
chmod 600 "$work/secrets"
chmod 640 "$work/client.key"
add "https://127.0.0.1:$tls_port/feed.xml?again" certificate=card
like "nor a key" "$status $said" "^1 .*client.key.*by others than its owner"
chmod 600 "$work/client.key"
add "http://127.0.0.1:$basic_port/feed.xml?unknown" auth=nobody
like "a secret that is not there: says so" "$status $said" "^1 .*no secret 'nobody'"
add "http://127.0.0.1:$basic_port/feed.xml?kind" auth=card
like "a secret of another kind: says so" "$status $said" "^1 .*'card' is a certificate"
add "http://reader:$password@127.0.0.1:$basic_port/feed.xml"
is "a password in a URL is refused" "$status" 2
api GET /v1/feeds >"$work/answers"
api GET /v1/items >>"$work/answers"
vmcast feed export >>"$work/answers"
is "no secret shows" "$(grep -cE "p4ss|t0ken|$basic" "$work/answers" "$work/vmcastd.log" | grep -cv ":0$")" 0
stop_vmcastd TERM

export http_proxy=http://127.0.0.1:$dead_port
start_vmcastd "secrets = $work/secrets"
unset http_proxy
add "http://127.0.0.1:$other_port/feed.xml"
is "a proxy of the environment is not used" "$status" 0
done_testing

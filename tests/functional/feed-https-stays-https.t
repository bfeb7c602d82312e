#!/bin/bash
# F06, F14: what a publisher serves over HTTPS is not fetched from a server that cannot prove its name, and not over plain HTTP
# because a redirect says so. Runs in a mount namespace, where the system's certificates can be replaced.
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
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=vmcast-test \
	-addext "subjectAltName=IP:127.0.0.1" -keyout "$work/key" -out "$work/certificate" 2>"$work/openssl"
mkdir "$work/nginx.d"
start_origin
cat >"$work/nginx.d/tls.conf" <<END
server {
	listen 127.0.0.1:$tls_port ssl;
	ssl_certificate $work/certificate;
	ssl_certificate_key $work/key;
	root $origin;
	location = /down.xml { return 302 http://127.0.0.1:$origin_port/feed.xml; }
	location = /down { return 302 http://127.0.0.1:$origin_port/disk; }
	location = /same.xml { return 302 https://127.0.0.1:$tls_port/feed.xml; }
}
END
reload_origin

truncate -s 1M "$origin/disk"
cat >"$origin/feed.xml" <<-END
	<rss version="2.0"><channel><title>feed</title>
	<item><title>good</title><uuid>1</uuid><enclosure url="disk"/></item>
	<item><title>down</title><uuid>2</uuid><enclosure url="https://127.0.0.1:$tls_port/down"/></item>
	</channel></rss>
END

# add URL: subscribe and wait for the first fetch; sets status, said
add()
{
	status=0
	said=$(vmcast feed add --wait "$1" policy=none 2>&1) || status=$?
}

# outcome FEED-ID TITLE
outcome()
{
	field "/v1/items?feed=$1" ".items[] | select(.title == \"$2\") | .state + (if .error then \": \" + .error else \"\" end)"
}

settled()
{
	[[ $(outcome "$1" "$2") =~ ^(ready|failed) ]]
}

start_vmcastd
add "https://127.0.0.1:$tls_port/feed.xml"
is "a certificate that nobody vouches for: fails" "$status" 1
like "a certificate that nobody vouches for: says so" "$said" "certificate"
stop_vmcastd TERM

mount --bind "$work/certificate" /etc/ssl/certs/ca-certificates.crt
start_vmcastd
add "https://127.0.0.1:$tls_port/same.xml"
is "a certificate that is trusted: the feed is read, across a redirect" "$status" 0
feed=$(field /v1/feeds '.feeds[] | select(.url | endswith("/same.xml")) | .id')
wait_for 60 settled "$feed" good
is "its enclosure is ready" "$(outcome "$feed" good)" ready
wait_for 60 settled "$feed" down
like "an enclosure that is redirected to plain HTTP fails" "$(outcome "$feed" down)" "failed: .*http"
add "https://127.0.0.1:$tls_port/down.xml"
is "a feed that is redirected to plain HTTP: fails" "$status" 1
like "a feed that is redirected to plain HTTP: says so" "$said" 'http.* not (supported|allowed)'
add "https://localhost:$tls_port/feed.xml"
is "a certificate for another name: fails" "$status" 1
like "a certificate for another name: says so" "$said" "certificate|name|subject"
done_testing

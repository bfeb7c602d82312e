#!/bin/bash
# What a peer may do to the machines' server is bounded: methods, headers, bodies, connections, slow requests.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

start_vmcastd "header_timeout = 2s" "idle_timeout = 5s" "connections_per_address_max = 8" "header_bytes_max = 8K"
url=http://127.0.0.1:$vmcastd_port

# status [CURL-OPTION...]: HTTP status, headers in $work/head
status()
{
	curl -s -m 60 -o "$work/body" -D "$work/head" -w '%{http_code}' "$@" || true
}

allow()
{
	sed -n 's/^Allow: \(.*\)\r$/\1/Ip' "$work/head"
}

is "DELETE of a script" "$(status -X DELETE "$url/boot.ipxe") $(allow)" "405 GET, HEAD"
is "PUT of a plan" "$(status -X PUT "$url/v1/plan") $(allow)" "405 POST"
is "GET of a job's reports" "$(status "$url/v1/jobs/0123456789abcdef") $(allow)" "405 POST"
is "TRACE" "$(status -X TRACE "$url/healthz")" 405
is "OPTIONS" "$(status -X OPTIONS "$url/healthz")" 405
is "a made-up method" "$(status -X BREW "$url/healthz")" 405

plan="$url/v1/plan"
json='Content-Type: application/json'
is "a plan without a body" "$(status -X POST "$plan")" 400
is "a form" "$(status -d x=1 "$plan")" 415
is "no JSON" "$(status -H "$json" -d '{' "$plan")" 400
is "JSON twice" "$(status -H "$json" -d '{}{}' "$plan")" 400
is "a list" "$(status -H "$json" -d '[]' "$plan")" 400
is "a key twice" "$(status -H "$json" -d '{"version":1,"version":1}' "$plan")" 400
is "no version" "$(status -H "$json" -d '{"item":"0123456789abcdef"}' "$plan") $(jq -r .error "$work/body")" \
	'400 field "version" is missing'
is "a later version" "$(status -H "$json" -d '{"version":2,"item":"0123456789abcdef"}' "$plan")" 400
is "an item that is no id" "$(status -H "$json" -d '{"version":1,"item":"../../x"}' "$plan") $(jq -r .error "$work/body")" \
	"400 field \"item\": '../../x' is no item id (16 hex digits)"
is "a MAC that is none" "$(status -H "$json" -d '{"version":1,"item":"0123456789abcdef","macs":["x"]}' "$plan")" 400
is "an unknown item" "$(status -H "$json" -d '{"version":1,"item":"0123456789abcdef"}' "$plan")" 404
is "a report without a ticket" "$(status -H "$json" -d '{"phase":"done"}' "$url/v1/jobs/0123456789abcdef")" 403
is "a report for an unknown job" \
	"$(status -H "$json" -H 'Authorization: Bearer x' -d '{"phase":"done"}' "$url/v1/jobs/0123456789abcdef")" 404

printf '{"version":1,"item":"%065536d"}' 0 >"$work/long"
is "a body of more than 64 KiB" "$(status -H "$json" --data-binary @"$work/long" "$plan")" 413
status -H "$json" -H 'Transfer-Encoding: chunked' --data-binary @"$work/long" "$plan" >/dev/null
ok "the same in chunks does not get a plan" test "$(head -c 12 "$work/head" | cut -c10-)" != 200
deep=$(printf '[%.0s' {1..30000})
is "deep JSON" "$(status -H "$json" --data-binary "{\"disks\":$deep" "$plan")" 400
is "a header longer than the limit" "$(status -H "X: $(printf 'x%.0s' {1..9000})" "$url/healthz")" 431
like "a URL longer than the limit" "$(status "$url/$(printf 'x%.0s' {1..9000})")" '^4(14|31)$'
like "no HTTP" "$(printf 'GARBAGE\r\n\r\n' | timeout 60 socat -t 20 - "TCP:127.0.0.1:$vmcastd_port" | head -1)" '^(HTTP/1.1 4|$)'

# drip NAME FIRST PIECE: send FIRST, then PIECE every 0.3 s for ever; the time until the server hangs up
drip()
{
	perl -MIO::Socket::INET -MTime::HiRes=sleep -e '
		$SIG{PIPE} = "IGNORE";
		my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die;
		print $s $ARGV[1];
		$s->flush;
		for (1 .. 100) {
			my $in = "";
			vec($in, fileno($s), 1) = 1;
			if (select($in, undef, undef, 0.3) > 0 && !sysread($s, my $buf, 4096)) { print "cut\n"; exit }
			syswrite($s, $ARGV[2]) or do { print "cut\n"; exit };
		}
		print "still served\n"' "$vmcastd_port" "$1" "$2"
}
is "a header that never ends is cut" "$(drip $'GET /healthz HTTP/1.1\r\nHost: x\r\n' $'X: y\r\n')" cut
is "a request line that never ends is cut" "$(drip 'GET /' x)" cut
is "a body that comes a byte at a time is cut" \
	"$(drip $'POST /v1/plan HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{' ' ')" cut
is "a second request that never ends is cut" "$(drip $'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /' x | tail -1)" cut
is "nothing at all is cut" "$(timeout 60 socat -u "TCP:127.0.0.1:$vmcastd_port" - && echo cut)" cut

# Eight connections from one address that do nothing: a ninth is closed at once, others are served when one has gone.
exec {held}< <(exec perl -MIO::Socket::INET -e '
	$| = 1;
	my @s = map { IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") } 1 .. 8;
	print "connected\n"; sleep 600' "$vmcastd_port")
holder=$!
read -r -u "$held" _
is "more connections than an address may have" "$(status "$url/healthz")" 000
kill "$holder"
healthy() { [[ $(status "$url/healthz") == 200 ]]; }
ok "served again when they have gone" wait_for 60 healthy
ok "the service still runs" kill -0 "$vmcastd_pid"
done_testing

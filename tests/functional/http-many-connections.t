#!/bin/bash
# Two thousand connections at once are all served, and the service answers others meanwhile.
# shellcheck disable=SC2317 # functions are handed to `ok` and `wait_for`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

connections=2000
[[ $(ulimit -Hn) -ge 10000 ]] || skip_all "needs 10000 file descriptors, the limit is $(ulimit -Hn)"
# What many systems give a service; it raises that itself.
ulimit -Sn 1024
start_vmcastd "connections_per_address_max = 4096"
ulimit -Sn 10000
id=$(printf '%064d' 7)
mkdir -p "$work/state/images/$id"
head -c 1048576 /dev/urandom >"$work/state/images/$id/image.zst"

# All connect and ask first, and none leaves; only when the last has done so anybody reads. Prints how many answers came whole.
cat >"$work/many.pl" <<'END'
use strict;
use IO::Socket::INET;
my ($port, $count, $id) = @ARGV;
my @sockets;
for my $nr (1 .. $count) {
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 60) or die "connection $nr: $!\n";
	my $first = ($nr * 500) % 1000000;
	print $s "GET /images/$id/image.zst HTTP/1.1\r\nHost: x\r\nRange: bytes=$first-" . ($first + 9999) .
		"\r\n\r\n";
	$s->flush;
	push @sockets, [ $s, $first ];
}
open(my $file, "<:raw", $ARGV[3]) or die;
my $image = do { local $/; <$file> };
$| = 1;
print "connected\n";
<STDIN>;
my $right = 0;
for (@sockets) {
	my ($s, $first) = @$_;
	my $head = do { local $/ = "\r\n\r\n"; <$s> };
	read($s, my $body, 10000);
	$right++ if $head =~ m{^HTTP/1.1 206} && $body eq substr($image, $first, 10000);
}
print "$right\n";
END
coproc many { perl "$work/many.pl" "$vmcastd_port" $connections "$id" "$work/state/images/$id/image.zst"; }
read -r -u "${many[0]}" line
is "they all connect" "$line" connected
is "another one is served meanwhile" "$(curl -s -m 60 "http://127.0.0.1:$vmcastd_port/healthz")" ok
like "so is the operator" "$(api GET /v1/status | jq -r .version)" '^[0-9]+\.'
echo go >&"${many[1]}"
read -r -u "${many[0]}" right
is "each gets its own bytes" "$right" $connections
all_closed()
{
	local fds=("/proc/$vmcastd_pid/fd/"*)

	[[ ${#fds[@]} -lt 50 ]]
}
ok "no descriptor is left" wait_for 60 all_closed
done_testing

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# vmcastd without serving: what it prints, what it refuses, and its exit status.
set -eu
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

# run ARGUMENT...: sets status, out (both streams)
run()
{
	status=0
	out=$("$BUILD/vmcastd" "$@" 2>&1) || status=$?
}

run --version
is "--version" "$status $out" "0 vmcastd 0.1.0"
run --help
is "--help succeeds" "$status" 0
for option in config check-config print-dhcp help-config help version; do
	like "... and has --$option" "$out" "--$option"
	ok "... as the man page has" grep -q -- "${option//-/\\\\-}" "$top/docs/reference/vmcastd.8"
done
run --bogus
is "an option there is not" "$status" 2
run something
like "an argument too many" "$status $out" "^2 .*unexpected argument 'something'"
run --config /nonexistent
like "a configuration that is not there" "$status $out" "^2 .*open '/nonexistent': No such file"

printf 'listen = 127.0.0.1:1\nrefresh = 5 parsecs\nbogus = 1\n' >"$work/bad.conf"
run --config "$work/bad.conf" --check-config
is "--check-config with two faults" "$status" 2
is "... tells both" "$out" "$work/bad.conf:2: refresh = '5 parsecs': not a duration; write 90s, 15m, 1h or 1d (30s..30d)
$work/bad.conf:3: bogus = '1': no such key; \`vmcastd --help-config\` lists them"
run --config "$work/bad.conf"
like "the service does not start with it" "$status $out" "^2 .*:2: refresh = '5 parsecs'"

printf 'listen = 127.0.0.1:8881\nfeed = https://a.example/feed.xml\n' >"$work/good.conf"
run --config "$work/good.conf" --check-config
is "--check-config of a right one" "$status $out" \
	"0 $work/good.conf: ok: 1 feed, machines at http://127.0.0.1:8881, state in /var/lib/vmcast"
run --config "$work/good.conf" --print-dhcp
like "--print-dhcp has the script's URL" "$status $out" '^0 .*http://127\.0\.0\.1:8881/boot\.ipxe'

{
	cat "$top/docs/examples/vmcastd.conf"
	echo "listen = 127.0.0.1:8881"
} >"$work/example.conf"
run --config "$work/example.conf" --check-config
is "the example is right as it stands" "$status" 0

# Whose parent ignores SIGCHLD has that from it, and could not tell how the programs ended that it starts.
mkfifo "$work/fifo.conf"
env --ignore-signal=CHLD "$BUILD/vmcastd" --config "$work/fifo.conf" --check-config >/dev/null 2>&1 &
reader=$!
# shellcheck disable=SC2317 # handed to wait_for
takes_ends()
{
	[[ $(cat /proc/"$reader"/comm) == vmcastd ]] &&
		! ((0x$(sed -n 's/^SigIgn:\t//p' /proc/"$reader"/status) & 0x10000))
}
ok "SIGCHLD is not ignored" wait_for 60 takes_ends
: >"$work/fifo.conf"
wait $reader || true
done_testing

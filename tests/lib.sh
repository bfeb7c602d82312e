# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for shell tests, and what they all need. Sourced, after `set -eu`.
# shellcheck shell=bash disable=SC2034 # variables are set for the tests

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$top/build}
[[ $BUILD == /* ]] || BUILD=$top/$BUILD
work=$(mktemp -d "${TMPDIR:-/tmp}/vmcast-test.XXXXXX")
tap_count=0
tap_failed=0

diag()
{
	printf '%s\n' "$*" | sed 's/^/# /'
}

# ok LABEL COMMAND...: passes when the command succeeds
ok()
{
	local label=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@"; then
		echo "ok $tap_count - $label"
	else
		echo "not ok $tap_count - $label"
		diag "failed: $*"
		tap_failed=1
	fi
}

# is LABEL GOT WANTED
is()
{
	tap_count=$((tap_count + 1))
	if [[ $2 == "$3" ]]; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		diag "got:    $2"
		diag "wanted: $3"
		tap_failed=1
	fi
}

# like LABEL TEXT REGEX
like()
{
	tap_count=$((tap_count + 1))
	if [[ $2 =~ $3 ]]; then
		echo "ok $tap_count - $1"
	else
		echo "not ok $tap_count - $1"
		diag "got:      $2"
		diag "no match: $3"
		tap_failed=1
	fi
}

skip_all()
{
	echo "1..0 # SKIP $*"
	exit 0
}

done_testing()
{
	echo "1..$tap_count"
	exit "$tap_failed"
}

# Commands to run at the end, last first: `at_exit kill "$pid"`.
cleanups=()
at_exit()
{
	cleanups=("$(printf '%q ' "$@")" "${cleanups[@]}")
}

run_cleanups()
{
	local status=$? command

	for command in "${cleanups[@]}"; do
		eval "$command" || true
	done
	rm -rf "$work"
	exit "$status"
}
trap run_cleanups EXIT

# wait_for SECONDS COMMAND...: until it succeeds; false when time is over
wait_for()
{
	local left=$(($1 * 10))
	shift
	until "$@"; do
		[[ $((left--)) -gt 0 ]] || return 1
		sleep 0.1
	done
}

# ---- servers; each is ended with the test, by its process id

# free_port: a TCP port of 127.0.0.1 that nobody listens on
free_port()
{
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1)->sockport'
}

port_answers()
{
	(: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# start_origin: a publisher's web server (ranges, validators) for the files in $origin; sets origin_port
start_origin()
{
	origin=$work/origin
	mkdir -p "$origin"
	origin_port=$(free_port)
	cat >"$work/nginx.conf" <<-END
		daemon off;
		pid $work/nginx.pid;
		error_log $work/nginx.log;
		$([[ $(id -u) == 0 ]] && echo "user root;")
		events { }
		http {
			access_log off;
			client_body_temp_path $work/nginx.1; proxy_temp_path $work/nginx.2; fastcgi_temp_path $work/nginx.3;
			uwsgi_temp_path $work/nginx.4; scgi_temp_path $work/nginx.5;
			server { listen 127.0.0.1:$origin_port; root $origin; }
		}
	END
	nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
	at_exit kill $!
	wait_for 10 port_answers "$origin_port" || { diag "nginx does not start: $(cat "$work/nginx.log")"; exit 1; }
}

# start_proxy PORT [OPTION...]: faultproxy in front of 127.0.0.1:PORT, in place of the one before; sets proxy_port, logs
# to $work/proxy.log
start_proxy()
{
	local to=$1
	shift
	stop_proxy
	rm -f "$work/proxy.port"
	: >"$work/proxy.log"
	"$top/tests/functional/faultproxy" --to "127.0.0.1:$to" --port-file "$work/proxy.port" --log "$work/proxy.log" "$@" &
	proxy_pid=$!
	wait_for 10 test -s "$work/proxy.port" || { diag "faultproxy does not start"; exit 1; }
	proxy_port=$(<"$work/proxy.port")
}

proxy_pid=
stop_proxy()
{
	[[ -n $proxy_pid ]] || return 0
	kill "$proxy_pid" || true
	wait "$proxy_pid" || true
	proxy_pid=
}
at_exit stop_proxy

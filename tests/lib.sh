# SPDX-License-Identifier: GPL-2.0-or-later
# TAP for shell tests, and what they all need. Sourced, after `set -eu`.
# shellcheck shell=bash

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

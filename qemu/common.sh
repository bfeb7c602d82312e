# SPDX-License-Identifier: GPL-2.0-or-later
# What every script in qemu/ needs: where things are, and how it speaks.
# Sourced, after `set -eu`.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
BUILD=${BUILD:-$top/build}
[[ $BUILD == /* ]] || BUILD=$top/$BUILD

# Partitioning and file system tools live in sbin, which is not on a user's PATH.
PATH=$PATH:/usr/sbin:/sbin

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# need PROGRAM...: every missing program at once, not one a run
need()
{
	local program missing=()

	for program; do
		command -v "$program" >/dev/null || missing+=("$program")
	done
	[[ ${#missing[@]} -eq 0 ]] || die "not installed: ${missing[*]} (\`make deps\` installs what the project needs)"
}

# bytes_of SIZE: 8G, 64M, 512K or plain bytes, as a number of bytes
bytes_of()
{
	[[ $1 =~ ^[0-9]+[KMGT]?$ ]] || die "size '$1': expected a number with K, M, G, T or nothing after it"
	numfmt --from=iec "$1"
}

# plain: a console's bytes as lines of text. Cursor movements, carriage returns and the wide
# gaps of full-screen menus end a line; colours and what was typed over go.
plain()
{
	stdbuf -o0 tr '\r' '\n' |
		sed -u -E 's/\x1b\[[0-9;]*H/\n/g; s/\x1b\[[0-9;?=]*[A-Za-z]//g; s/\x1b[A-Z]//g; s/\x08 \x08|\x08//g; s/ {12,}/\n/g; /^$/d'
}

# progress WHAT LOG COMMAND...: run COMMAND, its output at the end of LOG, counting the seconds on the
# terminal (one line a second would fill a log file, so elsewhere it is told once).
progress()
{
	local what=$1 log=$2 started=$SECONDS pid status=0
	shift 2

	"$@" >>"$log" 2>&1 &
	pid=$!
	[[ -t 2 ]] || say "$what"
	while kill -0 "$pid" 2>/dev/null; do
		[[ ! -t 2 ]] || printf '\r%s: %s, %d s' "${0##*/}" "$what" $((SECONDS - started)) >&2
		sleep 0.3
	done
	wait "$pid" || status=$?
	[[ ! -t 2 ]] || printf '\r' >&2
	if [[ $status -ne 0 ]]; then
		say "$what: failed with status $status; the end of $log:"
		tail -n 15 "$log" >&2
		return "$status"
	fi
	say "$what: $((SECONDS - started)) s"
}

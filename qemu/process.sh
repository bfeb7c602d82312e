# SPDX-License-Identifier: GPL-2.0-or-later
# Processes in the background, known by a file that holds process id and start time: a number
# alone may belong to somebody else by the time it is used.
# Sourced after common.sh.
# shellcheck shell=bash

# start_time PID: clock ticks since boot, field 22 of stat (the name before it may hold
# anything). A process that has ended and waits to be buried has none.
start_time()
{
	local stat fields

	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	read -ra fields <<<"${stat##*) }"
	[[ ${fields[0]} != Z ]] && echo "${fields[19]}"
}

# process_note FILE PID
process_note()
{
	echo "$2 $(start_time "$2" || echo ended)" >"$1"
}

# process_start FILE LOG COMMAND...: in a session of its own, so that Ctrl-C on our terminal is not for it
process_start()
{
	local file=$1 log=$2
	shift 2

	setsid -- "$@" </dev/null >"$log" 2>&1 &
	process_note "$file" $!
}

# process_pid FILE: the id if that very process still runs
process_pid()
{
	local pid started

	[[ -f $1 ]] && read -r pid started <"$1" && [[ $(start_time "$pid") == "$started" ]] && echo "$pid"
}

# process_stop FILE [SIGNAL]: ask with SIGNAL (TERM), insist with KILL after five seconds
process_stop()
{
	local pid i

	pid=$(process_pid "$1") || return 0
	# It may end by itself at any moment: then there is nobody to tell.
	kill -s "${2-TERM}" "$pid" 2>/dev/null || :
	for ((i = 0; i < 100; i++)); do
		if [[ $i -eq 50 ]] && process_pid "$1" >/dev/null; then
			say "process $pid does not stop, killing it"
			kill -s KILL "$pid" 2>/dev/null || :
		fi
		process_pid "$1" >/dev/null || break
		sleep 0.1
	done
	rm -f "$1"
}

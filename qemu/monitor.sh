# SPDX-License-Identifier: GPL-2.0-or-later
# Talking to a machine's QEMU through its monitor, and reading its screen.
# Sourced after common.sh, inside the lab; $lab_run is the folder of its sockets.
# shellcheck shell=bash

# monitor_do ID COMMAND: QEMU hangs up when it has done all it was told before the end of input
monitor_do()
{
	printf '%s\n' "$2" | socat -t 30 - "UNIX-CONNECT:$lab_run/machines/$1/monitor" ||
		die "machine '$1': its monitor does not answer"
}

# monitor_keys ID KEY...: QEMU's names (ret, esc, up, down, f1, a, shift-a). Firmware polls the
# keyboard slowly: a key is held for 0.1 s, and the next one waits for its release.
monitor_keys()
{
	local id=$1 key
	shift

	for key; do
		monitor_do "$id" "sendkey $key" >/dev/null
		sleep 0.2
	done
}

# monitor_screen ID FILE.png
monitor_screen()
{
	rm -f "$2"
	monitor_do "$1" "screendump \"$(realpath "$2")\" -f png" >/dev/null
	[[ -s $2 ]] || die "machine '$1': no picture of its screen"
}

# monitor_text ID: the 80x25 text screen of a BIOS machine; each cell is a character and a colour. The file name is
# quoted because "4000 /run" would be a division.
monitor_text()
{
	local file=$lab_run/machines/$1/screen

	monitor_do "$1" "pmemsave 0xb8000 4000 \"$file\"" >/dev/null
	[[ -s $file ]] || die "machine '$1': no text screen"
	od -An -v -tx1 -w2 "$file" | while read -r cell _; do
		# shellcheck disable=SC2059 # the escape is the format
		[[ $cell < 20 || $cell > 7e ]] && printf ' ' || printf "\\x$cell"
	done | fold -w 80 | sed 's/ *$//'
}

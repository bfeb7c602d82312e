#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The tutorial is true: every command of docs/tutorial/first-machine.md succeeds, in order, as it stands there.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source-path=SCRIPTDIR source=netboot.sh
. "$(dirname "$0")/netboot.sh"

page=$top/docs/tutorial/first-machine.md
LAB=tutorial-$$
export LAB
at_exit netboot_clean
cd "$top"

# The lines between ```sh and ```
# shellcheck disable=SC2016 # backticks of Markdown
mapfile -t commands < <(sed -n '/^```sh$/,/^```$/p' "$page" | grep -v '^```')
for command in "${commands[@]}"; do
	if ! ok "$command" bash -c "$command" >"$work/result" 2>&1; then :; fi
	# A TAP line first, then what the command said.
	grep -aE '^(not )?ok [0-9]' "$work/result"
	grep -avE '^(not )?ok [0-9]' "$work/result" | tail -n 25 | sed 's/^/# /' || true
	[[ $tap_failed -eq 0 ]] || break
done
ok "the page has commands" test "${#commands[@]}" -gt 15
done_testing

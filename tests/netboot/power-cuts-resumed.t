#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# F41: `make powercuts` in short, its second half: a machine whose power was cut while it wrote finishes when it is switched on
# again, whatever its disk's cache lost.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"

status=0
"$top/tests/power/cuts" --cuts 3 --boot --image-bytes 64M --lanes 1 --out "$work" >"$work/said" 2>&1 || status=$?
diag "$(<"$work/said")"
is "it runs, and nothing is wrong" "$status" 0
[[ -f $work/cuts.json ]] || done_testing
is "each machine was cut off" "$(jq '[.cuts[] | select(.cut_at_bytes)] | length' "$work/cuts.json")" 3
is "the image is on each disk afterwards" "$(jq '[.cuts[] | select(.equal)] | length' "$work/cuts.json")" 3
# A chunk or two may be asked for before the scan of the disk has come to them.
is "what a disk held is not fetched again" \
	"$(jq '[.cuts[] | select(.on_disk_bytes > 8e6 and .again_needlessly_bytes > 4e6)] | length' "$work/cuts.json")" 0
done_testing

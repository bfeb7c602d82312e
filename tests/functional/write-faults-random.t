#!/bin/bash
# Any fault, at any byte, in any answer of the service, any number of times: the disk is right, or blank, or untouched, and the exit
# code does not say otherwise. SEED=N repeats a run.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((24 << 20))
serve_image "$bytes" $((4 << 20))
fill "$work/old" "$bytes"

# Exit 8: the disk is good, the service could not be told.
is_consistent()
{
	if [[ $status == 0 || $status == 8 ]]; then
		cmp "$image" "$case/disk"
	else
		is_blank "$case/disk" "$bytes" >/dev/null || cmp "$work/old" "$case/disk"
	fi || { diag "$said"; return 1; }
}

# strike PATH FAULT SKIP TIMES
strike()
{
	proxy_log=$case/proxy.log
	cp "$work/old" "$case/disk"
	start_proxy "$vmcastd_port" --path "$1" --fault "$2" --skip "$3" --times "$4"
	write_disk "$proxy_port" "$case/disk" --stall-timeout 1 --retry-for 4
	stop_proxy
	ok "$2 in $1, answers $3 to $(($3 + $4)): exit $status" is_consistent
	ok "$2 in $1, answers $3 to $(($3 + $4)): a documented exit code" test "$status" -le 8 -a "$status" != 1
}

# any OF...: one of the arguments, in $picked
any()
{
	shift $((RANDOM % $#))
	picked=$1
}

# A fault in a random place: near the beginning, or anywhere in the image's 4 MiB
random_fault()
{
	local near=$((RANDOM % 300)) far=$((RANDOM * 130))

	any close rst flip stall no-length
	any "$picked:$near" "$picked:$far" "$picked:$far" "$picked:$far" other
	[[ $picked == other ]] || return 0
	any close-head:$((RANDOM % 200)) rst-head:$((RANDOM % 200)) length:-"$near" length:"$near" extra:"$near" \
		shift:$((RANDOM % 5)) range:-1 no-range whole 'etag:"other"' \
		status:200 status:204 status:206 status:304 status:404 status:416 status:500
}

seed=${SEED:-$RANDOM}
RANDOM=$seed
diag "SEED=$seed"
for ((nr = 0; nr < 40; nr++)); do
	any image.zst image.zst image.zst image.zst image.zst /index /v1/plan /v1/jobs
	path=$picked
	random_fault
	fault=$picked
	any 0 0 0 0 1 2
	echo "$path|$fault|$picked|$((1 + RANDOM % 4))"
done >"$work/faults"
each_line 6 strike <"$work/faults"
done_testing

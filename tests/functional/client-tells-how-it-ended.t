#!/bin/bash
# What a run ended in reaches whoever has to know: a failure right after the plan and a message that is not UTF-8 reach the
# service, a machine's receipt waits for a service that is away, and a permanent refusal of it is exit 8.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

bytes=$((16 << 20))
serve_image "$bytes" $((1 << 20)) "identity = none"

# A path of /dev that is not UTF-8 and not there.
status=0
said=$("$BUILD/vmcast-boot" write --json --server "http://127.0.0.1:$vmcastd_port" --item "$item" \
	--disk $'/dev/caf\xe9' 2>"$work/stderr") || status=$?
is "a path that is not UTF-8: exit 5" "$status" 5
is "a path that is not UTF-8: the result is still JSON" "$(jq -r '"\(.done) \(.exit)"' <<<"$said")" "false 5"
like "a path that is not UTF-8: the result says why" "$(jq -r .message <<<"$said")" "caf.*no such disk"
like "a path that is not UTF-8: the service knows why" "$(last_job .message)" "caf.*no such disk"

# run PORT [RULE]: as in the boot environment, but without the reboot; sets status, said
run()
{
	status=0
	said=$("$BUILD/vmcast-boot" run --cmdline "vmcast.server=http://127.0.0.1:$1 vmcast.item=$item \
		vmcast.disk=\"${2:-serial=no-such-serial}\"" --retry-for 1 2>&1) || status=$?
}

start_proxy "$vmcastd_port" --path /v1/plan --fault 'replace:"reboot"=>"moonwalk"'
run "$proxy_port"
is "a landing that is not known: exit 7" "$status" 7
like "a landing that is not known: says so" "$said" "landing 'moonwalk'"
is "a landing that is not known: the job failed" "$(last_job '"\(.phase) \(.exit)"')" "failed 7"
like "a landing that is not known: the service knows why" "$(last_job .message)" "landing 'moonwalk'"

if [[ $(id -u) != 0 || ! -e /dev/loop-control ]]; then
	diag "loop devices need root: not tried"
	done_testing
fi

fill "$work/disk" "$bytes"
attach "$work/disk"
start_proxy "$vmcastd_port" --path /v1/jobs --fault status:404
run "$proxy_port" "name=${loop##*/}"
is "a receipt that is refused: exit 8" "$status" 8
like "a receipt that is refused: says that the disk is good" "$said" "the disk is written, but the service could not be told"
ok "a receipt that is refused: the disk is right" cmp "$image" "$work/disk"

# says TEXT: the run in the background has
says()
{
	grep -q "$1" "$work/said"
}

run_pid=
stop_run()
{
	[[ -z $run_pid ]] || kill "$run_pid"
}

fill "$work/disk" "$bytes"
start_proxy "$vmcastd_port" --path /v1/jobs --fault status:503
"$BUILD/vmcast-boot" run --cmdline "vmcast.server=http://127.0.0.1:$proxy_port vmcast.item=$item \
	vmcast.disk=\"name=${loop##*/}\"" --retry-for 1 >"$work/said" 2>&1 &
run_pid=$!
at_exit stop_run
ok "a service that is away at the end: the machine tries again" wait_for 90 says "retrying in [4-9]"
ok "... for longer than --retry-for" kill -0 "$run_pid"
unlike "... and the job is not done" "$(last_job .phase)" "done"
start_proxy "$vmcastd_port" --listen "$proxy_port"
status=0
wait "$run_pid" || status=$?
run_pid=
is "... until the service is back: exit 0" "$status" 0
is "... which then knows" "$(last_job .phase)" "done"
ok "... and the disk is right" cmp "$image" "$work/disk"
done_testing

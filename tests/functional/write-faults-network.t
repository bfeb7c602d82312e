#!/bin/bash
# FAULTS.md F01-F06, F08 between service and client: each fault ends in the image's bytes on the disk, or in an exit code
# that says why, a blank or untouched disk, and a failed job in the service.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

disk_bytes=$((24 << 20))
serve_image "$disk_bytes" $((4 << 20))
fill "$work/old" "$disk_bytes"

# write PORT DISK
write()
{
	write_disk "$1" "$2" --stall-timeout 3 --retry-for 6
}

is_right()
{
	cmp "$image" "$1"
}

is_untouched()
{
	cmp "$work/old" "$1"
}

# job_of LOG JQ-FILTER: the job whose reports the proxy passed on
job_of()
{
	local id
	id=$(sed -n 's,^POST /v1/jobs/\([0-9a-f]*\) .*,\1,p' "$1" | head -n1)
	field /v1/jobs ".jobs[] | select(.id == \"$id\") | $2"
}

job_is_failed()
{
	[[ $(job_of "$proxy_log" '"\(.phase) \(.exit)"') == "failed $status" &&
		$said == *"$(job_of "$proxy_log" .message)"* ]] || { diag "job: $(job_of "$proxy_log" .)"; return 1; }
}

job_is_done()
{
	[[ $(job_of "$proxy_log" .phase) == "done" ]]
}

# strike FAULT PATH TIMES EXIT DISK MESSAGE: one run. TIMES is `all` or how often the fault strikes; DISK what the target,
# full of 0xA5 before, is afterwards.
strike()
{
	local fault=$1 path=$2 times=$3 want_status=$4 disk=$5 message=$6 label="$1 in $2 ($3)" times_option=()

	[[ $times == all ]] || times_option=(--times "$times")
	cp "$work/old" "$case/disk"
	proxy_log=$case/proxy.log
	start_proxy "$vmcastd_port" --path "$path" --fault "$fault" "${times_option[@]}"
	write "$proxy_port" "$case/disk"
	ok "$label: the fault did happen" wait_for 60 grep -qv -- '-$' "$proxy_log"
	stop_proxy
	is "$label: exit $want_status" "$status" "$want_status"
	[[ $status == "$want_status" ]] || diag "$said"
	ok "$label: the disk is $disk" "is_$disk" "$case/disk"
	like "$label: says why" "$said" "$message"
	case $want_status in
	0) ok "$label: the job is done" job_is_done ;;
	8) ;;
	*) [[ $path == *plan* ]] || ok "$label: the job failed, with this message" job_is_failed ;;
	esac
}

each_line 6 strike <<'END'
close:0|image.zst|1|0|right|cut off after 0 of .* retrying
close:1|image.zst|1|0|right|cut off after 1 of
close:50%|image.zst|1|0|right|cut off after .* retrying
close:-1|image.zst|1|0|right|cut off after
close-head:0|image.zst|1|0|right|Empty reply.* retrying
close-head:1|image.zst|1|0|right|retrying
close-head:-1|image.zst|1|0|right|retrying
rst:50%|image.zst|1|0|right|cut off after .* retrying
rst-head:0|image.zst|1|0|right|retrying
stall:50%|image.zst|1|0|right|no progress for 3 s.* retrying
stall-head:0|image.zst|1|0|right|no answer .* retrying
length:+1|image.zst|1|0|right|cut off after .* retrying
length:-1|image.zst|1|0|right|retrying
no-length|image.zst|1|0|right|the service knows
no-length:50%|image.zst|1|0|right|ended after .* retrying
extra:100|image.zst|all|0|right|the service knows
trickle:300000|image.zst|1|0|right|the service knows
flip:45%|image.zst|1|0|right|chunk .* retrying
status:429:2|image.zst|1|0|right|status 429.* retrying
status:503:2|image.zst|1|0|right|status 503.* retrying
close:0|image.zst|all|3|blank|gave up after 6 s.*cut off after 0 of
stall:0|image.zst|all|3|blank|gave up after 6 s.*no progress
flip:45%|image.zst|all|4|blank|chunk [0-9]+.*3 times
whole|image.zst|1|0|right|the service knows
whole|image.zst|all|0|right|the service knows
range:1|image.zst|1|7|blank|were asked for
shift:1|image.zst|1|7|blank|were asked for
no-range|image.zst|1|7|blank|without a valid Content-Range
etag:"other"|image.zst|1|7|blank|another one .ETag
redirect:http://127.0.0.1:9{path}|image.zst|all|7|blank|status 302
redirect:file:///etc/passwd|image.zst|all|7|blank|status 302
status:404|image.zst|1|7|blank|status 404
status:410|image.zst|1|7|blank|status 410
close:0|/index|1|0|right|retrying
close:50%|/index|1|0|right|retrying
rst:1|/index|1|0|right|retrying
stall:50%|/index|1|0|right|retrying
flip:5|/index|1|0|right|retrying
flip:-1|/index|1|0|right|retrying
flip:5|/index|all|4|untouched|3 times
flip:1000|/index|all|4|untouched|3 times: index: digest is
close:-1|/index|all|3|untouched|gave up after
whole|/index|all|7|untouched|no parts of files
status:404|/index|1|7|untouched|status 404
close-head:0|/v1/plan|1|0|right|retrying
stall:50%|/v1/plan|1|0|right|retrying
status:503:2|/v1/plan|1|0|right|status 503.* retrying
status:500|/v1/plan|all|3|untouched|gave up after 6 s.*status 500
status:404|/v1/plan|1|7|untouched|status 404
redirect:http://127.0.0.1:9/|/v1/plan|1|7|untouched|status 302
no-length:50%|/v1/plan|all|7|untouched|plan from the service
replace:"version":1=>"version":2|/v1/plan|all|7|untouched|version 2, this client knows 1
replace:"/images/=>"file:///images/|/v1/plan|all|7|untouched|only http and https
status:503|/v1/jobs|all|8|right|the disk is written, but the service could not be told
END

# A file on the service that does not belong to the index: same length, same name, other bytes.
served=$work/state/images/$(field "/v1/items/$item" .image)/image.zst
cp "$served" "$work/good"
printf 'vmcast' | dd of="$served" bs=1 seek=$(($(stat -c %s "$served") / 2)) conv=notrunc status=none
cp "$work/old" "$work/disk"
start_proxy "$vmcastd_port"
write "$proxy_port" "$work/disk"
is "one byte of the service's file is wrong: exit 4" "$status" 4
ok "one byte of the service's file is wrong: the disk is blank" is_blank "$work/disk"
is "one byte of the service's file is wrong: nothing but its chunk was asked for again, twice" \
	"$(sed -n 's/^GET .*image.zst bytes=\([0-9]*\)-\([0-9]*\) .*/\1 \2/p' "$proxy_log" |
		awk '$2 - $1 < 1100000 { count[$1]++ } END { for (off in count) if (count[off] == 2) found++; print found + 0 }')" 1
cat "$work/good" >"$served"

# Of two requests the second is answered from another file (F05): only a run that resumes makes two.
cp "$image" "$work/disk"
start_proxy "$vmcastd_port" --path image.zst --fault 'etag:"other"' --skip 1
write "$proxy_port" "$work/disk"
is "another ETag from the second range on: exit 7" "$status" 7
ok "another ETag from the second range on: the disk is blank" is_blank "$work/disk"
stop_proxy

proxy_port=$(free_port)
cp "$work/old" "$work/disk"
write "$proxy_port" "$work/disk"
is "nobody listens: exit 3" "$status" 3
ok "nobody listens: the disk is untouched" is_untouched "$work/disk"
like "nobody listens: says so" "$said" "gave up after 6 s"
done_testing

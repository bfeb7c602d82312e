#!/bin/bash
# make bench in short, on a disk of 64 MiB in a plain file: all of it is there, and what is said about the target is so. How
# long anything takes is not looked at.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

need_bench

# outcome FILE: what tests/bench/compare says about it beside the disk
outcome()
{
	tests/bench/compare "$work/disk" "$1"
}

# ---- what is said about a target

make_image "$work/disk" 64M $((16 << 20))
cp "$work/disk" "$work/copy"
is "compare: the same" "$(outcome "$work/copy")" yes
fill "$work/copy" $((64 << 20))
dd if="$work/disk" of="$work/copy" bs=4K conv=sparse,notrunc status=none
like "compare: old content in place of zeros" "$(outcome "$work/copy")" '^no, 4[0-9] MiB left$'
cp "$work/disk" "$work/copy"
printf '\1' | dd of="$work/copy" bs=1 seek=$((60 << 20)) conv=notrunc status=none
is "compare: a byte of neither" "$(outcome "$work/copy")" "WRONG at $((60 << 20))"
cp "$work/disk" "$work/copy"
truncate -s 32M "$work/copy"
like "compare: an end that is missing" "$(outcome "$work/copy")" '^WRONG at '

# ---- a command that hangs

status=0
tests/bench/measure --timeout 0.2 bash -c "echo \$\$ >$work/pid; sleep 600" 2>/dev/null || status=$?
ok "measure: one that hangs fails" test "$status" != 0
ok "measure: and is ended" wait_for 20 eval "! kill -0 $(<"$work/pid") 2>/dev/null"

# ---- the whole

rows=(vmcast curl-zstd-dd curl-zstd-dd-sha256 curl-zstd-sparse rauc limit-download limit-decompress limit-write vmcast-https
	curl-zstd-dd-https)
status=0
tests/bench/write --disk "$work/disk" --file --runs 1 --out "$work/out" "${rows[@]}" >"$work/said" 2>&1 || status=$?
is "it runs" "$status" 0
[[ $status == 0 ]] || diag "$(cat "$work/said")"
json=$work/out/write.json
is "the JSON has all rows" "$(jq -r '[.rows[].row] | join(" ")' "$json")" "${rows[*]}"
is "and the disk" "$(jq -r '"\(.disk_bytes) \(.target)"' "$json")" "$((64 << 20)) a plain file"
is "who runs has figures" "$(jq '[.rows[] | select(.skipped | not) | .wall_s > 0 and .cpu_s >= 0 and .peak_bytes >= 0] | all' \
	"$json")" true
is "ratios are to ours" "$(jq '[.rows[] | select(.row | startswith("vmcast")) | .ratio] | unique[]' "$json")" 1
is "who writes everything is right on a used disk" \
	"$(jq -r '[.rows[] | select(.result == "yes") | .row] | join(" ")' "$json")" \
	"vmcast curl-zstd-dd curl-zstd-dd-sha256 limit-write vmcast-https curl-zstd-dd-https"
like "who skips zeros is not" "$(jq -r '.rows[] | select(.row == "curl-zstd-sparse") | .result' "$json")" \
	'^no, 4[0-9] MiB left$'
is "who writes nothing is not compared" "$(jq -r '[.rows[] | select(.result == "-") | .row] | join(" ")' "$json")" \
	"limit-download limit-decompress"
ok "who cannot run says why" test -n "$(jq -r '.rows[] | select(.row == "rauc") | .skipped // empty' "$json")"

said=$(<"$work/said")
like "the table has ours" "$said" $'\nvmcast-boot write +http +[0-9.]+ +[0-9.]+ +[0-9]+ +1 +yes +each chunk'
like "and what was skipped" "$said" $'\ncurl to file, rauc install +http .*skipped: '
like "the targets are said" "$said" 'http: wall / slowest limit: [0-9.]+ \(limit-[a-z]+\); target: at most 1.10'
like "for HTTPS, too" "$said" 'https: times slower, who do not: curl-zstd-dd-https [0-9.]+; target'
like "and sizes" "$said" 'client [0-9.]+ MiB; boot environment'

ok "the plot is XML" xmllint --noout "$work/out/write.svg"
is "with one bar for each row that ran, behind the legend" "$(grep -c '<rect x=' "$work/out/write.svg")" $((${#rows[@]} - 1 + 4))

# ---- a row that fails

mkdir "$work/bin"
ln -s "$(type -P false)" "$work/bin/curl"
PATH=$work/bin:$PATH tests/bench/write --disk "$work/disk" --file --runs 1 --out "$work/failed" curl-zstd-dd limit-write \
	>"$work/said" 2>&1
like "one that fails has no figures, and says so" "$(cat "$work/said")" \
	$'\ncurl \\| zstd -d \\| dd +http +- +- +- +- +FAILED: '
like "the others have theirs" "$(cat "$work/said")" $'\nlimit: write +http +[0-9.]+ '

status=0
tests/bench/write --disk "$work/disk" --file --out "$work/out" nobody >"$work/said" 2>&1 || status=$?
is "a row that there is not is refused" "$status" 2
done_testing

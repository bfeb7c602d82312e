#!/bin/bash
# make faults in short: the judge says right, refused and WRONG where it should; a few cases of each group end as they must for
# vmcast-boot, and one tool that reports success on half a disk is caught. The documentation has every case.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

# ---- the judge

make_image "$work/image" 8M $((1 << 20))
printf '\353\376' | dd of="$work/image" conv=notrunc status=none
fill "$work/before" $((8 << 20))
printf 'label: gpt\nstart=2048, type=linux\n' | sfdisk -q --no-tell-kernel "$work/before"

# verdict LABEL EXIT DISK OUTCOME BOOTABLE [BEFORE]
verdict()
{
	is "judge: $1" "$(tests/faults/judge "$2" "$work/image" "$work/$3" "$work/${6-before}" | jq -r '"\(.outcome) \(.bootable)"')" "$4 $5"
}

verdict "the image, exit 0" 0 image right image
verdict "the image, but the tool failed" 1 image refused image
verdict "untouched, and the tool failed" 3 before refused old
verdict "untouched, exit 0" 0 before WRONG old
verdict "untouched, and the tool hung" hang before refused old
cp "$work/before" "$work/half"
dd if="$work/image" of="$work/half" bs=1M count=4 conv=notrunc status=none
verdict "half an image, exit 0" 0 half WRONG other
verdict "half an image, and the tool failed" 1 half WRONG other
verdict "half an image, and the tool hung" hang half WRONG other
cp "$work/half" "$work/blank"
for at in 0 7; do
	dd if=/dev/zero of="$work/blank" bs=1M count=1 seek=$at conv=notrunc status=none
done
verdict "half an image that nothing boots, and the tool failed" 1 blank refused none
verdict "half an image that nothing boots, exit 0" 0 blank WRONG none
cp "$work/before" "$work/begun"
dd if=/dev/zero of="$work/begun" bs=1M count=1 conv=notrunc status=none
verdict "the beginning blanked, and the tool failed" 1 begun refused old
dd if=/dev/zero of="$work/begun" bs=1M count=1 seek=4 conv=notrunc status=none
verdict "holes in the old system, and the tool failed" 1 begun WRONG other
cp "$work/image" "$work/larger"
truncate -s 16M "$work/larger"
verdict "the image on a larger disk" 0 larger right image larger
printf 'EFI PART' | dd of="$work/larger" bs=512 seek=$(((16 << 11) - 1)) conv=notrunc status=none
is "judge: the image, and the old system's backup GPT" \
	"$(tests/faults/judge 0 "$work/image" "$work/larger" "$work/larger" | jq -r .outcome)" WRONG
cp "$work/image" "$work/one"
printf '\1' | dd of="$work/one" bs=1 seek=$((5 << 20)) conv=notrunc status=none
verdict "one byte wrong, exit 0" 0 one WRONG other

# ---- the matrix

cases=(F00 F01-closed-at-half F02-reset-once F08-first-byte-wrong F09 F23-zst-truncated F27-backing-file F28-holes F29 F33 F35 F39-mounted F40)
status=0
tests/faults/run --lanes 2 --out "$work/out" --tools "vmcast curl-zstd-dd-no-pipefail" "${cases[@]}" >"$work/said" 2>&1 || status=$?
is "each case ends as it must" "$status" 0
[[ $status == 0 ]] || diag "$(cat "$work/said")"
json=$work/out/results.json

# outcome TOOL CASE
outcome()
{
	jq -r --arg tool "$1" --arg case "$2" '.[$tool][] | select(.fault | startswith($case)) | "\(.outcome) \(.exit)"' "$json"
}

is "ours is never WRONG" "$(jq '[.vmcast[] | select(.outcome == "WRONG")] | length' "$json")" 0
is "nothing breaks: right" "$(outcome vmcast F00)" "right 0"
is "the connection is closed half way: refused" "$(outcome vmcast F01)" "refused 3"
is "a byte is wrong: refused" "$(outcome vmcast F08)" "refused 4"
is "the other tool reports success on half a disk" "$(outcome curl-zstd-dd-no-pipefail F01)" "WRONG 0"
is "and on another image" "$(outcome curl-zstd-dd-no-pipefail F09)" "WRONG 0"
is "and is right when nothing breaks" "$(outcome curl-zstd-dd-no-pipefail F00)" "right 0"
is "a result has all fields" "$(jq -r '[.[][] | keys | join(" ")] | unique | join(", ")' "$json")" \
	"bootable exit fault format message outcome"
for case in "${cases[@]}"; do
	[[ $(id -u) != 0 && $case =~ ^F(29|33|35|39|40) ]] || like "the table has $case" "$(<"$work/out/faults.md")" "| $case"
done

status=0
tests/faults/run --out "$work/out" F99 >"$work/said" 2>&1 || status=$?
is "a case that there is not is refused" "$status" 2

# ---- the documentation

tests/faults/run --list >"$work/cases"
ok "there are at least 60 cases" test "$(wc -l <"$work/cases")" -ge 60
is "the documentation's tables have each of them" "$(sed -n 's/^| \(F[0-9][^ ]*\) |.*/\1/p' docs/reference/faults.md | sort -u)" \
	"$(sort -u "$work/cases")"
like "and none in which ours was WRONG" "$(<docs/reference/faults.md)" $'\n\\| vmcast \\| [0-9]+ \\| [0-9]+ \\| 0 \\|'
done_testing

#!/bin/bash
# F18, F19, F23-F26: what the real tools make of a disk is ingested to one and the same image, which plain zstd unpacks; what is
# truncated, followed by something, called by a wrong name, too large or no disk at all fails with the reason, and is not offered.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

disk_bytes=$((6 << 20))
start_origin
make_image "$origin/disk" "$disk_bytes" $((2 << 20))
disk=$origin/disk

# announce NAME [TYPE [LENGTH [DIGEST]]]: one more item. LENGTH and DIGEST are the file's own if empty, left out if "-".
announce()
{
	local length=${3:-$(stat -c %s "$origin/$1" 2>/dev/null || echo 0)} digest=${4:-$(sha256sum "$origin/$1" 2>/dev/null)}

	[[ $length == - ]] && length=
	digest=${digest%% *}
	cat >>"$origin/items" <<-END
		<item><title>$1</title><uuid>$1</uuid>
		<enclosure url="${base-}$1" type="${2-}" length="$length"/>
		$([[ $digest == - || -z $digest ]] || echo "<vmcast:digest>sha256:$digest</vmcast:digest>")</item>
	END
}

# Every way in which a disk may come
good=(disk)
announce disk
while read -r name command; do
	eval "$command" <"$disk" >"$origin/$name"
	announce "$name"
	good+=("$name")
done <<'END'
d.gz gzip
d1.gz gzip -1
d.xz xz -0
d-blocks.xz xz -0 --block-size=262144 -T2
d-check.xz xz -0 --check=sha256
d.zst zstd -q
d-long.zst zstd -q --long=27
d-nocheck.zst zstd -q --no-check
d.bz2 bzip2 -1
END
for tool in gzip xz zstd bzip2; do
	{ head -c 1000000 "$disk" | $tool -c; tail -c +1000001 "$disk" | $tool -c; } >"$origin/members-$tool"
	announce "members-$tool"
	good+=("members-$tool")
done
cp "$origin/d.gz" "$origin/typed"
announce typed application/gzip
# Not in one pass: what is inside a container, and what only its end tells from a raw disk
qemu-img convert -O qcow2 "$disk" "$origin/d.qcow2"
announce d.qcow2
qemu-img convert -O vpc -o subformat=fixed,force_size=on "$disk" "$origin/fixed"
announce fixed
gzip <"$origin/fixed" >"$origin/fixed.gz"
announce fixed.gz
tar -C "$origin" -cf "$origin/d.tar" disk
announce d.tar
good+=(d.qcow2 fixed fixed.gz d.tar)
cp "$disk" "$origin/d.raw"
announce d.raw application/octet-stream - -
good+=(typed d.raw)

# And in which it may not; NAME, what the reason must say
declare -A refused
refuse()
{
	refused[$1]=$2
	announce "$1" "${3-}" "${4-}" "${5-}"
}

for name in d.gz d.xz d.zst d.bz2; do
	kind=${name#d.}
	head -c -1 "$origin/$name" >"$origin/short.$kind"
	refuse "short.$kind" truncated
	head -c $(($(stat -c %s "$origin/$name") / 2)) "$origin/$name" >"$origin/half.$kind"
	refuse "half.$kind" truncated
	{ cat "$origin/$name"; echo; } >"$origin/trailing.$kind"
	refuse "trailing.$kind" "followed by something else"
done
# One that is unpacked by several threads
head -c $(($(stat -c %s "$origin/d-blocks.xz") / 2)) "$origin/d-blocks.xz" >"$origin/half-blocks.xz"
refuse half-blocks.xz truncated
cp "$origin/d-blocks.xz" "$origin/damaged-blocks.xz"
printf 'vmcast' | dd of="$origin/damaged-blocks.xz" bs=1 seek=$(($(stat -c %s "$origin/d-blocks.xz") / 2)) conv=notrunc status=none
refuse damaged-blocks.xz corrupt
{ cat "$origin/d.gz" "$origin/d.xz"; } >"$origin/mixed.gz"
refuse mixed.gz "followed by something else"
gzip <"$origin/d.xz" >"$origin/twice"
refuse twice "xz inside gzip"
cp "$origin/d.xz" "$origin/called.gz"
refuse called.gz "calls it gzip, its bytes are xz"
cp "$origin/d.gz" "$origin/typed-xz"
refuse typed-xz "calls it xz, its bytes are gzip" application/x-xz
cp "$origin/d.gz" "$origin/both.gz"
refuse both.gz "promises xz, its name" application/x-xz
cp "$origin/d.qcow2" "$origin/called.vmdk"
refuse called.vmdk "calls it a VMDK image, its bytes are a qcow2 image"
cp "$disk" "$origin/lying-length"
refuse lying-length "the feed says 1000 bytes, the server has $disk_bytes" "" 1000
cp "$disk" "$origin/lying-digest"
refuse lying-digest "SHA-256 is" "" "" "$(echo | sha256sum)"
head -c 9M /dev/zero | gzip >"$origin/bomb.gz"
refuse bomb.gz disk_bytes_max
: >"$origin/empty"
refuse empty "0 bytes" "" -
echo '<!DOCTYPE html><title>Please log in</title>' >"$origin/page"
refuse page "HTML"
refuse missing "404" "" - -
base="file://$origin/" refuse disk-as-file "may not name files" "" - -
base="http://169.254.169.254/" refuse metadata "not allowed" "" - -

{
	echo '<rss version="2.0" xmlns:vmcast="urn:vmcast:1"><channel><title>All kinds</title>'
	cat "$origin/items"
	echo '</channel></rss>'
} >"$origin/feed.xml"
start_vmcastd "feed = http://127.0.0.1:$origin_port/feed.xml" "disk_bytes_max = 8M"

is "every item is in the catalog" "$(wait_for 60 eval "[[ \$(field /v1/items '.items | length') != 0 ]]"; field /v1/items '.items | length')" \
	$((${#good[@]} + ${#refused[@]}))

wait_ingest disk
is "the plain disk is ready" "$(field "/v1/items/$item" .state)" ready
images=$work/state/images
first=$(ls "$images")
ok "plain zstd gives the disk" cmp <(zstd -dcq "$images/$first/image.zst") "$disk"
like "zstd lists it as one disk of chunks" "$(zstd -l "$images/$first/image.zst")" "$((disk_bytes / 65536 + 1)) +1 .*6.00 MiB"
for name in "${good[@]}"; do
	wait_ingest "$name" || true
	is "$name: ready" "$(field "/v1/items/$item" '.state + (.error // "")')" ready
done
is "all of them are one image" "$(ls "$images")" "$first"
for name in "${!refused[@]}"; do
	wait_ingest "$name" || true
	is "$name: failed" "$(field "/v1/items/$item" .state)" failed
	like "$name: and says why" "$(field "/v1/items/$item" .error)" "${refused[$name]}"
done
# Read where it lies, without a download that would count the bytes
cp "$disk" "$origin/lying-file"
echo "<rss version='2.0'><channel><title>Files</title><item><title>f</title><uuid>f</uuid>
	<enclosure url='lying-file' length='1000'/></item></channel></rss>" >"$origin/files.xml"
vmcast feed add --wait "file://$origin/files.xml" policy=none >/dev/null 2>&1
wait_ingest lying-file || true
like "lying-file: failed" "$(field "/v1/items/$item" '.state + ": " + (.error // "")')" "failed: it has $disk_bytes bytes, the feed says 1000"
is "nothing else was published" "$(ls "$images")" "$first"
is "nothing is left in the spool" "$(ls "$work/state/spool")" ""
done_testing

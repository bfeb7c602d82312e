#!/bin/bash
# The machines' server sends files right: ranges, validators, HEAD, and sizes around 2 and 4 GiB. Names and paths that are
# not of our own form find nothing.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

mkdir -p "$work/env" "$work/firmware"
head -c 100000 /dev/urandom >"$work/env/vmlinuz"
echo secret >"$work/env/secret"
echo firmware >"$work/firmware/snponly.efi"
start_vmcastd "env_dir = $work/env" "firmware_dir = $work/firmware"
url=http://127.0.0.1:$vmcastd_port

# get PATH [CURL-OPTION...]: status and body length, headers in $work/head, body in $work/body
get()
{
	local path=$1
	shift
	rm -f "$work/body"
	curl -s --path-as-is -o "$work/body" -D "$work/head" -w '%{http_code} %{size_download}' "$@" "$url$path"
}

header()
{
	sed -n "s/^$1: \(.*\)\r\$/\1/Ip" "$work/head"
}

is "a whole file" "$(get /env/vmlinuz)" "200 100000"
ok "its bytes are right" cmp "$work/body" "$work/env/vmlinuz"
etag=$(header etag)
like "it has an ETag" "$etag" '^".+"$'
is "ranges are offered" "$(header accept-ranges)" bytes
is "browsers do not guess its type" "$(header x-content-type-options)" nosniff
is "a part" "$(get /env/vmlinuz -r 1000-1999)" "206 1000"
ok "its bytes are right" cmp "$work/body" <(tail -c +1001 "$work/env/vmlinuz" | head -c 1000)
is "it says which part" "$(header content-range)" "bytes 1000-1999/100000"
is "the last bytes" "$(get /env/vmlinuz -r -10)" "206 10"
is "to the end" "$(get /env/vmlinuz -r 99999-)" "206 1"
is "behind the end" "$(get /env/vmlinuz -r 100000-)" "416 0"
is "it says how long the file is" "$(header content-range)" "bytes */100000"
is "two ranges are the whole" "$(get /env/vmlinuz -r 0-0,2-3)" "200 100000"
is "If-Range of this version" "$(get /env/vmlinuz -r 0-9 -H "If-Range: $etag")" "206 10"
is "If-Range of another version is the whole" "$(get /env/vmlinuz -r 0-9 -H 'If-Range: "other"')" "200 100000"
is "If-None-Match of this version" "$(get /env/vmlinuz -H "If-None-Match: \"x\", $etag")" "304 0"
is "If-None-Match of another version" "$(get /env/vmlinuz -H 'If-None-Match: "x"')" "200 100000"
is "HEAD" "$(get /env/vmlinuz -I | tail -c 6)" "200 0"
is "HEAD has the length" "$(header content-length)" 100000
is "firmware" "$(get /firmware/snponly.efi)" "200 9"

# An image as the service keeps it; holes cost nothing.
id=$(printf '%064d' 7)
image=$work/state/images/$id
mkdir -p "$image"
for size in 2147483647 2147483648 2147483649 4294967295 4294967296 4294967297; do
	rm -f "$image/image.zst"
	truncate -s $size "$image/image.zst"
	printf 'END!' | dd of="$image/image.zst" bs=4 count=1 conv=notrunc oflag=seek_bytes seek=$((size - 4)) status=none
	get "/images/$id/image.zst" -I >/dev/null
	is "$size bytes: length" "$(header content-length)" $size
	is "$size bytes: the last four" "$(get "/images/$id/image.zst" -r $((size - 4))-) $(cat "$work/body")" "206 4 END!"
	is "$size bytes: across the middle" "$(get "/images/$id/image.zst" -r 1073741823-1073741824)" "206 2"
done
is "all of 4 GiB + 1 arrives" "$(curl -s "$url/images/$id/image.zst" | wc -c)" 4294967297
is "an image's tag is its id" "$(header etag)" "\"$id\""
like "it never changes" "$(header cache-control)" immutable

# The last ones follow the name of another file there, with every way to write a slash or a dot.
for path in /env/secret /env/ /env /env/.. /env/../env/secret /env/%73ecret /env/%2e%2e/vmcastd.conf /env/vmlinuz%00 /env/vmlinuz/ \
	//env/vmlinuz /firmware/vmlinuz /firmware/../env/vmlinuz /env/vmlinuz.bak "/images/$id" "/images/$id/vmcast.db" \
	"/images/../vmcast.db/index" "/images/${id%7}/index" "/images/${id%7}G/index" "/images/..%2f..%2fvmcast.db" /vmcast.db \
	/.. /../../etc/passwd /etc/passwd /%2e%2e/etc/passwd; do
	is "$path is nothing" "$(get "$path" | cut -c1-3)" 404
done
mkdir "$work/firmware/undionly.kpxe"
is "a folder is no file" "$(get /firmware/undionly.kpxe | cut -c1-3)" 404
mkfifo "$work/firmware/ipxe.pxe"
is "nor is a pipe, and it stops nobody" "$(get /firmware/ipxe.pxe -m 10 | cut -c1-3)" 404
done_testing

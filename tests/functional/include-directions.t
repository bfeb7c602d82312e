#!/bin/bash
# DESIGN.md section 2: who may include whom. lib includes nothing of ours; provisioner and bootloader include lib and themselves.
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

# includes_of FOLDER OTHER...: lines of FOLDER that include a header of OTHER
crossing()
{
	local folder=$1 other header
	shift
	for other; do
		for header in "$other"/*.h; do
			grep -nE "^#include [\"<](.*/)?${header##*/}[\">]" "$folder"/*.[ch] || true
		done
	done
}

is "lib includes nothing of provisioner or bootloader" "$(crossing lib provisioner bootloader)" ""
is "provisioner includes nothing of bootloader" "$(crossing provisioner bootloader)" ""
is "bootloader includes nothing of provisioner" "$(crossing bootloader provisioner)" ""
is "lib uses libc, libcurl, mbedTLS, jansson, zstd and nettle only" \
	"$(grep -hoE '^#include <(libxml|sqlite3|microhttpd|lzma|bzlib|zlib|archive)[^>]*>' lib/*.[ch] || true)" ""
done_testing

#!/bin/bash
# The boot environment: the same bytes from the same packages and client, whoever builds it where; and its size.
# shellcheck disable=SC2317 # functions are handed to `ok`
set -eu
cd "$(dirname "$0")/../.."
. tests/lib.sh

[[ $BUILD == "$top/build" ]] || skip_all "the boot environment carries the real build only"

# kib FILE...: their size together
kib()
{
	echo $((($(cat "$@" | wc -c) + 1023) / 1024))
}

# Elsewhere, in another time zone and language, with another umask.
again=$work/elsewhere
mkdir "$again"
ln -s "$BUILD/packages" "$again/packages"
cp "$BUILD/vmcast-boot" "$again/"
build_again()
{
	(umask 077 && BUILD=$again TZ=Asia/Tokyo LC_ALL=C.UTF-8 bootloader/env/build >"$work/log")
}
ok "it builds again" build_again
for file in vmlinuz initramfs initramfs-virtio; do
	ok "$file is the same, byte for byte" cmp "$BUILD/env/$file" "$again/env/$file"
done

all=$(kib "$BUILD/env/vmlinuz" "$BUILD/env/initramfs")
virtio=$(kib "$BUILD/env/vmlinuz" "$BUILD/env/initramfs-virtio")
ok "all drivers: $all KiB, at most 24 MiB" test "$all" -le 24576
ok "virtio: $virtio KiB, less than 12 MiB" test "$virtio" -lt 12288
client=$(kib "$BUILD/vmcast-boot")
ok "client: $client KiB, at most 2.5 MiB" test "$client" -le 2560
done_testing

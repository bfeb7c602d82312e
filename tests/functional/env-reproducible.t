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

# For nodes, and for them only.
for name in initramfs initramfs-virtio; do
	cpio --quiet -i --to-stdout modules.squashfs <"$BUILD/env/$name.modules" >"$work/modules"
	is "$name has what a node runs guests with" \
		"$(unsquashfs -l "$work/modules" | sed -nE 's,.*/((kvm.*|macv.*|tap)\.ko)$,\1,p' | sort | xargs)" \
		"kvm-amd.ko kvm-intel.ko kvm.ko macvlan.ko macvtap.ko tap.ko"
	unlike "no device of a machine asks for it" "$(unsquashfs -cat "$work/modules" "*/modules.alias")" \
		'alias (pci|acpi)[^ ]* (kvm|ccp|macv|tap)'
done

# With a site's root: nothing else is different.
/usr/bin/python3 -B - "$work/root.json" <<'END'
import sys
sys.path.insert(0, "tests/tuf")
from repository import Repository
with open(sys.argv[1], "wb") as file:
    file.write(Repository().initial_root)
END

# build_for ROOT
build_for()
{
	BUILD=$again ROOT=$1 bootloader/env/build >"$work/log" 2>&1
}

# unpacked FILE: of initramfs-virtio's part that is compressed
unpacked()
{
	tail -c "+$(($(stat -c %s "$again/env/initramfs-virtio.modules") + 1))" "$again/env/initramfs-virtio" | zstd -qdc |
		cpio --quiet -i --to-stdout "$1"
}

ok "it builds with a site's root" build_for "$work/root.json"
like "it says whose" "$(<"$work/log")" 'env: for site root [0-9a-f]{16}, version 1, valid until'
ok "it carries that root" cmp <(unpacked etc/vmcast/root.json) "$work/root.json"
sed 's/"version": 1,/"version": 2,/' "$work/root.json" >"$work/changed.json"
ok "a root that its own keys have not signed is refused" eval "! build_for '$work/changed.json'"
like "and it says so" "$(<"$work/log")" "changed.json' is not the root metadata of a site"
ok "none is none" build_for ""
ok "and gives the same bytes as before" cmp "$BUILD/env/initramfs-virtio" "$again/env/initramfs-virtio"

all=$(kib "$BUILD/env/vmlinuz" "$BUILD/env/initramfs")
virtio=$(kib "$BUILD/env/vmlinuz" "$BUILD/env/initramfs-virtio")
ok "all drivers: $all KiB, at most 24 MiB" test "$all" -le 24576
ok "virtio: $virtio KiB, less than 13 MiB" test "$virtio" -lt 13312
client=$(kib "$BUILD/vmcast-boot")
ok "client: $client KiB, at most 2.5 MiB" test "$client" -le 2560
done_testing

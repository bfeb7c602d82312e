#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# make install puts every file where its PREFIX says, and the installed configuration finds them there.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$top"

[[ $BUILD == "$top/build" ]] || skip_all "installs the real build only"
[[ -f build/env/initramfs ]] || skip_all "needs the boot environment: make"
dest=$work/root
# Its own copy of what was built: another PREFIX is compiled in, and other tests use the programs meanwhile.
mkdir "$work/build"
cp -a build/obj build/env build/firmware build/packages build/apt "$work/build/" 2>/dev/null || true
env -u BUILD make -s install BUILD="$work/build" SAN= DESTDIR="$dest" PREFIX=/opt/vm >"$work/log" 2>&1 || diag "$(tail -20 "$work/log")"

while read -r mode path; do
	is "$path is there" "$(stat -c %a "$dest$path" 2>&1)" "$mode"
done <<'END'
755 /opt/vm/sbin/vmcastd
755 /opt/vm/bin/vmcast
755 /opt/vm/bin/vmcast-boot
755 /opt/vm/libexec/vmcast/vmcast-unpack
755 /opt/vm/libexec/vmcast/vmcast-sandbox
644 /opt/vm/share/vmcast/env/vmlinuz
644 /opt/vm/share/vmcast/env/initramfs
644 /opt/vm/share/vmcast/env/initramfs-virtio
644 /opt/vm/share/vmcast/env/hypervisor-x86_64.squashfs
644 /opt/vm/share/vmcast/firmware/undionly.kpxe
644 /opt/vm/share/vmcast/firmware/snponly.efi
644 /opt/vm/share/man/man1/vmcast.1
644 /opt/vm/share/man/man5/vmcastd.conf.5
644 /opt/vm/share/man/man8/vmcastd.8
644 /opt/vm/share/man/man8/vmcast-boot.8
644 /opt/vm/lib/systemd/system/vmcastd.service
644 /opt/vm/lib/systemd/system/vmcast-sandbox.socket
644 /opt/vm/lib/systemd/system/vmcast-sandbox@.service
644 /opt/vm/lib/sysusers.d/vmcast.conf
644 /etc/vmcast/vmcastd.conf
END
like "the configuration names the files of this PREFIX" "$(<"$dest/etc/vmcast/vmcastd.conf")" "env_dir = /opt/vm/share/vmcast/env"
like "and the program that opens archives" "$(<"$dest/etc/vmcast/vmcastd.conf")" "unpack = /opt/vm/libexec/vmcast/vmcast-unpack"
like "the unit starts the program of this PREFIX" "$(<"$dest/opt/vm/lib/systemd/system/vmcastd.service")" "ExecStart=/opt/vm/sbin/vmcastd"
like "and the one of sandboxes" "$(<"$dest/opt/vm/lib/systemd/system/vmcast-sandbox@.service")" "ExecStart=/opt/vm/libexec/vmcast/vmcast-sandbox"
echo "# mine" >"$dest/etc/vmcast/vmcastd.conf"
env -u BUILD make -s install BUILD="$work/build" SAN= DESTDIR="$dest" PREFIX=/opt/vm >"$work/log" 2>&1 || diag "$(tail -20 "$work/log")"
is "a configuration that is there is left alone" "$(<"$dest/etc/vmcast/vmcastd.conf")" "# mine"
done_testing

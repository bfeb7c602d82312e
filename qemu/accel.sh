# SPDX-License-Identifier: GPL-2.0-or-later
# Does KVM work here? /dev/kvm opens on machines whose guests then hang, so only a guest that
# gets somewhere counts. Sourced after common.sh.
# shellcheck shell=bash

# kvm_boots KERNEL: without a root file system a kernel that runs ends in a panic, in a second or two
kvm_boots()
{
	timeout 10 qemu-system-x86_64 -accel kvm -machine q35 -m 128 -nodefaults -display none -no-reboot \
		-kernel "$1" -append 'console=ttyS0 panic=-1' -serial stdio </dev/null 2>/dev/null |
		grep -aqE 'Kernel panic|Unable to mount root'
}

# accel: the argument of QEMU's -accel; tried once, the answer kept
accel()
{
	local answer=$BUILD/lab/accel kernel=$BUILD/env/vmlinuz found=tcg,thread=multi

	if [[ ! -s $answer ]]; then
		if [[ -r /dev/kvm && -w /dev/kvm ]]; then
			[[ -f $kernel ]] || { echo "$found"; return; }
			say "trying whether KVM works here (at most 10 s)"
			! kvm_boots "$kernel" || found=kvm
		fi
		say "machines run under $found"
		mkdir -p "$BUILD/lab"
		echo "$found" >"$answer.$$"
		mv "$answer.$$" "$answer"
	fi
	cat "$answer"
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_kvm: whether KVM works on this node. /dev/kvm opens and makes machines on hosts where no guest comes up, so one is tried. */
#ifndef VMCAST_GUEST_KVM_H
#define VMCAST_GUEST_KVM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Loads KVM's modules and lets UEFI firmware come up in a machine of 128 MiB, from the pack's QEMU. Takes a second or two on
 * hardware, half a minute at most. False: `why` says why not.
 */
bool guest_kvm_works(char *why, size_t room);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_kvm: whether KVM works on this node. /dev/kvm may open where no machine comes up, so one is tried. A guest that KVM fails
 * under later, by an error of its own, is started again without it (guest_run.c).
 */
#ifndef VMCAST_GUEST_KVM_H
#define VMCAST_GUEST_KVM_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Loads KVM's modules and lets SeaBIOS come up in a machine of 64 MiB, from the pack's QEMU. Takes about a second on hardware,
 * half a minute at most. False: `why` says why not.
 */
bool guest_kvm_works(char *why, size_t room);

#endif

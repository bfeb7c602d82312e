/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_jail: how what is in the hypervisor pack is run: with the pack as its root (chroot(2)), in mounts of its own. Tools that
 * make the node's file system see the machine's devices; QEMU sees its guest's folder and, at most, /dev/kvm.
 *
 * No guest is handed a way out of it: a guest's QEMU has no root, no capabilities, no new privileges, no network but the taps that
 * it inherits, and a cgroup that bounds its memory and processes (guest_cgroup.h).
 */
#ifndef VMCAST_GUEST_JAIL_H
#define VMCAST_GUEST_JAIL_H

#include "err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Packs are mounted in it, each in a folder by the architecture of its guests. */
#define GUEST_JAIL_ROOT "/run/hypervisor"

/* Longest path of that. */
#define GUEST_JAIL_PATH 64

/* How a guest's QEMU is kept. */
struct guest_jail {
	const char *arch; /* whose pack is its root */
	const char *dir;  /* becomes /guest */
	uid_t uid;        /* and gid; not 0 */
	bool kvm;         /* /dev/kvm is there */
};

/*
 * In the child between fork and exec. Returns 0, or a negative errno value with what failed in *step. What is inherited are the
 * descriptors without FD_CLOEXEC.
 */
int guest_jail_enter(const struct guest_jail *jail, const char **step);

/* GUEST_JAIL_ROOT/ARCH, or a file in it. */
void guest_jail_path(char out[static GUEST_JAIL_PATH], const char *arch, const char *file);

/*
 * Run a tool of a pack (each has them) as root, with the machine's devices, and wait for it. `input`: its standard input; NULL: none. -EIO: it
 * ended otherwise than with 0; the error has the last line that it said.
 */
int guest_jail_tool(const char *const *argv, const char *input, struct err *err);

#endif

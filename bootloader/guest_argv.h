/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_argv: guest_spec -> the arguments of QEMU 7.2 (qemu-system(1)), without a shell. Files are named as QEMU sees them,
 * chrooted in the hypervisor pack with the guest's folder at /guest: disk-0.raw..., vars.fd (UEFI), seed.img.
 *
 * How a guest ended: a clean power-off is the QMP event SHUTDOWN with "reason":"guest-shutdown" and exit status 0. A panic of
 * its kernel, which tells the pvpanic device, is GUEST_PANICKED, then SHUTDOWN with "reason":"guest-panic", and exit status 1.
 * Anything else that ends QEMU without being asked to (a signal, another status) is its own failure. A kernel that panics
 * without a driver of pvpanic resets the machine, or hangs.
 */
#ifndef VMCAST_GUEST_ARGV_H
#define VMCAST_GUEST_ARGV_H

#include "guest_spec.h"

struct guest_argv_run {
	const struct guest_spec *spec;
	const char *id; /* of the item: letters and digits. -name; the UUID is made of it and the MACs */
	bool kvm;       /* of the guest's own architecture; else TCG */
	bool has_seed;  /* /guest/seed.img as a read-only disk, virtio */
	uint8_t macs[GUEST_NICS_MAX][6];
	int tap_fds[GUEST_NICS_MAX];
	int qmp_fd, serial_fd; /* connected sockets, inherited */
};

#define GUEST_ARGV_MAX 256

struct guest_argv {
	char *args[GUEST_ARGV_MAX]; /* the program's path first; args[count] is NULL */
	size_t count;
};

/* -EINVAL: the spec or the id has what guest_spec_parse does not let through; -ENOMEM. Caller frees with guest_argv_free. */
int guest_argv_make(struct guest_argv *out, const struct guest_argv_run *run, struct err *err);

void guest_argv_free(struct guest_argv *argv);

#endif

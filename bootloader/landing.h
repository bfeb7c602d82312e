/* SPDX-License-Identifier: GPL-2.0-or-later */
/* landing: what happens to the machine once its disk is good. */
#ifndef VMCAST_LANDING_H
#define VMCAST_LANDING_H

#include "err.h"

#include <stdatomic.h>
#include <stddef.h>

struct landing {
	const char *name;
	/*
	 * Get it ready while the service can still be told that it cannot be done. `disks` are the names ("vda") of the written
	 * disks, which nobody holds any more, the one that the machine boots from first; *what says what will be started, for
	 * people. NULL: there is nothing to do.
	 */
	int (*prepare)(char *what, size_t room, const char *const *disks, size_t count, struct err *err);
	/* Does not return when it works. `stop` may still prevent it. NULL: whoever lands must know more, see guest_node_run. */
	int (*go)(const atomic_bool *stop, struct err *err);
};

/* A reset: the firmware boots the disk. Always possible. */
extern const struct landing landing_reboot;

/* Without a reset: Linux starts the disk's kernel (kexec_file_load(2)). */
extern const struct landing landing_kexec;

/* None: the machine stays and runs what was written, as its hypervisor (guest_node.h). */
extern const struct landing landing_guest;

/* -ENOTSUP: this client cannot do that. Asked before the disk is touched. */
int landing_find(const struct landing **out, const char *name, struct err *err);

#endif

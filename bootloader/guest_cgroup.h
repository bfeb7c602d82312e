/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guest_cgroup: a bound on what one guest's processes take of the node (cgroup v2, Documentation/admin-guide/cgroup-v2.rst). */
#ifndef VMCAST_GUEST_CGROUP_H
#define VMCAST_GUEST_CGROUP_H

#include "err.h"

#include <stdint.h>

/* Once, before guests run: the file system is mounted and its controllers are on. */
int guest_cgroup_begin(struct err *err);

/* Of guest `id`, with room for a guest of so much memory. Returns a descriptor of its cgroup.procs, for the child. */
int guest_cgroup_open(const char *id, uint64_t memory_bytes, struct err *err);

/* Best effort, when no process is left in it. */
void guest_cgroup_close(const char *id);

#endif

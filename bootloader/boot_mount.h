/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_mount: the file systems of written disks, to be read by boot_entry. They are mounted read-only, without their
 * journals being played, nowhere in the tree of files: only the descriptors lead to them, and with these they go.
 */
#ifndef VMCAST_BOOT_MOUNT_H
#define VMCAST_BOOT_MOUNT_H

#include "boot_volume.h"
#include "err.h"

#include <stddef.h>

/*
 * All that can be mounted on the disks `names` ("vda"; the one that the machine boots from first), in the order of their
 * partitions. Takes CAP_SYS_ADMIN. What cannot be mounted is left out; -ENOENT: there is nothing else, and the message says
 * why not. Caller closes with boot_volumes_close.
 */
int boot_volumes_open(struct boot_volumes *out, const char *const *names, size_t count, struct err *err);
void boot_volumes_close(struct boot_volumes *volumes);

/* One device or image: added to `volumes`, or refused. */
int boot_volume_mount(struct boot_volumes *volumes, const char *path, unsigned disk, unsigned number, struct err *err);

#endif

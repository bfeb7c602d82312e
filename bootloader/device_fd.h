/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_fd: a block device or a regular file as the target. */
#ifndef VMCAST_DEVICE_FD_H
#define VMCAST_DEVICE_FD_H

#include "device.h"
#include "disk.h"

/*
 * What `path` is, without changing anything: a whole disk of the machine, or a regular file. A path where there is
 * nothing becomes a file of `new_bytes` bytes (but never below /dev). -ENOTSUP: a partition, or neither disk nor file.
 */
int device_fd_identify(struct disk *out, const char *path, uint64_t new_bytes, struct err *err);

/*
 * Take the target for ourselves: exclusive against mounts, swap, stacked devices and other writers. Then look again,
 * through the descriptor that will be written, whether it still is the `disk` that was chosen and still free. -EBUSY in
 * use, -EROFS read-only, -ESTALE not the same disk any more. Caller closes with device_close.
 */
int device_fd_open(struct device **out, const struct disk *disk, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device: what an image is written to. One struct of operations; kinds: a block device or regular file (device_fd.c),
 * and memory that records and fails as it is told (device_memory.c), which the tests of the writing order use.
 *
 * Every operation that fails returns -EIO, whatever the kernel said (the text says it): a disk's ETIMEDOUT must not be
 * mistaken for the network's.
 */
#ifndef VMCAST_DEVICE_H
#define VMCAST_DEVICE_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* Memory given to device_read and device_write should be aligned so: it then goes to the disk without a copy. */
#define DEVICE_ALIGN 4096u

struct device {
	const struct device_ops *ops;
	uint64_t bytes;
	char name[64]; /* for messages */
};

struct device_ops {
	int (*write)(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err);
	int (*zero)(struct device *dev, uint64_t len, uint64_t off, struct err *err);
	int (*read)(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err);
	int (*flush)(struct device *dev, struct err *err);
	void (*rescan)(struct device *dev); /* NULL: nothing to do */
	void (*close)(struct device *dev);
};

/* All of `len` bytes or a failure. The range must lie inside the device: anything else is a bug. */
int device_write(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err);

/* Make a range read as zeros, the cheapest way that guarantees it. */
int device_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err);

/* From the medium, not from a cache of ours, as far as the device lets us. */
int device_read(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err);

/* What was written before has reached the medium when this returns 0. */
int device_flush(struct device *dev, struct err *err);

/* The partition table has changed. Best effort: the machine is about to reboot, and a host has udev. */
void device_rescan(struct device *dev);

void device_close(struct device **dev);

/* Aligned memory for the calls above; NULL if there is none. Caller frees with free. */
uint8_t *device_buffer(size_t len);

#endif

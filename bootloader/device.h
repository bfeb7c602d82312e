/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device: what an image is written to. One struct of operations; kinds: a block device or regular file (device_fd.c),
 * and memory that records and fails as it is told (device_memory.c), which the tests of the writing order use.
 *
 * One thread at a time may change a device; others may read at that time.
 *
 * Every operation that fails returns -EIO, whatever the kernel said (the text says it): a disk's ETIMEDOUT must not be
 * mistaken for the network's.
 */
#ifndef VMCAST_DEVICE_H
#define VMCAST_DEVICE_H

#include "err.h"
#include "zeroing.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory given to device_read and device_write should be aligned so: it then goes to the disk without a copy. */
#define DEVICE_ALIGN 4096u

struct device {
	const struct device_ops *ops;
	uint64_t bytes;
	char name[64]; /* for messages */
	struct zeroing zeroing;
	bool discards_nothing; /* it was tried */
};

struct device_ops {
	int (*write)(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err);
	/* The device's own way to make a range zeros. True: it says that it did. */
	bool (*zero)(struct device *dev, uint64_t len, uint64_t off);
	bool (*discard)(struct device *dev, uint64_t len, uint64_t off);
	int (*read)(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err);
	int (*flush)(struct device *dev, struct err *err);
	void (*rescan)(struct device *dev); /* NULL: nothing to do */
	void (*close)(struct device *dev);
};

/* All of `len` bytes or a failure. The range must lie inside the device: anything else is a bug. */
int device_write(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err);

/*
 * Make a range read as zeros: the device's own way where that is proven (zeroing.h), else by writing them. What was zeroed
 * must not be written before the next flush, which may write zeros there.
 */
int device_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err);

/* Nobody needs what a range holds: what it reads as from then on is the device's business. False: nothing was done, the
 * device cannot. */
bool device_discard(struct device *dev, uint64_t len, uint64_t off);

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

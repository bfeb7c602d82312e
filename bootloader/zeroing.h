/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zeroing: ranges of a device made zeros by the device itself, as far as that is proven; else they are written.
 *
 * Disks, their firmware, and what stands between them and us have said "zeros" about ranges that still held old content,
 * or held junk from then on. So their word is not taken:
 *
 * - Before the first range is zeroed, blocks of it are overwritten with something that is not zeros. If they are not
 *   zeros afterwards, the device's way is not taken again. On a disk that was empty nothing else would tell.
 * - After each flush a sample of what was zeroed is read from the medium: the first 16 ranges, 8 of the next 16, 8 of the
 *   next 32, and so on; of each its first, middle and last 4 KiB. If one is not zeros, the device's way is not taken
 *   again, and zeros are written over all that was zeroed so, before the flush returns.
 *
 * The ranges are remembered for that, up to 512 of them; when there are more, they are flushed and proven, and then
 * forgotten, so that memory does not grow with the disk. Of 800 ranges 180 blocks are read, which takes about 6 ms.
 */
#ifndef VMCAST_ZEROING_H
#define VMCAST_ZEROING_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZEROING_RANGES 512u

struct device;

/* Of one device; all zero at first. */
struct zeroing {
	bool is_off;    /* the device has no way of its own, or it is not to be believed */
	bool is_probed; /* it was tried on blocks that were not zeros */
	struct zeroed_range {
		uint64_t off;
		uint64_t len;
	} ranges[ZEROING_RANGES]; /* that the device made zeros */
	size_t count;
	size_t proven;      /* of them: what of the first so many was to be looked at, was */
	uint64_t forgotten; /* ranges before them */
};

/* As device_zero. */
int zeroing_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err);

/* Look at the sample. To be called when the device has been flushed; what it writes is flushed, too. -EIO: the device
 * failed to read or write. */
int zeroing_prove(struct device *dev, struct err *err);

#endif

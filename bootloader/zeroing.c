/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zeroing: see zeroing.h */
#include "zeroing.h"

#include "bytes.h"
#include "device.h"
#include "log.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK_BYTES 4096u
#define ZERO_BYTES  (1u << 20)

/* Never written, so it takes no memory: each page of it is the kernel's page of zeros. */
static uint8_t zeros[ZERO_BYTES] __attribute__((aligned(DEVICE_ALIGN)));

/* Three places in a range, which are the same one if it is short. */
struct blocks {
	uint64_t off[3];
	size_t len;
};

static struct blocks blocks_of(const struct zeroed_range *r)
{
	size_t len = r->len < BLOCK_BYTES ? (size_t)r->len : BLOCK_BYTES;
	uint64_t last = r->len - len;

	return (struct blocks){ .off = { r->off, r->off + last / 2 / BLOCK_BYTES * BLOCK_BYTES, r->off + last },
				.len = len };
}

/* Whether range `nr` is looked at: all of the first 16, 8 of the next 16, 8 of the next 32, and so on. */
static bool is_sample(uint64_t nr)
{
	uint64_t stride = 1;

	while (stride * 16 <= nr)
		stride *= 2;
	return nr % stride == 0;
}

static int spoil(struct device *dev, const struct zeroed_range *r, struct err *err)
{
	uint8_t block[BLOCK_BYTES] __attribute__((aligned(DEVICE_ALIGN)));
	struct blocks b = blocks_of(r);
	int rc = 0;

	memset(block, 0xa5, sizeof(block));
	for (size_t i = 0; i < 3 && !rc; i++)
		rc = dev->ops->write(dev, block, b.len, b.off[i], err);
	return rc;
}

/* 1: they are zeros, 0: they are not. */
static int look_at(struct device *dev, const struct zeroed_range *r, struct err *err)
{
	uint8_t block[BLOCK_BYTES] __attribute__((aligned(DEVICE_ALIGN)));
	struct blocks b = blocks_of(r);

	for (size_t i = 0; i < 3; i++) {
		int rc = dev->ops->read(dev, block, b.len, b.off[i], err);

		if (rc)
			return rc;
		if (!bytes_are_zero(block, b.len))
			return 0;
	}
	return 1;
}

static int write_zeros(struct device *dev, uint64_t len, uint64_t off, struct err *err)
{
	int rc = 0;

	while (len && !rc) {
		size_t piece = len < ZERO_BYTES ? (size_t)len : ZERO_BYTES;

		rc = dev->ops->write(dev, zeros, piece, off, err);
		len -= piece;
		off += piece;
	}
	return rc;
}

static void forget(struct zeroing *z)
{
	z->forgotten += z->count;
	z->count = z->proven = 0;
}

/* One of the ranges, which lies at `off`, is not what the device said that it is. */
static int distrust(struct device *dev, uint64_t off, struct err *err)
{
	struct zeroing *z = &dev->zeroing;
	uint64_t bytes = 0;
	int rc = 0;

	z->is_off = true;
	for (size_t i = 0; i < z->count && !rc; i++) {
		rc = write_zeros(dev, z->ranges[i].len, z->ranges[i].off, err);
		bytes += z->ranges[i].len;
	}
	if (!rc)
		rc = dev->ops->flush(dev, err);
	log_warn("disk %s: zeroed by the disk itself, byte %" PRIu64 " and what follows do not read as zeros: zeros "
		 "are written from now on, and over the %" PRIu64 " bytes that it zeroed so",
		 dev->name, off, bytes);
	forget(z);
	return rc;
}

int zeroing_prove(struct device *dev, struct err *err)
{
	struct zeroing *z = &dev->zeroing;

	for (; z->proven < z->count; z->proven++) {
		const struct zeroed_range *r = &z->ranges[z->proven];

		if (!is_sample(z->forgotten + z->proven))
			continue;
		int is_zero = look_at(dev, r, err);
		if (is_zero != 1)
			return is_zero == 0 ? distrust(dev, r->off, err) : is_zero;
	}
	return 0;
}

/* Room for one more range. */
static int make_room(struct device *dev, struct err *err)
{
	if (dev->zeroing.count < ZEROING_RANGES)
		return 0;
	int rc = device_flush(dev, err);
	if (!rc)
		forget(&dev->zeroing);
	return rc;
}

int zeroing_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err)
{
	struct zeroing *z = &dev->zeroing;
	struct zeroed_range range = { off, len };
	int rc = make_room(dev, err);

	if (!rc && !z->is_off && !z->is_probed)
		rc = spoil(dev, &range, err);
	if (rc)
		return rc;
	/* Writing zeros also tells a way that does not work from a disk that does not: only the latter fails again. */
	if (z->is_off || !dev->ops->zero(dev, len, off)) {
		z->is_off = true;
		return write_zeros(dev, len, off, err);
	}
	z->ranges[z->count++] = range;
	if (z->is_probed)
		return 0;
	z->is_probed = true;
	rc = look_at(dev, &range, err);
	if (rc == 0)
		return distrust(dev, off, err);
	return rc < 0 ? rc : 0;
}

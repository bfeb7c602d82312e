/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device: see device.h */
#include "device.h"

#include <assert.h>
#include <stdlib.h>

static bool is_inside(const struct device *dev, uint64_t len, uint64_t off)
{
	return off <= dev->bytes && len <= dev->bytes - off;
}

int device_write(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err)
{
	assert(is_inside(dev, len, off));
	return dev->ops->write(dev, data, len, off, err);
}

int device_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err)
{
	assert(is_inside(dev, len, off));
	return zeroing_zero(dev, len, off, err);
}

bool device_discard(struct device *dev, uint64_t len, uint64_t off)
{
	assert(is_inside(dev, len, off));
	if (!dev->discards_nothing && dev->ops->discard(dev, len, off))
		return true;
	dev->discards_nothing = true;
	return false;
}

int device_read(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err)
{
	assert(is_inside(dev, len, off));
	return dev->ops->read(dev, out, len, off, err);
}

int device_flush(struct device *dev, struct err *err)
{
	int rc = dev->ops->flush(dev, err);

	return rc ? rc : zeroing_prove(dev, err);
}

void device_rescan(struct device *dev)
{
	if (dev->ops->rescan)
		dev->ops->rescan(dev);
}

void device_close(struct device **dev)
{
	if (*dev)
		(*dev)->ops->close(*dev);
	*dev = NULL;
}

uint8_t *device_buffer(size_t len)
{
	void *memory;

	return posix_memalign(&memory, DEVICE_ALIGN, len) == 0 ? memory : NULL;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* device_memory: see device_memory.h */
#include "device_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct device_memory *of(struct device *dev)
{
	return (struct device_memory *)dev;
}

/* Log one operation; fails where it has been told to. */
static int record(struct device_memory *m, enum device_memory_op op, uint64_t off, uint64_t len, struct err *err)
{
	size_t at = (*m->clock)++;

	if (m->log_count == m->log_room) {
		size_t room = m->log_count ? m->log_count * 2 : 64;
		struct device_memory_record *log = reallocarray(m->log, room, sizeof(*log));

		if (!log)
			return err_set(err, -EIO, "memory disk: out of memory");
		m->log = log;
		m->log_room = room;
	}
	m->log[m->log_count++] = (struct device_memory_record){ .op = op, .off = off, .len = len, .at = at };
	if (at == m->fail_at || (m->fail_for_ever && at > m->fail_at))
		return err_set(err, -EIO, "memory disk: operation %zu at byte %" PRIu64 " was told to fail", at, off);
	return 0;
}

static bool has_power(const struct device_memory *m)
{
	return !m->fail_for_ever || *m->clock <= m->fail_at;
}

static int memory_write(struct device *dev, const uint8_t *data, size_t len, uint64_t off, struct err *err)
{
	if (has_power(of(dev)))
		memcpy(of(dev)->cache + off, data, len);
	return record(of(dev), OP_WRITE, off, len, err);
}

static int memory_zero(struct device *dev, uint64_t len, uint64_t off, struct err *err)
{
	if (has_power(of(dev)))
		memset(of(dev)->cache + off, 0, len);
	return record(of(dev), OP_ZERO, off, len, err);
}

static int memory_read(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err)
{
	int rc = record(of(dev), OP_READ, off, len, err);

	if (!rc)
		memcpy(out, of(dev)->cache + off, len);
	return rc;
}

static int memory_flush(struct device *dev, struct err *err)
{
	struct device_memory *m = of(dev);
	int rc = record(m, OP_FLUSH, 0, 0, err);

	if (!rc)
		memcpy(m->medium, m->cache, m->dev.bytes);
	return rc;
}

static void memory_close(struct device *dev)
{
	struct device_memory *m = of(dev);

	free(m->cache);
	free(m->log);
	free(m);
}

static const struct device_ops memory_ops = {
	.write = memory_write,
	.zero = memory_zero,
	.read = memory_read,
	.flush = memory_flush,
	.close = memory_close,
};

struct device_memory *device_memory_new(uint8_t *medium, uint64_t bytes)
{
	struct device_memory *m = calloc(1, sizeof(*m));

	if (m)
		m->cache = malloc(bytes);
	if (!m || !m->cache) {
		free(m);
		return NULL;
	}
	m->dev = (struct device){ .ops = &memory_ops, .bytes = bytes, .name = "memory" };
	m->medium = medium;
	m->clock = &m->own_clock;
	m->fail_at = SIZE_MAX;
	memcpy(m->cache, medium, bytes);
	return m;
}

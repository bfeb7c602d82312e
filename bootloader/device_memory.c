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
	struct device_memory *m = of(dev);

	pthread_mutex_lock(&m->lock);
	if (has_power(m))
		memcpy(m->cache + off, data, len);
	int rc = record(m, OP_WRITE, off, len, err);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* What a range holds when the device has zeroed it, as it says. */
static void do_zero(struct device_memory *m, uint64_t len, uint64_t off)
{
	if (!has_power(m) || m->honest_zeros == 0)
		return;
	m->honest_zeros -= m->honest_zeros != SIZE_MAX;
	memset(m->cache + off, 0, len);
}

static bool memory_zero(struct device *dev, uint64_t len, uint64_t off)
{
	struct device_memory *m = of(dev);
	struct err ignored;

	if (m->zero_refused)
		return false;
	pthread_mutex_lock(&m->lock);
	do_zero(m, len, off);
	int rc = record(m, OP_ZERO, off, len, &ignored);
	pthread_mutex_unlock(&m->lock);
	return rc == 0;
}

static bool memory_discard(struct device *dev, uint64_t len, uint64_t off)
{
	struct device_memory *m = of(dev);
	struct err ignored;

	if (m->discard_refused)
		return false;
	pthread_mutex_lock(&m->lock);
	if (has_power(m))
		memset(m->cache + off, DEVICE_MEMORY_JUNK, len);
	int rc = record(m, OP_DISCARD, off, len, &ignored);
	pthread_mutex_unlock(&m->lock);
	return rc == 0;
}

static int memory_read(struct device *dev, uint8_t *out, size_t len, uint64_t off, struct err *err)
{
	struct device_memory *m = of(dev);

	pthread_mutex_lock(&m->lock);
	int rc = record(m, OP_READ, off, len, err);
	if (!rc)
		memcpy(out, m->cache + off, len);
	pthread_mutex_unlock(&m->lock);
	return rc;
}

/* What was zeroed since record `begin`, if that is how this disk is. */
static void fade(struct device_memory *m, size_t begin)
{
	for (size_t i = begin; m->zeros_fade && i < m->log_count; i++)
		if (m->log[i].op == OP_ZERO)
			memset(m->cache + m->log[i].off, DEVICE_MEMORY_JUNK, m->log[i].len);
}

static int memory_flush(struct device *dev, struct err *err)
{
	struct device_memory *m = of(dev);

	pthread_mutex_lock(&m->lock);
	int rc = record(m, OP_FLUSH, 0, 0, err);
	if (!rc) {
		fade(m, m->flushed_count);
		m->flushed_count = m->log_count;
		memcpy(m->medium, m->cache, m->dev.bytes);
	}
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static void memory_close(struct device *dev)
{
	struct device_memory *m = of(dev);

	pthread_mutex_destroy(&m->lock);
	free(m->cache);
	free(m->log);
	free(m);
}

static const struct device_ops memory_ops = {
	.write = memory_write,
	.zero = memory_zero,
	.discard = memory_discard,
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
	pthread_mutex_init(&m->lock, NULL);
	m->medium = medium;
	m->clock = &m->own_clock;
	m->fail_at = m->honest_zeros = SIZE_MAX;
	memcpy(m->cache, medium, bytes);
	return m;
}

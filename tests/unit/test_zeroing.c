/* SPDX-License-Identifier: GPL-2.0-or-later */
/* F37: disks in memory that zero as they should, refuse, lie, or forget; full of 0xA5 before, or empty. */
#include "bytes.h"
#include "device_memory.h"
#include "tap.h"

#include <errno.h>

#define DISK_BYTES (8u << 20)
#define RANGE      8192u /* what is zeroed: every second piece of this length */
#define ALL        (DISK_BYTES / RANGE / 2)
#define OLD        0xa5

static uint8_t medium[DISK_BYTES];

static struct device_memory *new_disk(int content)
{
	memset(medium, content, sizeof(medium));
	return device_memory_new(medium, sizeof(medium));
}

static void close_disk(struct device_memory *m)
{
	struct device *dev = &m->dev;

	device_close(&dev);
}

/* Zero pieces `first`..`end`-1. */
static int zero(struct device_memory *m, size_t first, size_t end, struct err *err)
{
	int rc = 0;

	for (size_t i = first; i < end && !rc; i++)
		rc = device_zero(&m->dev, RANGE, i * 2 * RANGE, err);
	return rc;
}

/* Pieces `first`..`end`-1 are zeros on the medium, and what is between them is as it was. */
static bool is_zeroed(size_t first, size_t end, uint8_t between)
{
	for (size_t i = first; i < end; i++) {
		const uint8_t *next = medium + (i * 2 + 1) * RANGE;

		if (!bytes_are_zero(medium + i * 2 * RANGE, RANGE) || next[0] != between ||
		    memcmp(next, next + 1, RANGE - 1) != 0)
			return false;
	}
	return true;
}

static size_t count(const struct device_memory *m, enum device_memory_op op)
{
	size_t n = 0;

	for (size_t i = 0; i < m->log_count; i++)
		n += m->log[i].op == op;
	return n;
}

static void test_honest(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err;

	is_int(zero(m, 0, ALL, &err), 0, "a disk that zeroes as it should");
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(is_zeroed(0, ALL, OLD), "... and everything is zeros, and nothing else");
	is_int(count(m, OP_WRITE), 3, "... of which three blocks were written before, so that it had something to do");
	is_int(m->log[0].op == OP_WRITE && m->log[3].op == OP_ZERO && m->log[4].op == OP_READ, true,
	       "... and read after the first range");
	ok(count(m, OP_READ) <= 3 + 3 * (16 + 8 * 5), "... and later a sample was read: %zu blocks of %u ranges",
	   count(m, OP_READ), ALL);
	close_disk(m);
}

static void test_refusing(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err;

	m->zero_refused = true;
	is_int(zero(m, 0, ALL, &err), 0, "a disk that cannot zero");
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(is_zeroed(0, ALL, OLD), "... and everything is zeros, and nothing else");
	m->zero_refused = false;
	zero(m, 0, ALL, &err);
	is_int(count(m, OP_ZERO), 0, "... and it is not asked twice");
	close_disk(m);
}

/* `honest`: ranges that it zeroes before it begins to lie. */
static void test_lying(int content, size_t honest, const char *name)
{
	struct device_memory *m = new_disk(content);
	struct err err;

	m->honest_zeros = honest;
	is_int(zero(m, 0, ALL / 2, &err), 0, name);
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(is_zeroed(0, ALL / 2, (uint8_t)content), "... and everything is zeros, and nothing else");
	size_t asked = count(m, OP_ZERO);
	is_int(zero(m, ALL / 2, ALL, &err), 0, "... and goes on");
	is_int(count(m, OP_ZERO), (int64_t)asked, "... without being asked again");
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(is_zeroed(0, ALL, (uint8_t)content), "... and the rest is zeros, too");
	if (honest == 0)
		is_int((int64_t)asked, 1, "... and was found out at the first range");
	close_disk(m);
}

static void test_fading(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err;

	m->zeros_fade = true;
	is_int(zero(m, 0, ALL / 4, &err), 0, "a disk whose zeros are junk once it was flushed");
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(is_zeroed(0, ALL / 4, OLD), "... and everything is zeros on the medium when that has ended");
	close_disk(m);
}

/* What is not remembered any more was proven before. */
static void test_many(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err;
	size_t flushes = 0;

	for (size_t i = 0; i < 4 * ZEROING_RANGES; i++) {
		device_zero(&m->dev, 512, i * 1024, &err);
		flushes = count(m, OP_FLUSH);
	}
	is_int((int64_t)flushes, 3, "ranges are flushed and proven whenever as many as can be remembered are there");
	m->honest_zeros = 0;
	device_zero(&m->dev, RANGE, DISK_BYTES - RANGE, &err);
	for (size_t i = 0; i < 8; i++)
		device_zero(&m->dev, 512, (4 * ZEROING_RANGES + i) * 1024, &err);
	is_int(device_flush(&m->dev, &err), 0, "a disk that begins to lie then is flushed");
	ok(bytes_are_zero(medium + DISK_BYTES - RANGE, RANGE), "... and what it lied about is zeros");
	close_disk(m);
}

static void test_short(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err;

	m->honest_zeros = 0;
	is_int(device_zero(&m->dev, 512, 512, &err), 0, "one sector, of a disk that lies");
	is_int(device_flush(&m->dev, &err), 0, "... is flushed");
	ok(medium[511] == OLD && bytes_are_zero(medium + 512, 512) && medium[1024] == OLD,
	   "... is zeros, and no other");
	close_disk(m);
}

/* That the sample cannot be read must not count as a proof, nor as a lie. */
static void test_failing(void)
{
	struct device_memory *m = new_disk(OLD);
	struct err err = { 0 };

	zero(m, 0, 4, &err);
	m->fail_at = *m->clock + 1;
	is_int(device_flush(&m->dev, &err), -EIO, "a disk that cannot be read when it was flushed has failed");
	ok(strstr(err.text, "was told to fail") != NULL, "... with what it said: %s", err.text);
	close_disk(m);
}

int main(void)
{
	test_honest();
	test_refusing();
	test_lying(OLD, 0, "a disk that lies");
	test_lying(0, 0, "an empty disk that lies");
	test_lying(OLD, 7, "a disk that begins to lie");
	test_fading();
	test_many();
	test_short();
	test_failing();
	return done_testing();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* zero_runs: see zero_runs.h */
#include "zero_runs.h"

/* What is decided on as a whole, at multiples of it: partitions begin there since about 2010. */
#define CELL_BYTES (1u << 20)

/* Where the cell that holds `off` ends, or the run. */
static uint64_t cell_end(uint64_t off, uint64_t to)
{
	uint64_t end = (off / CELL_BYTES + 1) * CELL_BYTES;

	return end < to ? end : to;
}

static bool is_needed(const struct zero_runs *z, uint64_t from, uint64_t to)
{
	return !z->knows_labels || labels_are_in(&z->labels, from, to);
}

static int leave(struct zero_runs *z, struct device *dev, uint64_t len, uint64_t off, struct err *err)
{
	if (z->policy == ZEROS_DISCARD && !device_discard(dev, len, off))
		return device_zero(dev, len, off, err);
	z->left_bytes += len;
	return 0;
}

int zero_runs_place(struct zero_runs *z, struct device *dev, uint64_t from, uint64_t to, struct err *err)
{
	int rc = 0;

	if (z->policy == ZEROS_ZERO)
		return device_zero(dev, to - from, from, err);
	for (uint64_t at = from, end; at < to && !rc; at = end) {
		end = cell_end(at, to);
		bool needed = is_needed(z, at, end);

		while (end < to && is_needed(z, end, cell_end(end, to)) == needed)
			end = cell_end(end, to);
		rc = needed ? device_zero(dev, end - at, at, err) : leave(z, dev, end - at, at, err);
	}
	return rc;
}

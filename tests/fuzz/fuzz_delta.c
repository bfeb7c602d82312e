/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a delta: it is refused, or whatever its records name lies on the disk and fits into a chunk. */
#include "delta.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DISK_BYTES ((1ull << 30) + 4096)

static const struct index_header image = { .disk_bytes = 1ull << 30, .chunk_bytes = 1u << 20, .chunk_count = 1024 };

static void check_ranges(const struct delta_record *r, const uint8_t *raw)
{
	static struct delta_range ranges[DELTA_RANGES_MAX];
	uint64_t sum = 0;
	uint32_t bytes;
	struct err err;

	if (delta_ranges_parse(ranges, &bytes, raw, r, &image, DISK_BYTES, &err))
		return;
	for (uint32_t i = 0; i < r->range_count; i++) {
		assert(ranges[i].count >= 1 && (ranges[i].block + ranges[i].count) * DELTA_BLOCK_BYTES <= DISK_BYTES);
		sum += (uint64_t)ranges[i].count * DELTA_BLOCK_BYTES;
	}
	assert(sum == bytes && bytes <= image.chunk_bytes);
	if (r->kind == DELTA_STASH)
		assert(bytes && r->nr * DELTA_BLOCK_BYTES % image.chunk_bytes + bytes <= image.chunk_bytes);
	else
		assert(r->nr < image.chunk_count && r->payload_bytes <= index_frame_bytes_max(image.chunk_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct delta_header header;
	struct delta_record record;
	struct err err;

	if (len < DELTA_HEADER_BYTES || delta_header_parse(&header, data, &err))
		return 0;
	assert(header.records_off >= DELTA_HEADER_BYTES && header.records_off + header.records_bytes <= INT64_MAX);
	if (header.records_off > len)
		return 0;
	data += header.records_off;
	len -= header.records_off;
	while (len >= DELTA_RECORD_BYTES && delta_record_parse(&record, data, &image, &err) == 0) {
		size_t bytes = DELTA_RECORD_BYTES + (size_t)record.range_count * DELTA_RANGE_BYTES;

		if (bytes > len)
			break;
		check_ranges(&record, data + DELTA_RECORD_BYTES);
		data += bytes;
		len -= bytes;
	}
	return 0;
}

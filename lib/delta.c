/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delta: see delta.h and docs/reference/formats.md */
#include "delta.h"

#include "bytes.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const uint8_t magic[8] = "vmcastDL"; /* 8 bytes: the NUL is not part of it */

void delta_header_pack(uint8_t raw[static DELTA_HEADER_BYTES], const struct delta_header *h)
{
	memset(raw, 0, DELTA_HEADER_BYTES);
	memcpy(raw, magic, sizeof(magic));
	put_le32(raw + 8, DELTA_VERSION);
	put_le32(raw + 12, DELTA_HEADER_BYTES);
	memcpy(raw + 16, h->old_id, DIGEST_BYTES);
	memcpy(raw + 48, h->new_id, DIGEST_BYTES);
	put_le32(raw + 80, h->chunk_bytes);
	put_le64(raw + 88, h->record_count);
	put_le64(raw + 96, h->records_off);
	put_le64(raw + 104, h->records_bytes);
}

void delta_record_pack(uint8_t raw[static DELTA_RECORD_BYTES], const struct delta_record *r)
{
	assert(r->nr < DELTA_BLOCKS_MAX && r->range_count <= DELTA_RANGES_MAX);
	put_le32(raw, r->kind);
	put_le32(raw + 4, (uint32_t)r->nr);
	put_le32(raw + 8, r->range_count);
	put_le32(raw + 12, r->payload_bytes);
}

void delta_range_pack(uint8_t raw[static DELTA_RANGE_BYTES], const struct delta_range *range)
{
	put_le32(raw, (uint32_t)range->block);
	put_le32(raw + 4, range->count);
}

int delta_header_parse(struct delta_header *out, const uint8_t raw[static DELTA_HEADER_BYTES], struct err *err)
{
	struct delta_header h = {
		.chunk_bytes = le32(raw + 80),
		.record_count = le64(raw + 88),
		.records_off = le64(raw + 96),
		.records_bytes = le64(raw + 104),
	};

	if (memcmp(raw, magic, sizeof(magic)) != 0)
		return err_set(err, -EBADMSG, "delta: does not begin with \"vmcastDL\"");
	if (le32(raw + 8) != DELTA_VERSION)
		return err_set(err, -ENOTSUP, "delta: version %" PRIu32 ", this program reads %d", le32(raw + 8),
			       DELTA_VERSION);
	if (le32(raw + 12) != DELTA_HEADER_BYTES || le32(raw + 84) != 0 || !bytes_are_zero(raw + 112, 16))
		return err_set(err, -EBADMSG, "delta: header length or reserved fields are wrong");
	if (h.records_off < DELTA_HEADER_BYTES || h.records_off > INT64_MAX ||
	    h.records_bytes > INT64_MAX - h.records_off || h.record_count > h.records_bytes / DELTA_RECORD_BYTES)
		return err_set(err, -EBADMSG, "delta: %" PRIu64 " records in %" PRIu64 " bytes at %" PRIu64,
			       h.record_count, h.records_bytes, h.records_off);
	memcpy(h.old_id, raw + 16, DIGEST_BYTES);
	memcpy(h.new_id, raw + 48, DIGEST_BYTES);
	*out = h;
	return 0;
}

static uint32_t blocks_per_chunk(const struct index_header *h)
{
	return h->chunk_bytes / DELTA_BLOCK_BYTES;
}

int delta_record_parse(struct delta_record *out, const uint8_t raw[static DELTA_RECORD_BYTES],
		       const struct index_header *h, struct err *err)
{
	struct delta_record r = {
		.kind = le32(raw),
		.nr = le32(raw + 4),
		.range_count = le32(raw + 8),
		.payload_bytes = le32(raw + 12),
	};
	bool is_stash = r.kind == DELTA_STASH;

	if (r.kind != DELTA_CHUNK && !is_stash)
		return err_set(err, -EBADMSG, "delta: record of unknown kind %" PRIu32, le32(raw));
	if (r.range_count > blocks_per_chunk(h) || (is_stash && !r.range_count))
		return err_set(err, -EBADMSG, "delta: record with %" PRIu32 " ranges", r.range_count);
	if (is_stash ? r.payload_bytes != DIGEST_BYTES
		     : !r.payload_bytes || r.payload_bytes > index_frame_bytes_max(h->chunk_bytes))
		return err_set(err, -EBADMSG, "delta: record with a payload of %" PRIu32 " bytes", r.payload_bytes);
	if (is_stash ? r.nr >= h->disk_bytes / DELTA_BLOCK_BYTES : r.nr >= h->chunk_count)
		return err_set(err, -EBADMSG, "delta: record for %s %" PRIu64 ", which the disk does not have",
			       is_stash ? "block" : "chunk", r.nr);
	*out = r;
	return 0;
}

int delta_ranges_parse(struct delta_range *out, uint32_t *bytes, const uint8_t *raw, const struct delta_record *r,
		       const struct index_header *h, uint64_t disk_bytes, struct err *err)
{
	uint64_t disk_blocks = disk_bytes / DELTA_BLOCK_BYTES;
	uint32_t room = blocks_per_chunk(h), left;

	if (r->kind == DELTA_STASH)
		room -= (uint32_t)(r->nr % room);
	left = room;
	for (uint32_t i = 0; i < r->range_count; i++) {
		struct delta_range range = { le32(raw), le32(raw + 4) };

		if (!range.count || range.count > left || range.block + range.count > disk_blocks)
			return err_set(err, -EBADMSG,
				       "delta: range of %" PRIu32 " blocks at block %" PRIu64 " is out of place",
				       range.count, range.block);
		left -= range.count;
		out[i] = range;
		raw += DELTA_RANGE_BYTES;
	}
	*bytes = (room - left) * DELTA_BLOCK_BYTES;
	return 0;
}

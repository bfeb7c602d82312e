/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delta_apply: see delta_apply.h */
#include "delta_apply.h"

#include "cleanup.h"
#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct delta_apply {
	struct delta_target target;
	const struct index_header *header;
	struct frame_opener *opener;
	struct delta_range *ranges; /* of the step */
	uint8_t *sources, *chunk;
	uint8_t *is_read; /* a bit for each chunk's place: something there was a source since the last flush */
	size_t is_read_bytes;
	bool is_dirty; /* something was written since then */
};

int delta_apply_new(struct delta_apply **out, const struct index_header *h, struct err *err)
{
	CLEANUP(delta_apply_free) struct delta_apply *a = calloc(1, sizeof(*a));

	if (a) {
		a->is_read_bytes = h->chunk_count / 8 + 1;
		a->is_read = calloc(1, a->is_read_bytes);
		a->ranges = calloc(DELTA_RANGES_MAX, sizeof(*a->ranges));
		a->sources = device_buffer(h->chunk_bytes);
		a->chunk = device_buffer(h->chunk_bytes);
	}
	if (!a || !a->is_read || !a->ranges || !a->sources || !a->chunk)
		return err_set(err, -ENOMEM, "delta: out of memory");
	int rc = frame_opener_new(&a->opener, h->chunk_bytes, err);
	if (rc)
		return rc;
	*out = TAKE(a);
	return 0;
}

void delta_apply_free(struct delta_apply **a)
{
	if (!*a)
		return;
	frame_opener_free(&(*a)->opener);
	free((*a)->is_read);
	free((*a)->ranges);
	free((*a)->sources);
	free((*a)->chunk);
	free(*a);
	*a = NULL;
}

void delta_apply_begin(struct delta_apply *a, const struct delta_target *target)
{
	a->target = *target;
	a->header = index_get_header(target->index);
	memset(a->is_read, 0, a->is_read_bytes);
	a->is_dirty = false;
}

static bool may_be_written(const struct delta_apply *a, uint64_t nr)
{
	return nr >= a->target.first && nr < a->target.end;
}

bool delta_apply_is_done(struct delta_apply *a, const struct delta_record *record)
{
	struct index_entry entry;
	struct err ignored;

	if (record->kind != DELTA_CHUNK || index_get_entry(a->target.index, &entry, record->nr, &ignored) != 0)
		return false;
	uint32_t len = index_chunk_bytes(a->header, record->nr);
	return device_read(a->target.dev, a->chunk, len, record->nr * a->header->chunk_bytes, &ignored) == 0 &&
	       digest_is_of(entry.digest, a->chunk, len);
}

/* Read the ranges into `sources`, one behind the other. */
static int gather(struct delta_apply *a, const struct delta_record *record, struct err *err)
{
	uint8_t *to = a->sources;
	int rc = 0;

	for (uint32_t i = 0; i < record->range_count && !rc; i++) {
		const struct delta_range *range = &a->ranges[i];
		size_t len = (size_t)range->count * DELTA_BLOCK_BYTES;

		rc = device_read(a->target.dev, to, len, range->block * DELTA_BLOCK_BYTES, err);
		to += len;
	}
	return rc;
}

/* What is behind the image is never written. */
static void mark_read(struct delta_apply *a, const struct delta_record *record)
{
	uint32_t blocks = a->header->chunk_bytes / DELTA_BLOCK_BYTES;

	for (uint32_t i = 0; i < record->range_count; i++) {
		uint64_t first = a->ranges[i].block / blocks;
		uint64_t last = (a->ranges[i].block + a->ranges[i].count - 1) / blocks;

		for (uint64_t nr = first; nr <= last && nr < a->header->chunk_count; nr++)
			a->is_read[nr / 8] |= (uint8_t)(1u << nr % 8);
	}
}

static int flush(struct delta_apply *a, struct err *err)
{
	if (a->is_dirty && device_flush(a->target.dev, err) != 0)
		return err->code;
	memset(a->is_read, 0, a->is_read_bytes);
	a->is_dirty = false;
	return 0;
}

/* In chunk `nr`'s place. */
static int write_at(struct delta_apply *a, uint64_t nr, const uint8_t *bytes, size_t len, uint64_t off, struct err *err)
{
	int rc = a->is_read[nr / 8] & 1u << nr % 8 ? flush(a, err) : 0;

	if (!rc)
		rc = device_write(a->target.dev, bytes, len, off, err);
	a->is_dirty = true;
	return rc;
}

static int make_chunk(struct delta_apply *a, const struct delta_step *step, uint32_t source_bytes, struct err *why,
		      struct err *err)
{
	uint64_t nr = step->record.nr;
	struct index_entry entry;

	if (!may_be_written(a, nr) || index_get_entry(a->target.index, &entry, nr, why) != 0)
		return 0;
	uint32_t len = index_chunk_bytes(a->header, nr);
	if (frame_open_from(a->opener, a->chunk, len, step->payload, step->record.payload_bytes, a->sources,
			    source_bytes, why) != 0)
		return 0;
	if (!digest_is_of(entry.digest, a->chunk, len)) {
		err_set(why, -EBADMSG, "its bytes do not have the digest that the index says");
		return 0;
	}
	int rc = write_at(a, nr, a->chunk, len, nr * a->header->chunk_bytes, err);
	return rc ? rc : 1;
}

static int make_stash(struct delta_apply *a, const struct delta_step *step, uint32_t bytes, struct err *why,
		      struct err *err)
{
	uint64_t off = step->record.nr * DELTA_BLOCK_BYTES, nr = off / a->header->chunk_bytes;
	struct index_entry entry;

	if (!may_be_written(a, nr) || off + bytes > nr * a->header->chunk_bytes + index_chunk_bytes(a->header, nr) ||
	    index_get_entry(a->target.index, &entry, nr, why) != 0 || entry.kind != CHUNK_ZERO) {
		err_set(why, -EBADMSG, "block %" PRIu64 " is no place for a stash", step->record.nr);
		return 0;
	}
	/* A run that was cut off may have made it, and written over its sources since. */
	if (device_read(a->target.dev, a->chunk, bytes, off, why) == 0 && digest_is_of(step->payload, a->chunk, bytes))
		return 1;
	if (!digest_is_of(step->payload, a->sources, bytes)) {
		err_set(why, -EBADMSG, "what is to be kept is not on the disk");
		return 0;
	}
	int rc = write_at(a, nr, a->sources, bytes, off, err);
	return rc ? rc : 1;
}

int delta_apply_step(struct delta_apply *a, const struct delta_step *step, struct err *why, struct err *err)
{
	const struct delta_record *record = &step->record;
	uint32_t bytes;

	if (delta_ranges_parse(a->ranges, &bytes, step->ranges, record, a->header, a->target.dev->bytes, why) != 0 ||
	    gather(a, record, why) != 0)
		return 0;
	int rc = record->kind == DELTA_STASH ? make_stash(a, step, bytes, why, err)
					     : make_chunk(a, step, bytes, why, err);
	/* Not before it was written: what was flushed for it is only what came before. */
	if (rc > 0)
		mark_read(a, record);
	return rc;
}

int delta_apply_end(struct delta_apply *a, struct err *err)
{
	return flush(a, err);
}

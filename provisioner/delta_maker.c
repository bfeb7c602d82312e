/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_maker: see delta_maker.h
 *
 * 1. Every block of data of the old image goes into a table (delta_match.h).
 * 2. For each block of each chunk that differs in place: where the old disk has the same, or else what is most likely to
 *    be similar: the block behind the one that the block before was found as, or the one in the same place.
 * 3. The order (delta_order.h).
 * 4. The records: each chunk compressed with its sources as a prefix that has, block for block, the chunk's own layout, so
 *    that what is the same is one long match.
 */
#include "delta_maker.h"

#include "bytes.h"
#include "cleanup.h"
#include "delta.h"
#include "delta_match.h"
#include "delta_order.h"
#include "frame.h"
#include "image_reader.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* The client blanks both ends of the disk before anything else (bootloader/write.c). */
#define END_BYTES (1u << 20)

/* Higher levels take several times as long and save little: what a delta saves are the long matches. */
#define LEVEL 9

struct maker {
	const struct delta_options *options;
	struct image_reader *old, *new;
	const struct index_header *old_header, *new_header;
	uint32_t blocks_per_chunk;       /* of the new image */
	uint64_t block_first, block_end; /* of the old disk: between its ends */
	struct delta_match *match;
	bool *is_written; /* of each new chunk */
	bool *is_used;    /* of each new chunk: something in its place is a source */
	uint32_t *stash_at;
	struct delta_order order;
	struct frame_packer *packer;
	uint8_t *prefix, *frame;
	uint64_t work_done, work_total; /* bytes */
	FILE *file, *records;
	char *records_text; /* what was put into `records` */
	size_t records_bytes;
	struct delta_made made;
};

static void maker_done(struct maker *m)
{
	image_reader_close(&m->old);
	image_reader_close(&m->new);
	delta_match_free(&m->match);
	delta_order_done(&m->order);
	frame_packer_free(&m->packer);
	free(m->order.sources);
	free(m->is_written);
	free(m->is_used);
	free(m->stash_at);
	free(m->prefix);
	free(m->frame);
	close_file(&m->file);
	close_file(&m->records);
	free(m->records_text);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int look(struct maker *m, uint64_t bytes, struct err *err)
{
	m->work_done += bytes;
	return watch_look(&m->options->watch, "delta", m->work_done, m->work_total, err);
}

static int check_size(const struct index_header *h, struct err *err)
{
	if (h->disk_bytes / DELTA_BLOCK_BYTES + 1 < DELTA_BLOCKS_MAX &&
	    h->data_chunks * h->chunk_bytes <= DELTA_DATA_BYTES_MAX)
		return 0;
	return err_set(err, -ENOTSUP, "%" PRIu64 " bytes of data on a disk of %" PRIu64 " are more than are compared",
		       h->data_chunks * h->chunk_bytes, h->disk_bytes);
}

static int open_images(struct maker *m, struct err *err)
{
	const struct delta_options *o = m->options;
	int rc = image_reader_open(&m->old, o->old_folder, o->old_id, err);

	if (!rc)
		rc = image_reader_open(&m->new, o->new_folder, o->new_id, err);
	if (rc)
		return rc;
	m->old_header = image_reader_header(m->old);
	m->new_header = image_reader_header(m->new);
	m->blocks_per_chunk = m->new_header->chunk_bytes / DELTA_BLOCK_BYTES;
	m->block_first = END_BYTES / DELTA_BLOCK_BYTES;
	/* What is blanked at the end is the last MiB of the disk, which is no smaller than either image, and of the new image. */
	m->block_end = min_u64(m->old_header->disk_bytes, m->new_header->disk_bytes);
	m->block_end = m->block_end > END_BYTES ? (m->block_end - END_BYTES) / DELTA_BLOCK_BYTES : 0;
	rc = check_size(m->old_header, err);
	return rc ? rc : check_size(m->new_header, err);
}

static int allocate(struct maker *m, struct err *err)
{
	uint32_t chunk_bytes = m->new_header->chunk_bytes;
	uint64_t chunks = m->new_header->chunk_count, blocks = chunks * m->blocks_per_chunk;

	m->is_written = calloc(chunks, sizeof(*m->is_written));
	m->is_used = calloc(chunks, sizeof(*m->is_used));
	m->stash_at = calloc(chunks, sizeof(*m->stash_at));
	m->order.sources = calloc(blocks, sizeof(*m->order.sources));
	m->prefix = malloc(chunk_bytes);
	m->frame = malloc(frame_bound(chunk_bytes));
	if (!m->is_written || !m->is_used || !m->stash_at || !m->order.sources || !m->prefix || !m->frame)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = frame_packer_new(&m->packer, LEVEL, err);
	return rc ? rc
		  : delta_match_new(&m->match, m->block_end + 1,
				    m->old_header->data_chunks * m->old_header->chunk_bytes / DELTA_BLOCK_BYTES, err);
}

static int learn_chunk(struct maker *m, uint64_t nr, struct err *err)
{
	uint32_t len = index_chunk_bytes(m->old_header, nr);
	uint64_t block = nr * m->old_header->chunk_bytes / DELTA_BLOCK_BYTES;
	const uint8_t *raw;
	int rc = image_reader_chunk(m->old, &raw, nr, err);

	for (; !rc && len >= DELTA_BLOCK_BYTES; len -= DELTA_BLOCK_BYTES) {
		if (block >= m->block_first && block < m->block_end && !bytes_are_zero(raw, DELTA_BLOCK_BYTES))
			delta_match_add(m->match, (uint32_t)block, raw);
		raw += DELTA_BLOCK_BYTES;
		block++;
	}
	return rc;
}

/* Step 1. */
static int learn_old(struct maker *m, struct err *err)
{
	int rc = 0;

	for (uint64_t nr = 0; !rc && nr < m->old_header->chunk_count; nr++) {
		struct index_entry entry;

		rc = image_reader_entry(m->old, &entry, nr, err);
		if (!rc && entry.kind == CHUNK_DATA)
			rc = learn_chunk(m, nr, err);
		if (!rc && entry.kind == CHUNK_DATA)
			rc = look(m, m->old_header->chunk_bytes, err);
	}
	return rc;
}

/* Whether the client can make use of it: chunks that reach into the ends are always fetched. */
static int needs_record(struct maker *m, bool *needed, uint64_t nr, const struct index_entry *entry, struct err *err)
{
	const struct index_header *h = m->new_header, *o = m->old_header;
	uint64_t off = nr * h->chunk_bytes;
	uint32_t len = index_chunk_bytes(h, nr);
	struct index_entry old;

	*needed = entry->kind == CHUNK_DATA && off >= END_BYTES && off + len + END_BYTES <= h->disk_bytes;
	if (!*needed || h->chunk_bytes != o->chunk_bytes || nr >= o->chunk_count || index_chunk_bytes(o, nr) != len)
		return 0;
	int rc = image_reader_entry(m->old, &old, nr, err);
	if (!rc)
		*needed = !digest_equal(old.digest, entry->digest);
	return rc;
}

static uint32_t find_source(const struct maker *m, const uint8_t *bytes, uint32_t here, uint32_t next)
{
	uint32_t found = delta_match_find(m->match, bytes, here, next);

	if (found != DELTA_NO_BLOCK)
		return found;
	if (delta_match_has(m->match, next))
		return next;
	return delta_match_has(m->match, here) ? here : DELTA_NO_BLOCK;
}

static int find_sources(struct maker *m, uint64_t nr, struct err *err)
{
	uint32_t len = index_chunk_bytes(m->new_header, nr), next = DELTA_NO_BLOCK;
	uint64_t here = nr * m->blocks_per_chunk;
	const uint8_t *raw;
	int rc = image_reader_chunk(m->new, &raw, nr, err);

	for (; !rc && len >= DELTA_BLOCK_BYTES; len -= DELTA_BLOCK_BYTES) {
		uint32_t found = DELTA_NO_BLOCK;

		if (!bytes_are_zero(raw, DELTA_BLOCK_BYTES))
			found = find_source(m, raw, (uint32_t)here, next);
		if (found != DELTA_NO_BLOCK) {
			m->order.sources[here] = found + 1;
			if (found / m->blocks_per_chunk < m->new_header->chunk_count)
				m->is_used[found / m->blocks_per_chunk] = true;
			next = found + 1;
		}
		raw += DELTA_BLOCK_BYTES;
		here++;
	}
	return rc;
}

/* Step 2. */
static int compare_new(struct maker *m, struct err *err)
{
	int rc = 0;

	for (uint64_t nr = 0; !rc && nr < m->new_header->chunk_count; nr++) {
		struct index_entry entry;

		rc = image_reader_entry(m->new, &entry, nr, err);
		if (!rc)
			rc = needs_record(m, &m->is_written[nr], nr, &entry, err);
		if (!rc && m->is_written[nr])
			rc = find_sources(m, nr, err);
		if (!rc && entry.kind == CHUNK_DATA)
			rc = look(m, m->new_header->chunk_bytes, err);
	}
	return rc;
}

/* Chunks that will be zeros, that nobody reads, and that are blanked by nothing else meanwhile. */
static int find_stash(struct maker *m, size_t *count, struct err *err)
{
	const struct index_header *h = m->new_header;
	int rc = 0;

	for (uint64_t nr = 0; !rc && nr < h->chunk_count; nr++) {
		uint64_t off = nr * h->chunk_bytes;
		struct index_entry entry;

		if (m->is_used[nr] || off < END_BYTES || off + h->chunk_bytes + END_BYTES > h->disk_bytes)
			continue;
		rc = image_reader_entry(m->new, &entry, nr, err);
		if (!rc && entry.kind == CHUNK_ZERO)
			m->stash_at[(*count)++] = (uint32_t)nr;
	}
	return rc;
}

/* Step 3. */
static int put_in_order(struct maker *m, struct err *err)
{
	size_t count = 0;
	int rc = find_stash(m, &count, err);

	if (rc)
		return rc;
	/* What was looked up is not needed any more, and the order needs as much. */
	delta_match_free(&m->match);
	m->order.blocks_per_chunk = m->blocks_per_chunk;
	m->order.chunk_count = m->new_header->chunk_count;
	m->order.block_count = m->order.chunk_count * m->blocks_per_chunk;
	if (m->order.block_count < m->block_end)
		m->order.block_count = m->block_end;
	m->order.is_written = m->is_written;
	m->order.stash_at = m->stash_at;
	m->order.stash_at_count = count;
	return delta_order_make(&m->order, err);
}

static int put(struct maker *m, const void *data, size_t len, struct err *err)
{
	m->made.bytes += len;
	if (m->made.bytes > m->options->bytes_max)
		return err_set(err, -EFBIG, "a delta is longer than %" PRIu64 " bytes", m->options->bytes_max);
	return fwrite(data, 1, len, m->file) == len
		       ? 0
		       : err_set(err, -errno, "write '%s': %s", m->options->path, strerror(errno));
}

/* The ranges of a record while it is put together: blocks one by one. */
struct gathering {
	struct delta_range ranges[DELTA_RANGES_MAX];
	uint32_t range_count;
	uint32_t block_count;
};

static void gather(struct gathering *g, uint32_t block)
{
	struct delta_range *last = g->range_count ? &g->ranges[g->range_count - 1] : NULL;

	g->block_count++;
	if (last && last->block + last->count == block)
		last->count++;
	else
		g->ranges[g->range_count++] = (struct delta_range){ block, 1 };
}

static int read_old_block(struct maker *m, uint8_t *out, uint64_t block, struct err *err)
{
	uint64_t off = block * DELTA_BLOCK_BYTES;
	const uint8_t *raw;
	int rc = image_reader_chunk(m->old, &raw, off / m->old_header->chunk_bytes, err);

	if (!rc)
		memcpy(out, raw + off % m->old_header->chunk_bytes, DELTA_BLOCK_BYTES);
	return rc;
}

/* The record waits for its place behind all payloads. */
static int put_record(struct maker *m, struct delta_record *record, const struct gathering *g, const uint8_t *payload,
		      struct err *err)
{
	uint8_t raw[DELTA_RECORD_BYTES];

	record->range_count = g->range_count;
	delta_record_pack(raw, record);
	fwrite(raw, 1, sizeof(raw), m->records);
	for (uint32_t i = 0; i < g->range_count; i++) {
		delta_range_pack(raw, &g->ranges[i]);
		fwrite(raw, 1, DELTA_RANGE_BYTES, m->records);
	}
	m->made.ranges += g->range_count;
	return put(m, payload, record->payload_bytes, err);
}

/* As much of the stash as lies in one chunk's place, from its block `first` on. */
static int put_stash(struct maker *m, size_t first, struct err *err)
{
	const struct delta_order *o = &m->order;
	size_t end = min_u64(first + m->blocks_per_chunk, o->stashed_count);
	struct gathering g = { .range_count = 0 };
	uint8_t digest[DIGEST_BYTES];
	int rc = 0;

	for (size_t i = first; !rc && i < end; i++) {
		rc = read_old_block(m, m->prefix + (i - first) * DELTA_BLOCK_BYTES, o->stashed[i], err);
		gather(&g, o->stashed[i]);
	}
	if (rc)
		return rc;
	struct delta_record record = { .kind = DELTA_STASH,
				       .nr = delta_order_stash_block(o, first),
				       .payload_bytes = DIGEST_BYTES };
	digest_of(digest, m->prefix, (end - first) * DELTA_BLOCK_BYTES);
	return put_record(m, &record, &g, digest, err);
}

/* The stash: copied before the first chunk is written. */
static int put_stashes(struct maker *m, struct err *err)
{
	const struct delta_order *o = &m->order;
	int rc = 0;

	for (size_t i = 0; !rc && i < o->stashed_count; i += m->blocks_per_chunk)
		rc = put_stash(m, i, err);
	m->made.stashed_bytes = o->stashed_count * DELTA_BLOCK_BYTES;
	return rc;
}

static int compare_chunk(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The old disk's block that a source is, or is a copy of. */
static uint32_t old_block_of(const struct maker *m, uint32_t block)
{
	const struct delta_order *o = &m->order;
	uint32_t chunk = block / m->blocks_per_chunk;
	size_t used = (o->stashed_count + m->blocks_per_chunk - 1) / m->blocks_per_chunk;
	const uint32_t *at = bsearch(&chunk, o->stash_at, used, sizeof(*at), compare_chunk);

	return at ? o->stashed[(size_t)(at - o->stash_at) * m->blocks_per_chunk + block % m->blocks_per_chunk] : block;
}

static int put_chunk(struct maker *m, uint64_t nr, struct err *err)
{
	const uint32_t *sources = m->order.sources + nr * m->blocks_per_chunk;
	uint32_t len = index_chunk_bytes(m->new_header, nr);
	struct gathering g = { .range_count = 0 };
	const uint8_t *raw;
	int rc = 0;

	for (uint32_t i = 0; !rc && i < m->blocks_per_chunk; i++) {
		/* Many blocks of one kind in a row are often one source. */
		if (!sources[i] || (i && sources[i] == sources[i - 1]))
			continue;
		rc = read_old_block(m, m->prefix + (size_t)g.block_count * DELTA_BLOCK_BYTES,
				    old_block_of(m, sources[i] - 1), err);
		gather(&g, sources[i] - 1);
	}
	if (!rc)
		rc = image_reader_chunk(m->new, &raw, nr, err);
	if (rc)
		return rc;
	ssize_t frame_bytes = frame_pack_from(m->packer, m->frame, frame_bound(m->new_header->chunk_bytes), raw, len,
					      m->prefix, (size_t)g.block_count * DELTA_BLOCK_BYTES, err);
	if (frame_bytes < 0)
		return (int)frame_bytes;
	struct delta_record record = { .kind = DELTA_CHUNK, .nr = nr, .payload_bytes = (uint32_t)frame_bytes };
	return put_record(m, &record, &g, m->frame, err);
}

/* Header and records, when all payloads are there. */
static int put_records(struct maker *m, struct err *err)
{
	const struct delta_order *o = &m->order;
	struct delta_header header = {
		.chunk_bytes = m->new_header->chunk_bytes,
		.record_count = o->count + (o->stashed_count + m->blocks_per_chunk - 1) / m->blocks_per_chunk,
		.records_off = m->made.bytes,
	};
	uint8_t raw[DELTA_HEADER_BYTES];

	if (fflush(m->records))
		return err_set(err, -ENOMEM, "out of memory");
	header.records_bytes = m->records_bytes;
	int rc = put(m, m->records_text, m->records_bytes, err);
	/* image_reader_open has looked at both. */
	digest_parse(header.old_id, m->options->old_id);
	digest_parse(header.new_id, m->options->new_id);
	delta_header_pack(raw, &header);
	if (!rc && (fseeko(m->file, 0, SEEK_SET) || fwrite(raw, 1, sizeof(raw), m->file) != sizeof(raw)))
		rc = err_set(err, -errno, "write '%s': %s", m->options->path, strerror(errno));
	return rc;
}

/* Step 4. */
static int write_all(struct maker *m, struct err *err)
{
	static const uint8_t no_header[DELTA_HEADER_BYTES];
	const char *path = m->options->path;
	int rc;

	m->file = fopen(path, "we");
	m->records = open_memstream(&m->records_text, &m->records_bytes);
	if (!m->file || !m->records)
		return err_set(err, -errno, "create '%s': %s", path, strerror(errno));
	rc = put(m, no_header, sizeof(no_header), err);
	if (!rc)
		rc = put_stashes(m, err);
	for (size_t i = 0; !rc && i < m->order.count; i++) {
		rc = put_chunk(m, m->order.chunks[i], err);
		if (!rc)
			rc = look(m, 0, err);
	}
	if (!rc)
		rc = put_records(m, err);
	if (!rc && (fflush(m->file) || fsync(fileno(m->file))))
		rc = err_set(err, -errno, "write '%s': %s", path, strerror(errno));
	m->made.chunks = m->order.count;
	m->made.rounds = m->order.rounds;
	return rc;
}

int delta_make(struct delta_made *out, const struct delta_options *options, struct err *err)
{
	CLEANUP(maker_done) struct maker m = { .options = options };
	int rc = open_images(&m, err);

	if (rc)
		return rc;
	m.work_total = m.old_header->data_chunks * m.old_header->chunk_bytes +
		       m.new_header->data_chunks * m.new_header->chunk_bytes;
	rc = allocate(&m, err);
	if (!rc)
		rc = learn_old(&m, err);
	if (!rc)
		rc = compare_new(&m, err);
	if (!rc)
		rc = put_in_order(&m, err);
	if (!rc)
		rc = write_all(&m, err);
	if (!rc)
		*out = m.made;
	return rc;
}

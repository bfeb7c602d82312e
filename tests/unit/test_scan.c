/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a disk holds of an image, and how little is read of one that holds nothing. */
#include "device_memory.h"
#include "scan.h"
#include "tap.h"

#include <stdlib.h>

#define CHUNK  65536u
#define CHUNKS 4096u /* 256 MiB, in 256 blocks of a MiB */
#define BLOCK  16u   /* chunks */
#define BYTES  ((uint64_t)CHUNK * CHUNKS)

/* Every fourth block is a hole. */
static bool is_hole(uint64_t nr)
{
	return nr / BLOCK % 4 == 3;
}

static void fill(uint8_t *chunk, uint64_t nr)
{
	memset(chunk, is_hole(nr) ? 0 : (int)(nr % 255) + 1, CHUNK);
	chunk[CHUNK / 2] ^= is_hole(nr) ? 0 : 0x80; /* not the same byte all over, as what else is on the disk */
}

struct document {
	uint8_t bytes[INDEX_HEADER_BYTES + CHUNKS * INDEX_ENTRY_BYTES];
};

static int read_document(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	const struct document *doc = ctx;

	(void)err;
	memcpy(buf, doc->bytes + off, len);
	return 0;
}

static struct document document;

static struct index *make_index(void)
{
	struct index_header h = { .disk_bytes = BYTES, .chunk_count = CHUNKS, .chunk_bytes = CHUNK };
	struct index_source source = { .read_at = read_document, .ctx = &document, .bytes = sizeof(document.bytes) };
	uint8_t chunk[CHUNK], digest[DIGEST_BYTES];
	struct index *index = NULL;
	struct err err;

	for (uint64_t nr = 0; nr < CHUNKS; nr++) {
		struct index_entry e = { .frame_off = nr * 10,
					 .frame_bytes = 10,
					 .kind = is_hole(nr) ? CHUNK_ZERO : CHUNK_DATA };

		fill(chunk, nr);
		digest_of(e.digest, chunk, CHUNK);
		h.data_chunks += e.kind == CHUNK_DATA;
		index_entry_pack(document.bytes + INDEX_HEADER_BYTES + nr * INDEX_ENTRY_BYTES, &e);
	}
	h.image_bytes = CHUNKS * 10;
	index_header_pack(document.bytes, &h);
	digest_of(digest, document.bytes, sizeof(document.bytes));
	if (index_open(&index, &source, digest, &err) != 0)
		abort();
	return index;
}

/* What one scan did. */
struct outcome {
	uint64_t found, left, blocks_read;
	bool decided;
};

static struct outcome scan_disk(struct index *index, uint8_t *medium, bool fails)
{
	struct device_memory *m = device_memory_new(medium, BYTES);
	struct device *dev = &m->dev;
	struct todo *todo = todo_new(CHUNKS, NULL);
	struct outcome out = { 0 };
	struct scan *scan = NULL;
	struct todo_span span;
	struct err err;

	m->fail_at = 0;
	m->fail_for_ever = fails;
	if (!fails)
		m->fail_at = SIZE_MAX;
	todo_begin(todo, CHUNKS);
	if (scan_new(&scan, CHUNK, NULL, &err) != 0)
		abort();
	scan_begin(scan, &(struct scan_range){
				 .dev = dev, .index = index, .todo = todo, .first = BLOCK, .end = CHUNKS - BLOCK });
	/* Who wants all waits until everything is decided. */
	out.decided = todo_take(todo, &span, UINT64_MAX, &err) == 1 && span.end == CHUNKS;
	out.found = scan_finish(scan);
	out.left = todo_left(todo);
	out.blocks_read = m->log_count;
	scan_free(&scan);
	todo_free(&todo);
	device_close(&dev);
	return out;
}

int main(void)
{
	uint8_t *medium = malloc(BYTES);
	struct index *index = make_index();
	struct outcome out;

	for (uint64_t nr = 0; nr < CHUNKS; nr++)
		fill(medium + nr * CHUNK, nr);
	out = scan_disk(index, medium, false);
	ok(out.found == CHUNKS - 2 * BLOCK && out.left == 2 * BLOCK && out.decided,
	   "all of an image that is there is found");
	is_int((long long)out.blocks_read, CHUNKS / BLOCK - 2, "with one read of it");

	medium[100 * CHUNK] ^= 1;
	medium[(3 * BLOCK) * CHUNK + 5] = 1; /* in a hole */
	out = scan_disk(index, medium, false);
	is_int((long long)out.left, 2 * BLOCK + 2, "but for chunks with a wrong byte, in data and in holes");
	medium[(3 * BLOCK) * CHUNK + 5] = 0;

	memset(medium + BYTES / 2, 0xa5, BYTES / 2);
	out = scan_disk(index, medium, false);
	is_int((long long)out.left, CHUNKS / 2 + BLOCK + 1, "an image that was half written is found up to there");
	ok(out.blocks_read < CHUNKS / BLOCK * 3 / 4, "and not all of the rest is read: %llu blocks",
	   (unsigned long long)out.blocks_read);

	for (uint64_t nr = 0; nr < CHUNKS; nr++)
		fill(medium + nr * CHUNK, nr);
	memset(medium, 0xa5, BYTES / 2);
	out = scan_disk(index, medium, false);
	ok(out.found > CHUNKS / 2 - 35 * BLOCK,
	   "of a disk that was changed in its first half, most of the second: %llu", (unsigned long long)out.found);

	for (uint64_t nr = 0; nr < CHUNKS; nr++) {
		fill(medium + nr * CHUNK, nr);
		medium[nr * CHUNK] ^= nr >= CHUNKS / 4 && !is_hole(nr);
	}
	out = scan_disk(index, medium, false);
	is_int((long long)out.found, CHUNKS / 4 * 3 / 4 + CHUNKS / 4 - 2 * BLOCK,
	       "zeros count once data was found: none is missed between data that is not there");

	memset(medium, 0xa5, BYTES);
	out = scan_disk(index, medium, false);
	ok(out.found == 0 && out.left == CHUNKS && out.decided, "on a disk full of something else nothing is found");
	ok(out.blocks_read < CHUNKS / BLOCK / 10, "and little is read: %llu blocks",
	   (unsigned long long)out.blocks_read);

	memset(medium, 0, BYTES);
	out = scan_disk(index, medium, false);
	ok(out.found == 0 && out.left == CHUNKS && out.blocks_read < CHUNKS / BLOCK / 10,
	   "an empty disk holds zeros, which count for nothing and are not looked for");

	out = scan_disk(index, medium, true);
	ok(out.found == 0 && out.left == CHUNKS && out.decided, "a disk that cannot be read is left to others");

	index_close(&index);
	free(medium);
	return done_testing();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "bytes.h"
#include "index.h"
#include "tap.h"

#include <errno.h>
#include <stdlib.h>

/* A document in memory, with the faults a hostile server may add. */
struct document {
	uint8_t *bytes;
	uint64_t len;
	uint64_t reads;
	uint64_t lie_from_read; /* from this read on the first byte of each answer is wrong; 0: never */
};

static int read_document(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	struct document *doc = ctx;

	if (off + len > doc->len)
		return err_set(err, -EIO, "read past the end");
	memcpy(buf, doc->bytes + off, len);
	if (doc->lie_from_read && ++doc->reads >= doc->lie_from_read)
		buf[0] ^= 1;
	return 0;
}

static struct document make_document(uint64_t disk_bytes, uint32_t chunk_bytes)
{
	struct index_header h = {
		.disk_bytes = disk_bytes,
		.chunk_bytes = chunk_bytes,
		.chunk_count = (disk_bytes - 1) / chunk_bytes + 1,
		.sector_bytes = 512,
	};
	uint64_t off = 0;
	struct document doc = { .len = index_document_bytes(&h) };

	doc.bytes = calloc(1, doc.len);
	for (uint64_t nr = 0; nr < h.chunk_count; nr++) {
		struct index_entry e = { .frame_off = off,
					 .frame_bytes = (uint32_t)(20 + nr % 7),
					 .kind = nr % 3 != 0 };

		e.digest[0] = (uint8_t)nr;
		h.data_chunks += e.kind == CHUNK_DATA;
		off += e.frame_bytes;
		index_entry_pack(doc.bytes + INDEX_HEADER_BYTES + nr * INDEX_ENTRY_BYTES, &e);
	}
	h.image_bytes = off + 100;
	index_header_pack(doc.bytes, &h);
	return doc;
}

static int open_document(struct index **ix, struct document *doc, struct err *err)
{
	struct index_source source = { .read_at = read_document, .ctx = doc, .bytes = doc->len };
	uint8_t digest[DIGEST_BYTES];

	digest_of(digest, doc->bytes, doc->len);
	return index_open(ix, &source, digest, err);
}

static void reads_what_was_written(void)
{
	struct document doc = make_document((5000ull << 20) - 512, 1 << 20);
	struct index *ix = NULL;
	struct index_entry e;
	struct err err = { 0 };

	is_int(open_document(&ix, &doc, &err), 0, "an index of several pages opens");
	const struct index_header *h = index_get_header(ix);
	is_int((long long)h->chunk_count, 5000, "chunk count");
	is_int(index_chunk_bytes(h, 0), 1 << 20, "a chunk is chunk_bytes long");
	is_int(index_chunk_bytes(h, 4999), (1 << 20) - 512, "the last chunk is shorter");
	bool right = true;
	for (uint64_t nr = 0; nr < h->chunk_count; nr++)
		right = right && index_get_entry(ix, &e, nr, &err) == 0 && e.digest[0] == (uint8_t)nr &&
			e.kind == (nr % 3 != 0 ? CHUNK_DATA : CHUNK_ZERO) && e.frame_bytes == 20 + nr % 7;
	ok(right, "every entry comes back, in disk order");
	ok(index_get_entry(ix, &e, 7, &err) == 0 && e.digest[0] == 7, "and out of order");
	index_close(&ix);
	free(doc.bytes);
}

static void refuses_what_is_not_the_document(void)
{
	struct document doc = make_document(5000ull << 20, 1 << 20); /* one page more than are kept in memory */
	struct index_source source = { .read_at = read_document, .ctx = &doc, .bytes = doc.len };
	uint8_t digest[DIGEST_BYTES];
	struct index *ix = NULL;
	struct index_entry e;
	struct err err = { 0 };

	digest_of(digest, doc.bytes, doc.len);
	digest[31] ^= 1;
	is_int(index_open(&ix, &source, digest, &err), -EACCES, "another digest is not trusted");
	ok(!ix, "and nothing is given out");
	doc.lie_from_read = 7; /* header and five pages are read by index_open */
	is_int(open_document(&ix, &doc, &err), 0, "a server that tells the truth once");
	is_int(index_get_entry(ix, &e, 0, &err), -EACCES, "is caught when it lies the second time");
	index_close(&ix);
	free(doc.bytes);
}

/* One field changed, the document's digest made anew: what a careless or hostile publisher could sign. */
static void refuses_impossible_fields(void)
{
	static const struct {
		const char *label;
		size_t off;
		int bytes;
		uint64_t value;
		int code;
	} cases[] = {
		{ "another magic", 0, 4, 0x12345678, -EBADMSG },
		{ "a version of the future", 8, 4, 2, -ENOTSUP },
		{ "another header length", 12, 4, 64, -EBADMSG },
		{ "a disk of no bytes", 16, 8, 0, -EBADMSG },
		{ "a disk that is no multiple of 512", 16, 8, (64 << 20) - 1, -EBADMSG },
		{ "a disk of 2^63 bytes", 16, 8, 1ull << 63, -EBADMSG },
		{ "a chunk size that is no power of two", 24, 4, (1 << 20) + 512, -EBADMSG },
		{ "a chunk size of 0", 24, 4, 0, -EBADMSG },
		{ "chunks of 2 GiB", 24, 4, 1u << 31, -EBADMSG },
		{ "an unknown digest type", 28, 4, 2, -ENOTSUP },
		{ "more chunks than the disk has", 32, 8, 65, -EBADMSG },
		{ "2^61 chunks", 32, 8, 1ull << 61, -EBADMSG },
		{ "an image too small for its frames", 40, 8, 200, -EBADMSG },
		{ "data chunks miscounted", 48, 8, 5, -EBADMSG },
		{ "a sector size of 520", 56, 4, 520, -EBADMSG },
		{ "a reserved field in use", 60, 4, 1, -EBADMSG },
		{ "a reserved byte in use", 127, 1, 1, -EBADMSG },
		{ "an unknown chunk kind", 128, 4, 2, -EBADMSG },
		{ "an empty frame", 128 + 4, 4, 0, -EBADMSG },
		{ "a frame longer than any", 128 + 4, 4, 0x7fffffff, -EBADMSG },
		{ "a frame out of place", 128 + 48 + 8, 8, 21, -EBADMSG },
		{ "a frame near 2^64", 128 + 48 + 8, 8, UINT64_MAX - 3, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct document doc = make_document(64 << 20, 1 << 20);
		struct index *ix = NULL;
		struct err err = { 0 };

		for (int b = 0; b < cases[i].bytes; b++)
			doc.bytes[cases[i].off + (size_t)b] = (uint8_t)(cases[i].value >> (8 * b));
		if (!is_int(open_document(&ix, &doc, &err), cases[i].code, cases[i].label))
			printf("# %s\n", err.text);
		index_close(&ix);
		free(doc.bytes);
	}
}

static void refuses_every_other_length(void)
{
	struct document doc = make_document(4 << 20, 1 << 20);
	uint64_t full = doc.len;
	bool refused = true;

	for (doc.len = 0; doc.len < full; doc.len++) {
		struct index *ix = NULL;
		struct err err = { 0 };

		refused = refused && open_document(&ix, &doc, &err) < 0 && !ix;
	}
	ok(refused, "a document cut at any byte is refused");
	free(doc.bytes);
}

int main(void)
{
	reads_what_was_written();
	refuses_what_is_not_the_document();
	refuses_impossible_fields();
	refuses_every_other_length();
	return done_testing();
}

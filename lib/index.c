/* SPDX-License-Identifier: GPL-2.0-or-later */
/* index: see index.h and docs/reference/formats.md */
#include "index.h"

#include "bytes.h"
#include "cleanup.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES (INDEX_PAGE_ENTRIES * INDEX_ENTRY_BYTES)
#define NO_PAGE    UINT64_MAX

/* One for each place of a disk at which somebody may be at work: looking ahead, and fetching with some connections. */
#define PAGES 4u

static const uint8_t magic[8] = "vmcastIX"; /* 8 bytes: the NUL is not part of it */

struct page {
	uint64_t nr;   /* NO_PAGE: none is in it */
	uint64_t used; /* when it was last */
	uint8_t bytes[PAGE_BYTES];
};

struct index {
	struct index_source source;
	struct index_header header;
	uint8_t (*page_digests)[DIGEST_BYTES];
	pthread_mutex_t lock; /* of the pages */
	struct page pages[PAGES];
	uint64_t uses;
};

uint32_t index_chunk_bytes(const struct index_header *h, uint64_t nr)
{
	assert(nr < h->chunk_count);
	if (nr + 1 < h->chunk_count)
		return h->chunk_bytes;
	return (uint32_t)(h->disk_bytes - nr * h->chunk_bytes);
}

uint32_t index_frame_bytes_max(uint32_t chunk_bytes)
{
	/* ZSTD_COMPRESSBOUND adds 1/256 and, below 128 KiB, up to 64 bytes. */
	return chunk_bytes + chunk_bytes / 128 + 1024;
}

uint64_t index_document_bytes(const struct index_header *h)
{
	return INDEX_HEADER_BYTES + h->chunk_count * INDEX_ENTRY_BYTES;
}

void index_header_pack(uint8_t raw[static INDEX_HEADER_BYTES], const struct index_header *h)
{
	memset(raw, 0, INDEX_HEADER_BYTES);
	memcpy(raw, magic, sizeof(magic));
	put_le32(raw + 8, INDEX_VERSION);
	put_le32(raw + 12, INDEX_HEADER_BYTES);
	put_le64(raw + 16, h->disk_bytes);
	put_le32(raw + 24, h->chunk_bytes);
	put_le32(raw + 28, 1); /* SHA-256 */
	put_le64(raw + 32, h->chunk_count);
	put_le64(raw + 40, h->image_bytes);
	put_le64(raw + 48, h->data_chunks);
	put_le32(raw + 56, h->sector_bytes);
}

void index_entry_pack(uint8_t raw[static INDEX_ENTRY_BYTES], const struct index_entry *e)
{
	put_le32(raw, e->kind);
	put_le32(raw + 4, e->frame_bytes);
	put_le64(raw + 8, e->frame_off);
	memcpy(raw + 16, e->digest, DIGEST_BYTES);
}

/* The sums that tie the header's fields to each other. Every product stays below 2^63: chunk_count <= 2^27, chunk_bytes
 * <= 2^24. */
static int check_header(const struct index_header *h, struct err *err)
{
	uint32_t size = h->chunk_bytes;

	if (size < INDEX_CHUNK_BYTES_MIN || size > INDEX_CHUNK_BYTES_MAX || (size & (size - 1)))
		return err_set(err, -EBADMSG,
			       "index: chunk size %" PRIu32 " is not a power of two from 64 KiB to 16 MiB", size);
	if (h->disk_bytes == 0 || h->disk_bytes % 512)
		return err_set(err, -EBADMSG, "index: disk size %" PRIu64 " is not a positive multiple of 512",
			       h->disk_bytes);
	if (h->chunk_count > INDEX_CHUNKS_MAX || h->chunk_count != (h->disk_bytes - 1) / size + 1)
		return err_set(err, -EBADMSG, "index: %" PRIu64 " chunks of %" PRIu32 " do not make a disk of %" PRIu64,
			       h->chunk_count, size, h->disk_bytes);
	if (h->data_chunks > h->chunk_count)
		return err_set(err, -EBADMSG, "index: %" PRIu64 " data chunks among %" PRIu64, h->data_chunks,
			       h->chunk_count);
	if (h->image_bytes < h->chunk_count)
		return err_set(err, -EBADMSG, "index: image of %" PRIu64 " bytes cannot hold %" PRIu64 " frames",
			       h->image_bytes, h->chunk_count);
	if (h->sector_bytes != 0 && h->sector_bytes != 512 && h->sector_bytes != 4096)
		return err_set(err, -EBADMSG, "index: sector size %" PRIu32 " is not 0, 512 or 4096", h->sector_bytes);
	return 0;
}

int index_header_parse(struct index_header *out, const uint8_t raw[static INDEX_HEADER_BYTES], struct err *err)
{
	struct index_header h = {
		.disk_bytes = le64(raw + 16),
		.chunk_bytes = le32(raw + 24),
		.chunk_count = le64(raw + 32),
		.image_bytes = le64(raw + 40),
		.data_chunks = le64(raw + 48),
		.sector_bytes = le32(raw + 56),
	};

	if (memcmp(raw, magic, sizeof(magic)) != 0)
		return err_set(err, -EBADMSG, "index: does not begin with \"vmcastIX\"");
	if (le32(raw + 8) != INDEX_VERSION)
		return err_set(err, -ENOTSUP, "index: version %" PRIu32 ", this program reads %d", le32(raw + 8),
			       INDEX_VERSION);
	if (le32(raw + 28) != 1)
		return err_set(err, -ENOTSUP, "index: digest type %" PRIu32 " is not known", le32(raw + 28));
	if (le32(raw + 12) != INDEX_HEADER_BYTES || le32(raw + 60) != 0 || !bytes_are_zero(raw + 96, 32))
		return err_set(err, -EBADMSG, "index: header length or reserved fields are wrong");
	int rc = check_header(&h, err);
	if (rc)
		return rc;
	*out = h;
	return 0;
}

static int parse_entry(struct index_entry *out, const uint8_t raw[static INDEX_ENTRY_BYTES], struct err *err)
{
	uint32_t kind = le32(raw);

	if (kind != CHUNK_ZERO && kind != CHUNK_DATA)
		return err_set(err, -EBADMSG, "chunk kind %" PRIu32 " is not known", kind);
	out->kind = kind;
	out->frame_bytes = le32(raw + 4);
	out->frame_off = le64(raw + 8);
	memcpy(out->digest, raw + 16, DIGEST_BYTES);
	return 0;
}

/* What has been seen while all entries are walked in order. */
struct walk {
	uint64_t next_nr;
	uint64_t next_off; /* where the next frame must begin */
	uint64_t data_chunks;
};

static int walk_entry(struct walk *w, const struct index_header *h, const uint8_t raw[static INDEX_ENTRY_BYTES],
		      struct err *err)
{
	struct index_entry e;
	int rc = parse_entry(&e, raw, err);

	if (rc)
		return err_wrap(err, "index: chunk %" PRIu64, w->next_nr);
	if (e.frame_bytes == 0 || e.frame_bytes > index_frame_bytes_max(h->chunk_bytes) || e.frame_off != w->next_off ||
	    e.frame_bytes > h->image_bytes - w->next_off)
		return err_set(err, -EBADMSG,
			       "index: chunk %" PRIu64 ": frame of %" PRIu32 " bytes at %" PRIu64 " is out of place",
			       w->next_nr, e.frame_bytes, e.frame_off);
	w->next_nr++;
	w->next_off += e.frame_bytes;
	w->data_chunks += e.kind == CHUNK_DATA;
	return 0;
}

static uint64_t page_count(const struct index_header *h)
{
	return (h->chunk_count - 1) / INDEX_PAGE_ENTRIES + 1;
}

static size_t page_entries(const struct index_header *h, uint64_t page_nr)
{
	uint64_t left = h->chunk_count - page_nr * INDEX_PAGE_ENTRIES;

	return left < INDEX_PAGE_ENTRIES ? (size_t)left : INDEX_PAGE_ENTRIES;
}

static int read_page(struct index *ix, struct page *page, uint64_t nr, struct err *err)
{
	uint64_t off = INDEX_HEADER_BYTES + nr * PAGE_BYTES;

	page->nr = NO_PAGE;
	return ix->source.read_at(ix->source.ctx, page->bytes, page_entries(&ix->header, nr) * INDEX_ENTRY_BYTES, off,
				  err);
}

/*
 * Read every page, keeping its digest; `whole` gathers that of the document. What a page says is only judged after the
 * digest of the whole is known to be right, so the first fault met is kept aside: a changed document is "not trusted",
 * not "corrupt".
 */
static int scan_pages(struct index *ix, struct digest *whole, struct err *fault, struct err *err)
{
	struct walk walk = { 0 };

	for (uint64_t nr = 0; nr < page_count(&ix->header); nr++) {
		size_t entries = page_entries(&ix->header, nr);
		struct page *page = &ix->pages[nr % PAGES];
		int rc = read_page(ix, page, nr, err);

		if (rc)
			return rc;
		digest_add(whole, page->bytes, entries * INDEX_ENTRY_BYTES);
		digest_of(ix->page_digests[nr], page->bytes, entries * INDEX_ENTRY_BYTES);
		for (size_t i = 0; i < entries && !fault->code; i++)
			walk_entry(&walk, &ix->header, page->bytes + i * INDEX_ENTRY_BYTES, fault);
		page->nr = nr;
	}
	if (!fault->code && walk.data_chunks != ix->header.data_chunks)
		err_set(fault, -EBADMSG, "index: %" PRIu64 " data chunks, its header says %" PRIu64, walk.data_chunks,
			ix->header.data_chunks);
	return 0;
}

static int open_checked(struct index *ix, const uint8_t digest[static DIGEST_BYTES], struct err *err)
{
	uint8_t raw[INDEX_HEADER_BYTES], found[DIGEST_BYTES];
	struct err fault = { 0 };
	struct digest whole;

	if (ix->source.bytes < INDEX_HEADER_BYTES)
		return err_set(err, -EBADMSG, "index: %" PRIu64 " bytes are too short", ix->source.bytes);
	int rc = ix->source.read_at(ix->source.ctx, raw, sizeof(raw), 0, err);
	if (rc)
		return rc;
	rc = index_header_parse(&ix->header, raw, err);
	if (rc)
		return rc;
	if (ix->source.bytes != index_document_bytes(&ix->header))
		return err_set(err, -EBADMSG, "index: %" PRIu64 " bytes, its header says %" PRIu64, ix->source.bytes,
			       index_document_bytes(&ix->header));
	/* At most 2^17 pages: 4 MiB for the largest image there can be, 32 bytes for each GiB at 1 MiB a chunk. */
	ix->page_digests = calloc(page_count(&ix->header), DIGEST_BYTES);
	if (!ix->page_digests)
		return err_set(err, -ENOMEM, "index: out of memory");
	digest_init(&whole);
	digest_add(&whole, raw, sizeof(raw));
	rc = scan_pages(ix, &whole, &fault, err);
	if (rc)
		return rc;
	digest_final(&whole, found);
	if (!digest_equal(found, digest)) {
		char want_hex[DIGEST_HEX], found_hex[DIGEST_HEX];

		digest_hex(want_hex, digest);
		digest_hex(found_hex, found);
		return err_set(err, -EACCES, "index: digest is %s, not %s", found_hex, want_hex);
	}
	if (fault.code) {
		*err = fault;
		return fault.code;
	}
	return 0;
}

int index_open(struct index **out, const struct index_source *source, const uint8_t digest[static DIGEST_BYTES],
	       struct err *err)
{
	CLEANUP(index_close) struct index *ix = calloc(1, sizeof(*ix));

	if (!ix)
		return err_set(err, -ENOMEM, "index: out of memory");
	ix->source = *source;
	pthread_mutex_init(&ix->lock, NULL);
	for (size_t i = 0; i < PAGES; i++)
		ix->pages[i].nr = NO_PAGE;
	int rc = open_checked(ix, digest, err);
	if (rc)
		return rc;
	*out = TAKE(ix);
	return 0;
}

void index_close(struct index **ix)
{
	if (!*ix)
		return;
	pthread_mutex_destroy(&(*ix)->lock);
	free((*ix)->page_digests);
	free(*ix);
	*ix = NULL;
}

const struct index_header *index_get_header(const struct index *ix)
{
	return &ix->header;
}

/* The page was judged when the index was opened; here it only has to be the same one. */
static int reload_page(struct index *ix, struct page *page, uint64_t nr, struct err *err)
{
	uint8_t found[DIGEST_BYTES];
	int rc = read_page(ix, page, nr, err);

	if (rc)
		return rc;
	digest_of(found, page->bytes, page_entries(&ix->header, nr) * INDEX_ENTRY_BYTES);
	if (!digest_equal(found, ix->page_digests[nr]))
		return err_set(err, -EACCES, "index: page %" PRIu64 " changed since the index was checked", nr);
	page->nr = nr;
	return 0;
}

/* Called with the lock: page `nr`, in place of the one that was not used for the longest time. */
static int get_page(struct page **out, struct index *ix, uint64_t nr, struct err *err)
{
	struct page *page = &ix->pages[0];

	for (size_t i = 0; i < PAGES && page->nr != nr; i++)
		if (ix->pages[i].nr == nr || ix->pages[i].used < page->used)
			page = &ix->pages[i];
	int rc = page->nr == nr ? 0 : reload_page(ix, page, nr, err);
	page->used = ++ix->uses;
	*out = page;
	return rc;
}

int index_get_entry(struct index *ix, struct index_entry *out, uint64_t nr, struct err *err)
{
	struct page *page;

	assert(nr < ix->header.chunk_count);
	pthread_mutex_lock(&ix->lock);
	int rc = get_page(&page, ix, nr / INDEX_PAGE_ENTRIES, err);
	if (!rc)
		rc = parse_entry(out, page->bytes + nr % INDEX_PAGE_ENTRIES * INDEX_ENTRY_BYTES, err);
	pthread_mutex_unlock(&ix->lock);
	return rc;
}

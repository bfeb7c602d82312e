/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * index: what every chunk of an image must be. Byte layout: docs/reference/formats.md.
 *
 * The writer is the service's (it appends entries in disk order); the reader is the client's. The reader's memory does
 * not grow with the image: index_open streams the whole document once, checks every field and the digest of all of it,
 * and keeps one digest per page of entries; index_entry then re-reads the page it needs and checks it against that
 * digest, so that a server which answers differently the second time is caught.
 */
#ifndef VMCAST_INDEX_H
#define VMCAST_INDEX_H

#include "digest.h"
#include "err.h"

#include <stdbool.h>
#include <stdint.h>

#define INDEX_VERSION         1
#define INDEX_HEADER_BYTES    128
#define INDEX_ENTRY_BYTES     48
#define INDEX_PAGE_ENTRIES    1024
#define INDEX_CHUNK_BYTES_MIN (64u << 10)
#define INDEX_CHUNK_BYTES_MAX (16u << 20)
#define INDEX_CHUNKS_MAX      0x8000000u /* the seekable format's limit on frames in one file */

enum chunk_kind {
	CHUNK_ZERO = 0, /* every byte is zero: nothing needs to be fetched */
	CHUNK_DATA = 1,
};

struct index_header {
	uint64_t disk_bytes;   /* the raw disk; a multiple of 512 */
	uint64_t chunk_count;  /* disk_bytes / chunk_bytes, rounded up */
	uint64_t image_bytes;  /* IMAGE.zst as a file: frames and seek table */
	uint64_t data_chunks;  /* how many entries are CHUNK_DATA */
	uint32_t chunk_bytes;  /* power of two; the last chunk may be shorter */
	uint32_t sector_bytes; /* 512 or 4096: the logical sector size the disk's GPT is made for; 0: it has no GPT */
};

struct index_entry {
	uint64_t frame_off;   /* in IMAGE.zst */
	uint32_t frame_bytes; /* at least 1, at most index_frame_bytes_max() */
	enum chunk_kind kind;
	uint8_t digest[DIGEST_BYTES]; /* of the raw chunk */
};

/* Raw bytes in chunk `nr`: chunk_bytes, but for the last one. `nr` < chunk_count. */
uint32_t index_chunk_bytes(const struct index_header *h, uint64_t nr);

/* The longest frame a chunk of `chunk_bytes` may have: zstd's own bound for data that cannot be compressed, rounded up.
 */
uint32_t index_frame_bytes_max(uint32_t chunk_bytes);

/* Length of the index document that belongs to `h`, in bytes. */
uint64_t index_document_bytes(const struct index_header *h);

void index_header_pack(uint8_t raw[static INDEX_HEADER_BYTES], const struct index_header *h);
void index_entry_pack(uint8_t raw[static INDEX_ENTRY_BYTES], const struct index_entry *e);

/*
 * Decode and check a header: magic, version, every bound, every sum. -EBADMSG where a field cannot be right, -ENOTSUP
 * for a version or digest type this program does not know. `*out` is written on success only.
 */
int index_header_parse(struct index_header *out, const uint8_t raw[static INDEX_HEADER_BYTES], struct err *err);

/* Where an index is read from: `read_at` fills all `len` bytes from `off` or fails. `len` is at most one page. */
struct index_source {
	int (*read_at)(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err);
	void *ctx;      /* borrowed until index_close */
	uint64_t bytes; /* length of the document as it was announced */
};

struct index;

/*
 * Read, check and keep an index whose digest must be `digest`. -EACCES: it is not the document with that digest;
 * -EBADMSG: it is, and its content is wrong; or what `read_at` returned. Caller closes with index_close.
 */
int index_open(struct index **out, const struct index_source *source, const uint8_t digest[static DIGEST_BYTES],
	       struct err *err);
void index_close(struct index **ix);

/* Borrowed until index_close. */
const struct index_header *index_get_header(const struct index *ix);

/* Entry `nr` < chunk_count, from one of a few pages in memory or re-read and checked. Cheap in disk order. From any thread,
 * as is index_get_header; `read_at` is called by one after the other. */
int index_get_entry(struct index *ix, struct index_entry *out, uint64_t nr, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta: how the chunks of an image are made of an earlier one that the disk holds. Byte layout: docs/reference/formats.md.
 *
 * A delta is a header, payloads, and records, to be carried out in their order. A record of a chunk names ranges of the disk,
 * and its payload is a frame, which is opened with the bytes of those ranges as its prefix (frame_open_from). A stash keeps
 * ranges for later records in a place that will be zeros, before what is there now is overwritten. The records are
 * together, so that whoever has most of the chunks already finds that out without the payloads.
 *
 * Nothing in a delta is trusted. What it makes is compared with the index, and a stash may only go where the index has
 * zeros: a delta that lies costs the bytes that it has, and no others.
 */
#ifndef VMCAST_DELTA_H
#define VMCAST_DELTA_H

#include "digest.h"
#include "err.h"
#include "index.h"

#include <stdint.h>

#define DELTA_VERSION      1
#define DELTA_HEADER_BYTES 128
#define DELTA_RECORD_BYTES 16
#define DELTA_RANGE_BYTES  8
#define DELTA_BLOCK_BYTES  4096u
#define DELTA_BLOCKS_MAX   (1ull << 32) /* disks up to 16 TiB have deltas */
#define DELTA_RANGES_MAX   (INDEX_CHUNK_BYTES_MAX / DELTA_BLOCK_BYTES)

struct delta_header {
	uint8_t old_id[DIGEST_BYTES]; /* what the disk is thought to hold */
	uint8_t new_id[DIGEST_BYTES];
	uint32_t chunk_bytes; /* of the new image */
	uint64_t record_count;
	uint64_t records_off; /* in the file: behind all payloads */
	uint64_t records_bytes;
};

enum delta_kind {
	DELTA_CHUNK = 1,
	DELTA_STASH = 2,
};

/* Its ranges follow. Its payload lies behind that of the record before. */
struct delta_record {
	enum delta_kind kind;
	uint64_t nr;            /* of the chunk; of a stash: of the disk's block where it begins */
	uint32_t range_count;   /* at most as many as a chunk has blocks; of a stash at least 1 */
	uint32_t payload_bytes; /* the frame; of a stash: the digest of its bytes */
};

/* Blocks of the disk, one behind the other. */
struct delta_range {
	uint64_t block;
	uint32_t count; /* at least 1 */
};

void delta_header_pack(uint8_t raw[static DELTA_HEADER_BYTES], const struct delta_header *h);
void delta_record_pack(uint8_t raw[static DELTA_RECORD_BYTES], const struct delta_record *r);
void delta_range_pack(uint8_t raw[static DELTA_RANGE_BYTES], const struct delta_range *range);

/* -EBADMSG where a field cannot be right, -ENOTSUP for a version that this program does not know. Outputs are written on
 * success only. */
int delta_header_parse(struct delta_header *out, const uint8_t raw[static DELTA_HEADER_BYTES], struct err *err);

/* What a record and its ranges have at most: whoever reads so many bytes has one whole record. */
#define DELTA_RECORD_BYTES_MAX (DELTA_RECORD_BYTES + DELTA_RANGES_MAX * DELTA_RANGE_BYTES)

/* A record of a delta to the image of `h`. */
int delta_record_parse(struct delta_record *out, const uint8_t raw[static DELTA_RECORD_BYTES],
		       const struct index_header *h, struct err *err);

/*
 * The ranges of `r`, `raw` having DELTA_RANGE_BYTES for each, `out` room for all. They lie on a disk of `disk_bytes`, and
 * all together, `*bytes`, are no longer than a chunk; those of a stash fit between its first block and that chunk's end.
 */
int delta_ranges_parse(struct delta_range *out, uint32_t *bytes, const uint8_t *raw, const struct delta_record *r,
		       const struct index_header *h, uint64_t disk_bytes, struct err *err);

#endif

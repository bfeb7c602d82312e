/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chunker: raw chunks of a disk -> what an image stores of each: kind, digest, frame. Chunks go in and come out in disk
 * order; threads work on those in between. One thread uses a chunker.
 *
 *   chunker_buffer -> fill it -> chunker_submit ... when there is no free buffer: chunker_take -> use it ->
 * chunker_release
 */
#ifndef VMCAST_CHUNKER_H
#define VMCAST_CHUNKER_H

#include "digest.h"
#include "err.h"
#include "index.h"

#include <stddef.h>
#include <stdint.h>

struct chunk {
	const uint8_t *raw; /* of CHUNK_DATA */
	size_t raw_bytes;
	const uint8_t *frame;
	size_t frame_bytes;
	enum chunk_kind kind;
	uint8_t digest[DIGEST_BYTES]; /* of the raw bytes */
};

struct chunker;

/* `level` is zstd's. Caller frees with chunker_free. */
int chunker_new(struct chunker **out, uint32_t chunk_bytes, int level, struct err *err);
void chunker_free(struct chunker **c);

/* Room for chunk_bytes, borrowed until chunker_submit; NULL: every buffer is in use, take and release a chunk first. */
uint8_t *chunker_buffer(struct chunker *c);
/* The buffer now holds the next `len` bytes of the disk, 1..chunk_bytes. */
void chunker_submit(struct chunker *c, size_t len);
/* The next chunk_bytes of the disk are zeros, whatever the buffer holds. */
void chunker_submit_zeros(struct chunker *c);

/*
 * Wait for the oldest chunk submitted and not yet released: 1 and `*out`, borrowed until chunker_release; 0 if there is
 * none; or what compressing it failed with.
 */
int chunker_take(struct chunker *c, const struct chunk **out, struct err *err);
void chunker_release(struct chunker *c);

#endif

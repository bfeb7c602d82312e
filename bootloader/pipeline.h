/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipeline: from frames as they come to bytes in their places, each step in threads of its own: the caller receives,
 * workers decompress and verify, one thread places, in disk order.
 *
 *   caller: room, take  ->  workers: frame to chunk, digest  ->  writer: place
 *
 * What waits between the steps lies in a ring of slots, each with a frame and a chunk; whoever is faster than the next
 * step waits for a slot. A chunk that fails ends everything behind it: nothing behind a wrong chunk is placed.
 */
#ifndef VMCAST_PIPELINE_H
#define VMCAST_PIPELINE_H

#include "chunk.h"
#include "progress.h"

#include <stdatomic.h>

struct pipeline;

struct pipeline_options {
	uint32_t chunk_bytes_max;  /* of all images that will go through it */
	struct progress *progress; /* NULL: nobody looks */
	const atomic_bool *stop;   /* NULL: never */
};

/* Where verified bytes go. */
struct pipeline_target {
	const struct index_header *header;
	/* One call after the other, in disk order, from a thread of the pipeline; of several chunks at once where they
	 * are zeros (`bytes` NULL, up to 256 MiB) or small (up to 1 MiB). */
	int (*place)(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err);
	void *ctx;
};

/*
 * All memory and all threads it will ever have, about 16 MiB, or two chunks and their frames if that is more. Caller
 * frees with pipeline_free. `options` is copied, what it points to borrowed until then.
 */
int pipeline_new(struct pipeline **out, const struct pipeline_options *options, struct err *err);
void pipeline_free(struct pipeline **p);

/*
 * The sink that leads to `target`, which is borrowed as long as it is used. What was taken before must be settled.
 * A chunk fails with -EBADMSG when it is not what its entry says, -ECANCELED after `stop`, or what `place` returned.
 */
struct chunk_sink pipeline_begin(struct pipeline *p, const struct pipeline_target *target);

#endif

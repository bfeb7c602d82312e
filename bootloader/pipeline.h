/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pipeline: from frames as they come to bytes in their places, each step in threads of its own: callers receive,
 * workers decompress and verify, one thread places.
 *
 *   callers: room, frame, submit  ->  workers: frame to chunk, digest  ->  writer: place
 *
 * What is on its way lies in slots; whoever is faster than the next step waits for one. A slot has room for one chunk, or
 * for neighbouring small ones, which are placed together. A chunk that is in its place is done; one that is not what its
 * entry says is never placed, and goes back to the list of what is to be done (todo.h).
 */
#ifndef VMCAST_PIPELINE_H
#define VMCAST_PIPELINE_H

#include "index.h"
#include "progress.h"
#include "todo.h"

#include <stdatomic.h>

struct pipeline;
struct pipeline_slot;

struct pipeline_options {
	uint32_t chunk_bytes_max;  /* of all images that will go through it */
	struct progress *progress; /* NULL: nobody looks */
	const atomic_bool *stop;   /* NULL: never */
};

/* Where verified bytes go. */
struct pipeline_target {
	const struct index_header *header;
	struct todo *todo;
	/* One call after the other, from a thread of the pipeline, in nearly the order of submission. `bytes` is NULL for
	 * zeros. A failure ends everything. */
	int (*place)(void *ctx, const uint8_t *bytes, uint64_t len, uint64_t off, struct err *err);
	void *ctx;
};

/*
 * All memory and all threads it will ever have, about 16 MiB, or two chunks and their frames if that is more. Caller
 * frees with pipeline_free. `options` is copied, what it points to borrowed until then.
 */
int pipeline_new(struct pipeline **out, const struct pipeline_options *options, struct err *err);
void pipeline_free(struct pipeline **p);

/* From now on it leads to `target`, which is copied; what it points to is borrowed. It must have been drained. */
void pipeline_begin(struct pipeline *p, const struct pipeline_target *target);

/* So many callers may hold a slot at one time. At least 1. */
size_t pipeline_callers_max(const struct pipeline *p);

/* What was taken from the list, and by whom: goes back there with chunks that came wrong. */
struct pipeline_origin {
	unsigned tries;
	size_t from;
};

/*
 * A slot for the frames of chunks from `nr` on, for which it waits. Fails when everything has failed: nothing more will
 * be placed. The caller submits it, however many frames have come by then.
 */
int pipeline_room(struct pipeline *p, struct pipeline_slot **out, uint64_t nr, const struct pipeline_origin *origin,
		  struct err *err);

/*
 * Where the frame of chunk `nr` goes: entry->frame_bytes of room. NULL: not into this slot, which is full, or holds chunks
 * that `nr` does not continue. Asked again for the same chunk, the frame comes from the beginning.
 */
uint8_t *pipeline_frame(struct pipeline_slot *slot, uint64_t nr, const struct index_entry *entry);

/* The frame that was asked for last is there. */
void pipeline_frame_done(struct pipeline_slot *slot);

/* Hand the slot over, with the chunks that are there; NULL is fine. Afterwards it is nobody's: `*slot` is NULL. */
void pipeline_submit(struct pipeline *p, struct pipeline_slot **slot);

/* Chunks `first`..`end`-1 are zeros, with frames of `frame_bytes` together, which need not be fetched. Waits and fails as
 * pipeline_room does. */
int pipeline_zeros(struct pipeline *p, uint64_t first, uint64_t end, uint64_t frame_bytes, struct err *err);

/* Bytes of the frames that were fetched and placed since pipeline_begin. To be asked for when it has been drained. */
uint64_t pipeline_fetched_bytes(const struct pipeline *p);

/* Wait until nothing is on its way any more: everything submitted is done, on the list again, or dropped since it failed.
 */
void pipeline_drain(struct pipeline *p);

#endif

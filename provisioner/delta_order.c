/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delta_order: see delta_order.h */
#include "delta_order.h"

#include "cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOST UINT32_MAX /* overwritten, and there was no room to keep it */

struct ordering {
	struct delta_order *o;
	uint32_t *readers; /* of each block: how often chunks that are to come need it, but for the one in its place */
	uint32_t *kept_at; /* 1 + the place where it is stashed; LOST; 0: where it was */
	uint32_t *needed;  /* of each chunk: how many blocks in its place have readers */
	bool *is_done;     /* of each chunk: it is in this round or one before */
	size_t *histogram; /* how many chunks that are not have so many needed blocks */
	size_t first;      /* chunk of this round, in o->chunks */
};

static void ordering_done(struct ordering *x)
{
	free(x->readers);
	free(x->kept_at);
	free(x->needed);
	free(x->is_done);
	free(x->histogram);
}

static int ordering_init(struct ordering *x, struct delta_order *o, struct err *err)
{
	x->o = o;
	x->readers = calloc(o->block_count, sizeof(*x->readers));
	x->kept_at = calloc(o->block_count, sizeof(*x->kept_at));
	x->needed = calloc(o->chunk_count, sizeof(*x->needed));
	x->is_done = calloc(o->chunk_count, sizeof(*x->is_done));
	x->histogram = calloc(o->blocks_per_chunk + 1, sizeof(*x->histogram));
	o->chunks = calloc(o->chunk_count, sizeof(*o->chunks));
	o->stashed = calloc(o->stash_at_count * o->blocks_per_chunk + 1, sizeof(*o->stashed));
	return x->readers && x->kept_at && x->needed && x->is_done && x->histogram && o->chunks && o->stashed
		       ? 0
		       : err_set(err, -ENOMEM, "out of memory");
}

/* Whether another chunk than `chunk` will be written where the block lies: then in *owner. */
static bool is_overwritten(const struct delta_order *o, uint64_t *owner, uint64_t chunk, uint32_t block)
{
	*owner = block / o->blocks_per_chunk;
	return *owner < o->chunk_count && *owner != chunk && o->is_written[*owner];
}

static void count_readers(struct ordering *x)
{
	const struct delta_order *o = x->o;
	uint64_t owner;

	for (uint64_t chunk = 0; chunk < o->chunk_count; chunk++)
		for (uint64_t i = chunk * o->blocks_per_chunk;
		     o->is_written[chunk] && i < (chunk + 1) * o->blocks_per_chunk; i++)
			if (o->sources[i] && is_overwritten(o, &owner, chunk, o->sources[i] - 1) &&
			    !x->readers[o->sources[i] - 1]++)
				x->needed[owner]++;
}

uint32_t delta_order_stash_block(const struct delta_order *o, size_t nr)
{
	return o->stash_at[nr / o->blocks_per_chunk] * o->blocks_per_chunk + (uint32_t)(nr % o->blocks_per_chunk);
}

/* Keep what others need of what lies in the chunk's place. */
static void stash(struct ordering *x, uint64_t chunk)
{
	struct delta_order *o = x->o;
	size_t room = o->stash_at_count * o->blocks_per_chunk;

	for (uint64_t block = chunk * o->blocks_per_chunk;
	     x->needed[chunk] && block < (chunk + 1) * o->blocks_per_chunk; block++) {
		if (!x->readers[block])
			continue;
		x->needed[chunk]--;
		if (o->stashed_count == room) {
			x->kept_at[block] = LOST;
			continue;
		}
		x->kept_at[block] = 1 + delta_order_stash_block(o, o->stashed_count);
		o->stashed[o->stashed_count++] = (uint32_t)block;
	}
}

/*
 * How many blocks may be needed in the places of this round's chunks, the cheapest first, so that no more is stashed than
 * the round may and there is room for; but at least one takes part. `*most`: of those with exactly as many.
 */
static uint32_t choose_limit(struct ordering *x, size_t *most)
{
	const struct delta_order *o = x->o;
	size_t chosen = 0, left = o->stash_at_count * o->blocks_per_chunk - o->stashed_count;

	if (left > DELTA_ROUND_BLOCKS)
		left = DELTA_ROUND_BLOCKS;

	memset(x->histogram, 0, (o->blocks_per_chunk + 1) * sizeof(*x->histogram));
	for (uint64_t chunk = 0; chunk < o->chunk_count; chunk++)
		if (o->is_written[chunk] && !x->is_done[chunk])
			x->histogram[x->needed[chunk]]++;
	for (uint32_t limit = 0; limit <= o->blocks_per_chunk; limit++) {
		size_t here = x->histogram[limit];

		if (here * limit > left) {
			*most = chosen || left >= limit ? left / limit : 1;
			return limit;
		}
		chosen += here;
		left -= here * limit;
	}
	*most = SIZE_MAX;
	return o->blocks_per_chunk;
}

/* In the order of the disk. */
static void choose_round(struct ordering *x)
{
	struct delta_order *o = x->o;
	size_t most;
	uint32_t limit = choose_limit(x, &most);

	x->first = o->count;
	for (uint64_t chunk = 0; chunk < o->chunk_count; chunk++) {
		if (!o->is_written[chunk] || x->is_done[chunk] || x->needed[chunk] > limit)
			continue;
		if (x->needed[chunk] == limit && !most--) {
			most = 0;
			continue;
		}
		stash(x, chunk);
		o->chunks[o->count++] = (uint32_t)chunk;
	}
	o->rounds++;
	for (size_t i = x->first; i < o->count; i++)
		x->is_done[o->chunks[i]] = true;
}

/* The chunk reads what it needs: nobody has to keep that for it any more. */
static void settle_sources(struct ordering *x, uint64_t chunk)
{
	const struct delta_order *o = x->o;
	uint64_t owner;

	for (uint64_t i = chunk * o->blocks_per_chunk; i < (chunk + 1) * o->blocks_per_chunk; i++) {
		uint32_t block = o->sources[i] - 1;

		if (!o->sources[i] || !is_overwritten(o, &owner, chunk, block))
			continue;
		if (x->kept_at[block])
			o->sources[i] = x->kept_at[block] == LOST ? 0 : x->kept_at[block];
		else if (!--x->readers[block])
			x->needed[owner]--;
	}
}

int delta_order_make(struct delta_order *o, struct err *err)
{
	CLEANUP(ordering_done) struct ordering x = { 0 };
	int rc = ordering_init(&x, o, err);
	size_t total = 0;

	if (rc)
		return rc;
	for (uint64_t chunk = 0; chunk < o->chunk_count; chunk++)
		total += o->is_written[chunk];
	count_readers(&x);
	while (o->count < total) {
		choose_round(&x);
		for (size_t i = x.first; i < o->count; i++)
			settle_sources(&x, o->chunks[i]);
	}
	return 0;
}

void delta_order_done(struct delta_order *o)
{
	free(o->chunks);
	free(o->stashed);
	o->chunks = o->stashed = NULL;
}

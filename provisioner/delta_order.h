/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_order: in which order chunks are written whose sources lie where other chunks will be. Whoever reads a place comes
 * before the one that overwrites it. Where they go round in circles, blocks are stashed first: copied to places that are
 * zeros in the new image and that nobody reads.
 *
 * It goes in rounds: first all chunks whose places nobody else needs any more. A client has to flush its disk between two
 * rounds, which costs about as much as DELTA_ROUND_BLOCKS written twice; so many are stashed for each round, if that lets
 * more chunks take part, and more only where nothing would be possible otherwise.
 */
#ifndef VMCAST_DELTA_ORDER_H
#define VMCAST_DELTA_ORDER_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELTA_ROUND_BLOCKS 2048u /* 8 MiB */

struct delta_order {
	/* What is known before; the caller's. */
	uint32_t blocks_per_chunk;
	uint64_t chunk_count;     /* of the new disk */
	uint64_t block_count;     /* of the disk, as far as any source lies */
	const bool *is_written;   /* of each chunk: it has a record */
	const uint32_t *stash_at; /* whole chunks for the stash */
	size_t stash_at_count;

	/* For each block of a chunk with a record, 1 + the block it is made from; 0: from none. Those that are overwritten
	 * too early become the places where they are stashed, or 0 where there is no room left. */
	uint32_t *sources;

	/* What delta_order_make finds; caller frees with delta_order_done. */
	uint32_t *chunks; /* in the order of their records */
	size_t count;
	size_t rounds;
	uint32_t *stashed; /* the block whose copy is the stash's first, second, ... block */
	size_t stashed_count;
};

int delta_order_make(struct delta_order *o, struct err *err);
void delta_order_done(struct delta_order *o);

/* Where the stash's block `nr` lies. */
uint32_t delta_order_stash_block(const struct delta_order *o, size_t nr);

#endif

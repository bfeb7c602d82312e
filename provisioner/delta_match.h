/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * delta_match: where on an old disk a block of a new one can be found. Blocks are DELTA_BLOCK_BYTES long and told apart by
 * the first eight bytes of their SHA-256: two that are taken for one cost a few bytes more in the delta, nothing else.
 *
 * 16 bytes for each block that was added, 8 for each that was not but lies between those that were.
 */
#ifndef VMCAST_DELTA_MATCH_H
#define VMCAST_DELTA_MATCH_H

#include "err.h"

#include <stdbool.h>
#include <stdint.h>

#define DELTA_NO_BLOCK UINT32_MAX

struct delta_match;

/* `block_count`: of the disk; `data_blocks`: how many will be added at most. Caller frees with delta_match_free. */
int delta_match_new(struct delta_match **out, uint64_t block_count, uint64_t data_blocks, struct err *err);
void delta_match_free(struct delta_match **m);

/* What the old disk has there. Zeros are no use as a source and need not be added. */
void delta_match_add(struct delta_match *m, uint32_t block, const uint8_t *bytes);

/* Whether anything was added there. */
bool delta_match_has(const struct delta_match *m, uint32_t block);

/*
 * A block with these bytes: `here`, the one in the same place, if it has them; else `next`, the one behind what the block
 * before was found as; else any. DELTA_NO_BLOCK if there is none. `next` may be DELTA_NO_BLOCK.
 */
uint32_t delta_match_find(const struct delta_match *m, const uint8_t *bytes, uint32_t here, uint32_t next);

#endif

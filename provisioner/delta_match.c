/* SPDX-License-Identifier: GPL-2.0-or-later */
/* delta_match: see delta_match.h */
#include "delta_match.h"

#include "bytes.h"
#include "cleanup.h"
#include "delta.h"

#include <assert.h>
#include <errno.h>

struct delta_match {
	uint64_t *words; /* for each block what tells it from others; 0: it was not added */
	uint64_t block_count;
	uint32_t *table; /* open addressing by `words`: block + 1, 0: free */
	uint64_t table_mask;
};

static uint64_t word_of(const uint8_t *bytes)
{
	uint8_t digest[DIGEST_BYTES];

	digest_of(digest, bytes, DELTA_BLOCK_BYTES);
	uint64_t word = le64(digest);
	return word ? word : 1;
}

int delta_match_new(struct delta_match **out, uint64_t block_count, uint64_t data_blocks, struct err *err)
{
	CLEANUP(delta_match_free) struct delta_match *m = calloc(1, sizeof(*m));
	uint64_t size = 1024;

	assert(block_count < DELTA_NO_BLOCK);
	while (size < data_blocks + data_blocks / 2)
		size *= 2;
	if (m) {
		*m = (struct delta_match){
			.words = calloc(block_count, sizeof(*m->words)),
			.block_count = block_count,
			.table = calloc(size, sizeof(*m->table)),
			.table_mask = size - 1,
		};
	}
	if (!m || !m->words || !m->table)
		return err_set(err, -ENOMEM, "out of memory");
	*out = TAKE(m);
	return 0;
}

void delta_match_free(struct delta_match **m)
{
	if (!*m)
		return;
	free((*m)->words);
	free((*m)->table);
	free(*m);
	*m = NULL;
}

/* Where the block with this word is, or would be. */
static uint32_t *look_up(const struct delta_match *m, uint64_t word)
{
	uint64_t at = word & m->table_mask;

	while (m->table[at] && m->words[m->table[at] - 1] != word)
		at = (at + 1) & m->table_mask;
	return &m->table[at];
}

void delta_match_add(struct delta_match *m, uint32_t block, const uint8_t *bytes)
{
	uint32_t *at;

	assert(block < m->block_count);
	m->words[block] = word_of(bytes);
	at = look_up(m, m->words[block]);
	if (!*at)
		*at = block + 1;
}

static bool is_at(const struct delta_match *m, uint32_t block, uint64_t word)
{
	return block < m->block_count && m->words[block] == word;
}

bool delta_match_has(const struct delta_match *m, uint32_t block)
{
	return block < m->block_count && m->words[block];
}

uint32_t delta_match_find(const struct delta_match *m, const uint8_t *bytes, uint32_t here, uint32_t next)
{
	uint64_t word = word_of(bytes);

	if (is_at(m, here, word))
		return here;
	if (is_at(m, next, word))
		return next;
	uint32_t found = *look_up(m, word);
	return found ? found - 1 : DELTA_NO_BLOCK;
}

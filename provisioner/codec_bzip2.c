/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_bzip2: bzip2 through libbz2, which compares the checksum of each block and of each member. */
#include "codec.h"

#include <bzlib.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct bzip2 {
	bz_stream bz;
	bool member_done;
};

static bool begins(const uint8_t *in, size_t len)
{
	/* "BZh", the block size, then the magic of the first block, or of the end where there is no block. */
	return len >= 10 && memcmp(in, "BZh", 3) == 0 && in[3] >= '1' && in[3] <= '9' &&
	       (memcmp(in + 4, "1AY&SY", 6) == 0 || memcmp(in + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static int open_bzip2(void **state, struct err *err)
{
	struct bzip2 *b = calloc(1, sizeof(*b));

	if (!b || BZ2_bzDecompressInit(&b->bz, 0, 0) != BZ_OK) {
		free(b);
		return err_set(err, -ENOMEM, "bzip2: out of memory");
	}
	*state = b;
	return 0;
}

/* libbz2 has no reset: a new member is a new decoder. */
static int restart(struct bzip2 *b, struct err *err)
{
	BZ2_bzDecompressEnd(&b->bz);
	b->bz = (bz_stream){ 0 };
	b->member_done = false;
	return BZ2_bzDecompressInit(&b->bz, 0, 0) == BZ_OK ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	struct bzip2 *b = state;
	unsigned in_len = io->in_len < UINT_MAX ? (unsigned)io->in_len : UINT_MAX;
	unsigned room = io->room < UINT_MAX ? (unsigned)io->room : UINT_MAX;
	int rc = b->member_done ? restart(b, err) : 0;

	if (rc)
		return rc;
	b->bz.next_in = (char *)io->in;
	b->bz.avail_in = in_len;
	b->bz.next_out = (char *)io->out;
	b->bz.avail_out = room;
	rc = BZ2_bzDecompress(&b->bz);
	io->in += in_len - b->bz.avail_in;
	io->in_len -= in_len - b->bz.avail_in;
	io->out += room - b->bz.avail_out;
	io->room -= room - b->bz.avail_out;
	b->member_done = rc == BZ_STREAM_END;
	if (rc == BZ_MEM_ERROR)
		return err_set(err, -ENOMEM, "out of memory");
	if (rc == BZ_DATA_ERROR)
		return err_set(err, -EBADMSG, "checksum is wrong");
	if (rc != BZ_OK && rc != BZ_STREAM_END)
		return err_set(err, -EBADMSG, "corrupt");
	return b->member_done ? CODEC_BETWEEN : CODEC_INSIDE;
}

static void close_bzip2(void *state)
{
	struct bzip2 *b = state;

	BZ2_bzDecompressEnd(&b->bz);
	free(b);
}

const struct codec_ops codec_bzip2 = {
	.name = "bzip2",
	.begins = begins,
	.open = open_bzip2,
	.step = step,
	.close = close_bzip2,
};

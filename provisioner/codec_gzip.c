/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_gzip: gzip (RFC 1952) through zlib, which compares the CRC-32 and the length at the end of each member. */
#include "codec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

struct gzip {
	z_stream z;
	bool member_done;
};

static bool begins(const uint8_t *in, size_t len)
{
	return len >= 2 && in[0] == 0x1f && in[1] == 0x8b;
}

static int open_gzip(void **state, struct err *err)
{
	struct gzip *gz = calloc(1, sizeof(*gz));

	/* 15: the largest window there is; + 16: a gzip header is required, zlib's own is not taken. */
	if (!gz || inflateInit2(&gz->z, 15 + 16) != Z_OK) {
		free(gz);
		return err_set(err, -ENOMEM, "gzip: out of memory");
	}
	*state = gz;
	return 0;
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	struct gzip *gz = state;
	uInt in_len = io->in_len < UINT_MAX ? (uInt)io->in_len : UINT_MAX;
	uInt room = io->room < UINT_MAX ? (uInt)io->room : UINT_MAX;

	if (gz->member_done)
		inflateReset(&gz->z);
	gz->z.next_in = (Bytef *)io->in;
	gz->z.avail_in = in_len;
	gz->z.next_out = io->out;
	gz->z.avail_out = room;
	int rc = inflate(&gz->z, Z_NO_FLUSH);
	io->in += in_len - gz->z.avail_in;
	io->in_len -= in_len - gz->z.avail_in;
	io->out += room - gz->z.avail_out;
	io->room -= room - gz->z.avail_out;
	gz->member_done = rc == Z_STREAM_END;
	if (rc == Z_MEM_ERROR)
		return err_set(err, -ENOMEM, "out of memory");
	/* Z_BUF_ERROR only says that nothing could be done with what there was. */
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return err_set(err, -EBADMSG, "%s", gz->z.msg ? gz->z.msg : "corrupt");
	return gz->member_done ? CODEC_BETWEEN : CODEC_INSIDE;
}

static void close_gzip(void *state)
{
	struct gzip *gz = state;

	inflateEnd(&gz->z);
	free(gz);
}

const struct codec_ops codec_gzip = {
	.name = "gzip",
	.begins = begins,
	.open = open_gzip,
	.step = step,
	.close = close_gzip,
};

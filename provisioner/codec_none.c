/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_none: bytes that are not compressed, handed on as they are. */
#include "codec.h"

#include <string.h>

static bool begins(const uint8_t *in, size_t len)
{
	(void)in;
	return len > 0;
}

static int open_none(void **state, struct err *err)
{
	(void)err;
	*state = NULL;
	return 0;
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	size_t len = io->in_len < io->room ? io->in_len : io->room;

	(void)state, (void)err;
	memcpy(io->out, io->in, len);
	io->in += len;
	io->in_len -= len;
	io->out += len;
	io->room -= len;
	return CODEC_BETWEEN;
}

static void close_none(void *state)
{
	(void)state;
}

const struct codec_ops codec_none = {
	.name = "uncompressed",
	.begins = begins,
	.open = open_none,
	.step = step,
	.close = close_none,
};

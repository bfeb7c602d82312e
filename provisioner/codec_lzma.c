/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codec_lzma: the .lzma format that came before xz (lzma-file-format.txt of LZMA SDK and XZ Utils) through liblzma, with
 * a limit on memory. It has no checksum: what is damaged is found where it cannot be decoded, or by its length.
 */
#include "codec.h"

#include "bytes.h"

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <stdlib.h>

/* Bytes 1 to 4: the dictionary's size, which writers choose as 2^n or 2^n + 2^(n-1). */
static bool begins(const uint8_t *in, size_t len)
{
	if (len < 5 || in[0] >= 225)
		return false;
	uint32_t size = le32(in + 1), half = size & (size - 1);

	return size >= 4096 && (half == 0 || (half & (half - 1)) == 0);
}

struct lzma {
	lzma_stream stream;
	bool is_open;
};

static int open_lzma(void **state, struct err *err)
{
	struct lzma *z = calloc(1, sizeof(*z));

	if (!z)
		return err_set(err, -ENOMEM, "lzma: out of memory");
	z->stream = (lzma_stream)LZMA_STREAM_INIT;
	*state = z;
	return 0;
}

static int judge(struct lzma *z, lzma_ret ret, struct err *err)
{
	switch (ret) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: /* nothing could be done with what there was */
		return CODEC_INSIDE;
	case LZMA_STREAM_END:
		z->is_open = false;
		return CODEC_BETWEEN;
	case LZMA_MEMLIMIT_ERROR:
		return err_set(err, -ENOTSUP, "unpacking takes %" PRIu64 " MiB of memory, the limit is %llu MiB",
			       lzma_memusage(&z->stream) >> 20, CODEC_MEMORY_MAX >> 20);
	case LZMA_MEM_ERROR:
		return err_set(err, -ENOMEM, "out of memory");
	default:
		return err_set(err, -EBADMSG, "corrupt");
	}
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	struct lzma *z = state;

	if (!z->is_open && lzma_alone_decoder(&z->stream, CODEC_MEMORY_MAX) != LZMA_OK)
		return err_set(err, -ENOMEM, "out of memory");
	z->is_open = true;
	z->stream.next_in = io->in;
	z->stream.avail_in = io->in_len;
	z->stream.next_out = io->out;
	z->stream.avail_out = io->room;
	lzma_ret ret = lzma_code(&z->stream, LZMA_RUN);
	io->in = z->stream.next_in;
	io->in_len = z->stream.avail_in;
	io->out = z->stream.next_out;
	io->room = z->stream.avail_out;
	return judge(z, ret, err);
}

static void close_lzma(void *state)
{
	struct lzma *z = state;

	lzma_end(&z->stream);
	free(z);
}

const struct codec_ops codec_lzma = {
	.name = "lzma",
	.begins = begins,
	.open = open_lzma,
	.step = step,
	.close = close_lzma,
};

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_xz: xz (the .xz file format 1.1) through liblzma, with a limit on memory and every integrity check compared. */
#include "codec.h"

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <stdlib.h>
#include <string.h>

/* Who compressed with several threads cut the file into blocks that can be unpacked by as many; what comes after us cannot
 * take more. */
#define THREADS_MAX 4u

struct xz {
	lzma_stream lzma;
	uint32_t threads;
	bool stream_done;
};

/* Stream Padding (section 2.2): zero bytes between or after streams, four at a time. */
static bool is_padding(const uint8_t *in, size_t len)
{
	return len >= 4 && !in[0] && !in[1] && !in[2] && !in[3];
}

static bool begins(const uint8_t *in, size_t len)
{
	return (len >= 6 && memcmp(in, "\xfd\x37zXZ\0", 6) == 0) || is_padding(in, len);
}

/* LZMA_TELL_UNSUPPORTED_CHECK: without it a kind of checksum that liblzma does not know would be passed over in
 * silence. */
static int start(struct xz *x, struct err *err)
{
	const lzma_mt options = {
		.flags = LZMA_TELL_UNSUPPORTED_CHECK,
		.threads = x->threads,
		/* Beyond the first it takes as many threads as fit into that, and none where a file has one block. */
		.memlimit_threading = CODEC_MEMORY_MAX,
		.memlimit_stop = CODEC_MEMORY_MAX,
	};

	if (lzma_stream_decoder_mt(&x->lzma, &options) != LZMA_OK)
		return err_set(err, -ENOMEM, "xz: out of memory");
	x->stream_done = false;
	return 0;
}

static int open_xz(void **state, struct err *err)
{
	struct xz *x = calloc(1, sizeof(*x));

	if (!x)
		return err_set(err, -ENOMEM, "xz: out of memory");
	x->lzma = (lzma_stream)LZMA_STREAM_INIT;
	x->threads = lzma_cputhreads();
	if (x->threads < 1 || x->threads > THREADS_MAX)
		x->threads = x->threads ? THREADS_MAX : 1;
	int rc = start(x, err);
	if (rc) {
		free(x);
		return rc;
	}
	*state = x;
	return 0;
}

static int judge(struct xz *x, lzma_ret ret, struct err *err)
{
	switch (ret) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: /* nothing could be done with what there was */
		return CODEC_INSIDE;
	case LZMA_STREAM_END:
		return CODEC_BETWEEN;
	case LZMA_MEMLIMIT_ERROR:
		return err_set(err, -ENOTSUP, "unpacking takes %" PRIu64 " MiB of memory, the limit is %llu MiB",
			       lzma_memusage(&x->lzma) >> 20, CODEC_MEMORY_MAX >> 20);
	case LZMA_UNSUPPORTED_CHECK:
		return err_set(err, -ENOTSUP, "its kind of checksum is not known");
	case LZMA_OPTIONS_ERROR:
		return err_set(err, -ENOTSUP, "it uses a filter or option that is not known, or its header is corrupt");
	case LZMA_MEM_ERROR:
		return err_set(err, -ENOMEM, "out of memory");
	default:
		return err_set(err, -EBADMSG, "corrupt");
	}
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	struct xz *x = state;

	if (x->stream_done) {
		if (is_padding(io->in, io->in_len)) {
			io->in += 4;
			io->in_len -= 4;
			return CODEC_BETWEEN;
		}
		int rc = start(x, err);
		if (rc)
			return rc;
	}
	x->lzma.next_in = io->in;
	x->lzma.avail_in = io->in_len;
	x->lzma.next_out = io->out;
	x->lzma.avail_out = io->room;
	lzma_ret ret = lzma_code(&x->lzma, LZMA_RUN);
	io->in = x->lzma.next_in;
	io->in_len = x->lzma.avail_in;
	io->out = x->lzma.next_out;
	io->room = x->lzma.avail_out;
	x->stream_done = ret == LZMA_STREAM_END;
	return judge(x, ret, err);
}

static void close_xz(void *state)
{
	struct xz *x = state;

	lzma_end(&x->lzma);
	free(x);
}

const struct codec_ops codec_xz = {
	.name = "xz",
	.begins = begins,
	.open = open_xz,
	.step = step,
	.close = close_xz,
};

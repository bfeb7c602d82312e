/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_lz4: the LZ4 frame format 1.6 through liblz4, which compares its checksums; skippable frames are skipped. Its
 * blocks are of 4 MiB at most, so memory needs no limit of ours. */
#include "codec.h"

#include "bytes.h"

#include <errno.h>
#include <lz4frame.h>

static bool begins(const uint8_t *in, size_t len)
{
	return len >= 4 && (le32(in) == 0x184d2204u || (le32(in) & 0xfffffff0u) == 0x184d2a50u);
}

static int open_lz4(void **state, struct err *err)
{
	LZ4F_dctx *lz4;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)))
		return err_set(err, -ENOMEM, "lz4: out of memory");
	*state = lz4;
	return 0;
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	size_t taken = io->in_len, made = io->room;
	size_t rc = LZ4F_decompress(state, io->out, &made, io->in, &taken, NULL);

	io->in += taken;
	io->in_len -= taken;
	io->out += made;
	io->room -= made;
	if (LZ4F_isError(rc))
		return err_set(err, -EBADMSG, "%s", LZ4F_getErrorName(rc));
	return rc == 0 ? CODEC_BETWEEN : CODEC_INSIDE;
}

static void close_lz4(void *state)
{
	LZ4F_freeDecompressionContext(state);
}

const struct codec_ops codec_lz4 = {
	.name = "lz4",
	.begins = begins,
	.open = open_lz4,
	.step = step,
	.close = close_lz4,
};

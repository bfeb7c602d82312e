/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codec_zstd: Zstandard (RFC 8878) through libzstd, with a limit on the window; skippable frames are skipped. */
#include "codec.h"

#include "bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

static bool begins(const uint8_t *in, size_t len)
{
	return len >= 4 && (le32(in) == ZSTD_MAGICNUMBER ||
			    (le32(in) & 0xfffffff0u) == 0x184d2a50u); /* skippable frame, section 3.1.2 */
}

static int open_zstd(void **state, struct err *err)
{
	ZSTD_DCtx *zstd = ZSTD_createDCtx();

	if (!zstd)
		return err_set(err, -ENOMEM, "zstd: out of memory");
	ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, CODEC_WINDOW_LOG_MAX);
	*state = zstd;
	return 0;
}

static int step(void *state, struct codec_step *io, struct err *err)
{
	ZSTD_inBuffer in = { io->in, io->in_len, 0 };
	ZSTD_outBuffer out = { io->out, io->room, 0 };
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	io->in += in.pos;
	io->in_len -= in.pos;
	io->out += out.pos;
	io->room -= out.pos;
	switch (ZSTD_getErrorCode(rc)) {
	case ZSTD_error_no_error:
		return rc == 0 ? CODEC_BETWEEN : CODEC_INSIDE;
	case ZSTD_error_frameParameter_windowTooLarge:
		return err_set(err, -ENOTSUP,
			       "its window is larger than the limit of %u MiB (made with --long=%d at most)",
			       (1u << CODEC_WINDOW_LOG_MAX) >> 20, CODEC_WINDOW_LOG_MAX);
	case ZSTD_error_dictionary_wrong:
		return err_set(err, -ENOTSUP, "it needs a dictionary");
	case ZSTD_error_memory_allocation:
		return err_set(err, -ENOMEM, "out of memory");
	default:
		return err_set(err, -EBADMSG, "%s", ZSTD_getErrorName(rc));
	}
}

static void close_zstd(void *state)
{
	ZSTD_freeDCtx(state);
}

const struct codec_ops codec_zstd = {
	.name = "zstd",
	.begins = begins,
	.open = open_zstd,
	.step = step,
	.close = close_zstd,
};

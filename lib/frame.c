/* SPDX-License-Identifier: GPL-2.0-or-later */
/* frame: see frame.h */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <zstd.h>

struct frame_packer {
	ZSTD_CCtx *zstd;
};

struct frame_opener {
	ZSTD_DCtx *zstd;
	size_t chunk_bytes_max;
};

int frame_packer_new(struct frame_packer **out, int level, struct err *err)
{
	struct frame_packer *packer = calloc(1, sizeof(*packer));

	if (packer)
		packer->zstd = ZSTD_createCCtx();
	if (!packer || !packer->zstd) {
		frame_packer_free(&packer);
		return err_set(err, -ENOMEM, "zstd compressor: out of memory");
	}
	size_t rc = ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, level);
	if (ZSTD_isError(rc)) {
		frame_packer_free(&packer);
		return err_set(err, -EINVAL, "zstd level %d: %s", level, ZSTD_getErrorName(rc));
	}
	*out = packer;
	return 0;
}

void frame_packer_free(struct frame_packer **packer)
{
	if (!*packer)
		return;
	ZSTD_freeCCtx((*packer)->zstd);
	free(*packer);
	*packer = NULL;
}

size_t frame_bound(size_t len)
{
	return ZSTD_compressBound(len);
}

ssize_t frame_pack(struct frame_packer *packer, uint8_t *out, size_t room, const uint8_t *chunk, size_t len,
		   struct err *err)
{
	return frame_pack_from(packer, out, room, chunk, len, NULL, 0, err);
}

ssize_t frame_pack_from(struct frame_packer *packer, uint8_t *out, size_t room, const uint8_t *chunk, size_t len,
			const uint8_t *prefix, size_t prefix_len, struct err *err)
{
	size_t frame_len = ZSTD_CCtx_refPrefix(packer->zstd, prefix, prefix_len);

	if (!ZSTD_isError(frame_len))
		frame_len = ZSTD_compress2(packer->zstd, out, room, chunk, len);
	if (ZSTD_isError(frame_len))
		return err_set(err, -EIO, "zstd: %s", ZSTD_getErrorName(frame_len));
	return (ssize_t)frame_len;
}

int frame_opener_new(struct frame_opener **out, size_t chunk_bytes_max, struct err *err)
{
	struct frame_opener *opener = calloc(1, sizeof(*opener));

	if (opener)
		opener->zstd = ZSTD_createDCtx();
	if (!opener || !opener->zstd) {
		frame_opener_free(&opener);
		return err_set(err, -ENOMEM, "zstd decompressor: out of memory");
	}
	opener->chunk_bytes_max = chunk_bytes_max;
	*out = opener;
	return 0;
}

void frame_opener_free(struct frame_opener **opener)
{
	if (!*opener)
		return;
	ZSTD_freeDCtx((*opener)->zstd);
	free(*opener);
	*opener = NULL;
}

int frame_open(struct frame_opener *opener, uint8_t *out, size_t len, const uint8_t *frame, size_t frame_len,
	       struct err *err)
{
	return frame_open_from(opener, out, len, frame, frame_len, NULL, 0, err);
}

int frame_open_from(struct frame_opener *opener, uint8_t *out, size_t len, const uint8_t *frame, size_t frame_len,
		    const uint8_t *prefix, size_t prefix_len, struct err *err)
{
	if (len > opener->chunk_bytes_max)
		return err_set(err, -EINVAL, "frame of %zu bytes: larger than the chunk size %zu", len,
			       opener->chunk_bytes_max);
	/* ZSTD_decompressDCtx would also take several frames in a row, or skippable ones: exactly one is allowed. */
	size_t first = ZSTD_findFrameCompressedSize(frame, frame_len);
	if (ZSTD_isError(first))
		return err_set(err, -EBADMSG, "zstd frame: %s", ZSTD_getErrorName(first));
	if (first != frame_len)
		return err_set(err, -EBADMSG, "zstd frame ends after %zu of %zu bytes", first, frame_len);
	/* One-shot decompression goes straight into `out`: the frame's window size costs no memory. */
	size_t got = ZSTD_DCtx_refPrefix(opener->zstd, prefix, prefix_len);
	if (!ZSTD_isError(got))
		got = ZSTD_decompressDCtx(opener->zstd, out, len, frame, frame_len);
	if (ZSTD_isError(got))
		return err_set(err, -EBADMSG, "zstd frame: %s", ZSTD_getErrorName(got));
	if (got != len)
		return err_set(err, -EBADMSG, "zstd frame holds %zu bytes, %zu are needed", got, len);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as compressed data. The first byte chooses codec and how the input is cut into pieces. */
#include "codec.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define OUT_MAX (1u << 20) /* a bomb is not what is looked for here */

struct memory {
	const uint8_t *bytes;
	size_t left, step;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t room, struct err *err)
{
	struct memory *m = ctx;
	size_t len = m->left < room ? m->left : room;

	(void)err;
	if (len > m->step)
		len = m->step;
	memcpy(buf, m->bytes, len);
	m->bytes += len;
	m->left -= len;
	return (ssize_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct codec_ops *const codecs[] = { &codec_gzip, &codec_xz,  &codec_zstd, &codec_bzip2,
							  &codec_lzma, &codec_lz4, &codec_lzma, &codec_lz4 };
	static const size_t steps[] = { 1, 3, 100, 65536 };
	static uint8_t out[65536];
	struct codec *codec = NULL;
	struct err err;

	if (!len)
		return 0;
	struct memory m = { data + 1, len - 1, steps[data[0] >> 2 & 3] };
	struct codec_input input = { read_memory, &m };
	if (codec_open(&codec, codecs[(data[0] & 3) | (data[0] >> 2 & 4)], &input, &err))
		return 0;
	for (size_t done = 0; done < OUT_MAX;) {
		ssize_t got = codec_read(codec, out, sizeof(out), &err);

		assert(got <= (ssize_t)sizeof(out) && (got >= 0 || err.code == got));
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	codec_close(&codec);
	return 0;
}

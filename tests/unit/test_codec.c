/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every codec gives back what was packed, and refuses whatever is not whole (F23, F25). */
#include "codec.h"

#include "bytes.h"
#include "tap.h"

#include <bzlib.h>
#include <errno.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define PLAIN_BYTES 3000u
#define ROOM        65536u

struct packed {
	uint8_t bytes[ROOM];
	size_t len;
};

static uint8_t plain[PLAIN_BYTES];

/* Text-like, so that it is really compressed, and never the same line twice, so that a changed byte shows. */
static void make_plain(void)
{
	uint32_t state = 1;

	for (size_t i = 0; i < sizeof(plain); i++) {
		state = state * 1103515245u + 12345u;
		plain[i] = (uint8_t)('a' + (state >> 24) % 16);
	}
}

static void pack_none(struct packed *out)
{
	memcpy(out->bytes, plain, sizeof(plain));
	out->len = sizeof(plain);
}

static void pack_gzip(struct packed *out)
{
	z_stream z = { .next_in = plain, .avail_in = sizeof(plain), .next_out = out->bytes, .avail_out = ROOM };

	deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
	deflate(&z, Z_FINISH);
	out->len = z.total_out;
	deflateEnd(&z);
}

static void pack_xz(struct packed *out)
{
	out->len = 0;
	lzma_easy_buffer_encode(0, LZMA_CHECK_CRC64, NULL, plain, sizeof(plain), out->bytes, &out->len, ROOM);
}

static void pack_zstd(struct packed *out)
{
	ZSTD_CCtx *zstd = ZSTD_createCCtx();

	ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1); /* as the zstd tool does */
	out->len = ZSTD_compress2(zstd, out->bytes, ROOM, plain, sizeof(plain));
	ZSTD_freeCCtx(zstd);
}

static void pack_bzip2(struct packed *out)
{
	unsigned len = ROOM;

	BZ2_bzBuffToBuffCompress((char *)out->bytes, &len, (char *)plain, sizeof(plain), 1, 0, 0);
	out->len = len;
}

static void pack_lzma(struct packed *out)
{
	lzma_stream z = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	out->len = 0;
	lzma_lzma_preset(&options, 0);
	if (lzma_alone_encoder(&z, &options) != LZMA_OK)
		return;
	z.next_in = plain;
	z.avail_in = sizeof(plain);
	z.next_out = out->bytes;
	z.avail_out = ROOM;
	if (lzma_code(&z, LZMA_FINISH) == LZMA_STREAM_END)
		out->len = z.total_out;
	lzma_end(&z);
}

static void pack_lz4(struct packed *out)
{
	LZ4F_preferences_t preferences = { .frameInfo.contentChecksumFlag =
						   LZ4F_contentChecksumEnabled }; /* as the lz4 tool does */

	out->len = LZ4F_compressFrame(out->bytes, ROOM, plain, sizeof(plain), &preferences);
}

static const struct {
	const struct codec_ops *ops;
	void (*pack)(struct packed *out);
} codecs[] = {
	{ &codec_none, pack_none },   { &codec_gzip, pack_gzip }, { &codec_xz, pack_xz },   { &codec_zstd, pack_zstd },
	{ &codec_bzip2, pack_bzip2 }, { &codec_lzma, pack_lzma }, { &codec_lz4, pack_lz4 },
};

#define CODEC_COUNT (sizeof(codecs) / sizeof(codecs[0]))

/* Input that comes in pieces of `step` bytes, as a file or a slow disk gives it. */
struct memory {
	const uint8_t *bytes;
	size_t len, at, step;
};

static ssize_t read_memory(void *ctx, uint8_t *buf, size_t room, struct err *err)
{
	struct memory *m = ctx;
	size_t len = m->len - m->at < room ? m->len - m->at : room;

	(void)err;
	if (len > m->step)
		len = m->step;
	memcpy(buf, m->bytes + m->at, len);
	m->at += len;
	return (ssize_t)len;
}

/* Unpack all of it, `piece` bytes at a time: length of the result, or the error. */
static ssize_t unpack(const struct codec_ops *ops, const uint8_t *bytes, size_t len, size_t step, size_t piece,
		      uint8_t *out, size_t room, struct err *err)
{
	struct memory m = { bytes, len, 0, step };
	struct codec_input input = { read_memory, &m };
	struct codec *codec = NULL;
	size_t done = 0;

	*err = (struct err){ 0 };
	if (codec_open(&codec, ops, &input, err))
		return err->code;
	for (;;) {
		ssize_t got = codec_read(codec, out + done, piece < room - done ? piece : room - done, err);

		if (got <= 0) {
			codec_close(&codec);
			return got < 0 ? got : (ssize_t)done;
		}
		done += (size_t)got;
	}
}

static bool gives_plain(const uint8_t *out, ssize_t len, unsigned copies)
{
	bool same = len == (ssize_t)(copies * sizeof(plain));

	for (unsigned i = 0; same && i < copies; i++)
		same = memcmp(out + i * sizeof(plain), plain, sizeof(plain)) == 0;
	return same;
}

static void test_whole(size_t nr)
{
	static const size_t steps[] = { 1, 7, 4096, ROOM };
	const struct codec_ops *ops = codecs[nr].ops;
	static uint8_t out[ROOM];
	static struct packed packed;
	struct err err;

	codecs[nr].pack(&packed);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		ssize_t len = unpack(ops, packed.bytes, packed.len, steps[i], ROOM - steps[i] + 1, out, ROOM, &err);

		ok(gives_plain(out, len, 1), "%s: whole, input in pieces of %zu", ops->name, steps[i]);
	}
	ssize_t len = unpack(ops, packed.bytes, packed.len, ROOM, 1, out, ROOM, &err);
	ok(gives_plain(out, len, 1), "%s: whole, taken byte by byte", ops->name);
	is_int(unpack(ops, packed.bytes, 0, ROOM, ROOM, out, ROOM, &err), -EBADMSG, "nothing at all is refused");
}

static void test_concatenated(size_t nr)
{
	const struct codec_ops *ops = codecs[nr].ops;
	static uint8_t out[ROOM];
	static struct packed packed;
	struct err err;

	codecs[nr].pack(&packed);
	memcpy(packed.bytes + packed.len, packed.bytes, packed.len);
	memcpy(packed.bytes + 2 * packed.len, packed.bytes, packed.len);
	ssize_t len = unpack(ops, packed.bytes, 3 * packed.len, 100, ROOM, out, ROOM, &err);
	ok(gives_plain(out, len, 3), "%s: three members in a row are one file", ops->name);
	len = unpack(ops, packed.bytes, 2 * packed.len - 1, 100, ROOM, out, ROOM, &err);
	is_int(len, ops == &codec_none ? (ssize_t)(2 * packed.len - 1) : -EBADMSG, "the second of them truncated");
}

static void test_truncated(size_t nr)
{
	const struct codec_ops *ops = codecs[nr].ops;
	static uint8_t out[ROOM];
	static struct packed packed;
	size_t accepted = 0;
	struct err err;

	codecs[nr].pack(&packed);
	for (size_t len = 0; len < packed.len; len++)
		accepted += unpack(ops, packed.bytes, len, ROOM, ROOM, out, ROOM, &err) != -EBADMSG;
	is_int(accepted, 0, "truncated after any byte: refused as corrupt");
	unpack(ops, packed.bytes, packed.len - 1, ROOM, ROOM, out, ROOM, &err);
	ok(strstr(err.text, "truncated"), "%s: the message says truncated: %s", ops->name, err.text);
}

static void test_trailing(size_t nr)
{
	static const char *const trailers[] = { "x", "\0", "\0\0\0\0\0\0\0\0\0\0\0", "\x1f",
						"trailing data of some length" };
	static const size_t lens[] = { 1, 1, 11, 1, 28 };
	const struct codec_ops *ops = codecs[nr].ops;
	static uint8_t out[ROOM];
	static struct packed packed;
	struct err err;

	codecs[nr].pack(&packed);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memcpy(packed.bytes + packed.len, trailers[i], lens[i]);
		is_int(unpack(ops, packed.bytes, packed.len + lens[i], 64, ROOM, out, ROOM, &err), -EBADMSG,
		       "trailing data is refused");
	}
	ok(strstr(err.text, "followed by something else"), "%s: and the message says so: %s", ops->name, err.text);
}

/* Header fields such as gzip's time may change without harm; what comes out must be right or refused. */
static void test_flipped(size_t nr)
{
	const struct codec_ops *ops = codecs[nr].ops;
	static uint8_t out[4 * ROOM];
	static struct packed packed;
	size_t wrong = 0, refused = 0;
	struct err err;

	codecs[nr].pack(&packed);
	for (size_t bit = 0; bit < packed.len * 8; bit++) {
		packed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		ssize_t len = unpack(ops, packed.bytes, packed.len, ROOM, ROOM, out, sizeof(out), &err);
		refused += len < 0;
		wrong += len >= 0 && !gives_plain(out, len, 1);
		packed.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	is_int(wrong, 0, "any bit flipped: the right bytes or a refusal");
	ok(refused > packed.len * 7, "%s: nearly all are refused (%zu of %zu)", ops->name, refused, packed.len * 8);
}

static void test_windows(void)
{
	/* A frame of one raw byte whose header asks for a window of 2^31, 2^28, 2^27 (RFC 8878, section 3.1.1.1.2). */
	uint8_t frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0, (31 - 10) << 3, 9, 0, 0, 'x' };
	uint8_t out[64];
	struct packed packed;
	struct err err;

	is_int(unpack(&codec_zstd, frame, sizeof(frame), 64, 64, out, sizeof(out), &err), -ENOTSUP,
	       "zstd: a window of 2 GiB is refused");
	ok(strstr(err.text, "window"), "and the message says so: %s", err.text);
	frame[5] = (28 - 10) << 3;
	is_int(unpack(&codec_zstd, frame, sizeof(frame), 64, 64, out, sizeof(out), &err), -ENOTSUP,
	       "zstd: a window of 256 MiB is refused");
	frame[5] = (27 - 10) << 3;
	is_int(unpack(&codec_zstd, frame, sizeof(frame), 64, 64, out, sizeof(out), &err), 1,
	       "zstd: a window of 128 MiB is opened");

	/* The dictionary size of LZMA2 is one byte of the block header, which begins at byte 12 and ends in its CRC-32. */
	pack_xz(&packed);
	size_t header_len = (packed.bytes[12] + 1u) * 4;
	uint8_t *filter = memmem(packed.bytes + 12, header_len, "\x21\x01", 2);
	filter[2] = 37; /* 1.5 GiB; 40 would be the largest */
	put_le32(packed.bytes + 12 + header_len - 4, lzma_crc32(packed.bytes + 12, header_len - 4, 0));
	is_int(unpack(&codec_xz, packed.bytes, packed.len, 64, 64, out, sizeof(out), &err), -ENOTSUP,
	       "xz: a dictionary of 1.5 GiB is refused");
	ok(strstr(err.text, "memory"), "and the message says so: %s", err.text);
}

static void test_lzma_memory(void)
{
	static uint8_t out[ROOM];
	struct packed packed;
	struct err err;

	pack_lzma(&packed);
	put_le32(packed.bytes + 1, 1u << 30);
	is_int(unpack(&codec_lzma, packed.bytes, packed.len, 64, ROOM, out, ROOM, &err), -ENOTSUP,
	       "lzma: a dictionary of 1 GiB is refused");
	ok(strstr(err.text, "memory"), "and the message says so: %s", err.text);
}

static void test_xz_padding(void)
{
	static uint8_t out[ROOM];
	static struct packed packed;
	struct err err;

	pack_xz(&packed);
	memset(packed.bytes + packed.len, 0, 8);
	ok(gives_plain(out, unpack(&codec_xz, packed.bytes, packed.len + 8, 5, ROOM, out, ROOM, &err), 1),
	   "xz: stream padding at the end belongs to the format");
	memcpy(packed.bytes + packed.len + 4, packed.bytes, packed.len);
	ok(gives_plain(out, unpack(&codec_xz, packed.bytes, 2 * packed.len + 4, 5, ROOM, out, ROOM, &err), 2),
	   "xz: and between two streams");
	memset(packed.bytes + packed.len, 0, 3);
	is_int(unpack(&codec_xz, packed.bytes, packed.len + 3, 5, ROOM, out, ROOM, &err), -EBADMSG,
	       "xz: padding that is no multiple of four is refused");
}

static void test_zstd_skippable(void)
{
	static const uint8_t skippable[] = { 0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c' };
	static uint8_t out[ROOM], joined[ROOM];
	static struct packed packed;
	struct err err;

	pack_zstd(&packed);
	memcpy(joined, skippable, sizeof(skippable));
	memcpy(joined + sizeof(skippable), packed.bytes, packed.len);
	memcpy(joined + sizeof(skippable) + packed.len, skippable, sizeof(skippable));
	size_t len = 2 * sizeof(skippable) + packed.len;
	ok(gives_plain(out, unpack(&codec_zstd, joined, len, 5, ROOM, out, ROOM, &err), 1),
	   "zstd: skippable frames before and after the data are skipped");
	is_int(unpack(&codec_zstd, joined, len - 1, 5, ROOM, out, ROOM, &err), -EBADMSG,
	       "zstd: a truncated skippable frame is refused");
}

int main(void)
{
	make_plain();
	for (size_t nr = 0; nr < CODEC_COUNT; nr++) {
		test_whole(nr);
		test_concatenated(nr);
		if (codecs[nr].ops == &codec_none)
			continue; /* without a format nothing can be wrong with it */
		test_truncated(nr);
		test_trailing(nr);
		if (codecs[nr].ops != &codec_lzma) /* which has no checksum */
			test_flipped(nr);
	}
	test_windows();
	test_lzma_memory();
	test_xz_padding();
	test_zstd_skippable();
	return done_testing();
}

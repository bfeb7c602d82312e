/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codec: compressed bytes -> the bytes inside. One reader over every compression, one codec_NAME.c per compression.
 *
 * The reader goes on to the very end of its input: what is truncated is refused, what follows the compressed data is
 * refused unless it is another member of the same compression (which all of them allow), checksums are compared, and a
 * window that wants more than CODEC_MEMORY_MAX is refused before it is allocated.
 */
#ifndef VMCAST_CODEC_H
#define VMCAST_CODEC_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* xz -9 needs 65 MiB; zstd's own default bound is a window of 128 MiB (2^27), what `zstd --long` makes. */
#define CODEC_WINDOW_LOG_MAX 27
#define CODEC_MEMORY_MAX     ((128ull << 20) + (16ull << 20))

/* One call of a codec's `step`: it takes bytes from `in` and puts bytes to `out`, moving both on. */
struct codec_step {
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t room;
};

enum codec_progress {
	CODEC_INSIDE = 0,  /* in the middle of a member */
	CODEC_BETWEEN = 1, /* a member is complete, checksum and all: the input may end here, or begin another */
};

struct codec_ops {
	const char *name; /* of the compression, as people know it: "gzip" */
	/* Whether a member begins here. `len` is CODEC_MAGIC_MAX or, at the end of the input, less. */
	bool (*begins)(const uint8_t *in, size_t len);
	int (*open)(void **state, struct err *err);
	/* Returns enum codec_progress or a negative errno value. */
	int (*step)(void *state, struct codec_step *io, struct err *err);
	void (*close)(void *state); /* NULL is fine */
};

#define CODEC_MAGIC_MAX 10

extern const struct codec_ops codec_none; /* hands the bytes on as they are */
extern const struct codec_ops codec_gzip;
extern const struct codec_ops codec_xz;
extern const struct codec_ops codec_zstd;
extern const struct codec_ops codec_bzip2;
extern const struct codec_ops codec_lzma;
extern const struct codec_ops codec_lz4;

/* Where compressed bytes come from: fills up to `room` bytes; 0 at the end, or a negative errno value. */
struct codec_input {
	ssize_t (*read)(void *ctx, uint8_t *buf, size_t room, struct err *err);
	void *ctx; /* borrowed until codec_close */
};

struct codec;

/* Caller closes with codec_close. */
int codec_open(struct codec **out, const struct codec_ops *ops, const struct codec_input *input, struct err *err);
void codec_close(struct codec **c);

/*
 * Unpack into `buf`. Returns `room`, or less only at the end of the data, and 0 once everything has been handed out and
 * the input has been read to its end. -EBADMSG corrupt, truncated or followed by something else; -ENOTSUP valid, but
 * wants more memory or a feature there is not; or what the input returned. What was handed out before an error must not
 * be used.
 */
ssize_t codec_read(struct codec *c, uint8_t *buf, size_t room, struct err *err);

#endif

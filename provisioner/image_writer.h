/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image_writer: the bytes of a raw disk, in order -> a deployable image: `image.zst` (one zstd frame per chunk, then
 * the seek table of the seekable format, contrib/seekable_format in zstd's sources) and `index` (lib/index.h), both in
 * one folder.
 *
 * Chunks are tested for zeros, digested and compressed by a few threads; the calling thread writes the results in
 * order. Memory is a fixed number of chunk buffers, whatever the size of the disk.
 */
#ifndef VMCAST_IMAGE_WRITER_H
#define VMCAST_IMAGE_WRITER_H

#include "err.h"
#include "store.h"

#include <stddef.h>
#include <stdint.h>

struct image_options {
	const char *folder;      /* exists, is empty; image.zst and index are made in it */
	uint32_t chunk_bytes;    /* power of two, INDEX_CHUNK_BYTES_MIN..MAX */
	int level;               /* zstd's */
	uint64_t disk_bytes_max; /* a larger disk is refused (-EFBIG), 0: no limit of ours */
};

struct image_writer;

/* Caller closes with image_writer_close, which leaves unfinished files where they are. */
int image_writer_open(struct image_writer **out, const struct image_options *options, struct err *err);
void image_writer_close(struct image_writer **w);

/* Where the next chunk's raw bytes are to be put: room for chunk_bytes, borrowed until image_writer_put. */
int image_writer_next(struct image_writer *w, uint8_t **buf, struct err *err);

/* The buffer of image_writer_next holds the next `len` bytes of the disk. Only the last chunk may be short. */
int image_writer_put(struct image_writer *w, size_t len, struct err *err);
/* They are zeros, whatever it holds: nobody has to look. */
int image_writer_put_zeros(struct image_writer *w, size_t len, struct err *err);

/*
 * The disk is complete: pad it to a multiple of 512 bytes with zeros, write seek table and index header, flush both
 * files and their folder to the disk. `*out` describes the image. -EBADMSG: not one byte was put.
 */
int image_writer_finish(struct image_writer *w, struct store_image *out, struct err *err);

/*
 * Move a finished image from `folder` to `<images>/<id>` in one step and make that durable. The same image there
 * already is kept (an id names the bytes), and `folder` removed; one of other sizes is a rest, which is replaced.
 */
int image_publish(const char *images, const char *folder, const struct store_image *image, struct err *err);

/* Rename a folder to `to`, which is in `images`, and make that durable. Nothing else of that name may be there. */
int image_move(const char *images, const char *folder, const char *to, struct err *err);

/* Remove a folder that image_writer_open was given, with what is in it. Missing is fine. */
int image_remove(const char *folder, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * frame: one chunk of a disk as one independent zstd frame (RFC 8878).
 *
 * A frame carries its content size and no dictionary, and its window never exceeds the chunk, so that opening one takes
 * memory for one chunk whoever made it.
 */
#ifndef VMCAST_FRAME_H
#define VMCAST_FRAME_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct frame_packer;
struct frame_opener;

/* `level` is zstd's, 1..19. Caller frees with frame_packer_free. */
int frame_packer_new(struct frame_packer **out, int level, struct err *err);
void frame_packer_free(struct frame_packer **packer);

/* Room that frame_pack may need for `len` bytes. */
size_t frame_bound(size_t len);

/* Compress `len` bytes into `out` (frame_bound(len) bytes of room). Returns the frame's length, or a negative errno
 * value. */
ssize_t frame_pack(struct frame_packer *packer, uint8_t *out, size_t room, const uint8_t *chunk, size_t len,
		   struct err *err);

/*
 * The same with `prefix` as if it came before the chunk: what the chunk has of it costs next to nothing. It can only be
 * opened with the same prefix. prefix_len 0: none.
 */
ssize_t frame_pack_from(struct frame_packer *packer, uint8_t *out, size_t room, const uint8_t *chunk, size_t len,
			const uint8_t *prefix, size_t prefix_len, struct err *err);

/* `chunk_bytes_max`: the largest chunk that will be opened. Caller frees with frame_opener_free. */
int frame_opener_new(struct frame_opener **out, size_t chunk_bytes_max, struct err *err);
void frame_opener_free(struct frame_opener **opener);

/*
 * Decompress one frame that must take exactly `frame_len` bytes and give exactly `len` bytes; anything else is
 * -EBADMSG. The frame's own bytes are not trusted: `out` is only known to be right once its digest has been compared.
 */
int frame_open(struct frame_opener *opener, uint8_t *out, size_t len, const uint8_t *frame, size_t frame_len,
	       struct err *err);

/* The same for a frame of frame_pack_from. With another prefix it gives other bytes, or -EBADMSG. */
int frame_open_from(struct frame_opener *opener, uint8_t *out, size_t len, const uint8_t *frame, size_t frame_len,
		    const uint8_t *prefix, size_t prefix_len, struct err *err);

#endif

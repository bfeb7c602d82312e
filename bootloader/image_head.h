/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_head: the beginning of an image in memory, verified, before anything of it is written: where its partition table is. */
#ifndef VMCAST_IMAGE_HEAD_H
#define VMCAST_IMAGE_HEAD_H

#include "chunk.h"
#include "index.h"

/* The first `len` bytes of the image, with zeros behind a shorter one. `stop` may be NULL. Fails as the source does. */
int image_head_read(uint8_t *out, size_t len, struct index *index, const struct chunk_source *source,
		    const atomic_bool *stop, struct err *err);

#endif

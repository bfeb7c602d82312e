/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image_reader: chunks of one of our own images in any order. Those used last are kept, up to IMAGE_READER_BYTES. */
#ifndef VMCAST_IMAGE_READER_H
#define VMCAST_IMAGE_READER_H

#include "err.h"
#include "index.h"

#include <stdint.h>

#define IMAGE_READER_BYTES (64u << 20) /* but at least one chunk */

struct image_reader;

/* `folder` is `<images>/<id>`. -EACCES: the index is not the one of that name. Caller closes with image_reader_close. */
int image_reader_open(struct image_reader **out, const char *folder, const char *id, struct err *err);
void image_reader_close(struct image_reader **r);

/* Borrowed until image_reader_close. */
const struct index_header *image_reader_header(const struct image_reader *r);

int image_reader_entry(struct image_reader *r, struct index_entry *out, uint64_t nr, struct err *err);

/* The raw bytes of chunk `nr`, compared with their digest; borrowed until the next call. */
int image_reader_chunk(struct image_reader *r, const uint8_t **out, uint64_t nr, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seek_table: the end of an image.zst: a skippable frame that says where each chunk's frame begins, as in the seekable
 * format (contrib/seekable_format in zstd's sources; docs/reference/formats.md). Head, one entry for each frame, footer.
 */
#ifndef VMCAST_SEEK_TABLE_H
#define VMCAST_SEEK_TABLE_H

#include "bytes.h"

#include <stdint.h>

#define SEEK_HEAD_BYTES   8
#define SEEK_ENTRY_BYTES  8
#define SEEK_FOOTER_BYTES 9

/* Of the whole table. At most INDEX_CHUNKS_MAX frames: what it says of its own length fits 32 bits. */
static inline uint64_t seek_table_bytes(uint64_t frame_count)
{
	return SEEK_HEAD_BYTES + frame_count * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES;
}

static inline void seek_head_pack(uint8_t raw[static SEEK_HEAD_BYTES], uint64_t frame_count)
{
	put_le32(raw, 0x184d2a5eu);
	put_le32(raw + 4, (uint32_t)(frame_count * SEEK_ENTRY_BYTES + SEEK_FOOTER_BYTES));
}

static inline void seek_entry_pack(uint8_t raw[static SEEK_ENTRY_BYTES], uint32_t frame_bytes, uint32_t chunk_bytes)
{
	put_le32(raw, frame_bytes);
	put_le32(raw + 4, chunk_bytes);
}

static inline void seek_footer_pack(uint8_t raw[static SEEK_FOOTER_BYTES], uint64_t frame_count)
{
	put_le32(raw, (uint32_t)frame_count);
	raw[4] = 0; /* the table holds no checksums: the index has digests */
	put_le32(raw + 5, 0x8f92eab1u);
}

#endif

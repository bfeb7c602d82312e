/* SPDX-License-Identifier: GPL-2.0-or-later */
/* partition_table: heads of disks for tests, with an MBR or a GPT. */
#ifndef VMCAST_PARTITION_TABLE_H
#define VMCAST_PARTITION_TABLE_H

#include "bytes.h"

static inline void put_mbr_entry(uint8_t *head, size_t nr, uint8_t type, uint32_t first, uint32_t count)
{
	uint8_t *entry = head + 446 + nr * 16;

	entry[4] = type;
	put_le32(entry + 8, first);
	put_le32(entry + 12, count);
	head[510] = 0x55;
	head[511] = 0xaa;
}

/* A header that says that `count` entries of 128 bytes begin in the third sector. */
static inline void put_gpt(uint8_t *head, uint32_t sector_bytes, uint32_t count)
{
	uint8_t *header = head + sector_bytes;

	put_mbr_entry(head, 0, 0xee, 1, UINT32_MAX);
	memcpy(header, "EFI PART", 8);
	put_le64(header + 72, 2);
	put_le32(header + 80, count);
	put_le32(header + 84, 128);
}

static inline void put_gpt_entry(uint8_t *head, uint32_t sector_bytes, size_t nr, uint64_t first, uint64_t last)
{
	uint8_t *entry = head + 2 * sector_bytes + nr * 128;

	memset(entry, 0x11, 16);
	put_le64(entry + 32, first);
	put_le64(entry + 40, last);
}

#endif

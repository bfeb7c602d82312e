/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the head of an image that is to fit a disk, with a seed or without. */
#include "bytes.h"
#include "table_fit.h"

#include <assert.h>

#define MIB 1048576ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint64_t gpt_crc_of(const uint8_t *bytes, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* So that more than the checks of the checksums is reached. */
static void put_checksums(uint8_t *head, uint32_t sector_bytes)
{
	uint8_t *header = head + sector_bytes;
	uint64_t lba = le64(header + 72), bytes = (uint64_t)le32(header + 80) * le32(header + 84);

	if (lba < TABLE_FIT_HEAD / sector_bytes && bytes <= TABLE_FIT_HEAD - lba * sector_bytes)
		put_le32(header + 88, (uint32_t)gpt_crc_of(head + lba * sector_bytes, bytes));
	if (le32(header + 12) <= sector_bytes) {
		put_le32(header + 16, 0);
		put_le32(header + 16, (uint32_t)gpt_crc_of(header, le32(header + 12)));
	}
}

static void try(const uint8_t *data, size_t len, uint32_t sector_bytes, uint64_t disk_bytes, uint64_t seed_bytes)
{
	static uint8_t head[TABLE_FIT_HEAD], before[TABLE_FIT_HEAD];
	static struct table_fit_change place;
	const struct table_fit_disk disk = { 64 * MIB, disk_bytes, sector_bytes, seed_bytes, true };
	struct err err = { 0 };

	memset(head, 0, sizeof(head));
	memcpy(head, data, len < sizeof(head) ? len : sizeof(head));
	put_checksums(head, sector_bytes);
	memcpy(before, head, sizeof(head));
	if (table_fit(&place, head, &disk, &err) != 0) {
		assert(err.code < 0 && memcmp(head, before, sizeof(head)) == 0);
		return;
	}
	assert(place.seed_off % MIB == 0 && (place.seed_off != 0) == (seed_bytes != 0));
	assert(!seed_bytes || (place.seed_off >= 64 * MIB && place.seed_off + MIB <= disk_bytes));
	assert(!place.backup_bytes ||
	       (place.backup_off >= place.seed_off + seed_bytes && place.backup_off >= 64 * MIB &&
		place.backup_off + place.backup_bytes <= disk_bytes));
	assert(place.grown_bytes <= disk_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint64_t sizes[] = { 64 * MIB, 66 * MIB + 512, 1ull << 40, 5ull << 41 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		try(data, len, 512, sizes[i], MIB);
		try(data, len, 4096, sizes[i], MIB);
		try(data, len, 512, sizes[i], 0);
		try(data, len, 4096, sizes[i], 0);
	}
	return 0;
}

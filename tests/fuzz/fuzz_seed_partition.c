/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the head of an image that a seed is to get a place in. */
#include "bytes.h"
#include "seed_partition.h"

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

	if (lba < SEED_PARTITION_HEAD / sector_bytes && bytes <= SEED_PARTITION_HEAD - lba * sector_bytes)
		put_le32(header + 88, (uint32_t)gpt_crc_of(head + lba * sector_bytes, bytes));
	if (le32(header + 12) <= sector_bytes) {
		put_le32(header + 16, 0);
		put_le32(header + 16, (uint32_t)gpt_crc_of(header, le32(header + 12)));
	}
}

static void try(const uint8_t *data, size_t len, uint32_t sector_bytes, uint64_t disk_bytes)
{
	static uint8_t head[SEED_PARTITION_HEAD], before[SEED_PARTITION_HEAD];
	static struct seed_partition place;
	const struct seed_partition_disk disk = { 64 * MIB, disk_bytes, sector_bytes, MIB };
	struct err err = { 0 };

	memset(head, 0, sizeof(head));
	memcpy(head, data, len < sizeof(head) ? len : sizeof(head));
	put_checksums(head, sector_bytes);
	memcpy(before, head, sizeof(head));
	if (seed_partition_add(&place, head, &disk, &err) != 0) {
		assert(err.code < 0 && memcmp(head, before, sizeof(head)) == 0);
		return;
	}
	assert(place.off % MIB == 0 && place.off >= 64 * MIB && place.off + MIB <= disk_bytes);
	assert(!place.backup_bytes ||
	       (place.backup_off >= place.off + MIB && place.backup_off + place.backup_bytes <= disk_bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint64_t sizes[] = { 64 * MIB, 66 * MIB + 512, 1ull << 40, 5ull << 41 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		try(data, len, 512, sizes[i]);
		try(data, len, 4096, sizes[i]);
	}
	return 0;
}

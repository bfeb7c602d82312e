/* SPDX-License-Identifier: GPL-2.0-or-later */
/* labels: see labels.h */
#include "labels.h"

#include "bytes.h"

#include <string.h>

/* The largest labels are ZFS's, 512 KiB at either end. */
#define LABEL_BYTES (1u << 20)

#define MBR_BYTES         512u
#define MBR_ENTRIES_OFF   446u
#define MBR_ENTRY_BYTES   16u
#define GPT_ENTRY_BYTES   128u
#define GPT_ENTRIES_MAX   1024u
#define TYPE_NONE         0x00
#define TYPE_GPT          0xee
#define TYPE_EXTENDED     0x05
#define TYPE_EXTENDED_LBA 0x0f
#define TYPE_EXTENDED_LNX 0x85

const uint64_t labels_btrfs_copies[LABELS_BTRFS_COPIES] = { 64ull << 20, 256ull << 30 };

/* What lies beyond the disk is no partition of it. False: there is no room for one more. */
static bool add(struct labels *l, uint64_t first, uint64_t last, uint64_t sector_bytes, bool is_extended)
{
	uint64_t sectors = l->partitions[0].to / sector_bytes;

	if (first >= sectors || last < first)
		return true;
	if (l->count == LABELS_PARTITIONS_MAX)
		return false;
	l->partitions[l->count++] = (struct labels_partition){
		.from = first * sector_bytes,
		.to = (last < sectors ? last + 1 : sectors) * sector_bytes,
		.is_extended = is_extended,
	};
	return true;
}

/* Nothing in an MBR says how large its sectors are, so its partitions are where they would be with either size. */
static bool add_mbr(struct labels *l, const uint8_t *head, size_t len)
{
	if (len < MBR_BYTES || le16(head + 510) != 0xaa55)
		return true;
	for (size_t i = 0; i < 4; i++) {
		const uint8_t *entry = head + MBR_ENTRIES_OFF + i * MBR_ENTRY_BYTES;
		uint8_t type = entry[4];
		uint64_t first = le32(entry + 8), count = le32(entry + 12);
		bool is_extended = type == TYPE_EXTENDED || type == TYPE_EXTENDED_LBA || type == TYPE_EXTENDED_LNX;

		if (type == TYPE_NONE || type == TYPE_GPT || count == 0)
			continue;
		if (!add(l, first, first + count - 1, 512, is_extended) ||
		    !add(l, first, first + count - 1, 4096, false))
			return false;
	}
	return true;
}

static bool add_gpt(struct labels *l, const uint8_t *head, size_t len, uint32_t sector_bytes)
{
	const uint8_t *header = head + sector_bytes;

	if (len < 2 * sector_bytes || memcmp(header, "EFI PART", 8) != 0)
		return true;
	uint64_t entries = le64(header + 72);
	uint32_t count = le32(header + 80), entry_bytes = le32(header + 84);
	if (count > GPT_ENTRIES_MAX || entry_bytes < GPT_ENTRY_BYTES || entry_bytes > sector_bytes ||
	    entries > len / sector_bytes || len - entries * sector_bytes < (size_t)count * entry_bytes)
		return false;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *entry = head + entries * sector_bytes + (size_t)i * entry_bytes;

		if (!bytes_are_zero(entry, 16) && !add(l, le64(entry + 32), le64(entry + 40), sector_bytes, false))
			return false;
	}
	return true;
}

bool labels_read(struct labels *out, const uint8_t *head, size_t len, uint64_t disk_bytes)
{
	*out = (struct labels){ .partitions = { { .to = disk_bytes } }, .count = 1 };
	return add_mbr(out, head, len) && add_gpt(out, head, len, 512) && add_gpt(out, head, len, 4096);
}

static bool overlap(uint64_t from, uint64_t to, uint64_t label_from, uint64_t label_to)
{
	return from < label_to && label_from < to;
}

static bool are_in_partition(const struct labels_partition *p, uint64_t from, uint64_t to)
{
	if (p->is_extended && overlap(from, to, p->from, p->to))
		return true;
	if (overlap(from, to, p->from, p->from + LABEL_BYTES) ||
	    overlap(from, to, p->to < LABEL_BYTES ? 0 : p->to - LABEL_BYTES, p->to))
		return true;
	for (size_t i = 0; i < LABELS_BTRFS_COPIES; i++) {
		uint64_t copy = p->from + labels_btrfs_copies[i];

		if (copy < p->to && overlap(from, to, copy, copy + 4096))
			return true;
	}
	return false;
}

bool labels_are_in(const struct labels *l, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < l->count; i++)
		if (are_in_partition(&l->partitions[i], from, to))
			return true;
	return false;
}

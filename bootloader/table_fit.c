/* SPDX-License-Identifier: GPL-2.0-or-later */
/* table_fit: see table_fit.h */
#include "table_fit.h"

#include "bytes.h"
#include "cleanup.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

#define MIB 1048576u

#define MBR_ENTRIES     446u
#define MBR_ENTRY_BYTES 16u
#define MBR_SLOTS       4u
#define MBR_TYPE_FAT12  0x01
#define MBR_TYPE_GPT    0xee

#define GPT_HEADER_MIN  92u
#define GPT_ENTRY_BYTES 128u
#define GPT_READ_ONLY   (1ull << 60)
#define GPT_NO_LETTER   (1ull << 63)

/* Microsoft's "basic data", which is what a FAT volume has: EBD0A0A2-B9E5-4433-87C0-68B6B72699C7. */
static const uint8_t basic_data[16] = { 0xa2, 0xa0, 0xd0, 0xeb, 0xe5, 0xb9, 0x33, 0x44,
					0x87, 0xc0, 0x68, 0xb6, 0xb7, 0x26, 0x99, 0xc7 };

/* Where the table of the image is, checked. */
struct gpt {
	uint8_t *header;
	uint32_t header_bytes;
	uint8_t *entries;
	uint32_t count, entry_bytes;
};

static uint32_t crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

/* Its own field counts as zero. */
static uint32_t header_crc(const struct gpt *gpt)
{
	uint8_t copy[4096];

	memcpy(copy, gpt->header, gpt->header_bytes);
	put_le32(copy + 16, 0);
	return crc32(copy, gpt->header_bytes);
}

static bool has_gpt(const uint8_t *head, uint32_t sector_bytes)
{
	return memcmp(head + sector_bytes, "EFI PART", 8) == 0;
}

static int wrong_table(const char *why, struct err *err)
{
	return err_set(err, -ENOTSUP, "the image's GPT %s", why);
}

static int read_gpt(struct gpt *out, uint8_t *head, uint32_t sector_bytes, struct err *err)
{
	uint8_t *header = head + sector_bytes;

	*out = (struct gpt){ .header = header,
			     .header_bytes = le32(header + 12),
			     .count = le32(header + 80),
			     .entry_bytes = le32(header + 84) };
	uint64_t entries_lba = le64(header + 72), room = TABLE_FIT_HEAD / sector_bytes;
	if (out->header_bytes < GPT_HEADER_MIN || out->header_bytes > sector_bytes ||
	    header_crc(out) != le32(header + 16))
		return wrong_table("has a header whose checksum is wrong", err);
	if (le64(header + 24) != 1 || entries_lba < 2 || entries_lba >= room || out->entry_bytes < GPT_ENTRY_BYTES ||
	    out->entry_bytes > 4096 || out->entry_bytes % GPT_ENTRY_BYTES || !out->count ||
	    out->count > (TABLE_FIT_HEAD - entries_lba * sector_bytes) / out->entry_bytes)
		return wrong_table("has its entries elsewhere than behind its header", err);
	out->entries = head + entries_lba * sector_bytes;
	if (crc32(out->entries, (size_t)out->count * out->entry_bytes) != le32(header + 88))
		return wrong_table("has entries whose checksum is wrong", err);
	return 0;
}

static uint32_t backup_bytes(const struct gpt *gpt, uint32_t sector_bytes)
{
	uint32_t entries = gpt->count * gpt->entry_bytes;

	return (entries + sector_bytes - 1) / sector_bytes * sector_bytes + sector_bytes;
}

/* The last place that ends before `end`, and does not begin before the image ends. */
static int find_seed_room(uint64_t *off, const struct table_fit_disk *disk, uint64_t end, struct err *err)
{
	uint64_t first = (disk->image_bytes + MIB - 1) / MIB * MIB, most = end / MIB * MIB;
	char need[UNITS_TEXT], missing[UNITS_TEXT];

	if (most >= disk->seed_bytes && most - disk->seed_bytes >= first) {
		*off = most - disk->seed_bytes;
		return 0;
	}
	return err_set(err, -ENOSPC,
		       "it takes %s at the end of the disk, behind the image; the disk is %s "
		       "(%" PRIu64 " bytes) too small",
		       units_bytes(need, disk->seed_bytes),
		       units_bytes(missing, first + disk->seed_bytes + (disk->disk_bytes - end) - disk->disk_bytes),
		       first + disk->seed_bytes + (disk->disk_bytes - end) - disk->disk_bytes);
}

/* Behind the last one that is used, so that none of the image's gets a number before it; else any. -1: none. */
static int free_gpt_entry(const struct gpt *gpt)
{
	int last = -1, any = -1;

	for (uint32_t i = 0; i < gpt->count; i++) {
		bool is_free = bytes_are_zero(gpt->entries + (size_t)i * gpt->entry_bytes, sizeof(basic_data));

		if (!is_free)
			last = (int)i;
		else if (any < 0)
			any = (int)i;
	}
	return last + 1 < (int)gpt->count ? last + 1 : any;
}

/* An image may say anything of partitions behind its end. */
static int check_overlap_gpt(const struct gpt *gpt, uint64_t first, struct err *err)
{
	for (uint32_t i = 0; i < gpt->count; i++) {
		const uint8_t *entry = gpt->entries + (size_t)i * gpt->entry_bytes;

		if (!bytes_are_zero(entry, sizeof(basic_data)) && le64(entry + 40) >= first)
			return wrong_table("has a partition that reaches behind the image", err);
	}
	return 0;
}

static int put_gpt_entry(const struct gpt *gpt, int nr, uint64_t first, uint64_t last, struct err *err)
{
	static const char name[] = "cidata";
	uint8_t *entry = gpt->entries + (size_t)nr * gpt->entry_bytes;
	uint8_t id[16];

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	id[7] = (uint8_t)((id[7] & 0x0f) | 0x40); /* a random one (RFC 9562, 5.4), in GPT's order of bytes */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	memset(entry, 0, gpt->entry_bytes);
	memcpy(entry, basic_data, sizeof(basic_data));
	memcpy(entry + 16, id, sizeof(id));
	put_le64(entry + 32, first);
	put_le64(entry + 40, last);
	put_le64(entry + 48, GPT_READ_ONLY | GPT_NO_LETTER);
	for (size_t i = 0; name[i]; i++)
		put_le16(entry + 56 + 2 * i, (uint8_t)name[i]);
	return 0;
}

static void seal(const struct gpt *gpt)
{
	put_le32(gpt->header + 88, crc32(gpt->entries, (size_t)gpt->count * gpt->entry_bytes));
	put_le32(gpt->header + 16, header_crc(gpt));
}

/* Entries, then the header in the disk's last sector. The primary's is changed to name it. */
static void put_backup(struct table_fit_change *out, const struct gpt *gpt, const struct table_fit_disk *disk)
{
	uint32_t sector_bytes = disk->sector_bytes;
	uint64_t last = disk->disk_bytes / sector_bytes - 1;
	struct gpt backup = *gpt;

	out->backup_bytes = backup_bytes(gpt, sector_bytes);
	out->backup_off = (last + 1) * sector_bytes - out->backup_bytes;
	put_le64(gpt->header + 32, last);
	put_le64(gpt->header + 48, out->backup_off / sector_bytes - 1);
	seal(gpt);
	memset(out->backup, 0, sizeof(out->backup));
	memcpy(out->backup, gpt->entries, (size_t)gpt->count * gpt->entry_bytes);
	backup.entries = out->backup;
	backup.header = out->backup + out->backup_bytes - sector_bytes;
	memcpy(backup.header, gpt->header, gpt->header_bytes);
	put_le64(backup.header + 24, last);
	put_le64(backup.header + 32, 1);
	put_le64(backup.header + 72, out->backup_off / sector_bytes);
	seal(&backup);
}

/* It protects all of the disk, as far as 32 bits can say. A hybrid one is left as it is: its owner knows what for. */
static void stretch_protective(uint8_t *head, uint64_t sectors)
{
	uint8_t *entry = head + MBR_ENTRIES;

	if (entry[4] == MBR_TYPE_GPT && le32(entry + 8) == 1 &&
	    bytes_are_zero(entry + MBR_ENTRY_BYTES, (MBR_SLOTS - 1) * MBR_ENTRY_BYTES))
		put_le32(entry + 12, sectors - 1 > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - 1));
}

/* The used entry that ends last; NULL: none is used. */
static uint8_t *last_gpt_entry(const struct gpt *gpt)
{
	uint8_t *last = NULL;

	for (uint32_t i = 0; i < gpt->count; i++) {
		uint8_t *entry = gpt->entries + (size_t)i * gpt->entry_bytes;

		if (!bytes_are_zero(entry, sizeof(basic_data)) && (!last || le64(entry + 40) > le64(last + 40)))
			last = entry;
	}
	return last;
}

/* `end`: of what it may have, in bytes. It never shrinks. */
static void grow_gpt(struct table_fit_change *out, const struct gpt *gpt, uint64_t end, uint32_t sector_bytes)
{
	uint8_t *entry = last_gpt_entry(gpt);
	uint64_t last = end / MIB * MIB / sector_bytes - 1;

	/* An image may say anything. */
	if (!entry || le64(entry + 40) >= last || le64(entry + 32) > le64(entry + 40))
		return;
	put_le64(entry + 40, last);
	out->grown_bytes = (last + 1 - le64(entry + 32)) * sector_bytes;
}

static int fit_gpt(struct table_fit_change *out, uint8_t *head, const struct table_fit_disk *disk, struct err *err)
{
	uint32_t sector_bytes = disk->sector_bytes;
	struct gpt gpt;
	int nr = 0, rc = read_gpt(&gpt, head, sector_bytes, err);

	if (rc)
		return rc;
	uint64_t backup = backup_bytes(&gpt, sector_bytes);
	uint64_t end = disk->disk_bytes > backup ? disk->disk_bytes - backup : 0;
	if (disk->seed_bytes && (rc = find_seed_room(&end, disk, end, err)) < 0)
		return rc;
	if ((rc = check_overlap_gpt(&gpt, end / sector_bytes, err)) < 0)
		return rc;
	if (end < disk->image_bytes)
		return err_set(err, -ENOTSUP, "the disk has no room for its backup GPT behind the image");
	if (disk->seed_bytes && (nr = free_gpt_entry(&gpt)) < 0)
		return err_set(err, -ENOSPC, "all %u entries of the image's GPT are used", gpt.count);
	if (disk->grow)
		grow_gpt(out, &gpt, end, sector_bytes);
	if (disk->seed_bytes) {
		out->seed_off = end;
		rc = put_gpt_entry(&gpt, nr, end / sector_bytes, (end + disk->seed_bytes) / sector_bytes - 1, err);
	}
	if (rc)
		return rc;
	put_backup(out, &gpt, disk);
	stretch_protective(head, disk->disk_bytes / sector_bytes);
	return 0;
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* A primary partition, as large as 32 bits can say. Logical ones are in a chain of tables of their own. */
static void grow_mbr(struct table_fit_change *out, uint8_t *head, uint64_t end, uint32_t sector_bytes)
{
	uint8_t *last = NULL;

	for (size_t i = 0; i < MBR_SLOTS; i++) {
		uint8_t *slot = head + MBR_ENTRIES + i * MBR_ENTRY_BYTES;

		if (slot[4] && (!last || le32(slot + 8) > le32(last + 8)))
			last = slot;
	}
	if (!last || is_extended(last[4]))
		return;
	uint64_t sectors = end / MIB * MIB / sector_bytes, first = le32(last + 8);
	if (sectors <= first + le32(last + 12))
		return;
	put_le32(last + 12, sectors - first > UINT32_MAX ? UINT32_MAX : (uint32_t)(sectors - first));
	out->grown_bytes = (uint64_t)le32(last + 12) * sector_bytes;
}

static void put_mbr_entry(uint8_t *slot, uint32_t first, uint32_t sectors)
{
	memset(slot, 0, MBR_ENTRY_BYTES);
	memset(slot + 1, 0xff, 3); /* cylinders end long before */
	slot[4] = MBR_TYPE_FAT12;
	memset(slot + 5, 0xff, 3);
	put_le32(slot + 8, first);
	put_le32(slot + 12, sectors);
}

static int fit_mbr(struct table_fit_change *out, uint8_t *head, const struct table_fit_disk *disk, struct err *err)
{
	uint64_t end = disk->disk_bytes, end_max = ((uint64_t)UINT32_MAX + 1) * disk->sector_bytes;
	uint8_t *free_slot = NULL;
	int rc = 0;

	end = end < end_max ? end : end_max;
	if (disk->seed_bytes && (rc = find_seed_room(&end, disk, end, err)) < 0)
		return rc;
	for (size_t i = MBR_SLOTS; i-- > 0;) {
		uint8_t *slot = head + MBR_ENTRIES + i * MBR_ENTRY_BYTES;

		if (!slot[4])
			free_slot = slot;
		else if ((uint64_t)le32(slot + 8) + le32(slot + 12) > end / disk->sector_bytes)
			return err_set(err, -ENOTSUP, "the image's MBR has a partition that reaches behind the image");
	}
	if (disk->seed_bytes && !free_slot)
		return err_set(err, -ENOSPC, "all 4 primary partitions of the image's MBR are used");
	if (disk->grow)
		grow_mbr(out, head, end, disk->sector_bytes);
	if (disk->seed_bytes) {
		out->seed_off = end;
		put_mbr_entry(free_slot, (uint32_t)(end / disk->sector_bytes),
			      (uint32_t)(disk->seed_bytes / disk->sector_bytes));
	}
	return 0;
}

static int fit(struct table_fit_change *out, uint8_t *head, const struct table_fit_disk *disk, struct err *err)
{
	bool is_asked = disk->seed_bytes || disk->grow, is_table = le16(head + 510) == 0xaa55;

	if (disk->image_bytes < TABLE_FIT_HEAD)
		return is_asked ? err_set(err, -ENOTSUP, "the image has less than %u bytes", TABLE_FIT_HEAD) : 0;
	if (is_table && has_gpt(head, disk->sector_bytes))
		return disk->seed_bytes || disk->disk_bytes > disk->image_bytes ? fit_gpt(out, head, disk, err) : 0;
	if (is_table && head[MBR_ENTRIES + 4] == MBR_TYPE_GPT)
		return err_set(err, -ENOTSUP, "the image has no GPT for the disk's sectors of %u bytes",
			       disk->sector_bytes);
	if (!is_asked)
		return 0;
	return is_table ? fit_mbr(out, head, disk, err) : err_set(err, -ENOTSUP, "the image has no partition table");
}

int table_fit(struct table_fit_change *out, uint8_t head[static TABLE_FIT_HEAD], const struct table_fit_disk *disk,
	      struct err *err)
{
	CLEANUP(free_mem) struct table_fit_change *change = calloc(1, sizeof(*change));
	CLEANUP(free_mem) uint8_t *copy = malloc(TABLE_FIT_HEAD);

	if (!change || !copy)
		return err_set(err, -ENOMEM, "out of memory");
	memcpy(copy, head, TABLE_FIT_HEAD);
	int rc = fit(change, copy, disk, err);
	if (rc)
		return disk->seed_bytes ? err_wrap(err, "there is no place for the seed") : rc;
	memcpy(head, copy, TABLE_FIT_HEAD);
	*out = *change;
	return 0;
}

int table_find_partition(struct table_partition *out, uint8_t head[static TABLE_FIT_HEAD], uint32_t sector_bytes,
			 const uint8_t type[static 16], struct err *err)
{
	struct gpt gpt;

	if (!has_gpt(head, sector_bytes) || read_gpt(&gpt, head, sector_bytes, err) < 0)
		return err_set(err, -ENOENT, "the disk has no GPT");
	for (uint32_t i = 0; i < gpt.count; i++) {
		const uint8_t *entry = gpt.entries + (size_t)i * gpt.entry_bytes;

		if (memcmp(entry, type, 16) != 0 || le64(entry + 40) < le64(entry + 32))
			continue;
		*out = (struct table_partition){ .number = i + 1,
						 .first = le64(entry + 32),
						 .sectors = le64(entry + 40) - le64(entry + 32) + 1 };
		memcpy(out->id, entry + 16, sizeof(out->id));
		return 0;
	}
	return err_set(err, -ENOENT, "the disk has no partition of that type");
}

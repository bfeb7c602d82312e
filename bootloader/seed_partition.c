/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seed_partition: see seed_partition.h */
#include "seed_partition.h"

#include "bytes.h"
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
	return err_set(err, -ENOTSUP, "there is no place for the seed: the image's GPT %s", why);
}

static int read_gpt(struct gpt *out, uint8_t *head, uint32_t sector_bytes, struct err *err)
{
	uint8_t *header = head + sector_bytes;

	*out = (struct gpt){ .header = header,
			     .header_bytes = le32(header + 12),
			     .count = le32(header + 80),
			     .entry_bytes = le32(header + 84) };
	uint64_t entries_lba = le64(header + 72), room = SEED_PARTITION_HEAD / sector_bytes;
	if (out->header_bytes < GPT_HEADER_MIN || out->header_bytes > sector_bytes ||
	    header_crc(out) != le32(header + 16))
		return wrong_table("has a header whose checksum is wrong", err);
	if (le64(header + 24) != 1 || entries_lba < 2 || entries_lba >= room || out->entry_bytes < GPT_ENTRY_BYTES ||
	    out->entry_bytes > 4096 || out->entry_bytes % GPT_ENTRY_BYTES || !out->count ||
	    out->count > (SEED_PARTITION_HEAD - entries_lba * sector_bytes) / out->entry_bytes)
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
static int find_room(uint64_t *off, const struct seed_partition_disk *disk, uint64_t end, struct err *err)
{
	uint64_t first = (disk->image_bytes + MIB - 1) / MIB * MIB, most = end / MIB * MIB;
	char need[UNITS_TEXT], missing[UNITS_TEXT];

	if (most >= disk->need_bytes && most - disk->need_bytes >= first) {
		*off = most - disk->need_bytes;
		return 0;
	}
	return err_set(
		err, -ENOSPC,
		"there is no room for the seed: it takes %s at the end of the disk, behind the image; the disk is %s "
		"(%" PRIu64 " bytes) too small",
		units_bytes(need, disk->need_bytes),
		units_bytes(missing, first + disk->need_bytes + (disk->disk_bytes - end) - disk->disk_bytes),
		first + disk->need_bytes + (disk->disk_bytes - end) - disk->disk_bytes);
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
static void put_backup(struct seed_partition *out, const struct gpt *gpt, const struct seed_partition_disk *disk)
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

static int add_gpt(struct seed_partition *out, uint8_t *head, const struct seed_partition_disk *disk, struct err *err)
{
	uint32_t sector_bytes = disk->sector_bytes;
	struct gpt gpt;
	int rc = read_gpt(&gpt, head, sector_bytes, err);

	if (rc)
		return rc;
	uint64_t backup = backup_bytes(&gpt, sector_bytes);
	uint64_t end = disk->disk_bytes > backup ? disk->disk_bytes - backup : 0;
	if ((rc = find_room(&out->off, disk, end, err)) < 0 ||
	    (rc = check_overlap_gpt(&gpt, out->off / sector_bytes, err)) < 0)
		return rc;
	int nr = free_gpt_entry(&gpt);
	if (nr < 0)
		return err_set(err, -ENOSPC,
			       "there is no place for the seed: all %u entries of the image's GPT are used", gpt.count);
	rc = put_gpt_entry(&gpt, nr, out->off / sector_bytes, (out->off + disk->need_bytes) / sector_bytes - 1, err);
	if (rc)
		return rc;
	put_backup(out, &gpt, disk);
	stretch_protective(head, disk->disk_bytes / sector_bytes);
	return 0;
}

static int add_mbr(struct seed_partition *out, uint8_t *head, const struct seed_partition_disk *disk, struct err *err)
{
	uint64_t end = disk->disk_bytes, end_max = ((uint64_t)UINT32_MAX + 1) * disk->sector_bytes;
	uint8_t *free_slot = NULL;
	int rc = find_room(&out->off, disk, end < end_max ? end : end_max, err);

	if (rc)
		return rc;
	for (size_t i = MBR_SLOTS; i-- > 0;) {
		uint8_t *slot = head + MBR_ENTRIES + i * MBR_ENTRY_BYTES;

		if (!slot[4])
			free_slot = slot;
		else if ((uint64_t)le32(slot + 8) + le32(slot + 12) > out->off / disk->sector_bytes)
			return err_set(err, -ENOTSUP,
				       "there is no place for the seed: the image's MBR has a partition that reaches "
				       "behind the image");
	}
	if (!free_slot)
		return err_set(err, -ENOSPC,
			       "there is no place for the seed: all 4 primary partitions of the image's MBR are used");
	memset(free_slot, 0, MBR_ENTRY_BYTES);
	memset(free_slot + 1, 0xff, 3); /* cylinders end long before */
	free_slot[4] = MBR_TYPE_FAT12;
	memset(free_slot + 5, 0xff, 3);
	put_le32(free_slot + 8, (uint32_t)(out->off / disk->sector_bytes));
	put_le32(free_slot + 12, (uint32_t)(disk->need_bytes / disk->sector_bytes));
	out->backup_bytes = 0;
	return 0;
}

int seed_partition_add(struct seed_partition *out, uint8_t head[static SEED_PARTITION_HEAD],
		       const struct seed_partition_disk *disk, struct err *err)
{
	struct seed_partition *place = calloc(1, sizeof(*place));
	uint8_t *copy = malloc(SEED_PARTITION_HEAD);
	int rc;

	if (!place || !copy) {
		rc = err_set(err, -ENOMEM, "out of memory");
		goto done;
	}
	memcpy(copy, head, SEED_PARTITION_HEAD);
	if (disk->image_bytes < SEED_PARTITION_HEAD)
		rc = err_set(err, -ENOTSUP, "there is no place for the seed: the image has less than %u bytes",
			     SEED_PARTITION_HEAD);
	else if (le16(copy + 510) != 0xaa55)
		rc = err_set(err, -ENOTSUP, "there is no place for the seed: the image has no partition table");
	else
		rc = has_gpt(copy, disk->sector_bytes) ? add_gpt(place, copy, disk, err)
						       : add_mbr(place, copy, disk, err);
	if (!rc) {
		memcpy(head, copy, SEED_PARTITION_HEAD);
		*out = *place;
	}
done:
	free(place);
	free(copy);
	return rc;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* boot_superblock: see boot_superblock.h */
#include "boot_superblock.h"

#include "bytes.h"

#include <stdio.h>
#include <string.h>

#define EXT_OFF             1024u
#define BTRFS_OFF           (64u << 10)
#define MD_OFF              4096u /* of version 1.2; 1.1 is at 0 */
#define MD_MAGIC            0xa92b4efcu
#define EXT_HAS_JOURNAL_DEV 0x8u /* it is another one's journal, not a file system */

struct block {
	const uint8_t *bytes;
	size_t len;
};

/* Whether `magic` stands there. */
static bool has(const struct block *b, size_t off, const char *magic, size_t len)
{
	return off <= b->len && len <= b->len - off && memcmp(b->bytes + off, magic, len) == 0;
}

static void set_uuid(char out[static 40], const uint8_t *id)
{
	static const bool dash_before[16] = { [4] = true, [6] = true, [8] = true, [10] = true };
	size_t len = 0;

	if (bytes_are_zero(id, 16))
		return;
	for (size_t i = 0; i < 16; i++)
		len += (size_t)snprintf(out + len, 40 - len, "%s%02x", dash_before[i] ? "-" : "", id[i]);
}

/* Up to the first NUL, without blanks at the end. */
static void set_label(struct boot_superblock *out, const uint8_t *label, size_t room)
{
	size_t len = strnlen((const char *)label, room);

	while (len && label[len - 1] == ' ')
		len--;
	memcpy(out->label, label, len);
	out->label[len] = '\0';
}

static bool parse_ext(struct boot_superblock *out, const struct block *b)
{
	if (b->len < EXT_OFF + 1024 || le16(b->bytes + EXT_OFF + 0x38) != 0xef53 ||
	    le32(b->bytes + EXT_OFF + 0x60) & EXT_HAS_JOURNAL_DEV)
		return false;
	out->kind = "ext4";
	set_uuid(out->uuid, b->bytes + EXT_OFF + 0x68);
	set_label(out, b->bytes + EXT_OFF + 0x78, 16);
	return true;
}

static bool parse_xfs(struct boot_superblock *out, const struct block *b)
{
	if (b->len < 512 || !has(b, 0, "XFSB", 4))
		return false;
	out->kind = "xfs";
	set_uuid(out->uuid, b->bytes + 32);
	set_label(out, b->bytes + 108, 12);
	return true;
}

static bool parse_btrfs(struct boot_superblock *out, const struct block *b)
{
	if (b->len < BTRFS_OFF + 4096 || !has(b, BTRFS_OFF + 64, "_BHRfS_M", 8))
		return false;
	out->kind = "btrfs";
	set_uuid(out->uuid, b->bytes + BTRFS_OFF + 32);
	set_label(out, b->bytes + BTRFS_OFF + 0x12b, 256);
	return true;
}

/* FAT12 and FAT16 have these fields where FAT32 has its own ones, 28 bytes earlier. */
static bool parse_vfat(struct boot_superblock *out, const struct block *b)
{
	if (b->len < 512 || b->bytes[510] != 0x55 || b->bytes[511] != 0xaa)
		return false;
	size_t off = has(b, 82, "FAT32   ", 8) ? 67 : has(b, 54, "FAT16   ", 8) || has(b, 54, "FAT12   ", 8) ? 39 : 0;
	if (!off)
		return false;
	uint32_t serial = le32(b->bytes + off);
	out->kind = "vfat";
	snprintf(out->uuid, sizeof(out->uuid), "%04X-%04X", serial >> 16, serial & 0xffff);
	if (!has(b, off + 4, "NO NAME    ", 11))
		set_label(out, b->bytes + off + 4, 11);
	return true;
}

static const char *container_of(const struct block *b)
{
	for (size_t sector = 0; sector < 4; sector++)
		if (has(b, sector * 512, "LABELONE", 8) && has(b, sector * 512 + 24, "LVM2 001", 8))
			return "LVM";
	if (has(b, 0, "LUKS\xba\xbe", 6))
		return "LUKS";
	if ((b->len >= 4 && le32(b->bytes) == MD_MAGIC) ||
	    (b->len >= MD_OFF + 4 && le32(b->bytes + MD_OFF) == MD_MAGIC))
		return "RAID";
	return NULL;
}

void boot_superblock_parse(struct boot_superblock *out, const uint8_t *head, size_t len)
{
	const struct block b = { head, len };

	*out = (struct boot_superblock){ .kind = container_of(&b) };
	if (!out->kind)
		out->is_mountable =
			parse_btrfs(out, &b) || parse_xfs(out, &b) || parse_ext(out, &b) || parse_vfat(out, &b);
}

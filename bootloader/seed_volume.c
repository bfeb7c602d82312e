/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seed_volume: see seed_volume.h */
#include "seed_volume.h"

#include "bytes.h"
#include "device.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES      32u
#define ROOT_ENTRIES     128u /* a whole sector of 4096 bytes */
#define FATS             2u
#define CLUSTER_FIRST    2u /* the first two numbers are not clusters */
#define CLUSTER_END      0xfffu
#define SHORT_NAME_BYTES 11u
#define LONG_PIECE       13u /* characters in one entry of a long name */
#define LONG_LAST        0x40u
#define ATTR_READ_ONLY   0x01
#define ATTR_VOLUME      0x08
#define ATTR_LONG        0x0f
#define DATE_FIRST       0x0021 /* 1980-01-01: there is no earlier one, and the volume's bytes are the files' alone */

struct volume {
	uint8_t *bytes;
	uint32_t sector_bytes;
	uint32_t fat_bytes; /* of one, in whole sectors */
	uint32_t fat_off, root_off, data_off;
	uint32_t entry;   /* next of the root directory */
	uint32_t cluster; /* next free one; a cluster is a sector */
};

static uint32_t round_up(uint32_t n, uint32_t to)
{
	return (n + to - 1) / to * to;
}

static void lay_out(struct volume *v)
{
	uint32_t sectors = SEED_VOLUME_BYTES / v->sector_bytes;

	v->fat_bytes = round_up((sectors + CLUSTER_FIRST) * 3 / 2 + 1, v->sector_bytes);
	v->fat_off = v->sector_bytes;
	v->root_off = v->fat_off + FATS * v->fat_bytes;
	v->data_off = v->root_off + ROOT_ENTRIES * ENTRY_BYTES;
	v->cluster = CLUSTER_FIRST;
}

static void put_boot_sector(const struct volume *v)
{
	static const uint8_t jump[] = { 0xeb, 0x3c, 0x90 };
	uint8_t *b = v->bytes;

	memcpy(b, jump, sizeof(jump));
	memcpy(b + 3, "VMCAST  ", 8);
	put_le16(b + 11, (uint16_t)v->sector_bytes);
	b[13] = 1; /* sectors of a cluster */
	put_le16(b + 14, 1);
	b[16] = FATS;
	put_le16(b + 17, ROOT_ENTRIES);
	put_le16(b + 19, (uint16_t)(SEED_VOLUME_BYTES / v->sector_bytes));
	b[21] = 0xf8; /* a fixed disk */
	put_le16(b + 22, (uint16_t)(v->fat_bytes / v->sector_bytes));
	put_le16(b + 24, 32); /* sectors of a track, heads: nobody asks any more, and zero is not taken by all */
	put_le16(b + 26, 2);
	b[36] = 0x80;
	b[38] = 0x29; /* what follows is there */
	put_le32(b + 39, 0x766d6361);
	memcpy(b + 43, "CIDATA     FAT12   ", 19);
	put_le16(b + 510, 0xaa55);
}

/* Two entries share three bytes. */
static void set_fat(const struct volume *v, uint32_t cluster, uint32_t value)
{
	for (uint32_t nr = 0; nr < FATS; nr++) {
		uint8_t *p = v->bytes + v->fat_off + nr * v->fat_bytes + cluster * 3 / 2;

		if (cluster % 2)
			put_le16(p, (uint16_t)(value << 4 | (p[0] & 0x0fu)));
		else
			put_le16(p, (uint16_t)((p[1] & 0xf0u) << 8 | value));
	}
}

static uint8_t *next_entry(struct volume *v)
{
	assert(v->entry < ROOT_ENTRIES);
	return v->bytes + v->root_off + v->entry++ * ENTRY_BYTES;
}

static void put_entry(struct volume *v, const char short_name[static SHORT_NAME_BYTES], uint8_t attributes,
		      uint32_t cluster, uint32_t bytes)
{
	uint8_t *entry = next_entry(v);

	memcpy(entry, short_name, SHORT_NAME_BYTES);
	entry[11] = attributes;
	put_le16(entry + 16, DATE_FIRST);
	put_le16(entry + 18, DATE_FIRST);
	put_le16(entry + 24, DATE_FIRST);
	put_le16(entry + 26, (uint16_t)cluster);
	put_le32(entry + 28, bytes);
}

static void make_short_name(char out[static SHORT_NAME_BYTES], const char *name)
{
	memset(out, ' ', SHORT_NAME_BYTES);
	for (size_t i = 0; i < 6 && name[i]; i++)
		out[i] = (char)toupper((unsigned char)name[i]);
	memcpy(out + 6, "~1", 2);
}

static uint8_t short_name_sum(const char short_name[static SHORT_NAME_BYTES])
{
	uint8_t sum = 0;

	for (size_t i = 0; i < SHORT_NAME_BYTES; i++)
		sum = (uint8_t)((sum & 1 ? 0x80 : 0) + (sum >> 1) + (uint8_t)short_name[i]);
	return sum;
}

/* Characters of 16 bits; the name's end is a NUL, and what is left of its piece are ones. */
static void put_long_piece(struct volume *v, const char *name, size_t nr, bool is_last, uint8_t sum)
{
	static const uint8_t places[LONG_PIECE] = { 1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30 };
	uint8_t *entry = next_entry(v);
	size_t len = strlen(name);

	entry[0] = (uint8_t)((nr + 1) | (is_last ? LONG_LAST : 0));
	entry[11] = ATTR_LONG;
	entry[13] = sum;
	for (size_t i = 0; i < LONG_PIECE; i++) {
		size_t at = nr * LONG_PIECE + i;

		put_le16(entry + places[i], at < len ? (uint8_t)name[at] : at == len ? 0 : 0xffff);
	}
}

/* The last piece comes first, the short name after all of them. */
static void put_name(struct volume *v, const struct seed_file *file, uint32_t cluster)
{
	char short_name[SHORT_NAME_BYTES];
	size_t pieces = (strlen(file->name) + LONG_PIECE - 1) / LONG_PIECE;

	make_short_name(short_name, file->name);
	for (size_t nr = pieces; nr-- > 0;)
		put_long_piece(v, file->name, nr, nr == pieces - 1, short_name_sum(short_name));
	put_entry(v, short_name, ATTR_READ_ONLY, cluster, (uint32_t)file->bytes);
}

static int put_file(struct volume *v, const struct seed_file *file, struct err *err)
{
	uint32_t end = CLUSTER_FIRST + (SEED_VOLUME_BYTES - v->data_off) / v->sector_bytes;
	size_t clusters = (file->bytes + v->sector_bytes - 1) / v->sector_bytes;

	if (clusters > end - v->cluster)
		return err_set(err, -ENOSPC, "the seed's files do not fit in %u bytes", SEED_VOLUME_BYTES);
	put_name(v, file, clusters ? v->cluster : 0);
	memcpy(v->bytes + v->data_off + (size_t)(v->cluster - CLUSTER_FIRST) * v->sector_bytes, file->data,
	       file->bytes);
	for (size_t i = 0; i < clusters; i++, v->cluster++)
		set_fat(v, v->cluster, i + 1 < clusters ? v->cluster + 1 : CLUSTER_END);
	return 0;
}

int seed_volume_make(uint8_t **out, const struct seed_file *files, size_t count, uint32_t sector_bytes, struct err *err)
{
	struct volume v = { .sector_bytes = sector_bytes, .bytes = device_buffer(SEED_VOLUME_BYTES) };
	int rc = 0;

	assert((sector_bytes == 512 || sector_bytes == 4096) && count <= SEED_VOLUME_FILES_MAX);
	if (!v.bytes)
		return err_set(err, -ENOMEM, "seed: out of memory");
	memset(v.bytes, 0, SEED_VOLUME_BYTES);
	lay_out(&v);
	put_boot_sector(&v);
	set_fat(&v, 0, 0xff8); /* the fixed disk once more */
	set_fat(&v, 1, CLUSTER_END);
	put_entry(&v, "CIDATA     ", ATTR_VOLUME, 0, 0);
	for (size_t i = 0; i < count && !rc; i++) {
		assert(strlen(files[i].name) <= SEED_VOLUME_NAME_MAX);
		rc = put_file(&v, &files[i], err);
	}
	if (rc) {
		explicit_bzero(v.bytes, SEED_VOLUME_BYTES);
		free(v.bytes);
		return rc;
	}
	*out = v.bytes;
	return 0;
}

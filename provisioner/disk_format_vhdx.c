/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_format_vhdx: the headers, region table and metadata of a VHDX. Little-endian. Source: Microsoft, MS-VHDX.
 *
 * Whether its log has something that must be written first is found by QEMU, which then refuses to open the image;
 * of those that QEMU does not read, by us.
 */
#include "disk_format_impl.h"

#include "cleanup.h"

#include <stdlib.h>

#define HEADER_BYTES 4096
#define TABLE_BYTES  65536
#define ENTRIES_MAX  2047
#define MIB          (1u << 20)

/* GUIDs as they lie in the file. */
static const uint8_t guid_bat[16] = { 0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42,
				      0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08 };
static const uint8_t guid_metadata[16] = { 0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
					   0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e };

enum item {
	ITEM_FILE_PARAMETERS,
	ITEM_DISK_SIZE,
	ITEM_PAGE_83,
	ITEM_LOGICAL_SECTOR,
	ITEM_PHYSICAL_SECTOR,
	ITEM_PARENT_LOCATOR,
	ITEM_COUNT,
};

static const struct {
	uint8_t guid[16];
	uint8_t bytes; /* of the value; 0: any */
} items[ITEM_COUNT] = {
	[ITEM_FILE_PARAMETERS] = { { 0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44,
				     0xe7, 0x6b },
				   8 },
	[ITEM_DISK_SIZE] = { { 0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4,
			       0xb8 },
			     8 },
	[ITEM_PAGE_83] = { { 0xab, 0x12, 0xca, 0xbe, 0xe6, 0xb2, 0x23, 0x45, 0x93, 0xef, 0xc3, 0x09, 0xe0, 0x00, 0xc7,
			     0x46 },
			   16 },
	[ITEM_LOGICAL_SECTOR] = { { 0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa,
				    0xab, 0x5f },
				  4 },
	[ITEM_PHYSICAL_SECTOR] = { { 0xc7, 0x48, 0xa3, 0xcd, 0x5d, 0x44, 0x71, 0x44, 0x9c, 0xc9, 0xe9, 0x88, 0x52, 0x51,
				     0xc5, 0x56 },
				   4 },
	[ITEM_PARENT_LOCATOR] = { { 0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34,
				    0xab, 0x0c },
				  0 },
};

/* A place in the file; 0 bytes: there is none. */
struct region {
	uint64_t off, bytes;
};

/* What the metadata says. */
struct values {
	bool seen[ITEM_COUNT];
	uint8_t raw[ITEM_COUNT][16];
};

/* CRC-32C of bytes, of which the four at `skip` count as zeros. */
static uint32_t crc32c(const uint8_t *bytes, size_t len, size_t skip)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= i >= skip && i < skip + 4 ? 0 : bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

static bool is_header(const uint8_t raw[static HEADER_BYTES])
{
	return memcmp(raw, "head", 4) == 0 && le32(raw + 4) == crc32c(raw, HEADER_BYTES, 4);
}

/* There are two, of which the one with the higher number counts; a crash while one is written leaves the other. */
static int check_headers(bool *has_log, const struct image_file *f, struct err *err)
{
	uint8_t raw[2][HEADER_BYTES];
	int rc = image_read(f, raw[0], HEADER_BYTES, 64 << 10, "its header", err);

	if (!rc)
		rc = image_read(f, raw[1], HEADER_BYTES, 128 << 10, "its second header", err);
	if (rc)
		return rc;
	const bool valid[2] = { is_header(raw[0]), is_header(raw[1]) };
	if (!valid[0] && !valid[1])
		return err_set(err, -EBADMSG, "none of its two headers is intact");
	const uint8_t *h = raw[!valid[0] || (valid[1] && le64(raw[1] + 8) > le64(raw[0] + 8))];
	if (le16(h + 66) != 1 || le16(h + 64) != 0)
		return err_set(err, -ENOTSUP, "it is of version %u, its log of version %u, and 1 and 0 are known",
			       le16(h + 66), le16(h + 64));
	*has_log = !bytes_are_zero(h + 48, 16);
	const uint64_t log_bytes = le32(h + 68), log_off = le64(h + 72);
	if (log_off % MIB || log_bytes % MIB || log_off < MIB)
		return err_set(err, -EBADMSG, "its log has %" PRIu64 " bytes at %" PRIu64, log_bytes, log_off);
	return image_holds(f, log_off, log_bytes, "its log", err);
}

static int take_region(struct region *out, const struct image_file *f, const uint8_t entry[static 32], const char *what,
		       struct err *err)
{
	if (out->bytes)
		return err_set(err, -EBADMSG, "its region table has %s twice", what);
	*out = (struct region){ le64(entry + 16), le32(entry + 24) };
	if (out->off % MIB || out->bytes % MIB || out->off < MIB || !out->bytes)
		return err_set(err, -EBADMSG, "%s has %" PRIu64 " bytes at %" PRIu64 ", and neither may be any number",
			       what, out->bytes, out->off);
	return image_holds(f, out->off, out->bytes, what, err);
}

static int read_regions(struct region *bat, struct region *metadata, const struct image_file *f, struct err *err)
{
	CLEANUP(free_mem) uint8_t *raw = malloc(TABLE_BYTES);

	if (!raw)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = image_read(f, raw, TABLE_BYTES, 192 << 10, "its region table", err);
	if (rc)
		return rc;
	const uint32_t count = le32(raw + 8);
	if (memcmp(raw, "regi", 4) != 0 || le32(raw + 4) != crc32c(raw, TABLE_BYTES, 4) || count > ENTRIES_MAX)
		return err_set(err, -EBADMSG, "its region table is not intact");
	for (uint32_t i = 0; i < count && !rc; i++) {
		const uint8_t *entry = raw + 16 + 32 * i;

		if (memcmp(entry, guid_bat, 16) == 0)
			rc = take_region(bat, f, entry, "its block map", err);
		else if (memcmp(entry, guid_metadata, 16) == 0)
			rc = take_region(metadata, f, entry, "its metadata", err);
		else if (le32(entry + 28) & 1)
			rc = err_set(err, -ENOTSUP, "its region table requires a region that is not known");
	}
	if (rc)
		return rc;
	if (!bat->bytes || !metadata->bytes)
		return err_set(err, -EBADMSG, "its region table has no %s", bat->bytes ? "metadata" : "block map");
	if (bat->off < metadata->off + metadata->bytes && metadata->off < bat->off + bat->bytes)
		return err_set(err, -EBADMSG, "its block map and its metadata overlap");
	return 0;
}

static int take_item(struct values *out, const struct image_file *f, const struct region *metadata,
		     const uint8_t entry[static 32], struct err *err)
{
	const uint64_t off = le32(entry + 16), len = le32(entry + 20);
	int nr = 0;

	while (nr < ITEM_COUNT && memcmp(entry, items[nr].guid, 16) != 0)
		nr++;
	if (nr == ITEM_COUNT)
		return le32(entry + 24) & 4 ? err_set(err, -ENOTSUP, "its metadata requires an item that is not known")
					    : 0;
	if (out->seen[nr])
		return err_set(err, -EBADMSG, "its metadata has an item twice");
	out->seen[nr] = true;
	if (!items[nr].bytes)
		return 0;
	if (len != items[nr].bytes || off < TABLE_BYTES || off + len > metadata->bytes)
		return err_set(err, -EBADMSG, "an item of its metadata has %" PRIu64 " bytes at %" PRIu64, len, off);
	return image_read(f, out->raw[nr], (size_t)len, metadata->off + off, "an item of its metadata", err);
}

static int read_metadata(struct values *out, const struct image_file *f, const struct region *metadata, struct err *err)
{
	CLEANUP(free_mem) uint8_t *raw = malloc(TABLE_BYTES);

	if (!raw)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = image_read(f, raw, TABLE_BYTES, metadata->off, "its metadata", err);
	if (rc)
		return rc;
	const unsigned count = le16(raw + 10);
	if (memcmp(raw, "metadata", 8) != 0 || count > ENTRIES_MAX)
		return err_set(err, -EBADMSG, "its metadata is not intact");
	*out = (struct values){ 0 };
	for (unsigned i = 0; i < count && !rc; i++)
		rc = take_item(out, f, metadata, raw + 32 + 32 * i, err);
	for (int nr = 0; nr < ITEM_PARENT_LOCATOR && !rc; nr++) {
		if (!out->seen[nr])
			rc = err_set(err, -EBADMSG, "its metadata lacks an item");
	}
	return rc;
}

static int check_geometry(const struct values *values, const struct region *bat, struct err *err)
{
	const uint32_t block_bytes = le32(values->raw[ITEM_FILE_PARAMETERS]);
	const uint32_t flags = le32(values->raw[ITEM_FILE_PARAMETERS] + 4);
	const uint32_t sector_bytes = le32(values->raw[ITEM_LOGICAL_SECTOR]);
	const uint64_t disk_bytes = le64(values->raw[ITEM_DISK_SIZE]);

	if ((flags & 2) || values->seen[ITEM_PARENT_LOCATOR])
		return err_set(err, -ENOTSUP,
			       "it is a differencing disk (it has a parent), and only what stands alone "
			       "is taken");
	if (!is_power_of_2(block_bytes) || block_bytes < MIB || block_bytes > 256 * MIB)
		return err_set(err, -EBADMSG, "its blocks have %" PRIu32 " bytes", block_bytes);
	if (sector_bytes != 512 && sector_bytes != 4096)
		return err_set(err, -EBADMSG, "its logical sectors have %" PRIu32 " bytes", sector_bytes);
	if (disk_bytes == 0 || disk_bytes % sector_bytes || disk_bytes > 64ull << 40)
		return err_set(err, -EBADMSG, "the size of its disk is %" PRIu64 " bytes, in sectors of %" PRIu32,
			       disk_bytes, sector_bytes);
	/* After the entries of so many blocks comes that of a bitmap, which only differencing disks use. */
	const uint64_t ratio = ((uint64_t)sector_bytes << 23) / block_bytes;
	const uint64_t blocks = divide_up(disk_bytes, block_bytes);
	if ((blocks + (blocks - 1) / ratio) * 8 > bat->bytes)
		return err_set(err, -EBADMSG, "its block map of %" PRIu64 " bytes is too short for %" PRIu64 " blocks",
			       bat->bytes, blocks);
	return 0;
}

int disk_format_check_vhdx(struct disk_format *out, const struct image_file *f, struct err *err)
{
	struct region bat = { 0 }, metadata = { 0 };
	struct values values;
	bool has_log;
	int rc = check_headers(&has_log, f, err);

	if (!rc)
		rc = read_regions(&bat, &metadata, f, err);
	if (!rc)
		rc = read_metadata(&values, f, &metadata, err);
	if (!rc)
		rc = check_geometry(&values, &bat, err);
	if (rc)
		return rc;
	out->disk_bytes = le64(values.raw[ITEM_DISK_SIZE]);
	if (le32(values.raw[ITEM_LOGICAL_SECTOR]) == 512)
		return 0;
	if (has_log)
		return err_set(err, -ENOTSUP,
			       "its log is in use (LogGuid is set): it was not closed cleanly, or not by Hyper-V");
	disk_format_note(out, "its sectors have 4096 bytes");
	const uint32_t block_bytes = le32(values.raw[ITEM_FILE_PARAMETERS]);
	out->map =
		(struct disk_map){ .off = bat.off, .ratio = (4096ull << 23) / block_bytes, .block_bytes = block_bytes };
	return 0;
}

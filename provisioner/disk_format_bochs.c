/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_bochs: the header of a Bochs growing disk. Little-endian. Source: Bochs, iodev/hdimage/hdimage.h. */
#include "disk_format_impl.h"

#define HEADER_BYTES  512
#define VERSION_1     0x00010000u
#define VERSION_2     0x00020000u
#define CATALOG_MAX   0x100000u /* entries; QEMU's bound */
#define EXTENT_MAX    (8u << 20)
#define NOT_ALLOCATED 0xffffffffu

/* Each extent that is allocated has a bitmap of its sectors and all of them, the last one, too. */
static int check_catalog(const struct image_file *f, uint64_t off, uint32_t entries, uint64_t bitmap_bytes,
			 uint64_t extent_bytes, struct err *err)
{
	const uint64_t data_off = off + (uint64_t)entries * 4;
	uint8_t raw[4096];

	for (uint32_t at = 0; at < entries; at += sizeof(raw) / 4) {
		uint32_t count = entries - at < sizeof(raw) / 4 ? entries - at : (uint32_t)sizeof(raw) / 4;
		int rc = image_read(f, raw, count * 4, off + (uint64_t)at * 4, "its catalog", err);

		for (uint32_t i = 0; !rc && i < count; i++) {
			uint32_t place = le32(raw + 4 * i);

			if (place != NOT_ALLOCATED)
				rc = image_holds(f, data_off + place * (bitmap_bytes + extent_bytes),
						 bitmap_bytes + extent_bytes, "an extent", err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

int disk_format_check_bochs(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (rc)
		return rc;
	const uint32_t version = le32(raw + 64), header_bytes = le32(raw + 68), entries = le32(raw + 72);
	const uint32_t bitmap_bytes = le32(raw + 76), extent_bytes = le32(raw + 80);

	if (memcmp(raw + 32, "Redolog", 8) != 0 || memcmp(raw + 48, "Growing", 8) != 0)
		return err_set(err, -ENOTSUP, "it is no growing disk, but one that needs another file");
	if (version != VERSION_1 && version != VERSION_2)
		return err_set(err, -ENOTSUP, "it is of version 0x%08" PRIx32 ", and 1 and 2 are known", version);
	if (header_bytes < HEADER_BYTES || entries > CATALOG_MAX)
		return err_set(err, -EBADMSG, "its header has %" PRIu32 " bytes, its catalog %" PRIu32 " entries",
			       header_bytes, entries);
	if (!is_power_of_2(extent_bytes) || extent_bytes < 512 || extent_bytes > EXTENT_MAX ||
	    (uint64_t)bitmap_bytes * 8 < extent_bytes / 512 || bitmap_bytes > EXTENT_MAX)
		return err_set(err, -EBADMSG, "its extents have %" PRIu32 " bytes, their bitmaps %" PRIu32,
			       extent_bytes, bitmap_bytes);
	const uint64_t disk_bytes = le64(raw + (version == VERSION_1 ? 84 : 88));
	if (divide_up(disk_bytes, extent_bytes) > entries)
		return err_set(err, -EBADMSG,
			       "its disk of %" PRIu64 " bytes does not fit into %" PRIu32 " extents of %" PRIu32,
			       disk_bytes, entries, extent_bytes);
	out->disk_bytes = disk_bytes;
	return check_catalog(f, header_bytes, entries, divide_up(bitmap_bytes, 512) * 512, extent_bytes, err);
}

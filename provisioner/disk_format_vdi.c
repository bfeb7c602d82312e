/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_vdi: the header of VDI, version 1.1. Little-endian. Source: QEMU, block/vdi.c; VirtualBox, VDICore.h. */
#include "disk_format_impl.h"

#define HEADER_BYTES 512
#define VERSION_1_1  0x00010001u
#define BLOCK_BYTES  (1u << 20)
#define UNALLOCATED  0xfffffffeu /* and 0xffffffff: zeros */

enum {
	TYPE_DYNAMIC = 1,
	TYPE_FIXED = 2,
};

static int check_kind(const uint8_t raw[static HEADER_BYTES], struct err *err)
{
	const uint32_t version = le32(raw + 68), type = le32(raw + 76);

	if (version != VERSION_1_1)
		return err_set(err, -ENOTSUP, "it is of version %" PRIu32 ".%" PRIu32 ", and 1.1 is known",
			       version >> 16, version & 0xffff);
	if (type != TYPE_DYNAMIC && type != TYPE_FIXED)
		return err_set(err, -ENOTSUP,
			       "its type is %" PRIu32
			       " (3: undo, 4: differencing), and only what stands alone is taken",
			       type);
	if (!bytes_are_zero(raw + 424, 32))
		return err_set(err, -ENOTSUP,
			       "it names a parent (uuidLinkage, uuidParentModify), and only what stands "
			       "alone is taken");
	return 0;
}

/* Each block that is allocated is all there: the checks of QEMU go by their number alone, and read what is not as zeros. */
static int check_map(const struct image_file *f, uint64_t map_off, uint64_t data_off, uint64_t entries, struct err *err)
{
	uint8_t raw[4096];

	for (uint64_t at = 0; at < entries; at += sizeof(raw) / 4) {
		size_t count = entries - at < sizeof(raw) / 4 ? (size_t)(entries - at) : sizeof(raw) / 4;
		int rc = image_read(f, raw, count * 4, map_off + at * 4, "its block map", err);

		for (size_t i = 0; !rc && i < count; i++) {
			uint64_t place = le32(raw + 4 * i);

			if (place < UNALLOCATED)
				rc = image_holds(f, data_off + place * BLOCK_BYTES, BLOCK_BYTES, "a block", err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

int disk_format_check_vdi(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (!rc)
		rc = check_kind(raw, err);
	if (rc)
		return rc;
	const uint32_t map_off = le32(raw + 340), data_off = le32(raw + 344), sector_bytes = le32(raw + 360);
	const uint32_t block_bytes = le32(raw + 376), extra_bytes = le32(raw + 380);
	const uint64_t disk_bytes = le64(raw + 368), blocks = le32(raw + 384), allocated = le32(raw + 388);

	if (sector_bytes != 512 || block_bytes != BLOCK_BYTES || extra_bytes)
		return err_set(err, -ENOTSUP,
			       "cbSector is %" PRIu32 ", cbBlock %" PRIu32 ", cbBlockExtra %" PRIu32
			       ", and 512, %u and 0 are known",
			       sector_bytes, block_bytes, extra_bytes, BLOCK_BYTES);
	if (divide_up(disk_bytes, BLOCK_BYTES) > blocks || allocated > blocks)
		return err_set(err, -EBADMSG,
			       "its disk of %" PRIu64 " bytes does not fit into %" PRIu64 " blocks, or more of them "
			       "(%" PRIu64 ") are allocated than there are",
			       disk_bytes, blocks, allocated);
	if (map_off < HEADER_BYTES || map_off % 512 || data_off % 512 || map_off + blocks * 4 > data_off)
		return err_set(err, -EBADMSG, "offBlocks is %" PRIu32 ", offData %" PRIu32, map_off, data_off);
	out->disk_bytes = disk_bytes;
	rc = image_holds(f, data_off, allocated * BLOCK_BYTES, "its data", err);
	return rc ? rc : check_map(f, map_off, data_off, divide_up(disk_bytes, BLOCK_BYTES), err);
}

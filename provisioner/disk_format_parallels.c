/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_format_parallels: the header of a Parallels expanding image, as Virtuozzo's and OpenVZ's ploop has it, too.
 * Little-endian. Source: QEMU, docs/interop/parallels.txt.
 */
#include "disk_format_impl.h"

#define HEADER_BYTES 64
#define IN_USE       0x746F6E59u
#define BLOCK_MAX    (1u << 21) /* sectors: 1 GiB, more than any that there is */

/* Each block that is allocated is all there. `unit_sectors`: what an entry counts in. */
static int check_map(const struct image_file *f, uint32_t entries, uint64_t unit_sectors, uint64_t block_sectors,
		     struct err *err)
{
	uint8_t raw[4096];

	for (uint32_t at = 0; at < entries; at += sizeof(raw) / 4) {
		uint32_t count = entries - at < sizeof(raw) / 4 ? entries - at : (uint32_t)sizeof(raw) / 4;
		int rc = image_read(f, raw, count * 4, HEADER_BYTES + (uint64_t)at * 4, "its block map", err);

		for (uint32_t i = 0; !rc && i < count; i++) {
			uint64_t place = le32(raw + 4 * i);

			if (place)
				rc = image_holds(f, place * unit_sectors * 512, block_sectors * 512, "a block", err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

int disk_format_check_parallels(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (rc)
		return rc;
	const uint32_t version = le32(raw + 16), block_sectors = le32(raw + 28), entries = le32(raw + 32);
	const uint32_t in_use = le32(raw + 44), data_off = le32(raw + 48);
	const bool is_extended = memcmp(raw, "WithouFreSpacExt", 16) == 0;
	/* The older format has 32 bits for it. */
	const uint64_t sectors = is_extended ? le64(raw + 36) : le32(raw + 36);

	if (version != 2)
		return err_set(err, -ENOTSUP, "it is of version %" PRIu32 ", and 2 is known", version);
	if (in_use == IN_USE)
		return err_set(err, -ENOTSUP,
			       "it was not closed cleanly (in use: 0x%08" PRIx32
			       "); `qemu-img check -r all` repairs that",
			       in_use);
	if (!block_sectors || block_sectors > BLOCK_MAX)
		return err_set(err, -EBADMSG, "its blocks have %" PRIu32 " sectors", block_sectors);
	if (divide_up(sectors, block_sectors) > entries)
		return err_set(err, -EBADMSG, "its disk of %" PRIu64 " sectors does not fit into %" PRIu32 " blocks",
			       sectors, entries);
	const uint64_t map_end = HEADER_BYTES + (uint64_t)entries * 4;
	/* 0, in the older format: right behind the map. */
	if (data_off ? (uint64_t)data_off * 512 < map_end : is_extended)
		return err_set(err, -EBADMSG, "its data is said to begin at sector %" PRIu32 ", inside of its map",
			       data_off);
	out->disk_bytes = sectors > UINT64_MAX / 512 ? UINT64_MAX : sectors * 512;
	return check_map(f, entries, is_extended ? block_sectors : 1, block_sectors, err);
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk_format_vpc: the footer of a VHD (Virtual PC, Virtual Iron, XenServer), fixed or dynamic. Big-endian. Source:
 * Microsoft, Virtual Hard Disk Image Format Specification, 1.0.
 */
#include "disk_format_impl.h"

#define FOOTER_BYTES  512
#define DYNAMIC_BYTES 1024
#define NOT_ALLOCATED 0xffffffffu
/* The largest disk that cylinders, heads and sectors can tell; a larger one has this, too. */
#define CHS_SECTORS_MAX (65535ull * 16 * 255)

enum {
	TYPE_FIXED = 2,
	TYPE_DYNAMIC = 3,
	TYPE_DIFFERENCING = 4,
};

struct footer {
	uint64_t dynamic_off;
	uint64_t disk_bytes;            /* of the two that follow, the one that its maker means */
	uint64_t size_bytes, chs_bytes; /* the field; cylinders x heads x sectors per track */
	bool by_size;
	uint32_t type;
	uint8_t unique_id[16];
};

/* The one's complement of the sum of all bytes but those of the checksum itself. */
static uint32_t checksum(const uint8_t *raw, size_t len, size_t checksum_off)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i >= checksum_off && i < checksum_off + 4 ? 0 : raw[i];
	return ~sum;
}

/*
 * Virtual PC, and QEMU unless it is told otherwise, mean the geometry; everybody else the size field: Hyper-V, Azure,
 * XenServer, Disk2vhd, VirtualBox. QEMU's driver knows some of these only, which would cut the others' disks off.
 */
static bool is_by_size(const uint8_t creator[static 4])
{
	return memcmp(creator, "vpc ", 4) != 0 && memcmp(creator, "qemu", 4) != 0;
}

static int read_footer(struct footer *out, const struct image_file *f, uint64_t at, const char *what, struct err *err)
{
	uint8_t raw[FOOTER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), at, what, err);

	if (rc)
		return rc;
	if (memcmp(raw, "conectix", 8) != 0)
		return err_set(err, -EBADMSG, "%s is not where it must be, at %" PRIu64, what, at);
	if (be32(raw + 64) != checksum(raw, sizeof(raw), 64))
		return err_set(err, -EBADMSG, "the checksum of %s is 0x%08" PRIx32 ", and 0x%08" PRIx32 " is right",
			       what, be32(raw + 64), checksum(raw, sizeof(raw), 64));
	if (be32(raw + 12) != 0x00010000)
		return err_set(err, -ENOTSUP, "it is of version 0x%08" PRIx32 ", and 0x00010000 is known",
			       be32(raw + 12));
	*out = (struct footer){ .dynamic_off = be64(raw + 16),
				.size_bytes = be64(raw + 48),
				.chs_bytes = (uint64_t)be16(raw + 56) * raw[58] * raw[59] * 512,
				.type = be32(raw + 60) };
	memcpy(out->unique_id, raw + 68, sizeof(out->unique_id));
	out->by_size = is_by_size(raw + 28) || out->chs_bytes / 512 >= CHS_SECTORS_MAX;
	out->disk_bytes = out->by_size ? out->size_bytes : out->chs_bytes;
	if (raw[84])
		return err_set(err, -ENOTSUP, "it is of a machine that was suspended (saved state is %u)", raw[84]);
	if (out->type == TYPE_DIFFERENCING)
		return err_set(err, -ENOTSUP,
			       "it is a differencing disk (type 4), and only what stands alone is taken");
	return 0;
}

static int check_type(const struct footer *footer, uint32_t type, const char *what, struct err *err)
{
	if (footer->type == type)
		return 0;
	return err_set(err, -EBADMSG, "the type in %s is %" PRIu32 ", and %" PRIu32 " belongs there", what,
		       footer->type, type);
}

/* Every block that is allocated has a bitmap of its sectors and all of them. */
static int check_map(const struct image_file *f, uint64_t off, uint32_t entries, uint64_t block_bytes, struct err *err)
{
	const uint64_t bitmap_bytes = divide_up(block_bytes / 512 / 8, 512) * 512;
	uint8_t raw[4096];

	for (uint32_t at = 0; at < entries; at += sizeof(raw) / 4) {
		uint32_t count = entries - at < sizeof(raw) / 4 ? entries - at : (uint32_t)sizeof(raw) / 4;
		int rc = image_read(f, raw, count * 4, off + (uint64_t)at * 4, "its block map", err);

		for (uint32_t i = 0; !rc && i < count; i++) {
			uint32_t sector = be32(raw + 4 * i);

			if (sector != NOT_ALLOCATED)
				rc = image_holds(f, (uint64_t)sector * 512, bitmap_bytes + block_bytes, "a block", err);
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int check_dynamic(const struct footer *footer, const struct image_file *f, struct err *err)
{
	uint8_t raw[DYNAMIC_BYTES];
	int rc = image_read(f, raw, sizeof(raw), footer->dynamic_off, "its dynamic header", err);

	if (rc)
		return rc;
	if (memcmp(raw, "cxsparse", 8) != 0 || be32(raw + 36) != checksum(raw, sizeof(raw), 36))
		return err_set(err, -EBADMSG, "what data_offset, %" PRIu64 ", leads to is no dynamic header",
			       footer->dynamic_off);
	const uint64_t map_off = be64(raw + 16);
	const uint32_t entries = be32(raw + 28), block_bytes = be32(raw + 32);
	for (size_t i = 0; i < 8; i++) {
		if (be32(raw + 576 + 24 * i))
			return err_set(err, -ENOTSUP, "it has a parent locator, and only what stands alone is taken");
	}
	if (!is_power_of_2(block_bytes) || block_bytes < 4096 || block_bytes > 256u << 20)
		return err_set(err, -EBADMSG, "its blocks have %" PRIu32 " bytes", block_bytes);
	if (divide_up(footer->disk_bytes, block_bytes) > entries)
		return err_set(err, -EBADMSG,
			       "its disk of %" PRIu64 " bytes does not fit into %" PRIu32 " blocks of %" PRIu32,
			       footer->disk_bytes, entries, block_bytes);
	return check_map(f, map_off, entries, block_bytes, err);
}

/* A dynamic disk begins with a copy of its footer. The two must tell the same disk. */
static int check_copies(const struct footer *head, const struct image_file *f, struct err *err)
{
	struct footer foot;

	if (f->bytes < 2 * FOOTER_BYTES)
		return err_set(err, -EBADMSG, "it ends before its footer");
	int rc = read_footer(&foot, f, f->bytes - FOOTER_BYTES, "its footer", err);
	if (!rc)
		rc = check_type(&foot, TYPE_DYNAMIC, "its footer", err);
	if (rc)
		return rc;
	if (foot.size_bytes != head->size_bytes || foot.chs_bytes != head->chs_bytes ||
	    foot.dynamic_off != head->dynamic_off || memcmp(foot.unique_id, head->unique_id, sizeof(foot.unique_id)))
		return err_set(err, -EBADMSG,
			       "its footer and the copy at its beginning tell different disks (%" PRIu64 " and %" PRIu64
			       " bytes)",
			       foot.disk_bytes, head->disk_bytes);
	return 0;
}

static int check_fixed(struct footer *footer, const struct image_file *f, struct err *err)
{
	uint8_t magic[8];
	int rc = image_read(f, magic, sizeof(magic), f->bytes - FOOTER_BYTES, "its footer", err);

	if (!rc && memcmp(magic, "conectix", 8) != 0)
		return err_set(err, -ENOTSUP, "its footer has 511 bytes, as Virtual PC before 2004 wrote it");
	if (!rc)
		rc = read_footer(footer, f, f->bytes - FOOTER_BYTES, "its footer", err);
	if (!rc)
		rc = check_type(footer, TYPE_FIXED, "a footer that is only at the end", err);
	if (rc)
		return rc;
	if (footer->disk_bytes > f->bytes - FOOTER_BYTES)
		return err_set(err, -EBADMSG, "its disk is said to have %" PRIu64 " bytes, and %" PRIu64 " are there",
			       footer->disk_bytes, f->bytes - FOOTER_BYTES);
	return 0;
}

int disk_format_check_vpc(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t magic[8];
	struct footer footer;
	int rc = image_read(f, magic, sizeof(magic), 0, "its header", err);

	if (rc)
		return rc;
	if (memcmp(magic, "conectix", 8) == 0) {
		rc = read_footer(&footer, f, 0, "the copy of its footer", err);
		if (!rc)
			rc = check_type(&footer, TYPE_DYNAMIC, "the copy of its footer", err);
		if (!rc)
			rc = check_copies(&footer, f, err);
		if (!rc)
			rc = check_dynamic(&footer, f, err);
	} else {
		rc = check_fixed(&footer, f, err);
	}
	if (rc)
		return rc;
	out->disk_bytes = footer.disk_bytes;
	out->size_calc = footer.by_size ? "current_size" : "chs";
	if (footer.by_size && footer.chs_bytes != footer.size_bytes && footer.chs_bytes / 512 < CHS_SECTORS_MAX)
		disk_format_note(out,
				 "its disk has the %" PRIu64 " bytes of its size field, its geometry says %" PRIu64,
				 footer.size_bytes, footer.chs_bytes);
	if (footer.disk_bytes != footer.size_bytes)
		disk_format_note(out,
				 "its disk has the %" PRIu64 " bytes of its geometry, its size field says %" PRIu64,
				 footer.chs_bytes, footer.size_bytes);
	return 0;
}

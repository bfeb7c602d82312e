/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_qcow2: the header of qcow2, versions 2 and 3. Big-endian. Source: QEMU, docs/interop/qcow2.txt. */
#include "disk_format_impl.h"

#define V2_HEADER_BYTES 72
#define V3_HEADER_BYTES 104

/* What QEMU takes, too: a disk of 2 EiB in the largest clusters, one of 128 GiB in the smallest. */
#define L1_BYTES_MAX             (32u << 20)
#define REFCOUNT_TABLE_BYTES_MAX (8u << 20)
#define SNAPSHOTS_MAX            65536u

/* Bits of incompatible_features. */
#define DIRTY              (1u << 0)
#define CORRUPT            (1u << 1)
#define EXTERNAL_DATA_FILE (1u << 2)
#define COMPRESSION_TYPE   (1u << 3)
#define EXTENDED_L2        (1u << 4)
#define KNOWN_FEATURES     (DIRTY | CORRUPT | EXTERNAL_DATA_FILE | COMPRESSION_TYPE | EXTENDED_L2)

enum {
	EXTENSION_END = 0,
	EXTENSION_DATA_FILE = 0x44415441,
	EXTENSION_ENCRYPTION = 0x0537be77,
};

struct header {
	uint32_t version;
	uint64_t backing_off;
	uint32_t cluster_bits;
	uint64_t disk_bytes;
	uint32_t crypt_method;
	uint32_t l1_entries;
	uint64_t l1_off;
	uint64_t refcount_table_off;
	uint32_t refcount_table_clusters;
	uint32_t snapshots;
	uint64_t snapshots_off;
	/* from here on of version 3 */
	uint64_t incompatible_features;
	uint32_t refcount_order;
	uint32_t header_bytes;
	uint8_t compression_type;
};

static int read_header(struct header *h, const struct image_file *f, struct err *err)
{
	uint8_t raw[V3_HEADER_BYTES + 1] = { 0 };
	int rc = image_read(f, raw, V2_HEADER_BYTES, 0, "its header", err);

	if (rc)
		return rc;
	*h = (struct header){ .version = be32(raw + 4),
			      .backing_off = be64(raw + 8),
			      .cluster_bits = be32(raw + 20),
			      .disk_bytes = be64(raw + 24),
			      .crypt_method = be32(raw + 32),
			      .l1_entries = be32(raw + 36),
			      .l1_off = be64(raw + 40),
			      .refcount_table_off = be64(raw + 48),
			      .refcount_table_clusters = be32(raw + 56),
			      .snapshots = be32(raw + 60),
			      .snapshots_off = be64(raw + 64),
			      .refcount_order = 4,
			      .header_bytes = V2_HEADER_BYTES };
	if (h->version == 2)
		return 0;
	if (h->version != 3)
		return err_set(err, -ENOTSUP, "it is of version %" PRIu32 ", and 2 and 3 are known", h->version);
	rc = image_read(f, raw, sizeof(raw), 0, "its header", err);
	h->incompatible_features = be64(raw + 72);
	h->refcount_order = be32(raw + 96);
	h->header_bytes = be32(raw + 100);
	if (h->header_bytes > V3_HEADER_BYTES)
		h->compression_type = raw[104];
	return rc;
}

/* What is written in plain words about itself: that it is not all, not readable, or not well. */
static int check_features(const struct header *h, struct err *err)
{
	const uint64_t features = h->incompatible_features;

	if (h->backing_off)
		return err_set(err, -ENOTSUP,
			       "it has a backing file (backing_file_offset is %" PRIu64
			       "), and only what stands alone is taken",
			       h->backing_off);
	if (features & EXTERNAL_DATA_FILE)
		return err_set(err, -ENOTSUP, "its data is in another file (incompatible feature bit 2)");
	if (h->crypt_method)
		return err_set(err, -ENOTSUP, "it is encrypted (crypt_method is %" PRIu32 ")", h->crypt_method);
	if (features & CORRUPT)
		return err_set(err, -EBADMSG, "it is marked corrupt (incompatible feature bit 1)");
	if (features & DIRTY)
		return err_set(err, -ENOTSUP,
			       "it was not closed cleanly (dirty, incompatible feature bit 0); `qemu-img check -r all` "
			       "repairs that");
	if (features & ~(uint64_t)KNOWN_FEATURES)
		return err_set(err, -ENOTSUP, "it has incompatible features that are not known (0x%" PRIx64 ")",
			       features & ~(uint64_t)KNOWN_FEATURES);
	/* zlib is the absence of the field, zstd is 1. */
	if (h->compression_type > 1 || (h->compression_type != 0) != ((features & COMPRESSION_TYPE) != 0))
		return err_set(err, -ENOTSUP, "compression_type is %u, which is not known", h->compression_type);
	return 0;
}

static int check_geometry(const struct header *h, struct err *err)
{
	if (h->cluster_bits < 9 || h->cluster_bits > 21)
		return err_set(err, -EBADMSG, "cluster_bits is %" PRIu32 ", and may be 9 to 21", h->cluster_bits);
	if ((h->incompatible_features & EXTENDED_L2) && h->cluster_bits < 14)
		return err_set(err, -EBADMSG, "cluster_bits is %" PRIu32 ", and extended L2 entries need 14",
			       h->cluster_bits);
	if (h->refcount_order > 6)
		return err_set(err, -EBADMSG, "refcount_order is %" PRIu32 ", and may be 0 to 6", h->refcount_order);
	if (h->version == 3 &&
	    (h->header_bytes < V3_HEADER_BYTES || h->header_bytes % 8 || h->header_bytes > 1u << h->cluster_bits))
		return err_set(err, -EBADMSG, "header_length is %" PRIu32, h->header_bytes);
	return 0;
}

static int check_table(const struct header *h, const struct image_file *f, uint64_t off, uint64_t bytes, uint64_t max,
		       const char *what, struct err *err)
{
	if (off % (1u << h->cluster_bits) || off == 0)
		return err_set(err, -EBADMSG, "%s lies at %" PRIu64 ", which is not where a cluster begins", what, off);
	if (bytes > max)
		return err_set(err, -ENOTSUP, "%s has %" PRIu64 " bytes, and may have %" PRIu64, what, bytes, max);
	return image_holds(f, off, bytes, what, err);
}

static int check_tables(const struct header *h, const struct image_file *f, struct err *err)
{
	const unsigned entry_bits = h->incompatible_features & EXTENDED_L2 ? 4 : 3;
	const unsigned l1_entry_bits = h->cluster_bits + h->cluster_bits - entry_bits; /* of disk, for each */
	const uint64_t l1_needed = divide_up(h->disk_bytes, 1ull << l1_entry_bits);
	const uint64_t refcount_bytes = (uint64_t)h->refcount_table_clusters << h->cluster_bits;

	if (h->l1_entries < l1_needed)
		return err_set(err, -EBADMSG, "l1_size is %" PRIu32 ", and its disk needs %" PRIu64, h->l1_entries,
			       l1_needed);
	if (!h->refcount_table_clusters)
		return err_set(err, -EBADMSG, "refcount_table_clusters is 0");
	int rc = check_table(h, f, h->l1_off, (uint64_t)h->l1_entries * 8, L1_BYTES_MAX, "its L1 table", err);
	if (!rc)
		rc = check_table(h, f, h->refcount_table_off, refcount_bytes, REFCOUNT_TABLE_BYTES_MAX,
				 "its refcount table", err);
	if (rc || !h->snapshots)
		return rc;
	if (h->snapshots > SNAPSHOTS_MAX)
		return err_set(err, -ENOTSUP, "nb_snapshots is %" PRIu32 ", and may be %u", h->snapshots,
			       SNAPSHOTS_MAX);
	/* 40: the least that an entry has. */
	return check_table(h, f, h->snapshots_off, (uint64_t)h->snapshots * 40, UINT64_MAX, "its snapshot table", err);
}

/* What follows the header in its cluster, as type, length and data. */
static int check_extensions(const struct header *h, const struct image_file *f, struct err *err)
{
	const uint64_t end = 1ull << h->cluster_bits;

	for (uint64_t at = h->header_bytes; at + 8 <= end;) {
		uint8_t raw[8];
		int rc = image_read(f, raw, sizeof(raw), at, "a header extension", err);

		if (rc)
			return rc;
		const uint32_t type = be32(raw), len = be32(raw + 4);
		if (type == EXTENSION_END)
			return 0;
		if (type == EXTENSION_DATA_FILE)
			return err_set(err, -ENOTSUP, "a header extension names a data file");
		if (type == EXTENSION_ENCRYPTION)
			return err_set(err, -ENOTSUP, "a header extension is about encryption");
		if (len > end - at - 8)
			return err_set(err, -EBADMSG,
				       "header extension 0x%08" PRIx32 " has %" PRIu32
				       " bytes, which its cluster has not",
				       type, len);
		at += 8 + ((uint64_t)len + 7) / 8 * 8;
	}
	return 0;
}

int disk_format_check_qcow2(struct disk_format *out, const struct image_file *f, struct err *err)
{
	struct header h;
	int rc = read_header(&h, f, err);

	if (!rc)
		rc = check_features(&h, err);
	if (!rc)
		rc = check_geometry(&h, err);
	if (!rc)
		rc = check_tables(&h, f, err);
	if (!rc)
		rc = check_extensions(&h, f, err);
	if (rc)
		return rc;
	out->disk_bytes = h.disk_bytes;
	if (h.snapshots)
		disk_format_note(out, "%" PRIu32 " internal snapshot%s ignored; the disk is as it is now", h.snapshots,
				 h.snapshots == 1 ? " is" : "s are");
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_qcow: the header of qcow, version 1. Big-endian. Source: QEMU, block/qcow.c (there is no specification). */
#include "disk_format_impl.h"

#define HEADER_BYTES 48
#define PIECE        4096 /* of a table, in memory */
#define COMPRESSED   (1ull << 63)

struct tables {
	const struct image_file *f;
	unsigned cluster_bits, l2_bits;
	uint64_t left_bytes; /* of the file: tables of more than all of it overlap */
};

/* What an entry of an L2 table leads to is in the file. */
static int check_cluster(struct tables *t, uint64_t entry, struct err *err)
{
	const unsigned size_off = 63 - t->cluster_bits;
	const uint64_t cluster_bytes = 1ull << t->cluster_bits;

	if (entry & COMPRESSED)
		return image_holds(t->f, entry & ((1ull << size_off) - 1), entry >> size_off & (cluster_bytes - 1),
				   "a compressed cluster", err);
	return image_holds(t->f, entry, cluster_bytes, "a cluster", err);
}

static int check_table(struct tables *t, uint64_t off, uint64_t entries,
		       int (*check)(struct tables *t, uint64_t entry, struct err *err), const char *what,
		       struct err *err)
{
	uint8_t raw[PIECE];

	for (uint64_t at = 0; at < entries; at += PIECE / 8) {
		size_t count = entries - at < PIECE / 8 ? (size_t)(entries - at) : PIECE / 8;
		int rc = image_read(t->f, raw, count * 8, off + at * 8, what, err);

		for (size_t i = 0; !rc && i < count; i++)
			rc = be64(raw + 8 * i) ? check(t, be64(raw + 8 * i), err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

static int check_l2(struct tables *t, uint64_t entry, struct err *err)
{
	const uint64_t bytes = 8ull << t->l2_bits;

	if (bytes > t->left_bytes)
		return err_set(err, -EBADMSG, "its L2 tables overlap");
	t->left_bytes -= bytes;
	return check_table(t, entry, 1ull << t->l2_bits, check_cluster, "an L2 table", err);
}

int disk_format_check_qcow(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (rc)
		return rc;
	const uint64_t backing_off = be64(raw + 8), disk_bytes = be64(raw + 24), l1_off = be64(raw + 40);
	const unsigned cluster_bits = raw[32], l2_bits = raw[33];
	const uint32_t crypt_method = be32(raw + 36);

	if (backing_off)
		return err_set(err, -ENOTSUP,
			       "it has a backing file (backing_file_offset is %" PRIu64
			       "), and only what stands alone is taken",
			       backing_off);
	if (crypt_method)
		return err_set(err, -ENOTSUP, "it is encrypted (crypt_method is %" PRIu32 ")", crypt_method);
	if (cluster_bits < 9 || cluster_bits > 16)
		return err_set(err, -EBADMSG, "cluster_bits is %u, and may be 9 to 16", cluster_bits);
	if (l2_bits < 6 || l2_bits > 13)
		return err_set(err, -EBADMSG, "l2_bits is %u, and may be 6 to 13", l2_bits);
	struct tables t = { .f = f, .cluster_bits = cluster_bits, .l2_bits = l2_bits, .left_bytes = f->bytes };
	out->disk_bytes = disk_bytes;
	return check_table(&t, l1_off, divide_up(disk_bytes, 1ull << (cluster_bits + l2_bits)), check_l2,
			   "its L1 table", err);
}

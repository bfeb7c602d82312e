/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_qed: the header of QED. Little-endian. Source: QEMU, docs/interop/qed_spec.txt. */
#include "disk_format_impl.h"

#define HEADER_BYTES 64

/* Bits of features. */
#define BACKING_FILE     (1u << 0)
#define NEEDS_CHECK      (1u << 1)
#define BACKING_NO_PROBE (1u << 2)

int disk_format_check_qed(struct disk_format *out, const struct image_file *f, struct err *err)
{
	uint8_t raw[HEADER_BYTES];
	int rc = image_read(f, raw, sizeof(raw), 0, "its header", err);

	if (rc)
		return rc;
	const uint32_t cluster_bytes = le32(raw + 4), table_clusters = le32(raw + 8), header_clusters = le32(raw + 12);
	const uint64_t features = le64(raw + 16), l1_off = le64(raw + 40), disk_bytes = le64(raw + 48);

	if (features & (BACKING_FILE | BACKING_NO_PROBE))
		return err_set(err, -ENOTSUP,
			       "it has a backing file (features is 0x%" PRIx64 "), and only what stands alone is taken",
			       features);
	if (features & NEEDS_CHECK)
		return err_set(err, -ENOTSUP,
			       "it was not closed cleanly (feature bit 1); `qemu-img check -r all` repairs that");
	if (features)
		return err_set(err, -ENOTSUP, "it has features that are not known (0x%" PRIx64 ")", features);
	if (!is_power_of_2(cluster_bytes) || cluster_bytes < 4096 || cluster_bytes > 64u << 20)
		return err_set(err, -EBADMSG, "cluster_size is %" PRIu32, cluster_bytes);
	if (!is_power_of_2(table_clusters) || table_clusters > 16)
		return err_set(err, -EBADMSG, "table_size is %" PRIu32, table_clusters);
	const uint64_t table_bytes = (uint64_t)cluster_bytes * table_clusters;
	const uint64_t l2_covers = table_bytes / 8 * cluster_bytes; /* at most 2^53: no overflow */
	if (divide_up(disk_bytes, l2_covers) > table_bytes / 8)
		return err_set(err, -EBADMSG, "image_size is %" PRIu64 ", which its tables cannot hold", disk_bytes);
	if (l1_off % cluster_bytes || l1_off < (uint64_t)header_clusters * cluster_bytes || !header_clusters)
		return err_set(err, -EBADMSG, "l1_table_offset is %" PRIu64 ", header_size %" PRIu32, l1_off,
			       header_clusters);
	out->disk_bytes = disk_bytes;
	return image_holds(f, l1_off, table_bytes, "its L1 table", err);
}

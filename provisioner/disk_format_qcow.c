/* SPDX-License-Identifier: GPL-2.0-or-later */
/* disk_format_qcow: the header of qcow, version 1. Big-endian. Source: QEMU, block/qcow.c (there is no specification). */
#include "disk_format_impl.h"

#define HEADER_BYTES 48

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
	out->disk_bytes = disk_bytes;
	return image_holds(f, l1_off, divide_up(disk_bytes, 1ull << (cluster_bits + l2_bits)) * 8, "its L1 table", err);
}

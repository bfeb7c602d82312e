/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_vmdk: a VMDK whose descriptor and extents are files of their own -> which extents, and for sparse ones, which of
 * their grains hold data. QEMU opens neither: the files that a descriptor names may be anything, so we look for them in
 * the archive alone; and a sparse extent is no disk by itself. Source: VMware, "Virtual Disk Format 5.0".
 */
#ifndef VMCAST_UNPACK_VMDK_H
#define VMCAST_UNPACK_VMDK_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMDK_EXTENTS_MAX          4096
#define VMDK_DESCRIPTOR_BYTES_MAX (1u << 20)

enum vmdk_extent_kind { VMDK_FLAT, VMDK_SPARSE, VMDK_ZERO };

struct vmdk_extent {
	enum vmdk_extent_kind kind;
	uint64_t disk_bytes;
	char *file;        /* NULL for VMDK_ZERO */
	uint64_t file_off; /* of VMDK_FLAT */
};

struct vmdk {
	struct vmdk_extent *extents; /* in disk order, nothing between them */
	size_t extent_count;
	uint64_t disk_bytes;
	char create_type[40];
};

/* `what` names the file in errors. Caller frees with vmdk_free. -ENOTSUP a parent, a device, a kind of extent we do not know. */
int vmdk_parse(struct vmdk **out, const char *what, const char *text, size_t len, struct err *err);
void vmdk_free(struct vmdk **vmdk);

/* A hosted sparse extent, its header checked. */
struct vmdk_sparse {
	uint64_t disk_bytes, grain_bytes;
	uint64_t grain_count, table_entries; /* per grain table */
	uint64_t directory_off;              /* of the grain directory, in the file */
	bool has_zero_grains;                /* grain 1 is one of zeros, not at sector 1 */
	uint64_t file_bytes;
};

#define VMDK_HEADER_BYTES 512u

/* `header`: the first VMDK_HEADER_BYTES of a file of `file_bytes`. */
int vmdk_sparse_init(struct vmdk_sparse *out, const uint8_t *header, uint64_t file_bytes, struct err *err);

/*
 * Where grain `nr` lies, by its two table entries (little-endian as in the file); 0: it is a hole. vmdk_sparse_table_off is
 * where the directory's entry for it is; then vmdk_sparse_entry_off, with that entry, where the table's is (0: no
 * table, a hole). -EBADMSG it lies outside of the file.
 */
uint64_t vmdk_sparse_table_off(const struct vmdk_sparse *s, uint64_t nr);
int vmdk_sparse_entry_off(uint64_t *out, const struct vmdk_sparse *s, uint64_t nr, uint32_t directory_entry,
			  struct err *err);
int vmdk_sparse_grain_off(uint64_t *out, const struct vmdk_sparse *s, uint64_t nr, uint32_t table_entry,
			  struct err *err);

#endif

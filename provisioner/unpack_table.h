/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unpack_table: partition tables: whether bytes are a disk by having one (or a file system), and making one for images of
 * single partitions. Sources: UEFI Specification 2.10 chapter 5 (MBR and GPT).
 */
#ifndef VMCAST_UNPACK_TABLE_H
#define VMCAST_UNPACK_TABLE_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_PARTITIONS_MAX 64
/* Before the first partition, and behind the last one: 1 MiB, to which every partition is aligned, too. */
#define TABLE_MARGIN_BYTES (1u << 20)
#define TABLE_SECTOR       512u

enum table_kind { TABLE_NONE, TABLE_MBR, TABLE_GPT };

/* The table that a disk has, by its first SNIFF_HEAD_BYTES: entries must be plausible; a boot sector alone is none. */
enum table_kind table_find(const uint8_t *head, size_t len);

/* A table, or a file system we know: something a machine could use as a disk. */
bool table_looks_like_disk(const uint8_t *head, size_t len);

/* By a partition's own first bytes. */
bool table_is_swap(const uint8_t *head, size_t len);

struct table_partition {
	uint64_t bytes; /* of its image */
	bool swap, active;
	uint64_t disk_off, disk_bytes; /* out: where it lies; its length is rounded up to sectors */
};

/*
 * Lay `count` partitions out, in their order. `*disk_bytes` is the disk they need; `*head` and `*tail` (each
 * TABLE_MARGIN_BYTES, caller's) go to its beginning and end. An MBR where it can say it all, else a GPT, whose GUIDs
 * follow from the sizes, so that the same archive is always the same disk. -EFBIG.
 */
int table_make(uint64_t *disk_bytes, uint8_t *head, uint8_t *tail, struct table_partition *partitions, size_t count,
	       struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table_fit: makes the partition table of an image fit the disk that it is written to, which may be larger: the backup GPT
 * moves to the end of the disk, the last partition grows if that is wanted, and a seed's volume gets a partition of its own at the
 * end. In memory: who writes the disk decides when it gets there. File systems are left as they are.
 *
 * The seed is at the end, and not behind the image, so that the image's last partition has room to grow.
 *
 * Source: UEFI 2.10, 5.2.1 (MBR), 5.2.3 (protective MBR) and 5.3 (GPT).
 */
#ifndef VMCAST_TABLE_FIT_H
#define VMCAST_TABLE_FIT_H

#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* So much of the beginning of a disk has the whole of its table. */
#define TABLE_FIT_HEAD 65536u
/* Entries and header of a backup GPT, of which the former must be in the head, too. */
#define TABLE_FIT_BACKUP_MAX (TABLE_FIT_HEAD + 4096u)

struct table_fit_disk {
	uint64_t image_bytes; /* the disk begins with the image */
	uint64_t disk_bytes;
	uint32_t sector_bytes; /* 512 or 4096 */
	uint64_t seed_bytes;   /* whole MiB; 0: no partition for a seed */
	bool grow;             /* the last partition, to what is left of the disk, in whole MiB */
};

struct table_fit_change {
	uint64_t seed_off;     /* of the seed's partition, in bytes; 0: none */
	uint64_t grown_bytes;  /* of the partition that has grown, as it is now; 0: none has */
	uint64_t backup_off;   /* where the disk's backup GPT is to be written */
	uint32_t backup_bytes; /* 0: it stays where it is, or there is none */
	uint8_t backup[TABLE_FIT_BACKUP_MAX];
};

/*
 * Change the first TABLE_FIT_HEAD bytes of an image, zeros where it is shorter. Of a disk as large as the image, and without a
 * GPT, nothing is changed unless `disk` asks for it. -ENOSPC: no room behind the image, or no entry is free, and how much is
 * missing; -ENOTSUP: there is no table for what is asked, or it is not a right one. `head` is only changed, and `*out` only filled,
 * on success.
 */
int table_fit(struct table_fit_change *out, uint8_t head[static TABLE_FIT_HEAD], const struct table_fit_disk *disk,
	      struct err *err);

struct table_partition {
	uint32_t number; /* from 1 */
	uint64_t first, sectors;
	uint8_t id[16];
};

/* The first partition of this type in the GPT at the beginning of a disk. -ENOENT: there is none, or no GPT that is right. */
int table_find_partition(struct table_partition *out, uint8_t head[static TABLE_FIT_HEAD], uint32_t sector_bytes,
			 const uint8_t type[static 16], struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seed_partition: one more entry in the partition table of an image, for the seed's volume at the end of the disk that it is
 * written to. In memory: who writes the disk decides when it gets there.
 *
 * At the end, and not behind the image, so that the image's last partition has room to grow.
 *
 * Source: UEFI 2.10, 5.2.3 (protective MBR) and 5.3 (GPT).
 */
#ifndef VMCAST_SEED_PARTITION_H
#define VMCAST_SEED_PARTITION_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* So much of the beginning of a disk has the whole of its table. */
#define SEED_PARTITION_HEAD 65536u
/* Entries and header of a backup GPT, of which the former must be in the head, too. */
#define SEED_PARTITION_BACKUP_MAX (SEED_PARTITION_HEAD + 4096u)

struct seed_partition_disk {
	uint64_t image_bytes; /* the disk begins with the image */
	uint64_t disk_bytes;
	uint32_t sector_bytes; /* 512 or 4096 */
	uint64_t need_bytes;   /* whole MiB */
};

struct seed_partition {
	uint64_t off;          /* of the partition, in bytes */
	uint64_t backup_off;   /* where the disk's backup GPT is to be written */
	uint32_t backup_bytes; /* 0: the disk has an MBR only */
	uint8_t backup[SEED_PARTITION_BACKUP_MAX];
};

/*
 * Change the first SEED_PARTITION_HEAD bytes of an image. -ENOSPC: no room behind the image, or no
 * entry is free, and how much is missing; -ENOTSUP: there is no table, or it is not a right one, or the image is shorter. `head` is only changed, and `*out`
 * only filled, on success.
 */
int seed_partition_add(struct seed_partition *out, uint8_t head[static SEED_PARTITION_HEAD],
		       const struct seed_partition_disk *disk, struct err *err);

#endif

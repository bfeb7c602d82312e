/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * labels: where on a disk a system looks for what is on it: superblocks, and labels of LVM, RAID, ZFS, swap. They are at
 * the beginning and the end of the disk and of each of its partitions, and btrfs has copies further in. What an old system
 * left there would be taken for the new one's.
 *
 * The partitions are those of the image's own table (UEFI 2.10, 5.2 MBR and 5.3 GPT). It is as hostile as the image, but all
 * that a wrong one does is to name places where nobody looks.
 */
#ifndef VMCAST_LABELS_H
#define VMCAST_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* GPTs have room for 128, an MBR for 4, and there is the disk itself. */
#define LABELS_PARTITIONS_MAX 144u

/* btrfs keeps copies of its superblock here in what it lies on; the first one is at 64 KiB. */
#define LABELS_BTRFS_COPIES 2u
extern const uint64_t labels_btrfs_copies[LABELS_BTRFS_COPIES];

struct labels {
	struct labels_partition {
		uint64_t from;
		uint64_t to;
		bool is_extended;            /* of an MBR: partitions begin anywhere in it */
	} partitions[LABELS_PARTITIONS_MAX]; /* in bytes, the disk itself first */
	size_t count;
};

/* From an image's first `len` bytes. False: they have a table that cannot be followed. */
bool labels_read(struct labels *out, const uint8_t *head, size_t len, uint64_t disk_bytes);

/* Whether somebody may look for a label in from..to-1. */
bool labels_are_in(const struct labels *l, uint64_t from, uint64_t to);

#endif

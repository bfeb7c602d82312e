/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_superblock: what a partition holds, by the few bytes that say so, and the names that boot loaders find it by.
 * Sources: the kernel's Documentation/filesystems/ext4 (super block), the XFS Algorithms and Data Structures guide, btrfs'
 * on-disk format (btrfs.readthedocs.io), Microsoft's FAT specification 1.03.
 */
#ifndef VMCAST_BOOT_SUPERBLOCK_H
#define VMCAST_BOOT_SUPERBLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* btrfs' is the one that is furthest in. */
#define BOOT_SUPERBLOCK_BYTES ((64u << 10) + 4096u)

struct boot_superblock {
	const char *
		kind; /* ext4 (2 and 3 as well), xfs, btrfs, vfat; LVM, LUKS, RAID are not mounted; NULL: none of them */
	bool is_mountable;
	char uuid[40]; /* as root=UUID= has it */
	char label[260];
};

/* From the first `len` bytes. */
void boot_superblock_parse(struct boot_superblock *out, const uint8_t *head, size_t len);

#endif

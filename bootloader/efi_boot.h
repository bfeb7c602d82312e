/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * efi_boot: the entry by which UEFI firmware starts the disk that was written, as the next thing and once (BootNext). In the firmware's
 * order it stands behind the entry that the machine was booted by now, which is the network's: so the next network boot still comes,
 * and what it hands on to is the disk. Entries of earlier runs are removed.
 *
 * Source: UEFI 2.10, 3.1.3 (load options), 3.3 (Boot####, BootOrder, BootNext, BootCurrent), 3.5.1.1 (the loader's place), 10.3.5.1
 * and 10.3.5.4 (hard drive and file path nodes).
 */
#ifndef VMCAST_EFI_BOOT_H
#define VMCAST_EFI_BOOT_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

/* An EFI system partition. */
struct efi_boot_partition {
	uint32_t number;
	uint64_t first, sectors;
	uint8_t id[16]; /* of the partition, as its GPT has it */
};

/*
 * `folder`: where efivarfs is. `*what`: the entry, for people. -EROFS, -ENOSPC and the like: the firmware takes no more; -EBADMSG: it
 * does not give back what it was given. The firmware then starts what it would have started, as before.
 */
int efi_boot_next(char *what, size_t room, const char *folder, const struct efi_boot_partition *partition,
		  struct err *err);

#endif

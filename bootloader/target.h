/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * target: which disk gets the image. It is never guessed: exactly one disk must qualify, or there is a refusal that
 * says for each disk why not.
 */
#ifndef VMCAST_TARGET_H
#define VMCAST_TARGET_H

#include "disk.h"

struct target_need {
	const char *name;      /* of the item's disk, foreign text; only where there are several */
	uint64_t disk_bytes;   /* the image's */
	uint32_t sector_bytes; /* logical sector size its GPT is made for; 0: any will do */
	const char *rule;      /* NULL: the machine must have exactly one disk that can be taken */
};

/*
 * Choose among `list`; `*out` is borrowed from it. -ENODEV: no disk qualifies; -ENOTUNIQ: several do. In both cases the
 * error says for each disk why not. The one that qualifies is then checked as target_check does.
 */
int target_choose(const struct disk **out, const struct disk_list *list, const struct target_need *need,
		  struct err *err);

/*
 * The same for each disk of an item that has several: each is chosen by a rule of its own, and no two may come to be the
 * same. `out` has room for `count`. -ENOTUNIQ also where a rule is missing; the error then lists the item's disks and the
 * machine's.
 */
int target_choose_all(const struct disk **out, const struct disk_list *list, const struct target_need *needs,
		      size_t count, struct err *err);

/*
 * Check one disk that the user named by its path: refused only for what would destroy something in use or cannot work.
 * -EBUSY, or -ENOSPC (too small), -ENOTSUP (sector size).
 */
int target_check(const struct disk *disk, const struct target_need *need, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settle: the machine's disks, once all of them have had time to show up. "Exactly one" is only true of such a list. */
#ifndef VMCAST_SETTLE_H
#define VMCAST_SETTLE_H

#include "disk.h"

/* Where disks are looked for, and the time. */
struct settle_world {
	const char *root;                                         /* as disk_list_read's */
	uint64_t (*now_ms)(void *ctx);                            /* since the machine started */
	int (*sleep_ms)(void *ctx, uint64_t ms, struct err *err); /* an error ends it all */
	void *ctx;
};

/*
 * Look at the disks until the list has been the same for long enough, and replace `*list` (empty, or of disk_list_read)
 * with it. `has_rule`: a rule chooses among them. -EBUSY: they did not settle. settle.c says how long
 * "enough" is.
 */
int settle_disks(struct disk_list *list, bool has_rule, const struct settle_world *world, struct err *err);

#endif

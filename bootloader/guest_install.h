/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest_install: makes room for an item's guest on the node, before anything of it is written: what the guest asks for is compared
 * with what the node has, the hypervisor pack is got, the store is found or made, and the files that the write engine fills are
 * named. The guest is one when its record is saved (guest_install_commit); until then it is the rest of a run.
 */
#ifndef VMCAST_GUEST_INSTALL_H
#define VMCAST_GUEST_INSTALL_H

#include "boot_plan.h"
#include "guest_store.h"
#include "progress.h"
#include "service.h"

struct guest_install {
	struct guest_record record;
	char disk_paths[GUEST_DISKS_MAX][GUEST_PATH]; /* of the item's disks, in their order */
	struct disk node_disk;                        /* that the store is on */
};

/* All is borrowed. */
struct guest_install_question {
	const struct boot_plan *plan; /* of landing "guest" */
	const char
		*rule; /* that chooses the node's disk where there is no store yet; NULL: the one that can be taken */
	const struct disk_list *list; /* settled */
	const struct service *service;
	struct progress *progress;
};

/*
 * -ENOSPC, -ENOTSUP: the node cannot give what the guest asks for; nothing was touched. -ENOTUNIQ, -ENODEV: as target_choose. After
 * it the item is no guest of this node until guest_install_commit.
 */
int guest_install_prepare(struct guest_install *out, const struct guest_install_question *question, struct err *err);

/* The disks are written and flushed. `seed`: SEED_VOLUME_BYTES of a volume that the guest finds as a disk; NULL: none. */
int guest_install_commit(struct guest_install *install, const uint8_t *seed, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* seed_machine: the seed that a machine's assignment names, as the store has both, for who signs it and who gives it away. */
#ifndef VMCAST_SEED_MACHINE_H
#define VMCAST_SEED_MACHINE_H

#include "seed.h"

/*
 * `machine` has a seed; `item` is what it is assigned. -ENOENT: there is no such seed; -EINVAL: what is wrong with it. Caller ends it with
 * seed_document_done.
 */
int seed_machine_make(struct seed_document *out, const struct config *config, struct store *store,
		      const struct store_machine *machine, const struct store_item *item, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ingest: an announced enclosure -> a deployable image: download (resumable, into spool/) -> verify length and digest ->
 * uncompress -> chunk -> image.zst + index, fsynced, renamed into images/<image-id>/ as one step.
 */
#ifndef VMCAST_INGEST_H
#define VMCAST_INGEST_H

#include "config.h"
#include "store.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

/*
 * Ingest one claimed item and record the outcome in the store (ready, or failed with the reason). Progress goes to the store
 * about once a second. -EKEYREJECTED: it proves less than its feed's policy asks for; it is refused. `*stop` ends it early with -ECANCELED, what was downloaded is kept and the item is announced again.
 */
int ingest_item(struct store *store, const struct config *config, const struct store_item *item,
		const atomic_bool *stop, struct err *err);

/* Whether it failed for want of something that this host has again later, whatever the source. */
static inline bool ingest_is_shortage(int code)
{
	return code == -ENOSPC || code == -EDQUOT || code == -ENOMEM || code == -EMFILE || code == -ENFILE;
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sweep: clears from the state folder what nothing names any more, finds images that are named and not there, and makes
 * room for new ones. */
#ifndef VMCAST_SWEEP_H
#define VMCAST_SWEEP_H

#include "err.h"
#include "store.h"

#include <stdbool.h>

/*
 * At start, while nothing is ingested: remove from spool/ whatever is no download that an item waits for (to be
 * ingested, or tried again). Items whose image is not on the disk as the store describes it are asked for again.
 * Where an image cannot be looked at, or none of all that there are is there, nothing is forgotten: an error, with what
 * to do.
 */
int sweep_start(struct store *store, struct err *err);

/* While nothing is ingested: the same for spool/, what sweep_collect removes, and from feeds/ the documents of feeds that
 * were removed. */
int sweep_idle(struct store *store, struct err *err);

/* What was removed, or would be. */
struct sweep_entry {
	enum { SWEEP_VERSION, SWEEP_IMAGE } kind;
	char name[STORE_IMAGE_CHARS]; /* of an image its id, of a version its item's */
	uint64_t version;
	uint64_t bytes; /* 0 of a version: its images are entries of their own */
};
struct sweep_list {
	struct sweep_entry *rows;
	size_t count;
	uint64_t bytes;
};

/*
 * Forget old versions beyond as many as are to be kept, and remove from images/ what then no version or running job
 * wants. `dry_run`: only tell. Any thread, any time. Caller frees with sweep_list_free.
 */
int sweep_collect(struct store *store, bool dry_run, struct sweep_list *out, struct err *err);
void sweep_list_free(struct sweep_list *list);

/* -ENOENT: not one of `blobs` has a folder. That is a file system that is not mounted more likely than a loss. */
int sweep_check_mounted(struct store *store, const struct store_blob_list *blobs, struct err *err);

/* What images and the deltas between them take. */
int sweep_used_bytes(const struct store *store, uint64_t *out, struct err *err);

/*
 * With store_images_lock held: make room for `bytes` more below images/, which is to have at most `bytes_max` (0: no
 * limit). What nothing wants goes first, then all deltas, then old versions, the oldest first. -EDQUOT: even without all of them there
 * would not be enough; then no version is forgotten.
 */
int sweep_make_room(struct store *store, uint64_t bytes_max, uint64_t bytes, struct err *err);

#endif

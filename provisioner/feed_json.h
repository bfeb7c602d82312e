/* SPDX-License-Identifier: GPL-2.0-or-later */
/* feed_json: what an item has several of (mirrors, disks, categories), and a feed's notes -> one JSON text for the
 * store, and back. */
#ifndef VMCAST_FEED_JSON_H
#define VMCAST_FEED_JSON_H

#include "err.h"
#include "feed.h"

#include <jansson.h>

/* Caller frees `*out`; NULL where the item has none of these. */
int feed_item_pack(char **out, const struct feed_item *item, struct err *err);

/* Into an item that has none yet; NULL text leaves it so. -EBADMSG: not what feed_item_pack wrote, and the item has none. */
int feed_item_unpack(struct feed_item *item, const char *text, struct err *err);

/* [{"line", "refused", "text"}]. NULL: out of memory. Caller frees with json_decref. */
json_t *feed_notes_json(const struct feed_note *notes, size_t count);

#endif

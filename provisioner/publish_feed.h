/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_feed: the feed of a publisher's folder, `feed.xml`: read, changed, replaced as one step. What we did not write into
 * it (somebody's <category>, another item's elements) stays as it is. The dialect is the oldest there is, RSS 2.0 with a
 * uuid and one plain enclosure, then our own elements (docs/feed-extension.md), which other readers pass over.
 *
 * An item names files by URLs. Here they are paths below the folder; in the document the base URL stands in front of them,
 * which is kept in the channel's <atom:link rel="self">. Without one they are relative to the feed.
 */
#ifndef VMCAST_PUBLISH_FEED_H
#define VMCAST_PUBLISH_FEED_H

#include "content.h"
#include "digest.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISH_UUID_CHARS 37 /* with the final NUL */

/* What stands above the items. NULL: as it is; in a new feed, what there is by default. */
struct publish_channel {
	const char *title, *link, *description, *language;
	const char *base_url; /* of the folder, as web servers serve it; with or without a slash at its end */
};

/* Texts are UTF-8 without control bytes; NULL where there is none to tell. */
struct publish_item {
	const char *uuid, *title, *description; /* never NULL */
	const char *link;                       /* NULL: the channel's */
	int64_t published;                      /* s since 1970 */
	const char *file;                       /* the enclosure: a path below the folder */
	const char *type;
	uint64_t length;
	const uint8_t *digest; /* SHA-256 of the enclosure, DIGEST_BYTES long */
	const char *arch, *firmware;
	uint64_t disk_bytes, memory_bytes; /* 0: not told */
	const struct content_disk
		*disks;    /* the deployable form: images/<id>/index and image.zst; the boot disk first */
	size_t disk_count; /* 0: there is none */
};

struct publish_feed;

/*
 * Read `<folder>/feed.xml`, or begin one if there is none. -EEXIST: there is a file that this program did not write, which
 * is left alone; -EBADMSG: it did, and it is damaged; -EINVAL: a text or URL of `channel` cannot be used. Caller frees with
 * publish_feed_close.
 */
int publish_feed_open(struct publish_feed **out, const char *folder, const struct publish_channel *channel,
		      struct err *err);
void publish_feed_close(struct publish_feed **feed);

/* What stands in front of paths in the document, ending in a slash; "": nothing, they are relative. Borrowed. */
const char *publish_feed_base(const struct publish_feed *feed);

/* The uuid that an item of this title has in this feed: the same every time, so that a title names an item. */
void publish_feed_uuid(const struct publish_feed *feed, char out[static PUBLISH_UUID_CHARS], const char *title);

/* Put an item in front of all others, in place of the one that had its uuid: 1, or 0 if there was none. */
int publish_feed_put(struct publish_feed *feed, const struct publish_item *item, struct err *err);
/* -ENOENT: there is no such item. */
int publish_feed_remove(struct publish_feed *feed, const char *uuid, struct err *err);

/* Replace the document on the disk. Everything its items name must be flushed before. */
int publish_feed_save(struct publish_feed *feed, struct err *err);

/*
 * Remove the files that items named which were replaced or removed, and that no item names any more: after
 * publish_feed_save only. Nothing else is ever removed. One that cannot be removed is passed over.
 */
void publish_feed_sweep(struct publish_feed *feed);

#endif

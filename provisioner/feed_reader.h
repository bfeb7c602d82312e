/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed_reader: an RSS or Atom document -> the raw texts of its channel and of one item after the other, under the same
 * names for both. What is hostile about XML ends here: no DTD, no entities, no network, and bounds on depth, names,
 * lengths and numbers; what the texts say is feed.c's business.
 */
#ifndef VMCAST_FEED_READER_H
#define VMCAST_FEED_READER_H

#include "err.h"
#include "feed.h"

#include <stddef.h>

/* Of one text, before HTML is taken out of it; the rest is dropped. */
#define FEED_RAW_TEXT_MAX (64u << 10)
/* Hours of a day and days of a week. */
#define FEED_SKIPS_MAX 31u

enum feed_field {
	FIELD_TITLE,
	FIELD_DESCRIPTION, /* Atom: subtitle, summary */
	FIELD_CONTENT,     /* Atom: content, for want of a summary */
	FIELD_LINK,
	FIELD_LANGUAGE,
	FIELD_UUID,
	FIELD_GUID, /* Atom: id */
	FIELD_PUB_DATE,
	FIELD_UPDATED, /* Atom, for want of a date of publication */
	FIELD_TTL,
	FIELD_HASH, /* media:hash of no media:content in particular */
	/* from FEED_NAMESPACE */
	FIELD_DIGEST,
	FIELD_ARCHITECTURE,
	FIELD_FIRMWARE,
	FIELD_DISK,
	FIELD_MEMORY,
	FIELD_LANDING,
	FIELD_CMDLINE,
	FIELD_COUNT,
};

/* One enclosure, Atom link or media:content. */
struct draft_enclosure {
	unsigned line;
	bool media;                                /* a media:content */
	char *url, *type, *length, *digest, *arch; /* attributes; the last two of ours */
	char *medium, *is_default;                 /* of a media:content */
	char *hash;                                /* its media:hash of SHA-256 */
};

enum draft_image_field {
	IMAGE_INDEX,
	IMAGE_IMAGE,
	IMAGE_ID,
	IMAGE_INDEX_BYTES,
	IMAGE_IMAGE_BYTES,
	IMAGE_DISK_BYTES,
	IMAGE_NAME,
	IMAGE_BUS,
	IMAGE_FIELDS,
};
extern const char *const draft_image_names[IMAGE_FIELDS]; /* their attributes' names */

/* One vmcast:image. */
struct draft_image {
	unsigned line;
	char *attributes[IMAGE_FIELDS];
};

/* Texts are UTF-8 (what libxml2 lets through), NULL where the document has none. Of several the first counts. */
struct feed_draft {
	unsigned line;
	char *texts[FIELD_COUNT];
	const char *doubled; /* one of our own elements that came more than once, NULL: none did */
	char unknown[64];    /* one in our namespace that we do not know; empty: none */
	char *permalink;     /* attribute isPermaLink of the guid */
	bool weak_hash;      /* a media:hash of another algorithm than SHA-256 */
	struct draft_enclosure enclosures[FEED_ENCLOSURES_MAX];
	size_t enclosure_count, enclosures_dropped;
	struct draft_image images[FEED_DISKS_MAX];
	size_t image_count, images_dropped;
	char *categories[FEED_CATEGORIES_MAX];
	size_t category_count, categories_dropped;
	char *skips[FEED_SKIPS_MAX]; /* of a channel: texts of <hour> and <day> */
	size_t skip_count;
};

/* The draft is borrowed during the call. A failure ends the reading. */
struct feed_handler {
	int (*on_item)(void *ctx, const struct feed_draft *item, struct err *err);
	int (*on_channel)(void *ctx, const struct feed_draft *channel, struct err *err); /* once, after all items */
	void *ctx;
};

/*
 * `*form` is "RSS 2.0" or "Atom 1.0", static. -EBADMSG no feed, not well-formed, or with a DTD; -ENOTSUP its encoding;
 * -EFBIG beyond a limit; or what the handler returned.
 */
int feed_read(const char **form, const char *xml, size_t len, const struct feed_limits *limits,
	      const struct feed_handler *handler, struct err *err);

#endif

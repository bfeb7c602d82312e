/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed_reader: an RSS document -> the raw texts of its channel and of one item after the other. What is hostile about
 * XML ends here: no DTD, no entities, no network, and bounds on depth, names and lengths; what the texts say is
 * feed.c's business.
 */
#ifndef VMCAST_FEED_READER_H
#define VMCAST_FEED_READER_H

#include "err.h"
#include "feed.h"

#include <stddef.h>

/* Of one text, before HTML is taken out of it; the rest is dropped. */
#define FEED_RAW_TEXT_MAX (64u << 10)

enum feed_field {
	FIELD_TITLE,
	FIELD_DESCRIPTION,
	FIELD_LINK,
	FIELD_LANGUAGE,
	FIELD_UUID,
	FIELD_GUID,
	FIELD_PUB_DATE,
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

/* Texts are UTF-8 (what libxml2 lets through), NULL where the document has none. Of several the first counts. */
struct feed_draft {
	char *texts[FIELD_COUNT];
	const char *doubled; /* one of our own elements that came more than once, NULL: none did */
	unsigned enclosures;
	char *url, *type, *length; /* attributes of the first enclosure */
};

/* The draft is borrowed during the call. A failure ends the reading. */
struct feed_handler {
	int (*on_item)(void *ctx, const struct feed_draft *item, struct err *err);
	int (*on_channel)(void *ctx, const struct feed_draft *channel, struct err *err); /* once, after all items */
	void *ctx;
};

/* -EBADMSG no RSS, not well-formed, or with a DTD; -EFBIG beyond a limit; or what the handler returned. */
int feed_read(const char *xml, size_t len, const struct feed_limits *limits, const struct feed_handler *handler,
	      struct err *err);

#endif

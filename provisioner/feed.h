/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed: a VMcast document (RSS 2.0 with one enclosure per item; DESIGN.md 5) -> struct feed. Source: RSS 2.0.11 and the
 * dialects in the wild. The document is hostile: no DTD, no entities of its own, no network, every length bounded.
 */
#ifndef VMCAST_FEED_H
#define VMCAST_FEED_H

#include "digest.h"
#include "err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_NAMESPACE "urn:vmcast:1"
#define FEED_TEXT_MAX  4096u /* bytes of any one text; longer ones are cut at a character with a note */

struct feed_limits {
	uint64_t bytes_max; /* the document */
	uint64_t items_max;
};

/* Strings are UTF-8 without control bytes (titles: one line); NULL where the document has none. */
struct feed_item {
	char *uuid;        /* <uuid>, else <guid>, else the enclosure's URL; never NULL */
	char *title;       /* never NULL: falls back to the uuid */
	char *description; /* HTML tags removed */
	char *link;
	int64_t published; /* seconds since 1970, 0 unknown */
	char *url;         /* enclosure, as written (may be relative to the feed) ; never NULL */
	char *type;        /* enclosure's MIME type, lower case */
	uint64_t length;   /* enclosure's length in bytes, 0 unknown */
	/* vmcast: extension elements */
	bool has_digest;
	uint8_t digest[DIGEST_BYTES]; /* vmcast:digest, SHA-256 of the enclosure's bytes as served */
	char *arch;                   /* vmcast:architecture: x86_64 (default when NULL), aarch64 */
	char *firmware;               /* vmcast:firmware: "bios", "uefi", or NULL for both */
	uint64_t disk_bytes_min;
	uint64_t memory_bytes_min;
	char *landing; /* disk (default when NULL), kexec, guest */
	char *cmdline;
};

struct feed {
	char *title; /* never NULL */
	char *link;
	char *description;
	char *language;
	char *uuid;
	struct feed_item *items; /* in document order, each usable and each uuid once */
	size_t item_count;
	char **notes; /* one line for each item or field that was passed over, and why */
	size_t note_count;
};

/*
 * Parse `len` bytes. An item that cannot be used (no enclosure, bad URL, a uuid that came before, a length that is no
 * number) is left out with a note; a document that is no RSS feed, has a DTD, or exceeds a limit is refused whole
 * (-EBADMSG, -EFBIG). Caller frees with feed_free.
 */
int feed_parse(struct feed **out, const char *xml, size_t len, const struct feed_limits *limits, struct err *err);
void feed_free(struct feed **feed);

#endif

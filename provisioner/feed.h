/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed: a VMcast document (RSS 2.0 or Atom 1.0, with Media RSS and our own elements; docs/feed-extension.md) -> struct
 * feed. Source: RSS 2.0.11, RFC 4287, Media RSS 1.5.1 and the dialects in the wild. The document is hostile: no DTD, no
 * entities of its own, no network, every length and every number of things bounded.
 */
#ifndef VMCAST_FEED_H
#define VMCAST_FEED_H

#include "digest.h"
#include "err.h"
#include "proof.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FEED_NAMESPACE "urn:vmcast:1"
#define FEED_TEXT_MAX  4096u /* bytes of any one text; longer ones are cut at a character with a note */

#define FEED_CATEGORIES_MAX 32u /* of an item; more are dropped with a note, as are more enclosures */
#define FEED_ENCLOSURES_MAX 16u /* of an item, of all architectures */
#define FEED_DISKS_MAX      64u /* of an item; one with more is left out */

struct feed_limits {
	uint64_t bytes_max; /* the document */
	uint64_t items_max;
};

/* One place to fetch an item's bytes from. */
struct feed_enclosure {
	char *url;       /* as written (may be relative to the feed); never NULL */
	char *type;      /* MIME type, lower case */
	uint64_t length; /* bytes, 0 unknown */
	/* SHA-256 of the bytes as served: its own vmcast:digest or media:hash, else the item's */
	bool has_digest;
	uint8_t digest[DIGEST_BYTES];
};

/*
 * One disk in the form that machines are given (deployable.h), so that a subscriber need not convert:
 *
 *   <vmcast:image index="URL" image="URL" id="SHA-256 of the index, hex" index_bytes="" image_bytes="" disk_bytes=""
 *                 name="" bus=""/>
 *
 * (vmcast:disk is another element: the smallest disk that the item fits on.)
 */
struct feed_disk {
	char *index_url, *image_url; /* as written; never NULL */
	uint8_t id[DIGEST_BYTES];
	uint64_t index_bytes, image_bytes, disk_bytes;
	char *name; /* NULL: not said */
	char *bus;  /* "virtio", "scsi", "ide", "sata", "nvme", "xen"; NULL: not said */
};

/* Strings are UTF-8 without control bytes (titles: one line); NULL where the document has none. */
struct feed_item {
	unsigned line; /* of the document */
	/* <uuid>, else <guid>, else the first enclosure's URL; never NULL. An item with enclosures for several
	 * architectures becomes one item for each: the uuid of those that are not its own gets "#" and the architecture. */
	char *uuid;
	char *title;       /* never NULL: falls back to the uuid */
	char *description; /* HTML tags removed */
	char *link;
	char **categories;
	size_t category_count;
	int64_t published; /* seconds since 1970, 0 unknown */
	/* The enclosure to try first: as struct feed_enclosure. */
	char *url;
	char *type;
	uint64_t length;
	bool has_digest;
	uint8_t digest[DIGEST_BYTES];
	/* Of the weakest enclosure. No document says it of itself: it is found out when the document is fetched. */
	enum proof proof;
	/* Those to try in order when it cannot be had. They may be of another form and have other digests. */
	struct feed_enclosure *mirrors;
	size_t mirror_count;
	/* vmcast: extension elements */
	char *arch;     /* vmcast:architecture: x86_64 (default when NULL), aarch64 */
	char *firmware; /* vmcast:firmware: "bios", "uefi", or NULL for both */
	uint64_t disk_bytes_min;
	uint64_t memory_bytes_min;
	char *landing; /* disk (default when NULL), kexec, guest */
	char *cmdline;
	struct feed_disk
		*disks; /* its deployable form, the disk to boot from first; none: to be made from an enclosure */
	size_t disk_count;
};

/* What was passed over, or what a publisher should know. */
struct feed_note {
	unsigned line; /* of the document, 0: none in particular */
	bool refused;  /* an item or enclosure was left out; else advice */
	char *text;    /* one line */
};

struct feed {
	const char *form; /* "RSS 2.0" or "Atom 1.0" */
	char *title;      /* never NULL */
	char *link;
	char *description;
	char *language;
	char *uuid;
	uint32_t ttl_s;          /* do not ask again sooner than this, 0: not said */
	uint32_t skip_hours;     /* bit 0..23: do not ask in this hour of the day, UTC */
	uint8_t skip_days;       /* bit 0 Sunday .. 6 Saturday, UTC */
	struct feed_item *items; /* in document order, each usable and each uuid once */
	size_t item_count;
	struct feed_note *notes;
	size_t note_count;
};

/*
 * Parse `len` bytes. An item that cannot be used (no enclosure, bad URL, a uuid that came before, a length that is no
 * number) is left out with a note; a document that is no feed, has a DTD, or exceeds a limit is refused whole
 * (-EBADMSG, -EFBIG). Caller frees with feed_free.
 */
int feed_parse(struct feed **out, const char *xml, size_t len, const struct feed_limits *limits, struct err *err);
void feed_free(struct feed **feed);
void feed_item_free(struct feed_item *item); /* what the item owns */

#endif

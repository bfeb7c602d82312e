/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * opml: a list of subscriptions as feed readers exchange it (OPML 2.0) -> struct opml, and back. An <outline> with an
 * xmlUrl is a feed, wherever it lies. Ours may have the attribute vmcast:options (feed_options.h).
 */
#ifndef VMCAST_OPML_H
#define VMCAST_OPML_H

#include "err.h"

#include <stddef.h>
#include <stdio.h>

#define OPML_BYTES_MAX (4u << 20)
#define OPML_FEEDS_MAX 10000u

struct opml_feed {
	int line;
	char *url;     /* never NULL */
	char *title;   /* NULL: none */
	char *options; /* as written; NULL: none */
};

struct opml {
	struct opml_feed *feeds; /* in document order */
	size_t count;
};

/* -EBADMSG: not well-formed, with a DTD, or no OPML; -EFBIG: more than the limits above. Caller frees with opml_free. */
int opml_parse(struct opml **out, const char *xml, size_t len, struct err *err);
void opml_free(struct opml **opml);

/* A document of these feeds. -EIO. */
int opml_write(FILE *to, const struct opml_feed *feeds, size_t count, struct err *err);

#endif

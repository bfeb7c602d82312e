/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * feed_trust: a feed whose publisher signs it. From the pinned root metadata (option root=FILE of the feed) to the feed's
 * document and to the length and digest of each enclosure, by the TUF repository in `metadata/` beside the document, whose
 * targets are paths below the document's folder.
 *
 * What was trusted last is kept in `<state_dir>/feeds/<feed id>.trust`, so that a server which shows an older state, one
 * whose time is over, or parts of several is refused, also after a restart. Another root file begins anew.
 */
#ifndef VMCAST_FEED_TRUST_H
#define VMCAST_FEED_TRUST_H

#include "err.h"
#include "feed.h"
#include "http.h"

struct feed_trust;

struct feed_trust_options {
	const char *state_dir;
	const char *feed_id;
	const char *feed_url; /* http or https, and ends in the document's name */
	const char *root;     /* path of the root metadata to trust */
	struct http *http;
};

/*
 * Follow the publisher's metadata to what it says now. Options are borrowed until feed_trust_close. -EINVAL: the URL or
 * the root file cannot be used; else as tuf_open and tuf_refresh.
 */
int feed_trust_open(struct feed_trust **out, const struct feed_trust_options *options, struct err *err);
void feed_trust_close(struct feed_trust **t);

/* The path of the signed document, whole and right; borrowed. -EFBIG: longer than `bytes_max`; else as tuf_find and
 * tuf_download. */
int feed_trust_get_document(const char **path, struct feed_trust *t, uint64_t bytes_max, struct err *err);

/*
 * Every enclosure of a document whose URLs are absolute: in the document's folder it must be a signed target, whose length
 * and digest it gets; elsewhere the (signed) document itself must have its digest. Then the items are signed. -EACCES: one
 * is neither, or the document contradicts what is signed.
 */
int feed_trust_check(struct feed_trust *t, struct feed *document, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * publish_sign: a publisher's folder becomes a TUF repository, which feed_trust.h follows: the document and each of its
 * enclosures in the folder are targets of the role `feed`.
 *
 *   metadata/               the roots and targets metadata of the repository that `vmcast key init --feed` made, and
 *                           N.feed.json, N.snapshot.json, timestamp.json, signed with its online key
 *   <sha256>.feed.xml       the document as it was signed; feed.xml is for those who do not follow signatures
 *
 * The keys stay in the publisher's repository, which also keeps what was signed last: versions go on from there, whatever
 * becomes of the folder. A feed has a repository of its own.
 *
 * Source: the TUF specification 1.0.x, sections 4 and 6.2 (consistent snapshots).
 */
#ifndef VMCAST_PUBLISH_SIGN_H
#define VMCAST_PUBLISH_SIGN_H

#include "err.h"

#include <stdint.h>

struct publish_sign_options {
	const char *folder;     /* with feed.xml */
	const char *base_url;   /* of the folder, ending in a slash; "": URLs in the document are relative to it */
	const char *repository; /* neither the folder nor in it */
	unsigned days;          /* until what is signed now must have been signed again */
};

struct publish_signed {
	int64_t root_version, version;
	int64_t expires, offline_expires; /* s since 1970; the latter of root or targets, whichever ends first */
};

/*
 * Sign what the folder has now. The timestamp is written last: until it is there, the one before leads to what it led to,
 * which is still there. -ENOENT: there is no feed, or it names a file that is not there; -EINVAL: followers could not take
 * it; -EACCES: the online key may not sign, or root or targets metadata have ended; errors of key_site_open.
 */
int publish_sign(struct publish_signed *out, const struct publish_sign_options *options, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof: what shows that an item's bytes are those that its publisher announced. A feed's option policy= names the least of
 * it that the feed's items must have (feed_options.h), each item and each version what it has.
 */
#ifndef VMCAST_PROOF_H
#define VMCAST_PROOF_H

#include <stdbool.h>

/* From the weakest; the database holds the numbers. */
enum proof {
	PROOF_NONE,
	PROOF_DIGEST, /* the document has a digest of every enclosure, and nobody on its way here could write another */
	PROOF_GPG,    /* the archive's own signatures are by keys of the operator's keyring */
	PROOF_SIGNED, /* the publisher's TUF metadata has the enclosure (feed_trust.h) */
};

/* "none", "digest", "gpg", "signed". Static storage. */
const char *proof_name(enum proof proof);

/* false: there is none of this name. */
bool proof_parse(enum proof *out, const char *name);

#endif

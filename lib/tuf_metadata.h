/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_metadata: one file of TUF metadata (root, timestamp, snapshot, targets): bytes -> checked fields, and whether
 * enough of a role's keys have signed it.
 *
 * Source: the TUF specification 1.0.x, section 4 (forms) and 5 (what a client compares). Unknown fields are kept: they
 * are part of what is signed.
 */
#ifndef VMCAST_TUF_METADATA_H
#define VMCAST_TUF_METADATA_H

#include "err.h"
#include "tuf_fileinfo.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tuf_type { TUF_ROOT, TUF_TIMESTAMP, TUF_SNAPSHOT, TUF_TARGETS, TUF_TYPES };

/* "root", "timestamp", "snapshot", "targets": the type's name, and its top-level role's. */
const char *tuf_type_name(enum tuf_type type);

struct tuf_metadata {
	enum tuf_type type;
	int64_t version;      /* from 1 */
	int64_t expires;      /* seconds since 1970, UTC */
	bool consistent;      /* root: file names carry versions and hashes */
	const json_t *fields; /* "signed"; borrowed from `document` */
	json_t *document;
	char *signed_text; /* canonical, which the signatures are of */
	size_t signed_bytes;
	char *text; /* as it came, which hashes in other metadata are of */
	size_t bytes;
	size_t values; /* about how many JSON values it has, which is what takes memory */
};

/* Of one snapshot or targets document. The others, which are parsed before anything vouches for their bytes, may have fewer. */
#define TUF_VALUES_MAX 200000

/* `text` of `len` bytes is copied. -EBADMSG: it is no metadata of this type. -ENOTSUP: another specification. Nothing of
 * it is to be believed before tuf_metadata_verify. Caller frees with tuf_metadata_free. */
int tuf_metadata_parse(struct tuf_metadata **out, enum tuf_type type, const char *text, size_t len, struct err *err);
void tuf_metadata_free(struct tuf_metadata **md);

/* Whether at least the threshold of `role` ({keyids, threshold}) have signed, of the keys in `keys` (id -> key). Of two
 * ids with the same key one counts. -EACCES if not. `name`: the role's, for the message. */
int tuf_metadata_verify(const struct tuf_metadata *md, const json_t *keys, const json_t *role, const char *name,
			struct err *err);

/* The same by a root, for a top-level role. */
int tuf_metadata_verify_by_root(const struct tuf_metadata *md, const struct tuf_metadata *root, struct err *err);

/* -EACCES when it was no longer to be used at `now`. */
int tuf_metadata_check_expiry(const struct tuf_metadata *md, const char *name, int64_t now, struct err *err);

/* What `md` (timestamp, snapshot) says of the file of `role`: 1, or 0 if nothing. */
int tuf_metadata_meta(struct tuf_fileinfo *out, const struct tuf_metadata *md, const char *role);

/* What `md` (targets) says of the target `path`: 1, or 0 if nothing. */
int tuf_metadata_target(struct tuf_fileinfo *out, const struct tuf_metadata *md, const char *path);

#endif

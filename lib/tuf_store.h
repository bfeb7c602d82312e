/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_store: the trusted TUF metadata of one repository, a folder with one file per role: root.json, snapshot.json, and of
 * delegated roles their names with everything but letters, digits, '_', '.', '-' and '~' percent-encoded.
 *
 * Source: the TUF specification, section 5.1 and those that say "persist": a file is replaced as a whole or not at all.
 */
#ifndef VMCAST_TUF_STORE_H
#define VMCAST_TUF_STORE_H

#include "err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Room for a role's name, quoted, that becomes part of a file's: "NAME.json.part" here, "VERSION.NAME.json" at a repository. */
#define TUF_ROLE_ROOM (NAME_MAX - 32)

/* Percent-encodes all but unreserved characters (RFC 3986, 2.3), and but '/' if `keep_slashes`. -ENAMETOOLONG. */
int tuf_quote(char *out, size_t room, const char *text, bool keep_slashes, struct err *err);

/* A role's file as it was saved. Caller frees `*text`, which is NUL-terminated. -ENOENT: there is none. -EFBIG: it has
 * more than `max` bytes. */
int tuf_store_load(char **text, size_t *len, const char *dir, const char *role, size_t max, struct err *err);

/* Safe from a power cut when it returns. */
int tuf_store_save(const char *dir, const char *role, const char *text, size_t len, struct err *err);

/* A role's file is gone when it returns, also after a power cut. It need not have been there. */
int tuf_store_remove(const char *dir, const char *role, struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_writer: the parts that TUF metadata is made of, and the text of its files, which tuf_store_save writes.
 *
 * Source: the TUF specification 1.0.x, section 4. All that returns JSON returns NULL where memory is out; caller frees with
 * json_decref. jansson lets NULL in as a part, and what it is to be a part of then is NULL or an error, so that only the end
 * of a chain needs to be looked at.
 */
#ifndef VMCAST_TUF_WRITER_H
#define VMCAST_TUF_WRITER_H

#include "digest.h"
#include "err.h"
#include "tuf_metadata.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct signing_key;

/* What is signed: of a root without keys, with a threshold of 1 for each role; of the others without files. `expires`:
 * seconds since 1970. */
json_t *tuf_signed_new(enum tuf_type type, int64_t version, int64_t expires);

/* The same fields with another version and another end. */
int tuf_signed_renew(json_t *fields, int64_t version, int64_t expires, struct err *err);

/* {"signatures": [], "signed": fields}. Takes ownership of `fields`. */
json_t *tuf_envelope_new(json_t *fields);

/* An empty {"keys": {}, "roles": []} for "delegations". */
json_t *tuf_delegations_new(void);

/* A delegation to the role `name` of all that matches one of `paths` (which end with NULL), terminating, without keys. */
json_t *tuf_delegation_new(const char *name, const char *const *paths);

/* The same of all paths whose SHA-256 begins with the hex digits `prefix`. */
json_t *tuf_delegation_new_by_hash(const char *name, const char *prefix);

/* Let the key sign for `role` (of a root's "roles", or a delegation); `holder`: what has "keys", a root's fields or
 * "delegations". */
int tuf_role_add_key(json_t *holder, json_t *role, const struct signing_key *key, struct err *err);

/* An entry of "targets". Takes ownership of `custom`; NULL: none. */
json_t *tuf_target_new(uint64_t length, const uint8_t sha256[static DIGEST_BYTES], json_t *custom);

/* The text of a file: `*len` bytes, NUL-terminated; caller frees. What other metadata says of it is about these bytes. */
int tuf_envelope_text(char **out, size_t *len, const json_t *envelope, struct err *err);

/* An entry of "meta": what timestamp and snapshot say of a file of `text`. */
json_t *tuf_meta_new(int64_t version, const char *text, size_t len);

#endif

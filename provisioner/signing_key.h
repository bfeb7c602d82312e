/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signing_key: a private key that signs TUF metadata: a PEM file of ours <-> signatures in an envelope.
 *
 * Source: the TUF specification, section 4.2; Ed25519 (RFC 8032); PKCS #8 (RFC 5958), encrypted with PBES2 and AES-256
 * (RFC 8018), through GnuTLS. `openssl pkey` reads and writes the same files.
 */
#ifndef VMCAST_SIGNING_KEY_H
#define VMCAST_SIGNING_KEY_H

#include "err.h"

#include <jansson.h>

struct signing_key;

/* Make a key and its file, mode 0600, which must not be there: -EEXIST. It is flushed when this returns, its folder is not.
 * `passphrase` NULL: the file is not encrypted. Caller frees with signing_key_free. */
int signing_key_create(struct signing_key **out, const char *path, const char *passphrase, struct err *err);

/* -ENOKEY: it is encrypted, and `passphrase` is NULL. -EKEYREJECTED: the passphrase is wrong. -EACCES: others than the
 * file's owner may read it. -EBADMSG, -ENOTSUP: it is no key, or not one of Ed25519. Caller frees with signing_key_free. */
int signing_key_load(struct signing_key **out, const char *path, const char *passphrase, struct err *err);
void signing_key_free(struct signing_key **key);

/* Its id: SHA-256 of the canonical JSON of the public key's object, in hex. Borrowed. */
const char *signing_key_id(const struct signing_key *key);

/* {keytype, scheme, keyval}: the public key as metadata carries it. Caller frees with json_decref. */
json_t *signing_key_public(const struct signing_key *key);

/* Add its signature to {"signatures": [...], "signed": {...}}, in place of one it made before. */
int signing_key_sign(json_t *metadata, const struct signing_key *key, struct err *err);

#endif

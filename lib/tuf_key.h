/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuf_key: whether a signature in TUF metadata is that of a public key as metadata carries it.
 *
 * Source: the TUF specification, section 4.2: ed25519 (RFC 8032), ecdsa-sha2-nistp256 and nistp384 (FIPS 186-5, DER),
 * rsassa-pss-sha256 (RFC 8017, any salt length).
 */
#ifndef VMCAST_TUF_KEY_H
#define VMCAST_TUF_KEY_H

#include "digest.h"
#include "err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* `key`: an object with keytype, scheme and keyval; `sig`: hex. 0: it is the signature of these bytes. -EACCES: it is
 * not. -ENOTSUP: another kind of key. -EBADMSG: no key, or one of RSA with less than 2048 or more than 4096 bits. */
int tuf_key_verify(const json_t *key, const char *sig, const void *data, size_t len, struct err *err);

/* Whether both are one key, whatever their ids, and however it is written (letter case of hex, lines of PEM). */
bool tuf_key_same(const json_t *a, const json_t *b);

/* Its id: the SHA-256 of the canonical JSON of the whole object, in hex. -EBADMSG: there is no such form. */
int tuf_key_id(char out[static DIGEST_HEX], const json_t *key, struct err *err);

#endif

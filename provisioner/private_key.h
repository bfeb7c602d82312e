/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_key: a PEM file <-> a private key of GnuTLS. PKCS #8 (RFC 5958), encrypted with PBES2 and AES-256 (RFC 8018);
 * `openssl pkey` reads and writes the same files.
 */
#ifndef VMCAST_PRIVATE_KEY_H
#define VMCAST_PRIVATE_KEY_H

#include "err.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>

/* Make a key and its file, mode 0600, which must not be there: -EEXIST. It is flushed when this returns, its folder is not.
 * `passphrase` NULL: the file is not encrypted. Caller frees with private_key_free. */
int private_key_create(gnutls_x509_privkey_t *out, const char *path, gnutls_pk_algorithm_t algorithm,
		       gnutls_ecc_curve_t curve, const char *passphrase, struct err *err);

/* -ENOKEY: it is encrypted, and `passphrase` is NULL. -EKEYREJECTED: the passphrase is wrong. -EACCES: others than the
 * file's owner may read it. -EBADMSG: it is no key. Caller frees with private_key_free. */
int private_key_load(gnutls_x509_privkey_t *out, const char *path, const char *passphrase, struct err *err);

void private_key_free(gnutls_x509_privkey_t *key);

#endif

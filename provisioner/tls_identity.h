/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_identity: what the service shows to its TLS clients: a key and a certificate of a few days that it makes itself, with
 * the issuer that `vmcast key ca issue` left in a folder (tls_ca.h). They are only ever in memory, and are made anew when
 * the first third of their time is over, at the next handshake.
 */
#ifndef VMCAST_TLS_IDENTITY_H
#define VMCAST_TLS_IDENTITY_H

#include "err.h"

#include <gnutls/abstract.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_IDENTITY_LIFE_S  (3 * 86400) /* of one certificate */
#define TLS_IDENTITY_RENEW_S (1 * 86400) /* after so long there is another */

struct tls_identity;

/* `dir` has issuer.pem and issuer-key.pem. -ENOENT: there is none. -EKEYEXPIRED: the issuer has ended. `now`: seconds since
 * 1970. Caller frees with tls_identity_close, after the server that uses it has stopped. */
int tls_identity_open(struct tls_identity **out, const char *dir, int64_t now, struct err *err);
void tls_identity_close(struct tls_identity **identity);

/* Whether what is shown now is for `host`, a DNS name or an address. */
bool tls_identity_is_for(struct tls_identity *identity, const char *host);

/* Read the issuer again at the next handshake. */
void tls_identity_reload(struct tls_identity *identity);

/* What is to be shown now: a server's certificate and its issuer's. Borrowed, valid until the second renewal after this. */
void tls_identity_show(struct tls_identity *identity, gnutls_pcert_st **chain, unsigned *chain_length,
		       gnutls_privkey_t *key, int64_t now);

/* GnuTLS hands its callback nothing of the caller's: the one identity of this process is set with the first, and shown by the
 * second. */
void tls_identity_use(struct tls_identity *identity);
gnutls_certificate_retrieve_function2 tls_identity_retrieve;

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * certificate: making X.509 certificates (RFC 5280) for a site's own TLS: a CA kept offline, an issuer below it that the
 * service keeps and that is good for a list of names only, and the service's own certificate. ECDSA P-256 throughout: what
 * every client of ours can verify.
 */
#ifndef VMCAST_CERTIFICATE_H
#define VMCAST_CERTIFICATE_H

#include "config.h"
#include "err.h"

#include <gnutls/x509.h>
#include <stdint.h>

enum certificate_kind { CERTIFICATE_CA, CERTIFICATE_ISSUER, CERTIFICATE_SERVER };

struct certificate_plan {
	enum certificate_kind kind;
	const char *common_name;
	const struct string_list
		*names;           /* DNS names and numeric addresses; an issuer may certify no others. NULL: a CA */
	int64_t now, expires;     /* seconds since 1970; valid from a little before `now` */
	gnutls_x509_crt_t issuer; /* NULL: it signs itself */
	gnutls_x509_privkey_t issuer_key;
};

/* Caller frees with certificate_free. */
int certificate_make(gnutls_x509_crt_t *out, gnutls_x509_privkey_t key, const struct certificate_plan *plan,
		     struct err *err);

/* One certificate in a PEM file. Caller frees with certificate_free. */
int certificate_load(gnutls_x509_crt_t *out, const char *path, struct err *err);
int certificate_save(const char *path, gnutls_x509_crt_t certificate, struct err *err);

/* The names that an issuer may certify. Caller frees with string_list_free. */
int certificate_names(struct string_list *out, gnutls_x509_crt_t issuer, struct err *err);

void certificate_free(gnutls_x509_crt_t *certificate);

#endif

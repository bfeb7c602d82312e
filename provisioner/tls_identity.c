/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_identity: see tls_identity.h */
#include "tls_identity.h"

#include "certificate.h"
#include "cleanup.h"
#include "key_site.h"
#include "log.h"
#include "private_key.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_S 60
#define SOON_S  (30 * 86400)

struct shown {
	gnutls_pcert_st chain[2]; /* ours, the issuer's */
	unsigned chain_length;    /* how many are initialised */
	gnutls_privkey_t key;
	int64_t made_at;
};

struct tls_identity {
	char *dir;
	pthread_mutex_t lock;
	struct shown now;
	struct shown before; /* a handshake may be using it */
	int64_t renew_at;
};

static void shown_done(struct shown *s)
{
	for (unsigned i = 0; i < s->chain_length; i++)
		gnutls_pcert_deinit(&s->chain[i]);
	if (s->key)
		gnutls_privkey_deinit(s->key);
	*s = (struct shown){ 0 };
}

static int fill(struct shown *out, gnutls_x509_crt_t certificate, gnutls_x509_crt_t issuer, gnutls_x509_privkey_t key,
		struct err *err)
{
	gnutls_x509_crt_t crts[] = { certificate, issuer };
	int code = gnutls_privkey_init(&out->key);

	if (code >= 0)
		code = gnutls_privkey_import_x509(out->key, key, GNUTLS_PRIVKEY_IMPORT_COPY);
	for (unsigned i = 0; code >= 0 && i < 2; i++) {
		code = gnutls_pcert_import_x509(&out->chain[i], crts[i], 0);
		out->chain_length += code >= 0;
	}
	return code < 0 ? err_set(err, -EIO, "certificate: %s", gnutls_strerror(code)) : 0;
}

/* Whether the key is that of the certificate: an issuer that is being replaced may be half there. */
static bool fits(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key)
{
	uint8_t a[64], b[64];
	size_t a_len = sizeof(a), b_len = sizeof(b);

	return gnutls_x509_crt_get_key_id(certificate, 0, a, &a_len) >= 0 &&
	       gnutls_x509_privkey_get_key_id(key, 0, b, &b_len) >= 0 && a_len == b_len && memcmp(a, b, a_len) == 0;
}

static int load_issuer(gnutls_x509_crt_t *issuer, gnutls_x509_privkey_t *key, const char *dir, int64_t now,
		       struct err *err)
{
	char path[PATH_MAX], key_path[PATH_MAX];
	int rc;

	if ((rc = key_site_path(path, dir, "issuer.pem", err)) ||
	    (rc = key_site_path(key_path, dir, "issuer-key.pem", err)) || (rc = certificate_load(issuer, path, err)) ||
	    (rc = private_key_load(key, key_path, NULL, err)))
		return rc;
	if (!fits(*issuer, *key))
		return err_set(err, -EBADMSG, "'%s' is not the certificate of '%s'", path, key_path);
	int64_t end = gnutls_x509_crt_get_expiration_time(*issuer);

	if (end <= now)
		return err_set(err, -EKEYEXPIRED, "'%s' has expired (vmcast key ca issue)", path);
	if (end - now < SOON_S)
		log_warn("tls: '%s' ends in %lld days (vmcast key ca issue)", path, (long long)(end - now) / 86400);
	return 0;
}

static int make(struct shown *out, const char *dir, int64_t now, struct err *err)
{
	CLEANUP(certificate_free) gnutls_x509_crt_t issuer = NULL;
	CLEANUP(certificate_free) gnutls_x509_crt_t certificate = NULL;
	CLEANUP(private_key_free) gnutls_x509_privkey_t issuer_key = NULL;
	CLEANUP(private_key_free) gnutls_x509_privkey_t key = NULL;
	CLEANUP(string_list_free) struct string_list names = { 0 };
	int rc = load_issuer(&issuer, &issuer_key, dir, now, err);

	if (rc || (rc = certificate_names(&names, issuer, err)))
		return rc;
	int64_t end = gnutls_x509_crt_get_expiration_time(issuer);
	const struct certificate_plan plan = { .kind = CERTIFICATE_SERVER,
					       .common_name = "vmcastd",
					       .names = &names,
					       .now = now,
					       .expires = end < now + TLS_IDENTITY_LIFE_S ? end
											  : now + TLS_IDENTITY_LIFE_S,
					       .issuer = issuer,
					       .issuer_key = issuer_key };
	int code = gnutls_x509_privkey_init(&key);

	if (code >= 0)
		code = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
						    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	if (code < 0)
		return err_set(err, -EIO, "make a key: %s", gnutls_strerror(code));
	rc = certificate_make(&certificate, key, &plan, err);
	if (!rc)
		rc = fill(out, certificate, issuer, key, err);
	out->made_at = now;
	return rc;
}

/* What is shown now stays when there is no better one. */
static int renew(struct tls_identity *identity, int64_t now, struct err *err)
{
	struct shown made = { 0 };
	int rc = make(&made, identity->dir, now, err);

	if (rc) {
		shown_done(&made);
		identity->renew_at = now + RETRY_S;
		return rc;
	}
	shown_done(&identity->before);
	identity->before = identity->now;
	identity->now = made;
	identity->renew_at = now + TLS_IDENTITY_RENEW_S;
	return 0;
}

int tls_identity_open(struct tls_identity **out, const char *dir, int64_t now, struct err *err)
{
	CLEANUP(tls_identity_close) struct tls_identity *identity = calloc(1, sizeof(*identity));

	if (identity) {
		pthread_mutex_init(&identity->lock, NULL);
		identity->dir = strdup(dir);
	}
	if (!identity || !identity->dir)
		return err_set(err, -ENOMEM, "out of memory");
	int rc = renew(identity, now, err);

	if (rc)
		return rc;
	*out = TAKE(identity);
	return 0;
}

void tls_identity_close(struct tls_identity **identity)
{
	if (!*identity)
		return;
	shown_done(&(*identity)->now);
	shown_done(&(*identity)->before);
	pthread_mutex_destroy(&(*identity)->lock);
	free((*identity)->dir);
	free(*identity);
	*identity = NULL;
}

bool tls_identity_is_for(struct tls_identity *identity, const char *host)
{
	CLEANUP(certificate_free) gnutls_x509_crt_t certificate = NULL;

	pthread_mutex_lock(&identity->lock);
	bool is_for = gnutls_pcert_export_x509(&identity->now.chain[0], &certificate) >= 0 &&
		      gnutls_x509_crt_check_hostname(certificate, host);
	pthread_mutex_unlock(&identity->lock);
	return is_for;
}

void tls_identity_reload(struct tls_identity *identity)
{
	pthread_mutex_lock(&identity->lock);
	identity->renew_at = 0;
	pthread_mutex_unlock(&identity->lock);
}

void tls_identity_show(struct tls_identity *identity, gnutls_pcert_st **chain, unsigned *chain_length,
		       gnutls_privkey_t *key, int64_t now)
{
	struct err err;

	pthread_mutex_lock(&identity->lock);
	/* One made by a clock that was ahead is valid for nobody else yet. */
	if ((now >= identity->renew_at || now < identity->now.made_at) && renew(identity, now, &err) < 0)
		log_warn("tls: no new certificate: %s, retrying in %d s", err.text, RETRY_S);
	*chain = identity->now.chain;
	*chain_length = identity->now.chain_length;
	*key = identity->now.key;
	pthread_mutex_unlock(&identity->lock);
}

static struct tls_identity *used;

void tls_identity_use(struct tls_identity *identity)
{
	used = identity;
}

int tls_identity_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int authority_count,
			  const gnutls_pk_algorithm_t *algorithms, int algorithm_count, gnutls_pcert_st **chain,
			  unsigned *chain_length, gnutls_privkey_t *key)
{
	(void)session, (void)authorities, (void)authority_count, (void)algorithms, (void)algorithm_count;
	tls_identity_show(used, chain, chain_length, key, time(NULL));
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tls_ca: see tls_ca.h */
#include "tls_ca.h"

#include "certificate.h"
#include "cleanup.h"
#include "folder.h"
#include "key_site.h"
#include "private_key.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int make_folder(const char *dir, struct err *err)
{
	char parent[PATH_MAX];

	if (mkdir(dir, 0700) < 0)
		return errno == EEXIST ? 0 : err_set(err, -errno, "make '%s': %s", dir, strerror(errno));
	/* Root makes what a service uses. */
	int rc = key_site_path(parent, dir, "..", err);
	return rc ? rc : key_site_give(parent, dir, err);
}

/* A certificate is for everybody to read. */
static int save_public(const char *path, gnutls_x509_crt_t certificate, struct err *err)
{
	int rc = certificate_save(path, certificate, err);

	if (!rc && chmod(path, 0644) < 0)
		rc = err_set(err, -errno, "mode of '%s': %s", path, strerror(errno));
	return rc;
}

int tls_ca_create(const char *dir, const char *passphrase, const char *common_name, int64_t now, int64_t expires,
		  struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t key = NULL;
	CLEANUP(certificate_free) gnutls_x509_crt_t certificate = NULL;
	const struct certificate_plan plan = {
		.kind = CERTIFICATE_CA, .common_name = common_name, .now = now, .expires = expires
	};
	char path[PATH_MAX], key_path[PATH_MAX];
	int rc;

	if ((rc = key_site_path(path, dir, "ca.pem", err)) || (rc = key_site_path(key_path, dir, "ca-key.pem", err)) ||
	    (rc = make_folder(dir, err)))
		return rc;
	rc = private_key_create(&key, key_path, GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP256R1, passphrase, err);
	if (rc)
		return rc;
	rc = certificate_make(&certificate, key, &plan, err);
	if (!rc)
		rc = save_public(path, certificate, err);
	if (rc) {
		unlink(key_path);
		return rc;
	}
	return folder_sync(dir, err);
}

/* The new key and certificate stand beside the old ones until both are there. The key goes first: a service that reads them
 * between the two finds a pair that does not fit, and keeps what it has. */
static int save_issuer(const char *dir, const char *new_key_path, gnutls_x509_crt_t certificate, struct err *err)
{
	char path[PATH_MAX], key_path[PATH_MAX];
	int rc;

	if ((rc = key_site_path(path, dir, "issuer.pem", err)) ||
	    (rc = key_site_path(key_path, dir, "issuer-key.pem", err)) || (rc = key_site_give(dir, new_key_path, err)))
		return rc;
	if (rename(new_key_path, key_path) < 0)
		return err_set(err, -errno, "rename '%s': %s", new_key_path, strerror(errno));
	if ((rc = save_public(path, certificate, err)) || (rc = key_site_give(dir, path, err)))
		return rc;
	return folder_sync(dir, err);
}

static int make_issuer(const char *dir, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key,
		       const struct string_list *names, int64_t now, int64_t expires, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t key = NULL;
	CLEANUP(certificate_free) gnutls_x509_crt_t certificate = NULL;
	const struct certificate_plan plan = { .kind = CERTIFICATE_ISSUER,
					       .common_name = "vmcastd issuer",
					       .names = names,
					       .now = now,
					       .expires = expires,
					       .issuer = ca,
					       .issuer_key = ca_key };
	char key_path[PATH_MAX];
	int rc = key_site_path(key_path, dir, "issuer-key.new", err);

	if (rc)
		return rc;
	unlink(key_path); /* of a run that was interrupted */
	rc = private_key_create(&key, key_path, GNUTLS_PK_ECDSA, GNUTLS_ECC_CURVE_SECP256R1, NULL, err);
	if (!rc)
		rc = certificate_make(&certificate, key, &plan, err);
	if (!rc)
		rc = save_issuer(dir, key_path, certificate, err);
	if (rc)
		unlink(key_path);
	return rc;
}

int tls_ca_issue(const char *dir, const char *ca_dir, const char *passphrase, const struct string_list *names,
		 int64_t now, int64_t expires, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t ca_key = NULL;
	CLEANUP(certificate_free) gnutls_x509_crt_t ca = NULL;
	char path[PATH_MAX], key_path[PATH_MAX];
	int rc;

	if ((rc = key_site_path(path, ca_dir, "ca.pem", err)) ||
	    (rc = key_site_path(key_path, ca_dir, "ca-key.pem", err)) || (rc = certificate_load(&ca, path, err)) ||
	    (rc = private_key_load(&ca_key, key_path, passphrase, err)))
		return rc;
	if (gnutls_x509_crt_get_expiration_time(ca) < expires)
		return err_set(err, -EINVAL, "the CA '%s' ends before that; choose fewer --days, or make another CA",
			       path);
	rc = make_folder(dir, err);
	return rc ? rc : make_issuer(dir, ca, ca_key, names, now, expires, err);
}

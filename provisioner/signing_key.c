/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signing_key: see signing_key.h */
#include "signing_key.h"

#include "canonical_json.h"
#include "cleanup.h"
#include "digest.h"
#include "json.h"
#include "private_key.h"
#include "tuf_key.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <nettle/base16.h>
#include <string.h>

#define PUBLIC_BYTES    32
#define SIGNATURE_BYTES 64

struct signing_key {
	gnutls_privkey_t private_key;
	json_t *public_key;
	char id[DIGEST_HEX];
};

static void free_datum(gnutls_datum_t *d)
{
	gnutls_free(d->data);
}

static void free_public(gnutls_pubkey_t *key)
{
	gnutls_pubkey_deinit(*key);
}

void signing_key_free(struct signing_key **keyp)
{
	struct signing_key *key = *keyp;

	if (!key)
		return;
	gnutls_privkey_deinit(key->private_key);
	json_decref(key->public_key);
	free(key);
	*keyp = NULL;
}

/* `out` has room for two digits for each byte, and a NUL. */
static void encode_hex(char *out, const gnutls_datum_t *bytes)
{
	base16_encode_update(out, bytes->size, bytes->data);
	out[2 * (size_t)bytes->size] = '\0';
}

static int read_public(struct signing_key *key, struct err *err)
{
	CLEANUP(free_public) gnutls_pubkey_t public_key = NULL;
	CLEANUP(free_datum) gnutls_datum_t point = { 0 };
	char hex[2 * PUBLIC_BYTES + 1];
	int code = gnutls_pubkey_init(&public_key);

	if (code >= 0)
		code = gnutls_pubkey_import_privkey(public_key, key->private_key, 0, 0);
	if (code >= 0)
		code = gnutls_pubkey_export_ecc_raw(public_key, NULL, &point, NULL);
	if (code < 0 || point.size != PUBLIC_BYTES)
		return err_set(err, -EBADMSG, "its public key: %s", gnutls_strerror(code));
	encode_hex(hex, &point);
	key->public_key =
		json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public", hex);
	return key->public_key ? tuf_key_id(key->id, key->public_key, err) : err_set(err, -ENOMEM, "out of memory");
}

/* `x509` stays the caller's. */
static int wrap_key(struct signing_key **out, gnutls_x509_privkey_t x509, struct err *err)
{
	CLEANUP(signing_key_free) struct signing_key *key = calloc(1, sizeof(*key));

	if (!key || gnutls_privkey_init(&key->private_key) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if (gnutls_x509_privkey_get_pk_algorithm(x509) != GNUTLS_PK_EDDSA_ED25519)
		return err_set(err, -ENOTSUP, "a key of another kind: Ed25519 is needed");
	int code = gnutls_privkey_import_x509(key->private_key, x509, GNUTLS_PRIVKEY_IMPORT_COPY);
	if (code < 0)
		return err_set(err, -EBADMSG, "%s", gnutls_strerror(code));
	int rc = read_public(key, err);
	if (rc)
		return rc;
	*out = TAKE(key);
	return 0;
}

int signing_key_create(struct signing_key **out, const char *path, const char *passphrase, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t x509 = NULL;
	int rc = private_key_create(&x509, path, GNUTLS_PK_EDDSA_ED25519, GNUTLS_ECC_CURVE_ED25519, passphrase, err);

	return rc ? rc : wrap_key(out, x509, err);
}

int signing_key_load(struct signing_key **out, const char *path, const char *passphrase, struct err *err)
{
	CLEANUP(private_key_free) gnutls_x509_privkey_t x509 = NULL;
	int rc = private_key_load(&x509, path, passphrase, err);

	if (rc)
		return rc;
	return wrap_key(out, x509, err) ? err_wrap(err, "'%s'", path) : 0;
}

const char *signing_key_id(const struct signing_key *key)
{
	return key->id;
}

json_t *signing_key_public(const struct signing_key *key)
{
	return json_deep_copy(key->public_key);
}

static void remove_signature(json_t *signatures, const char *id)
{
	for (size_t nr = json_array_size(signatures); nr--;) {
		const char *of = json_string_value(json_object_get(json_array_get(signatures, nr), "keyid"));

		if (of && strcmp(of, id) == 0)
			json_array_remove(signatures, nr);
	}
}

int signing_key_sign(json_t *metadata, const struct signing_key *key, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	CLEANUP(free_datum) gnutls_datum_t signature = { 0 };
	char hex[2 * SIGNATURE_BYTES + 1];
	size_t len;
	int rc = canonical_json(&text, &len, json_object_get(metadata, "signed"), err);

	if (rc)
		return rc;
	const gnutls_datum_t data = { (uint8_t *)text, (unsigned)len };
	int code = gnutls_privkey_sign_data2(key->private_key, GNUTLS_SIGN_EDDSA_ED25519, 0, &data, &signature);
	if (code < 0 || signature.size != SIGNATURE_BYTES)
		return err_set(err, -EIO, "sign: %s", gnutls_strerror(code));
	encode_hex(hex, &signature);
	json_t *signatures = json_object_get(metadata, "signatures");
	remove_signature(signatures, key->id);
	if (json_array_append_new(signatures, json_pack("{s:s, s:s}", "keyid", key->id, "sig", hex)))
		return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tuf_key: see tuf_key.h */
#include "tuf_key.h"

#include "canonical_json.h"
#include "cleanup.h"

#include <errno.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <nettle/base16.h>
#include <sodium/crypto_sign_ed25519.h>
#include <string.h>

#define SIGNATURE_BYTES_MAX 512 /* RSA of 4096 bits */
#define PUBLIC_CHARS_MAX    4096
#define RSA_BITS_MIN        2048
/* What is longer takes a processor for most of a second, and a hostile document has many of them. */
#define RSA_BITS_MAX          4096
#define RSA_EXPONENT_BITS_MAX 32
#define KEY_BYTES_MAX         1024 /* DER of the longest */

struct signature {
	uint8_t bytes[SIGNATURE_BYTES_MAX];
	size_t len;
};

struct message {
	const void *data;
	size_t len;
};

/* How a scheme verifies: the kind of key it takes, what the key object may call that, and the function. */
struct scheme {
	const char *name;
	const char *keytypes[3];
	int (*verify)(const struct scheme *scheme, const char *public_key, const struct signature *sig,
		      const struct message *message, struct err *err);
	mbedtls_ecp_group_id curve;
};

static int decode_hex(uint8_t *out, size_t *len, size_t max, const char *text)
{
	struct base16_decode_ctx ctx;
	size_t chars = strlen(text);

	if (chars % 2 || chars / 2 > max)
		return -EBADMSG;
	base16_decode_init(&ctx);
	*len = max;
	return base16_decode_update(&ctx, len, out, chars, text) && base16_decode_final(&ctx) && *len == chars / 2
		       ? 0
		       : -EBADMSG;
}

static int verify_ed25519(const struct scheme *scheme, const char *public_key, const struct signature *sig,
			  const struct message *message, struct err *err)
{
	uint8_t key[crypto_sign_ed25519_PUBLICKEYBYTES + 1];
	size_t len;

	if (decode_hex(key, &len, sizeof(key) - 1, public_key) || len != crypto_sign_ed25519_PUBLICKEYBYTES)
		return err_set(err, -EBADMSG, "%s: a public key of 64 hex digits is needed", scheme->name);
	if (sig->len != crypto_sign_ed25519_BYTES ||
	    crypto_sign_ed25519_verify_detached(sig->bytes, message->data, message->len, key))
		return err_set(err, -EACCES, "the signature is not this key's");
	return 0;
}

static void free_pk(mbedtls_pk_context *pk)
{
	mbedtls_pk_free(pk);
}

/* `*pk` is initialised. */
static int parse_pem(mbedtls_pk_context *pk, const char *public_key, mbedtls_pk_type_t type, struct err *err)
{
	/* It counts the final NUL of PEM. */
	int code = mbedtls_pk_parse_public_key(pk, (const uint8_t *)public_key, strlen(public_key) + 1);

	if (code)
		return err_set(err, -EBADMSG, "no public key in PEM (mbedTLS -0x%04x)", (unsigned)-code);
	if (!mbedtls_pk_can_do(pk, type))
		return err_set(err, -EBADMSG, "the public key is of another type: %s", mbedtls_pk_get_name(pk));
	return 0;
}

static int verify_ecdsa(const struct scheme *scheme, const char *public_key, const struct signature *sig,
			const struct message *message, struct err *err)
{
	CLEANUP(free_pk) mbedtls_pk_context pk;
	bool is_384 = scheme->curve == MBEDTLS_ECP_DP_SECP384R1;
	uint8_t hash[SHA384_DIGEST_SIZE];
	struct sha384_ctx sha384;

	mbedtls_pk_init(&pk);
	int rc = parse_pem(&pk, public_key, MBEDTLS_PK_ECDSA, err);
	if (rc)
		return rc;
	if (mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(pk)) != scheme->curve)
		return err_set(err, -EBADMSG, "%s: the key is on another curve", scheme->name);
	if (is_384) {
		sha384_init(&sha384);
		sha384_update(&sha384, message->len, message->data);
		sha384_digest(&sha384, sizeof(hash), hash);
	} else {
		digest_of(hash, message->data, message->len);
	}
	if (mbedtls_pk_verify(&pk, is_384 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256, hash,
			      is_384 ? SHA384_DIGEST_SIZE : DIGEST_BYTES, sig->bytes, sig->len))
		return err_set(err, -EACCES, "the signature is not this key's");
	return 0;
}

static int check_rsa(const mbedtls_pk_context *pk, const char *scheme, struct err *err)
{
	size_t bits = mbedtls_pk_get_bitlen(pk);
	mbedtls_mpi exponent;

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return err_set(err, -EBADMSG, "%s: a key of %zu bits is not taken, only %d to %d", scheme, bits,
			       RSA_BITS_MIN, RSA_BITS_MAX);
	mbedtls_mpi_init(&exponent);
	int code = mbedtls_rsa_export(mbedtls_pk_rsa(*pk), NULL, NULL, NULL, NULL, &exponent);
	size_t exponent_bits = mbedtls_mpi_bitlen(&exponent);
	mbedtls_mpi_free(&exponent);
	if (code || exponent_bits > RSA_EXPONENT_BITS_MAX)
		return err_set(err, -EBADMSG, "%s: the key's exponent has more than %d bits", scheme,
			       RSA_EXPONENT_BITS_MAX);
	return 0;
}

static int verify_rsa_pss(const struct scheme *scheme, const char *public_key, const struct signature *sig,
			  const struct message *message, struct err *err)
{
	const mbedtls_pk_rsassa_pss_options options = { .mgf1_hash_id = MBEDTLS_MD_SHA256,
							.expected_salt_len = MBEDTLS_RSA_SALT_LEN_ANY };
	CLEANUP(free_pk) mbedtls_pk_context pk;
	uint8_t hash[DIGEST_BYTES];

	mbedtls_pk_init(&pk);
	int rc = parse_pem(&pk, public_key, MBEDTLS_PK_RSA, err);
	if (!rc)
		rc = check_rsa(&pk, scheme->name, err);
	if (rc)
		return rc;
	digest_of(hash, message->data, message->len);
	if (mbedtls_pk_verify_ext(MBEDTLS_PK_RSASSA_PSS, &options, &pk, MBEDTLS_MD_SHA256, hash, sizeof(hash),
				  sig->bytes, sig->len))
		return err_set(err, -EACCES, "the signature is not this key's");
	return 0;
}

/* Repositories of before version 1.0.20 call the type of a NIST key what the scheme is called now. */
static const struct scheme schemes[] = {
	{ "ed25519", { "ed25519" }, verify_ed25519, MBEDTLS_ECP_DP_NONE },
	{ "ecdsa-sha2-nistp256", { "ecdsa", "ecdsa-sha2-nistp256" }, verify_ecdsa, MBEDTLS_ECP_DP_SECP256R1 },
	{ "ecdsa-sha2-nistp384", { "ecdsa", "ecdsa-sha2-nistp384" }, verify_ecdsa, MBEDTLS_ECP_DP_SECP384R1 },
	{ "rsassa-pss-sha256", { "rsa" }, verify_rsa_pss, MBEDTLS_ECP_DP_NONE },
};

static const struct scheme *find_scheme(const char *name, const char *keytype)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		if (strcmp(schemes[i].name, name) != 0)
			continue;
		for (const char *const *type = schemes[i].keytypes; *type; type++)
			if (strcmp(*type, keytype) == 0)
				return &schemes[i];
	}
	return NULL;
}

static const char *public_of(const json_t *key)
{
	return json_string_value(json_object_get(json_object_get(key, "keyval"), "public"));
}

int tuf_key_verify(const json_t *key, const char *sig, const void *data, size_t len, struct err *err)
{
	const char *keytype = json_string_value(json_object_get(key, "keytype"));
	const char *name = json_string_value(json_object_get(key, "scheme"));
	const char *public_key = public_of(key);
	const struct message message = { .data = data, .len = len };
	struct signature signature = { .len = 0 };

	if (!keytype || !name || !public_key || strlen(public_key) > PUBLIC_CHARS_MAX)
		return err_set(err, -EBADMSG, "a key needs keytype, scheme and keyval.public");
	const struct scheme *scheme = find_scheme(name, keytype);
	if (!scheme)
		return err_set(err, -ENOTSUP, "key of type '%.64s' with scheme '%.64s' is not supported", keytype,
			       name);
	if (decode_hex(signature.bytes, &signature.len, sizeof(signature.bytes), sig))
		return err_set(err, -EACCES, "the signature is no hex of at most %d bytes", SIGNATURE_BYTES_MAX);
	return scheme->verify(scheme, public_key, &signature, &message, err);
}

/* The key itself, without what may differ in how it is written. False: it is none. */
static bool key_bytes(uint8_t out[static KEY_BYTES_MAX], size_t *len, const json_t *key)
{
	CLEANUP(free_pk) mbedtls_pk_context pk;
	const char *text = public_of(key);

	mbedtls_pk_init(&pk);
	if (!text || strlen(text) > PUBLIC_CHARS_MAX)
		return false;
	if (decode_hex(out, len, KEY_BYTES_MAX, text) == 0)
		return true;
	if (mbedtls_pk_parse_public_key(&pk, (const uint8_t *)text, strlen(text) + 1))
		return false;
	int written = mbedtls_pk_write_pubkey_der(&pk, out, KEY_BYTES_MAX);
	if (written < 0)
		return false;
	/* It writes to the end of the room. */
	memmove(out, out + KEY_BYTES_MAX - written, (size_t)written);
	*len = (size_t)written;
	return true;
}

bool tuf_key_same(const json_t *a, const json_t *b)
{
	uint8_t bytes_a[KEY_BYTES_MAX], bytes_b[KEY_BYTES_MAX];
	size_t len_a, len_b;

	return key_bytes(bytes_a, &len_a, a) && key_bytes(bytes_b, &len_b, b) && len_a == len_b &&
	       memcmp(bytes_a, bytes_b, len_a) == 0;
}

int tuf_key_id(char out[static DIGEST_HEX], const json_t *key, struct err *err)
{
	CLEANUP(free_str) char *text = NULL;
	uint8_t digest[DIGEST_BYTES];
	size_t len;
	int rc = canonical_json(&text, &len, key, err);

	if (rc)
		return rc;
	digest_of(digest, text, len);
	digest_hex(out, digest);
	return 0;
}

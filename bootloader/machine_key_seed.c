/* SPDX-License-Identifier: GPL-2.0-or-later */
/* machine_key_seed: machine keys that are made of 32 random bytes, Ed25519 (RFC 8032): of a UEFI variable, or of this run. */
#include "cleanup.h"
#include "machine_key_kind.h"
#include "nvram_seed.h"

#include <errno.h>
#include <nettle/base16.h>
#include <sodium/crypto_sign_ed25519.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct seed_key {
	struct machine_key key; /* first: the ops get a pointer to it */
	uint8_t secret[crypto_sign_ed25519_SECRETKEYBYTES];
};

_Static_assert(crypto_sign_ed25519_SEEDBYTES == MACHINE_KEY_SEED_BYTES, "RFC 8032");
_Static_assert(crypto_sign_ed25519_BYTES <= MACHINE_KEY_SIGNATURE_MAX, "room for both kinds");

static int sign(struct machine_key *key, uint8_t out[static MACHINE_KEY_SIGNATURE_MAX], size_t *out_bytes,
		const void *data, size_t len, struct err *err)
{
	const struct seed_key *k = (const struct seed_key *)key;

	(void)err;
	crypto_sign_ed25519_detached(out, NULL, data, len, k->secret);
	*out_bytes = crypto_sign_ed25519_BYTES;
	return 0;
}

static void close_key(struct machine_key *key)
{
	struct seed_key *k = (struct seed_key *)key;

	sodium_memzero(k->secret, sizeof(k->secret));
	free(k);
}

static const struct machine_key_ops nvram_ops = { "nvram", sign, close_key };
static const struct machine_key_ops memory_ops = { "memory", sign, close_key };

static json_t *public_to_json(const uint8_t bytes[static crypto_sign_ed25519_PUBLICKEYBYTES])
{
	char hex[2 * crypto_sign_ed25519_PUBLICKEYBYTES + 1] = "";

	base16_encode_update(hex, crypto_sign_ed25519_PUBLICKEYBYTES, bytes);
	return json_pack("{s:s, s:s, s:{s:s}}", "keytype", "ed25519", "scheme", "ed25519", "keyval", "public", hex);
}

/* `seed` is wiped. */
static int open_seed(struct machine_key **out, const struct machine_key_ops *ops,
		     uint8_t seed[static MACHINE_KEY_SEED_BYTES], struct err *err)
{
	uint8_t public_bytes[crypto_sign_ed25519_PUBLICKEYBYTES];
	struct seed_key *k = calloc(1, sizeof(*k));

	if (k) {
		crypto_sign_ed25519_seed_keypair(public_bytes, k->secret, seed);
		k->key.ops = ops;
		k->key.public_key = public_to_json(public_bytes);
	}
	sodium_memzero(seed, MACHINE_KEY_SEED_BYTES);
	if (!k || !k->key.public_key) {
		if (k)
			close_key(&k->key);
		return err_set(err, -ENOMEM, "out of memory");
	}
	*out = &k->key;
	return 0;
}

int machine_key_open_nvram(struct machine_key **out, const char *folder, struct err *err)
{
	uint8_t seed[MACHINE_KEY_SEED_BYTES];
	int rc = nvram_seed(seed, folder, err);

	return rc ? rc : open_seed(out, &nvram_ops, seed, err);
}

int machine_key_open_memory(struct machine_key **out, struct err *err)
{
	uint8_t seed[MACHINE_KEY_SEED_BYTES];

	/* So few bytes come at once, or not at all. */
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	return open_seed(out, &memory_ops, seed, err);
}

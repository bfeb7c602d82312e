/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sealed: see sealed.h */
#include "sealed.h"

#include <errno.h>
#include <sodium/crypto_box.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

_Static_assert(crypto_box_PUBLICKEYBYTES == SEALED_PUBLIC_BYTES && crypto_box_SEALBYTES == SEALED_MORE_BYTES &&
		       crypto_box_SECRETKEYBYTES == sizeof(((struct sealed_key *)0)->secret_key),
	       "as in sealed.h");

int sealed_key_new(struct sealed_key *out, struct err *err)
{
	uint8_t seed[crypto_box_SEEDBYTES];

	/* So few bytes come at once, or not at all. */
	if (getrandom(seed, sizeof(seed), 0) != sizeof(seed))
		return err_set(err, -errno, "random bytes: %s", strerror(errno));
	crypto_box_seed_keypair(out->public_key, out->secret_key, seed);
	sodium_memzero(seed, sizeof(seed));
	return 0;
}

void sealed_key_done(struct sealed_key *key)
{
	sodium_memzero(key, sizeof(*key));
}

int sealed_seal(uint8_t **out, const uint8_t public_key[static SEALED_PUBLIC_BYTES], const void *data, size_t len,
		struct err *err)
{
	uint8_t *box = malloc(len + crypto_box_SEALBYTES);

	if (!box)
		return err_set(err, -ENOMEM, "out of memory");
	if (crypto_box_seal(box, data, len, public_key) != 0) {
		free(box);
		return err_set(err, -EINVAL, "no public key of X25519");
	}
	*out = box;
	return 0;
}

int sealed_open(char **out, size_t *out_len, const struct sealed_key *key, const uint8_t *box, size_t len,
		struct err *err)
{
	if (len < crypto_box_SEALBYTES)
		return err_set(err, -EACCES, "%zu bytes are no sealed box", len);
	char *text = malloc(len - crypto_box_SEALBYTES + 1);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	if (crypto_box_seal_open((uint8_t *)text, box, len, key->public_key, key->secret_key) != 0) {
		free(text);
		return err_set(err, -EACCES, "it is not sealed for this machine's run, or was altered on the way");
	}
	*out_len = len - crypto_box_SEALBYTES;
	text[*out_len] = '\0';
	*out = text;
	return 0;
}

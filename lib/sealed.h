/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sealed: bytes that only who holds a key of one exchange can read: libsodium's sealed boxes (X25519, XSalsa20-Poly1305; each
 * with a key pair of its own on the sender's side). They say nothing of who sealed them: what was opened is compared with a digest
 * that is known otherwise.
 */
#ifndef VMCAST_SEALED_H
#define VMCAST_SEALED_H

#include "err.h"

#include <stddef.h>
#include <stdint.h>

#define SEALED_PUBLIC_BYTES 32u
/* A sealed box is so much longer than what is in it. */
#define SEALED_MORE_BYTES 48u

struct sealed_key {
	uint8_t public_key[SEALED_PUBLIC_BYTES];
	uint8_t secret_key[32];
};

/* A fresh pair. Caller ends it with sealed_key_done, which wipes it. */
int sealed_key_new(struct sealed_key *out, struct err *err);
void sealed_key_done(struct sealed_key *key);

/* `*out` has len + SEALED_MORE_BYTES; caller frees with free. -EINVAL: that is no public key. */
int sealed_seal(uint8_t **out, const uint8_t public_key[static SEALED_PUBLIC_BYTES], const void *data, size_t len,
		struct err *err);

/* `*out` is NUL-terminated; `*out_len` without the NUL; caller wipes it and frees with free. -EACCES: it is not sealed for this
 * key, or not as it was sealed. */
int sealed_open(char **out, size_t *out_len, const struct sealed_key *key, const uint8_t *box, size_t len,
		struct err *err);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest: SHA-256 (FIPS 180-4) through nettle, which uses the processor's SHA instructions where it has them. */
#ifndef VMCAST_DIGEST_H
#define VMCAST_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32
#define DIGEST_HEX   (2 * DIGEST_BYTES + 1) /* with the final NUL */

/* A digest being computed: digest_init, digest_add any number of times, digest_final (which also restarts it). */
struct digest {
	struct sha256_ctx sha256;
};

void digest_init(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
void digest_final(struct digest *d, uint8_t out[static DIGEST_BYTES]);

/* All of it in one call. */
void digest_of(uint8_t out[static DIGEST_BYTES], const void *data, size_t len);

/* Whether `digest` is that of these bytes. */
bool digest_is_of(const uint8_t digest[static DIGEST_BYTES], const void *data, size_t len);

/* Lower-case hex with a final NUL. */
void digest_hex(char out[static DIGEST_HEX], const uint8_t digest[static DIGEST_BYTES]);

/* Parse exactly 64 hex digits (either case), with or without "sha256:" before them. Returns 0, or -EINVAL with `out`
 * untouched. */
int digest_parse(uint8_t out[static DIGEST_BYTES], const char *text);

bool digest_equal(const uint8_t a[static DIGEST_BYTES], const uint8_t b[static DIGEST_BYTES]);

#endif

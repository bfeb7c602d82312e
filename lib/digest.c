/* SPDX-License-Identifier: GPL-2.0-or-later */
/* digest: see digest.h */
#include "digest.h"

#include <errno.h>
#include <string.h>

void digest_init(struct digest *d)
{
	sha256_init(&d->sha256);
}

void digest_add(struct digest *d, const void *data, size_t len)
{
	sha256_update(&d->sha256, len, data);
}

void digest_final(struct digest *d, uint8_t out[static DIGEST_BYTES])
{
	sha256_digest(&d->sha256, DIGEST_BYTES, out);
}

void digest_of(uint8_t out[static DIGEST_BYTES], const void *data, size_t len)
{
	struct digest d;

	digest_init(&d);
	digest_add(&d, data, len);
	digest_final(&d, out);
}

bool digest_is_of(const uint8_t digest[static DIGEST_BYTES], const void *data, size_t len)
{
	uint8_t found[DIGEST_BYTES];

	digest_of(found, data, len);
	return digest_equal(found, digest);
}

void digest_hex(char out[static DIGEST_HEX], const uint8_t digest[static DIGEST_BYTES])
{
	static const char hex[] = "0123456789abcdef";

	for (int i = 0; i < DIGEST_BYTES; i++) {
		out[2 * i] = hex[digest[i] >> 4];
		out[2 * i + 1] = hex[digest[i] & 15];
	}
	out[DIGEST_HEX - 1] = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int digest_parse(uint8_t out[static DIGEST_BYTES], const char *text)
{
	uint8_t parsed[DIGEST_BYTES];

	if (strncmp(text, "sha256:", 7) == 0)
		text += 7;
	if (strlen(text) != DIGEST_HEX - 1)
		return -EINVAL;
	for (int i = 0; i < DIGEST_BYTES; i++) {
		int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		parsed[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(out, parsed, sizeof(parsed));
	return 0;
}

bool digest_equal(const uint8_t a[static DIGEST_BYTES], const uint8_t b[static DIGEST_BYTES])
{
	return memcmp(a, b, DIGEST_BYTES) == 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* signed_request: see signed_request.h */
#include "signed_request.h"

#include "digest.h"

#include <stdio.h>

char *signed_request_text(const char *method, const char *path, const void *body, size_t body_bytes)
{
	uint8_t digest[DIGEST_BYTES];
	char hex[DIGEST_HEX], *text;

	digest_of(digest, body, body_bytes);
	digest_hex(hex, digest);
	if (asprintf(&text, "vmcast-request-1\n%s\n%s\n%s\n", method, path, hex) < 0)
		return NULL;
	return text;
}

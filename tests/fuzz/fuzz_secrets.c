/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a file of secrets: no crash, and nothing that could not stand in a header. */
#include "secrets.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct secret secret;
	struct err err;

	/* As secret_find hands it on. */
	if (memchr(data, '\0', len))
		return 0;
	if (secret_parse(&secret, (const char *)data, len, "a", &err) == 0) {
		assert(secret.value && !strpbrk(secret.value, "\r\n"));
		assert((secret.kind == SECRET_CERTIFICATE) == (secret.key != NULL));
	} else {
		assert(!secret.value && !secret.key);
	}
	secret_done(&secret);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a TPM's answer. */
#include "tpm2.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tpm2_signature signature;
	struct tpm2_key key;
	struct err err = { 0 };
	size_t said;

	if (len >= TPM2_HEADER_BYTES && tpm2_answer_bytes(&said, data, &err) == 0)
		assert(said >= TPM2_HEADER_BYTES && said <= TPM2_ANSWER_MAX);
	if (tpm2_answer_create(&key, data, len, &err) == 0)
		assert(key.handle >> 24 == 0x80);
	tpm2_answer_sign(&signature, data, len, &err);
	return 0;
}

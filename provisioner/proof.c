/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proof: see proof.h */
#include "proof.h"

#include <stddef.h>
#include <string.h>

static const char *const names[] = {
	[PROOF_NONE] = "none", [PROOF_DIGEST] = "digest", [PROOF_GPG] = "gpg", [PROOF_SIGNED] = "signed"
};

const char *proof_name(enum proof proof)
{
	return names[proof];
}

bool proof_parse(enum proof *out, const char *name)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], name) == 0) {
			*out = (enum proof)i;
			return true;
		}
	}
	return false;
}

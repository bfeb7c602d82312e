/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a seed from the service, once it is opened: what is taken makes a volume. */
#include "boot_seed.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct boot_seed seed = { 0 };
	struct err err = { 0 };
	uint8_t *volume = NULL;

	if (boot_seed_parse(&seed, (const char *)data, len, &err) != 0) {
		assert(err.code < 0 && !seed.count);
		return 0;
	}
	assert(seed.count > 0 && seed.count <= 3);
	if (seed_volume_make(&volume, seed.files, seed.count, len % 2 ? 512 : 4096, &err) == 0)
		free(volume);
	boot_seed_done(&seed);
	return 0;
}

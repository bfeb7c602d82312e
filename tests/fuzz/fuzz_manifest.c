/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a manifest of digests. */
#include "unpack_manifest.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct manifest *m = NULL;
	struct err err;

	if (manifest_parse(&m, "fuzz", (const char *)data, len, &err))
		return 0;
	assert(m->entry_count && m->entry_count <= MANIFEST_ENTRIES_MAX);
	for (size_t i = 0; i < m->entry_count; i++) {
		assert(m->entries[i].file[0] && m->entries[i].digest_bytes <= MANIFEST_DIGEST_MAX);
		assert(manifest_find(m, m->entries[i].file) == &m->entries[i]);
	}
	manifest_free(&m);
	return 0;
}

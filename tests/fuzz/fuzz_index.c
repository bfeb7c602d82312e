/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an index with the right digest: it is refused, or every entry of it can be used as it is. */
#include "digest.h"
#include "index.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int read_data(void *ctx, uint8_t *buf, size_t len, uint64_t off, struct err *err)
{
	(void)err;
	memcpy(buf, (const uint8_t *)ctx + off, len);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct index_source source = { read_data, (void *)data, len };
	uint8_t digest[DIGEST_BYTES];
	struct index *ix = NULL;
	uint64_t off = 0, disk_bytes = 0;
	struct err err;

	digest_of(digest, data, len);
	if (index_open(&ix, &source, digest, &err))
		return 0;
	const struct index_header *h = index_get_header(ix);
	for (uint64_t nr = 0; nr < h->chunk_count; nr++) {
		struct index_entry e;

		int rc = index_get_entry(ix, &e, nr, &err);
		assert(rc == 0 && e.frame_off == off && e.frame_bytes >= 1);
		off += e.frame_bytes;
		disk_bytes += index_chunk_bytes(h, nr);
	}
	assert(disk_bytes == h->disk_bytes && off <= h->image_bytes);
	index_close(&ix);
	return 0;
}

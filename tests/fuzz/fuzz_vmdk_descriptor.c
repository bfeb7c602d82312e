/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a VMDK descriptor, or as the header of a sparse extent: names are no paths, grains lie in the file. */
#include "unpack_vmdk.h"

#include "bytes.h"

#include <assert.h>
#include <string.h>

static void check_grains(const struct vmdk_sparse *s, const uint8_t *data, size_t len)
{
	uint64_t off;
	struct err err;

	for (uint64_t nr = 0; nr < s->grain_count && nr < 100; nr++) {
		uint32_t entry = le32(data + nr * 4 % (len - 3));

		assert(vmdk_sparse_table_off(s, nr) + 4 <= s->file_bytes);
		if (vmdk_sparse_entry_off(&off, s, nr, entry, &err) == 0)
			assert(off + 4 <= s->file_bytes);
		if (vmdk_sparse_grain_off(&off, s, nr, entry, &err) == 0)
			assert(off < s->file_bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct vmdk *vmdk = NULL;
	struct vmdk_sparse sparse;
	struct err err;
	uint64_t total = 0;

	if (len >= VMDK_HEADER_BYTES && vmdk_sparse_init(&sparse, data, len * 4096, &err) == 0)
		check_grains(&sparse, data, len);
	if (vmdk_parse(&vmdk, "fuzz", (const char *)data, len, &err))
		return 0;
	for (size_t i = 0; i < vmdk->extent_count; i++) {
		const struct vmdk_extent *e = &vmdk->extents[i];

		total += e->disk_bytes;
		assert((e->kind == VMDK_ZERO) == !e->file);
		assert(!e->file || (e->file[0] && !strchr(e->file, '/')));
	}
	assert(vmdk->extent_count && total == vmdk->disk_bytes);
	vmdk_free(&vmdk);
	return 0;
}

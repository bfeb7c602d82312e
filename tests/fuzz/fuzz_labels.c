/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the head of a disk whose size they do not know. */
#include "labels.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint64_t sizes[] = { 512, 1u << 20, 5ull << 30, UINT64_MAX };
	static struct labels labels;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		labels_read(&labels, data, len, sizes[i]);
		assert(labels.count >= 1 && labels.count <= LABELS_PARTITIONS_MAX);
		for (size_t nr = 0; nr < labels.count; nr++)
			assert(labels.partitions[nr].from < labels.partitions[nr].to &&
			       labels.partitions[nr].to <= sizes[i]);
		assert(labels_are_in(&labels, 0, 512));
	}
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes where a file system's superblock is looked for: the first of the input at the beginning, the rest at 64 KiB. */
#include "boot_superblock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct boot_superblock sb;
	size_t near = len < 8192 ? len : 8192;
	uint8_t *head = calloc(1, BOOT_SUPERBLOCK_BYTES);

	assert(head);
	memcpy(head, data, near);
	if (len - near <= 4096)
		memcpy(head + (64u << 10), data + near, len - near);
	boot_superblock_parse(&sb, head, BOOT_SUPERBLOCK_BYTES);
	assert(!sb.is_mountable || sb.kind);
	assert(strlen(sb.uuid) < sizeof(sb.uuid) && strlen(sb.label) < sizeof(sb.label));
	free(head);

	/* A device that is shorter than that. */
	uint8_t *cut = malloc(len ? len : 1);
	assert(cut);
	memcpy(cut, data, len);
	boot_superblock_parse(&sb, cut, len);
	free(cut);
	return 0;
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a Parallels disk descriptor: its image is a name and no path. */
#include "unpack_hdd.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hdd hdd = { 0 };
	struct err err;

	if (hdd_parse(&hdd, "fuzz", (const char *)data, len, &err))
		return 0;
	assert(hdd.file && !strchr(hdd.file, '/'));
	hdd_done(&hdd);
	return 0;
}

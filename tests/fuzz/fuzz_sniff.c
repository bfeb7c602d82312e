/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the beginning and end of a file, and, up to the first NULs, as its media type and URL. */
#include "sniff.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct sniff_format *format = NULL;
	size_t head_len = len < SNIFF_HEAD_BYTES ? len : SNIFF_HEAD_BYTES;
	size_t tail_len = len < SNIFF_TAIL_BYTES ? len : SNIFF_TAIL_BYTES;
	struct err err;

	assert(sniff_head(data, head_len)->name);
	sniff_tail(data + len - tail_len, tail_len, &err);
	char *type = strndup((const char *)data, len);
	size_t used = strlen(type) + 1;
	char *url = used < len ? strndup((const char *)data + used, len - used) : strdup("");
	sniff_declared(&format, type, url, &err);
	free(type);
	free(url);
	return 0;
}

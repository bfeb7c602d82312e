/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a list of subscriptions: no crash, and what was read can be written and read again. */
#include "opml.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct opml *opml = NULL, *again = NULL;
	char *text = NULL;
	size_t text_len;
	struct err err;

	if (opml_parse(&opml, (const char *)data, len, &err))
		return 0;
	FILE *to = open_memstream(&text, &text_len);
	assert(!opml_write(to, opml->feeds, opml->count, &err));
	fclose(to);
	assert(!opml_parse(&again, text, text_len, &err) && again->count == opml->count);
	opml_free(&opml);
	opml_free(&again);
	free(text);
	return 0;
}
